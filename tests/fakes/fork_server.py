"""Starts ``orch`` by forking a process that has imported it already.

Importing takes 0.7 s of processor time, preparing the static files 0.13 s; tests start the service hundreds
of times. The forked process has its own arguments, environment, folder and standard error, and runs
:func:`orch.cli.main` as ``python -m orch`` does. What has to be a new interpreter (other commands, variables
that Python or its libraries read when they are loaded) is started as one.
"""

import array
import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO, Final

from tests.fakes.patience import PATIENCE
from tests.fakes.processes import lasting

ROOT: Final = Path(__file__).parents[2]
REQUEST_BYTES: Final = 1 << 17

#: Variables that are read when an interpreter or a library is loaded, so that a fork would not notice them.
READ_AT_LOAD: Final = ("PYTHON", "LD_", "MALLOC_", "COVERAGE", "LC_", "LANG", "TZ", "OPENBLAS_", "OMP_")


class ForkedProcess:
    """A forked service, with the methods of :class:`subprocess.Popen` that tests use."""

    def __init__(self, pid: int, stderr: IO[str]) -> None:
        self.pid = pid
        self.stderr: IO[str] | None = stderr
        self.returncode: int | None = None
        self._ended = threading.Event()

    def note_end(self, code: int) -> None:
        """Note the exit code; a negative one is the signal that ended it."""
        self.returncode = code
        self._ended.set()

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended; return the exit code. Raises :class:`subprocess.TimeoutExpired`."""
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired("orch", timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it runs."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The process that forks, as its parent sees it. A thread notes which of the services have ended."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with lasting():
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fakes.fork_server", str(theirs.fileno())],
                cwd=ROOT,
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
            )
        theirs.close()
        self._socket = ours
        self._lock = threading.Lock()
        self._started: dict[int, ForkedProcess] = {}
        self._ended_early: dict[int, int] = {}
        self._pids: list[int] = []
        self._has_ended = False
        self._has_forked = threading.Condition(self._lock)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        atexit.register(self.close)

    def start(self, arguments: list[str], folder: Path, environ: Mapping[str, str]) -> ForkedProcess:
        """Start ``orch`` with these arguments."""
        reads, writes = os.pipe()
        request = json.dumps({"arguments": arguments, "folder": str(folder), "environ": dict(environ)})
        try:
            with self._has_forked:
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [writes]))]
                self._socket.sendmsg([request.encode()], rights)
                if not self._has_forked.wait_for(lambda: self._pids or self._has_ended, timeout=PATIENCE):
                    raise TimeoutError(f"The fork server has not started the service within {PATIENCE:g} s.")
                if not self._pids:
                    raise ChildProcessError("The fork server has ended; its standard error says why.")
                process = ForkedProcess(self._pids.pop(), os.fdopen(reads, encoding="utf-8"))
                if process.pid in self._ended_early:
                    process.note_end(self._ended_early.pop(process.pid))
                else:
                    self._started[process.pid] = process
                return process
        finally:
            os.close(writes)

    def _read(self) -> None:
        while message := self._socket.recv(64):
            pid, _, code = message.decode().partition(" ")
            with self._has_forked:
                if not code:
                    self._pids.append(int(pid))
                    self._has_forked.notify_all()
                elif int(pid) in self._started:
                    self._started.pop(int(pid)).note_end(int(code))
                else:
                    self._ended_early[int(pid)] = int(code)
        with self._has_forked:
            self._has_ended = True
            self._has_forked.notify_all()

    def close(self) -> None:
        """End the process that forks, and wait for it."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._process.wait(10)
        self._reader.join()  # what it reads ends with the other end
        self._socket.close()


@cache
def fork_server() -> ForkServer:
    """Return the fork server of this test process, started at first use."""
    return ForkServer()


def can_fork(command: list[str], environ: Mapping[str, str]) -> bool:
    """Whether a command is ``python -m orch`` with nothing that only a new interpreter would notice."""
    return (
        command[:3] == [sys.executable, "-m", "orch"]
        and "COVERAGE_PROCESS_START" not in os.environ
        and not any(name.startswith(READ_AT_LOAD) for name in environ)
    )


class _Child(Exception):  # noqa: N818 - not an error: leaves the loop in the forked process
    """This is the forked process."""


def _serve(connection: socket.socket) -> None:
    """Fork once for each request, and report each child's end, until the connection is closed."""
    children: dict[int, int] = {}
    while True:
        readable, _, _ = select.select([connection.fileno(), *children], [], [])
        for pidfd in readable:
            if pidfd in children:
                pid = children.pop(pidfd)
                _, status = os.waitpid(pid, 0)
                os.close(pidfd)
                connection.send(f"{pid} {os.waitstatus_to_exitcode(status)}".encode())
        if connection.fileno() not in readable:
            continue
        data, descriptors, _, _ = socket.recv_fds(connection, REQUEST_BYTES, 1)
        if not data:
            return
        pid = os.fork()
        if not pid:
            connection.close()
            for pidfd in children:
                os.close(pidfd)
            os.dup2(descriptors[0], 2)
            os.close(descriptors[0])
            # The tests may run under nohup; the service would go on after its terminal as well.
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            request = json.loads(data)
            os.chdir(request["folder"])
            os.environ.clear()
            os.environ.update(request["environ"])
            sys.argv = [str(ROOT / "orch" / "__main__.py"), *request["arguments"]]
            sys.orig_argv = [sys.executable, "-m", "orch", *request["arguments"]]
            raise _Child
        os.close(descriptors[0])
        children[os.pidfd_open(pid)] = pid
        connection.send(str(pid).encode())


def _run() -> None:
    import gc

    import orch.serving  # noqa: F401 - all that a service imports
    from orch.cli import main
    from tests.fakes.assets import prepare_all

    prepare_all()
    gc.collect()
    gc.freeze()
    try:
        _serve(socket.socket(fileno=int(sys.argv[1])))
    except _Child:
        pass
    else:
        return
    sys.exit(main())


if __name__ == "__main__":
    _run()

"""The real service as a child process, on a free port, with state of its own."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.fakes.fork_server import ROOT, ForkedProcess, can_fork, fork_server
from tests.fakes.patience import PATIENCE
from tests.fakes.waiting import wait_until

#: A test that does something else for seconds, or a machine that does, makes no client silent. Tests of
#: silent clients set the time-out themselves.
PATIENT = {"ORCH_ORCHESTRATION__WEBSOCKET__HEARTBEAT_TIMEOUT": "120"}

#: For tests of what real engines say: one that a busy machine keeps waiting is neither unhealthy
#: nor late.
UNHURRIED = {
    "ORCH_ORCHESTRATION__MONITORING__HEALTH_CHECK_TIMEOUT": "60",
    "ORCH_ORCHESTRATION__GATEWAY__TIMEOUT": "300",
    "ORCH_ORCHESTRATION__GATEWAY__TIMEOUTS__CONNECT": "60",
    "ORCH_ORCHESTRATION__SPEECH__BUFFER_SECONDS": "600",  # the words of an engine that is late still come
    "ORCH_ORCHESTRATION__BOTS__ENABLED": "false",  # no meeting of the demo
}


#: A synthetic journey in a test that takes a minute is speech that nobody counted on.
WITHOUT_JOURNEY = {"ORCH_ORCHESTRATION__MONITORING__JOURNEY__ENABLED": "off"}


class RunningService:
    """One ``orch`` process that listens. ``lines`` are its log lines so far, decoded."""

    def __init__(self, arguments: list[str], folder: Path, environ: Mapping[str, str]) -> None:
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.lines: list[dict[str, Any]] = []
        token = environ.get("ORCH_CONTROL_TOKEN")
        #: What an operator sends, where the service was given a token.
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.process = self._start(self.command(arguments), folder, environ)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = self._ready()
        self.port = int(self.url.rpartition(":")[2])

    def command(self, arguments: list[str]) -> list[str]:
        """Return what is run."""
        return [sys.executable, "-m", "orch", *arguments]

    def _start(
        self, command: list[str], folder: Path, environ: Mapping[str, str]
    ) -> subprocess.Popen[str] | ForkedProcess:
        patient = {} if _sets("heartbeat_timeout", command) else PATIENT
        alone = {} if _sets("journey", command) else WITHOUT_JOURNEY
        whole = os.environ | {"PYTHONPATH": str(ROOT)} | patient | alone | dict(environ)
        if can_fork(command, environ):
            return fork_server().start(command[3:], folder, whole)
        return subprocess.Popen(
            command, cwd=folder, env=whole, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def _ready(self) -> str:
        """Wait until it listens; return where. Lines of its back ends may come first."""
        return str(self.wait_for_line("ready", logger="serving")["addresses"][0])

    def _read(self) -> None:
        assert self.process.stderr is not None
        for text in self.process.stderr:
            try:
                line = json.loads(text)
            except ValueError:
                line = {"event": text.rstrip()}
            self.lines.append(line)
            self._queue.put(line)
        self._queue.put(None)

    def wait_for_line(self, event: str, **members: Any) -> dict[str, Any]:
        """Return the next log line with this event and these members."""
        while True:
            line = self._queue.get(timeout=PATIENCE)
            assert line is not None, f"ended before {event!r}: {self.lines[-20:]}"
            if line.get("event") == event and members.items() <= line.items():
                return line

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        """Ask for a path."""
        return httpx2.get(self.url + path, headers={**self.headers, **(headers or {})}, timeout=PATIENCE)

    def post(self, path: str, **more: Any) -> httpx2.Response:
        """Post to a path."""
        return httpx2.post(self.url + path, timeout=PATIENCE, **more)

    def delete(self, path: str) -> httpx2.Response:
        """Delete what is at a path."""
        return httpx2.delete(self.url + path, timeout=PATIENCE)

    def figure(self, name: str) -> int:
        """Return a figure of ``/metrics``, labels included in its name; 0 for one that is not there."""
        lines = self.get("/metrics").text.splitlines()
        return next((int(float(line[len(name) :])) for line in lines if line.startswith(name + " ")), 0)

    def has_healthy_back_ends(self) -> bool:
        """Return whether all of its services are healthy."""
        return set(self.get("/api/health").json()["services"].values()) == {"healthy"}

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.ended()

    def stop(self) -> int:
        """Ask it to end; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.ended()

    def ended(self) -> int:
        """Wait until it has ended; return its exit code. What does not end is killed, and fails the test."""
        try:
            code = self.process.wait(PATIENCE)
        finally:
            self.process.kill()
        self._reader.join(PATIENCE)
        if self.process.stderr is not None:
            self.process.stderr.close()
        if code:
            sys.stderr.write("\n".join(map(str, self.lines[-20:])))  # where the test expected another code
        return code


def _sets(name: str, command: list[str]) -> bool:
    """Whether the settings file that a command names has a setting of that name."""
    if "--config" not in command:
        return False
    path = Path(command[command.index("--config") + 1])
    return path.is_file() and name in path.read_text(encoding="utf-8")


@contextmanager
def service(
    command: str,
    folder: Path,
    *,
    port: int = 0,
    settings: str | None = None,
    environ: Mapping[str, str] | None = None,
    awaits_back_ends: bool = True,
) -> Iterator[RunningService]:
    """Run ``orch serve`` or ``orch demo`` in ``folder`` (its state lies in ``folder/var``) for the block.

    The back ends of a demo are healthy then, which on a busy machine they may be minutes after the service is
    ready; ``awaits_back_ends`` unset does not wait for them.
    """
    arguments = [command, "--port", str(port)]
    if settings is not None:
        path = folder / "orchestration.yaml"
        path.write_text(settings, encoding="utf-8")
        arguments += ["--config", str(path)]
    running = RunningService(arguments, folder, environ or {})
    try:
        if command == "demo" and awaits_back_ends:
            wait_until(running.has_healthy_back_ends, "the back ends are healthy", every=0.2)
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()
        else:
            running.ended()

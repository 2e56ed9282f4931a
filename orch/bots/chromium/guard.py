"""The parent process of one browser: it ends every process of the browser when the service has gone.

The problem: a browser must not outlive the service, not even one that is killed with SIGKILL, and a browser
is a dozen processes, some of which leave its process group. The service's own children notice the end of
their standard input; Chromium has no such habit. It does close itself at the end of its DevTools pipe, but
only as long as its main thread is not stuck. ``PR_SET_PDEATHSIG`` from the service would fire when the
*thread* that started the browser ends, and would reach its first process only.

So this small program stands between. Its standard input is a pipe that the service alone holds open: at its
end, whatever ended the service, the browser is ended. It is a *subreaper* (``PR_SET_CHILD_SUBREAPER``): every
process that loses its parent becomes its child, also one with a session or group of its own, so "no child is
left" is the kernel's word that nothing of the browser is left. If this program is killed itself, the
browser's first process is killed by ``PR_SET_PDEATHSIG`` (it has one thread, so that is exact), and its other
processes end when their channels to it close. If all are killed at once, the profile's lock is free, and the
next start removes the profile.

It uses the standard library alone and is started with ``-I -S``: about 15 ms and 9 MiB. Elsewhere than on
Linux it has the process group only.

Usage: ``guard.py JSON``, the JSON being :func:`main`'s ``given``. It writes lines to standard output:
``started PID``, ``failed ERRNO``, ``ended CODE`` (at once when the browser's first process has ended;
negative: the signal), and ``left TEXT`` if the profile could not be removed. It exits when all is done.
"""

import ctypes
import fcntl
import json
import os
import resource
import select
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

SET_PDEATHSIG: Final = 1
SET_CHILD_SUBREAPER: Final = 36

ROUND: Final = 0.05
"""Seconds of one round of waiting, once the browser has been asked to end."""
KILL_ROUNDS: Final = 200
"""Rounds after SIGKILL. A killed process ends, unless it is in an uninterruptible system call."""

INPUT: Final = 0
_MOVED: Final = 10
"""Descriptors are moved out of the way of 3 and 4, where Chromium expects its pipe."""


def main(given: dict[str, Any]) -> int:
    """Run one browser to its end.

    ``argv``: its command line. ``pipe``: the descriptors that it reads commands from and writes to, or none.
    ``lock``: the profile's, held until exit. ``remove``: the links and folders to remove at the end.
    ``grace``: seconds between SIGTERM and SIGKILL; 0: SIGKILL at once. ``data_limit``: bytes of memory of
    each process (``RLIMIT_DATA``), or 0.
    """
    for number in (given["lock"], *given["pipe"]):
        os.set_inheritable(number, False)  # noqa: FBT003 - the standard library's own signature
    prctl(SET_CHILD_SUBREAPER, 1)
    wakeup = _wake_on_signals()
    browser = _start(given)
    if browser is None:
        code = 1
    else:
        for number in given["pipe"]:
            os.close(number)
        _say(f"started {browser}")
        code = _attend(browser, wakeup, given["grace"])
    for path in given["remove"]:
        _remove(Path(path))
    return code


def prctl(option: int, value: int) -> None:
    """Call Linux's ``prctl``; elsewhere nothing happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _wake_on_signals() -> int:
    """Return a descriptor that can be read after SIGCHLD, and after SIGTERM, which ends the browser."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    return read


def _start(given: dict[str, Any]) -> int | None:
    """Start the browser in a process group of its own; None, and a line, if that fails."""
    failed, failure = os.pipe()  # closed by a successful exec
    guard = os.getpid()
    try:
        child = os.fork()
    except OSError as error:
        _say(f"failed {error.errno}")
        return None
    if child == 0:
        os.close(failed)
        _become(given, failure, guard)
    os.close(failure)
    with os.fdopen(failed) as reading:
        number = reading.read()
    if not number:
        return child
    os.waitpid(child, 0)
    _say(f"failed {number}")
    return None


def _become(given: dict[str, Any], failure: int, guard: int) -> NoReturn:
    """Turn this process, just forked, into the browser; or write the error's number and end."""
    try:
        prctl(SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:
            os._exit(1)  # the guard ended before the line above
        os.setpgid(0, 0)
        os.umask(0o077)
        for signal_number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(signal_number, signal.SIG_DFL)
        if given["data_limit"]:
            resource.setrlimit(resource.RLIMIT_DATA, (given["data_limit"], given["data_limit"]))
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, INPUT)
        os.dup2(nothing, 1)
        failure = _moved(failure)
        for target, number in enumerate([_moved(each) for each in given["pipe"]], start=3):
            os.dup2(number, target)
        os.execvp(given["argv"][0], given["argv"])  # noqa: S606 - a program without a shell is the purpose
    except OSError as error:
        os.write(failure, str(error.errno).encode())
    finally:
        os._exit(1)


def _moved(number: int) -> int:
    """Return a copy of the descriptor with a number out of the way, closed on exec."""
    return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _MOVED)


def _attend(browser: int, wakeup: int, grace: float) -> int:
    """Wait for the end of the browser or of the service, then leave no process. Return 0."""
    code: int | None = None
    is_asked = False
    rounds = 0
    while code is None:
        ready, _, _ = select.select(
            [wakeup] if is_asked else [wakeup, INPUT], [], [], ROUND if is_asked else None
        )
        is_term = wakeup in ready and signal.SIGTERM in _drained(wakeup)
        code = _reaped(browser)
        if code is not None:
            break
        if not is_asked and (is_term or (INPUT in ready and not os.read(INPUT, 4096))):
            is_asked = True
            rounds = int(grace / ROUND)
            os.kill(browser, signal.SIGTERM if rounds else signal.SIGKILL)
        elif is_asked:
            rounds -= 1
            if rounds <= 0:
                os.kill(browser, signal.SIGKILL)
            if rounds < -KILL_ROUNDS:
                break
    if code is not None:
        _say(f"ended {code}")
    _kill_rest(browser)
    return 0


def _drained(wakeup: int) -> bytes:
    """Return the numbers of the signals that arrived."""
    try:
        return os.read(wakeup, 4096)
    except BlockingIOError:
        return b""


def _reaped(browser: int) -> int | None:
    """Reap what has ended; return the browser's exit code once it is among that (negative: a signal)."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == browser:
            code = os.waitstatus_to_exitcode(status)


def _kill_rest(browser: int) -> None:
    """Kill the browser's group and all descendants, until this process has no child."""
    for _ in range(KILL_ROUNDS):
        with suppress(ProcessLookupError, PermissionError):  # the group is empty
            os.killpg(browser, signal.SIGKILL)
        for pid in descendants(os.getpid()):
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        select.select([], [], [], ROUND / 10)


def descendants(pid: int) -> list[int]:
    """Return the processes that one has started, directly or through others; none where there is no /proc."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(") ")[2].split()[1])
        except (OSError, IndexError):
            continue  # it has ended since the folder was listed
        children.setdefault(parent, []).append(int(stat.parent.name))
    found = []
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            found.append(child)
            waiting.append(child)
    return found


def _remove(folder: Path) -> None:
    try:
        if folder.is_symlink():
            folder.unlink()
        else:
            shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        _say(f"left {error.strerror}")


def _say(line: str) -> None:
    """Write a line to the service, if it is still there."""
    try:
        os.write(1, line.encode() + b"\n")
    except OSError:
        return  # it has gone, which is the reason for much of this


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))

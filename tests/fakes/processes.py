"""Processes as the kernel shows them. Each may end while one looks; it is then left out."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orch.bots.chromium.guard import descendants

_lasting: set[int] = set()
_RESIDENT = 21
"""Of the fields of :func:`stat`."""


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and that have not ended, zombies left out.

    Of the tests' own process: without those that serve many tests (:func:`lasting`).
    """
    return [child for child, state in _started_by(pid) if state != "Z" and child not in _lasting]


def family(pid: int) -> list[int]:
    """Return a process and all that it has started, directly or through others."""
    return [pid, *descendants(pid)]


@contextmanager
def lasting() -> Iterator[None]:
    """Leave what is started in the block out of :func:`children`: it serves more tests than this one."""
    before = set(children(os.getpid()))
    yield
    _lasting.update(set(children(os.getpid())) - before)


def unreaped() -> set[int]:
    """Return the processes that this one has started and not reaped, but for those that serve many tests."""
    return {child for child, _ in _started_by(os.getpid())} - _lasting


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that has ended and that nobody has asked after does not."""
    return bool(found := stat(pid)) and found[0] != "Z"


def command(pid: int) -> bytes:
    """Return a process's command line, each part ended by a NUL; nothing once it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def with_command(*marks: bytes) -> list[int]:
    """Return the processes whose command lines contain all the marks."""
    commands = {pid: command(pid) for pid in _pids()}
    return [pid for pid, text in commands.items() if all(mark in text for mark in marks)]


def parent(pid: int) -> int | None:
    """Return which process has started one; None once it has ended."""
    found = stat(pid)
    return int(found[1]) if found else None


def stat(pid: int) -> list[str]:
    """Return the fields of ``/proc/PID/stat`` after the name (proc_pid_stat(5)); none once it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(") ")[2].split()


def open_files(pid: int) -> list[str]:
    """Return what a process's descriptors stand for, as ``socket:[7]`` or a path; none once it has ended."""
    found = []
    with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # it has been closed
                found.append(str(link.readlink()))
    return found


def resident(pid: int) -> int:
    """Return a process's resident bytes; 0 once it has ended."""
    fields = stat(pid)
    return int(fields[_RESIDENT]) * os.sysconf("SC_PAGE_SIZE") if fields else 0


def shared_memory(pid: int) -> int:
    """Return a process's resident bytes, what several share divided among them; 0 once it has ended."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))


def _started_by(pid: int) -> list[tuple[int, str]]:
    """Return the processes, zombies included, that one has started, and their states."""
    found = [(each, stat(each)) for each in _pids()]
    return [(each, fields[0]) for each, fields in found if fields and int(fields[1]) == pid]


def _pids() -> list[int]:
    return [int(each) for each in os.listdir("/proc") if each.isdigit()]  # noqa: PTH208 - names are enough

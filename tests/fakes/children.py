"""The processes that a process has started."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_lasting: set[int] = set()


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and that have not ended, zombies left out.

    Of the tests' own process: without those that serve many tests (:func:`lasting`).
    """
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(") ")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended since the folder was listed
        if int(parent) == pid and state != "Z":
            found.append(int(stat.parent.name))
    return [each for each in found if each not in _lasting]


@contextmanager
def lasting() -> Iterator[None]:
    """Leave what is started in the block out of :func:`children`: it serves more tests than this one."""
    before = set(children(os.getpid()))
    yield
    _lasting.update(set(children(os.getpid())) - before)


def unreaped() -> set[int]:
    """Return the processes that this one has started and not reaped, but for those that serve many tests."""
    me = os.getpid()
    return {
        int(each)
        for task in Path(f"/proc/{me}/task").iterdir()
        for each in (task / "children").read_text().split()
    } - _lasting

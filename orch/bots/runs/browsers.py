"""The browsers that a process has started, as far as the system still has them."""

from pathlib import Path
from typing import Final

_STARTED: Final = 19
"""Place of a process's start time among the fields of ``/proc/PID/stat`` after its name (proc(5))."""

_ENDED: Final = frozenset({"Z", "X"})


class Browsers:
    """Knows the first process of each browser. The mutable state is those that were alive when it was read.

    What the service believes of a bot does not count: a browser that outlives its bot is among them.
    Bounded by the browsers that the system has.
    """

    def __init__(self) -> None:
        self._started: dict[int, str] = {}

    def note(self, process: int) -> None:
        """Note that a browser runs; 0: it is none of ours."""
        started = _start_time(process) if process else None
        if started is not None:
            self._started[process] = started

    def count(self) -> int:
        """Return how many are alive. A process with the same id that was started later is another one."""
        self._started = {pid: at for pid, at in self._started.items() if _start_time(pid) == at}
        return len(self._started)


def _start_time(process: int) -> str | None:
    """Return when a living process was started, in the system's ticks; None: there is none."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(") ")[2].split()
    return None if fields[0] in _ENDED else fields[_STARTED]

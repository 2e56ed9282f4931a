"""How fast small chunks of bodies are read. Pure.

A chunk of one byte costs as much to read as one of some kilobytes. Whoever sends many is read from slowly,
rather than refused: some clients make a chunk of every line. Kept as one number a connection (GCRA, as in
:mod:`orch.front.websocket.small_frames`).
"""

from typing import Final

#: Chunks a second on average, and at once.
PER_SECOND: Final = 5_000
BURST: Final = 2_000

#: Seconds: sums of parts of a second are not exact.
ROUNDING: Final = 1e-6


def after(full_at: float, now: float, count: int) -> float:
    """Return when all of the burst is allowed again, once so many were read; ``full_at``: 0 at first."""
    return max(full_at, now) + count / PER_SECOND


def pause(full_at: float, now: float) -> float:
    """Return the seconds until more should be read."""
    late = full_at - now - BURST / PER_SECOND
    return late if late > ROUNDING else 0.0

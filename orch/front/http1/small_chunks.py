"""The rate at which small chunks of request bodies are read. Pure.

A chunk of one byte costs as much to read as one of some kilobytes. A client that sends many is read slowly
rather than refused: some clients make a chunk of every line. Stored as one number per connection (GCRA, as in
:mod:`orch.front.websocket.small_frames`).
"""

from typing import Final

#: Chunks a second on average, and at once.
PER_SECOND: Final = 5_000
BURST: Final = 2_000

#: Seconds, for the rounding of floats.
ROUNDING: Final = 1e-6


def after(full_at: float, now: float, count: int) -> float:
    """Return when the whole burst is available again, after ``count`` chunks; ``full_at``: 0 at first."""
    return max(full_at, now) + count / PER_SECOND


def pause(full_at: float, now: float) -> float:
    """Return the seconds to wait before reading more."""
    late = full_at - now - BURST / PER_SECOND
    return late if late > ROUNDING else 0.0

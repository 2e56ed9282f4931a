"""How fast a connection may send speech. Pure."""

from typing import Final

#: Once it is this many seconds ahead of time, speech may be sent so many times faster than it was spoken:
#: what a client stored while its connection was lost is welcome at once, a flood is not.
CATCHING_UP: Final = 8.0
AHEAD: Final = 90.0


class CatchUpLimit:
    """A token bucket of seconds of speech. The mutable state is when it is full again."""

    def __init__(self, now: float) -> None:
        self._full_at = now - AHEAD / CATCHING_UP

    def add(self, seconds: float, now: float) -> float:
        """Count speech that arrives now; return when more may be accepted: at once, if that has passed."""
        self._full_at = max(self._full_at, now - AHEAD / CATCHING_UP) + seconds / CATCHING_UP
        return self._full_at

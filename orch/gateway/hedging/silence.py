"""Finds an instance that hangs although each request to it is overtaken by one at another instance. Pure.

An overtaken try is cancelled, so that it never fails: neither breaker nor ejection would notice that the
instance answers nobody. Nor can such tries be counted as failures: one that is five times as slow as the
others never answers in time either, and it works. What tells them apart is to wait for once, and no client
should have to. So, once :data:`ROW` tries in a row were overtaken without a first byte of anything in
between, one of these requests is sent to the instance again, as a *witness*, with nobody waiting for its
response. If that stays silent for its patience, the tries of the row count as failures of their callers, and
the witness as one; any first byte of the instance clears the row.

There is one witness at a time, and none for :data:`PAUSE` s after one that was answered, so that an instance
that is merely slow gets a request more every half minute.
"""

from collections import deque
from typing import Final

ROW: Final = 5
"""Tries in a row that are no accident: as many as Envoy's failures in a row that eject an instance."""

STORED: Final = 16
"""Callers of the latest tries of the row that are known."""

PAUSE: Final = 30.0

LEAST_PATIENCE: Final = 10.0
"""Seconds that a witness waits at least."""

PATIENCE: Final = 10.0
"""As many times the usual seconds to the first byte of its route a witness waits, if that is more."""


def patience(usual: float, limit: float) -> float:
    """Return for how many seconds a witness waits. ``usual``: of the route; ``limit``: that of a request."""
    return min(limit, max(LEAST_PATIENCE, PATIENCE * usual))


class Silence:
    """The overtaken tries of one instance. The mutable state is their row, and whether a witness is out.

    Times are seconds of one monotonic clock.
    """

    __slots__ = ("_callers", "_has_witness", "_not_before", "row")

    def __init__(self) -> None:
        self.row = 0
        """Tries in a row that were overtaken without a first byte."""
        self._callers: deque[str] = deque(maxlen=STORED)
        self._has_witness = False
        self._not_before = 0.0

    def __repr__(self) -> str:
        return f"<Silence row={self.row} witness={self._has_witness}>"

    def overtaken(self, caller: str, now: float) -> bool:
        """Note an overtaken try without a first byte; return whether a witness is sent now."""
        self.row += 1
        self._callers.append(caller)
        if self.row < ROW or self._has_witness or now < self._not_before:
            return False
        self._has_witness = True
        return True

    def answered(self) -> None:
        """Note a first byte of the instance."""
        self.row = 0
        self._callers.clear()

    def witness_ended(self, now: float, *, is_silent: bool) -> tuple[str, ...]:
        """Note the end of the witness; return the callers whose tries count as failures.

        ``is_silent``: it has waited for its patience, and there was no first byte of anything since.
        """
        self._has_witness = False
        if not is_silent or not self.row:
            self._not_before = now + PAUSE
            return ()
        callers = tuple(self._callers)
        self.answered()
        return callers

    def witness_missing(self) -> None:
        """Note that the witness could not be sent; the next overtaken try asks for another one."""
        self._has_witness = False

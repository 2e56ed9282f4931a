"""Whether an instance refuses what it is asked: the same refusal in a row, to several callers. Pure.

One caller cannot cause it: it may send a wrong key or path of its own. The service's own requests for
captions are judged by :mod:`orch.speech.outcomes`.
"""

from typing import Final

from orch.gateway.breaker import CALLERS

REFUSALS: Final = frozenset({401, 403, 404, 429})

ENOUGH: Final = 5
"""Refusals in a row that are no accident."""

LATELY: Final = 600.0
"""Seconds after which the last refusal shows nothing any more."""


class RefusalRow:
    """The refusals in a row. ``count``: 0 while the last response was none."""

    __slots__ = ("_at", "_callers", "_status", "count")

    def __init__(self) -> None:
        self.count = 0
        self._status = 0
        self._at = 0.0
        self._callers: set[str] = set()

    def add(self, status: int, caller: str, now: float) -> None:
        """Note a response."""
        if status != self._status or status not in REFUSALS:
            self.count = 0
            self._callers.clear()
            self._status = status
        if status not in REFUSALS:
            return
        self.count += 1
        self._at = now
        if len(self._callers) < CALLERS:
            self._callers.add(caller)

    def current(self, now: float) -> tuple[int, int] | None:
        """Return the status and the number of refusals in a row, or None if they are too few or too old."""
        is_clear = self.count >= ENOUGH and len(self._callers) >= CALLERS and now - self._at < LATELY
        return (self._status, self.count) if is_clear else None

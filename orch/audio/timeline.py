"""Places decoded samples in time. Pure.

Timestamps say where each block begins. Between what was placed and where
the next block belongs there is a hole (a late start, a pause of the recorder), filled with silence, or an
overlap, of which the later copy is dropped. Below :data:`TOLERANCE` the difference is left alone (FFmpeg's
``aresample=async=1`` uses the same 0.1 s): containers round their timestamps.

A clock that goes back by more than :data:`RESTART` has started again: recordings glued together. Nothing is
dropped then, and what follows continues where the former ended. A jump forward past the end that the
container declares is damage, not a pause, and moves nothing.
"""

from dataclasses import dataclass
from typing import Final

TOLERANCE: Final = 0.1
RESTART: Final = 2.0


@dataclass(frozen=True, slots=True)
class Placing:
    """Seconds of silence before a block, or seconds of its beginning that are dropped."""

    silence: float = 0.0
    drop: float = 0.0


class Timeline:
    """Places blocks one after the other. ``length``: seconds that the container declares, where it does.

    ``has_clock``: its timestamps are of a clock. Others only count what came before: none belongs where
    another is, so that nothing is dropped.

    The mutable state is where the next block is expected, and how far the recording's clock was moved.
    """

    def __init__(self, *, length: float | None = None, has_clock: bool = True) -> None:
        self._length = length
        self._has_clock = has_clock
        self._end = 0.0
        self._moved = 0.0

    @property
    def end(self) -> float:
        """Where what was placed ends, in seconds."""
        return self._end

    def place(self, at: float | None, seconds: float) -> Placing:
        """Place a block of ``seconds`` that belongs at ``at`` (None: it has no timestamp)."""
        if at is None:
            self._end += seconds
            return Placing()
        difference = at + self._moved - self._end
        is_uncounted = difference < 0 and not self._has_clock
        if is_uncounted or difference < -RESTART or self._is_beyond(at + self._moved):
            self._moved -= difference
            difference = 0.0
        if difference > TOLERANCE:
            self._end += difference + seconds
            return Placing(silence=difference)
        if difference < -TOLERANCE:
            drop = min(-difference, seconds)
            self._end += seconds - drop
            return Placing(drop=drop)
        self._end += seconds
        return Placing()

    def _is_beyond(self, at: float) -> bool:
        return self._length is not None and at > max(self._length, self._end) + RESTART

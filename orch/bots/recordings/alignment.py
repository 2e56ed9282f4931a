"""Places the sound of one track on the session's clock, gaps included. Pure.

A track's samples are numbered, lost ones included, so that a gap is known by its size. What is not numbered
is lost too: a page that did not run for a while goes on counting where it was. So the number of the next
sample is compared with the time at which it was captured (``at``), which is late by up to some 100 ms, and
never early: once even the least late of the last seconds is late by more than :data:`LATE`, so much silence
is inserted. A clock of the sound that is faster than the session's is met by leaving out quiet blocks.
"""

from collections import deque
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

RATE: Final = 16_000
LATE: Final = 0.25
"""Seconds by which a track may differ from the session's clock."""

WINDOW: Final = 20
"""Blocks of sound, some 2 s, of which the least late counts."""

QUIET: Final = 200
"""Largest sample (of 32,767) of a block that may be left out."""

LONGEST_GAP: Final = 4 * 3600 * RATE
"""Samples of silence that are inserted at once; a longer gap is a mistake of a clock."""

Samples = NDArray[np.int16]


class Placed(Struct, frozen=True):
    """Sound at its place: ``first``: the number of its first sample from the session's start.

    ``silence``: samples that are missing before it, since the end of what was placed last.
    """

    first: int
    silence: int
    samples: Samples


class Alignment:
    """The track's place. The mutable state is where it goes on, and how late its last blocks were.

    ``lost``: samples of silence in place of sound.
    """

    def __init__(self) -> None:
        self._origin: int | None = None
        self._next = 0
        self._lateness: deque[int] = deque(maxlen=WINDOW)
        self.lost = 0

    def place(self, at: float, first: int, samples: Samples) -> Placed | None:
        """Return a block of sound at its place; None: all of it was placed before, or it is left out.

        ``at``: when its last sample was captured, in seconds from the session's start; ``first``: the number
        of its first sample in the track.
        """
        captured = round(at * RATE)
        if self._origin is None:
            self._origin = max(0, captured - len(samples)) - first
            self._next = self._origin + first
        begin = self._origin + first
        if (seen := self._next - begin) > 0:
            samples = samples[seen:]
            begin = self._next
        if not len(samples):
            return None
        shift = self._shift(captured - (begin + len(samples)))
        if shift < 0:
            if np.abs(samples.astype(np.int32)).max() > QUIET:
                shift = 0
            else:
                self._origin -= len(samples)
                self._lateness.clear()
                return None
        elif shift > 0:
            self._origin += shift
            begin += shift
            self._lateness.clear()
        silence = min(begin - self._next, LONGEST_GAP)
        begin = self._next + silence
        self._origin = begin - first - max(0, seen)
        self._next = begin + len(samples)
        self.lost += silence
        return Placed(begin, silence, samples)

    def _shift(self, late: int) -> int:
        """Return the samples by which the track has to be moved."""
        self._lateness.append(late)
        if len(self._lateness) < WINDOW:
            return 0
        least = min(self._lateness)
        return least if abs(least) > LATE * RATE else 0

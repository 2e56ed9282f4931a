"""Adds up the sound of several tracks. Pure.

A block is added at its place from the session's start. What is older than :data:`BEHIND` s before the newest
block is complete, and returned; a block that arrives later than that is not in the mix any more.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

RATE: Final = 16_000
BEHIND: Final = 3.0
"""Seconds that tracks are waited for."""

PIECE: Final = 10 * RATE
"""Samples returned at a time."""

_LARGEST: Final = 32_767

Samples = NDArray[np.int16]


class Mixer:
    """The mix. The mutable state is the sum of the last seconds, and where it begins.

    ``first``: the number of the mix's first sample, None before there is one. ``late``: samples that came too
    late.
    """

    def __init__(self) -> None:
        self.first: int | None = None
        self.late = 0
        self._begin = 0
        self._sum = np.zeros(0, dtype=np.int32)

    def add(self, first: int, samples: Samples) -> Iterator[Samples]:
        """Add a block, and yield what is complete. The yielded pieces follow each other without a gap."""
        if self.first is None:
            # Tracks that began a little earlier than the first one may follow.
            self.first = self._begin = max(0, first - int(BEHIND * RATE) // 2)
        if (missed := self._begin - first) > 0:
            self.late += min(missed, len(samples))
            first, samples = self._begin, samples[missed:]
        if len(samples):
            at = first - self._begin
            # Far ahead of all others, as after an interruption: what lies between is returned first.
            while at > PIECE:
                yield self._take(PIECE)
                at -= PIECE
            if (more := at + len(samples) - len(self._sum)) > 0:
                self._sum = np.concatenate([self._sum, np.zeros(more, dtype=np.int32)])
            self._sum[at : at + len(samples)] += samples
        if (ready := len(self._sum) - int(BEHIND * RATE)) >= RATE:
            yield self._take(ready)

    def finish(self) -> Iterator[Samples]:
        """Yield the rest."""
        if len(self._sum):
            yield self._take(len(self._sum))

    def _take(self, count: int) -> Samples:
        taken = np.zeros(count, dtype=np.int32)
        there = self._sum[:count]
        taken[: len(there)] = there
        self._sum = self._sum[count:]
        self._begin += count
        return np.clip(taken, -_LARGEST - 1, _LARGEST).astype(np.int16)

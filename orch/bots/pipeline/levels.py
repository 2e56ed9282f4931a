"""The levels of one track: for the correlation, and to judge whether there was any speech. Pure."""

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

RATE: Final = 16_000
FRAME: Final = RATE // 20
"""Samples of a frame: 50 ms, shorter than a syllable."""
REPORTED: Final = RATE // 10
"""Samples of which one level is reported: the correlation takes ten a second."""
KEPT: Final = 180.0
"""Seconds of levels: the longest utterance, and how long it may wait for its engine."""
SILENT: Final = -120.0
"""dBFS of digital silence."""
_FULL_SCALE: Final = 32_768.0


@dataclass(frozen=True, slots=True)
class Measured:
    """A tenth of a second of a track, or more: up to sample ``end``, its loudest frame in dBFS."""

    end: int
    dbfs: float


class Levels:
    """The mutable state is the levels of the last frames, and the samples of one that is not complete.

    Positions are counted from the track's first sample, those of lost samples included.
    """

    def __init__(self) -> None:
        self._frames: deque[float] = deque(maxlen=round(KEPT * RATE / FRAME))
        self._end = 0
        self._rest = np.empty(0, np.int16)
        self._loudest = SILENT
        self._reported = 0

    def add(self, pcm: bytes) -> Measured | None:
        """Add samples; return the level since the last one each tenth of a second, else None."""
        samples = np.concatenate((self._rest, np.frombuffer(pcm, "<i2")))
        whole = len(samples) // FRAME
        self._rest = samples[whole * FRAME :].copy()
        if not whole:
            return None
        frames = samples[: whole * FRAME].reshape(whole, FRAME).astype(np.float32)
        power = np.mean(np.square(frames / _FULL_SCALE), axis=1)
        quiet = power <= 10 ** (SILENT / 10)
        found = np.where(quiet, SILENT, 10 * np.log10(np.where(quiet, 1.0, power)))
        dbfs = [float(each) for each in found]
        self._frames.extend(dbfs)
        self._end += whole * FRAME
        self._loudest = max(self._loudest, *dbfs)
        if self._end - self._reported < REPORTED:
            return None
        loudest, self._loudest, self._reported = self._loudest, SILENT, self._end
        return Measured(self._end, loudest)

    def skip(self, samples: int) -> None:
        """Note that samples are missing: they are silent."""
        whole = (len(self._rest) + samples) // FRAME
        self._rest = np.zeros((len(self._rest) + samples) % FRAME, np.int16)
        for _ in range(min(whole, self._frames.maxlen or 0)):
            self._frames.append(SILENT)
        self._end += whole * FRAME

    def between(self, start: float, end: float) -> list[float] | None:
        """Return the levels from second ``start`` to ``end`` of the track; None: no longer known."""
        first = self._end // FRAME - len(self._frames)
        begin, stop = int(start * RATE) // FRAME, -(-int(end * RATE) // FRAME)
        if begin < first:
            return None
        return [self._frames[at - first] for at in range(begin, min(stop, first + len(self._frames)))]

    def floor(self) -> float:
        """Return the level of the track's background: what a tenth of the last 30 s is below."""
        last = list(self._frames)[-round(30 * RATE / FRAME) :]
        return float(np.percentile(last, 10)) if last else SILENT

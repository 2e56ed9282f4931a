"""Measures how far a frame of sound stands above the background noise, band by band. Pure.

The level of a whole frame hides a voice in the noise of a street or a fan, most of which lies below the
voice. So the frame is cut into bands (:data:`EDGES`), each with a floor of its own: the lowest power,
smoothed over :data:`SMOOTHED`, of the last :data:`MEMORY`. Speech has gaps, however short, within any 2.5 s;
what has none is noise (minimum statistics, after R. Martin, 1994). The result is the mean over the bands
of power over floor: a voice that fills one of eight bands 15 dB above its noise gives 7 dB.

Of steady noise of any colour, in frames of 10 to 30 ms, it is 3.9 dB in the mean, and above 5.5 dB in one
frame of a hundred: the lowest of many values lies below their mean.
"""

from collections import deque
from math import inf, log10
from typing import Final

import numpy as np
import numpy.typing as npt

#: Hz. Where voices have their first formants, and where their hiss begins.
EDGES: Final = (100.0, 250.0, 450.0, 700.0, 1000.0, 1400.0, 2000.0, 2800.0, 3800.0)
BANDS: Final = len(EDGES) - 1
SMOOTHED: Final = 0.06
"""Seconds."""
MEMORY: Final = 2.5
"""Seconds; forgotten in :data:`PARTS`."""
PARTS: Final = 5

#: Power that is no sound: of a frame of 16 bits' rounding.
_NOTHING: Final = 1e-12

Frames = npt.NDArray[np.float64]


class NoiseFloor:
    """Measures frame after frame how far it stands above the noise before it.

    Frames have ``frame`` samples at ``sample_rate`` Hz, full scale 1. The mutable state: the last powers, and
    the lowest ones of each of the last half seconds.
    """

    def __init__(self, *, sample_rate: int, frame: int) -> None:
        seconds = frame / sample_rate
        frequencies = np.fft.rfftfreq(frame, 1 / sample_rate)
        # Where each band begins among the lines, and where the last one ends. A frame of 10 ms has a line
        # every 100 Hz: one in each band at least.
        self._begins = np.searchsorted(frequencies, EDGES)
        self._counts = np.diff(self._begins) * float(frame)
        self._window = np.hanning(frame + 2)[1:-1]
        self._recent: deque[list[float]] = deque(maxlen=max(1, round(SMOOTHED / seconds)))
        self._part = round(MEMORY / PARTS / seconds)
        self._left = 0
        self._lowest: deque[list[float]] = deque(maxlen=PARTS)
        self._floor = [inf] * BANDS

    def powers(self, frames: Frames) -> list[list[float]]:
        """Return the power in each band, a list for each row of ``frames``."""
        lines = np.fft.rfft(frames * self._window, axis=1)
        sums = np.add.reduceat(lines.real**2 + lines.imag**2, self._begins, axis=1)[:, :BANDS]
        powers: list[list[float]] = (sums / self._counts + _NOTHING).tolist()
        return powers

    def above(self, powers: list[float]) -> float:
        """Add the next frame's :meth:`powers`; return how far it stands above the noise, in dB."""
        recent = self._recent
        recent.append(powers)
        # Eight numbers: NumPy would take longer to be asked.
        smooth = [sum(band) / len(recent) for band in zip(*recent, strict=True)]
        if not self._left:
            self._left = self._part
            self._lowest.append([inf] * BANDS)
            self._floor = [min(band) for band in zip(*self._lowest, strict=True)]
        self._left -= 1
        self._lowest[-1] = [min(pair) for pair in zip(self._lowest[-1], smooth, strict=True)]
        self._floor = [min(pair) for pair in zip(self._floor, smooth, strict=True)]
        ratio = sum(power / floor for power, floor in zip(smooth, self._floor, strict=True)) / BANDS
        return 10 * log10(ratio)

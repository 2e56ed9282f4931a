"""A look-ahead limiter for true peaks. Pure.

The problem: a peak between samples can be higher than both, and a gain that falls too fast is itself heard.
The naive answer, clipping, distorts; a limiter without look-ahead is late. Ours sees :data:`AHEAD` steps of a
millisecond in advance (``envelope.py``):

1. The true peak of each step is measured, oversampled as BS.1770 wants, also over its edges.
2. The step needs the gain ``need = min(1, ceiling / peak)``.
3. ``low``: the least need of this step, the next :data:`AHEAD` and the last :data:`HOLD` (``envelope.py`` has
   the reason); upwards it is smoothed with the release.
4. The gain of a step is the mean of the last :data:`AHEAD` values of ``low``, so it falls in a straight line
   and has arrived when the peak does. Each of those values is at most the step's need, so their mean is, too;
   and so is that of the step before, from which the gain moves.

A gain that moves makes new peaks, and other meters interpolate otherwise: up to 0.2 dB over what was measured
here. A step of fewer than :data:`HALF` samples (8 kHz) leaves room for a shorter interpolation, which misses
up to 0.36 dB. :func:`margin` allows for both. Sounds above 0.45 of the sample rate are interpolated fully by
no meter of BS.1770. Measured by an ideal reconstruction, a chirp up to 0.499 of the rate, 12 dB too loud,
stays below the ceiling by 0.14 dB (16 and 48 kHz); only where a sound above 0.48 of the rate ends abruptly
does the reconstruction exceed it, beyond the last sample: by up to 3.6 dB.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np

from orch.audio.loudness import TruePeakFilter
from orch.audio.stages.envelope import HOLD, coefficient, ramped, smoothed, step_size
from orch.audio.stages.stage import Signal
from orch.audio.stages.stft import windows

AHEAD: Final = 4
"""Steps."""
RELEASE: Final = 0.06
"""Seconds."""
HALF: Final = 12
"""Samples on each side that the interpolation looks at."""
_RISING: Final = coefficient(RELEASE)
_PIECE: Final = 32
"""Steps that are interpolated at once."""
_NO_NEEDS: Final = np.ones(HOLD + AHEAD)
_NO_LOWS: Final = np.ones(AHEAD)


def margin(half: int) -> float:
    """Return the share of the ceiling that is used."""
    return 10 ** ((-0.3 if half >= HALF else -0.5) / 20)


@dataclass(frozen=True, slots=True)
class LimiterState:
    """``waiting``: audio, whole steps, flat.

    ``needs``: of :data:`HOLD` steps before it and of those of it that are measured. ``lows``: the last
    :data:`AHEAD`.
    """

    waiting: Signal
    needs: Signal
    lows: Signal
    gain: float


@dataclass(frozen=True)
class Limiter:
    """Limits steps of audio to ``ceiling`` (a factor of full scale). Late by ``AHEAD + 1`` steps."""

    ceiling: float
    sample_rate: int
    filter: TruePeakFilter = field(init=False, repr=False, compare=False)
    size: int = field(init=False, repr=False, compare=False)
    """Samples of a step."""

    def __post_init__(self) -> None:
        size = step_size(self.sample_rate)
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "filter", _true_peaks(self.sample_rate, min(HALF, size)))

    @property
    def late(self) -> int:
        """Steps by which the output is late: those in advance, and one that the interpolation looks into."""
        return AHEAD + 1

    def initial(self) -> LimiterState:
        """Return the state before the first step."""
        return LimiterState(np.zeros(self.late * self.size), _NO_NEEDS, _NO_LOWS, 1.0)

    def adopted(self, state: LimiterState) -> LimiterState:
        """Return the state of a limiter with another ceiling: what waits is under this one from now on."""
        needs = self._needs(np.concatenate((np.zeros(self.late * self.size), state.waiting)))
        if needs is None:
            return state
        most = float(needs.min())
        needs = np.concatenate((state.needs[:HOLD], needs[1:]))
        return LimiterState(state.waiting, needs, np.minimum(state.lows, most), min(state.gain, most))

    def process(self, sound: Signal, state: LimiterState) -> tuple[Signal, LimiterState]:
        """Return as many samples as are given, whole steps, :attr:`late` steps late; and the state."""
        count, used = len(sound) // self.size, len(sound)
        if not count:
            return sound, state
        audio = np.concatenate((state.waiting, sound))
        new = self._needs(audio)
        if new is None and state.needs is _NO_NEEDS and state.lows is _NO_LOWS and state.gain == 1:
            # Most of the time; the rest would come to the same.
            return audio[:used], LimiterState(audio[used:], _NO_NEEDS, _NO_LOWS, 1.0)
        needs = np.concatenate((state.needs, np.ones(count) if new is None else new))
        least = np.minimum.reduce(windows(needs, HOLD + AHEAD + 1, count, 1), axis=0)
        low = smoothed(least.tolist(), float(state.lows[-1]), falling=0.0, rising=_RISING)
        lows = np.concatenate((state.lows, low))
        gains = np.add.reduce(windows(lows, AHEAD, count + 1, 1), axis=0) / AHEAD
        gains[0] = state.gain
        out = ramped(audio[:used], gains, self.size)
        needs, lows, gain = needs[count:], lows[count:], float(gains[-1])
        if gain == 1 and needs.min() == 1 and lows.min() == 1:
            needs, lows = _NO_NEEDS, _NO_LOWS
        return out, LimiterState(audio[used:], needs, lows, gain)

    def _needs(self, audio: Signal) -> Signal | None:
        """Return the gain that each step needs, from the one that was the newest to the last but one.

        None where none needs any. Only steps whose samples come near the ceiling are interpolated.
        """
        size, half, gain = self.size, self.filter.half, self.filter.gain
        count = len(audio) // size - self.late
        ceiling = self.ceiling * margin(half)
        first = AHEAD * size
        magnitudes = np.abs(audio[first - size :])
        if magnitudes.max() * gain <= ceiling:
            return None
        peaks = magnitudes.reshape(-1, size).max(axis=1)
        near = np.maximum(np.maximum(peaks[:-2], peaks[1:-1]), peaks[2:]) * gain
        rows = np.flatnonzero(near > ceiling)
        peaks = peaks[1:-1]
        part = audio[first - half : first + count * size + half]
        taps = 2 * half + 1
        step, sample = size * part.itemsize, part.itemsize
        around = np.ndarray((count, size, taps), part.dtype, part, strides=(step, sample, sample))
        for begin in range(0, len(rows), _PIECE):
            some = rows[begin : begin + _PIECE]
            between = np.abs(around[some].reshape(-1, taps) @ self.filter.phases)
            peaks[some] = np.maximum(peaks[some], between.reshape(len(some), -1).max(axis=1))
        needs: Signal = np.minimum(1.0, ceiling / np.maximum(peaks, 1e-9))
        return needs


@lru_cache(maxsize=8)
def _true_peaks(sample_rate: int, half: int) -> TruePeakFilter:
    return TruePeakFilter.at(sample_rate, half=half)

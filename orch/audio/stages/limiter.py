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
no meter of BS.1770; their peaks in an ideal reconstruction can be higher.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from orch.audio.loudness import TruePeakFilter
from orch.audio.stages.envelope import HOLD, coefficient, ramps, smoothed, step_size
from orch.audio.stages.stage import Signal

AHEAD: Final = 4
"""Steps."""
RELEASE: Final = 0.06
"""Seconds."""
HALF: Final = 12
"""Samples on each side that the interpolation looks at."""


def margin(half: int) -> float:
    """Return the share of the ceiling that is used."""
    return 10 ** ((-0.3 if half >= HALF else -0.5) / 20)


@dataclass(frozen=True, slots=True)
class LimiterState:
    """``steps``: audio that waits, whole steps.

    ``needs``: of :data:`HOLD` steps before it and of those of it that are measured. ``lows``: the last
    :data:`AHEAD`.
    """

    steps: Signal
    needs: Signal
    lows: Signal
    gain: float


@dataclass(frozen=True)
class Limiter:
    """Limits steps of audio to ``ceiling`` (a factor of full scale). Late by ``AHEAD + 1`` steps."""

    ceiling: float
    sample_rate: int
    filter: TruePeakFilter = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "filter", TruePeakFilter.at(self.sample_rate, half=min(HALF, step_size(self.sample_rate)))
        )

    @property
    def late(self) -> int:
        """Steps by which the output is late: those in advance, and one that the interpolation looks into."""
        return AHEAD + 1

    def initial(self) -> LimiterState:
        """Return the state before the first step."""
        size = step_size(self.sample_rate)
        return LimiterState(np.zeros((self.late, size)), np.ones(HOLD + AHEAD), np.ones(AHEAD), 1.0)

    def adopted(self, state: LimiterState) -> LimiterState:
        """Return the state of a limiter with another ceiling: what waits is under this one from now on."""
        size = state.steps.shape[1]
        before = np.zeros((self.late, size))
        needs = self._needs(np.concatenate((before, state.steps)))[1:]
        most = float(needs.min())
        needs = np.concatenate((state.needs[:HOLD], needs))
        return LimiterState(state.steps, needs, np.minimum(state.lows, most), min(state.gain, most))

    def process(self, steps: Signal, state: LimiterState) -> tuple[Signal, LimiterState]:
        """Return as many steps as are given, shape (steps, size), :attr:`late` steps late; and the state."""
        count = len(steps)
        if not count:
            return steps, state
        audio = np.concatenate((state.steps, steps))
        needs = np.concatenate((state.needs, self._needs(audio)))
        if state.gain == 1 and needs.min() == 1 and state.lows.min() == 1:
            # Most of the time; the rest would come to the same.
            lows = np.ones(AHEAD)
            return audio[:count], LimiterState(audio[count:], needs[count:], lows, 1.0)
        least = sliding_window_view(needs, HOLD + AHEAD + 1).min(axis=1)
        low = smoothed(least, float(state.lows[-1]), falling=0.0, rising=coefficient(RELEASE))
        lows = np.concatenate((state.lows, low))
        gains = sliding_window_view(lows, AHEAD)[1:].mean(axis=1)
        out = audio[:count] * ramps(gains, state.gain, audio.shape[1])
        return out, LimiterState(audio[count:], needs[count:], lows[count:], float(gains[-1]))

    def _needs(self, audio: Signal) -> Signal:
        """Return the gain that each step needs, from the one that was the newest to the last but one."""
        count, size = len(audio) - self.late, audio.shape[1]
        half, flat = self.filter.half, audio.ravel()
        part = flat[AHEAD * size - half : (AHEAD + count) * size + half]
        ceiling = self.ceiling * margin(half)
        if np.abs(part).max() * self.filter.gain <= ceiling:
            return np.ones(count)
        between = np.abs(self.filter.interpolated(part)).reshape(count, -1).max(axis=1)
        peaks = np.maximum(between, np.abs(audio[AHEAD : AHEAD + count]).max(axis=1))
        needs: Signal = np.minimum(1.0, ceiling / np.maximum(peaks, 1e-9))
        return needs

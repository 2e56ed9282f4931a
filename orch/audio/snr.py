"""Estimates the ratio of speech to noise, and the noise floor, of a stream. Pure.

    SNR = 10 log10 (S / N),  S: mean power of the speech while someone speaks;  N: mean power of the noise

Both are in one signal, and only N can be seen alone: in the gaps of speech, which differ from band to band.
So frames of 20 ms (Hann window, every 10 ms) are cut into bands, and the powers of each band are averaged
over :data:`SMOOTHED` frames and counted. The power that :data:`QUANTILE` of them stay below is noise; for
noise with the spread of white noise the mean is higher by a known factor (its powers are gamma-distributed),
for a hum by none, so the measured spread decides how much of the factor applies. Then

    S = (mean of all frames - N) / share of the frames in which someone speaks

The share is that of the frames whose power is clearly above N; the louder the noise, the more of them it
hides, which :data:`HIDDEN` corrects (fitted on mixtures of three recordings and three synthetic voices with
white and pink noise). ``tests/audio/test_snr.py`` has the errors.

Noise that swells has no floor that would say anything: where the spread of the lowest powers is more than
:data:`STEADY` dB wider than that of steady noise, there is no ratio, and ``reason`` says so. But the decay of
speech in a quiet room spreads them, too. So where the VAD stage says what is speech, and what it says is none
has about the power of the floor, that is the noise, and the rest the speech.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincinv

from orch.audio.stages.delay import joined, no_activity
from orch.audio.stages.stage import Activity, Signal

EDGES: Final = (50.0, 200.0, 400.0, 650.0, 1000.0, 1400.0, 2000.0, 2800.0, 3800.0, 5200.0, 6500.0, 8000.0)
"""Hz. Above, speech has next to nothing; also at high sample rates the noise is that of this range."""
SMOOTHED: Final = 8
"""Frames."""
QUANTILE: Final = 0.15
LOWEST_QUANTILE: Final = 0.03
STEADY: Final = 2.2
"""dB."""
HIDDEN: Final = (0.95, -2.0, 8.6, -4.0)
"""The hidden frames for each that is seen, where all frames are so many dB over the noise; a tenth of them
with so many dB more; no more than at the last."""
SHORTEST: Final = 1.0
"""Seconds; less says nothing about the noise."""
CERTAIN: Final = 3.0
"""Seconds from which on the confidence is not reduced."""
NO_NOISE: Final = -90.0
"""dBFS; a floor below it is rounding."""
QUIET_FRAMES: Final = 10
QUIET_SHARE: Final = 0.01
"""The least of what is no speech, to be taken for the noise."""
QUIET_OVER: Final = 3.0
"""dB of it over the floor, at most."""
QUIET_CONFIDENCE: Final = 0.3
"""Of speech, at most."""
NO_SPEECH: Final = -9.0
"""dB: what all frames together are over the noise."""
_STEP: Final = 0.25
_LOWEST: Final = -140.0
_BINS: Final = round((20 - _LOWEST) / _STEP)


@dataclass(frozen=True, slots=True)
class NoiseRatio:
    """The estimate. ``snr_db`` None: ``reason`` says why. ``noise_floor_db``: dBFS, RMS.

    ``confidence``: 0 to 1.
    """

    snr_db: float | None
    noise_floor_db: float | None
    confidence: float
    reason: str | None


class _Counts:
    """Counts powers by their level. The mutable state: the counts, one row a band."""

    def __init__(self, bands: int) -> None:
        self.counts = np.zeros((bands, _BINS), np.int64)

    def add(self, powers: Signal) -> None:
        """Count powers, shape (frames, bands)."""
        at = ((10 * np.log10(np.maximum(powers, 1e-14)) - _LOWEST) / _STEP).astype(np.int64)
        rows = np.arange(powers.shape[1])
        np.add.at(self.counts, (rows[None, :], np.clip(at, 0, _BINS - 1)), 1)

    def quantile(self, share: float) -> Signal:
        """Return the level in dB that a share of the powers of each band is below."""
        sums = np.cumsum(self.counts, axis=1)
        wanted = share * sums[:, -1:]
        at = np.argmax(sums >= wanted, axis=1)
        rows = np.arange(len(sums))
        before = np.where(at > 0, sums[rows, at - 1], 0)
        inside = (wanted[:, 0] - before) / np.maximum(self.counts[rows, at], 1)
        levels: Signal = _LOWEST + _STEP * (at + inside)
        return levels


class NoiseRatioMeter:
    """Measures one channel at ``sample_rate`` Hz, of any length in the same memory.

    The mutable state: the unfinished frame, the last frames' powers, the counts and the sum of all powers.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._frame = max(2, round(0.02 * sample_rate) // 2 * 2)
        window = np.hanning(self._frame + 2)[1:-1]
        self._window = window
        self._scale = 2 / (self._frame * float(np.sum(window**2)))
        frequencies = np.fft.rfftfreq(self._frame, 1 / sample_rate)
        edges = [edge for edge in EDGES if edge < sample_rate / 2]
        begins = np.searchsorted(frequencies, edges).tolist()
        begins.append(int(np.searchsorted(frequencies, min(EDGES[-1], sample_rate / 2), side="right")))
        self._begins = sorted(set(begins))
        self._pending = np.zeros(0)
        self._recent = np.zeros((0, len(self._begins) - 1))
        self._bands = _Counts(len(self._begins) - 1)
        self._totals = _Counts(1)
        self._sum = 0.0
        self._frames = 0
        self._activity: Activity | None = None
        self._quiet = np.zeros(2)  # frames that are no speech, and the sum of their powers
        self._speech = np.zeros(2)

    def add(self, samples: npt.NDArray[np.floating], activity: Activity | None = None) -> None:
        """Measure the next samples, full scale 1; ``activity``: of the same samples."""
        pending = np.concatenate((self._pending, samples), dtype=np.float64)
        hop = self._frame // 2
        count = (len(pending) - self._frame) // hop + 1
        if activity is not None and self._activity is not None:
            activity = joined(self._activity, activity)
        if count <= 0:
            self._pending, self._activity = pending, activity
            return
        frames = np.lib.stride_tricks.sliding_window_view(pending, self._frame)[::hop][:count]
        powers = self._powers(frames)
        self._pending = pending[count * hop :]
        totals = powers.sum(axis=1, keepdims=True)
        self._totals.add(totals)
        self._sum += float(totals.sum())
        self._frames += count
        if activity is not None and len(activity.speech) == len(pending):
            self._add_activity(activity, totals[:, 0])
            activity = Activity(activity.confidence[count * hop :], activity.speech[count * hop :])
        else:
            # It began or ended among these samples.
            activity = None if activity is None else no_activity(len(pending) - count * hop)
        self._activity = activity
        self._bands.add(_smooth(recent := np.concatenate((self._recent, powers))))
        self._recent = recent[-(SMOOTHED - 1) :]

    def _add_activity(self, activity: Activity, totals: Signal) -> None:
        """Note which frames are speech and which are none; what is neither counts for nothing."""
        every, count = self._frame // 2, len(totals)
        speech = np.lib.stride_tricks.sliding_window_view(activity.speech, self._frame)[::every][:count]
        confidence = np.lib.stride_tricks.sliding_window_view(activity.confidence, self._frame)[::every][
            :count
        ]
        quiet = ~speech.any(axis=1) & (confidence.max(axis=1) <= QUIET_CONFIDENCE)
        spoken = speech.all(axis=1)
        self._quiet += (int(quiet.sum()), float(totals[quiet].sum()))
        self._speech += (int(spoken.sum()), float(totals[spoken].sum()))

    def _powers(self, frames: Signal) -> Signal:
        lines = np.fft.rfft(frames * self._window, axis=1)
        powers = (lines.real**2 + lines.imag**2) * self._scale
        summed: Signal = np.add.reduceat(powers[:, : self._begins[-1]], self._begins[:-1], axis=1)
        return summed

    def result(self) -> NoiseRatio:
        """Return the estimate so far; the stream may go on."""
        seconds = self._frames * self._frame / 2 / self._rate
        if seconds < SHORTEST:
            return NoiseRatio(None, None, 0.0, f"less than {SHORTEST:g} s were measured")
        shape = _shape(self._rate)
        low, lowest = self._bands.quantile(QUANTILE), self._bands.quantile(LOWEST_QUANTILE)
        ratio = gammaincinv(shape, QUANTILE) / gammaincinv(shape, LOWEST_QUANTILE)
        expected = 10 * np.log10(ratio)
        share = np.clip((low - lowest) / expected, 0, 1)
        noise = 10 ** (low / 10) * (1 + (shape / gammaincinv(shape, QUANTILE) - 1) * share)
        floor = float(noise.sum())
        floor_db = 10 * math.log10(max(floor, 1e-14))
        if floor_db < NO_NOISE:
            return NoiseRatio(None, floor_db, 0.0, "there is no noise to measure")
        spread = float((noise * (low - lowest - expected)).sum() / floor)
        confidence = float(np.clip(1 - spread / STEADY, 0, 1) * min(1, seconds / CERTAIN))
        if spread > STEADY:
            return self._between(float((10 ** (lowest / 10)).sum()), floor_db)
        mean = self._sum / self._frames - floor
        over = 10 * math.log10(max(mean / floor, 1e-9))
        speaking = self._speaking(floor)
        if over < NO_SPEECH or speaking == 0:
            return NoiseRatio(None, floor_db, confidence, "no speech is louder than the noise")
        most, at, tenth, least = HIDDEN
        speaking = min(1.0, speaking * (1 + most * 10 ** ((at - max(over, least)) / tenth)))
        return NoiseRatio(over - 10 * math.log10(speaking), floor_db, confidence, None)

    def _between(self, lowest: float, floor_db: float) -> NoiseRatio:
        """Return the ratio by what is speech and what is none, if that is about as loud as the floor."""
        count, total = self._quiet.tolist()
        spoken, power = self._speech.tolist()
        if count < max(QUIET_FRAMES, QUIET_SHARE * self._frames) or not spoken:
            return NoiseRatio(None, floor_db, 0.0, "the noise is not stationary")
        noise, speech = total / count, power / spoken
        over = 10 * math.log10(noise / max(lowest, 1e-14))
        if over > QUIET_OVER or speech <= noise:
            return NoiseRatio(None, floor_db, 0.0, "the noise is not stationary")
        confidence = (1 - over / QUIET_OVER) * min(1.0, count / 100)
        return NoiseRatio(10 * math.log10((speech - noise) / noise), 10 * math.log10(noise), confidence, None)

    def _speaking(self, floor: float) -> float:
        """Return the share of the frames that are clearly above the noise."""
        counts = self._totals.counts[0]
        powers = 10 ** ((_LOWEST + _STEP * (np.arange(_BINS) + 0.5)) / 10)
        loudest = 10 ** (float(self._totals.quantile(0.98)[0]) / 10) - floor
        wanted = floor + max(loudest * 3 * 10**-2.5, 0.5 * floor)
        return float(counts[powers >= wanted].sum() / counts.sum())


def _smooth(powers: Signal) -> Signal:
    """Return the means of :data:`SMOOTHED` frames, one for each frame that has as many before it."""
    if len(powers) < SMOOTHED:
        return powers[:0]
    sums = np.cumsum(np.concatenate((np.zeros((1, powers.shape[1])), powers)), axis=0)
    means: Signal = np.maximum((sums[SMOOTHED:] - sums[:-SMOOTHED]) / SMOOTHED, 0)
    return means


@lru_cache(maxsize=16)
def _shape(sample_rate: int) -> Signal:
    """Return the shape of the gamma distribution that white noise's smoothed powers have, for each band.

    The mean squared over the variance, of 40 s of noise from a fixed seed: overlapping frames and windows
    make the formula longer than the measurement.
    """
    meter = NoiseRatioMeter(sample_rate)
    noise = np.random.default_rng(0).normal(size=40 * sample_rate)
    frames = np.lib.stride_tricks.sliding_window_view(noise, meter._frame)[:: meter._frame // 2]  # noqa: SLF001 - its own
    means = _smooth(meter._powers(frames))  # noqa: SLF001 - its own
    shape: Signal = means.mean(axis=0) ** 2 / means.var(axis=0)
    return shape

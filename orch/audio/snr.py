"""Estimates the ratio of speech to noise, and the noise floor, of a stream. Pure.

    SNR = 10 log10 (S / N),  S: mean power of the speech while someone speaks;  N: mean power of the noise

Both are in one signal, and only N can be seen alone: in the gaps of speech, which differ from band to band.
So frames of 20 ms (Hann window, every 10 ms) are cut into bands, and the powers of each band are averaged
over :data:`SMOOTHED` frames and counted. Averaged powers of noise have a gamma distribution around their
mean, of a shape k that follows from the window and the number of lines (:func:`shapes`). A share p of the
frames is noise alone, and few others are below the mean N of the noise, so that

    p = share of the powers below N / F(N),    N = quantile(0.15) / G(0.15 / p)

F is the distribution of a gamma variable of mean 1 and shape k, G its inverse (both by Wilson and Hilferty,
PNAS 17 (1931) 684). Beginning with p = 1, these two are computed :data:`ROUNDS` times. The powers of a hum
have hardly any spread: the measured one, of the distance between two quantiles, decides how much of the
factor 1 / G applies.

Noise hides the quiet part of speech. So the mean is that of the frames that stand out of the noise, by N or
by what is :data:`WITHIN` dB below the loudest frames; how much louder these are than all of speech depends on
how deep the threshold is below the loudest, :data:`LOUDER` (from three recordings and three synthetic voices
in white and pink noise, hum and a fan). Powers are of all frequencies up to 8 kHz but those below 5 Hz.
``tests/audio/test_snr.py`` has the errors.

Noise that swells has no floor that would say anything. Where the lowest powers of seconds differ by more than
:data:`DRIFT`, as when cars pass, or where the spread of the lowest powers is more than :data:`STEADY` dB
wider than that of steady noise, there is no ratio, and ``reason`` says so. But the decay of
speech in a quiet room spreads them, too. So where the VAD stage says what is speech, and what it says is none
has about the power of the floor, that is the noise, and the rest the speech.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from orch.audio.stages.delay import joined, no_activity
from orch.audio.stages.stage import Activity, Signal

EDGES: Final = (0.0, 200.0, 400.0, 650.0, 1000.0, 1400.0, 2000.0, 2800.0, 3800.0, 5200.0, 6500.0, 8000.0)
"""Hz. Above, speech has next to nothing; also at high sample rates the noise is that of this range."""
SMOOTHED: Final = 8
"""Frames."""
QUANTILE: Final = 0.15
LOWEST_QUANTILE: Final = 0.03
STEADY: Final = 2.2
"""dB."""
DRIFT: Final = ((0.0, 5.0, 10.0, 15.0, 30.0), (0.85, 0.92, 1.1, 2.0, 6.0))
"""Ratio in dB, and up to which standard deviation in dB the lowest powers of seconds are those of one noise.

Speech hides some of the gaps, the more of them the quieter the noise.
"""
DRIFT_FRAMES: Final = 100
DRIFT_BANDS: Final = 20.0
"""dB below the band with most noise: the median of these bands counts."""
DRIFT_LEAST: Final = 3
"""Seconds."""
ROUNDS: Final = 8
LEAST_ALONE: Final = 0.2
"""The least share of the frames that is taken for noise alone."""
LOUD_QUANTILE: Final = 0.98
"""Of all frames: the loudest of speech."""
WITHIN: Final = 20.0
"""dB."""
LOUDER: Final = (
    (-20.0, -16.5, -11.5, -6.7, -4.0, -2.5),
    (0.37, 0.9, 2.0, 3.85, 5.5, 6.8),
)
"""dB: the threshold over the loudest frames, and those above it over all of speech."""
LOUDEST_OVER: Final = 2.5
"""dB of the loudest frames without their noise over the noise; less is no speech."""
LOWEST_FREQUENCY: Final = 5.0
"""Hz; what is below it is removed as an offset is."""
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

    def below(self, levels: Signal) -> Signal:
        """Return the share of the powers of each band that is below a level in dB."""
        at = np.clip((levels - _LOWEST) / _STEP, 0, _BINS - 1e-6)
        sums = np.concatenate((np.zeros((len(at), 1)), np.cumsum(self.counts, axis=1)), axis=1)
        rows, whole = np.arange(len(at)), at.astype(np.int64)
        under = sums[rows, whole] + (at - whole) * self.counts[rows, whole].astype(np.float64)
        share: Signal = np.asarray(under / np.maximum(sums[:, -1], 1), np.float64)
        return share


class NoiseRatioMeter:
    """Measures one channel at ``sample_rate`` Hz, of any length in the same memory.

    The mutable state: the filter's, the unfinished frame, the last frames' powers, the counts, the last
    second's powers and sums of each second's lowest.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._frame = frame_of(sample_rate)
        self._window = _window(self._frame)
        self._begins = _begins(sample_rate, self._frame)
        self._shapes = shapes(sample_rate)
        scales = np.full(self._frame // 2 + 1, 2 / (self._frame * float(np.sum(self._window**2))))
        scales[[0, -1]] /= 2
        self._scales = scales
        self._offset = np.zeros(1)
        self._pending = np.zeros(0)
        self._recent = np.zeros((0, len(self._begins) - 1))
        self._bands = _Counts(len(self._begins) - 1)
        self._totals = _Counts(1)
        self._frames = 0
        self._second = self._recent
        self._minima = np.zeros((3, len(self._begins) - 1))  # count, sum and sum of squares, in dB
        self._activity: Activity | None = None
        self._quiet = np.zeros(2)  # frames that are no speech, and the sum of their powers
        self._speech = np.zeros(2)

    def add(self, samples: npt.NDArray[np.floating], activity: Activity | None = None) -> None:
        """Measure the next samples, full scale 1; ``activity``: of the same samples."""
        pole = math.exp(-2 * math.pi * LOWEST_FREQUENCY / self._rate)
        filtered, self._offset = lfilter(
            (1.0, -1.0), (1.0, -pole), samples.astype(np.float64), zi=self._offset
        )
        pending = np.concatenate((self._pending, filtered), dtype=np.float64)
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
        self._frames += count
        if activity is not None and len(activity.speech) == len(pending):
            self._add_activity(activity, totals[:, 0])
            activity = Activity(activity.confidence[count * hop :], activity.speech[count * hop :])
        else:
            # It began or ended among these samples.
            activity = None if activity is None else no_activity(len(pending) - count * hop)
        self._activity = activity
        smoothed = _smooth(recent := np.concatenate((self._recent, powers)))
        self._bands.add(smoothed)
        self._recent = recent[-(SMOOTHED - 1) :]
        self._add_minima(smoothed)

    def _add_minima(self, smoothed: Signal) -> None:
        """Note the lowest powers of each whole second."""
        second = np.concatenate((self._second, smoothed))
        count = len(second) // DRIFT_FRAMES
        lowest = second[: count * DRIFT_FRAMES].reshape(count, DRIFT_FRAMES, second.shape[1]).min(axis=1)
        for level in 10 * np.log10(np.maximum(lowest, 1e-14)):
            self._minima += (np.ones_like(level), level, level**2)
        self._second = second[count * DRIFT_FRAMES :]

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
        powers = (lines.real**2 + lines.imag**2) * self._scales
        summed: Signal = np.add.reduceat(powers[:, : self._begins[-1]], self._begins[:-1], axis=1)
        return summed

    def result(self) -> NoiseRatio:
        """Return the estimate so far; the stream may go on."""
        seconds = self._frames * self._frame / 2 / self._rate
        if seconds < SHORTEST:
            return NoiseRatio(None, None, 0.0, f"less than {SHORTEST:g} s were measured")
        noise, lowest, spread = self._noise()
        floor = float(noise.sum())
        floor_db = 10 * math.log10(max(floor, 1e-14))
        if floor_db < NO_NOISE:
            return NoiseRatio(None, floor_db, 0.0, "there is no noise to measure")
        confidence = float(np.clip(1 - spread / STEADY, 0, 1) * min(1, seconds / CERTAIN))
        if spread > STEADY:
            return self._between(float((10 ** (lowest / 10)).sum()), floor_db)
        speech_db = self._speech_level(floor)
        if speech_db is None:
            return NoiseRatio(None, floor_db, confidence, "no speech is louder than the noise")
        if self._drift(noise) > float(np.interp(speech_db - floor_db, *DRIFT)):
            return NoiseRatio(None, floor_db, 0.0, "the noise is not stationary")
        return NoiseRatio(speech_db - floor_db, floor_db, confidence, None)

    def _noise(self) -> tuple[Signal, Signal, float]:
        """Return the noise's mean power in each band, the level of its lowest powers, and their spread.

        The spread is in dB more than that of steady noise, a mean that is weighted with the noise's power.
        """
        low, lowest = self._bands.quantile(QUANTILE), self._bands.quantile(LOWEST_QUANTILE)
        alone = np.ones(len(low))
        for turn in range(ROUNDS + 1):
            factor = _gamma_quantile(np.minimum(QUANTILE / alone, 0.9), self._shapes)
            lowest_factor = _gamma_quantile(np.minimum(LOWEST_QUANTILE / alone, 0.5), self._shapes)
            expected = 10 * np.log10(factor / lowest_factor)
            share = np.clip((low - lowest) / expected, 0, 1)
            noise: Signal = 10 ** (low / 10) * (1 + (1 / factor - 1) * share)
            if turn == 0:
                spread = float((noise * (low - lowest - expected)).sum() / noise.sum())
            below = self._bands.below(10 * np.log10(noise)) / _gamma_below_mean(self._shapes)
            alone = np.clip(below, LEAST_ALONE, 1)
        return noise, lowest, spread

    def _drift(self, noise: Signal) -> float:
        """Return the standard deviation of the lowest powers of seconds, in dB."""
        count, total, squares = self._minima
        if count[0] < DRIFT_LEAST:
            return 0.0
        deviations = np.sqrt(np.maximum(squares / count - (total / count) ** 2, 0))
        return float(np.median(deviations[noise > noise.max() * 10 ** (-DRIFT_BANDS / 10)]))

    def _speech_level(self, floor: float) -> float | None:
        """Return the level in dBFS of speech in noise of a power; None: none stands out."""
        counts = self._totals.counts[0]
        powers = 10 ** ((_LOWEST + _STEP * (np.arange(_BINS) + 0.5)) / 10) - floor
        loudest = 10 ** (float(self._totals.quantile(LOUD_QUANTILE)[0]) / 10) - floor
        if loudest < floor * 10 ** (LOUDEST_OVER / 10):
            return None
        threshold = max(loudest * 10 ** (-WITHIN / 10), floor)
        loud = powers >= threshold
        mean = float((counts[loud] * powers[loud]).sum() / counts[loud].sum())
        return 10 * math.log10(mean) - float(np.interp(10 * math.log10(threshold / loudest), *LOUDER))

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


def _smooth(powers: Signal) -> Signal:
    """Return the means of :data:`SMOOTHED` frames, one for each frame that has as many before it."""
    if len(powers) < SMOOTHED:
        return powers[:0]
    sums = np.cumsum(np.concatenate((np.zeros((1, powers.shape[1])), powers)), axis=0)
    means: Signal = np.maximum((sums[SMOOTHED:] - sums[:-SMOOTHED]) / SMOOTHED, 0)
    return means


def frame_of(sample_rate: int) -> int:
    """Return the samples of a frame of 20 ms, an even number."""
    return max(2, round(0.02 * sample_rate) // 2 * 2)


def _window(frame: int) -> Signal:
    """Return Hann's window without its zeros."""
    window: Signal = np.hanning(frame + 2)[1:-1]
    return window


def _begins(sample_rate: int, frame: int) -> list[int]:
    """Return the first spectral line of each band, and the first above the last."""
    frequencies = np.fft.rfftfreq(frame, 1 / sample_rate)
    edges = [edge for edge in EDGES if edge < sample_rate / 2]
    begins = np.searchsorted(frequencies, edges).tolist()
    begins.append(int(np.searchsorted(frequencies, min(EDGES[-1], sample_rate / 2), side="right")))
    return sorted(set(begins))


@lru_cache(maxsize=16)
def shapes(sample_rate: int) -> Signal:
    """Return the shape of the gamma distribution of white noise's averaged powers, for each band.

    The mean squared over the variance of a sum of K lines in S = :data:`SMOOTHED` frames, half a frame apart:

        k = (S K C(0, 0))^2 / sum over d = -1..1, m = -K+1..K-1 of (S - |d|) (K - |m|) C(d, m)

    C(d, m): squared magnitude of line m of the Fourier transform of the window times itself, d hops later.
    """
    frame = frame_of(sample_rate)
    window, hop = _window(frame), frame // 2
    shifted = np.concatenate((np.zeros(hop), window[:hop]))
    same, next_one = (np.abs(np.fft.fft(window * other)) ** 2 for other in (window, shifted))
    begins = _begins(sample_rate, frame)
    found = []
    for lines in np.diff(begins):
        apart = np.arange(-lines + 1, lines)
        pairs = SMOOTHED * same[apart] + 2 * (SMOOTHED - 1) * next_one[apart]
        found.append((SMOOTHED * lines) ** 2 * same[0] / float(((lines - np.abs(apart)) * pairs).sum()))
    return np.asarray(found)


def _gamma_quantile(share: Signal, shape: Signal) -> Signal:
    """Return below what a share of a gamma variable of mean 1 is; shares up to 0.9."""
    width = 1 / (3 * np.sqrt(shape))
    quantile: Signal = (1 - width**2 + _normal_quantile(share) * width) ** 3
    return quantile


def _gamma_below_mean(shape: Signal) -> Signal:
    """Return the share of a gamma variable that is below its mean: the normal one of 1 / (3 sqrt(k))."""
    width = 1 / (3 * np.sqrt(shape))
    share: Signal = 0.5 + width * (1 - width**2 / 6) / math.sqrt(2 * math.pi)
    return share


def _normal_quantile(share: Signal) -> Signal:
    """Return the quantile of the normal distribution, within 4.5e-4 (Abramowitz and Stegun, 26.2.23)."""
    tail = np.sqrt(-2 * np.log(np.minimum(share, 1 - share)))
    above = 2.515517 + tail * (0.802853 + tail * 0.010328)
    below = 1 + tail * (1.432788 + tail * (0.189269 + tail * 0.001308))
    quantile: Signal = np.sign(share - 0.5) * (tail - above / below)
    return quantile

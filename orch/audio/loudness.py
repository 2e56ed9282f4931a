"""Loudness and true peak by ITU-R BS.1770-5 and EBU R 128. Pure.

    loudness = -0.691 + 10 log10 sum over channels of the mean square of the K-weighted signal     [LUFS]

The K-weighting is a shelf and a high-pass. BS.1770 gives its coefficients at 48 kHz; at other rates they come
from the same analogue prototypes. Channels have a weight of 1 (left, right, centre); from the fourth on,
which 5.1 uses for effects and surrounds: 0 and then 1.41.

Loudness is measured over blocks of 400 ms, one every 100 ms (*momentary*), and of 3 s (*short-term*).
*Integrated* is the mean power of the momentary blocks above -70 LUFS and above the mean of those less 10 LU.
*Range* (EBU Tech 3342) is the distance between the 10th and 95th percentile of the short-term blocks above
-70 LUFS and above the mean of those less 20 LU. Tech 3342 requires that they overlap by two seconds or
more and leaves the rest open; here one begins every 100 ms. libebur128 has one a second, which are three in a
sound of five seconds: its range of short sounds differs by up to 0.9 LU, and of the same blocks it is ours.

True peak is the highest magnitude between the samples too: oversampled at least four times and to at least
192 kHz.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.signal import firwin

from orch.audio.stages.biquad import Sections, SectionState, at_rest, filtered
from orch.audio.stages.stage import Signal

OFFSET: Final = -0.691
ABSOLUTE_GATE: Final = -70.0
INTEGRATED_GATE: Final = -10.0
RANGE_GATE: Final = -20.0
MOMENTARY: Final = 0.4
"""Seconds."""
SHORT_TERM: Final = 3.0
"""Seconds."""
EVERY: Final = 0.1
"""Seconds between two blocks."""
_SHELF: Final = (1681.974450955533, 3.999843853973347, 0.7071752369554196)
_HIGH_PASS: Final = (38.13547087602444, 0.5003270373238773)
_SURROUND: Final = 1.41
_BINS: Final = 0.1
"""LU; the loudness of blocks is counted in bins this wide, so that hours of audio take no memory."""
_PIECE: Final = 640
"""Samples that are interpolated at once."""
_LOWEST: Final = -70.0
_HIGHEST: Final = 20.0


def k_weighting(sample_rate: int) -> Sections:
    """Return the K-weighting filter at a sample rate (Hz)."""
    frequency, gain, q = _SHELF
    k = math.tan(math.pi * frequency / sample_rate)
    high = 10 ** (gain / 20)
    band = high**0.4996667741545416
    a0 = 1 + k / q + k * k
    shelf = [
        (high + band * k / q + k * k) / a0,
        2 * (k * k - high) / a0,
        (high - band * k / q + k * k) / a0,
        1.0,
        2 * (k * k - 1) / a0,
        (1 - k / q + k * k) / a0,
    ]
    frequency, q = _HIGH_PASS
    k = math.tan(math.pi * frequency / sample_rate)
    a0 = 1 + k / q + k * k
    high_pass = [1.0, -2.0, 1.0, 1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]
    return np.array([shelf, high_pass])


def lufs(power: float) -> float:
    """Return the loudness of a K-weighted power (mean square); -inf for none."""
    return OFFSET + 10 * math.log10(power) if power > 0 else -math.inf


def channel_weights(channels: int) -> Signal:
    """Return the weight of each channel."""
    weights = np.ones(channels)
    weights[3:4] = 0
    weights[4:] = _SURROUND
    return weights


def oversampling(sample_rate: int) -> int:
    """Return by how much true peak is oversampled: 4 at 48 kHz, 12 at 16 kHz."""
    return max(4, math.ceil(192_000 / sample_rate))


@dataclass(frozen=True, slots=True)
class TruePeakFilter:
    """Interpolates between samples. ``half``: samples of input on each side of an output that it needs."""

    factor: int
    phases: Signal
    """Shape (2 half + 1, factor): what each of the samples around an output counts in it."""
    half: int
    gain: float
    """The most by which a peak between samples can exceed the highest sample."""

    @classmethod
    def at(cls, sample_rate: int, half: int = 12) -> "TruePeakFilter":
        """Return the filter for a sample rate (Hz)."""
        factor = oversampling(sample_rate)
        taps = firwin(2 * half * factor + 1, 1 / factor, window=("kaiser", 7.0)) * factor
        phases = np.concatenate((taps, np.zeros(factor - 1))).reshape(-1, factor)[::-1]
        return cls(factor, np.ascontiguousarray(phases), half, float(np.abs(phases).sum(axis=0).max()))

    def interpolated(self, padded: Signal) -> Signal:
        """Return the signal at ``factor`` times its rate, without ``half`` samples at each end."""
        # As a product of matrices of a size that occupies one core and its cache; a third of upfirdn's time.
        around = np.lib.stride_tricks.sliding_window_view(padded, 2 * self.half + 1)
        pieces = [around[begin : begin + _PIECE] @ self.phases for begin in range(0, len(around), _PIECE)]
        return np.concatenate(pieces).ravel() if len(pieces) > 1 else pieces[0].ravel()


class Histogram:
    """Counts blocks by loudness, and sums their power. The mutable state: both."""

    def __init__(self) -> None:
        count = round((_HIGHEST - _LOWEST) / _BINS)
        self._counts = np.zeros(count, np.int64)
        self._powers = np.zeros(count)

    def add(self, power: float) -> None:
        """Count a block of this K-weighted power, if it is above the absolute gate."""
        level = lufs(power)
        if level > ABSOLUTE_GATE:
            at = min(int((level - _LOWEST) / _BINS), len(self._counts) - 1)
            self._counts[at] += 1
            self._powers[at] += power

    def _above(self, gate: float) -> int:
        """Return the first bin above the relative gate (LU); its lower edge is at it or above."""
        count = int(self._counts.sum())
        mean = lufs(float(self._powers.sum()) / count)
        return max(0, math.ceil(round((mean + gate - _LOWEST) / _BINS, 6)))

    def integrated(self) -> float | None:
        """Return the integrated loudness; None where no block is above the gates."""
        if not self._counts.any():
            return None
        first = self._above(INTEGRATED_GATE)
        count = int(self._counts[first:].sum())
        return lufs(float(self._powers[first:].sum()) / count) if count else None

    def range(self) -> float | None:
        """Return the loudness range in LU; None where no block is above the gates."""
        if not self._counts.any():
            return None
        first = self._above(RANGE_GATE)
        counts = self._counts[first:]
        if not counts.any():
            return None
        sums = np.cumsum(counts)
        low, high = (
            int(np.searchsorted(sums, math.floor(share * (sums[-1] - 1) + 0.5), side="right"))
            for share in (0.1, 0.95)
        )
        return (high - low) * _BINS


@dataclass(frozen=True, slots=True)
class Loudness:
    """What was measured. LUFS and LU; None where nothing was long or loud enough. ``true_peak``: a factor."""

    momentary: float | None
    momentary_max: float | None
    short_term: float | None
    short_term_max: float | None
    integrated: float | None
    range: float | None
    true_peak: float


class LoudnessMeter:
    """Measures a stream of ``channels`` at ``sample_rate`` Hz.

    Memory: three seconds of powers, and two histograms. The mutable state: the filters, the powers of the
    last parts of 100 ms, the histograms and the highest values.
    """

    def __init__(self, sample_rate: int, channels: int = 1) -> None:
        self._sections = k_weighting(sample_rate)
        self._weights = channel_weights(channels)
        self._states: list[SectionState] = [at_rest(self._sections) for _ in range(channels)]
        self._part = round(EVERY * sample_rate)
        self._sum, self._count = 0.0, 0
        self._parts: list[float] = []
        self._momentary, self._short = Histogram(), Histogram()
        self._momentary_max = self._short_max = -math.inf
        self._filter = TruePeakFilter.at(sample_rate)
        self._tail = np.zeros((channels, 2 * self._filter.half))
        self._peak = 0.0

    def add(self, samples: npt.NDArray[np.floating]) -> None:
        """Measure the next samples: shape (channels, samples), full scale 1."""
        count = samples.shape[1]
        if not count:
            return
        self._add_peak(samples)
        power = np.zeros(count)
        for channel, weight in enumerate(self._weights):
            if weight:
                out, self._states[channel] = filtered(
                    self._sections, samples[channel].astype(np.float64), self._states[channel]
                )
                power += weight * out * out
        begin = 0
        while begin < count:
            end = min(count, begin + self._part - self._count)
            self._sum += float(power[begin:end].sum())
            self._count += end - begin
            if self._count == self._part:
                self._add_part(self._sum / self._part)
                self._sum, self._count = 0.0, 0
            begin = end

    def _add_part(self, power: float) -> None:
        parts = self._parts
        parts.append(power)
        del parts[: -round(SHORT_TERM / EVERY)]
        momentary, short = round(MOMENTARY / EVERY), round(SHORT_TERM / EVERY)
        if len(parts) >= momentary:
            mean = sum(parts[-momentary:]) / momentary
            self._momentary.add(mean)
            self._momentary_max = max(self._momentary_max, lufs(mean))
        if len(parts) == short:
            mean = sum(parts) / short
            self._short.add(mean)
            self._short_max = max(self._short_max, lufs(mean))

    def _add_peak(self, samples: npt.NDArray[np.floating]) -> None:
        padded = np.concatenate((self._tail, samples), axis=1)
        self._tail = padded[:, -2 * self._filter.half :]
        for channel in padded:
            highest = float(np.abs(channel).max())
            if highest * self._filter.gain > self._peak:
                between = np.abs(self._filter.interpolated(channel)).max(initial=0)
                self._peak = max(self._peak, highest, float(between))

    def result(self) -> Loudness:
        """Return what was measured so far; the stream may go on."""
        momentary, short = round(MOMENTARY / EVERY), round(SHORT_TERM / EVERY)
        parts = self._parts

        def present(count: int) -> float | None:
            return _finite(lufs(sum(parts[-count:]) / count)) if len(parts) >= count else None

        last = np.concatenate((self._tail, np.zeros_like(self._tail)), axis=1)
        between = max(float(np.abs(self._filter.interpolated(channel)).max()) for channel in last)
        return Loudness(
            momentary=present(momentary),
            momentary_max=_finite(self._momentary_max),
            short_term=present(short),
            short_term_max=_finite(self._short_max),
            integrated=self._momentary.integrated(),
            range=self._short.range(),
            true_peak=max(self._peak, between),
        )


def _finite(level: float) -> float | None:
    return level if math.isfinite(level) else None

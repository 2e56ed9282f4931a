"""Measures the fundamental frequency and the harmonicity of frames. Pure.

The autocorrelation of a windowed frame, divided by that of its window, is the autocorrelation of the sound
(P. Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a
sampled sound", IFA Proceedings 17, 1993)::

    p[k] = g(f_k) |sum w[n] (x[n] - mean) e^(-2 pi i k n / N)|^2          g: weights of the band
    r(t) = IDFT(p)(t) / IDFT(p)(0) * q(0) / q(t)               q: autocorrelation of w

``w`` is a Hann window. The fundamental's period is the lag of the peak of r inside the range, where a longer
lag has to be better by :data:`OCTAVE_COST` per octave, so that two periods are not taken for one; a parabola
through three points refines it. The harmonicity is r there, 0 to 1: h / (1 - h) is the ratio of the
periodic power to the rest. A tone has 1; noise has 0.1 to 0.4, as its few values correlate by chance.
Frames of three periods or more have the frequency within 1 %; of two and a half, within 5 %.

Only lines below :data:`TOP` Hz count, with the same weights at any sample rate: above, voices are hiss, and a
sample rate would change the measure. So few lines and so few lags are left that the inverse transform is a
product with a matrix of cosines, which has g and q in it.
"""

from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np
import numpy.typing as npt

Signal = npt.NDArray[np.float64]

FRAME: Final = 0.04
"""Seconds: three periods of 75 Hz."""
TOP: Final = 2600.0
"""Hz; from :data:`BEND` on, lines count less."""
BEND: Final = 1600.0
OCTAVE_COST: Final = 0.1
#: Power that is no sound: of 16 bits' rounding, per sample.
NOTHING: Final = 1e-10
#: The lags of the inverse transform are as close as at this rate, at least.
_LAG_RATE: Final = 8000


@dataclass(frozen=True, slots=True)
class Fundamental:
    """One value for each frame: ``frequency`` in Hz, 0 where nothing repeats; ``harmonicity`` 0 to 1."""

    frequency: Signal
    harmonicity: Signal


class Tables:
    """What depends on the sample rate alone: window, weights of lines and lags. Immutable.

    ``frame``: samples of a frame. ``size``: points of the transform, a power of two. ``lines``: how many of
    its lines have a weight. ``lag_rate``: lags a second. ``first``, ``last``: the range of lags.
    ``products``: from powers of lines to p's sum, and to the autocorrelation at the lags from one before
    the range to one behind it, shape ``(lines, 1 + last - first + 3)``. ``size_for``: the lowest frequency
    that the transform is long enough for; tables of one ``size_for`` have the same lines.
    """

    __slots__ = (
        "cost",
        "first",
        "frame",
        "lag_rate",
        "last",
        "lines",
        "nothing",
        "products",
        "size",
        "weights",
        "window",
    )

    def __init__(
        self,
        sample_rate: int,
        *,
        lowest: float,
        highest: float,
        frame: int | None = None,
        size_for: float | None = None,
    ) -> None:
        self.frame = frame = round(sample_rate * FRAME) if frame is None else frame
        self.window = _hann(frame)
        # Aliases of the circular correlation stay beyond the longest lag.
        self.size = 1 << (frame + ceil(sample_rate / (size_for or lowest)) + 1).bit_length()
        spacing = sample_rate / self.size
        points = 2 << ceil(_LAG_RATE / 2 / spacing - 1).bit_length()
        self.lag_rate = points * spacing
        self.lines = min(int(TOP / spacing) + 1, points // 2)
        self.weights = _weights(np.arange(self.lines) * spacing, lowest)
        # The first and the last lag that may be a period; one more on either side shows whether it is a peak.
        self.first = max(2, ceil(self.lag_rate / highest))
        self.last = min(int(self.lag_rate / lowest), points // 2 - 2)
        lags = np.arange(self.first - 1, self.last + 2)
        power = np.abs(np.fft.rfft(self.window, self.size)) ** 2
        whole = np.fft.irfft(power, self.size)
        at = np.interp(lags / self.lag_rate * sample_rate, np.arange(self.size // 2), whole[: self.size // 2])
        correction = whole[0] / np.maximum(at, whole[0] * 1e-3)
        cosines = np.cos(2 * np.pi / points * np.outer(np.arange(self.lines), lags)) * correction
        self.products = np.column_stack((self.weights, cosines * self.weights[:, None]))
        self.nothing = NOTHING * frame * frame / 2
        # By how much a lag has to be better than the first one, for each lag in the range.
        self.cost = OCTAVE_COST * np.log2(lags[1:-1] / self.first)


def measure(frames: Signal, tables: Tables) -> Fundamental:
    """Return the fundamental of each row of ``frames``: shape ``(count, tables.frame)``, full scale 1."""
    frequency, harmonicity, _ = of_power(powers(frames, tables), tables)
    return Fundamental(np.array(frequency), np.array(harmonicity))


def powers(frames: Signal, tables: Tables) -> Signal:
    """Return the power of each line of each frame without its mean: shape ``(count, size / 2 + 1)``."""
    centred = frames - np.add.reduce(frames, axis=1, keepdims=True) / tables.frame
    centred *= tables.window
    parts = np.fft.rfft(centred, tables.size).view(np.float64)
    parts *= parts
    power: Signal = parts[:, ::2] + parts[:, 1::2]
    return power


def of_power(power: Signal, tables: Tables) -> tuple[list[float], list[float], list[float]]:
    """Return frequency, harmonicity and power of frames.

    ``power``: of their lines, shape ``(count, tables.lines)`` or more. The power is the sum of p.
    """
    products = power[:, : tables.lines] @ tables.products
    total = products[:, 0].tolist()
    r = products[:, 1:]
    r /= products[:, :1] + tables.nothing
    # Sound that swells has more than 1: the more, the less it is a period.
    np.minimum(r, 2 - r, out=r)
    here = r[:, 1:-1]
    is_peak = here > np.maximum(r[:, :-2], 0.0)
    is_peak &= here >= r[:, 2:]
    best = np.where(is_peak, here - tables.cost, -1.0).argmax(axis=1)
    frequency, harmonicity = [0.0] * len(r), [0.0] * len(r)
    for row, index in enumerate(best.tolist()):
        if not is_peak[row, index]:
            continue
        # The vertex of the parabola through the three points.
        before, top, after = r[row, index : index + 3].tolist()
        shift = 0.5 * (before - after) / (before - 2 * top + after)
        frequency[row] = tables.lag_rate / (tables.first + index + shift)
        harmonicity[row] = min(max(top - 0.25 * (before - after) * shift, 0.0), 1.0)
    return frequency, harmonicity, total


def _hann(length: int) -> Signal:
    window: Signal = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(length) + 0.5) / length)
    return window


def _weights(frequencies: npt.NDArray[np.floating], lowest: float) -> Signal:
    """1 from half of ``lowest`` to BEND, 0 below a quarter of it and above TOP, raised cosines between."""
    rise = np.clip((frequencies - lowest / 4) / (lowest / 4), 0.0, 1.0)
    fall = np.clip((TOP - frequencies) / (TOP - BEND), 0.0, 1.0)
    weights: Signal = (0.5 - 0.5 * np.cos(np.pi * rise)) * (0.5 - 0.5 * np.cos(np.pi * fall))
    return weights

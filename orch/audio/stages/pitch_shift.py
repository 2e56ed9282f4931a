"""Shifts pitch and formants in spectra. Pure.

Pitch, after J. Laroche and M. Dolson, "New phase-vocoder techniques for pitch-shifting" (WASPAA 1999): every
peak of the spectrum is a partial. Its frequency f is measured by its phase's advance since the last frame;
the peak and the bins around it move together by (ratio - 1) f: by whole bins in place, and by

    theta[k] = theta[k - 1] + 2 pi (ratio - 1) f hop / sample_rate

in phase, the same for all of the peak's bins, which keeps its shape.

Formants: the envelope E is the magnitude smoothed by its cepstrum (quefrencies below :data:`LIFTER`).
Shifting moves it by the ratio, too; each bin is multiplied by E(b / wanted) / E(b / moved), so that the
envelope is moved by ``wanted`` alone: ratio^(1 - preservation) times the formant shift. Gains stay within
± :data:`MOST` dB.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from orch.audio.stages.stage import Signal

LIFTER: Final = 0.002
"""Seconds; the period of the highest voice, 500 Hz: what is faster is the envelope, not the pitch."""
MOST: Final = 18.0
"""dB."""
FAINTEST: Final = 1e-9

Spectrum = npt.NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class ShiftState:
    """Of each bin: the phase of the last frame's spectrum, and the rotation of the last frame."""

    phase: Signal
    rotation: Signal

    @classmethod
    def at_rest(cls, bins: int) -> "ShiftState":
        """Return the state before the first frame."""
        return cls(np.zeros(bins), np.zeros(bins))


def envelope(magnitude: Signal, size: int, sample_rate: int) -> Signal:
    """Return the smooth envelope of the magnitudes of a spectrum of ``size`` points."""
    cepstrum = np.fft.irfft(np.log(magnitude + FAINTEST), size)
    keep = max(2, round(LIFTER * sample_rate))
    cepstrum[keep : size - keep + 1] = 0
    smooth: Signal = np.exp(np.fft.rfft(cepstrum, size).real)
    return smooth


def stretched(curve: Signal, ratio: float) -> Signal:
    """Return a curve over frequency, moved up by a ratio: its value at b / ratio, linearly interpolated."""
    at = np.arange(len(curve)) / ratio
    below = np.minimum(at.astype(np.int64), len(curve) - 1)
    above = np.minimum(below + 1, len(curve) - 1)
    share = at - below
    moved: Signal = curve[below] * (1 - share) + curve[above] * share
    return moved


def formant_gains(smooth: Signal, *, moved: float, wanted: float) -> Signal:
    """Return the gains that move an envelope, which was ``moved`` by a ratio, by ``wanted`` instead."""
    bound = 10 ** (MOST / 20)
    ratios: Signal = np.clip(stretched(smooth, wanted) / stretched(smooth, moved), 1 / bound, bound)
    return ratios


def regions(magnitude: Signal) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the peaks, and for each bin the index of its peak: the nearest, halves belong to the lower one.

    A peak is higher than the two bins on each side. A spectrum without one has its highest bin.
    """
    m = np.concatenate(([-1.0, -1.0], magnitude, [-1.0, -1.0]))
    inner = m[2:-2]
    is_peak = (inner > m[1:-3]) & (inner > m[:-4]) & (inner >= m[3:-1]) & (inner >= m[4:])
    peaks = np.flatnonzero(is_peak)
    if not len(peaks):
        peaks = np.array([int(np.argmax(magnitude))])
    borders = (peaks[:-1] + peaks[1:]) // 2
    return peaks, np.searchsorted(borders, np.arange(len(magnitude)), side="left")


def _wrapped(angle: Signal) -> Signal:
    """Return angles from -pi to below pi. Bins 0 and the last flip by pi exactly, so halves have one side."""
    inside: Signal = angle - 2 * np.pi * np.floor(angle / (2 * np.pi) + 0.5)
    return inside


def shifted(
    spectrum: Spectrum, state: ShiftState, *, ratio: float, hop: int, size: int
) -> tuple[Spectrum, ShiftState]:
    """Return a spectrum with every partial moved by ``ratio``, and the state after it."""
    bins = len(spectrum)
    phase = np.angle(spectrum)
    peaks, owner = regions(np.abs(spectrum))
    # The advance of each peak's phase over a hop, near that of its bin.
    expected = 2 * np.pi * hop * peaks / size
    advance = phase[peaks] - state.phase[peaks] - expected
    frequency = expected + _wrapped(advance)
    moves = (ratio - 1) * frequency
    rotation = _wrapped(state.rotation[peaks] + moves)
    offsets = np.floor(moves * size / (2 * np.pi * hop) + 0.5).astype(np.int64)
    target = np.arange(bins) + offsets[owner]
    inside = (target >= 0) & (target < bins)
    moved = (spectrum * np.exp(1j * rotation)[owner])[inside]
    out = np.empty(bins, np.complex128)
    out.real = np.bincount(target[inside], moved.real, bins)
    out.imag = np.bincount(target[inside], moved.imag, bins)
    return out, ShiftState(phase, rotation[owner])

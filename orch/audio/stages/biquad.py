"""Second-order filters: their designs, and filtering block by block. Pure.

    H(z) = (b0 + b1 z^-1 + b2 z^-2) / (1 + a1 z^-1 + a2 z^-2)

The designs are the bilinear transforms of R. Bristow-Johnson's cookbook (W3C Audio EQ Cookbook, 2021). A
frequency at or above half the sample rate is moved to 49.5 % of it, where the bilinear transform still has a
width. A section is a row ``[b0, b1, b2, 1, a1, a2]``; a filter has one or more, shape ``(sections, 6)``.
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter, sosfreqz

from orch.audio.stages.stage import Signal

Sections = npt.NDArray[np.float64]
"""Shape ``(sections, 6)``."""
SectionState = npt.NDArray[np.float64]
"""What a filter remembers: shape ``(sections, 2)``."""

BUTTERWORTH: Final = math.sqrt(0.5)
"""The Q of a section without a bump."""
HIGHEST: Final = 0.495
"""Of the sample rate."""
FAINTEST: Final = 1e-100
"""What is remembered below it is 0: processors are slow with numbers that are nearly too small for them."""


def _angle(frequency: float, sample_rate: int) -> float:
    return 2 * math.pi * min(frequency / sample_rate, HIGHEST)


def _section(b: tuple[float, float, float], a: tuple[float, float, float]) -> Sections:
    return np.array([[*(value / a[0] for value in b), 1.0, a[1] / a[0], a[2] / a[0]]])


def low_pass(frequency: float, sample_rate: int, q: float = BUTTERWORTH) -> Sections:
    """Return a low-pass filter of 12 dB an octave; -3 dB at ``frequency`` (Hz)."""
    w = _angle(frequency, sample_rate)
    alpha, c = math.sin(w) / (2 * q), math.cos(w)
    return _section(((1 - c) / 2, 1 - c, (1 - c) / 2), (1 + alpha, -2 * c, 1 - alpha))


def high_pass(frequency: float, sample_rate: int, q: float = BUTTERWORTH) -> Sections:
    """Return a high-pass filter of 12 dB an octave; -3 dB at ``frequency`` (Hz)."""
    w = _angle(frequency, sample_rate)
    alpha, c = math.sin(w) / (2 * q), math.cos(w)
    return _section(((1 + c) / 2, -(1 + c), (1 + c) / 2), (1 + alpha, -2 * c, 1 - alpha))


def band_pass(frequency: float, bandwidth: float, sample_rate: int) -> Sections:
    """Return a band-pass filter: 1 at its centre, -3 dB at ``bandwidth`` (Hz) around it."""
    w = _angle(frequency, sample_rate)
    alpha, c = math.sin(w) * bandwidth / (2 * frequency), math.cos(w)
    return _section((alpha, 0.0, -alpha), (1 + alpha, -2 * c, 1 - alpha))


def peaking(frequency: float, bandwidth: float, gain: float, sample_rate: int) -> Sections:
    """Return a bell: ``gain`` (a factor) at its centre, half of it in dB at ``bandwidth`` (Hz) around it."""
    w = _angle(frequency, sample_rate)
    root = math.sqrt(gain)
    alpha, c = math.sin(w) * bandwidth / (2 * frequency), math.cos(w)
    return _section(
        (1 + alpha * root, -2 * c, 1 - alpha * root), (1 + alpha / root, -2 * c, 1 - alpha / root)
    )


def low_shelf(frequency: float, gain: float, sample_rate: int) -> Sections:
    """Return a shelf: ``gain`` (a factor) well below ``frequency`` (Hz), half of it in dB there."""
    return _shelf(frequency, gain, sample_rate, side=-1.0)


def high_shelf(frequency: float, gain: float, sample_rate: int) -> Sections:
    """Return a shelf: ``gain`` (a factor) well above ``frequency`` (Hz), half of it in dB there."""
    return _shelf(frequency, gain, sample_rate, side=1.0)


def _shelf(frequency: float, gain: float, sample_rate: int, *, side: float) -> Sections:
    w = _angle(frequency, sample_rate)
    a, c = math.sqrt(gain), side * math.cos(w)
    slope = 2 * math.sqrt(a) * math.sin(w) / (2 * BUTTERWORTH)
    return _section(
        (
            a * ((a + 1) + (a - 1) * c + slope),
            -2 * side * a * ((a - 1) + (a + 1) * c),
            a * ((a + 1) + (a - 1) * c - slope),
        ),
        (
            (a + 1) - (a - 1) * c + slope,
            2 * side * ((a - 1) - (a + 1) * c),
            (a + 1) - (a - 1) * c - slope,
        ),
    )


def cascade(*filters: Sections) -> Sections:
    """Return one filter after the other as one."""
    return np.concatenate(filters)


def at_rest(sections: Sections) -> SectionState:
    """Return the state before the first sample."""
    return np.zeros((len(sections), 2))


def filtered(sections: Sections, block: Signal, state: SectionState) -> tuple[Signal, SectionState]:
    """Return the filtered block and the state after it; the given state stays as it is."""
    if not len(block):
        return block, state
    # A section at a time: SciPy's function for all of them takes longer to check its input than to filter.
    after = np.empty_like(state)
    for index, section in enumerate(sections):
        block, after[index] = lfilter(section[:3], section[3:], block, zi=state[index])
    after[np.abs(after) < FAINTEST] = 0
    return block, after


def magnitude(sections: Sections, frequencies: npt.NDArray[np.float64], sample_rate: int) -> Signal:
    """Return the gain (a factor) at ``frequencies`` (Hz)."""
    _, response = sosfreqz(sections, worN=frequencies, fs=sample_rate)
    gains: Signal = np.abs(response)
    return gains

"""The filter of sample-rate conversion: a sinc in a Kaiser window, in phases. Pure.

    h(t) = 2 f sinc(2 f t) · I0(β sqrt(1 - (t / T)²)) / I0(β),   |t| <= T

t in samples of the input, f the cut-off (-6 dB) in cycles a sample. Kaiser's formulas (Oppenheim & Schafer,
Discrete-Time Signal Processing, 7.5) give β and the width of the transition from the attenuation A in dB::

    β = 0.1102 (A - 8.7)                       A > 50
    width = (A - 7.95) / (14.36 · 2 T)         in cycles a sample
"""

import numpy as np
import numpy.typing as npt


def kaiser_beta(attenuation: float) -> float:
    """Return β for a stop band that is ``attenuation`` dB down, more than 50."""
    return 0.1102 * (attenuation - 8.7)


def transition(attenuation: float, taps: float) -> float:
    """Return the width between pass band and stop band, in cycles a sample."""
    return (attenuation - 7.95) / (14.36 * taps)


def phase_table(phases: int, half: int, cutoff: float, beta: float) -> npt.NDArray[np.float64]:
    """Return the filter, one row a phase, ``half`` samples on each side; shape ``(phases, 2 half)``.

    Row p interpolates p / phases behind a sample: its taps belong to the samples 1 - half to half from that
    one. ``cutoff`` is a share of half the input's rate. Each row sums to 1, so that a constant stays that
    constant.
    """
    at = np.arange(phases)[:, None] / phases - np.arange(-half + 1, half + 1)[None, :]
    inside = np.sqrt(np.clip(1 - (at / half) ** 2, 0, None))
    rows = np.sinc(cutoff * at) * np.i0(beta * inside)
    scaled: npt.NDArray[np.float64] = rows / rows.sum(axis=1, keepdims=True)
    return scaled

"""Joins sound as it came to processed sound that ends there, without a click. Pure.

With x the sound as it came and y what was made of it, both up to the border, and k samples after it::

    g = sqrt(Σ y² / Σ x²)                                        over the last COMPARED, 1 / MOST to MOST
    out[k] = x[k] · (g + (1 - g) · r(k)) + (y[-1] - g · x[-1]) · (1 - r(k))
    r(k) = (1 - cos(π · (k + 1) / (n + 1))) / 2

so the first sample continues the last one at its level, and after n samples the sound is as it came.
"""

from typing import Final

import numpy as np

COMPARED: Final = 0.02
"""Seconds."""
FADE: Final = 0.03
"""Seconds."""
MOST: Final = 8.0
_LOWEST, _HIGHEST = -32_768, 32_767


def joined(before: bytes, processed: bytes, after: bytes) -> bytes:
    """Return ``after``, all of it a fade: 16-bit little-endian mono samples.

    ``before`` and ``processed``: the same samples as they came and as they were made, up to the border.
    """
    length = min(len(before), len(processed)) // 2 * 2
    if not length or not after:
        return after
    came = np.frombuffer(before[-length:], "<i2").astype(np.float64)
    made = np.frombuffer(processed[-length:], "<i2").astype(np.float64)
    power = float(came @ came)
    gain = min(MOST, max(1 / MOST, float(np.sqrt(made @ made / power)))) if power else 1.0
    sound = np.frombuffer(after, "<i2").astype(np.float64)
    rise = (1 - np.cos(np.pi * np.arange(1, len(sound) + 1) / (len(sound) + 1))) / 2
    faded = sound * (gain + (1 - gain) * rise) + (made[-1] - gain * came[-1]) * (1 - rise)
    whole: bytes = np.clip(np.rint(faded), _LOWEST, _HIGHEST).astype("<i2").tobytes()
    return whole

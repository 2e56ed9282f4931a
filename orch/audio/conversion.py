"""Converts decoded frames to one channel at the back ends' rate, with FFmpeg's resampler (PyAV).

Audio is converted a second at a time, whatever the size of the file's frames.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import av
import numpy as np

from orch.audio.decoder_frames import RATE
from orch.audio.downmix import AUDIBLE, Downmix, Samples

_SAFE_PLANES: Final = 8


class Converter:
    """Converts frames of any format into one channel of 16 bits at :data:`RATE` Hz.

    ``note`` is called with exceptions of the resampler.
    """

    rate: Final = RATE
    channels: Final = 1
    own_rate: Final = RATE
    block: Final = RATE
    """Samples of a block."""
    dtype: Final = "<i2"

    def __init__(self, note: Callable[[Exception], None]) -> None:
        self._note = note
        self._shape: tuple[str, str, int] | None = None
        self._resampler: Any = None
        self._downmix = Downmix(1)
        self._waiting: list[Samples] = []
        self._count = 0  # samples waiting: a frame may have only one

    def begin(self, frame: Any) -> None:
        """Nothing depends on the first frame."""

    def convert(self, frame: Any, *, dropped: int) -> Iterator[Samples]:
        """Yield a frame's converted samples, without the first ``dropped``."""
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != self._shape:
            # Recordings glued together: the next one may have another rate or other channels.
            yield from self.flush()
            if self._shape is None or shape[1] != self._shape[1]:
                self._downmix = Downmix(frame.layout.nb_channels)
            self._shape = shape
        for piece in pieces(frame, dropped):
            yield from self._resampled(piece)
            if self._count >= RATE:
                yield from self._mixed()

    def flush(self) -> Iterator[Samples]:
        """Yield the rest."""
        if self._resampler is not None:
            yield from self._resampled(None)
            self._resampler = None
        yield from self._mixed()

    def silence(self, count: int) -> Iterator[Samples]:
        """Yield ``count`` samples of silence, a second at a time."""
        while count > 0:
            yield np.zeros(min(count, RATE), dtype=np.int16)
            count -= RATE

    def _resampled(self, piece: Any) -> Iterator[Samples]:
        try:
            if self._resampler is None:
                self._resampler = av.AudioResampler(format="s16", layout=piece.layout, rate=RATE)
            for converted in self._resampler.resample(piece):
                samples = converted.to_ndarray().reshape(-1, converted.layout.nb_channels).T
                self._waiting.append(samples)
                self._count += samples.shape[1]
        except (av.FFmpegError, ValueError) as error:
            self._note(error)
            self._resampler = None
        yield from ()

    def _mixed(self) -> Iterator[Samples]:
        if self._waiting:
            block = np.concatenate(self._waiting, axis=1)
            self._waiting, self._count = [], 0
            yield self._downmix.mix(block)


def pieces(frame: Any, dropped: int) -> Iterator[Any]:
    """Yield a frame in pieces of at most a second."""
    if not dropped and frame.samples <= frame.sample_rate:
        frame.pts = None
        yield frame
        return
    frame = packed(frame)
    samples = frame.to_ndarray()
    width = 1 if frame.format.is_planar else frame.layout.nb_channels
    for begin in range(dropped, frame.samples, frame.sample_rate):
        cut = samples[:, begin * width : (begin + frame.sample_rate) * width]
        piece = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(cut), format=frame.format.name, layout=frame.layout.name
        )
        piece.sample_rate = frame.sample_rate
        piece.time_base = frame.time_base
        yield piece


def packed(frame: Any) -> Any:
    """Return the frame with its channels interleaved, if it has a plane for each of eight or more.

    PyAV 18 reads planes until a null pointer, which follows the last of seven at most.
    """
    if not frame.format.is_planar or frame.layout.nb_channels < _SAFE_PLANES:
        return frame
    interleaved = av.AudioResampler(
        format=frame.format.packed.name, layout=frame.layout, rate=frame.sample_rate
    ).resample(frame)[0]
    interleaved.time_base = frame.time_base
    return interleaved


def is_audible(frame: Any) -> bool:
    """Return whether a frame is loud enough to count as sound."""
    values = packed(frame).to_ndarray()
    if values.dtype.kind == "u":
        values = values.astype(np.float32) - 128
        full = 128.0
    else:
        full = 1.0 if values.dtype.kind == "f" else float(np.iinfo(values.dtype).max)
    level = float(np.sqrt(np.mean(np.square(values.astype(np.float32) / full))))
    return level >= AUDIBLE / 32_768

"""Sound as the bytes of a file: WAV, or FLAC by FFmpeg's encoder (PyAV). Blocks; called in a thread.

A file whose process was killed begins with an unknown length, which players accept.
"""

from typing import Any, Final, Literal, Protocol

import av
import numpy as np
from numpy.typing import NDArray

from orch.audio.wav import HEADER_BYTES, header
from orch.bots.recordings.files import Output

RATE: Final = 16_000
Samples = NDArray[np.int16]
Format = Literal["flac", "wav"]

_UNKNOWN: Final = 2**32 - 1 - HEADER_BYTES


class Encoder(Protocol):
    """Writes mono sound at :data:`RATE`, 16 bits, into an output; closes it."""

    def write(self, samples: Samples) -> None:
        """Append samples. OSError of the output."""

    def close(self) -> None:
        """Finish and close the output. OSError: it may lack its end."""


class WavEncoder:
    """WAV. The mutable state is the bytes written."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._bytes = 0
        output.write(header(_UNKNOWN, RATE))

    def write(self, samples: Samples) -> None:
        """Append samples."""
        data = samples.astype("<i2", copy=False).tobytes()
        self._output.write(data)
        self._bytes += len(data)

    def close(self) -> None:
        """Write the length, and close."""
        self._output.patch(0, header(min(self._bytes, _UNKNOWN), RATE))
        self._output.close()


class FlacEncoder:
    """FLAC, lossless; about half as large as WAV. Silence takes nearly nothing."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._file = _File(output)
        self._container: Any = av.open(self._file, "w", format="flac")
        self._stream: Any = self._container.add_stream("flac", rate=RATE, options={"compression_level": "5"})
        self._stream.layout = "mono"
        self._at = 0

    def write(self, samples: Samples) -> None:
        """Append samples."""
        frame: Any = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = RATE
        frame.pts = self._at
        self._at += len(samples)
        self._mux(frame)

    def close(self) -> None:
        """Write the rest and the length, and close."""
        try:
            if not self._file.failed:
                self._mux(None)
            self._container.close()
        except av.FFmpegError as error:
            self._file.failed = self._file.failed or OSError(error.errno, str(error))
        finally:
            self._output.close()
        self._raise()

    def _mux(self, frame: Any) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except av.FFmpegError as error:
            self._raise()
            raise OSError(error.errno, str(error)) from error
        self._raise()

    def _raise(self) -> None:
        if self._file.failed is not None:
            raise self._file.failed


class _File:
    """An output as FFmpeg writes to it. ``failed``: the first error, after which nothing more is written."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._size = self._at = 0
        self.failed: OSError | None = None

    def write(self, data: Any) -> int:
        found = bytes(data)
        if self.failed is None:
            try:
                if self._at == self._size:
                    self._output.write(found)
                else:
                    self._output.patch(self._at, found)
            except OSError as error:
                self.failed = error
        self._at += len(found)
        self._size = max(self._size, self._at)
        return len(found)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at


def encoder(kind: Format, output: Output) -> Encoder:
    """Return an encoder. OSError of the output."""
    return FlacEncoder(output) if kind == "flac" else WavEncoder(output)

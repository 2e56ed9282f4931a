"""WAV files of any word length, rate and number of channels, made here rather than by what reads them."""

import struct

import numpy as np
import numpy.typing as npt

FORMATS = ("8", "16", "24", "32", "float", "double")


def wav_file(
    samples: npt.NDArray[np.float64], rate: int, form: str = "16", *, declared: int | None = None
) -> bytes:
    """Return a file of ``samples``, shape (samples, channels), full scale 1. ``declared``: claimed bytes."""
    data: bytes
    match form:
        case "8":
            data = np.clip(np.rint(samples * 128) + 128, 0, 255).astype(np.uint8).tobytes()
        case "24":
            whole = np.clip(np.rint(samples * 2**23), -(2**23), 2**23 - 1).astype("<i4")
            data = whole.reshape(-1, 1).view(np.uint8)[:, :3].tobytes()
        case "float":
            data = samples.astype("<f4").tobytes()
        case "double":
            data = samples.astype("<f8").tobytes()
        case _:
            full = 2 ** (int(form) - 1)
            data = np.clip(np.rint(samples * full), -full, full - 1).astype(f"<i{int(form) // 8}").tobytes()
    width = {"float": 4, "double": 8}.get(form) or int(form) // 8
    channels = samples.shape[1]
    tag = 3 if form in {"float", "double"} else 1
    size = len(data) if declared is None else declared
    return (
        struct.pack("<4sI4s4sIHH", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, tag, channels)
        + struct.pack("<IIHH", rate, rate * channels * width, channels * width, width * 8)
        + struct.pack("<4sI", b"data", size)
        + data
    )


def tones(rate: int, seconds: float, channels: int = 1, frequency: float = 440.0) -> npt.NDArray[np.float64]:
    """Return a tone in each channel, each at its own level, shape (samples, channels)."""
    times = np.arange(round(rate * seconds)) / rate
    levels = 0.5 / np.arange(1, channels + 1)
    tone: npt.NDArray[np.float64] = np.sin(2 * np.pi * frequency * times)[:, None] * levels
    return tone

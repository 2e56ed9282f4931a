"""Reads WAV files: what the speech flow sends."""

import io
import wave

import numpy as np

from orch.problems import ProblemError
from orch.speech.resampling import Resampler

SAMPLE_BYTES = 2


def decode(data: bytes) -> bytes:
    """Return 16 kHz mono 16-bit PCM. Problems: ``not_audio``, ``empty_audio``."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            frames = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ProblemError("not_audio", f"The upload is no WAV file: {error}.") from None
    if width != SAMPLE_BYTES:
        raise ProblemError("not_audio", f"The upload is a WAV file of {8 * width} bit; 16 bit can be read.")
    samples = np.frombuffer(frames[: len(frames) // (width * channels) * width * channels], dtype="<i2")
    if not len(samples):
        raise ProblemError("empty_audio", "The recording has no samples.")
    mono: bytes = samples.reshape(-1, channels).mean(axis=1).round().astype("<i2").tobytes()
    resampler = Resampler(source=rate)
    return resampler.feed(mono) + resampler.flush()

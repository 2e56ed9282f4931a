"""Recordings as people have them, made with FFmpeg's own encoders."""

import io
from typing import Any, Final

import av
import numpy as np

from tests.fakes.sounds import Samples

# What a person calls it: muxer, codec, rate, layout.
KINDS: Final = {
    "wav": ("wav", "pcm_s16le", 44_100, "stereo"),
    "wav-float": ("wav", "pcm_f32le", 48_000, "mono"),
    "mp3": ("mp3", "mp3", 44_100, "stereo"),
    "mp3-low": ("mp3", "mp3", 22_050, "mono"),
    "flac": ("flac", "flac", 48_000, "mono"),
    "opus": ("ogg", "libopus", 48_000, "mono"),
    "webm": ("webm", "libopus", 48_000, "stereo"),
    "mka": ("matroska", "aac", 48_000, "stereo"),
    "m4a": ("mp4", "aac", 44_100, "stereo"),
    "3gp": ("3gp", "aac", 16_000, "mono"),
    "aac": ("adts", "aac", 44_100, "stereo"),
    "aiff": ("aiff", "pcm_s16be", 22_050, "mono"),
    "caf": ("caf", "pcm_s16le", 8_000, "mono"),
    "au": ("au", "pcm_s16be", 8_000, "mono"),
}


def recording(
    kind: str, sound: Samples, *, rate: int = 16_000, metadata: dict[str, str] | None = None
) -> bytes:
    """Return a file of a kind that holds ``sound`` (mono, ``rate`` Hz), on both channels where it has two."""
    muxer, codec, file_rate, layout = KINDS[kind]
    out = io.BytesIO()
    container: Any = av.open(out, "w", format=muxer)
    container.metadata.update(metadata or {})
    stream: Any = container.add_stream(codec, rate=file_rate, layout=layout)
    resampler = av.AudioResampler(format=stream.codec_context.format.name, layout=layout, rate=file_rate)
    samples = np.clip(np.rint(sound), -32768, 32767).astype(np.int16)
    for begin in range(0, len(samples), 1024):
        frame = av.AudioFrame.from_ndarray(samples[None, begin : begin + 1024], format="s16", layout="mono")
        frame.sample_rate = rate
        frame.pts = begin
        for converted in resampler.resample(frame):
            container.mux(stream.encode(converted))
    for converted in resampler.resample(None):
        container.mux(stream.encode(converted))
    container.mux(stream.encode(None))
    container.close()
    return out.getvalue()


def video_only() -> bytes:
    """Return a Matroska file with pictures and no sound."""
    out = io.BytesIO()
    container: Any = av.open(out, "w", format="matroska")
    stream: Any = container.add_stream("mpeg4", rate=10)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    for _ in range(5):
        container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
    container.mux(stream.encode(None))
    container.close()
    return out.getvalue()

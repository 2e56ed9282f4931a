"""Recordings as people have them, made with FFmpeg's own encoders."""

import io
import struct
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


def flac_that_unpacks(*, rate: int = 4, samples: int = 65_535, frames: int = 1) -> bytes:
    """Return a FLAC of 16 bits and one channel whose frames hold one value ``samples`` times each.

    STREAMINFO (RFC 9639 section 8.2) says ``rate``; a frame (section 9) with block size code 0111 has its
    size
    in 16 bits, and a constant subframe its value once.
    """
    packed = rate << 44 | 15 << 36
    info = struct.pack(">HH", 16, 65_535) + bytes(6) + packed.to_bytes(8, "big") + bytes(16)
    out = b"fLaC" + bytes([0x80, 0, 0, len(info)]) + info
    for number in range(frames):
        head = b"\xff\xf8\x70\x08" + _coded(number) + struct.pack(">H", samples - 1)
        frame = head + bytes([_crc(head, 0x07, 8)]) + b"\x00" + b"\x00\x00"
        out += frame + _crc(frame, 0x8005, 16).to_bytes(2, "big")
    return out


def _coded(number: int) -> bytes:
    """Return a frame's number as UTF-8 codes it."""
    return chr(number).encode("utf-8", "surrogatepass")


def _crc(data: bytes, polynomial: int, bits: int) -> int:
    value = 0
    for byte in data:
        value ^= byte << bits - 8
        for _ in range(8):
            value = (value << 1 ^ (polynomial if value >> bits - 1 else 0)) & (1 << bits) - 1
    return value


def box(name: bytes, *content: bytes) -> bytes:
    """Return a box of ISO base media."""
    inside = b"".join(content)
    return struct.pack(">I", 8 + len(inside)) + name + inside


def m4a_that_indexes(count: int = 50_000_000, *, rate: int = 16_000, channels: int = 1) -> bytes:
    """Return an M4A whose table of sizes says that it holds ``count`` samples of one byte."""
    entry = box(
        b"mp4a",
        bytes(6) + struct.pack(">H", 1) + bytes(8) + struct.pack(">HHHHI", channels, 16, 0, 0, rate << 16),
    )
    table = box(
        b"stbl",
        box(b"stsd", struct.pack(">II", 0, 1), entry),
        box(b"stts", struct.pack(">IIII", 0, 1, count, 2)),
        box(b"stsc", struct.pack(">IIIII", 0, 1, 1, 1, 1)),
        box(b"stsz", struct.pack(">III", 0, 1, count)),
        box(b"stco", struct.pack(">III", 0, 1, 40)),
    )
    track = box(
        b"trak",
        box(b"tkhd", struct.pack(">IIIIII", 1, 0, 0, 1, 0, count) + bytes(60)),
        box(
            b"mdia",
            box(b"mdhd", struct.pack(">IIIIII", 0, 0, 0, rate, count, 0)),
            box(b"hdlr", bytes(8) + b"soun" + bytes(13)),
            box(b"minf", box(b"smhd", bytes(8)), table),
        ),
    )
    head = box(b"mvhd", struct.pack(">IIIII", 0, 0, 0, rate, count) + bytes(80))
    return box(b"ftyp", b"M4A \0\0\0\0M4A ") + box(b"mdat", bytes(16)) + box(b"moov", head, track)


def wav_of(
    *, rate: int = 16_000, channels: int = 1, tag: int = 1, align: int | None = None, bits: int = 16
) -> bytes:
    """Return a WAV whose header says what it is told to, with 64 KiB of sound."""
    align = channels * bits // 8 if align is None else align
    fmt = struct.pack("<HHIIHH", tag, channels, rate, min(rate * align, 2**32 - 1), align & 0xFFFF, bits)
    data = bytes(65_536)
    body = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body

"""A few bytes that would become gigabytes, and other files that no recorder makes."""

import io
import os
import signal
import struct
import subprocess
import sys
import tempfile

import av
import numpy as np
import pytest
import trio

from orch.audio.recordings import open_recording
from orch.audio.wav import wav
from orch.problems import ProblemError
from tests.fakes.patience import PATIENCE
from tests.fakes.processes import unreaped
from tests.fakes.recordings import recording
from tests.fakes.running import run
from tests.fakes.sounds import pcm, silence, voice

pytestmark = [pytest.mark.process, pytest.mark.real_time]


def crc(data: bytes, polynomial: int, width: int) -> int:
    value, top = 0, 1 << width - 1
    for byte in data:
        value ^= byte << width - 8
        for _ in range(8):
            value = (value << 1 ^ (polynomial if value & top else 0)) & (1 << width) - 1
    return value


def constant_flac(rate: int, frames: int = 1, samples: int = 65_535) -> bytes:
    """Return a FLAC whose frames are one constant each."""
    info = struct.pack(">HH", samples, samples) + bytes(6)
    info += (rate << 44 | 0 << 41 | 15 << 36 | samples * frames).to_bytes(8, "big") + bytes(16)
    data = b"fLaC" + b"\x80" + len(info).to_bytes(3, "big") + info
    for number in range(frames):
        head = (
            b"\xff\xf8" + bytes([0b0111_0000, 0b0000_1000]) + bytes([number]) + struct.pack(">H", samples - 1)
        )
        head += bytes([crc(head, 0x07, 8)])
        frame = head + b"\x00\x12\x34"
        data += frame + struct.pack(">H", crc(frame, 0x8005, 16))
    return data


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + name + body


def m4a_of_many_samples(count: int, size: int = 0) -> bytes:
    """Return an M4A whose table of sizes declares ``count`` samples; size 0: each has its own."""
    entry = bytes(6) + struct.pack(">H", 1) + bytes(8) + struct.pack(">HHHHI", 2, 16, 0, 0, 48_000 << 16)
    stbl = (
        box(b"stsd", struct.pack(">II", 0, 1) + box(b"sowt", entry))
        + box(b"stts", struct.pack(">IIII", 0, 1, count, 1024))
        + box(b"stsc", struct.pack(">IIIII", 0, 1, 1, count, 1))
        + box(b"stsz", struct.pack(">III", 0, size, count))
        + box(b"stco", struct.pack(">III", 0, 1, 40))
    )
    mdia = (
        box(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, 48_000, 48_000, 0x55C4, 0))
        + box(b"hdlr", bytes(8) + b"soun" + bytes(13))
        + box(b"minf", box(b"smhd", bytes(8)) + box(b"stbl", stbl))
    )
    tkhd = struct.pack(">IIIII", 7, 0, 0, 1, 0) + struct.pack(">I", 48_000) + bytes(60)
    mvhd = struct.pack(">IIIII", 0, 0, 0, 1000, 1000) + bytes(80)
    moov = box(b"moov", box(b"mvhd", mvhd) + box(b"trak", box(b"tkhd", tkhd) + box(b"mdia", mdia)))
    return box(b"ftyp", b"M4A \0\0\0\0M4A ") + box(b"mdat", bytes(64)) + moov


def wav_of(rate: int, channels: int, data: bytes) -> bytes:
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2 & 0xFFFFFFFF, channels * 2, 16)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


BOMBS = {
    "FLAC at 4 Hz": constant_flac(4),
    "FLAC at 8 Hz": constant_flac(8, frames=3),
    "M4A of 50 million samples": m4a_of_many_samples(50_000_000),
    "M4A of 50 million samples of one size": m4a_of_many_samples(50_000_000, 4),
    "WAV at 1 Hz": wav_of(1, 1, bytes(100_000)),
    "WAV at 4 GHz": wav_of(4_000_000_000, 1, bytes(100_000)),
    "WAV of 384 channels": wav_of(48_000, 384, bytes(768_000)),
}


REFUSALS = {"not_audio", "empty_audio", "unsupported_sample_rate", "recording_too_costly"}


async def code_of(data: bytes, most_seconds: float = 600) -> str | None:
    """Return how reading ends."""
    try:
        async with open_recording(io.BytesIO(data), longest=most_seconds) as source:
            while await source.read():
                pass
    except ProblemError as error:
        return error.code
    return None


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_words(name: str) -> None:
    """It is that upload's own error, 415 or 422."""
    assert run(code_of, BOMBS[name], virtual=False) in REFUSALS


async def test_constant_frames_become_no_more_than_a_recording_may_have() -> None:
    """Hours of silence in a few hundred bytes: the allowed part is read, then the reason is reported."""
    data = constant_flac(4_000, frames=100)  # 27 minutes
    seconds = 0.0
    with pytest.raises(ProblemError, match="longer than 600 s") as caught:  # noqa: PT012 - read to its end
        async with open_recording(io.BytesIO(data), longest=600) as source:
            while await source.read():
                seconds = source.seconds_read
    assert caught.value.code == "recording_too_long"
    assert seconds == 600


async def test_a_decoder_that_breaks_down_is_that_recordings_error() -> None:
    """Whatever kills it: the service reports it and continues."""
    before = unreaped()
    with pytest.raises(ProblemError, match="crashed") as caught:  # noqa: PT012 - killed in the middle
        async with open_recording(io.BytesIO(wav(pcm(silence(300)), 16_000))) as source:
            await source.read()
            [decoder] = unreaped() - before
            os.kill(decoder, signal.SIGSEGV)
            while await source.read():
                pass
    assert caught.value.code == "not_audio"
    assert unreaped() == before


async def test_a_reader_that_is_cancelled_leaves_no_process() -> None:
    """Killed and reaped, wherever the cancel comes."""
    before = unreaped()
    for after in (0, 0.05, 0.3, 1.0):
        with trio.move_on_after(after):
            async with open_recording(io.BytesIO(wav(pcm(silence(300)), 16_000))) as source:
                await source.read()
                await trio.sleep_forever()
        assert unreaped() == before


def test_a_decoder_ends_when_the_service_does() -> None:
    """Also while it waits at a pipe that is not read."""
    with tempfile.TemporaryFile() as file:
        file.write(wav(pcm(silence(300)), 16_000))
        file.flush()
        file.seek(0)
        with subprocess.Popen(
            [sys.executable, "-m", "orch.audio.decoder_process", "600"], stdin=file, stdout=subprocess.PIPE
        ) as decoder:
            assert decoder.stdout is not None
            assert decoder.stdout.read(1)
            decoder.stdout.close()
            assert decoder.wait(timeout=PATIENCE) != 0


async def test_speech_that_cancels_itself_out_in_the_mix_is_read_from_one_channel() -> None:
    """A balanced microphone on a stereo input: x and -x."""
    sound = pcm(voice(3))
    left = np.frombuffer(sound, dtype="<i2")
    both = np.stack([left, -left], axis=1).astype("<i2").tobytes()

    out = b""
    async with open_recording(io.BytesIO(wav_of(16_000, 2, both))) as source:
        while chunk := await source.read():
            out += chunk
    assert out in (sound, (-left).astype("<i2").tobytes())


def two_tracks(first: object, second: object) -> bytes:
    """Return a Matroska file with two sound tracks."""
    out = io.BytesIO()
    container = av.open(out, "w", format="matroska")
    streams = [container.add_stream("pcm_s16le", rate=16_000, layout="mono") for _ in range(2)]
    for begin in range(0, 48_000, 1024):
        for stream, sound in zip(streams, (first, second), strict=True):
            samples = np.asarray(sound)[begin : begin + 1024].astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16_000, begin
            container.mux(stream.encode(frame))
    container.close()
    return out.getvalue()


@pytest.mark.parametrize("spoken", [0, 1])
async def test_of_several_tracks_the_one_with_sound_is_read(spoken: int) -> None:
    """A recorder with separate tracks for the desktop and the microphone."""
    sounds = [silence(3), voice(3)] if spoken else [voice(3), silence(3)]

    async with open_recording(io.BytesIO(two_tracks(*sounds))) as source:
        assert (source.tracks, source.track) == (2, spoken + 1)
        out = await source.read()
    assert np.abs(np.frombuffer(out, dtype="<i2").astype(int)).max() > 500


def with_timestamps(kind: str, places: list[float], *, pictures: float = 0) -> bytes:
    """Return a recording whose seconds of speech stand at these times."""
    out = io.BytesIO()
    container = av.open(out, "w", format=kind)
    stream = container.add_stream("libopus" if kind == "webm" else "aac", rate=48_000, layout="mono")
    movie = container.add_stream("libvpx" if kind == "webm" else "mpeg4", rate=10) if pictures else None
    if movie is not None:
        movie.width, movie.height, movie.pix_fmt = 64, 48, "yuv420p"
        for number in range(round(pictures * 10)):
            picture = av.VideoFrame(64, 48, "yuv420p")
            picture.pts = number
            container.mux(movie.encode(picture))
    sound = np.clip(voice(1), -32768, 32767).astype(np.int16).repeat(3)
    size = stream.codec_context.frame_size or 960
    for place in places:
        for begin in range(0, len(sound) - size, size):
            part = sound[None, begin : begin + size]
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 48_000, round(place * 48_000) + begin
            for converted in av.AudioResampler(
                format=stream.codec_context.format.name, layout="mono", rate=48_000
            ).resample(frame):
                container.mux(stream.encode(converted))
    container.mux(stream.encode(None))
    container.close()
    return out.getvalue()


@pytest.mark.parametrize(("kind", "pictures"), [("webm", 0), ("webm", 9), ("mp4", 9), ("matroska", 9)])
async def test_a_late_start_and_a_pause_are_silence(kind: str, pictures: float) -> None:
    """Speech in a film is found at its own time: 3 s, and again 6 s after the beginning."""
    out = b""
    async with open_recording(io.BytesIO(with_timestamps(kind, [3, 6], pictures=pictures))) as source:
        while chunk := await source.read():
            out += chunk
    level = np.abs(np.frombuffer(out, dtype="<i2").astype(float))
    loud = [bool(level[round(at * 16_000) :][:4800].max() > 1000) for at in (0.5, 2.4, 3.3, 4.4, 5.4, 6.3)]
    assert loud == [False, False, True, False, False, True]


def halved(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize("kind", ["mp3", "wav", "opus", "aiff", "flac"])
def test_half_a_file_is_not_mistaken_for_whole(kind: str) -> None:
    """The declared length counts, not that of the remaining part."""
    assert run(code_of, halved(recording(kind, voice(6))), virtual=False) == "not_audio"


@pytest.mark.parametrize(
    "before", [bytes(3000), b"some junk" * 50, b"APETAGEX\xd0\x07\0\0\x20\0\0\0" + bytes(48), None]
)
def test_mp3_is_found_behind_what_is_none(before: bytes | None) -> None:
    """Zeros, junk, a tag, or the end of the frame that it was cut in: players find it as well."""
    data = recording("mp3", voice(3))
    data = data[700:] if before is None else before + data
    assert run(code_of, data, virtual=False) is None


def test_quicktime_without_its_mark_is_read() -> None:
    """Files of old cameras begin with one of the atoms."""
    data = recording("m4a", voice(2))
    size = int.from_bytes(data[:4], "big")
    free = struct.pack(">I", size) + b"free" + data[8:size]
    assert run(code_of, free + data[size:], virtual=False) is None


def caf_of_single_samples(seconds: float) -> bytes:
    """Return a CAF that declares one sample for each packet."""
    data = np.asarray(voice(seconds), dtype="<i2").tobytes()
    form = struct.pack(">d4sIIIII", 16_000.0, b"lpcm", 2, 2, 0x6F000001, 1, 16)
    return (
        b"caff\0\1\0\0desc"
        + struct.pack(">q", len(form))
        + form
        + b"data"
        + struct.pack(">q", len(data) + 4)
        + bytes(4)
        + data
    )


def test_sound_in_packets_of_one_sample_costs_what_its_seconds_cost() -> None:
    """Each packet was compared with all before it in its second: five seconds took all the time there is."""
    read = run(lambda: seconds_of(caf_of_single_samples(5)), virtual=False)
    assert read == pytest.approx(5, abs=0.01)


async def seconds_of(data: bytes) -> float:
    async with open_recording(io.BytesIO(data), longest=10) as recording:
        while await recording.read():
            pass
        return recording.seconds_read


@pytest.mark.parametrize("tag", [0xBEEF, 0x1234])
def test_an_unsupported_codec_is_distinguished_from_damage(tag: int) -> None:
    """The decoder broke off without a word."""
    data = bytearray(wav(pcm(voice(1)), 16_000))
    data[20:22] = struct.pack("<H", tag)
    with pytest.raises(ProblemError) as caught:
        run(lambda: seconds_of(bytes(data)), virtual=False)
    assert (caught.value.code, "codec is not supported" in caught.value.detail) == (
        "not_audio",
        True,
    )

"""Recordings as FFmpeg's own program makes them: late starts, gaps, several tracks, halves and junk."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from orch.audio.wav import wav
from orch.problems import ProblemError
from tests.audio.test_recordings import read
from tests.fakes.sounds import CLIPS, clip, pcm

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed"),
]

CLIP = clip(CLIPS[0])[: 16_000 * 6]
SOUND: Final = np.concatenate([CLIP, CLIP[: 16_000 * 4]])  # 10 s
PICTURES: Final = ("-f", "lavfi", "-i", "testsrc=size=160x120:rate=10:duration=16")


def made(folder: Path, name: str, *arguments: str) -> bytes:
    """Return what ffmpeg makes of ``a.wav``, which holds the sound."""
    (folder / "a.wav").write_bytes(wav(pcm(SOUND), 16_000))
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", *arguments, name],
        cwd=folder,
        check=True,
        timeout=120,
    )
    return (folder / name).read_bytes()


def begins(out: bytes) -> float:
    """Return where the first sound is, in seconds."""
    samples = np.abs(np.frombuffer(out, dtype="<i2").astype(int))
    return float(np.argmax(samples > 300)) / 16_000


FIRST: Final = begins(pcm(SOUND))


@pytest.mark.parametrize("name", ["late.mp4", "late.mkv", "late.webm", "late.mov"])
def test_sound_that_begins_after_the_pictures_keeps_its_place(tmp_path: Path, name: str) -> None:
    """So that exported times fit the video; and nothing is damaged because the pictures last longer."""
    codecs = ("-c:v", "libvpx", "-c:a", "libopus") if name.endswith("webm") else ("-c:v", "mpeg4")
    data = made(
        tmp_path, name, *PICTURES, "-itsoffset", "5", "-i", "a.wav", "-map", "0", "-map", "1", *codecs
    )
    out, _, error = read(data)
    assert error is None
    assert begins(out) == pytest.approx(5 + FIRST, abs=0.1)
    assert len(out) / 32_000 == pytest.approx(15, abs=0.2)


@pytest.mark.parametrize("name", ["gap.webm", "gap.mkv", "gap.mp4", "gap.ogg"])
def test_a_pause_of_the_recorder_is_silence(tmp_path: Path, name: str) -> None:
    gap = "asetpts='if(gt(T,5),PTS+5/TB,PTS)'"
    data = made(tmp_path, name, "-i", "a.wav", "-af", gap, "-c:a", "libopus")
    out, _, error = read(data)
    assert error is None
    assert len(out) / 32_000 == pytest.approx(15, abs=0.2)
    assert not np.abs(np.frombuffer(out, dtype="<i2").astype(int))[
        int(5.5 * 16_000) : int(9.5 * 16_000)
    ].any()


def test_pictures_that_last_longer_than_the_sound_are_no_damage(tmp_path: Path) -> None:
    for name in ("short.mkv", "short.mp4"):
        out, _, error = read(made(tmp_path, name, *PICTURES, "-i", "a.wav", "-c:v", "mpeg4"))
        assert error is None
        assert len(out) / 32_000 == pytest.approx(10, abs=0.2)


def test_a_file_written_to_a_pipe_has_no_length_and_is_whole(tmp_path: Path) -> None:
    """As a browser's recorder writes it."""
    made(tmp_path, "warm.wav", "-i", "a.wav")
    for name in ("webm", "wav"):
        data = subprocess.run(
            ["ffmpeg", "-v", "error", "-i", "a.wav", "-f", name, "-"],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            timeout=120,
        ).stdout
        out, seconds, error = read(data)
        assert (seconds, error) == (None, None)
        assert len(out) / 32_000 == pytest.approx(10, abs=0.2)


@pytest.mark.parametrize("right", ["-1", "0"])
def test_channels_that_cancel_each_other_stay_audible(tmp_path: Path, right: str) -> None:
    """A balanced microphone on a stereo input; and one channel alone is not made quieter."""
    data = made(tmp_path, "two.wav", "-i", "a.wav", "-af", f"pan=stereo|c0=c0|c1={right}*c0")
    out, _, error = read(data)
    assert error is None
    level = np.abs(np.frombuffer(out, dtype="<i2").astype(float)).mean()
    assert level == pytest.approx(np.abs(SOUND).mean(), rel=0.1)


def test_of_several_sound_tracks_the_one_with_sound_is_read(tmp_path: Path) -> None:
    arguments = (*PICTURES, "-f", "lavfi", "-i", "anullsrc=r=48000:d=10", "-i", "a.wav")
    maps = ("-map", "0", "-map", "1", "-map", "2", "-c:v", "mpeg4")
    out, _, error = read(made(tmp_path, "obs.mp4", *arguments, *maps))
    assert error is None
    assert begins(out) == pytest.approx(FIRST, abs=0.1)


MP3_ARGUMENTS: Final = ("-i", "a.wav", "-ac", "1", "-b:a", "64k")


@pytest.mark.parametrize("junk", ["zeros", "text", "ape", "cut"])
def test_mp3_behind_something_else_is_read(tmp_path: Path, junk: str) -> None:
    data = made(tmp_path, "a.mp3", *MP3_ARGUMENTS, "-id3v2_version", "0", "-write_xing", "0")
    before = {
        "zeros": bytes(5_000),
        "text": b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n" * 5,
        "ape": b"APETAGEX" + (2000).to_bytes(4, "little") + (64).to_bytes(4, "little") + bytes(16 + 64),
        "cut": b"",
    }[junk]
    out, seconds, error = read(before + (data[701:] if junk == "cut" else data))
    assert error is None
    assert seconds is None
    assert len(out) / 32_000 == pytest.approx(10, abs=0.3)


@pytest.mark.parametrize("first", [b"free", b"wide", b"skip"])
def test_quicktime_without_its_type_is_read(tmp_path: Path, first: bytes) -> None:
    data = made(tmp_path, "a.mov", "-i", "a.wav", "-c:a", "pcm_s16le")
    size = int.from_bytes(data[:4], "big")
    assert data[4:8] == b"ftyp"
    replaced = size.to_bytes(4, "big") + first + bytes(size - 8)
    out, _, error = read(replaced + data[size:])
    assert error is None
    assert len(out) / 32_000 == pytest.approx(10, abs=0.2)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("a.mp3", MP3_ARGUMENTS),
        ("a.wav", ("-i", "a.wav")),
        ("a.ogg", ("-i", "a.wav", "-c:a", "libopus")),
        ("a.mkv", ("-i", "a.wav", "-c:a", "libopus")),
        ("a.flac", ("-i", "a.wav")),
        ("a.mp4", ("-i", "a.wav", "-c:a", "aac", "-movflags", "faststart")),
        ("a.aiff", ("-i", "a.wav")),
    ],
)
def test_half_a_file_is_not_mistaken_for_a_whole_one(
    tmp_path: Path, name: str, arguments: tuple[str, ...]
) -> None:
    """The available part is read; then the missing part is reported."""
    data = made(tmp_path, f"whole-{name}", *arguments)
    assert read(data)[2] is None
    out, _, error = read(data[: len(data) // 2])
    assert isinstance(error, ProblemError)
    assert error.code == "not_audio"
    assert "could be read" in error.detail
    assert len(out) / 32_000 == pytest.approx(5, abs=1.5)


def test_a_recording_whose_clock_was_running_before_is_whole(tmp_path: Path) -> None:
    """As a recorder cut in the middle writes it: its times begin not at zero, and its end neither."""
    data = made(tmp_path, "late.mkv", "-i", "a.wav", "-c:a", "libopus", "-output_ts_offset", "36000")
    out, seconds, error = read(data)
    assert error is None
    assert seconds == pytest.approx(10, abs=0.2)
    assert begins(out) == pytest.approx(FIRST, abs=0.1)


@pytest.mark.parametrize("codec", ["adpcm_ms", "adpcm_ima_wav", "pcm_alaw", "pcm_f32le"])
def test_a_wave_file_of_compressed_sound_has_the_length_that_it_counts(tmp_path: Path, codec: str) -> None:
    """Its declared bytes a second are an average, and no sign of damage."""
    out, seconds, error = read(made(tmp_path, "a-coded.wav", "-i", "a.wav", "-c:a", codec))
    assert error is None
    assert seconds == pytest.approx(10, abs=0.2)
    assert len(out) / 32_000 == pytest.approx(10, abs=0.2)


def test_recordings_glued_together_at_other_rates_and_channels_are_all_read(tmp_path: Path) -> None:
    """AAC and MP3 count what came before and have no clock: at another rate nothing overlaps."""
    first = made(tmp_path, "one.aac", "-i", "a.wav", "-ar", "44100", "-ac", "2")
    second = made(tmp_path, "two.aac", "-i", "a.wav", "-ar", "22050", "-ac", "1")
    out, _, error = read(first + second)
    assert error is None
    assert len(out) / 32_000 == pytest.approx(20, abs=0.4)
    assert begins(out[32_000 * 10 :]) == pytest.approx(FIRST, abs=0.2)


def test_damage_is_reported_where_it_is(tmp_path: Path) -> None:
    """Not at the last whole second before it."""
    data = made(tmp_path, "one.mp3", "-i", "a.wav", "-b:a", "64k")
    _, _, error = read(data + b"ID3\x03\0\0\0\0\x02\x01" + bytes(257) + data)
    assert error is not None
    assert "damaged at 10." in error.detail or "damaged at 9.9" in error.detail

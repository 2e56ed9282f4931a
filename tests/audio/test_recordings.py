import io
import os
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trio
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orch.audio.containers import container, id3_length
from orch.audio.recordings import open_recording
from orch.audio.wav import wav
from orch.problems import ProblemError
from tests.fakes.processes import children, command
from tests.fakes.recordings import KINDS, flac_that_unpacks, m4a_that_indexes, recording, video_only, wav_of
from tests.fakes.running import run
from tests.fakes.sounds import CLIPS, SPEECH, clip, pcm, silence, voice

pytestmark = pytest.mark.real_time


async def read_all(data: bytes) -> tuple[bytes, float | None, ProblemError | None]:
    """Return what could be read, the declared length, and how it ended."""
    out = b""
    async with open_recording(io.BytesIO(data)) as source:
        try:
            while chunk := await source.read():
                assert len(chunk) < 3 * 32_000
                out += chunk
        except ProblemError as error:
            return out, source.seconds, error
        assert await source.read() == b""
    return out, source.seconds, None


def read(data: bytes) -> tuple[bytes, float | None, ProblemError | None]:
    return run(read_all, data, virtual=False)


def correlation(one: bytes, other: bytes) -> float:
    """Return how alike two recordings are, wherever the codec's delay has put them (at most 100 ms)."""
    a = np.frombuffer(one, dtype="<i2").astype(float)
    b = np.frombuffer(other, dtype="<i2").astype(float)
    length = min(len(a), len(b)) - 1600
    a, b = a[: length + 1600], b[:length]
    size = 2 * len(a)
    products = np.fft.irfft(np.fft.rfft(a, size) * np.fft.rfft(b, size).conj(), size)[:1600]
    energy = np.concatenate(([0.0], np.cumsum(a * a)))
    norms = np.sqrt(energy[length : length + 1600] - energy[:1600]) * np.linalg.norm(b)
    return float(np.max(products / norms))


@pytest.mark.process
@pytest.mark.parametrize("kind", KINDS)
def test_what_people_have_is_read(kind: str) -> None:
    """Every container of the list: the same sound at its own times, with the declared length."""
    sound = clip(CLIPS[1])
    out, seconds, error = read(recording(kind, sound))
    assert error is None
    assert len(out) / 32_000 == pytest.approx(len(sound) / 16_000, abs=0.15)
    # Where the file says none (ADTS), none is told: FFmpeg's guess from the bit rate is no fact.
    assert seconds == (None if kind == "aac" else pytest.approx(len(sound) / 16_000, abs=0.15))
    assert correlation(out, pcm(sound)) > 0.9


@pytest.mark.process
def test_a_wav_at_our_own_rate_comes_through_bit_for_bit() -> None:
    """The service and the engine alone recognise the same words: the samples are the same."""
    data = (SPEECH / f"{CLIPS[0]}.wav").read_bytes()
    out, seconds, error = read(data)
    assert error is None
    assert out == pcm(clip(CLIPS[0]))
    assert seconds == pytest.approx(7.1)


@pytest.mark.process
async def test_a_temporary_file_is_read_as_well() -> None:
    """Uploads are spooled to disk; the file stays open for its owner."""
    with tempfile.TemporaryFile() as file:
        file.write(recording("webm", voice(2)))
        async with open_recording(file) as source:
            assert source.format == "matroska"
            assert await source.read()
        assert not file.closed


@pytest.mark.process
@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_audio"),
        (b"hello, this is no sound at all", "not_audio"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "not_audio"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "not_audio"),
        (b"<html><body></body></html>", "not_audio"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "not_audio"),
        (b"RIFF\0\0\0\0AVI LIST" + bytes(100), "not_audio"),
        (b"RIFF\0\0\0\0WAVE", "not_audio"),
        (b"OggS" + bytes(100), "not_audio"),
        (b"fLaC" + bytes(100), "not_audio"),
        (b"\x1a\x45\xdf\xa3" + bytes(100), "not_audio"),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(100), "not_audio"),
        (b"\xff\xfb\x90\x00" + bytes(30), "not_audio"),
        (wav(b"", 16_000), "empty_audio"),
        (bytes(4096), "not_audio"),
    ],
)
async def test_what_is_no_recording_is_refused_when_it_is_opened(data: bytes, code: str) -> None:
    """The uploader gets the error at once, before anything is accepted."""
    with pytest.raises(ProblemError) as caught:
        async with open_recording(io.BytesIO(data)):
            pytest.fail("it was opened")
    assert caught.value.code == code


@pytest.mark.process
async def test_pictures_without_sound_are_no_recording() -> None:
    with pytest.raises(ProblemError, match="no audio track") as caught:
        async with open_recording(io.BytesIO(video_only())):
            pytest.fail("it was opened")
    assert caught.value.code == "not_audio"


def scribbled(data: bytes) -> bytes:
    """Overwrite an eighth, from the middle on."""
    middle, length = len(data) // 2, len(data) // 8
    junk = np.random.default_rng(0).integers(0, 256, length, dtype=np.uint8).tobytes()
    return data[:middle] + junk + data[middle + length :]


def halved(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.process
@pytest.mark.parametrize(
    ("kind", "damage"),
    [
        ("mp3", scribbled),
        ("flac", scribbled),
        ("flac", halved),
        ("opus", scribbled),
        ("webm", scribbled),
        ("webm", halved),
        ("mka", halved),
        ("m4a", scribbled),
        ("aac", scribbled),
        ("aac", halved),
    ],
)
def test_a_damaged_recording_is_read_as_far_as_possible_and_reported(
    kind: str, damage: Callable[[bytes], bytes]
) -> None:
    """The first half is read, and the error states its length."""
    sound = np.concatenate([clip(name) for name in CLIPS])
    out, _, error = read(damage(recording(kind, sound)))
    assert len(out) / 32_000 > 0.35 * len(sound) / 16_000
    assert error is not None
    assert error.code == "not_audio"
    assert error.extra["seconds_read"] == pytest.approx(len(out) / 32_000, abs=0.001)
    assert "could be read" in error.detail
    half = out[: len(out) // 4 * 2]
    assert correlation(half, pcm(sound)[: len(half)]) > 0.9


@pytest.mark.process
@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(("wav", "mp3", "opus", "webm", "m4a", "flac", "aac")),
    at=st.floats(0, 1),
    junk=st.binary(min_size=1, max_size=200),
    keep=st.floats(0.1, 1),
)
def test_no_damage_escapes_as_another_error(kind: str, at: float, junk: bytes, keep: float) -> None:
    """Whatever bytes come: samples, or a problem from the table; nothing else, and no hang."""
    data = FILES[kind]
    place = int(at * len(data))
    data = (data[:place] + junk + data[place + len(junk) :])[: int(keep * len(data))]
    assert code_of(data) in {None, "not_audio", "empty_audio"}


def code_of(data: bytes) -> str | None:
    """Return how reading a file ends."""
    try:
        error = read(data)[2]
    except ProblemError as caught:
        error = caught
    return None if error is None else error.code


FILES = {kind: recording(kind, voice(0.7)) for kind in ("wav", "mp3", "opus", "webm", "m4a", "flac", "aac")}


@pytest.mark.process
@pytest.mark.parametrize(("first", "second"), [("opus", "opus"), ("mp3", "mp3-low"), ("mp3-low", "mp3")])
def test_recordings_glued_together_are_read_to_the_end(first: str, second: str) -> None:
    """Podcasts are: the rate and the channels may change in the middle."""
    out, _, _ = read(recording(first, voice(3)) + recording(second, voice(2)))
    assert len(out) / 32_000 == pytest.approx(5, abs=0.2)
    assert correlation(out[: 2 * 32_000], pcm(voice(2))) > 0.9
    assert correlation(out[int(2.95 * 16_000) * 2 :], pcm(voice(2))) > 0.9


@pytest.mark.process
async def test_a_long_recording_is_read_a_second_at_a_time() -> None:
    """However long it is, one second is in memory."""
    data = wav(pcm(silence(600)), 16_000)
    async with open_recording(io.BytesIO(data)) as source:
        sizes = []
        while chunk := await source.read():
            sizes.append(len(chunk))
        assert sum(sizes) == 600 * 32_000
        assert max(sizes) < 2 * 32_000
        assert source.seconds_read == 600


@pytest.mark.process
async def test_a_cancelled_reader_ends_its_decoder() -> None:
    """Wherever the cancel comes, no process and no descriptor is left."""
    data = recording("mp3", np.concatenate([voice(3)] * 10))

    with tempfile.TemporaryFile() as file:
        file.write(data)
        before = descriptors()
        for reads in (0, 1, 3):
            with trio.CancelScope() as scope:
                async with open_recording(file) as source:
                    for _ in range(reads):
                        assert await source.read()
                    assert decoders()
                    scope.cancel()
                    await source.read()
            assert scope.cancelled_caught
            assert not decoders()
            assert descriptors() == before


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def decoders() -> list[int]:
    """Return which of this process's children decode."""
    return [pid for pid in children(os.getpid()) if b"decoder_process" in command(pid)]


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "wav"),
        (b"RF64\xff\xff\xff\xffWAVEds64", "wav"),
        (b"FORM\x00\x00\x00\x00AIFC", "aiff"),
        (b"\x00\x00\x00\x20ftypM4A ", "mov"),
        (b"\x00\x00\x00\x20ftyp3gp4", "mov"),
        (b"\xff\xfb\x90\x64", "mp3"),
        (b"\xff\xf3\x40\xc0", "mp3"),
        (b"\xff\xf1\x50\x80", "aac"),
        (b"\xff\xf9\x50\x80", "aac"),
        (b"\xff\xfe\x00\x00", None),
        (b"\xff\xd8\xff\xe0", None),
        (b"\xff\xfb\xf0\x64", None),
        (b"\xff\xf1\x7c\x80", None),
        (b"\xff\xeb\x90\x64", None),
        (b"RIFF\x24\x00\x00\x00AVI ", None),
        (b"ID3", None),
        (b"\xff", None),
        (b"", None),
    ],
)
def test_containers_are_recognised_by_their_first_bytes(head: bytes, name: str | None) -> None:
    assert container(head) == name


@pytest.mark.process
def test_a_tag_before_the_sound_is_looked_behind() -> None:
    """People tag FLAC with ID3 too; sizes are of seven-bit bytes."""
    assert id3_length(b"ID3\x04\x00\x00\x00\x00\x02\x01") == 267
    assert id3_length(b"ID3\x04\x00\x10\x00\x00\x02\x01") == 277
    assert id3_length(b"ID3\x04\x00\x00\x00\x00\x82\x01") == 0
    assert id3_length(b"RIFF\x24\x00\x00\x00WAVE") == 0
    out, _, error = read(recording("mp3", voice(1), metadata={"title": "x" * 500, "artist": "y" * 300}))
    assert error is None
    assert len(out) > 30_000


@given(st.binary(max_size=64))
@example(b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f")
def test_any_head_is_judged_without_an_error(head: bytes) -> None:
    container(head)
    assert id3_length(head) >= 0


def peak_memory() -> int:
    """Return the most bytes that any child has had so far."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


HOSTILE: dict[str, bytes] = {
    "4 Hz": flac_that_unpacks(),
    "8 Hz, many frames": flac_that_unpacks(rate=8, frames=5),
    "600 kHz": flac_that_unpacks(rate=600_000),
    "50 million samples": m4a_that_indexes(),
    "a WAV of 60,000 channels": wav_of(channels=60_000),
    "a WAV of 33 channels": wav_of(channels=33),
    "a WAV of 1 Hz": wav_of(rate=1),
    "a WAV of 4 GHz": wav_of(rate=2**32 - 1),
}


@pytest.mark.process
@pytest.mark.parametrize("name", HOSTILE)
def test_what_would_become_huge_is_refused_in_its_own_process(name: str) -> None:
    """A few bytes that would become gigabytes: a clear error, and no more memory than usual."""
    # A child is this process until it runs its own program, and counts as large for that moment.
    here = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    usual = max(140 * 2**20, here, peak_memory())
    assert code_of(HOSTILE[name]) in {"not_audio", "unsupported_sample_rate", "recording_too_costly"}
    assert peak_memory() <= max(usual, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < here + 20 * 2**20


@pytest.mark.process
async def test_a_recording_is_read_up_to_the_longest_there_may_be() -> None:
    """Whatever a file of a few bytes contains: its output is limited, and the limit is reported."""
    data = io.BytesIO(flac_that_unpacks(rate=4_000, frames=20))  # 328 s in some 1,000 bytes
    async with open_recording(data, longest=60) as source:
        for _ in range(60):
            assert len(await source.read()) == 32_000
        with pytest.raises(ProblemError, match="longer than 60 s") as caught:
            await source.read()
        assert source.seconds_read == 60
    assert caught.value.code == "recording_too_long"
    data.seek(0)
    async with open_recording(data, longest=600) as source:
        while await source.read():
            pass
        assert source.seconds_read == pytest.approx(20 * 65_535 / 4_000, abs=0.01)


@pytest.mark.process
@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "not_audio"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "recording_too_costly"),
        ("resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass", "recording_too_costly"),
        ("os.write(1, b'what is this?' * 10)", "not_audio"),
        ("os.write(1, b'P' + bytes([255] * 4))", "not_audio"),
        ("os.write(1, b'H\\0\\0\\0\\2{}')", "not_audio"),
        ('os.write(1, b\'F\\0\\0\\0\\x1f\' + b\'{"code": "own", "detail": ""}  \')', "not_audio"),
        ("pass", "not_audio"),
    ],
)
async def test_a_decoder_that_breaks_is_the_recordings_own_error(
    written: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed, out of its bounds, or writing nonsense: nothing of it reaches the service."""
    program = tmp_path / "decoder"
    program.write_text(f"#!{sys.executable}\nimport os, resource, signal\n{written}\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))

    with pytest.raises(ProblemError) as caught:
        async with open_recording(io.BytesIO(wav(bytes(3200), 16_000))):
            pytest.fail("it was opened")
    assert caught.value.code == code


def look_at(pid: int) -> dict[str, str]:
    """Return the kernel's figures of a process."""
    place = Path("/proc") / str(pid)
    return {
        "environment": (place / "environ").read_text(),
        "limits": (place / "limits").read_text(),
        "open": " ".join(sorted(each.name for each in (place / "fd").iterdir())),
        "flags": (place / "fdinfo/0").read_text(),
    }


@pytest.mark.process
async def test_a_decoder_gets_no_secret_and_cannot_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCH_CONTROL_TOKEN", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    seen: dict[str, str] = {}

    async with open_recording(io.BytesIO(wav(bytes(32_000 * 300), 16_000))) as source:
        await source.read()
        seen.update(await trio.to_thread.run_sync(look_at, decoders()[0]))
    assert "secret" not in seen["environment"]
    limits = {line[:26].strip(): line[26:].split()[:2] for line in seen["limits"].splitlines()}
    assert limits["Max file size"] == ["0", "0"]
    assert limits["Max core file size"] == ["0", "0"]
    assert limits["Max address space"][1] != "unlimited"
    assert limits["Max cpu time"][1] != "unlimited"
    assert seen["open"].split() == ["0", "1", "2"]
    flags = int(seen["flags"].split("flags:")[1].split()[0], 8)
    assert flags & os.O_ACCMODE == os.O_RDONLY

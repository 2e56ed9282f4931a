import io
import tempfile
from collections.abc import Callable

import numpy as np
import pytest
import trio
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orch.problems import ProblemError
from orch.speech.containers import container, id3_length
from orch.speech.recordings import open_recording
from orch.speech.wav import wav
from tests.fakes.recordings import KINDS, recording, video_only
from tests.fakes.running import run
from tests.fakes.sounds import CLIPS, SPEECH, clip, pcm, silence, voice


async def read_all(data: bytes) -> tuple[bytes, float | None, ProblemError | None]:
    """Return what could be read, the length it says it has, and how it ended."""
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
    products = [
        float(
            np.dot(a[lag : lag + length], b[:length])
            / np.linalg.norm(a[lag : lag + length])
            / np.linalg.norm(b[:length])
        )
        for lag in range(0, 1600, 4)
    ]
    return max(products)


@pytest.mark.parametrize("kind", KINDS)
def test_what_people_have_is_read(kind: str) -> None:
    """Every container of the list: the same sound at its own times, with the length it says."""
    sound = clip(CLIPS[1])
    out, seconds, error = read(recording(kind, sound))
    assert error is None
    assert len(out) / 32_000 == pytest.approx(len(sound) / 16_000, abs=0.15)
    assert seconds == pytest.approx(len(sound) / 16_000, abs=0.15)
    assert correlation(out, pcm(sound)) > 0.9


def test_a_wav_at_our_own_rate_comes_through_bit_for_bit() -> None:
    """Words heard through the service are those the engine alone hears: the samples are the same."""
    data = (SPEECH / f"{CLIPS[0]}.wav").read_bytes()
    out, seconds, error = read(data)
    assert error is None
    assert out == pcm(clip(CLIPS[0]))
    assert seconds == pytest.approx(7.1)


def test_a_temporary_file_is_read_as_well() -> None:
    """Uploads are spooled to disk; the file stays open for who opened it."""

    async def main() -> None:
        with tempfile.TemporaryFile() as file:
            file.write(recording("webm", voice(2)))
            async with open_recording(file) as source:
                assert source.format == "matroska"
                assert await source.read()
            assert not file.closed

    run(main, virtual=False)


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
def test_what_is_no_recording_is_refused_when_it_is_opened(data: bytes, code: str) -> None:
    """Whoever uploads it is told at once, before anything is accepted."""

    async def main() -> None:
        with pytest.raises(ProblemError) as caught:
            async with open_recording(io.BytesIO(data)):
                pytest.fail("it was opened")
        assert caught.value.code == code

    run(main, virtual=False)


def test_pictures_without_sound_are_no_recording() -> None:
    async def main() -> None:
        with pytest.raises(ProblemError, match="no sound track") as caught:
            async with open_recording(io.BytesIO(video_only())):
                pytest.fail("it was opened")
        assert caught.value.code == "not_audio"

    run(main, virtual=False)


def scribbled(data: bytes) -> bytes:
    """Overwrite an eighth, from the middle on."""
    middle, length = len(data) // 2, len(data) // 8
    junk = np.random.default_rng(0).integers(0, 256, length, dtype=np.uint8).tobytes()
    return data[:middle] + junk + data[middle + length :]


def halved(data: bytes) -> bytes:
    return data[: len(data) // 2]


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
def test_a_damaged_recording_gives_what_can_be_read_and_then_says_so(
    kind: str, damage: Callable[[bytes], bytes]
) -> None:
    """The first half is there, and the error says how much of it there is."""
    sound = np.concatenate([clip(name) for name in CLIPS])
    out, _, error = read(damage(recording(kind, sound)))
    assert len(out) / 32_000 > 0.35 * len(sound) / 16_000
    assert error is not None
    assert error.code == "not_audio"
    assert error.extra["seconds_read"] == pytest.approx(len(out) / 32_000, abs=0.001)
    assert "could be read" in error.detail
    half = out[: len(out) // 4 * 2]
    assert correlation(half, pcm(sound)[: len(half)]) > 0.9


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


@pytest.mark.parametrize(("first", "second"), [("opus", "opus"), ("mp3", "mp3-low"), ("mp3-low", "mp3")])
def test_recordings_glued_together_are_read_to_the_end(first: str, second: str) -> None:
    """Podcasts are: the rate and the channels may change in the middle."""
    out, _, _ = read(recording(first, voice(3)) + recording(second, voice(2)))
    assert len(out) / 32_000 == pytest.approx(5, abs=0.2)
    assert correlation(out[: 2 * 32_000], pcm(voice(2))) > 0.9
    assert correlation(out[int(2.95 * 16_000) * 2 :], pcm(voice(2))) > 0.9


def test_a_long_recording_is_read_a_second_at_a_time() -> None:
    """However long: what is in memory is a second of it."""

    async def main() -> None:
        data = wav(pcm(silence(600)), 16_000)
        async with open_recording(io.BytesIO(data)) as source:
            sizes = []
            while chunk := await source.read():
                sizes.append(len(chunk))
            assert sum(sizes) == 600 * 32_000
            assert max(sizes) < 2 * 32_000
            assert source.seconds_read == 600

    run(main, virtual=False)


def test_a_cancelled_reader_closes_what_it_opened() -> None:
    """Wherever the cancel comes, the container is closed and the thread is back."""

    class Slow(io.BytesIO):
        """Tells when it is first read inside FFmpeg."""

        def __init__(self, data: bytes) -> None:
            super().__init__(data)
            self.reads = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.reads += 1
            if self.reads == cancel_at:
                trio.from_thread.run_sync(scope.cancel)
            return super().read(size)

    data = recording("mp3", np.concatenate([voice(3)] * 10))
    for cancel_at in range(1, 12):
        scope = trio.CancelScope()
        file = Slow(data)

        async def main(scope: trio.CancelScope = scope, file: Slow = file) -> None:
            with scope:
                async with open_recording(file) as source:
                    while await source.read():
                        pass
            assert trio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
            assert not file.closed

        run(main, virtual=False)
        assert scope.cancelled_caught or file.reads < cancel_at


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
def test_containers_are_told_by_their_first_bytes(head: bytes, name: str | None) -> None:
    assert container(head) == name


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

"""Recorded files: whose they are, that they can be played, what is in them when, and what faults leave."""

import errno
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from orch.bots.observations import OwnerSeen, PeopleSeen, Person, Sound, SoundLost, TrackBegan, TrackEnded
from orch.bots.recordings import decrypt
from orch.bots.recordings.alignment import RATE
from orch.bots.recordings.files import Output, RecordingFile, create, digest
from orch.bots.recordings.takes import MOST_OPEN, RETRY_AFTER, Dropped, Take, Takes

KEY = bytes(range(32))
KEY_TEXT = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
BLOCK = RATE // 2


def sound(track: str, number: int, level: int = 1_000, *, begun: float = 0.0, count: int = BLOCK) -> Sound:
    """Return half a second of a track that has begun then."""
    pcm = np.full(count, level, dtype="<i2").tobytes()
    return Sound(at=begun + (number * BLOCK + count) / RATE, track=track, first=number * BLOCK, pcm=pcm)


def decoded(path: Path, key: bytes | None = None) -> NDArray[np.int16]:
    """Return what a player hears; the last frame of a cut file may be missing."""
    copy = path.with_name(f"played-{path.name.removesuffix('.enc')}")
    with RecordingFile(path, key) as file:
        copy.write_bytes(b"".join(file.pieces()))
    frames: list[NDArray[np.int16]] = []
    with av.open(str(copy)) as container, suppress(av.InvalidDataError):
        for frame in container.decode(audio=0):
            samples: Any = frame.to_ndarray()
            frames.append(samples.reshape(-1))
    copy.unlink()
    return np.concatenate(frames).astype(np.int16)


def finished(takes: Takes) -> dict[str, Take]:
    """Close the files; return them by their kinds and tracks."""
    takes.finish()
    return {f"{take.kind} {take.track}".strip(): take for take in takes.changed()}


@pytest.mark.parametrize("kind", ["flac", "wav"])
@pytest.mark.parametrize("key", [KEY, None], ids=["sealed", "plain"])
def test_speakers_and_the_mix_are_recorded_and_play_at_the_right_time(
    tmp_path: Path, kind: Any, key: bytes | None
) -> None:
    """Of each speaker from the first word on; what is lost is silence; hashes are those of the files."""
    takes = Takes("s1", tmp_path, audio="both", kind=kind, key=key)
    takes.apply(
        [
            PeopleSeen(at=0.0, people=(Person(id="p1", name="Zoë"), Person(id="p2", name="李娜"))),
            TrackBegan(at=10.0, track="t1", layout="own"),
            OwnerSeen(at=10.0, track="t1", participant_id="p1"),
            TrackBegan(at=10.0, track="t2", layout="own"),
        ]
    )
    for number in range(40):
        takes.apply([sound("t1", number, 0 if number < 4 else 1_000, begun=10.0)])
        if not 10 <= number < 20:
            takes.apply([sound("t2", number, 500, begun=10.0)])
        else:
            takes.apply([SoundLost(at=10.0, track="t2", first=number * BLOCK, samples=BLOCK)])
    begun = {take.kind: take for take in takes.changed()}
    assert {take.status for take in begun.values()} == {"recording"}
    assert [take.samples for take in takes.open_files()] != []
    takes.apply([OwnerSeen(at=30.0, track="t2", participant_id="p2")])
    found = finished(takes)
    ending = "" if key is None else ".enc"
    first, second, mix = found["speaker t1"], found["speaker t2"], found["mixed"]
    assert Path(first.path).name == f"{first.number:03}-speaker-zoe.{kind}{ending}"
    assert (first.name, first.participant_name) == (f"{first.number:03}-speaker-zoe.{kind}", "Zoë")
    assert (second.participant_id, second.participant_name) == ("p2", "李娜")
    assert {take.status for take in found.values()} == {"complete"}
    assert (first.start, first.samples, first.lost) == (12.0, 36 * BLOCK, 0)
    assert (second.start, second.samples, second.lost) == (10.0, 40 * BLOCK, 10 * BLOCK)
    for take in found.values():
        assert (take.size, take.digest) == digest(Path(take.path))
        assert Path(take.path).parent == tmp_path / "s1"
    assert (decoded(Path(first.path), key) == 1_000).all()
    heard = decoded(Path(second.path), key)
    assert len(heard) == second.samples
    assert (heard[10 * BLOCK : 20 * BLOCK] == 0).all()
    assert (heard[20 * BLOCK :] == 500).all()
    both = decoded(Path(mix.path), key)
    at = round((10.0 - mix.start) * RATE)
    assert len(both) == mix.samples
    assert both[at + 5 * BLOCK] == 1_500
    assert both[at + 15 * BLOCK] == 1_000
    if key is not None:
        assert decrypt.main([first.path], {decrypt.VARIABLE: KEY_TEXT}) == 0
        assert (decoded(tmp_path / "s1" / first.name) == 1_000).all()


def test_who_is_only_silent_has_no_file_and_shared_channels_are_called_so(tmp_path: Path) -> None:
    """Fifty muted participants are no fifty files."""
    takes = Takes("s1", tmp_path, audio="per_speaker", kind="flac")
    takes.apply([TrackBegan(at=0.0, track="c", layout="rotating"), sound("c", 0), sound("quiet", 0, 20)])
    takes.apply([TrackEnded(at=1.0, track="quiet"), TrackEnded(at=1.0, track="c")])
    found = {take.track: take for take in takes.changed() if take.status == "complete"}
    assert {name: take.kind for name, take in found.items()} == {"c": "channel"}
    assert finished(takes) == {}


def test_a_bot_that_was_here_before_overwrites_nothing(tmp_path: Path) -> None:
    """After a rejoin the same session goes on with other files."""
    names = []
    for _ in range(2):
        takes = Takes("s1", tmp_path, audio="mixed", kind="wav")
        takes.apply([sound("t", 0)])
        names.append(finished(takes)["mixed"].name)
    assert names == ["001-mixed.wav", "002-mixed.wav"]


def test_files_open_at_a_time_are_bounded(tmp_path: Path) -> None:
    """The one that was silent longest ends; it may begin again."""
    takes = Takes("s1", tmp_path, audio="both", kind="wav")
    for number in range(20):
        takes.apply(
            [sound(str(track), number, 1_000 if track else 0 if number else 1_000) for track in range(5)]
        )
    takes.apply([sound(f"more {number}", 20) for number in range(MOST_OPEN - 4)])
    ended = [take for take in takes.changed() if take.status == "complete"]
    assert ended[0].track == "0"
    assert len(list(takes.open_files())) <= MOST_OPEN
    assert any(take.kind == "mixed" for take in takes.open_files())
    takes.apply([sound("0", 21)])
    assert "0" in {take.track for take in takes.open_files()}
    takes.finish()


class Disk:
    """A disk with so much room. ``left``: bytes."""

    def __init__(self, left: int) -> None:
        self.left = left

    def open(self, path: Path, key: bytes | None) -> Output:
        if self.left <= 0:
            raise OSError(errno.ENOSPC, "full")
        output = create(path, key)
        file: Any = output._file  # type: ignore[attr-defined]
        write = file.write

        def limited(data: bytes) -> int:
            if len(data) > self.left:
                raise OSError(errno.ENOSPC, "full")
            self.left -= len(data)
            return int(write(data))

        file.write = limited
        return output


@pytest.mark.parametrize("kind", ["flac", "wav"])
@pytest.mark.parametrize("key", [KEY, None], ids=["sealed", "plain"])
def test_a_full_disk_leaves_what_was_recorded_and_says_so(
    tmp_path: Path, kind: Any, key: bytes | None
) -> None:
    """The file is incomplete and can be played; with room again, another one begins at its time."""
    disk = Disk(300_000)
    takes = Takes("s1", tmp_path, audio="per_speaker", kind=kind, key=key, opens=disk.open)
    rng = np.random.default_rng(1)

    def noise(number: int) -> Sound:
        pcm = rng.integers(-9_000, 9_000, BLOCK).astype("<i2").tobytes()
        return Sound(at=(number + 1) * 0.5, track="t", first=number * BLOCK, pcm=pcm)

    for number in range(60):
        takes.apply([noise(number)])
    changed = takes.changed()
    assert [take.status for take in changed] == ["recording", "incomplete"]
    assert (changed[1].reason, takes.fault) == ("The disk is full.", "The disk is full.")
    assert 0 < changed[1].samples < 60 * BLOCK
    assert changed[1].size > 200_000
    assert len(decoded(Path(changed[1].path), key)) > changed[1].samples // 2
    disk.left = 10**9
    later = round(RETRY_AFTER * 2) + 62
    takes.apply([noise(later)])
    found = finished(takes)["speaker t"]
    assert (found.status, found.start, takes.fault) == ("complete", later * 0.5, "")
    assert len(decoded(Path(found.path), key)) == BLOCK


def test_what_did_not_fit_into_memory_is_silence_and_said(tmp_path: Path) -> None:
    """The numbers of the samples show its size, as for any gap."""
    takes = Takes("s1", tmp_path, audio="per_speaker", kind="wav")
    takes.apply([sound("t", 0), Dropped("t", 2 * BLOCK), sound("t", 3)])
    found = finished(takes)["speaker t"]
    assert (found.status, found.lost) == ("incomplete", 2 * BLOCK)
    assert found.reason == "1.0 s are silent: the disk was too slow."
    assert len(decoded(Path(found.path))) == 4 * BLOCK


def hours(count: int) -> Iterator[list[Sound]]:
    second = np.sin(np.arange(RATE) / 20) * 3_000
    loud = second.astype("<i2").tobytes()
    for number in range(count * 3_600):
        yield [
            Sound(at=number + 1.0, track=track, first=number * RATE, pcm=loud)
            for track in ("a", "b")
            if track == "a" or number % 10 < 5
        ]


@pytest.mark.slow
def test_three_hours_are_recorded_in_more_than_a_thousand_chunks(tmp_path: Path) -> None:
    """Every sample is at its place; memory does not grow with the length."""
    takes = Takes("s1", tmp_path, audio="mixed", kind="wav", key=KEY)
    for batch in hours(3):
        takes.apply(batch)
        assert len(takes._mixer._sum) <= 5 * RATE
    mix = finished(takes)["mixed"]
    assert (mix.status, mix.start + mix.samples / RATE) == ("complete", 10_800.0)
    with RecordingFile(Path(mix.path), KEY) as file:
        assert file.size // 65_536 > 1_000
        assert file.size == 44 + 2 * mix.samples
        loudest = []
        for second in range(1, 10_800, 97):
            at = 44 + 2 * round((second - mix.start) * RATE)
            block = np.frombuffer(file.read(at, 2 * RATE), dtype="<i2")
            loudest.append((second % 10 < 5, int(block.max()) > 4_000))
    assert all(are_both == is_loud for are_both, is_loud in loudest)


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is overwritten, and what cannot be decrypted leaves no file."""
    takes = Takes("s1", tmp_path, audio="mixed", kind="wav", key=KEY)
    takes.apply([sound("t", 0)])
    path = finished(takes)["mixed"].path
    key = {decrypt.VARIABLE: KEY_TEXT}
    assert decrypt.main([], key) == 2
    assert decrypt.main([str(tmp_path / "a.wav")], key) == 2
    assert decrypt.main([path], {}) == 1
    assert "no key" in capsys.readouterr().err
    assert decrypt.main([path, str(tmp_path / "out")], {decrypt.VARIABLE: "x"}) == 1
    assert not (tmp_path / "out").exists()
    assert decrypt.main([path, str(tmp_path / "out")], key) == 0
    assert decrypt.main([path, str(tmp_path / "out")], key) == 1
    with open(path, "r+b") as file:  # noqa: PTH123 - changed in place
        file.truncate(1_000)
    assert decrypt.main([path, str(tmp_path / "cut")], key) == 3
    assert "its end is missing" in capsys.readouterr().err

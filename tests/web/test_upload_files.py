import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orch.problems import ProblemError
from orch.settings.structs import Speech
from orch.web import tus
from orch.web.tus import Held
from orch.web.upload_files import UploadFiles

SPEECH = Speech()
NEW = Held(session_id="s", address="192.0.2.1", length=10)


class Clock:
    """The real time, to which the test adds: files have the real one."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def files(tmp_path: Path, clock: Clock) -> UploadFiles:
    return UploadFiles(tmp_path / "state" / "uploads", wall=clock)


def code(call: Callable[[], object]) -> str:
    with pytest.raises(ProblemError) as raised:
        call()
    return raised.value.code


def test_pieces_are_put_together(files: UploadFiles) -> None:
    """Also by another process, which knows nothing but the folder."""
    made = files.create(NEW, SPEECH)
    for piece in (b"01234", b"567", b"89"):
        with files.open_part("s", made) as part:
            part.write(piece)
    found = files.find("s", made)
    assert (found.offset, found.is_complete) == (10, True)
    with files.open_complete(made) as file:
        assert file.read() == b"0123456789"


def test_only_its_owner_can_read_a_recording(files: UploadFiles, tmp_path: Path) -> None:
    files.create(NEW, SPEECH)
    folder = tmp_path / "state" / "uploads"
    assert folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())


def test_one_request_writes_at_a_time(files: UploadFiles) -> None:
    made = files.create(NEW, SPEECH)
    with files.open_part("s", made) as part:
        part.write(b"0")
        with pytest.raises(ProblemError) as raised, files.open_part("s", made):
            pass
        assert (raised.value.code, raised.value.status) == ("upload_in_use", 423)
    with files.open_part("s", made) as part:
        assert part.offset == 1


def test_more_than_announced_is_refused_and_not_stored(files: UploadFiles) -> None:
    made = files.create(NEW, SPEECH)
    with files.open_part("s", made) as part:
        assert code(lambda: part.write(b"x" * 11)) == "recording_too_large"
    assert files.find("s", made).offset == 0


@pytest.mark.parametrize("wrong", ["x" * 22, "../state", "..", "", "a/b", "x" * 21 + "\n", "é" * 22])
def test_another_id_or_session_is_unknown(files: UploadFiles, wrong: str) -> None:
    made = files.create(NEW, SPEECH)
    assert code(lambda: files.find("s", wrong)) == "unknown_upload"
    assert code(lambda: files.find("other", made)) == "unknown_upload"
    assert code(lambda: files.remove("other", made)) == "unknown_upload"
    assert files.find("s", made).offset == 0


def test_a_removed_upload_is_gone(files: UploadFiles, tmp_path: Path) -> None:
    made = files.create(NEW, SPEECH)
    files.remove("s", made)
    assert code(lambda: files.find("s", made)) == "unknown_upload"
    assert list((tmp_path / "state" / "uploads").iterdir()) == []


def test_what_has_begun_is_noted_and_takes_no_room(files: UploadFiles, tmp_path: Path) -> None:
    made = files.create(NEW, SPEECH)
    facts = files.find("s", made).facts
    files.note_started(made, facts, {"stream_id": "1"})
    found = files.find("s", made)
    assert (found.facts.started, found.offset) == ({"stream_id": "1"}, 10)
    assert not list((tmp_path / "state" / "uploads").glob("*.part"))
    for _ in range(6):
        files.create(NEW, SPEECH)
    assert code(lambda: files.create(NEW, SPEECH)) == "too_many_uploads"


def test_what_is_too_old_is_removed(files: UploadFiles, clock: Clock, tmp_path: Path) -> None:
    """A day after its last byte; so is what a crash left behind."""
    folder = tmp_path / "state" / "uploads"
    old = files.create(NEW, SPEECH)
    started = files.create(NEW, SPEECH)
    files.note_started(started, files.find("s", started).facts, {})
    (folder / f"{'y' * 22}.part").write_bytes(b"left over")
    (folder / f"{'z' * 22}.json").write_bytes(b"{")
    (folder / "notes.txt").write_bytes(b"not ours")
    clock.ahead = 100
    files.remove_old()
    assert files.find("s", old).offset == 0
    assert not (folder / f"{'y' * 22}.part").exists()
    clock.ahead = tus.LIFETIME + 100
    assert code(lambda: files.find("s", old)) == "unknown_upload"
    files.remove_old()
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "file").write_bytes(b"")
    files = UploadFiles(tmp_path / "file" / "uploads", wall=clock)
    files.remove_old()
    with pytest.raises(ProblemError, match="cannot be written") as raised:
        files.create(NEW, SPEECH)
    assert raised.value.code == "own_shortage"


def test_a_full_disk_is_named_and_what_was_written_counts(
    files: UploadFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = files.create(Held(session_id="s", address="a", length=10**6), SPEECH)
    with files.open_part("s", made) as part:
        part.write(b"x" * 5)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(part, "_file", _Full(part._file))
            with pytest.raises(ProblemError, match="disk is full"):
                part.write(b"y" * 5)
        assert part.offset == 5


class _Full:
    """A file on a disk that is full."""

    def __init__(self, file: object) -> None:
        self.fileno = file.fileno  # type: ignore[attr-defined]

    def write(self, _data: bytes) -> int:
        raise OSError(28, os.strerror(28))

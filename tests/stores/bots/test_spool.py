"""The file of records that could not be stored."""

import errno
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from orch.stores.bot_records import Captured
from orch.stores.spool import REJECTED, Spool, SpoolFullError, SpoolInUseError, remove_rejected, spool_folder
from orch.stores.spool_ages import MARKS, SpoolAges
from tests.fakes.bot_sessions import one_of_each, utterance


def records(count: int, text: str = "words") -> list[Captured]:
    return [utterance(number, text) for number in range(count)]


def all_of(spool: Spool, at_once: int = 3) -> list[Captured]:
    """Return what is in it, chunk by chunk, as replaying it does."""
    found: list[Captured] = []
    while not spool.is_empty:
        chunk = spool.read(at_once)
        found += chunk.records
        spool.forward(chunk)
    return found


def test_records_of_each_kind_are_returned_in_their_order(tmp_path: Path) -> None:
    """Also by another process that opens the file; once all are stored it takes no space."""
    path = tmp_path / "deep" / "s.jsonl"
    with Spool(path) as spool:
        spool.append(one_of_each("Grüße \0 世界"))
        spool.append(records(5))
    assert path.stat().st_mode & 0o777 == 0o600
    with Spool(path) as spool:
        assert all_of(spool) == [*one_of_each("Grüße \0 世界"), *records(5)]
        assert spool.is_empty
        assert path.stat().st_size == 0


def test_what_was_not_stored_before_a_kill_is_read_again(tmp_path: Path) -> None:
    """From the first record: storing one again changes nothing."""
    spool = Spool(tmp_path / "s.jsonl")
    spool.open()
    spool.append(records(5))
    spool.forward(spool.read(2))
    assert [each.segment_index for each in spool.read(9).records if hasattr(each, "segment_index")] == [
        2,
        3,
        4,
    ]
    spool.close()
    with Spool(tmp_path / "s.jsonl") as again:
        assert all_of(again) == records(5)


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_a_line_that_was_cut_off_is_removed(tmp_path: Path, cut: int) -> None:
    """It was never acknowledged; what is appended later begins a line of its own."""
    path = tmp_path / "s.jsonl"
    with Spool(path) as spool:
        spool.append(records(3))
    os.truncate(path, path.stat().st_size - cut)
    with Spool(path) as spool:
        spool.append([utterance(9)])
        assert all_of(spool) == [*records(2), utterance(9)]


def test_the_file_is_bounded_and_a_batch_is_whole(tmp_path: Path) -> None:
    """What does not fit leaves the file as it was; there is room again when records were stored."""
    with Spool(tmp_path / "s.jsonl") as probe:
        probe.append(records(1))
        size = probe.size
        all_of(probe)
    with Spool(tmp_path / "s.jsonl", limit=3 * size) as spool:
        spool.append(records(2))
        with pytest.raises(SpoolFullError, match="limit"):
            spool.append(records(2))
        assert spool.size == 2 * size
        assert all_of(spool) == records(2)
        spool.append(records(3))
        assert all_of(spool) == records(3)


def test_a_full_disk_in_the_middle_of_a_batch_leaves_none_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says that it is full, and the next batch follows the last whole one."""
    with Spool(tmp_path / "s.jsonl") as spool:
        spool.append(records(1))
        size = spool.size

        def half(file: int, content: Sequence[int], at: int) -> int:
            if at > size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return os.write(file, bytes(content[:10])) if os.lseek(file, at, os.SEEK_SET) else 0

        with monkeypatch.context() as patched:
            patched.setattr(os, "pwrite", half)
            with pytest.raises(SpoolFullError, match="No space"):
                spool.append(records(2))
        assert (tmp_path / "s.jsonl").stat().st_size == size
        spool.append([utterance(9)])
        assert all_of(spool) == [utterance(0, "words"), utterance(9)]


def test_a_line_that_is_no_record_is_put_aside(tmp_path: Path) -> None:
    """The others are read, and the line is in a file beside the spool."""
    path = tmp_path / "s.jsonl"
    with Spool(path) as spool:
        spool.append(records(1))
    with path.open("ab") as file:
        file.write(b'{"type": "utterance"}\n\xff\xfe\n{"type": "other", "session_id": "s1"}\n')
    with Spool(path) as spool:
        spool.append([utterance(7)])
        assert all_of(spool) == [*records(1), utterance(7)]
        assert spool.rejected == 3
    assert len((tmp_path / "s.jsonl.rejected").read_bytes().splitlines()) == 3


def test_a_forgotten_session_leaves_no_byte(tmp_path: Path) -> None:
    """In the file, in the file of rejected lines and on the former blocks; the others stay in their order."""
    path = tmp_path / "s.jsonl"
    with Spool(path) as spool:
        other = [utterance(number, "kept", session_id="s2") for number in range(3)]
        spool.append([other[0], utterance(0, "marker"), other[1], utterance(1, "marker"), other[2]])
        spool.reject(utterance(2, "marker"), "why")
        descriptor = os.dup(spool._file)
        assert spool.forget("s1") == 3
        assert spool.forget("s1") == 0
        left = b"".join(each.read_bytes() for each in tmp_path.iterdir())
        assert b"marker" not in left
        assert b"kept" in left
        assert b"marker" not in os.pread(descriptor, 10_000, 0)
        os.close(descriptor)
        spool.append([utterance(5)])
        assert all_of(spool) == [*other, utterance(5)]


def test_a_chunk_that_was_read_before_the_file_was_replaced_removes_nothing(tmp_path: Path) -> None:
    """Positions of the former file mean nothing in the new one."""
    with Spool(tmp_path / "s.jsonl") as spool:
        spool.append([utterance(0, "x" * 1000), *records(3)])
        spool.append([utterance(0, session_id="s2")])
        chunk = spool.read(2)
        spool.forget("s1")
        spool.forward(chunk)
        assert all_of(spool) == [utterance(0, session_id="s2")]


def test_two_processes_do_not_share_a_spool(tmp_path: Path) -> None:
    """Each would overwrite what the other has appended; a replaced file is as exclusive as the first."""
    path = tmp_path / "s.jsonl"
    with Spool(path) as spool:
        with pytest.raises(SpoolInUseError):
            Spool(path).open()
        spool.append(records(2))
        spool.forget("s1")
        with pytest.raises(SpoolInUseError):
            Spool(path).open()
    with Spool(path):
        pass


def test_long_lines_are_read_whole(tmp_path: Path) -> None:
    """Lines longer than what is read at a time, at both ends of the file."""
    long = utterance(0, "x" * 2_500_000)
    with Spool(tmp_path / "s.jsonl") as spool:
        spool.append([long, utterance(1), long])
    with Spool(tmp_path / "s.jsonl") as spool:
        assert len(spool.read(9).records) == 3
        assert all_of(spool, 1) == [long, utterance(1), long]


def test_the_spool_of_a_worker_that_ended_is_adopted(tmp_path: Path) -> None:
    """Its records follow those of the spool itself; one that is in use, or does not fit, is left."""
    mine, ended, used, large = (tmp_path / f"{name}.spool.jsonl" for name in ("a", "b", "c", "d"))
    with Spool(ended) as spool:
        spool.append([utterance(1)])
    with Spool(large) as spool:
        spool.append([utterance(2, "x" * 5_000)])
    with Spool(used) as other, Spool(mine, limit=4_000) as spool:
        other.append([utterance(3)])
        spool.append([utterance(0)])
        assert spool.adopt() == 1
        assert not ended.exists()
        assert spool.adopt() == 0
        assert all_of(spool) == [utterance(0), utterance(1)]
        assert all_of(other) == [utterance(3)]
    assert large.exists()


def test_a_spool_that_was_adopted_while_it_was_opened_is_a_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the one that has no name any more, whose records nobody would find."""
    path = tmp_path / "a.spool.jsonl"
    path.touch()
    flock = fcntl.flock
    removed: list[Path] = []

    def late(file: int, kind: int) -> None:
        if not removed:
            path.unlink()
            removed.append(path)
        flock(file, kind)

    monkeypatch.setattr(fcntl, "flock", late)
    with Spool(path) as spool:
        spool.append([utterance(0)])
    assert path.read_bytes().count(b"\n") == 1


def test_services_with_different_stores_share_a_folder(tmp_path: Path) -> None:
    """None adopts what belongs into another store; the name of a store has no secrets and no separators."""
    stores = ("/var/lib/one/bots.db", "/var/lib/two/bots.db", "db.example:5432/live")
    folders = [spool_folder(tmp_path, store) for store in stores]
    assert len({*folders}) == len(stores)
    assert folders == [spool_folder(tmp_path, store) for store in stores]
    for folder in folders:
        assert folder.parent == tmp_path
        with Spool(folder / "bots-dead.spool.jsonl") as spool:
            spool.append(records(1, folder.name))
    with Spool(folders[0] / "bots-new.spool.jsonl") as spool:
        assert spool.adopt() == 1
        assert all_of(spool) == records(1, folders[0].name)
    assert (folders[1] / "bots-dead.spool.jsonl").stat().st_size > 0


def test_the_age_of_the_oldest_record_outlives_its_process(tmp_path: Path) -> None:
    """Also where another worker adopts the spool, whose own records are newer."""
    now = 1_000_000.0
    dead = Spool(tmp_path / "dead.spool.jsonl", wall=lambda: now)
    with dead:
        assert dead.oldest_seconds == 0
        dead.append(records(2))
        now += 50
        dead.append(records(2))
        assert dead.oldest_seconds == 50
        dead.forward(dead.read(2))
        assert dead.oldest_seconds == 0, "the first two are stored"
    now += 100
    with dead:
        assert dead.oldest_seconds == 150, "which nobody knows after a restart"
    with Spool(tmp_path / "new.spool.jsonl", wall=lambda: now) as spool:
        spool.append(records(3))
        assert spool.adopt() == 1
        assert spool.oldest_seconds == 150
        spool.forward(spool.read(3))
        assert spool.oldest_seconds == 150
        now -= 10_000
        assert spool.oldest_seconds == 0, "clocks are set back"
        now += 10_000
        assert all_of(spool) == records(2) * 2
        assert spool.oldest_seconds == 0


def test_lines_of_earlier_versions_are_as_old_as_their_file(tmp_path: Path) -> None:
    """They do not begin with a time."""
    path = tmp_path / "s.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in records(3)))
    os.utime(path, (1_000, 1_000))
    with Spool(path, wall=lambda: 1_600.0) as spool:
        assert spool.oldest_seconds == 600
        assert all_of(spool) == records(3)


def test_a_removed_session_leaves_the_age_of_the_others(tmp_path: Path) -> None:
    """The file is replaced by one without it."""
    now = 0.0
    with Spool(tmp_path / "s.jsonl", wall=lambda: now) as spool:
        spool.append(records(3))
        now = 10.0
        assert spool.forget("nobody") == 0
        assert spool.oldest_seconds == 10
        spool.forget(records(1)[0].session_id)
        assert spool.oldest_seconds == 0


def test_marks_of_the_age_are_bounded() -> None:
    """However slowly a spool grows; joined marks have the earlier time."""
    ages = SpoolAges()
    for number in range(100_000):
        ages.add(number + 1, float(number))
        ages.forward(number // 2)
    assert len(ages._marks) <= MARKS
    assert ages.oldest is not None
    assert 45_000 <= ages.oldest <= 50_000
    ages.forward(100_000)
    assert ages.oldest is None


def test_old_rejected_lines_are_deleted_and_overwritten(tmp_path: Path) -> None:
    """Those of every store, also under a second name of the file; newer ones and spools stay."""
    old, new = (spool_folder(tmp_path, each) / f"bots-w.spool.jsonl{REJECTED}" for each in ("a", "b"))
    for path, written in ((old, 100), (new, 300)):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"what was said")
        os.utime(path, (written, written))
    (waiting := old.parent / "bots-x.spool.jsonl").write_bytes(b"waits")
    os.utime(waiting, (100, 100))
    os.link(old, second := tmp_path / "second")
    assert remove_rejected(tmp_path, before=200) == 1
    assert (old.exists(), new.exists(), waiting.exists()) == (False, True, True)
    assert second.read_bytes() == bytes(len(b"what was said"))
    assert remove_rejected(tmp_path / "none", before=200) == 0

"""A store that cannot write says so, loses nothing that was acknowledged, and comes back by itself.

The disk is a small one of the kernel's own (tmpfs), filled for real.
"""

import errno
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from orch.problems import ProblemError
from orch.stores.history import Limits
from orch.stores.sqlite.diagnosis import ADVICE, BRIEF, Steadied, Trouble, reason
from orch.stores.sqlite.file import INSPECT_EVERY
from orch.stores.sqlite.store import SqliteStore
from tests.fakes.hub import inline
from tests.fakes.patience import PATIENCE
from tests.fakes.running import run
from tests.fakes.store_events import RecordedEvents
from tests.fakes.stores import PARTICIPANT, append, record, running

BOUNDLESS = Limits(messages=10**6, seconds=1e9, bytes=2**40)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 16 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)]
    if subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path, *, leave: int = 0) -> Path:
    """Fill the disk to its last byte but ``leave``."""
    filler = place / "filler"
    with filler.open("ab", buffering=0) as file:
        size = 2**20
        while size:
            try:
                written = file.write(b"\0" * size)
            except OSError:
                written = 0
            if written < size:
                size //= 2
        file.truncate(file.tell() - leave)
    return filler


async def stuff(store: SqliteStore, size: int = 100_000) -> int:
    """Say large things until one is refused; return the last offset that was acknowledged."""
    acknowledged = 0
    with pytest.raises(ProblemError) as caught:  # noqa: PT012 - which one is refused depends on the disk
        for _ in range(1000):
            acknowledged = await append(store, body=b'{"a":"%s"}' % (b"x" * size), limits=BOUNDLESS)
    assert caught.value.code == "store_unavailable"
    assert caught.value.detail.startswith("Nothing can be stored right now: ")
    return acknowledged


async def until(store: SqliteStore, state: str) -> float:
    """Wait until the store is in ``state``; return how long that took."""
    began = trio.current_time()
    with trio.fail_after(PATIENCE):
        while store.status().state != state:  # noqa: ASYNC110 - the store has nothing to wait on
            await trio.sleep(0.02)
    return trio.current_time() - began


def watched(store: SqliteStore) -> RecordedEvents:
    """Return the handler that records the events of a store."""
    events = RecordedEvents()
    store.register(events)
    return events


def frames(path: Path) -> int:
    """Return how many messages are in the file, read by another program."""
    with closing(sqlite3.connect(path)) as database:
        (count,) = database.execute("SELECT count(*) FROM history").fetchone()
    return int(count)


@pytest.mark.real_time
async def test_a_full_disk_is_reported_and_loses_nothing_that_was_acknowledged(disk: Path) -> None:
    """Nothing new is accepted; who is there may read and leave; with room again it goes on by itself."""
    path = disk / "s.sqlite3"
    acknowledged = 0

    store = SqliteStore(path)
    events = watched(store)
    async with running(store):
        await store.create(record(), PARTICIPANT)
        acknowledged = await append(store)
        filler = fill(disk)
        await until(store, "degraded")
        status = store.status()
        assert status.brief == "the disk is full"
        assert str(path) in status.reason
        assert status.since is not None
        assert await stuff(store) == 0
        with pytest.raises(ProblemError):
            await store.create(record("new"))
        await store.drop_participant("s", "p")
        assert await store.participant("s", "p") is None
        assert len(await store.read("s", after=0, until=99)) == acknowledged
        await trio.sleep(1.5)
        assert events.healthy == [False]
        filler.unlink()
        await until(store, "healthy")
        acknowledged = await append(store)
        assert await store.participant("s", "p") is None
        while events.healthy != [False, True]:  # noqa: ASYNC110 - a list has nothing to wait on
            await trio.sleep(0.05)
    assert frames(path) == acknowledged


@pytest.mark.real_time
async def test_ending_sessions_frees_a_full_disk(disk: Path) -> None:
    """Deleting works on the full disk, and the file gives the room back."""
    path = disk / "s.sqlite3"

    store = SqliteStore(path)
    async with running(store):
        await store.create(record("small"))
        await append(store, "small")
        await store.create(record())
        await stuff(store)
        assert store.status().brief == "the disk is full"
        size = path.stat().st_size
        assert await store.delete(["s"]) == ("s",)
        await until(store, "healthy")
        assert path.stat().st_size < size / 4
        assert await append(store, "small") == 2
    assert frames(path) == 2


@pytest.mark.real_time
async def test_pruning_frees_a_full_disk(disk: Path) -> None:
    """What is too old goes on a full disk too, and with it the trouble."""
    store = SqliteStore(disk / "s.sqlite3")
    async with running(store):
        await store.create(record())
        await stuff(store)
        await store.touch(["s"], 30.0)
        idle = await store.idle(40.0, 10)
        assert await store.delete(idle, idle_since=40.0) == ("s",)
        await until(store, "healthy")


@pytest.mark.real_time
@pytest.mark.parametrize("is_new", [True, False])
async def test_a_service_that_starts_on_a_full_disk_waits_for_room(disk: Path, *, is_new: bool) -> None:
    """It says why and opens its file once there is room; it does not end. A file that is there is no help."""
    if not is_new:
        async with running(SqliteStore(disk / "s.sqlite3")):
            pass
    await trio.to_thread.run_sync(fill, disk)
    store = SqliteStore(disk / "s.sqlite3")
    async with running(store):
        assert store.status().brief == "the disk is full"
        (disk / "filler").unlink()
        await until(store, "healthy")
        assert await store.create(record())


@pytest.mark.real_time
async def test_the_reserve_of_a_killed_process_lets_the_next_one_open_on_a_full_disk(disk: Path) -> None:
    """So that sessions can be read and ended; soon nothing new is accepted."""
    store = SqliteStore(disk / "s.sqlite3")
    async with running(store):
        await store.create(record())
        await append(store)
    (disk / "s.sqlite3-reserve").write_bytes(b"\0" * 2**20)
    fill(disk)
    again = SqliteStore(disk / "s.sqlite3")
    async with running(again):
        assert again.statistics().open
        assert len(await again.read("s", after=0, until=9)) == 1
        await stuff(again)
        assert again.status().brief == "the disk is full"
        assert await again.delete(["s"]) == ("s",)


@pytest.mark.real_time
async def test_the_reserve_does_not_fill_a_small_disk(disk: Path) -> None:
    """An eighth of what is free at most; given back when the store is closed."""
    async with running(SqliteStore(disk / "s.sqlite3")):
        assert 0 < (disk / "s.sqlite3-reserve").stat().st_size <= 2 * 2**20
    assert not (disk / "s.sqlite3-reserve").exists()


@pytest.mark.parametrize("names", [("s.sqlite3",), ("s.sqlite3-wal",), ("s.sqlite3", "s.sqlite3-wal")])
async def test_a_file_deleted_under_the_running_service_is_restored(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    """What was acknowledged before, meanwhile and after is there when the service has ended."""
    path = tmp_path / "s.sqlite3"
    events = RecordedEvents()
    store = SqliteStore(path, offload=inline)
    store.register(events)
    async with running(store):
        await store.create(record())
        await append(store)
        for name in names:
            (tmp_path / name).unlink()
        await append(store)
        await trio.sleep(2)
        await append(store)
        assert store.status().state == "healthy"
    assert frames(path) == 3
    assert len(events.recovered) == 1
    assert oct(path.stat().st_mode & 0o777) == "0o600"


@pytest.mark.real_time
async def test_a_file_emptied_under_the_running_service_is_reported(tmp_path: Path) -> None:
    """It has its name and its place on the disk still, and nothing new is acknowledged into it."""
    path = tmp_path / "s.sqlite3"

    store = SqliteStore(path)
    async with running(store):
        await store.create(record())
        await append(store)
        os.truncate(path, 0)
        await until(store, "degraded")
        assert "emptied while in use" in store.status().reason
        with pytest.raises(ProblemError):
            await append(store)


async def test_a_file_replaced_under_the_running_service_is_not_overwritten(tmp_path: Path) -> None:
    """Nothing new is accepted, what was stored is saved beside it, and the other file stays as it is."""
    path = tmp_path / "s.sqlite3"
    other = tmp_path / "other"
    other.write_bytes(b"another program's")

    store = SqliteStore(path, offload=inline)
    async with running(store):
        await store.create(record())
        await append(store)
        moved = tmp_path / "moved"
        path.rename(moved)
        other.rename(path)
        await trio.sleep(2)
        assert store.status().brief == "the file was replaced"
        with pytest.raises(ProblemError, match="the file was replaced"):
            await append(store)
        assert len(await store.read("s", after=0, until=9)) == 1
        path.rename(other)
        moved.rename(path)
        await trio.sleep(3)
        assert store.status().state == "healthy"
        assert await append(store) == 2
    assert other.read_bytes() == b"another program's"
    (saved,) = tmp_path.glob("s.sqlite3.saved-*")
    assert frames(saved) == 1
    assert frames(path) == 2


@pytest.mark.real_time
async def test_disk_errors_are_reported_and_the_file_is_opened_again(tmp_path: Path) -> None:
    """The kernel refuses each byte beyond a size (RLIMIT_FSIZE, which SQLite reports as an I/O error)."""
    path = tmp_path / "s.sqlite3"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert signal.getsignal(signal.SIGXFSZ) is signal.SIG_IGN

    store = SqliteStore(path)
    async with running(store):
        await store.create(record())
        await append(store)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        try:
            acknowledged = await stuff(store, 50_000)
            assert store.status().state == "degraded"
            await trio.sleep(1)
            assert store.status().state == "degraded"
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        await until(store, "healthy")
        assert await append(store) == acknowledged + 1


@pytest.mark.real_time
async def test_the_store_works_without_a_reserve(tmp_path: Path) -> None:
    """What has the reserve's name may be another user's file, left behind by a service that was killed."""
    path = tmp_path / "s.sqlite3"
    in_the_way = path.with_name("s.sqlite3-reserve")
    in_the_way.mkdir()

    store = SqliteStore(path)
    async with running(store):
        await store.create(record())
        for offset in range(1, 4):
            await trio.sleep(INSPECT_EVERY)
            assert store.status().state == "healthy"
            assert await append(store) == offset
    assert in_the_way.is_dir()


@pytest.mark.real_time
async def test_a_file_size_limit_does_not_end_the_branch(tmp_path: Path) -> None:
    """It holds for the reserve as well, whose refusal is no error of SQLite's."""
    path = tmp_path / "s.sqlite3"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    store = SqliteStore(path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))
    try:
        async with running(store):
            await store.create(record())
            acknowledged = await append(store)
            await trio.sleep(2 * INSPECT_EVERY)
            assert store.status().state == "healthy"
            acknowledged = await stuff(store, 50_000)
            await trio.sleep(2 * INSPECT_EVERY)
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            await until(store, "healthy")
            assert await append(store) == acknowledged + 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_slow_disk_is_reported_before_the_write_has_ended(tmp_path: Path) -> None:
    """A commit that hangs shows at once; the store is well again when commits are quick."""
    delays = {"seconds": 0.0}

    async def slow(work: Any, *arguments: Any) -> Any:
        await trio.sleep(delays["seconds"])
        return work(*arguments)

    store = SqliteStore(tmp_path / "s.sqlite3", offload=cast("Any", slow))
    events = watched(store)
    async with running(store):
        await store.create(record())
        delays["seconds"] = 10.0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(append, store)
            await trio.sleep(3)
            assert store.status().brief == "each write to the disk takes seconds"
            await trio.sleep(1.5)
            assert events.healthy == [False]
            delays["seconds"] = 0.0
        assert await until(store, "healthy") <= 12
        await trio.sleep(2)
        assert events.healthy == [False, True]
        assert await append(store) == 2


async def test_a_store_without_free_descriptors_waits_for_them(tmp_path: Path) -> None:
    """The shortage is this process's own and passes; the service does not end for it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(int(each.name) for each in Path("/proc/self/fd").iterdir())
    held: list[int] = []

    store = SqliteStore(tmp_path / "s.sqlite3", offload=inline)
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 16, hard))
    try:
        while True:
            held.append(os.dup(0))
    except OSError:
        pass
    try:
        async with running(store):
            assert store.status().brief.startswith("the service is short of")
            while held:
                os.close(held.pop())
            await trio.sleep(2)
            assert store.status().state == "healthy"
            assert await store.create(record())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_an_older_file_is_converted_once_to_return_free_pages(tmp_path: Path) -> None:
    """What it holds stays."""
    path, old = tmp_path / "s.sqlite3", tmp_path / "old.sqlite3"

    async def stored(where: Path) -> int:
        store = SqliteStore(where, offload=inline)
        async with running(store):
            await store.create(record())
            return await append(store)

    run(lambda: stored(path))
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = DELETE")
        database.execute("PRAGMA auto_vacuum = NONE")
        database.execute("VACUUM")
    shutil.copy(path, old)
    assert run(lambda: stored(old)) == 2
    with closing(sqlite3.connect(old)) as database:
        assert database.execute("PRAGMA auto_vacuum").fetchone() == (2,)


def test_problems_shorter_than_a_second_are_not_announced() -> None:
    """Only a state that lasts is; and then once."""
    steadied = Steadied()
    flapping = [steadied.changed(number % 2 == 0, number * 0.4) for number in range(100)]
    assert not any(flapping)
    assert not steadied.changed(is_well=True, now=45.0)
    assert not steadied.changed(is_well=False, now=50.0)
    assert not steadied.changed(is_well=False, now=50.9)
    assert steadied.changed(is_well=False, now=51.0)
    assert not steadied.changed(is_well=False, now=60.0)
    assert not steadied.changed(is_well=True, now=61.0)
    assert steadied.changed(is_well=True, now=62.0)


@pytest.mark.parametrize("trouble", Trouble)
def test_each_problem_has_a_text_for_operators_and_one_for_clients(
    trouble: Trouble,
) -> None:
    """The operator reads what to do and which file; guests read neither paths nor settings."""
    assert reason(trouble, "/data/s.sqlite3").endswith(ADVICE[trouble])
    assert "/data/s.sqlite3" in reason(trouble, "/data/s.sqlite3")
    assert "/" not in BRIEF[trouble]


@pytest.mark.parametrize("number", [errno.EDQUOT, errno.ENOSPC])
async def test_an_exhausted_disk_quota_counts_as_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """SQLite says only that writing failed; the system says why."""
    store = SqliteStore(tmp_path / "s.sqlite3", offload=inline)
    async with running(store):
        failed = sqlite3.OperationalError("disk I/O error")
        failed.sqlite_errorname = "SQLITE_IOERR_WRITE"
        failed.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE

        def used_up(*_: object) -> None:
            raise OSError(number, os.strerror(number))

        def transact(_database: object, batch: Any, _reserve: object) -> sqlite3.Error:
            for operation in batch:
                operation.error = failed
            return failed

        with monkeypatch.context() as broken:
            broken.setattr(os, "posix_fallocate", used_up)
            broken.setattr("orch.stores.sqlite.file.transact", transact)
            with pytest.raises(ProblemError, match="the disk is full"):
                await store.create(record())
            assert store.status().brief == "the disk is full"
        await trio.sleep(5)
        assert await store.create(record())
    assert not list(tmp_path.glob("*trial*"))


async def test_deferred_work_that_is_replaced_while_it_runs_is_run_as_well(tmp_path: Path) -> None:
    """Both have one name; the newer one is another work, and not done by doing the older one."""
    done: list[str] = []
    store = SqliteStore(tmp_path / "s.sqlite3", offload=inline)
    file = store.file

    def older(_database: sqlite3.Connection) -> None:
        done.append("older")
        assert file.defer("name", newer)

    def newer(_database: sqlite3.Connection) -> None:
        done.append("newer")

    async with running(store):
        assert not file.defer("name", older)  # it can be done now
        file._condition.note(Trouble.FAILING, "for a test", at=0.0)
        assert file.defer("name", older)
        await trio.sleep(3 * INSPECT_EVERY)
        assert not file.is_deferred("name")
    assert done == ["older", "newer"]

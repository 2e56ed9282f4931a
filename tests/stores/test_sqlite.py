import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from orch.problems import ProblemError
from orch.stores.history import Limits
from orch.stores.sqlite.database import Migration, StoreError, migrations, open_database
from orch.stores.sqlite.statements import SIGN_INS_KEPT
from orch.stores.sqlite.store import SqliteStore
from tests.fakes.hub import inline
from tests.fakes.running import run
from tests.fakes.stores import LIMITS, PARTICIPANT, append, record, running
from tests.fakes.wires import eventually


@pytest.mark.real_time
async def test_stored_data_survives_a_restart_of_the_store(tmp_path: Path) -> None:
    """Sessions, participants and history outlive the process that wrote them."""
    store = SqliteStore(tmp_path / "deep" / "er" / "s.sqlite3")
    async with running(store):
        assert await store.create(record(), PARTICIPANT)
        assert await append(store) == 1
        assert await append(store) == 2
    again = SqliteStore(tmp_path / "deep" / "er" / "s.sqlite3")
    async with running(again):
        assert await again.load("s") == record(offset=2, last_active=20.0)
        assert await again.participant("s", "p") == PARTICIPANT
        kept = await again.read("s", after=0, until=2)
        assert [message.frame for message in kept] == [b'{"a":1,"offset":1}', b'{"a":1,"offset":2}']
        assert await again.count() == 1


async def test_deleting_a_session_deletes_its_history_and_participants(tmp_path: Path) -> None:
    """A session created later under the same name inherits nothing."""
    store = SqliteStore(tmp_path / "s.sqlite3", offload=inline)
    async with running(store):
        await store.create(record(), PARTICIPANT)
        await store.create(record("t"))
        await append(store)
        await append(store, "t")
        assert await store.delete(["s", "nobody"]) == ("s",)
        await store.create(record(epoch="new"))
        assert await store.read("s", after=0, until=9) == ()
        assert await store.participant("s", "p") is None
        assert await append(store) == 1
        assert len(await store.read("t", after=0, until=9)) == 1

        def left(database: sqlite3.Connection) -> list[int]:
            tables = ("sessions", "history", "participants")
            return [database.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables]  # noqa: S608 - names above

        assert await store.file.execute(left) == [2, 2, 0]


async def test_pruning_handles_a_history_of_any_length(tmp_path: Path) -> None:
    """More than one batch is dropped in one sweep, and the sizes still add up."""
    store = SqliteStore(tmp_path / "s.sqlite3", offload=inline)
    async with running(store):
        await store.create(record())
        for number in range(500):
            await append(store, at=float(number))
        assert await store.prune(1000.0, Limits(messages=1000, seconds=510.0)) == 490
        assert [each.offset for each in await store.read("s", after=0, until=999)] == list(range(491, 501))

        def sizes(database: sqlite3.Connection) -> tuple[int, int]:
            (kept,) = database.execute("SELECT kept_bytes FROM sessions").fetchone()
            (really,) = database.execute("SELECT sum(length(frame)) FROM history").fetchone()
            return kept, really

        kept, really = await store.file.execute(sizes)
        assert kept == really


async def test_many_operations_share_a_commit(tmp_path: Path) -> None:
    """What queues up while one transaction is on its way is the next one."""
    store = SqliteStore(tmp_path / "s.sqlite3", offload=inline)
    async with running(store):
        async with trio.open_nursery() as nursery:
            for number in range(600):
                nursery.start_soon(store.create, record(f"s{number}"))
        statistics = store.statistics()
        assert statistics.operations == 600
        assert statistics.commits <= 3


async def test_a_failed_operation_does_not_affect_the_others_of_its_transaction(tmp_path: Path) -> None:
    """In a shared transaction each operation succeeds or fails by itself, and leaves nothing half done."""
    store = SqliteStore(tmp_path / "s.sqlite3", offload=inline)
    async with running(store):
        outcomes: dict[str, object] = {}

        def half(database: sqlite3.Connection) -> None:
            database.execute("UPDATE sessions SET epoch = 'spoilt'")
            raise ValueError("no")

        def wrong(database: sqlite3.Connection) -> None:
            database.execute("SELECT a FROM missing")

        async def attempt(name: str, work: Any) -> None:
            try:
                outcomes[name] = await work()
            except (ValueError, ProblemError) as error:
                outcomes[name] = error

        await store.create(record("before"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(attempt, "a", lambda: store.create(record("a")))
            nursery.start_soon(attempt, "half", lambda: store.file.execute(half))
            nursery.start_soon(attempt, "wrong", lambda: store.file.execute(wrong))
            nursery.start_soon(attempt, "b", lambda: store.create(record("b")))
        assert outcomes["a"] is outcomes["b"] is True
        assert isinstance(outcomes["half"], ValueError)
        assert isinstance(outcomes["wrong"], ProblemError)
        assert outcomes["wrong"].code == "store_unavailable"
        assert {each.epoch for each in await store.newest(9)} == {"e"}
        assert store.statistics().failures == 2
        assert "no such table" in (store.statistics().last_error or "")


@pytest.mark.parametrize(
    "content", [b"this is no database at all, but it is long enough" * 50, b"SQLite format 3\0" * 100]
)
async def test_a_file_that_is_no_database_is_named(tmp_path: Path, content: bytes) -> None:
    """The operator reads which file is wrong and what to do; the file is left as it was."""
    path = tmp_path / "broken.sqlite3"
    path.write_bytes(content)

    with pytest.raises(StoreError, match=r"broken\.sqlite3: is damaged or no SQLite database"):
        await SqliteStore(path, offload=inline).run()
    assert path.read_bytes() == content


def test_damage_found_while_running_fails_the_operation_and_ends_the_run(tmp_path: Path) -> None:
    """A damaged page is never read as something else; the branch fails with the file's name."""
    path = tmp_path / "s.sqlite3"

    async def fill() -> None:
        store = SqliteStore(path, offload=inline)
        async with running(store):
            await store.create(record())
            for _ in range(200):
                await append(store, body=b'{"a":"%s"}' % (b"x" * 500))

    run(fill)
    with path.open("r+b") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(size - 4096 * 15)  # the pages that were added last, with messages alone
        file.write(b"\xff" * 4096 * 15)

    async def main() -> None:
        store = SqliteStore(path, offload=inline)
        failed = trio.Event()

        async def supervised(*, task_status: trio.TaskStatus[None]) -> None:
            with pytest.raises(StoreError, match=r"s\.sqlite3: is damaged"):
                await store.run(task_status=task_status)
            failed.set()

        async with trio.open_nursery() as nursery:
            await nursery.start(supervised)
            with pytest.raises(ProblemError) as caught:
                await store.read("s", after=0, until=999)
            assert caught.value.code == "store_unavailable"
            await failed.wait()
            assert "s.sqlite3" in (store.statistics().last_error or "")

    run(main)


async def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A folder in the file's place, or a file in the folder's, is said at the start."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x", encoding="utf-8")

    for path in (tmp_path / "folder", tmp_path / "file" / "s.sqlite3"):
        with pytest.raises(StoreError) as caught:
            await SqliteStore(path, offload=inline).run()
        assert str(path) in str(caught.value)


async def test_two_services_cannot_share_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two writers would give one offset to two messages: the second one is told, the first one goes on."""
    monkeypatch.setattr("orch.stores.sqlite.database.BUSY_TIMEOUT", 0.05)

    first = SqliteStore(tmp_path / "s.sqlite3", offload=inline)
    async with running(first):
        with pytest.raises(StoreError, match="in use by another process"):
            await SqliteStore(tmp_path / "s.sqlite3", offload=inline).run()
        assert await first.create(record())


@pytest.mark.parametrize(
    ("is_closed", "boots", "renewed"),
    [
        (True, ("a", "a"), False),
        (True, ("a", "b"), False),
        (False, ("a", "a"), False),
        (False, ("a", "b"), True),
    ],
)
async def test_epochs_are_renewed_after_a_power_cut(
    tmp_path: Path, *, is_closed: bool, boots: tuple[str, str], renewed: bool
) -> None:
    """Only a machine that stopped while the file was open can have lost something: then epochs are new."""
    left, path = tmp_path / "left.sqlite3", tmp_path / "s.sqlite3"

    first = SqliteStore(path, offload=inline, boot=boots[0])
    async with running(first):
        await first.create(record())
        await append(first)
        if not is_closed:
            # What a process that is killed here leaves behind.
            shutil.copy(path, left)
            shutil.copy(f"{path}-wal", f"{left}-wal")
    again = SqliteStore(path if is_closed else left, offload=inline, boot=boots[1])
    async with running(again):
        session = await again.load("s")
        assert session is not None
        assert session.offset == 1
        assert (session.epoch != "e") is renewed


def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    """What is said in sessions is not readable by other users of the machine."""
    open_database(tmp_path / "s.sqlite3", migrations()).close()
    assert (tmp_path / "s.sqlite3").stat().st_mode & 0o077 == 0


def test_migrations_are_applied_once_in_order_and_never_backwards(tmp_path: Path) -> None:
    """A file of an older version is brought up to date; one of a newer version is left alone."""
    path = tmp_path / "s.sqlite3"
    first = Migration(1, "one", "CREATE TABLE one (a);")
    second = Migration(2, "two", "INSERT INTO one VALUES (1);")
    open_database(path, [first]).close()
    for _ in range(2):
        database = open_database(path, [first, second])
        assert database.execute("SELECT count(*) FROM one").fetchone() == (1,)
        database.close()
    with pytest.raises(StoreError, match=r"newer version of this program \(schema 2, known 1\)"):
        open_database(path, [first])


async def test_sessions_from_before_there_were_keys_are_given_keys(tmp_path: Path) -> None:
    """Each existing session gets two keys of its own that are hard to guess, once and for good."""
    path = tmp_path / "s.sqlite3"
    old = open_database(path, [step for step in migrations() if step.version < 3])
    for name in ("a", "b"):
        old.execute(
            "INSERT INTO sessions (session_id, epoch, config, created, last_active)"
            " VALUES (?, 'e', '{}', 1.0, 1.0)",
            (name,),
        )
    old.close()

    async def keys() -> list[str]:
        store = SqliteStore(path, offload=inline)
        async with running(store):
            found = await store.newest(5)
            return [key for each in found for key in (each.keys.speak, each.keys.read)]

    given = await keys()
    assert len(set(given)) == 4
    assert all(len(key) == 22 for key in given)
    assert await keys() == given


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    """A step is done whole or not at all, so that the next start can try it again."""
    path = tmp_path / "s.sqlite3"
    bad = Migration(1, "bad", "CREATE TABLE one (a); CREATE TABLE one (b);")
    with pytest.raises(StoreError, match="already exists"):
        open_database(path, [bad])
    database = open_database(path, [Migration(1, "good", "CREATE TABLE one (a);")])
    assert database.execute("PRAGMA user_version").fetchone() == (1,)
    database.close()


def test_the_schema_s_files_are_numbered_without_gaps() -> None:
    """A forgotten or doubled number would make files of one version differ."""
    assert [step.version for step in migrations()] == list(range(1, len(migrations()) + 1))


@pytest.mark.real_time
async def test_free_pages_are_returned_to_the_disk(tmp_path: Path) -> None:
    """Where someone looks how much is in use; little waits for the next sweep."""
    path = tmp_path / "s.sqlite3"

    store = SqliteStore(path)
    async with running(store):
        for name in ("small", "large"):
            await store.create(record(name))
        await append(store, "small", b'{"a":"%s"}' % (b"x" * 100_000))
        for _ in range(12):
            await append(store, "large", b'{"a":"%s"}' % (b"x" * 600_000), limits=LIMITS)
        assert await store.used_bytes() > 7_000_000
        await store.delete(["large"])
        await store.used_bytes()
        await eventually(lambda: path.stat().st_size < 1_000_000)


@pytest.mark.real_time
async def test_sign_ins_are_bounded(tmp_path: Path) -> None:
    """The one that was used longest ago is over where there are too many."""
    store = SqliteStore(tmp_path / "s.sqlite3")
    async with running(store):
        for number in range(SIGN_INS_KEPT + 1):
            await store.sign_ins.store_sign_in(str(number), now=1000.0 + number, seconds=1e6)
        assert not await store.sign_ins.extend_sign_in("0", now=3000.0, seconds=1e6)
        assert await store.sign_ins.extend_sign_in("1", now=3000.0, seconds=1e6)
        assert await store.sign_ins.extend_sign_in(str(SIGN_INS_KEPT), now=3000.0, seconds=1e6)

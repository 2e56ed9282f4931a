"""PostgreSQL itself: cancelled queries, servers that stop, hang and come back, and the schema."""

import random
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trio

from orch.problems import ProblemError
from orch.stores.bot_records import RefusedRecordError
from orch.stores.bot_scripts.requests import Query, Script
from orch.stores.bot_store import Purpose
from orch.stores.bot_writer import BotWriter
from orch.stores.postgres import bots as postgres_bots
from orch.stores.postgres import connections as postgres_connections
from orch.stores.postgres.bots import RETRY_EVERY, PostgresBots
from orch.stores.postgres.connections import Connections, open_connections
from orch.stores.postgres.migrations import migrations, whole_script
from orch.stores.spool import Spool
from orch.stores.sqlite.database import migrations as sqlite_migrations
from orch.stores.sqlite.database import open_database
from tests.fakes.bot_sessions import PostgresBotEngine, requested, utterance
from tests.fakes.patience import PATIENCE
from tests.fakes.postgres import PostgresServer, postgres_server

pytestmark = [pytest.mark.process, pytest.mark.real_time, pytest.mark.limit(600)]

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Run a server that tests kill and stop; each leaves it running."""
    with postgres_server() as found:
        yield found


@asynccontextmanager
async def running(address: str) -> AsyncIterator[PostgresBots]:
    """Run an engine for the block."""
    engine = PostgresBots(address, size=4)
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        yield engine
        nursery.cancel_scope.cancel()


async def ask(address: str, *statements: str) -> list[Any]:
    """Run statements; return the rows of the last one."""
    return await PostgresBotEngine(address)._ask(*statements)


async def healthy(engine: PostgresBots) -> None:
    """Wait until the server was reached."""
    while engine.statistics().reason:  # noqa: ASYNC110 - another program's state
        await trio.sleep(0.05)


async def test_randomly_cancelled_queries_leave_every_connection_free(postgres: str) -> None:
    """Queries, transactions and waits for a connection, cancelled before, during and after each."""
    draw = random.Random(12)
    async with open_connections(postgres, 4) as pool:
        await pool.run(lambda connection: connection.execute("CREATE TEMP TABLE IF NOT EXISTS x (i int)"))
        ended = {"done": 0, "cancelled": 0}

        async def query(connection: Any) -> int:
            if draw.random() < 0.5:
                found = await connection.fetchval("SELECT count(*) FROM generate_series(1, 3000)")
            else:
                async with connection.transaction():
                    await connection.execute("SELECT pg_sleep(0.002)")
                    found = await connection.fetchval("SELECT 3000")
            assert found == 3000
            return int(found)

        async def one() -> None:
            with trio.move_on_after(draw.random() * 0.012) as scope:
                await pool.run(query)
            ended["cancelled" if scope.cancelled_caught else "done"] += 1

        for _ in range(40):
            async with trio.open_nursery() as nursery:
                for _ in range(30):
                    nursery.start_soon(one)
        assert sum(ended.values()) == 1200
        assert ended["cancelled"] > 200
        await pool.idle()
        assert (pool.busy, pool.waiting, pool.free) == (0, 0, 4)
        states = await pool.run(
            lambda connection: connection.fetch(
                "SELECT state FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND state <> 'idle'"
            )
        )
        assert states == []
        # All four at a time, each whole.
        results: list[int] = []

        async def whole() -> None:
            results.append(await pool.run(query))

        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(whole)
        assert results == [3000] * 8


async def test_a_cancelled_transaction_is_rolled_back(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is stored, and its locks are free at once."""
    monkeypatch.setattr(postgres_connections, "CLEANUP_WITHIN", PATIENCE)
    async with running(postgres) as engine:
        await ask(postgres, "TRUNCATE bot_sessions.lives, bot_sessions.deleted_sessions CASCADE")

        def slow() -> Script[None]:
            yield Query(
                "INSERT INTO bot_sessions.deleted_sessions (session_id, deleted_at) VALUES ('x', now())"
            )
            yield Query("SELECT 1 FROM (SELECT pg_sleep(60)) AS slept")

        with trio.move_on_after(0.2) as scope:
            await engine.perform(slow, Purpose.CHANGE)
        assert scope.cancelled_caught
        with trio.fail_after(PATIENCE):
            await engine.perform(
                lambda: iter_query("INSERT INTO bot_sessions.deleted_sessions VALUES ('x', now())"),
                Purpose.CHANGE,
            )


def iter_query(sql: str) -> Script[None]:
    """Return a script of one statement."""
    yield Query(sql)


async def test_a_time_out_of_a_caller_is_exact_while_the_server_hangs(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connections of hanging calls are dropped, and the next calls have new ones."""
    monkeypatch.setattr(postgres_connections, "CLEANUP_WITHIN", 2.0)
    async with running(server.url) as engine:
        pool = engine._connections
        assert pool is not None
        await requested_once(engine)
        server.pause()
        try:
            began = trio.current_time()
            async with trio.open_nursery() as nursery:
                for _ in range(6):
                    nursery.start_soon(given_up, engine)
            assert trio.current_time() - began < 6 * 2.0  # side by side
            await pool.idle()
        finally:
            server.resume()
        with trio.fail_after(PATIENCE):
            await healthy(engine)
            assert await engine.store.life("b1") is not None
        assert isinstance(pool, Connections)
        assert pool.free == 4


async def test_a_server_that_is_busy_is_reachable(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe that waits for its turn behind many calls finds nothing wrong, and nobody is refused."""
    monkeypatch.setattr(postgres_bots, "PROBE_EVERY", 0.05)
    monkeypatch.setattr(postgres_bots, "PROBE_WITHIN", 2.0)

    async def twice(engine: PostgresBots) -> None:
        for _ in range(2):
            await engine.perform(
                lambda: iter_query("SELECT 1 FROM (SELECT pg_sleep(0.1)) AS slept"), Purpose.READ
            )

    async with running(postgres) as engine:
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(160):
                nursery.start_soon(twice, engine)
        assert trio.current_time() - began > 2 * postgres_bots.PROBE_WITHIN
        assert engine.statistics().reason == ""


async def given_up(engine: PostgresBots) -> None:
    """Call and give up after half a second."""
    with trio.move_on_after(0.5) as scope:
        await engine.store.life("b1")
    assert scope.cancelled_caught


async def requested_once(engine: PostgresBots) -> None:
    """Store a bot, unless it is there."""
    if await engine.store.life("b1") is None:
        await requested(engine.store, 1)


async def test_what_was_captured_while_the_server_was_dead_is_stored_when_it_is_back(
    server: PostgresServer, tmp_path: Path
) -> None:
    """In order and once; calls fail at once meanwhile, and the reason names the server and no password."""
    async with running(server.url) as engine:
        await requested_once(engine)
        writer = BotWriter(engine.store, Spool(tmp_path / "s.jsonl"))
        async with trio.open_nursery() as nursery:
            await nursery.start(writer.run)
            await writer.put(utterance(0))
            await writer.flush()
            server.kill()
            for number in range(1, 20):
                await writer.put(utterance(number))
            await writer.flush()
            with pytest.raises(ProblemError) as caught:
                await engine.store.life("b1")
            assert caught.value.code == "store_unavailable"
            began = trio.current_time()
            with pytest.raises(ProblemError):
                await engine.store.life("b1")
            assert trio.current_time() - began < postgres_connections.CONNECT_WITHIN
            assert f"127.0.0.1:{server.port}" in engine.statistics().reason
            assert "Start it" in engine.statistics().reason
            assert writer.statistics().spooled_bytes > 0
            await trio.to_thread.run_sync(server.start)
            with trio.fail_after(PATIENCE):
                await writer.put(utterance(20))
                await writer.drain()
            nursery.cancel_scope.cancel()
        found = await engine.store.utterances("s1", "whisper_service")
        assert [each.segment_index for each in found] == list(range(21))
        assert engine.statistics().reason == ""


async def test_a_server_that_is_away_at_the_start_is_used_once_it_is_there(server: PostgresServer) -> None:
    """The service starts without it."""
    server.kill()
    async with running(server.url) as engine:
        assert "PostgreSQL" in engine.statistics().reason
        with pytest.raises(ProblemError):
            await engine.store.lives()
        await trio.to_thread.run_sync(server.start)
        with trio.fail_after(PATIENCE):
            await healthy(engine)
        await engine.store.lives()


async def test_an_ended_connection_costs_one_call_at_most(postgres: str) -> None:
    """An operator ends all of them; within a probe's time calls succeed again."""
    async with running(postgres) as engine:
        await engine.store.lives()
        await ask(
            postgres,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        with trio.fail_after(PATIENCE):
            while True:
                try:
                    await engine.store.lives()
                except ProblemError:
                    await trio.sleep(RETRY_EVERY / 10)
                else:
                    break
        await healthy(engine)


async def test_errors_of_statements_are_told_apart(postgres: str) -> None:
    """Data that does not fit is no shortage; a limit of the server is one; neither closes the store."""
    async with running(postgres) as engine:
        await ask(postgres, "TRUNCATE bot_sessions.lives, bot_sessions.sessions CASCADE")
        await requested(engine.store, 1)
        with pytest.raises(RefusedRecordError, match="confidence_score"):
            await engine.store.write([utterance(confidence_score=2.0)])
        with pytest.raises(RefusedRecordError):
            await engine.store.write([utterance(segment_index=2**40, start_time=0.0, end_time=1.0)])

        def limited() -> Script[None]:
            yield Query("SET LOCAL statement_timeout = 10")
            yield Query("SELECT pg_sleep(5)")

        with pytest.raises(ProblemError) as caught:
            await engine.perform(limited, Purpose.CHANGE)
        assert caught.value.code == "store_unavailable"
        with pytest.raises(ProblemError):
            await engine.perform(lambda: iter_query("SELECT nothing FROM nowhere"), Purpose.CHANGE)
        assert engine.statistics().reason == ""
        assert await engine.store.life("b1") is not None


async def test_a_deadlock_is_tried_again(postgres: str) -> None:
    """Two transactions that lock the same rows in opposite orders both succeed."""
    async with running(postgres) as engine:
        await ask(postgres, "TRUNCATE bot_sessions.lives, bot_sessions.sessions CASCADE")
        await requested(engine.store, 1, 2)

        def both(first: str, second: str) -> Script[None]:
            sql = "UPDATE bot_sessions.lives SET recoveries = recoveries + 1 WHERE bot_id = $1"
            yield Query("SET LOCAL deadlock_timeout = 20")
            yield Query(sql, (first,))
            yield Query("SELECT pg_sleep(0.2)")
            yield Query(sql, (second,))

        async def change(first: str, second: str) -> None:
            await engine.perform(lambda: both(first, second), Purpose.CHANGE)

        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(change, "b1", "b2")
                nursery.start_soon(change, "b2", "b1")
        assert engine.statistics().retries >= 1
        assert [each.recoveries for each in await engine.store.lives()] == [2, 2]


async def test_several_workers_migrate_an_empty_database_once(server: PostgresServer) -> None:
    """Whichever comes first; the others find it done."""
    await ask(server.url, "DROP SCHEMA IF EXISTS bot_sessions CASCADE")
    async with trio.open_nursery() as nursery:

        async def work() -> None:
            async with running(server.url) as engine:
                assert engine.statistics().reason == ""
                assert await engine.store.lives() == ()

        for _ in range(4):
            nursery.start_soon(work)
    rows = await ask(server.url, "SELECT version, name FROM bot_sessions.schema_migrations ORDER BY version")
    assert [tuple(row) for row in rows] == [(step.version, step.name) for step in migrations()]


async def test_a_schema_of_a_newer_version_is_not_used(server: PostgresServer) -> None:
    """The reason says so, and nothing is stored."""
    await ask(server.url, "DROP SCHEMA IF EXISTS bot_sessions CASCADE")
    async with running(server.url):
        pass
    await ask(server.url, "INSERT INTO bot_sessions.schema_migrations (version, name) VALUES (99, 'x')")
    async with running(server.url) as engine:
        assert "newer version" in engine.statistics().reason
        with pytest.raises(ProblemError):
            await engine.store.lives()
    await ask(server.url, "DELETE FROM bot_sessions.schema_migrations WHERE version = 99")


async def test_a_schema_that_was_dropped_is_made_again(server: PostgresServer) -> None:
    """Within a probe's time; meanwhile calls fail."""
    async with running(server.url) as engine:
        await ask(server.url, "DROP SCHEMA bot_sessions CASCADE")
        with pytest.raises(ProblemError):
            await engine.store.lives()
        engine._suspect.set()
        with trio.fail_after(PATIENCE):
            while True:
                try:
                    assert await engine.store.lives() == ()
                except ProblemError:
                    await trio.sleep(0.1)
                else:
                    break


async def test_a_server_that_accepts_no_writes_is_named(server: PostgresServer) -> None:
    """What is stored can be read; once it accepts writes again they succeed."""
    async with running(server.url) as engine:
        await requested_once(engine)
        await ask(server.url, "ALTER ROLE orch SET default_transaction_read_only = on")
        try:
            pool = engine._connections
            assert pool is not None
            await pool.expire()
            engine._suspect.set()
            with trio.fail_after(PATIENCE):
                while "accepts no writes" not in engine.statistics().reason:  # noqa: ASYNC110 - as above
                    await trio.sleep(0.05)
            assert await engine.store.life("b1") is not None
            with pytest.raises(ProblemError):
                await engine.store.request_leave("b1", now=1.0)
        finally:
            await ask(
                server.url,
                "SET default_transaction_read_only = off",
                "ALTER ROLE orch RESET default_transaction_read_only",
            )
        with trio.fail_after(PATIENCE):
            await healthy(engine)
        assert await engine.store.request_leave("b1", now=1.0) is not None


async def test_the_script_makes_the_schema_that_the_service_uses(server: PostgresServer) -> None:
    """Run by an administrator before, it leaves nothing to migrate."""
    script = ROOT / "scripts" / "bot-sessions-schema.sql"
    assert script.read_text(encoding="utf-8") == whole_script()
    await ask(server.url, "DROP SCHEMA IF EXISTS bot_sessions CASCADE")
    async with open_connections(server.url, 1) as pool:
        await pool.run(lambda connection: connection.execute(whole_script()))
    async with running(server.url) as engine:
        assert engine.statistics().reason == ""
        await requested(engine.store, 1)


async def test_both_engines_have_the_same_tables_columns_and_rules(postgres: str, tmp_path: Path) -> None:
    """Names, order, what may be null, and what refers to what with which effect."""
    async with running(postgres):
        columns = await ask(
            postgres,
            "SELECT table_name::text, column_name::text, is_nullable = 'NO' FROM information_schema.columns"
            " WHERE table_schema = 'bot_sessions' AND table_name <> 'schema_migrations'"
            " ORDER BY table_name, ordinal_position",
        )
        keys = await ask(
            postgres,
            "SELECT c.conrelid::regclass::text, a.attname::text, c.confrelid::regclass::text,"
            " c.confdeltype::text FROM pg_constraint c JOIN pg_attribute a"
            " ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] WHERE c.contype = 'f'",
        )
        types = await ask(
            postgres,
            "SELECT DISTINCT data_type::text FROM information_schema.columns"
            " WHERE table_schema = 'bot_sessions'",
        )
    assert "real" not in {row[0] for row in types}
    assert "timestamp without time zone" not in {row[0] for row in types}
    database = open_database(tmp_path / "s.sqlite3", sqlite_migrations("bot_schema"))
    listed = database.execute("SELECT name, type FROM sqlite_master WHERE name LIKE 'bot\\_%' ESCAPE '\\'")
    names = {name: kind for name, kind in listed if kind in ("table", "view")}
    own = [
        (name.removeprefix("bot_"), column, bool(required) or kind == "view")
        for name, kind in sorted(names.items())
        for _, column, _, required, *_ in database.execute(f"PRAGMA table_info({name})")
    ]
    views = {name.removeprefix("bot_") for name, kind in names.items() if kind == "view"}
    assert own == [(table, column, required or table in views) for table, column, required in columns]
    effects = {"CASCADE": "c", "SET NULL": "n", "NO ACTION": "a"}
    assert {
        (name.removeprefix("bot_"), row[3], row[2].removeprefix("bot_"), effects[row[6]])
        for name in names
        for row in database.execute(f"PRAGMA foreign_key_list({name})")
    } == {(a.removeprefix("bot_sessions."), b, c.removeprefix("bot_sessions."), d) for a, b, c, d in keys}
    database.close()
    assert (
        len(re.findall(r"CREATE TABLE", whole_script()))
        == sum(kind == "table" for kind in names.values()) + 1
    )


async def test_a_wrong_password_and_a_wrong_address_say_what_to_do(postgres: str) -> None:
    """And no reason has the password in it."""
    for address, words in (
        ("postgresql://orch:secretword@127.0.0.1:1/x", "Start it, or correct the address"),
        ("nonsense://user:secretword@host/x", "scheme"),
        (urlsplit(postgres)._replace(path="/nothere").geturl(), "does not exist. Correct the address"),
    ):
        async with running(address) as engine:
            assert words in engine.statistics().reason
            assert "secretword" not in engine.statistics().reason
            assert "secretword" not in repr(engine)

"""The file of bots: apart from that of the sessions, in its size and its faults; which engine is chosen."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
import trio

from orch.problems import ProblemError
from orch.settings import decode
from orch.settings.source import SettingsSource
from orch.settings.structs import Settings
from orch.stores.opening import open_stores
from orch.stores.postgres.bots import PostgresBots
from orch.stores.sqlite.bots import OPENED_AGAIN_AFTER, SqliteBots, beside
from orch.stores.sqlite.database import migrations, open_database
from orch.telemetry.names import bots as bot_names
from orch.telemetry.names import stores as store_names
from tests.fakes.bot_sessions import SqliteBotEngine, requested, session, utterance
from tests.fakes.hub import inline
from tests.fakes.readings import values


class Given(SettingsSource):
    """Settings that do not change."""

    def __init__(self, text: str, environ: Mapping[str, str] | None = None) -> None:
        decoded = decode(text, environ or {})
        assert decoded.faults == ()
        self.settings = decoded.settings

    @property
    def current(self) -> Settings:
        return self.settings


def test_bots_are_stored_beside_the_sessions_or_in_postgresql(tmp_path: Path) -> None:
    """In Redis, there is no store that its workers could share; the reason names the setting."""
    path = tmp_path / "s.sqlite3"
    stores = open_stores(Given(f"session_management: {{sqlite_path: '{path}'}}"))
    assert isinstance(stores.bot_engine, SqliteBots)
    assert stores.bot_engine.statistics().path == str(tmp_path / "s-bots.sqlite3")
    assert stores.bots is stores.bot_engine.store
    elsewhere = open_stores(Given(f"orchestration: {{bots: {{sqlite_path: '{path}', max_bytes: 20000000}}}}"))
    assert isinstance(elsewhere.bot_engine, SqliteBots)
    assert elsewhere.bot_engine.statistics().path == str(path)
    assert elsewhere.bot_engine.statistics().limit_bytes == 20_000_000
    url = "postgresql://user:secret@db.example:5433/bots"
    served = open_stores(Given(f"orchestration: {{bots: {{postgres_url: '{url}'}}}}"))
    assert isinstance(served.bot_engine, PostgresBots)
    assert "secret" not in served.bot_engine.status().reason
    shared = open_stores(Given("session_management: {persistence: redis}"))
    assert (shared.bot_engine, shared.bots) == (None, None)
    assert "orchestration.bots.postgres_url" in shared.without_bots


def test_one_file_for_both_is_refused() -> None:
    """Each store locks its file."""
    text = "session_management: {sqlite_path: var/s}\norchestration: {bots: {sqlite_path: ./var/s}}"
    (fault,) = decode(text, {}).faults
    assert fault.path == "orchestration.bots.sqlite_path"


async def test_a_full_file_begins_no_bot_and_those_that_run_go_on(tmp_path: Path) -> None:
    """Refused with what to do; what is captured, changed and deleted still works; with room, bots begin."""
    engine = SqliteBotEngine(tmp_path)
    async with engine.running() as store:
        await requested(store, 1)
        engine.most = 1
        with pytest.raises(ProblemError, match=r"orchestration\.bots\.max_bytes") as refused:
            await requested(store, 2)
        assert refused.value.code == "store_full"
        with pytest.raises(ProblemError):
            await store.create_session(session(3))
        assert (await store.write([utterance()])).stored == 1
        assert await store.place("w1", 5, now=1.0, until=9.0) is not None
        assert await store.life("b2") is None
        await store.delete_data("s1", now=2.0)
        engine.most = 2**30
        await requested(store, 2)


async def test_a_damaged_file_holds_up_nothing_and_is_opened_once_it_was_replaced(tmp_path: Path) -> None:
    """The branch starts; calls fail with the reason in the status; then all is well by itself."""
    path = tmp_path / "bots.sqlite3"
    path.write_bytes(b"not a database" * 1_000)
    bots = SqliteBots(path, most=lambda: 2**30, offload=inline)
    async with trio.open_nursery() as nursery:
        await nursery.start(bots.run)
        status = bots.status()
        assert status.state == "degraded"
        assert "damaged" in status.reason
        with pytest.raises(ProblemError) as refused:
            await bots.store.lives()
        assert refused.value.code == "store_unavailable"
        path.unlink()
        await trio.sleep(2 * OPENED_AGAIN_AFTER)
        assert bots.status().state == "healthy"
        await requested(bots.store, 1)
        assert values(bots.readings(), bot_names.BOT_STORE_HEALTHY) == {(): 1.0}
        assert values(bots.readings(), bot_names.BOT_STORE_BYTES)[()] > 0
        operations = values(bots.readings(), store_names.STORE_OPERATIONS)[("bots",)]
        assert operations >= 1
        assert values(bots.readings(), store_names.STORE_SECONDS)[("bots",)][0] == operations
        nursery.cancel_scope.cancel()


def test_a_file_of_sessions_loses_the_tables_of_bots_and_nothing_else(tmp_path: Path) -> None:
    """They were there in one version of the schema, empty."""
    path = tmp_path / "s.sqlite3"
    with closing(open_database(path, [step for step in migrations() if step.version < 12])) as old:
        old.executescript(
            "CREATE TABLE bot_lives (bot_id text); CREATE VIEW bot_session_overview AS SELECT 1 AS one;"
            "PRAGMA user_version = 12;"
        )
        before = _names(old)
    with closing(open_database(path, migrations())) as new:
        assert before - _names(new) == {"bot_lives", "bot_session_overview"}


def _names(database: sqlite3.Connection) -> set[str]:
    return {name for (name,) in database.execute("SELECT name FROM sqlite_master")}


def test_the_file_beside_has_the_other_s_ending() -> None:
    """So that what an operator excludes or backs up by its ending covers both."""
    assert beside(Path("var/sessions.sqlite3")) == Path("var/sessions-bots.sqlite3")

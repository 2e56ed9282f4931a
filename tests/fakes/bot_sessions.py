"""What the tests of bot sessions share: records, and the engines that store them."""

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import trio

from orch.stores.bot_records import (
    AudioFile,
    BotSession,
    Captured,
    Consent,
    Correlation,
    EvidenceFile,
    Life,
    NameRevision,
    Participant,
    SessionEvent,
    Translation,
    Utterance,
    WebhookDelivery,
)
from orch.stores.bot_scripts.lives import Change
from orch.stores.bot_store import BotStore
from orch.stores.sqlite.bots import SqliteBots
from tests.fakes.hub import inline

NOW = 1_764_444_000.25


def life(number: int = 1, **changes: Any) -> Life:
    """Return the life of a bot that waits for a place, in the order of the numbers."""
    fields: dict[str, Any] = {
        "bot_id": f"b{number}",
        "session_id": f"s{number}",
        "state": "requested",
        "since": NOW + number,
        "requested_at": NOW + number,
        "queued_at": NOW + number,
    }
    return Life(**(fields | changes))


def session(number: int = 1, **changes: Any) -> BotSession:
    """Return a session."""
    fields: dict[str, Any] = {
        "session_id": f"s{number}",
        "bot_id": f"b{number}",
        "status": "requested",
        "at": NOW,
    }
    return BotSession(**(fields | changes))


def utterance(segment: int = 0, text: str = "hello world", **changes: Any) -> Utterance:
    """Return an utterance of an own transcript, one a second."""
    fields: dict[str, Any] = {
        "session_id": "s1",
        "source_type": "whisper_service",
        "segment_index": segment,
        "transcript_text": text,
        "start_time": float(segment),
        "end_time": segment + 0.5,
        "at": NOW,
    }
    return Utterance(**(fields | changes))


def translation(segment: int = 0, text: str = "hola mundo", **changes: Any) -> Translation:
    """Return the translation of an utterance."""
    fields: dict[str, Any] = {
        "session_id": "s1",
        "source_transcript_id": utterance(segment).transcript_id,
        "translated_text": text,
        "target_language": "es",
        "start_time": float(segment),
        "end_time": segment + 0.5,
        "at": NOW,
    }
    return Translation(**(fields | changes))


def correlation(segment: int = 0, **changes: Any) -> Correlation:
    """Return whose words an utterance is."""
    fields: dict[str, Any] = {
        "session_id": "s1",
        "inhouse_transcript_id": utterance(segment).transcript_id,
        "word_start": 0,
        "word_end": 2,
        "correlation_confidence": 0.75,
        "correlation_type": "exact",
        "correlation_method": "words",
        "start_time": float(segment),
        "end_time": segment + 0.5,
        "at": NOW,
        "speaker_id": "ann",
        "speaker_name": "Ann",
    }
    return Correlation(**(fields | changes))


def audio_file(number: int = 0, **changes: Any) -> AudioFile:
    """Return a recorded file of ten seconds."""
    fields: dict[str, Any] = {
        "file_id": f"f{number}",
        "session_id": "s1",
        "file_path": f"/recordings/s1/{number}.flac",
        "file_name": f"{number}.flac",
        "file_size": 1000,
        "file_format": "flac",
        "duration_seconds": 10.0,
        "sample_rate": 16_000,
        "channels": 1,
        "chunk_start_time": 10.0 * number,
        "chunk_end_time": 10.0 * number + 10.0,
        "file_hash": "0" * 64,
        "at": NOW,
    }
    return AudioFile(**(fields | changes))


def one_of_each(text: str, session_id: str = "s1") -> tuple[Captured, ...]:
    """Return a record of each kind, with this text wherever a text of people can stand."""
    spoken = utterance(
        0,
        text,
        session_id=session_id,
        speaker_name=text,
        audio_file_id=f"{session_id}-f",
        processing_metadata={text: [text]},
    )
    own = spoken.transcript_id
    caption = utterance(1, text, session_id=session_id, source_type="google_meet")
    return (
        audio_file(
            0,
            file_id=f"{session_id}-f",
            session_id=session_id,
            file_path=f"/recordings/{session_id}/0.flac",
            metadata={"title": text},
        ),
        spoken,
        caption,
        translation(0, text, session_id=session_id, source_transcript_id=own, speaker_name=text),
        correlation(
            0,
            session_id=session_id,
            inhouse_transcript_id=own,
            google_transcript_id=caption.transcript_id,
            speaker_name=text,
            timing_offset=0.25,
            correlation_metadata={"words": [text]},
        ),
        NameRevision(
            revision_id=f"{session_id}-n",
            session_id=session_id,
            transcript_id=own,
            word_start=0,
            word_end=1,
            method="words",
            was_shown=True,
            at=NOW,
            new_speaker_id="ann",
            new_speaker_name=text,
        ),
        Participant(
            participant_id=f"{session_id}-p",
            session_id=session_id,
            display_name=text,
            at=NOW,
            join_time=NOW,
            total_speaking_time=1.5,
        ),
        SessionEvent(
            event_id=f"{session_id}-e",
            session_id=session_id,
            event_type="chat",
            at=NOW,
            source_component="adapter",
            event_data={"text": text},
        ),
        Consent(
            consent_id=f"{session_id}-c",
            session_id=session_id,
            action="announced",
            at=NOW,
            statement=text,
        ),
        EvidenceFile(
            file_id=f"{session_id}-v",
            session_id=session_id,
            kind="screenshot",
            file_path=f"/evidence/{session_id}.png",
            file_size=10,
            file_hash="1" * 64,
            at=NOW,
        ),
    )


def webhook(number: int = 1, **changes: Any) -> WebhookDelivery:
    """Return a webhook that is due."""
    fields: dict[str, Any] = {
        "delivery_id": f"d{number}",
        "message_id": f"m{number}",
        "bot_id": "b1",
        "endpoint_id": "e1",
        "sequence": number,
        "trigger": "bot.state_change",
        "body": b'{"number": %d}' % number,
        "at": NOW + number,
        "due_at": NOW + number,
    }
    return WebhookDelivery(**(fields | changes))


async def requested(store: BotStore, *numbers: int) -> None:
    """Store bots that wait for a place, with their sessions."""
    for number in numbers:
        _, is_new = await store.request(Change(life(number)), session(number))
        assert is_new


class BotEngine(Protocol):
    """An engine that is run for a test."""

    name: str

    def running(self) -> AbstractAsyncContextManager[BotStore]:
        """Run a store on this engine's data, as a worker has it; several may run at a time."""

    async def contents(self) -> list[str]:
        """Return every value in every table, as text."""


class SqliteBotEngine:
    """A file in a folder; the thread's work is done in place, on a virtual clock.

    One process uses a file, so those that run at the same time are the same store.
    """

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store.sqlite3"
        self.most = 2**40
        self.store = self._opened()
        self._running = 0

    def _opened(self) -> SqliteBots:
        return SqliteBots(self.path, most=lambda: self.most, offload=inline)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[BotStore]:
        """Run the store."""
        async with trio.open_nursery() as nursery:
            if not self._running:
                self.store = self._opened()
                await nursery.start(self.store.run)
            self._running += 1
            yield self.store.store
            self._running -= 1
            nursery.cancel_scope.cancel()

    async def contents(self) -> list[str]:
        """Return every value in every table, as text."""

        def read(database: Any) -> list[str]:
            tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            return [
                str(value)
                for (name,) in tables
                for row in database.execute(f'SELECT * FROM "{name}"')  # noqa: S608 - names of tables
                for value in row
            ]

        return await self.store.file.execute(read)


_EMPTY = """
DELETE FROM bot_sessions.lives;
DELETE FROM bot_sessions.sessions;
DELETE FROM bot_sessions.deleted_sessions;
DELETE FROM bot_sessions.files_to_delete;
DELETE FROM bot_sessions.webhook_endpoints;
DELETE FROM bot_sessions.webhook_deliveries;
DELETE FROM bot_sessions.webhook_subscriptions;
"""


class PostgresBotEngine:
    """A real server, and real time; the schema is empty at first."""

    name = "postgres"

    def __init__(self, address: str) -> None:
        self.address = address
        self._is_emptied = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[BotStore]:
        """Run a store, as one of several workers has it."""
        from orch.stores.postgres.bots import PostgresBots

        engine = PostgresBots(self.address, size=4)
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run)
            assert engine.statistics().reason == ""
            if not self._is_emptied:
                pool = engine._connections
                assert pool is not None
                await pool.run(lambda connection: connection.execute(_EMPTY))
                self._is_emptied = True
            yield engine.store
            nursery.cancel_scope.cancel()

    async def _ask(self, *statements: str) -> list[Any]:
        """Run statements on a connection of its own; return the rows of the last one."""
        from orch.stores.postgres.connections import open_connections

        async def job(connection: Any) -> list[Any]:
            rows: list[Any] = []
            for statement in statements:
                rows = await connection.fetch(statement)
            return rows

        async with open_connections(self.address, 1) as connections:
            return await connections.run(job)

    async def contents(self) -> list[str]:
        """Return every value in every table, as text."""
        tables = await self._ask(
            "SELECT table_name FROM information_schema.tables"
            " WHERE table_schema = 'bot_sessions' AND table_type = 'BASE TABLE'"
        )
        reading = "SELECT row_to_json(t)::text FROM bot_sessions.{} t"
        whole = " UNION ALL ".join(reading.format(name) for (name,) in tables)
        bodies = "SELECT convert_from(body, 'UTF8') FROM bot_sessions.webhook_deliveries"
        responses = "SELECT convert_from(response, 'UTF8') FROM bot_sessions.webhook_attempts"
        rows = await self._ask(f"{whole} UNION ALL {bodies} UNION ALL {responses}")
        values: list[str] = []
        for (text,) in rows:
            found = json.loads(text) if text.startswith("{") else {"": text}
            values += [str(value) for value in found.values()]
        return values

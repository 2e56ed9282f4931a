"""Deleting what was said, on request and after the days for which it is stored: on every engine."""

import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from orch.stores.bot_records import Captured, Prunable, SessionEvent, WebhookAttempt, Written
from orch.stores.bot_scripts.lives import Change
from orch.stores.bot_scripts.webhooks import Outcome
from orch.stores.sqlite import open_file
from orch.stores.sqlite.scrub import scrub
from tests.fakes.bot_sessions import (
    NOW,
    BotEngine,
    SqliteBotEngine,
    life,
    one_of_each,
    requested,
    session,
    translation,
    utterance,
    webhook,
)

MARKER = "zanzibarmarker"
KEPT = "keptword"


async def test_deleted_data_is_in_no_table(engine: BotEngine) -> None:
    """Of no kind: the record of the bot stays, without what was entered for it; other sessions stay whole."""
    async with engine.running() as store:
        await requested(store, 2)
        await store.write(one_of_each(KEPT, "s2"))
        new = life(name=MARKER, meeting_url=MARKER, settings={"a": MARKER}, metadata={MARKER: 1})
        event = SessionEvent(
            event_id="e", session_id="s1", event_type=MARKER, at=NOW, source_component="bots"
        )
        waiting = webhook(body=MARKER.encode())
        await store.request(Change(new, [event], [waiting]), session(meeting_title=MARKER))
        await store.write(one_of_each(MARKER))
        (claimed,) = await store.claim_webhooks(5, now=NOW + 5, until=NOW + 9)
        attempt = WebhookAttempt(
            delivery_id=claimed.delivery_id,
            number=1,
            at=NOW,
            duration=1,
            response=MARKER.encode(),
            reason=MARKER,
        )
        await store.record_attempt(attempt, Outcome(state="pending", due_at=NOW + 20))
        await store.compute_statistics("s1", now=NOW, quality={MARKER: 1})
        assert sum(MARKER in each for each in await engine.contents()) > 20

        current = await store.life("b1")
        assert current is not None
        deleted = Change(replace(current, state="data_deleted"), webhooks=[webhook(2)])
        after = await store.delete_data("s1", now=NOW + 5, change=deleted)
        assert after is not None
        assert (after.state, after.data_deleted_at, after.settings) == ("data_deleted", NOW + 5, {})
        contents = await engine.contents()
        assert [each for each in contents if MARKER in each] == []
        assert sum(KEPT in each for each in contents) > 10
        assert [each.delivery_id for each in await store.webhook_deliveries("b1")] == ["d2"]
        assert await store.session("s1") is None


async def test_what_comes_late_is_refused(engine: BotEngine) -> None:
    """Utterances, webhooks, a session of the same name: none is stored, and deleting again is no error."""
    async with engine.running() as store:
        await requested(store, 1)
        await store.delete_data("s1", now=NOW)
        assert await store.write([utterance(0, MARKER)]) == Written(0, frozenset({"s1"}))
        assert not await store.create_session(session(meeting_title=MARKER))
        assert not await store.update_session(session(meeting_title=MARKER))
        assert await store.enqueue([webhook(body=MARKER.encode())]) == 0
        assert await store.compute_statistics("s1", now=NOW) is None
        late = await store.life("b1")
        assert late is not None
        event = SessionEvent(
            event_id="e", session_id="s1", event_type=MARKER, at=NOW, source_component="bots"
        )
        assert await store.advance(Change(replace(late, state="ended"), [event]), owner=None) is not None
        again = await store.delete_data("s1", now=NOW + 9)
        assert again is not None
        assert again.data_deleted_at == NOW
        assert await store.delete_data("never", now=NOW) is None
        assert not await store.create_session(session(3, session_id="never"))
        assert [each for each in await engine.contents() if MARKER in each] == []


async def test_paths_of_deleted_files_are_stored_until_they_are_gone(engine: BotEngine) -> None:
    """So that a process that is killed in between leaves none on the disk."""
    async with engine.running() as store:
        await requested(store, 1)
        await store.write(one_of_each("x"))
        await store.delete_data("s1", now=NOW)
        paths = await store.files_to_delete()
        assert sorted(paths) == ["/evidence/s1.png", "/recordings/s1/0.flac"]
        await store.files_deleted(paths[:1])
        assert await store.files_to_delete() == paths[1:]
        await store.files_deleted(paths)
        await store.files_deleted([])
        assert await store.files_to_delete() == ()


async def test_the_files_of_ended_bots_are_found_by_their_sessions(engine: BotEngine) -> None:
    """Not those of bots that run, that ended later, or that are not known."""
    async with engine.running() as store:
        await requested(store, 1, 2, 3, 4)
        for number in (1, 2, 3):
            await store.write(one_of_each("x", f"s{number}"))
        for number, at in ((1, NOW), (2, NOW + 50), (4, NOW)):
            found = await store.life(f"b{number}")
            assert found is not None
            await store.advance(Change(replace(found, state="ended", ended_at=at)), owner=None)
        named = await store.files_of_ended(["s1", "s2", "s3", "s4", "s5"], before=NOW + 10)
        assert {session: sorted(paths) for session, paths in named.items()} == {
            "s1": ["/evidence/s1.png", "/recordings/s1/0.flac"],
            "s4": [],
        }
        assert await store.files_of_ended([], before=NOW) == {}


async def test_each_kind_is_pruned_by_itself(engine: BotEngine) -> None:
    """Audio and evidence go with their files, transcripts without the session, sessions with everything."""
    async with engine.running() as store:
        await requested(store, 1, 2, 3)
        for number in (1, 2):
            await store.write(one_of_each("x", f"s{number}"))
            found = await store.life(f"b{number}")
            assert found is not None
            ended = replace(found, state="ended", ended_at=NOW + 100 * number, since=NOW)
            message = webhook(number, bot_id=f"b{number}", state="failed", due_at=None)
            await store.advance(Change(ended, webhooks=[message]), owner=None)
        young, old = NOW - 1, NOW + 150
        for kind in Prunable:
            assert await store.prune(kind, before=young, now=old) == 0
        assert await store.prune(Prunable.AUDIO, before=old, now=old, limit=1) == 1
        assert await store.prune(Prunable.AUDIO, before=old, now=old) == 1
        assert await store.prune(Prunable.EVIDENCE, before=old, now=old) == 2
        assert len(await store.files_to_delete()) == 4
        assert await store.prune(Prunable.TRANSCRIPT, before=old, now=old) == 1
        assert await store.utterances("s1", "whisper_service") == ()
        assert await store.translations("s1", "es") == ()
        assert await store.correlations("s1") == ()
        assert len(await store.participants("s1")) == 1
        assert len(await store.utterances("s2", "whisper_service")) == 1
        assert await store.prune(Prunable.DELIVERY, before=old, now=old) == 2
        assert await store.prune(Prunable.SESSION, before=old, now=old) == 1
        assert await store.life("b1") is None
        assert await store.session("s1") is None
        assert await store.life("b2") is not None
        assert await store.life("b3") is not None
        assert await store.prune(Prunable.TRANSCRIPT, before=old, now=old) == 0


async def test_no_byte_of_what_was_said_is_in_the_files_of_sqlite(tmp_path: Path) -> None:
    """Not in free pages, not between rows, not in the log: also of what had been revised and moved before.

    Of these changes, overwriting deleted rows with zeros alone leaves copies in the file (SQLite 3.40).
    """
    draw = Random(0)
    engine = SqliteBotEngine(tmp_path)
    async with engine.running() as store:
        await requested(store, 1, 2, 3)
        for _ in range(8):
            batch: list[Captured] = []
            for _ in range(150):
                segment, name = draw.randrange(120), draw.choice(["s1", "s2", "s3"])
                text = (MARKER if name == "s1" else KEPT) * draw.choice([1, 3, 10, 50, 120, 280, 400, 1500])
                spoken = utterance(segment, text, session_id=name, revision=draw.randrange(1, 6))
                batch.append(spoken)
                if draw.random() < 0.5:
                    batch.append(
                        translation(
                            segment,
                            text[: draw.randrange(1, len(text) + 1)],
                            session_id=name,
                            source_transcript_id=spoken.transcript_id,
                            revision=draw.randrange(1, 6),
                        )
                    )
            await store.write(batch)
        await store.write(one_of_each(MARKER))
        assert sum(MARKER.encode() in each.read_bytes() for each in tmp_path.iterdir()) > 0
        kept = await store.utterances("s2", "whisper_service")
        await store.delete_data("s1", now=NOW)
        assert [each.name for each in tmp_path.iterdir() if MARKER.encode() in each.read_bytes()] == []
        assert await store.utterances("s2", "whisper_service") == kept
        check = await engine.store.file.execute(lambda d: d.execute("PRAGMA integrity_check").fetchall())
        assert check == [("ok",)]
    assert [each.name for each in tmp_path.iterdir() if MARKER.encode() in each.read_bytes()] == []
    assert KEPT.encode() in engine.path.read_bytes()


async def test_a_file_without_pointer_maps_is_rewritten(tmp_path: Path) -> None:
    """One of an old version that could not be converted; nothing of what was said is left in it either."""
    engine = SqliteBotEngine(tmp_path)
    with closing(sqlite3.connect(engine.path, isolation_level=None)) as database:
        database.execute("PRAGMA auto_vacuum = NONE")
        database.execute("CREATE TABLE old (text)")
        database.execute("INSERT INTO old VALUES (zeroblob(2000))")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(open_file, "use_incremental_vacuum", lambda *_: False)
        async with engine.running() as store:
            await requested(store, 1)
            await store.write([utterance(each, MARKER * 50) for each in range(50)])
            assert not scrub(engine.path)
            await store.delete_data("s1", now=NOW)
            assert [each.name for each in tmp_path.iterdir() if MARKER.encode() in each.read_bytes()] == []

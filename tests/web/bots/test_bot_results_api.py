"""What bots captured, through the API, from a real store."""

from pathlib import Path
from typing import Any

import pytest

from orch.stores.bot_records import Consent, NameRevision, SessionEvent
from orch.stores.bot_store import BotStore
from tests.fakes.bot_sessions import NOW, correlation, requested, session, translation, utterance
from tests.fakes.bots_api import BotsApi, bots_api

pytestmark = pytest.mark.real_time


def words(text: str, start: float) -> dict[str, Any]:
    spoken = [
        [word, start + 0.1 * number, start + 0.1 * number + 0.1] for number, word in enumerate(text.split())
    ]
    return {"segment": f"1-{start:g}", "words": spoken}


async def meeting(store: BotStore, lines: int = 5) -> None:
    """Store a session: a line a second, the second one by two speakers, all translated."""
    await requested(store, 1)
    await store.update_session(session(start_time=NOW, meeting_title="Weekly <plans>"))
    for number in range(lines):
        text = f"line {number}"
        await store.write([
            utterance(number, text, speaker_name="Ann", speaker_id="ann", language_code="en",
                      processing_metadata=words(text, float(number))),
            translation(number, f"línea {number}", source_language="en"),
        ])  # fmt: skip
        parts = [("Ann", 0, 1), ("Bob", 1, 2)] if number == 1 else [("Ann", 0, 2)]
        await store.write([
            correlation(number, part=part, word_start=first, word_end=end, speaker_name=name)
            for part, (name, first, end) in enumerate(parts)
        ])  # fmt: skip


def event(number: int, kind: str = "state", subtype: str | None = "joining", **data: Any) -> SessionEvent:
    return SessionEvent(
        event_id=f"e{number}",
        session_id="s1",
        event_type=kind,
        event_subtype=subtype,
        at=NOW + number,
        source_component="bots",
        event_data=data,
    )


async def test_a_transcript_is_read_page_by_page(tmp_path: Path) -> None:
    """With whose words are whose, and the translations that were asked for."""
    async with bots_api(tmp_path) as (api, _, store):
        await meeting(store)
        path = "/api/bots/b1/transcript?limit=2&languages=es,de"
        status, page = await api.json("GET", path)
        assert (status, page["session_id"], page["started"], page["next"]) == (200, "s1", NOW, 1)
        first, second = page["lines"]
        assert (first["text"], first["segment"], first["speaker"], first["start"]) == (
            "line 0",
            "1-0",
            "Ann",
            0.0,
        )
        assert [word["text"] for word in first["words"]] == ["line", "0"]
        assert first["translations"] == {"es": "línea 0"}
        assert [(part["speaker"], part["first"], part["end"]) for part in second["parts"]] == [
            ("Ann", 0, 1),
            ("Bob", 1, 2),
        ]
        _, rest = await api.json("GET", f"{path}&after={page['next']}")
        assert [line["index"] for line in rest["lines"]] == [2, 3]
        _, last = await api.json("GET", f"{path}&after={rest['next']}")
        assert ([line["index"] for line in last["lines"]], last["next"]) == ([4], None)
        assert (await api.json("GET", "/api/bots/b1/transcript?source=captions"))[1]["lines"] == []


async def test_a_transcript_is_a_file_with_the_right_times(tmp_path: Path) -> None:
    """A line for each speaker; translations are of whole utterances."""
    srt, vtt, txt = "application/x-subrip", "text/vtt", "text/plain"
    async with bots_api(tmp_path) as (api, _, store):
        await meeting(store)
        for query, kind, expected in (
            ("format=srt", srt, "00:00:01,000 --> 00:00:01,100\nAnn: line\n"),
            ("format=vtt", vtt, "<v Bob>1</v>"),
            ("format=txt", txt, "[00:00:04] Ann: line 4\n"),
            ("format=srt&languages=es&original=false", srt, "Ann: línea 1\n"),
            ("format=txt&languages=es", txt, "line 1\n    línea 1\n"),
        ):
            response = await api.ask("GET", f"/api/bots/b1/transcript?{query}")
            content = await response.get_data(as_text=True)
            assert (response.status_code, response.headers["Content-Type"]) == (200, f"{kind}; charset=utf-8")
            assert response.headers["X-Transcript-Complete"] == "true"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Content-Disposition"].startswith('attachment; filename="bot-b1.')
            assert int(response.headers["Content-Length"]) == len(content.encode())
            assert expected in content


async def test_a_wrong_query_is_refused(tmp_path: Path) -> None:
    """With the path of the field."""
    async with bots_api(tmp_path) as (api, _, store):
        await requested(store, 1)
        for query in (
            "format=pdf",
            "limit=0",
            "limit=501",
            "after=-2",
            "languages=a;b",
            "source=x",
            "x=1",
            "after=x",
        ):
            status, problem = await api.json("GET", f"/api/bots/b1/transcript?{query}")
            assert (status, problem["code"]) == (400, "invalid_request"), query
            assert problem["path"]


async def test_translations_are_read_page_by_page(tmp_path: Path) -> None:
    """Those of one language, each once, with the index of its line."""
    async with bots_api(tmp_path) as (api, _, store):
        await meeting(store)
        seen, after = [], ""
        while True:
            _, page = await api.json("GET", f"/api/bots/b1/translations?language=es&limit=2&after={after}")
            seen += [(line["index"], line["text"]) for line in page["lines"]]
            if page["next"] is None:
                break
            after = page["next"]
        assert seen == [(number, f"línea {number}") for number in range(5)]
        assert (await api.json("GET", "/api/bots/b1/translations?language=fr"))[1]["lines"] == []
        assert (await api.json("GET", "/api/bots/b1/translations"))[0] == 400
        assert (await api.json("GET", "/api/bots/b1/translations?language=es&after=zzz"))[0] == 400


async def test_the_timeline_is_made_of_the_events(tmp_path: Path) -> None:
    """Of all of them, whatever else happened."""
    async with bots_api(tmp_path) as (api, _, store):
        await meeting(store, 0)
        who = {"speaker_id": "ann", "name": "Ann"}
        await store.write(
            [event(1, "participant", "join", **who), event(2, "participant", "speech_on", **who)]
        )
        await store.write([event(3), event(4, "participant", "speech_off", **who)])
        _, found = await api.json("GET", "/api/bots/b1/timeline")
        assert (found["started"], found["is_complete"]) == (NOW, True)
        assert found["speakers"] == [
            {
                "id": "ann",
                "name": "Ann",
                "seconds": 2.0,
                "present": [[1.0, None]],
                "spoke": [[2.0, 4.0]],
                "presented": [],
            }
        ]


async def test_names_and_their_audit_are_read(tmp_path: Path) -> None:
    """As they are now, each change of a name, and how good they are."""
    async with bots_api(tmp_path) as (api, _, store):
        await meeting(store)
        for number in range(3):
            await store.write([NameRevision(
                revision_id=f"r{number}", session_id="s1", transcript_id="s1/whisper_service/1", word_start=0,
                word_end=1, method="engine: surer", was_shown=True, at=NOW + number, old_speaker_name="Bob",
                new_speaker_name="Ann", new_confidence=0.97,
            )])  # fmt: skip
        _, page = await api.json("GET", "/api/bots/b1/correlations?limit=4")
        assert [(each["index"], each["first"], each["speaker"]) for each in page["names"]] == [
            (0, 0, "Ann"), (1, 0, "Ann"), (1, 1, "Bob"), (2, 0, "Ann"),
        ]  # fmt: skip
        assert (page["quality"]["words"], page["quality"]["words_named"]) == (10, 10)
        _, page = await api.json("GET", f"/api/bots/b1/correlations?limit=4&after={page['next']}")
        assert ([each["index"] for each in page["names"]], page["next"]) == ([3, 4], None)
        _, page = await api.json("GET", "/api/bots/b1/correlations?list=revisions&limit=2")
        assert [(each["old_speaker"], each["new_speaker"], each["at"]) for each in page["revisions"]] == [
            ("Bob", "Ann", NOW), ("Bob", "Ann", NOW + 1),
        ]  # fmt: skip
        _, page = await api.json(
            "GET", f"/api/bots/b1/correlations?list=revisions&limit=2&after={page['next']}"
        )
        assert ([each["at"] for each in page["revisions"]], page["next"]) == ([NOW + 2], None)
        assert (await api.json("GET", "/api/bots/b1/correlations?after=zz"))[0] == 400


async def pages_of_events(api: BotsApi, query: str) -> list[str]:
    """Return the ids of all events, over all pages."""
    seen: list[str] = []
    after = ""
    for _ in range(20):
        status, page = await api.json("GET", f"/api/bots/b1/events?{query}&after={after}")
        assert status == 200
        seen += [each["event_id"] for each in page["events"]]
        if page["next"] is None:
            return seen
        after = page["next"]
    raise AssertionError(seen)


async def test_events_are_read_in_both_orders_and_by_type(tmp_path: Path) -> None:
    """Each once; the consent log comes with the first page."""
    async with bots_api(tmp_path) as (api, _, store):
        await requested(store, 1)
        await store.write([event(number, "chat" if number % 3 == 0 else "state") for number in range(7)])
        await store.write(
            [Consent(consent_id="c", session_id="s1", action="announced", at=NOW, statement="Hello")]
        )
        newest = [f"e{number}" for number in range(6, -1, -1)]
        assert await pages_of_events(api, "limit=2") == newest
        assert await pages_of_events(api, "limit=3&order=oldest") == newest[::-1]
        assert await pages_of_events(api, "limit=1&type=chat") == ["e6", "e3", "e0"]
        assert await pages_of_events(api, "limit=2&type=chat&order=oldest") == ["e0", "e3", "e6"]
        assert await pages_of_events(api, "type=none") == []
        _, page = await api.json("GET", "/api/bots/b1/events?limit=2")
        assert page["consents"][0]["statement"] == "Hello"
        _, page = await api.json("GET", f"/api/bots/b1/events?limit=2&after={page['next']}")
        assert page["consents"] == []


async def test_what_was_deleted_is_gone(tmp_path: Path) -> None:
    """410, not an empty list: the meeting had a transcript."""
    async with bots_api(tmp_path) as (api, _, store):
        await meeting(store)
        await store.delete_data("s1", now=NOW)
        for path in (
            "transcript",
            "translations?language=es",
            "timeline",
            "correlations",
            "events",
            "recording",
            "evidence",
        ):
            status, problem = await api.json("GET", f"/api/bots/b1/{path}")
            assert (status, problem["code"]) == (410, "bot_data_deleted"), path


async def test_without_a_store_the_reason_is_said(tmp_path: Path) -> None:
    """Several workers without PostgreSQL, for instance."""
    async with bots_api(tmp_path) as (_, bots, _store):
        api = BotsApi(tmp_path, bots, None)
        status, problem = await api.json("GET", "/api/bots/b1/transcript")
        assert (status, problem["code"], problem["detail"]) == (503, "bots_off", "Bots cannot be stored.")

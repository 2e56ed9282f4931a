"""What all sessions together may take in the store: who makes room, who is refused, who goes on."""

import json
from pathlib import Path
from typing import Any

import pytest
import trio

from orch.problems import ProblemError
from orch.protocol.messages import Transcript
from orch.websocket.sessions.storage_quota import StorageQuota
from tests.fakes.hub import Hub, running_hub

MOST = 2 * 2**20
LIMITED = {"session_management": {"max_bytes": MOST}}


def caption(text: str) -> Transcript:
    return Transcript(
        timestamp=0,
        session_id="s",
        segment_id="x.1",
        revision=1,
        final=True,
        text=text,
        language="en",
        confidence=None,
        start=0.0,
        end=1.0,
        stream_started=0,
    )


async def fill(client: Any, session_id: str, size: int) -> list[str]:
    """Broadcast so many bytes in parts; return how each part was answered."""
    found = []
    for number in range(-(-size // 50_000)):
        answer = {"type": "broadcast", "session_id": session_id, "id": number, "data": "x" * 50_000}
        client.say(answer)
        while (heard := await client.hear()).get("id") != number:
            pass
        found.append(str(heard.get("code", "sent")))
    return found


async def there(hub: Hub) -> set[str]:
    return {each.session_id for each in await hub.service.list_sessions()}


async def test_when_space_is_tight_the_oldest_sessions_that_nobody_is_in_end(tmp_path: Path) -> None:
    """So much that a fifth is free again, and no more; a session with someone in it stays."""
    async with running_hub(tmp_path, **LIMITED) as hub, hub.connected() as ann:
        for number in range(6):
            async with hub.connected() as client:
                await client.ask({"type": "create_session", "session_id": f"s{number}"}, "session_created")
                await fill(client, f"s{number}", 250_000)
            await trio.sleep(1)
        await ann.ask({"type": "create_session", "session_id": "kept"}, "session_created")
        await trio.sleep(70)
        assert len(await there(hub)) == 7
        await fill(ann, "kept", 400_000)
        await trio.sleep(2)
        left = await there(hub)
        assert "kept" in left
        assert {"s3", "s4", "s5"} <= left
        assert "s0" not in left
        said = [event.text for event in hub.events.latest(20)]
        assert any("were ended early" in text for text in said)


async def test_when_all_is_taken_clients_are_refused_and_captions_go_on(tmp_path: Path) -> None:
    """No new session, no broadcast, no recording; each is told why, what it means and what helps."""
    async with running_hub(tmp_path, **LIMITED) as hub, hub.connected() as ann:
        for name in ("s", "t", "u"):
            await ann.ask({"type": "create_session", "session_id": name}, "session_created")
        answers = [code for name in ("s", "t", "u") for code in await fill(ann, name, 900_000)]
        assert set(answers) == {"sent", "store_full"}
        assert answers.index("store_full") > 30
        assert set(answers[answers.index("store_full") :]) == {"store_full"}
        with pytest.raises(ProblemError) as caught:
            await hub.service.create_session("another")
        assert (caught.value.code, caught.value.status) == ("store_full", 507)
        for words in ("2 MiB", "session_management.max_bytes", "End sessions"):
            assert words in caught.value.detail
        ann.say({"type": "broadcast", "session_id": "s", "data": 1, "id": "told"})
        while (told := await ann.hear()).get("id") != "told":
            pass
        assert "Captions continue. Try again later" in told["detail"]
        assert "session_management" not in told["detail"]
        offset = await hub.service.publish("s", caption("still written down"))
        kept = (await hub.service.messages("s")).messages
        assert json.loads(bytes(kept[-1]))["offset"] == offset
        async with hub.connected() as late:
            joined = await late.ask({"type": "join_session", "session_id": "s"}, "session_joined")
            assert joined["offset"] == offset
        await trio.sleep(2)
        full = "The storage limit for sessions has been reached"
        assert any(full in event.text for event in hub.events.latest(20))
        await hub.service.end_session("t")
        await trio.sleep(2)
        assert await fill(ann, "s", 50_000) == ["sent"]


async def test_nobody_joins_where_far_more_is_taken_than_may_be(tmp_path: Path) -> None:
    """Those who are there stay; the rest of the room is for what they say."""
    async with running_hub(tmp_path, **LIMITED) as hub, hub.connected() as ann, hub.connected() as bob:
        await ann.ask({"type": "create_session", "session_id": "s"}, "session_created")
        hub.service.storage.add_written(int(MOST * 1.1))
        joining = {"type": "join_session", "session_id": "s"}
        async with hub.connected() as late:
            assert (await late.ask(joining, "session_joined"))["type"] == "session_joined"
        hub.service.storage.add_written(int(MOST * 0.2))
        assert (await bob.ask(joining, "error"))["code"] == "store_full"


def test_what_is_written_counts_before_the_store_was_looked_at() -> None:
    """So that nobody is faster than the next look."""
    space = StorageQuota(lambda: 1000)
    space.set_measured(600)
    space.add_written(250)
    space.require("This")
    assert (space.used, space.is_nearly_full) == (850, False)
    space.add_written(150)
    assert (space.used, space.is_nearly_full) == (1000, True)
    with pytest.raises(ProblemError):
        space.require("This")
    assert [space.surplus(sessions) for sessions in (1, 10, 100)] == [1, 2, 20]
    space.set_measured(700)
    assert (space.used, space.has_room) == (700, True)

"""What anyone may send removes nothing of what was said: one process, and two on one Redis."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from orch.protocol.messages import ParticipantRenamed, SessionMessage, Transcript, Translation
from orch.speech.exports import Choice
from orch.stores.redis.store import RedisStore
from orch.web.transcripts import Transcripts
from tests.fakes.asgi import FakeSocket
from tests.fakes.hub import Hub, running_hub
from tests.fakes.redis import redis_server

Hubs = Callable[..., AbstractAsyncContextManager[tuple[Hub, Hub]]]

#: Nearly the largest frame there may be.
LARGE = 1_000_000


@asynccontextmanager
async def one_process(folder: Path, **settings: Any) -> AsyncIterator[tuple[Hub, Hub]]:
    """Run one hub on a file."""
    async with running_hub(folder, **settings) as hub:
        yield hub, hub


@asynccontextmanager
async def two_workers(folder: Path, **settings: Any) -> AsyncIterator[tuple[Hub, Hub]]:
    """Run two hubs on a server."""
    with redis_server(folder / "redis") as server:
        async with (
            running_hub(folder, None, RedisStore(server.url), **settings) as a,
            running_hub(folder, None, RedisStore(server.url), **settings) as b,
        ):
            yield a, b


@pytest.fixture(params=[one_process, two_workers])
def hubs(request: pytest.FixtureRequest) -> Hubs:
    """Return each way to run the service."""
    found: Hubs = request.param
    return found


async def until_here(hub: Hub, offset: int) -> None:
    """Wait until a worker has heard of what another has stored."""
    async with hub.service._sessions.open("s") as session:
        await hub.service._sessions.reach(session, offset)


async def speak(hub: Hub, *numbers: int, participant_id: str = "ann", size: int = 0) -> int:
    """Publish captions, each with a translation, as the speech pipeline does; return the newest offset."""
    offset = 0
    for number in numbers:
        await hub.service._sessions.publish("s", said(number, participant_id, size))
        translated = Translation(
            timestamp=0,
            session_id="s",
            segment_id=f"stream-{number}",
            revision=1,
            target_language="de",
            text=f"Zeile {number}",
            confidence=None,
        )
        offset = await hub.service._sessions.publish("s", translated, speaker=participant_id)
    return offset


def said(number: int, participant_id: str, size: int = 0) -> Transcript:
    """Return a caption."""
    return Transcript(
        timestamp=0,
        session_id="s",
        segment_id=f"stream-{number}",
        revision=1,
        final=True,
        text=f"line {number} " + "x" * size,
        language="en",
        confidence=None,
        start=number,
        end=number + 1,
        stream_started=1_700_000_000_000,
        participant_id=participant_id,
    )


def renamed(participant_id: str, name: str) -> ParticipantRenamed:
    """Return a rename."""
    return ParticipantRenamed(timestamp=0, session_id="s", participant_id=participant_id, name=name)


def broadcast(text: str) -> SessionMessage:
    """Return what a client sent to all."""
    return SessionMessage(
        timestamp=0, session_id="s", sender="eve", data=msgspec.Raw(msgspec.json.encode(text))
    )


async def transcript(hub: Hub) -> tuple[str, bool]:
    """Return the exported transcript and whether it is complete."""
    made = await Transcripts(hub.service).get("s", kind="txt", choice=Choice(languages=("de",)))
    return made.file.content.decode(), made.complete


def recovery(joined: dict[str, Any], offset: int, **more: Any) -> dict[str, Any]:
    """Return what a client asks after a loss."""
    asked = {key: joined[key] for key in ("session_id", "recovery_token", "epoch")}
    return {"type": "recover_session", "offset": offset, **asked, **more}


async def history(socket: FakeSocket, answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the messages of an answer and of the parts that follow it."""
    messages: list[dict[str, Any]] = answer["messages"]
    while answer.get("more"):
        answer = await socket.until("session_history")
        messages += answer["messages"]
    return messages


async def say(socket: FakeSocket, data: str, identity: int) -> dict[str, Any]:
    """Broadcast, and return the answer."""
    answer = await socket.ask({"type": "broadcast", "session_id": "s", "data": data, "id": identity})
    while answer.get("id") != identity:
        answer = await socket.hear()
    return answer


async def flood(socket: FakeSocket, count: int, size: int) -> list[dict[str, Any]]:
    """Broadcast as much; return the refusals."""
    data = "x" * size
    refused = []
    for number in range(count):
        answer = await say(socket, data, number)
        if answer["type"] == "error":
            refused.append(answer)
    return refused


@pytest.mark.real_time
@pytest.mark.process
@pytest.mark.parametrize(("count", "size"), [(9, LARGE), (60, 65_000), (2_500, 10)])
async def test_no_flood_of_broadcasts_changes_the_transcript(
    hubs: Hubs, tmp_path: Path, count: int, size: int
) -> None:
    """By someone who has joined, from any worker; who was away meanwhile misses no caption."""
    async with hubs(tmp_path) as (a, b):
        async with a.connected() as alice:
            joined = await alice.ask({"type": "create_session", "session_id": "s", "name": "Alice"})
            await speak(a, *range(10))
        before = await transcript(a)
        assert before[1] is True
        async with b.connected() as eve:
            await eve.ask({"type": "join_session", "session_id": "s"})
            refused = await flood(eve, count, size)
            assert len(refused) == (count if size > 65_536 else 0)
        for hub in {id(a): a, id(b): b}.values():
            assert await transcript(hub) == before
        offset = await speak(a, 10)
        async with a.connected() as alice:
            answer = await alice.ask(recovery(joined, 18, broadcasts_optional=True), "session_recovered")
            assert answer["recovered"] is True
            messages = await history(alice, answer)
            captions = [m for m in messages if m["type"] != "session_message"]
            assert [m["segment_id"] for m in captions] == ["stream-9"] * 2 + ["stream-10"] * 2
            there = len(messages) - 4
            assert answer["broadcasts_complete"] is (there == (0 if refused else count))
        async with a.connected() as alice:
            answer = await alice.ask(recovery(joined, 18), "session_recovered")
            assert answer["recovered"] is (refused != [] or there == count)
        await until_here(b, offset)
        async with b.connected() as bob:
            late = await bob.ask({"type": "join_session", "session_id": "s", "history": True})
            assert late["complete"] is True
            messages = await history(bob, late)
            assert len([m for m in messages if m["type"] == "transcript"]) == 11


@pytest.mark.real_time
@pytest.mark.process
async def test_who_missed_captions_alone_recovers_all_of_them(hubs: Hubs, tmp_path: Path) -> None:
    """A flood from before the loss is none of theirs."""
    async with hubs(tmp_path) as (a, b):
        async with a.connected() as alice, b.connected() as eve:
            joined = await alice.ask({"type": "create_session", "session_id": "s"})
            await eve.ask({"type": "join_session", "session_id": "s"})
            await flood(eve, 1_500, 10)
        await speak(b, 1, 2)
        async with b.connected() as alice:
            answer = await alice.ask(recovery(joined, 1_500), "session_recovered")
            assert (answer["recovered"], answer["broadcasts_complete"]) == (True, True)
            assert [message["offset"] for message in answer["messages"]] == [1501, 1502, 1503, 1504]


@pytest.mark.real_time
@pytest.mark.process
async def test_a_speaker_who_says_without_end_removes_only_what_they_said(hubs: Hubs, tmp_path: Path) -> None:
    """A back end that repeats itself, or many recordings: the others' lines stay."""
    settings = {"orchestration": {"websocket": {"history_bytes": 2**20}}}
    async with hubs(tmp_path, **settings) as (a, b), a.connected() as alice:
        await alice.ask({"type": "create_session", "session_id": "s"})
        await speak(a, 1, 2, participant_id="ann")
        offset = await speak(b, *range(3, 40), participant_id="", size=60_000)
        await until_here(a, offset)
        text, complete = await transcript(a)
        assert "line 1\n" in text
        assert "line 2\n" in text
        assert "Zeile 1" in text
        assert "line 3 " not in text
        assert "line 39 " in text
        assert complete is False


@pytest.mark.real_time
@pytest.mark.process
async def test_names_without_end_remove_no_caption(hubs: Hubs, tmp_path: Path) -> None:
    """Someone who renames themselves all the time: the transcript has every line, by their newest name."""
    settings = {"orchestration": {"websocket": {"history_messages": 30}}}
    async with hubs(tmp_path, **settings) as (a, b), a.connected() as alice, b.connected() as eve:
        await alice.ask({"type": "create_session", "session_id": "s"})
        await speak(a, *range(10))
        joined = await eve.ask({"type": "join_session", "session_id": "s", "name": "Eve"})
        session = b.service._sessions.cache.get("s")
        assert session is not None
        member = session.member(joined["participant_id"])
        assert member is not None
        offset = 0
        for number in range(50):
            member.name = f"Eve {number}"
            offset = await b.service._sessions.publish("s", renamed(joined["participant_id"], member.name))
        await until_here(a, offset)
        text, complete = await transcript(a)
        assert complete is True
        assert all(f"line {number}\n" in text for number in range(10))
        kept = await a.service.messages("s")
        names = [m for m in map(msgspec.json.decode, kept.messages) if m["type"] == "participant_renamed"]
        assert [m["name"] for m in names] == ["Eve 49"]


async def test_a_broadcast_has_a_size_of_its_own(tmp_path: Path) -> None:
    """What is larger is refused with the limit in words, sent to nobody and stored nowhere."""
    settings = {"orchestration": {"websocket": {"max_broadcast_bytes": 1024}}}
    async with running_hub(tmp_path, **settings) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        whole = await say(ann, "x" * 1022, 1)
        assert (whole["type"], whole["offset"]) == ("session_message", 1)
        # Bytes count, as they were sent: each letter is six here.
        refused = await say(ann, "ä" * 600, 2)
        assert (refused["type"], refused["code"], refused["path"]) == (
            "error",
            "message_too_large",
            "$.data",
        )
        assert "3602 bytes" in refused["detail"]
        assert "1024" in refused["detail"]
        hub.settings.change(orchestration={"websocket": {"max_broadcast_bytes": 65536}})
        again = await say(ann, "ä" * 600, 3)
        assert again["offset"] == 2


async def test_captions_do_not_wait_behind_broadcasts(tmp_path: Path) -> None:
    """While a store is slow, what clients send waits for itself alone."""
    async with running_hub(tmp_path) as hub:
        rooms = hub.service._sessions
        await hub.service.create_session("s")
        async with rooms.open("s") as session:
            for each in range(50):
                with trio.move_on_after(0):
                    await rooms.begin_publish(session, broadcast("x" * 65_000 + str(each)))
            with trio.fail_after(0.01):
                await rooms.begin_publish(session, said(1, "ann"))

"""The owner of a session corrects and deletes its lines, for everyone in it and for those who come later."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from orch.access.actors import Actor
from orch.protocol.messages import Transcript, Translation
from orch.stores.redis.store import RedisStore
from orch.websocket.speech.line_editor import ERASED_LATER, LATE
from tests.fakes.asgi import FakeSocket
from tests.fakes.hub import Hub, running_hub
from tests.fakes.redis import redis_server

GUEST = Actor(is_operator=False, is_local=True, via="none", address="127.0.0.1")


async def said(hub: Hub, text: str, *, number: int = 1) -> int:
    """Publish a final, as a stream does; return its offset."""
    return await hub.service.publish(
        "s",
        Transcript(
            timestamp=0,
            session_id="s",
            segment_id=f"s1-{number}",
            revision=3,
            final=True,
            text=text,
            language="en",
            confidence=0.5,
            start=float(number),
            end=number + 1.0,
            stream_started=1_000,
            speaker="Ann",
            participant_id="p",
        ),
    )


async def answer(socket: FakeSocket, message: dict[str, Any]) -> dict[str, Any]:
    """Send a message; return its reply, and pass over what others are sent meanwhile."""
    socket.say(message)
    while (reply := await socket.hear()).get("id") != message["id"]:
        pass
    return reply


def correction(offset: int, text: str, *, number: int = 1) -> dict[str, Any]:
    return {
        "type": "correct_line",
        "session_id": "s",
        "segment_id": f"s1-{number}",
        "offset": offset,
        "text": text,
        "id": "c",
    }


def deletion(offset: int, *, number: int = 1) -> dict[str, Any]:
    return {
        "type": "delete_line",
        "session_id": "s",
        "segment_id": f"s1-{number}",
        "offset": offset,
        "id": "d",
    }


async def test_a_correction_is_a_message_of_the_session_and_is_translated_again(tmp_path: Path) -> None:
    async with (
        running_hub(tmp_path) as hub,
        hub.connected(actor=GUEST) as ann,
        hub.connected(actor=GUEST) as bob,
    ):
        await ann.ask({"type": "create_session", "session_id": "s"})
        await bob.ask({"type": "join_session", "session_id": "s", "languages": ["es"]})
        offset = await said(hub, "Mister Dash would.")
        edited = await answer(ann, correction(offset, "Mister Dashwood."))
        assert (edited["id"], edited["text"], edited["edited"]) == ("c", "Mister Dashwood.", "corrected")
        assert (edited["segment_id"], edited["revision"], edited["offset"]) == ("s1-1", 4, offset + 1)
        seen = [await bob.until("transcript"), await bob.until("transcript")]
        assert [(each["text"], each.get("edited"), each.get("id")) for each in seen] == [
            ("Mister Dash would.", None, None),
            ("Mister Dashwood.", "corrected", None),
        ]
        translated = await bob.until("translation")
        assert (translated["segment_id"], translated["revision"]) == ("s1-1", 4)
        assert (translated["target_language"], translated["offset"]) == ("es", offset + 2)
        again = await answer(ann, correction(edited["offset"], "Mr. Dashwood."))
        assert again["revision"] == 5


async def test_someone_who_comes_back_has_the_corrections_in_order(tmp_path: Path) -> None:
    """By a recovery, and by a join with history; also after a restart of the service."""
    async with running_hub(tmp_path) as hub, hub.connected(actor=GUEST) as ann:
        created = await ann.ask({"type": "create_session", "session_id": "s"})
        first = await said(hub, "One.")
        second = await said(hub, "Two.", number=2)
        await answer(ann, correction(first, "One, corrected."))
        await answer(ann, deletion(second, number=2))
    async with running_hub(tmp_path) as hub, hub.connected(actor=GUEST) as ann:
        returned = await ann.ask(
            {
                "type": "recover_session",
                "session_id": "s",
                "recovery_token": created["recovery_token"],
                "epoch": created["epoch"],
                "offset": second,
            },
            "session_recovered",
        )
        assert returned["recovered"] is True
        assert [(each["text"], each["edited"]) for each in returned["messages"]] == [
            ("One, corrected.", "corrected"),
            ("", "deleted"),
        ]
        assert returned["role"] == "owner"


async def test_only_the_owner_edits(tmp_path: Path) -> None:
    async with (
        running_hub(tmp_path) as hub,
        hub.connected(actor=GUEST) as ann,
        hub.connected(actor=GUEST) as bob,
    ):
        await ann.ask({"type": "create_session", "session_id": "s"})
        offset = await said(hub, "One.")
        assert (await bob.ask(correction(offset, "Two."), "error"))["code"] == "not_in_session"
        await bob.ask({"type": "join_session", "session_id": "s"})
        for message in (correction(offset, "Two."), deletion(offset)):
            assert (await bob.ask(message, "error"))["code"] == "not_owner"
        messages = (await hub.service.messages("s")).messages
        assert len(messages) == 1


async def test_a_line_that_is_gone_is_not_edited(tmp_path: Path) -> None:
    """Deleted, dropped from the history, never there, or another's offset: refused in words."""
    async with running_hub(tmp_path) as hub, hub.connected(actor=GUEST) as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        offset = await said(hub, "One.")
        other = await said(hub, "Two.", number=2)
        gone = await answer(ann, deletion(offset))
        for message in (
            correction(gone["offset"], "x"),
            deletion(gone["offset"]),
            correction(offset, "x"),
            deletion(offset),
            correction(other, "x"),
            correction(99, "x"),
        ):
            refused = await ann.ask(message, "error")
            assert refused["code"] == "unknown_line", message
            assert "gone" in refused["detail"]
        empty = await ann.ask(correction(other, " ", number=2), "error")
        assert (empty["code"], empty["path"]) == ("invalid_message", "$.text")
        assert (await hub.service.standing("s"))[1] == gone["offset"]


async def test_nothing_of_a_deleted_line_is_left_in_the_history(tmp_path: Path) -> None:
    """Neither its text nor its translations, early or late; and nothing counts as lost."""
    async with (
        running_hub(tmp_path) as hub,
        hub.connected(actor=GUEST) as ann,
        hub.connected(actor=GUEST) as bob,
    ):
        await ann.ask({"type": "create_session", "session_id": "s"})
        await bob.ask({"type": "join_session", "session_id": "s", "languages": ["es"]})
        offset = await said(hub, "My number is 1234.")
        other = await said(hub, "Two.", number=2)
        edited = await answer(ann, correction(offset, "My number is 12345."))
        await bob.until("translation")
        gone = await answer(ann, deletion(edited["offset"]))
        await hub.service.publish("s", translation_of("Mi número es 1234."))
        await trio.sleep(LATE + 1)
        stored = await hub.service.messages("s")
        texts = [msgspec.json.decode(each) for each in stored.messages]
        assert [(each["offset"], each["text"]) for each in texts] == [(other, "Two."), (gone["offset"], "")]
        assert stored.complete
        assert b"1234" not in b"".join(stored.messages)


async def test_so_many_lines_are_deleted_in_a_minute(tmp_path: Path) -> None:
    """Each deletion is carried out a second time, so there is a limit; a minute later there is room again."""
    async with running_hub(tmp_path) as hub, hub.connected(actor=GUEST) as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        offsets = [await said(hub, "One.", number=number) for number in range(ERASED_LATER + 1)]
        for number, offset in enumerate(offsets[:-1]):
            assert (await answer(ann, deletion(offset, number=number)))["type"] == "transcript"
            await trio.sleep(0.1)
        last = deletion(offsets[-1], number=ERASED_LATER)
        assert (await answer(ann, last))["code"] == "rate_limited"
        await trio.sleep(LATE)
        assert (await answer(ann, last))["type"] == "transcript"


def translation_of(text: str) -> Translation:
    return Translation(
        timestamp=0,
        session_id="s",
        segment_id="s1-1",
        revision=3,
        target_language="es",
        text=text,
        confidence=None,
    )


@pytest.mark.process
@pytest.mark.real_time
async def test_the_owner_edits_what_was_said_through_another_worker(tmp_path: Path) -> None:
    """Readers there see it at once, and a join through any worker has nothing of a deleted line."""
    with redis_server(tmp_path / "redis") as server:
        async with (
            running_hub(tmp_path, None, RedisStore(server.url)) as a,
            running_hub(tmp_path, None, RedisStore(server.url)) as b,
            a.connected(actor=GUEST) as ann,
            b.connected(actor=GUEST) as bob,
        ):
            await ann.ask({"type": "create_session", "session_id": "s"}, "session_created")
            await bob.ask({"type": "join_session", "session_id": "s"}, "session_joined")
            first = await said(b, "Mister Dash would.")
            second = await said(b, "My number is 1234.", number=2)
            for _ in (first, second):
                await ann.until("transcript")
            assert (await answer(ann, correction(first, "Mister Dashwood.")))["type"] == "transcript"
            assert (await answer(ann, deletion(second, number=2)))["type"] == "transcript"
            seen = [await bob.until("transcript") for _ in range(4)]
            assert [(each["text"], each.get("edited")) for each in seen[2:]] == [
                ("Mister Dashwood.", "corrected"),
                ("", "deleted"),
            ]
            # The deletion is published first, and the line erased right after that.
            joined = await history(b)
            while "My number is 1234." in [each["text"] for each in joined["messages"]]:
                await trio.sleep(0.05)
                joined = await history(b)
            assert [each["text"] for each in joined["messages"]] == [
                "Mister Dash would.",
                "Mister Dashwood.",
                "",
            ]
            assert joined["complete"] is True


async def history(hub: Hub) -> dict[str, Any]:
    """Join the session as a newcomer; return the reply."""
    async with hub.connected(actor=GUEST) as eve:
        joined: dict[str, Any] = await eve.ask(
            {"type": "join_session", "session_id": "s", "history": True}, "session_joined"
        )
        return joined

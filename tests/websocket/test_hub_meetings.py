"""What a bot publishes of a meeting: to everyone in the session, and its sound to those who receive it."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import orch.client
from orch.client import Recovered
from orch.client.transport import SocketClosedError
from orch.problems import ProblemError
from orch.protocol.messages import MeetingCaption, SpeakerAudio
from orch.stores.redis.store import RedisStore
from orch.websocket.speech.meetings import LOOKED_UP, AttendedSession
from tests.fakes.asgi import FakeSocket
from tests.fakes.hub import running_hub
from tests.fakes.patience import PATIENCE
from tests.fakes.redis import redis_server

JOIN = {"type": "join_session", "session_id": "s"}


def caption(text: str, *, final: bool = True) -> MeetingCaption:
    """Return a caption of the meeting."""
    return MeetingCaption(
        timestamp=0,
        session_id="s",
        caption_id="0",
        revision=1,
        final=final,
        text=text,
        speaker="Ana",
        speaker_id="ana-1",
        start=1.0,
        end=2.0,
    )


def sound(first: int) -> SpeakerAudio:
    """Return 10 ms of a track."""
    return SpeakerAudio(timestamp=0, session_id="s", track="track-1", first=first, at=1.0, data=b"\1\0" * 160)


async def receives(socket: FakeSocket, *, enabled: bool = True) -> dict[str, object]:
    """Ask for the sound of the meeting, or ask that it end."""
    return await socket.ask(
        {"type": "receive_audio", "session_id": "s", "enabled": enabled, "id": 7}, "audio_receiving"
    )


@pytest.mark.limit(300)
async def test_a_session_is_created_for_the_bot_and_stays_while_it_is_attended(tmp_path: Path) -> None:
    async with running_hub(tmp_path, orchestration={"websocket": {"session_timeout": 60}}) as hub:
        async with hub.service.meetings.attend("s", title="Planning"):
            details = await hub.service.get_session("s")
            assert details.title == "Planning"
            await trio.sleep(100)
            await hub.service.sweep()
            assert await hub.service.exists("s")
        await trio.sleep(100)
        await hub.service.sweep()
        assert not await hub.service.exists("s")


async def test_a_session_that_exists_is_attended_as_it_is(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        await hub.service.create_session("s", {"title": "Mine"})
        async with hub.service.meetings.attend("s", title="Planning"):
            assert (await hub.service.get_session("s")).title == "Mine"


async def test_captions_are_recovered_and_growing_ones_are_not(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub, hub.service.meetings.attend("s") as session:
        async with hub.connected() as ana:
            await ana.ask(JOIN, "session_joined")
            session.send(caption("good", final=False))
            await session.publish(caption("good morning"), speaker="")
            told = [each for each in await ana.settle() if each["type"] == "meeting_caption"]
            assert [(each["text"], each.get("offset")) for each in told] == [
                ("good", None),
                ("good morning", 1),
            ]
        async with hub.connected() as ben:
            joined = await ben.ask(JOIN | {"history": True}, "session_joined")
            assert [each["text"] for each in joined["messages"]] == ["good morning"]


async def test_sound_goes_to_those_who_receive_it_until_they_do_not(tmp_path: Path) -> None:
    async with (
        running_hub(tmp_path) as hub,
        hub.service.meetings.attend("s") as session,
        hub.connected() as ana,
        hub.connected() as ben,
    ):
        await ana.ask(JOIN, "session_joined")
        await ben.ask(JOIN, "session_joined")
        assert not await wanted(session)
        reply = await receives(ana)
        assert (reply["enabled"], reply["id"]) == (True, 7)
        assert await wanted(session)
        session.send_audio(sound(0))
        heard = [each for each in await ana.settle() if each["type"] == "speaker_audio"]
        assert [(each["track"], each["first"], each["sample_rate"]) for each in heard] == [
            ("track-1", 0, 16_000)
        ]
        assert base64.b64decode(heard[0]["data"]) == b"\1\0" * 160
        told = await ben.settle()
        assert "speaker_audio" not in {each["type"] for each in told}
        shown = [each for each in told if each["type"] == "presence"][-1]
        assert sorted(each.get("audio", False) for each in shown["participants"]) == [False, True]
        assert (await receives(ana, enabled=False))["enabled"] is False
        assert not await wanted(session)
        session.send_audio(sound(160))
        assert "speaker_audio" not in {each["type"] for each in await ana.settle()}


class Wire:
    """A connection of :mod:`orch.client` to the hub, without a network between them."""

    def __init__(self, socket: FakeSocket) -> None:
        self.socket = socket

    async def send(self, frame: str | bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.socket.say(frame)

    async def receive(self) -> str:
        try:
            return await self.socket.hear_raw()
        except trio.EndOfChannel:
            raise SocketClosedError(1006, "") from None

    async def close(self, code: int) -> None:
        await trio.lowlevel.checkpoint()
        self.socket.hang_up()


async def test_a_client_receives_sound_again_once_it_has_reconnected(tmp_path: Path) -> None:
    """By itself, on the connection that recovered the session; and no longer when it has said so."""
    wires: list[Wire] = []
    async with running_hub(tmp_path) as hub, hub.service.meetings.attend("s") as session:

        @asynccontextmanager
        async def dial(_: str) -> AsyncIterator[Wire]:
            wires.append(Wire(hub.socket()))
            yield wires[-1]

        async with orch.client.connect("http://hub", dial=dial) as client:

            async def heard() -> int:
                async for event in client:
                    if isinstance(event, SpeakerAudio):
                        assert event.data == b"\1\0" * 160
                        return event.first
                raise AssertionError

            async def recovered() -> None:
                async for event in client:
                    if isinstance(event, Recovered):
                        break
                await wait_all_tasks_blocked()

            await client.join("s")
            assert (await client.receive_audio("s")).enabled
            session.send_audio(sound(0))
            assert await heard() == 0
            wires[0].socket.hang_up()
            await recovered()
            assert await wanted(session)
            session.send_audio(sound(160))
            assert await heard() == 160
            assert not (await client.receive_audio("s", enabled=False)).enabled
            assert not await wanted(session)
            wires[1].socket.hang_up()
            await recovered()
            assert len(wires) == 3
            assert not await wanted(session)


async def test_sound_is_for_participants_who_may_speak(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub, hub.service.meetings.attend("s"), hub.connected() as eve:
        ask = {"type": "receive_audio", "session_id": "s"}
        assert (await eve.ask(ask, "error"))["code"] == "not_in_session"
        await eve.ask(JOIN | {"role": "observer"}, "session_joined")
        assert (await eve.ask(ask, "error"))["code"] == "read_only"


async def test_a_client_that_does_not_read_costs_the_meeting_nothing(tmp_path: Path) -> None:
    """Sound is shed for it; captions are not, so it is disconnected before they are lost unseen."""
    settings = {"websocket": {"outbox_bytes": 65_536}}
    async with (
        running_hub(tmp_path, orchestration=settings) as hub,
        hub.service.meetings.attend("s") as session,
    ):
        slow = hub.socket(buffer=4)
        await slow.hear()
        slow.say(JOIN)
        await slow.until("session_joined")
        slow.say({"type": "receive_audio", "session_id": "s"})
        await slow.until("audio_receiving")
        for number in range(500):
            session.send_audio(sound(160 * number))
            await trio.lowlevel.checkpoint()
        assert not slow.has_ended.is_set()
        told = await slow.settle()
        assert 1 <= sum(each["type"] == "speaker_audio" for each in told) < 500
        slow.hang_up()


async def test_publishing_in_a_session_that_has_ended_is_refused(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub, hub.service.meetings.attend("s") as session:
        await hub.service.end_session("s")
        session.send(caption("nobody reads it", final=False))
        with pytest.raises(ProblemError) as caught:
            await session.publish(caption("good morning"), speaker="")
        assert caught.value.code == "unknown_session"


@pytest.mark.process
@pytest.mark.real_time
async def test_sound_reaches_clients_of_other_workers(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        async with (
            running_hub(tmp_path, None, RedisStore(server.url)) as one,
            running_hub(tmp_path, None, RedisStore(server.url)) as other,
            one.service.meetings.attend("s") as session,
            other.connected() as ana,
            other.connected() as ben,
        ):
            await ana.ask(JOIN, "session_joined")
            await ben.ask(JOIN, "session_joined")
            await receives(ana)
            with trio.fail_after(PATIENCE):
                while not await wanted(session):
                    pass
            session.send_audio(sound(0))
            session.send(caption("to everyone", final=False))
            assert (await ana.until("speaker_audio"))["first"] == 0
            kinds: list[str] = []
            while "meeting_caption" not in kinds:
                kinds.append((await ben.hear())["type"])
            assert "speaker_audio" not in kinds


async def wanted(session: AttendedSession) -> bool:
    """Return whether anyone receives sound, once that may be looked up again."""
    await trio.sleep(LOOKED_UP)
    return session.wants_audio

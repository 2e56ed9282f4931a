"""What was decided is done in order, whatever the store, the hub and the endpoints do."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio
import trio.testing

from orch.bots.pipeline.effects import Effect, Keep, Publish, Redraw, Send, Tell
from orch.bots.pipeline.outbox import LIMIT, Outbox
from orch.bots.pipeline.ports import Published
from orch.bots.webhooks.payloads import ChatMessage, Data, Trigger
from orch.problems import ProblemError
from orch.protocol.messages import MeetingChat, ServerMessage, SpeakerAudio
from orch.protocol.terms import Terms
from orch.stores.bot_records import Captured, RefusedRecordError, SessionEvent


@dataclass
class FakeHub:
    """A session that can be away, gone, or slow."""

    problem: str = ""
    seconds: float = 0.0
    wants_audio: bool = False
    published: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    calls: int = 0

    def languages(self) -> Collection[str]:
        return ()

    def growing_languages(self) -> Collection[str]:
        return ()

    def terms(self) -> Terms:
        return ()

    async def publish(self, message: Published, *, speaker: str) -> int:
        self.calls += 1
        await trio.sleep(self.seconds)
        if self.problem:
            raise ProblemError(self.problem, "It cannot be stored.")
        assert isinstance(message, MeetingChat)
        self.published.append(message.message_id)
        return len(self.published)

    def send(self, message: ServerMessage) -> None:
        assert isinstance(message, MeetingChat)
        self.sent.append(message.message_id)

    def send_audio(self, message: SpeakerAudio) -> None:
        raise AssertionError


@dataclass
class FakeRecords:
    """A store that can be slow, or refuse a record."""

    seconds: float = 0.0
    refuses: str = ""
    stored: list[str] = field(default_factory=list)

    async def put(self, record: Captured) -> None:
        await trio.sleep(self.seconds)
        assert isinstance(record, SessionEvent)
        if record.event_id == self.refuses:
            raise RefusedRecordError("it is none")
        self.stored.append(record.event_id)


@dataclass
class FakeWebhooks:
    """An endpoint's outbox that can be slow."""

    seconds: float = 0.0
    sent: list[str] = field(default_factory=list)

    async def __call__(self, trigger: Trigger, at: float, data: Data) -> None:
        await trio.sleep(self.seconds)
        assert isinstance(data, ChatMessage)
        self.sent.append(data.message_id)


@dataclass
class Scene:
    hub: FakeHub = field(default_factory=FakeHub)
    records: FakeRecords = field(default_factory=FakeRecords)
    webhooks: FakeWebhooks = field(default_factory=FakeWebhooks)
    outbox: Outbox = field(init=False)

    def __post_init__(self) -> None:
        self.outbox = Outbox(hub=self.hub, records=self.records, announce=self.webhooks)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Outbox]:
        async with trio.open_nursery() as nursery:
            await nursery.start(self.outbox.run)
            yield self.outbox
            nursery.cancel_scope.cancel()


def effects(number: int) -> list[Effect]:
    name = str(number)
    chat = MeetingChat(timestamp=0, session_id="s", message_id=name, text="x", sender="Ana", at=1.0)
    record = SessionEvent(event_id=name, session_id="s", event_type="chat", at=1.0, source_component="t")
    data = ChatMessage(message_id=name, text="x", sender_id=None, sender_name=None, to="everyone", at=1.0)
    return [Publish(chat), Keep(record), Tell(Trigger.CHAT_MESSAGES, 1.0, data), Redraw("s-1")]


def names(first: int, after: int) -> list[str]:
    return [str(number) for number in range(first, after)]


async def test_each_lane_keeps_its_order_and_waits_for_no_other() -> None:
    scene = Scene()
    scene.records.seconds, scene.webhooks.seconds = 1.0, 3.0
    async with scene.running() as outbox:
        for number in range(20):
            outbox.add(effects(number))
        await trio.sleep(0.1)
        assert scene.hub.published == names(0, 20)
        await trio.sleep(20)
        assert scene.records.stored == names(0, 20)
        await outbox.drain()
        assert scene.webhooks.sent == names(0, 20)


async def test_what_is_not_stored_is_sent_at_once() -> None:
    scene = Scene()
    scene.hub.problem = "store_unavailable"
    async with scene.running() as outbox:
        chat = effects(1)[0]
        assert isinstance(chat, Publish)
        outbox.add([Send(chat.message)])
        assert scene.hub.sent == ["1"]


async def test_while_the_hubs_store_is_away_captions_wait_and_records_do_not() -> None:
    scene = Scene()
    scene.hub.problem = "store_unavailable"
    async with scene.running() as outbox:
        for number in range(10):
            outbox.add(effects(number))
        await trio.sleep(60)
        assert scene.hub.published == []
        assert scene.records.stored == names(0, 10)
        assert scene.hub.calls <= 62
        scene.hub.problem = ""
        await outbox.drain()
        assert scene.hub.published == names(0, 10)
        assert outbox.statistics().dropped == 0


async def test_a_session_that_was_ended_gets_nothing_more_and_all_is_stored() -> None:
    scene = Scene()
    async with scene.running() as outbox:
        outbox.add(effects(0))
        await outbox.drain()
        scene.hub.problem = "unknown_session"
        for number in range(1, 50):
            outbox.add(effects(number))
        await outbox.drain()
        assert scene.hub.calls == 2
        assert scene.records.stored == names(0, 50)
        assert outbox.statistics().messages == 0


async def test_a_message_that_is_refused_holds_up_no_other() -> None:
    scene = Scene()
    async with scene.running() as outbox:
        scene.hub.problem = "store_full"
        outbox.add(effects(0))
        await outbox.drain()
        scene.hub.problem = ""
        outbox.add(effects(1))
        await outbox.drain()
        assert scene.hub.published == ["1"]
        assert outbox.statistics().dropped == 1


async def test_a_record_that_no_store_accepts_holds_up_no_other() -> None:
    scene = Scene()
    scene.records.refuses = "1"
    async with scene.running() as outbox:
        for number in range(3):
            outbox.add(effects(number))
        await outbox.drain()
        assert scene.records.stored == ["0", "2"]
        assert outbox.statistics().refused == 1


@pytest.mark.parametrize("lane", ["hub", "records", "webhooks"])
async def test_callers_wait_while_a_lane_is_full(lane: str) -> None:
    scene = Scene()
    getattr(scene, lane).seconds = 0.5
    async with scene.running() as outbox:
        count = 0

        async def observe() -> None:
            nonlocal count
            for number in range(LIMIT + 100):
                await outbox.room()
                outbox.add(effects(number))
                count += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(observe)
            await trio.testing.wait_all_tasks_blocked()
            assert LIMIT <= count <= LIMIT + 2
            await trio.sleep(10)
            assert LIMIT + 15 <= count <= LIMIT + 25
            nursery.cancel_scope.cancel()


async def test_what_was_cancelled_is_done_by_the_next_run() -> None:
    scene = Scene()
    scene.records.seconds = 1.0
    async with scene.running() as outbox:
        for number in range(5):
            outbox.add(effects(number))
        await trio.sleep(1.5)
    assert scene.records.stored == names(0, 1)
    async with scene.running() as outbox:
        await outbox.drain()
    assert scene.records.stored == names(0, 5)


async def test_what_the_store_raises_otherwise_leaves_it() -> None:
    class Broken(FakeRecords):
        async def put(self, record: Captured) -> None:
            await trio.lowlevel.checkpoint()
            raise ValueError("a bug")

    scene = Scene(records=Broken())
    with pytest.RaisesGroup(ValueError, flatten_subgroups=True):
        async with scene.running() as outbox:
            outbox.add(effects(0))
            await trio.sleep(1)

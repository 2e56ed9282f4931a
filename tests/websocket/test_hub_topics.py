from pathlib import Path
from typing import Any

import trio
import trio.testing

from orch.telemetry.topics import Family
from orch.websocket.topic_publisher import BEAT, COALESCE_WITHIN, OF_FAMILIES
from tests.fakes.hub import running_hub


def updates(messages: list[dict[str, Any]]) -> list[Any]:
    return [message["data"] for message in messages if message["type"] == "update"]


async def test_a_subscriber_has_the_state_now_and_every_change(tmp_path: Path) -> None:
    """`subscribed`, then the state; later only what has changed, and nothing after `unsubscribe`."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        state = {"n": 1}
        reads: list[int] = []

        def read() -> dict[str, int]:
            reads.append(1)
            return dict(state)

        hub.topics.register("t", read)
        assert (await ann.ask({"type": "subscribe", "topic": "t", "id": 1}))["type"] == "subscribed"
        assert (await ann.hear())["data"] == {"n": 1}
        await trio.sleep(5 * BEAT)
        assert len(updates(await ann.settle())) <= 1  # the first beat tells all subscribers
        state["n"] = 2
        await trio.sleep(3 * BEAT)
        assert updates(await ann.settle()) == [{"n": 2}]
        left = await ann.ask({"type": "unsubscribe", "topic": "t", "id": 2})
        assert (left["type"], left["id"]) == ("unsubscribed", 2)
        count = len(reads)
        state["n"] = 3
        hub.topics.touch("t")
        await trio.sleep(3 * BEAT)
        assert await ann.settle() == []
        assert len(reads) == count


async def test_a_touched_topic_is_told_at_once_and_not_more_often_than_it_should(tmp_path: Path) -> None:
    """A change is on the screen without waiting for the beat; a storm of changes is a few updates."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        state = {"n": 0}
        hub.topics.register("t", lambda: dict(state))
        await ann.ask({"type": "subscribe", "topic": "t"})
        await trio.sleep(2.5 * BEAT)
        await ann.settle()
        began = trio.current_time()
        state["n"] = 1
        hub.topics.touch("t")
        assert (await ann.hear())["data"] == {"n": 1}
        assert trio.current_time() - began < 0.01
        for number in range(2, 12):
            state["n"] = number
            hub.topics.touch("t")
            await trio.sleep(COALESCE_WITHIN / 10)
        heard = updates(await ann.settle())
        await trio.sleep(COALESCE_WITHIN)
        heard += updates(await ann.settle())
        assert heard[-1] == {"n": 11}
        assert len(heard) <= 2


async def test_a_subscriber_that_is_behind_has_the_last_state_in_the_end(tmp_path: Path) -> None:
    """Updates may be shed, but not the one that stays true."""
    limits = {"orchestration": {"websocket": {"outbox_bytes": 65_536}}}
    async with running_hub(tmp_path, **limits) as hub:
        state = {"n": 0, "x": "x" * 20_000}
        hub.topics.register("t", lambda: dict(state))
        slow = hub.socket(buffer=0)
        await slow.hear()
        slow.say({"type": "subscribe", "topic": "t"})
        for number in range(1, 9):
            state["n"] = number
            await trio.sleep(BEAT)
        last = -1
        while last != 8:
            last = (await slow.until("update"))["data"]["n"]
        slow.hang_up()


async def test_a_topic_that_cannot_be_read_stops_no_other(tmp_path: Path) -> None:
    """A page's fault in one room is not every page's."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        state: dict[str, Any] = {"n": 0}
        hub.topics.register("good", lambda: dict(state))
        hub.topics.register("bad", lambda: {"n": 1 / (1 - state["n"])})
        await ann.ask({"type": "subscribe", "topic": "bad"})
        await ann.ask({"type": "subscribe", "topic": "good"})
        await trio.sleep(2 * BEAT)
        await ann.settle()
        state["n"] = 1
        await trio.sleep(2 * BEAT)
        assert updates(await ann.settle()) == [{"n": 1}]
        state["n"] = 3
        await trio.sleep(2 * BEAT)
        assert sorted(data["n"] for data in updates(await ann.settle())) == [-0.5, 3]


async def test_all_subscribers_share_one_encoding(tmp_path: Path) -> None:
    """A topic is read once a beat, however many look at it."""
    async with running_hub(tmp_path) as hub:
        count = 0

        def read() -> dict[str, int]:
            nonlocal count
            count += 1
            return {"n": count}

        hub.topics.register("t", read)
        sockets = [hub.socket() for _ in range(50)]
        for socket in sockets:
            await socket.hear()
            await socket.ask({"type": "subscribe", "topic": "t"})
        before = count
        await trio.sleep(3 * BEAT)
        assert count - before <= 4
        last = [updates(await socket.settle())[-1] for socket in sockets]
        assert all(each == last[0] for each in last)


async def test_the_hub_s_own_topic_is_told_when_someone_comes(tmp_path: Path) -> None:
    """The connections page shows a new client at once."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "subscribe", "topic": "connections"})
        assert (await ann.hear())["data"]["active"] == 1
        async with hub.connected():
            while (await ann.until("update"))["data"]["active"] != 2:
                pass


async def test_subscribing_twice_is_one_subscription(tmp_path: Path) -> None:
    """A page that reconnects its parts is not told everything twice."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        state = {"n": 0}
        hub.topics.register("t", lambda: dict(state))
        await ann.ask({"type": "subscribe", "topic": "t"})
        await ann.ask({"type": "subscribe", "topic": "t"}, "subscribed")
        await trio.sleep(2 * BEAT)
        await ann.settle()
        state["n"] = 1
        await trio.sleep(2 * BEAT)
        assert updates(await ann.settle()) == [{"n": 1}]


async def test_who_subscribes_again_and_again_has_the_topic_read_no_more_often(tmp_path: Path) -> None:
    """Ten times a second at most, unless it is touched; what is sent is never older than that."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        reads: list[int] = []

        def read() -> dict[str, int]:
            reads.append(1)
            return {"n": len(reads)}

        hub.topics.register("t", read)
        for _ in range(200):
            ann.say({"type": "subscribe", "topic": "t"})
            ann.say({"type": "unsubscribe", "topic": "t"})
        assert len(updates(await ann.settle())) == 200
        assert len(reads) == 1
        hub.topics.touch("t")
        assert updates([await ann.ask({"type": "subscribe", "topic": "t"}, "update")]) == [{"n": 2}]
        ann.say({"type": "unsubscribe", "topic": "t"})
        await trio.sleep(COALESCE_WITHIN)
        assert updates([await ann.ask({"type": "subscribe", "topic": "t"}, "update")]) == [{"n": 3}]


async def test_topics_of_a_family_begin_and_end_with_their_subscribers(tmp_path: Path) -> None:
    """One of many is read only while it is followed; nothing of it is stored afterwards; they are bounded."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        reads: list[str] = []

        def read(identity: str) -> dict[str, str]:
            reads.append(identity)
            return {"of": identity}

        hub.topics.register_family("bots", Family(read=read, has=str.isdigit))
        assert (await ann.ask({"type": "subscribe", "topic": "bots/7"}))["type"] == "subscribed"
        assert (await ann.hear())["data"] == {"of": "7"}
        refused = await ann.ask({"type": "subscribe", "topic": "bots/x"})
        assert (refused["code"], "bots/ID" in refused["detail"]) == ("unknown_topic", True)
        await ann.ask({"type": "unsubscribe", "topic": "bots/7"})
        reads.clear()
        await trio.sleep(3 * BEAT)
        assert reads == []
        publisher = hub.service._publisher
        assert not any("bots/7" in each for each in (publisher._last, publisher._lately, publisher._told_at))
        for number in range(OF_FAMILIES):
            await ann.ask({"type": "subscribe", "topic": f"bots/{number}"})
        await ann.settle()
        full = await ann.ask({"type": "subscribe", "topic": "bots/999"})
        assert full["code"] == "too_many_topics"
        await ann.ask({"type": "unsubscribe", "topic": "bots/1"})
        assert (await ann.ask({"type": "subscribe", "topic": "bots/999"}))["type"] == "subscribed"

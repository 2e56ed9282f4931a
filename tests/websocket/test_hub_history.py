"""History is sent in parts, as the client takes it."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from msgspec import Raw

from orch.problems import ProblemError
from orch.protocol.messages import SessionMessage
from orch.stores.history import Budget, Kind, Limits, Share
from orch.websocket.history.parts import PART_BYTES
from tests.fakes.asgi import FakeSocket
from tests.fakes.hub import Hub, running_hub

LONG = 250
"""Messages of a history of five parts and a rest."""
BODY = Raw(b'"' + b"x" * (PART_BYTES // 48) + b'"')


async def meeting(hub: Hub, session_id: str = "s", messages: int = LONG) -> None:
    """Begin a session with a long history."""
    await hub.service.create_session(session_id)
    for _ in range(messages):
        await say(hub, session_id)


async def say(hub: Hub, session_id: str = "s") -> int:
    """Publish a message and return its offset."""
    message = SessionMessage(timestamp=0, session_id=session_id, sender="x", data=BODY)
    return await hub.service.publish(session_id, message)


async def come(hub: Hub, *, buffer: float = 0) -> FakeSocket:
    """Connect a client that takes nothing unless it is made to."""
    socket = hub.socket(buffer=buffer)
    assert (await socket.hear())["type"] == "connected"
    return socket


async def parts(socket: FakeSocket, first: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all parts of the history that ``first`` is the answer of."""
    found = [first]
    while found[-1].get("more"):
        found.append(await socket.until("session_history"))
    return found


def offsets(found: list[dict[str, Any]]) -> list[int]:
    return [message["offset"] for part in found for message in part["messages"]]


def recovery(joined: dict[str, Any], offset: int, /, **changes: Any) -> dict[str, Any]:
    names = ("session_id", "recovery_token", "epoch")
    return {"type": "recover_session", "offset": offset} | {name: joined[name] for name in names} | changes


async def waiting(hub: Hub) -> int:
    """Return the bytes that wait for clients once nothing more is under way."""
    await trio.testing.wait_all_tasks_blocked()
    return hub.service.statistics().queued_bytes


JOIN = {"type": "join_session", "session_id": "s", "history": True}


async def test_a_long_history_comes_in_parts_one_after_the_other(tmp_path: Path) -> None:
    """Each part says after what it comes and how far it reaches; none is larger than a part."""
    async with running_hub(tmp_path) as hub:
        await meeting(hub)
        ann = await come(hub)
        found = await parts(ann, await ann.ask(JOIN, "session_joined"))
        assert len(found) == 6
        assert offsets(found) == list(range(1, LONG + 1))
        assert all(part["complete"] for part in found)
        for before, part in pairwise(found):
            assert (part["after"], part["epoch"]) == (before["offset"], found[0]["epoch"])
            assert part["offset"] == part["messages"][-1]["offset"]
        assert found[-1]["offset"] == LONG
        assert max(len(json.dumps(part)) for part in found) < PART_BYTES + 2_000
        ann.hang_up()


async def test_a_client_that_takes_nothing_holds_one_part_whatever_it_asks_for(tmp_path: Path) -> None:
    """Histories of many sessions, and recoveries again and again, cost no more than one part."""
    async with running_hub(tmp_path) as hub:
        for number in range(8):
            await meeting(hub, f"s{number}", 100)
        ann = await come(hub)
        joined = await ann.ask({"type": "join_session", "session_id": "s0"}, "session_joined")
        for _ in range(20):
            ann.say(recovery(joined, 0))
        for number in range(8):
            ann.say({**JOIN, "session_id": f"s{number}"})
        assert await waiting(hub) < PART_BYTES + 40_000
        ann.hang_up()
        await ann.has_ended.wait()
        assert await waiting(hub) == 0


async def test_histories_of_several_sessions_take_turns(tmp_path: Path) -> None:
    """Every one comes to its end, each in its order."""
    async with running_hub(tmp_path) as hub:
        for number in range(3):
            await meeting(hub, f"s{number}", 100)
        ann = await come(hub)
        for number in range(3):
            ann.say({**JOIN, "session_id": f"s{number}"})
        heard: dict[str, list[dict[str, Any]]] = {}
        done = 0
        while done < 3:
            message = await ann.hear()
            if message["type"] in ("session_joined", "session_history"):
                heard.setdefault(message["session_id"], []).append(message)
                done += not message.get("more")
        assert {session: offsets(found) for session, found in heard.items()} == {
            f"s{number}": list(range(1, 101)) for number in range(3)
        }
        ann.hang_up()


async def test_what_is_said_meanwhile_comes_between_the_parts(tmp_path: Path) -> None:
    """A long history holds up nothing that is said, and is not held up by it."""
    async with running_hub(tmp_path) as hub:
        await meeting(hub)
        ann = await come(hub)
        ann.say(JOIN)
        await trio.testing.wait_all_tasks_blocked()
        assert await say(hub) == LONG + 1
        heard = [await ann.until("session_joined"), await ann.until("session_message")]
        assert heard[1]["offset"] == LONG + 1
        said = 1
        while sum("messages" in message for message in heard) < 6 or len(heard) < 10:
            heard.append(await ann.hear())
            if heard[-1]["type"] == "session_history" and said < 4:
                said += 1
                assert await say(hub) == LONG + said
            if heard[-1]["type"] == "presence":
                heard.pop()
        found = [message for message in heard if "messages" in message]
        assert offsets(found) == list(range(1, LONG + 1))
        live = [message["offset"] for message in heard if message["type"] == "session_message"]
        assert live == list(range(LONG + 1, LONG + 5))
        ann.hang_up()


async def test_a_long_recovery_comes_in_parts_and_brings_all_that_was_missed(tmp_path: Path) -> None:
    """The first part is the answer; the others follow, without a hole."""
    async with running_hub(tmp_path) as hub:
        await meeting(hub)
        async with hub.connected() as ann:
            joined = await ann.ask({"type": "join_session", "session_id": "s"}, "session_joined")
        ann = await come(hub)
        found = await parts(ann, await ann.ask(recovery(joined, 7, id="r"), "session_recovered"))
        assert (found[0]["recovered"], found[0]["id"]) == (True, "r")
        assert offsets(found) == list(range(8, LONG + 1))
        assert not any("reason" in part for part in found)
        assert await say(hub) == LONG + 1
        assert (await ann.until("session_message"))["offset"] == LONG + 1
        ann.hang_up()


async def prune(hub: Hub, messages: int) -> None:
    """Have the store forget all but the newest messages."""
    limits = Limits(messages=messages, seconds=1e12, broadcasts=Budget(messages=messages, bytes=2**23))
    said = b'{"type":"session_message","sender":"x"}'
    ticket = await hub.store.begin_append(
        "s", said, at=hub.service._sessions.wall(), limits=limits, share=Share(Kind.BROADCAST, "x")
    )
    await ticket.wait()


async def test_a_history_that_is_dropped_while_it_is_sent_says_so_and_goes_on_with_what_is_left(
    tmp_path: Path,
) -> None:
    """One who joins is given what there still is, and told that something is missing."""
    async with running_hub(tmp_path) as hub:
        await meeting(hub)
        ann = await come(hub)
        ann.say(JOIN)
        await trio.testing.wait_all_tasks_blocked()
        await prune(hub, 50)
        found = await parts(ann, await ann.until("session_joined"))
        left = range(LONG + 1 - 49, LONG + 1)
        assert offsets(found)[-len(left) :] == list(left)
        assert offsets(found)[: -len(left)] == list(range(1, found[0]["offset"] + 1))
        assert [part["broadcasts_complete"] for part in found].count(False) == 1
        assert not any("reason" in part for part in found)
        ann.hang_up()


async def test_a_recovery_that_cannot_be_completed_ends_with_the_reason(tmp_path: Path) -> None:
    """Who was promised all that was missed is never left to believe that it came."""
    async with running_hub(tmp_path) as hub:
        await meeting(hub)
        async with hub.connected() as ann:
            joined = await ann.ask({"type": "join_session", "session_id": "s"}, "session_joined")
        ann = await come(hub)
        ann.say(recovery(joined, 0))
        await trio.testing.wait_all_tasks_blocked()
        await prune(hub, 50)
        first = await ann.until("session_recovered")
        assert first["more"] is True
        last = (await parts(ann, first))[-1]
        assert (last["reason"], last["messages"], last["complete"]) == ("history_expired", [], False)
        assert last["offset"] == last["after"] == first["offset"]
        assert (await ann.ask({"type": "ping"}, "pong"))["type"] == "pong"
        ann.hang_up()


@pytest.mark.parametrize("failure", [ProblemError("store_unavailable", "Away."), ZeroDivisionError()])
async def test_a_store_that_fails_between_two_parts_ends_the_history_with_the_reason(
    tmp_path: Path, failure: Exception
) -> None:
    """The connection and its sessions stay, and the rest can be asked for again."""
    async with running_hub(tmp_path) as hub:
        await meeting(hub)
        ann = await come(hub)
        ann.say(JOIN)
        await trio.testing.wait_all_tasks_blocked()
        read = hub.store.read

        async def fail(*_: Any, **__: Any) -> Any:
            await trio.lowlevel.checkpoint()
            raise failure

        hub.store.read = fail  # type: ignore[method-assign]
        joined = await ann.until("session_joined")
        last = await ann.until("session_history")
        expected = "store_unavailable" if isinstance(failure, ProblemError) else "internal_error"
        assert (last["reason"], last["more"], last["messages"]) == (expected, False, [])
        hub.store.read = read  # type: ignore[method-assign]
        again = await parts(ann, await ann.ask(recovery(joined, joined["offset"]), "session_recovered"))
        assert offsets(again) == list(range(joined["offset"] + 1, LONG + 1))
        ann.hang_up()


@pytest.mark.parametrize("how", ["left", "ended", "elsewhere"])
async def test_no_part_comes_of_a_session_that_one_is_in_no_more(tmp_path: Path, how: str) -> None:
    """Leaving it, its end, and the same participant on another connection end the sending."""
    async with running_hub(tmp_path) as hub:
        await meeting(hub)
        ann = await come(hub)
        ann.say(JOIN)
        await trio.testing.wait_all_tasks_blocked()
        if how == "left":
            ann.say({"type": "leave_session", "session_id": "s"})
        elif how == "ended":
            await hub.service.end_session("s")
        joined = await ann.until("session_joined")
        if how == "elsewhere":
            bob = await come(hub)
            answer = await bob.ask(recovery(joined, joined["offset"]), "session_recovered")
            found = await parts(bob, answer)
            assert offsets(found) == list(range(joined["offset"] + 1, LONG + 1))
            bob.hang_up()
        await ann.until("session_left")
        ann.say({"type": "ping"})
        rest = [await ann.hear()]
        while rest[-1]["type"] != "pong":
            rest.append(await ann.hear())
        assert [message for message in rest if message["type"] == "session_history"] == []
        ann.hang_up()


async def test_joining_again_begins_the_history_anew_and_another_name_does_not(tmp_path: Path) -> None:
    """One history of a session is under way at a time, whatever it was asked for last."""
    async with running_hub(tmp_path) as hub:
        await meeting(hub)
        ann = await come(hub)
        first = await ann.ask(JOIN, "session_joined")
        ann.say({"type": "join_session", "session_id": "s", "name": "Ann"})
        ann.say({"type": "ping"})
        found = [first]
        while found[-1].get("more"):
            message = await ann.hear()
            if message["type"] == "session_history":
                found.append(message)
        assert offsets(found) == list(range(1, LONG + 1))
        await ann.ask(JOIN, "session_joined")
        again = await ann.ask(JOIN, "session_joined")
        renamed = LONG + 1
        assert offsets(await parts(ann, again)) == list(range(1, renamed + 1))
        ann.hang_up()


async def test_a_history_goes_on_when_the_hub_is_run_again(tmp_path: Path) -> None:
    """Its clients are connected all the while, and so is what they are being sent."""
    async with running_hub(tmp_path) as hub:
        await meeting(hub)
        ann = await come(hub)
        first = await ann.ask(JOIN, "session_joined")
        await hub.restart_hub()
        assert offsets(await parts(ann, first)) == list(range(1, LONG + 1))
        ann.hang_up()

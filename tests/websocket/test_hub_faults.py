"""What hundreds of clients, and clocks, do to a hub at the worst moment; on a virtual clock."""

from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from msgspec import Raw

from orch.protocol.closes import after
from orch.protocol.messages import SessionMessage
from tests.fakes.asgi import FakeSocket
from tests.fakes.hub import EPOCH, Hub, running_hub

SMALL = {"orchestration": {"websocket": {"outbox_bytes": 65_536}}}


def said(session_id: str, data: object) -> SessionMessage:
    """Return a message to publish."""
    return SessionMessage(timestamp=0, session_id=session_id, sender="test", data=Raw(f'"{data}"'.encode()))


async def joined(hub: Hub, session_id: str, **options: Any) -> tuple[FakeSocket, dict[str, Any]]:
    """Connect a client and have it join a session; return it and what it was answered."""
    socket = hub.socket(**options)
    await socket.hear()
    return socket, await socket.ask({"type": "join_session", "session_id": session_id}, "session_joined")


async def test_a_hundred_that_stop_reading_cost_a_hundred_others_nothing(tmp_path: Path) -> None:
    """Nobody waits for them, not for an instant; they are closed with a code that says: come back."""
    async with running_hub(tmp_path, **SMALL) as hub:
        names = [f"s{number}" for number in range(10)]
        deaf, served = [], []
        for name in names:
            await hub.service.create_session(name)
            for _ in range(10):
                deaf.append((await joined(hub, name, buffer=0))[0])
                served.append((await joined(hub, name))[0])
        await trio.sleep(5)
        before = trio.current_time()
        for number in range(40):
            for name in names:
                await hub.service.publish(name, said(name, f"{number} {'x' * 4000}"))
        for index, socket in enumerate(served):
            heard = [await socket.until("session_message") for _ in range(40)]
            assert [message["offset"] for message in heard] == list(range(1, 41))
            assert heard[-1]["session_id"] == names[index // 10]
        assert trio.current_time() == before
        assert hub.service.statistics().evicted == 100
        assert hub.service.statistics().queued_bytes == 0
        for socket in deaf:
            with pytest.raises(trio.EndOfChannel):
                await socket.until("never")
        assert {socket.close_code for socket in deaf} == {4200}
        assert after(4200) == "now"
        await trio.sleep(5)
        assert hub.service.statistics().active == 100


class Returning:
    """A client whose process of the hub died when it had heard so many of a session's messages."""

    def __init__(self, answer: dict[str, Any], offset: int) -> None:
        self.answer = answer
        self.offset = offset
        self.heard: list[int] = []

    def recovery(self) -> dict[str, Any]:
        """Return what it sends to be in its session again."""
        known = {name: self.answer[name] for name in ("session_id", "recovery_token", "epoch")}
        return {"type": "recover_session", "offset": self.offset, **known}

    async def come_back(self, hub: Hub, last: int) -> None:
        """Recover, then listen up to the last message."""
        socket = hub.socket()
        await socket.hear()
        back = await socket.ask(self.recovery(), "session_recovered")
        assert back["recovered"]
        assert back["participant_id"] == self.answer["participant_id"]
        self.heard += [message["offset"] for message in back["messages"]]
        while self.heard[-1:] != [last]:
            self.heard.append((await socket.until("session_message"))["offset"])


async def say(hub: Hub, names: list[str], numbers: range) -> None:
    """Say something in every session, so many times."""
    for number in numbers:
        for name in names:
            await hub.service.publish(name, said(name, number))


async def test_hundreds_who_come_back_at_once_have_everything_once(tmp_path: Path) -> None:
    """A process is gone with 500 connections; messages go on in the storm; none is lost or doubled."""
    count, each = 50, 10

    names = [f"s{number}" for number in range(count)]
    clients: list[Returning] = []
    async with running_hub(tmp_path) as hub:
        for name in names:
            await hub.service.create_session(name)
            for place in range(each):
                clients.append(Returning((await joined(hub, name))[1], place % 6))  # noqa: PERF401 - awaits
        await say(hub, names, range(5))
    async with running_hub(tmp_path) as hub:
        async with trio.open_nursery() as nursery:
            for client in clients:
                nursery.start_soon(client.come_back, hub, 10)
            nursery.start_soon(say, hub, names, range(5, 10))
        for client in clients:
            assert client.heard == list(range(client.offset + 1, 11))
        statistics = hub.service.statistics()
        assert (statistics.active, statistics.evicted) == (count * each, 0)
        assert {line.participants for line in statistics.session_list} == {each}


class SetClock:
    """A wall clock that someone sets."""

    def __init__(self) -> None:
        self.shift = 0.0

    def __call__(self) -> float:
        return EPOCH + trio.current_time() + self.shift


HOUR = 3600.0


@pytest.mark.slow
@pytest.mark.limit(10_000)
@pytest.mark.parametrize("shift", [-HOUR, HOUR, -30 * 24 * HOUR, 30 * 24 * HOUR])
async def test_a_clock_that_is_set_ends_no_session_and_loses_no_history(tmp_path: Path, shift: float) -> None:
    """Back or forward, and right again later: ages are reckoned by the time that has passed."""
    settings = {
        "orchestration": {"websocket": {"session_timeout": 1800, "history_seconds": 7200}},
        "session_management": {"cleanup_interval": 60},
    }
    clock = SetClock()

    async with running_hub(tmp_path, None, None, clock, **settings) as hub:
        await hub.service.create_session("resting")
        await hub.service.create_session("s")
        ann, answer = await joined(hub, "s")
        for offset, change in ((1, 0.0), (2, shift), (3, -shift)):
            clock.shift += change
            assert await hub.service.publish("s", said("s", offset)) == offset
            await trio.sleep(300)
        assert await hub.service.sweep() == 0
        assert {session.session_id for session in await hub.service.list_sessions()} == {"s", "resting"}
        heard = [await ann.until("session_message") for _ in range(3)]
        assert [message["offset"] for message in heard] == [1, 2, 3]
        statistics = hub.service.statistics()
        assert 0 <= clock() - statistics.connections[0].since <= 1000 + 120
        lines = {line.session_id: line for line in statistics.session_list}
        assert 0 <= clock() - lines["s"].last_active <= 300 + 120
        ann.hang_up()
        await ann.has_ended.wait()
        bob = hub.socket()
        await bob.hear()
        back = await bob.ask(Returning(answer, 0).recovery(), "session_recovered")
        assert [message["offset"] for message in back["messages"]] == [1, 2, 3]
        # What is truly silent ends when it should, to a tenth.
        await trio.sleep(1800 * 1.2)
        assert hub.service.statistics().sessions == 0

"""The client's shell on a virtual clock: connecting, asking, speaking, leaving."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

import orch.client
from orch.client import (
    Backoff,
    Client,
    ConnectionLostError,
    Lost,
    Recovered,
    RefusedError,
    StateChanged,
    StoppedError,
    Unrecognized,
)
from orch.client.transport import DialError, address
from orch.protocol.messages import Error, Ping, SessionMessage, TestMessage, Update
from tests.fakes.dialing import FakeNetwork, FakeSocket
from tests.fakes.running import run

JOINED = {
    "session_id": "s",
    "participant_id": "p",
    "recovery_token": "t",
    "epoch": "e",
    "offset": 0,
    "config": {},
    "participants": [],
    "participant_count": 1,
}


def line(offset: int) -> dict[str, Any]:
    return {"session_id": "s", "sender": "p", "data": offset, "offset": offset}


@asynccontextmanager
async def connected(**more: Any) -> AsyncIterator[tuple[FakeNetwork, Client, FakeSocket]]:
    """Be connected and greeted for the block; waits are the ceiling of the back-off (1, 2, 4 … s)."""
    network = FakeNetwork()
    backoff = Backoff(base=1, cap=30, draw=lambda: 1.0)
    async with orch.client.connect("http://service", dial=network.dial, backoff=backoff) as client:
        socket = await network.connection(1)
        socket.greet(**more)
        await client.live()
        yield network, client, socket


async def join(client: Client, socket: FakeSocket, **more: Any) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.join, "s")
        socket.say("session_joined", id=(await socket.asked("join_session"))["id"], **(JOINED | more))


async def events(client: Client, count: int) -> list[orch.client.Event]:
    """Return so many events, those of the connection's state aside."""
    found: list[orch.client.Event] = []
    async for event in client:
        if not isinstance(event, StateChanged):
            found.append(event)
        if len(found) == count:
            break
    return found


async def state(client: Client, wanted: str) -> StateChanged:
    """Return the state once it is ``wanted``."""
    while client.state.state != wanted:
        await client._connection.changed.park()
    return client.state


def test_addresses_of_a_service_and_of_its_socket_are_both_good() -> None:
    """What people have in their browser's address bar works."""
    assert address("http://localhost:3000") == "ws://localhost:3000/ws"
    assert address("https://host/translate/") == "wss://host/translate/ws"
    assert address("ws://localhost:3000") == "ws://localhost:3000/ws"
    assert address("wss://host/elsewhere") == "wss://host/elsewhere"
    for wrong in ("localhost:3000", "ftp://host", "http://"):
        with pytest.raises(ValueError, match="is not the address of a service"):
            address(wrong)


async def test_it_reconnects_recovers_and_subscribes_again() -> None:
    """All missed messages are delivered once, in order."""
    async with connected() as (network, client, socket):
        await join(client, socket)
        socket.say("session_message", **line(1))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.subscribe, "tree")
            socket.say("subscribed", topic="tree", id=(await socket.asked("subscribe"))["id"])
        socket.drop()
        again = await network.connection(2)
        again.greet()
        asked = await again.asked("recover_session")
        assert (asked["recovery_token"], asked["epoch"], asked["offset"]) == ("t", "e", 1)
        await again.asked("subscribe")
        again.say("update", topic="tree", data={})
        missed = [{"type": "session_message", "timestamp": 0} | line(n) for n in (2, 3)]
        again.say(
            "session_recovered",
            id=asked["id"],
            session_id="s",
            recovered=True,
            epoch="e",
            offset=3,
            messages=missed,
        )
        first, update, second, third, recovered = await events(client, 5)
        assert isinstance(update, Update)
        assert [e.offset for e in (first, second, third) if isinstance(e, SessionMessage)] == [1, 2, 3]
        assert recovered == Recovered("s", 2)
        assert client.statistics().connections == 2


async def test_a_loss_is_an_event() -> None:
    """Lost messages are reported, with the last delivered offset."""
    async with connected() as (network, client, socket):
        await join(client, socket, offset=4)
        socket.drop(4200)
        again = await network.connection(2)
        again.greet()
        asked = await again.asked("recover_session")
        again.say(
            "session_recovered",
            id=asked["id"],
            session_id="s",
            recovered=False,
            reason="history_expired",
        )
        assert await events(client, 1) == [Lost("s", "history_expired", 4)]
        assert network.tries[1] == network.tries[0], "4200: at once"


async def test_failed_attempts_wait_longer_each_time_and_have_a_reason() -> None:
    """No network, a handshake refused for now, a service that does not greet."""
    network = FakeNetwork()
    network.failures += [OSError("unreachable"), DialError("The service refused it with HTTP 503.")]
    backoff = Backoff(base=1, cap=30, draw=lambda: 1.0)
    async with orch.client.connect("http://service", dial=network.dial, backoff=backoff) as client:
        assert "unreachable" in (await state(client, "waiting")).reason
        await network.connection(1)
        with trio.fail_after(60):
            (await network.connection(2)).greet()
        await client.live()
        assert network.tries == [0, 1, 3, 17]
        assert client.state.attempt == 0


async def test_a_final_close_code_stops_the_client_everywhere() -> None:
    """A stop by close code, or by a handshake that would be refused again."""
    async with connected() as (network, client, socket):
        async with trio.open_nursery() as nursery:

            async def asks() -> None:
                with pytest.raises(ConnectionLostError):
                    await client.ping()

            nursery.start_soon(asks)
            await socket.asked("ping")
            socket.drop(4001, "An operator closed the connection.")
        await state(client, "stopped")
        with pytest.raises(StoppedError, match="operator") as stopped:
            await client.ping()
        assert stopped.value.close_code == 4001
        with pytest.raises(StoppedError):
            await events(client, 1)
        with pytest.raises(StoppedError):
            await client.live()
        await trio.sleep(100)
        assert len(network.tries) == 1

    network = FakeNetwork()
    network.failures.append(DialError("HTTP 404.", is_final=True))
    async with orch.client.connect("http://service", dial=network.dial) as client:
        with pytest.raises(StoppedError, match="404"):
            await client.live()


async def test_reconnect_after_is_waited_for() -> None:
    """The service spreads its clients itself."""
    async with connected() as (network, client, socket):
        await trio.sleep(10)
        socket.say("closing", reason="Restarting.", reconnect_after=4)
        socket.drop(1012)
        waiting = await state(client, "waiting")
        assert (waiting.reason, waiting.retry_in) == ("Restarting.", 5)
        await network.connection(2)
        assert network.tries == [0, 15]


async def test_a_dead_connection_is_noticed_and_replaced() -> None:
    """Silence leads to a ping, then to a reconnect; any message counts as life."""
    async with connected(ping_interval=20) as (network, client, socket):
        await trio.sleep(15)
        socket.say("update", topic="tree", data={})
        await socket.asked("ping")
        assert trio.current_time() == 35
        await network.connection(2)
        assert trio.current_time() == 46
        assert client.state.reason == "The service stopped responding."


async def test_a_service_that_reads_nothing_is_disconnected() -> None:
    """Even if it keeps sending: it has to read, too."""
    async with connected() as (network, client, socket):
        socket.is_stalled = True

        async def talk() -> None:
            while True:
                socket.say("update", topic="tree", data={})
                await trio.sleep(1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(talk)
            with pytest.raises(ConnectionLostError):
                await client.ping()
            assert trio.current_time() == 30
            await network.connection(2)
            nursery.cancel_scope.cancel()


async def test_an_invalid_message_costs_only_the_connection() -> None:
    """It reports the message and reconnects; messages of unknown types are delivered."""
    async with connected() as (network, client, socket):
        socket.say("of_a_later_version", answer=42)
        (unknown,) = await events(client, 1)
        assert isinstance(unknown, Unrecognized)
        assert unknown.fields["answer"] == 42
        socket.say_text('{"type": "pong"}')
        assert "invalid message" in (await state(client, "waiting")).reason
        again = await network.connection(2)
        again.greet()
        again.say_text("not JSON")
        await network.connection(3)


async def test_a_request_may_be_cancelled_at_any_time() -> None:
    """Nothing of it is left, and its late reply is dropped."""
    async with connected() as (_, client, socket):
        with trio.move_on_after(1):
            await client.request(TestMessage())
        asked = await socket.asked("test_message")
        assert client.statistics().requests == 0
        socket.say("error", id=asked["id"], code="internal_error", detail="Too late.")
        (late,) = await events(client, 1)
        assert isinstance(late, Error)
        socket.drop()
        await state(client, "connecting")
        with trio.move_on_after(1):
            await client.request(Ping())
        assert client.statistics().requests == 0


async def test_a_refused_topic_is_not_subscribed_again() -> None:
    """The error is raised, and the next connection does not subscribe again."""
    async with connected() as (_, client, socket):

        async def refuse() -> None:
            asked = await socket.asked("subscribe")
            socket.say("error", id=asked["id"], code="unknown_topic", detail="None.")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(refuse)
            with pytest.raises(RefusedError, match="None"):
                await client.subscribe("nope")
        assert client.statistics().topics == ()
        assert [m["type"] for m in socket.sent] == ["subscribe"]


async def test_leaving_sends_queued_messages_and_closes() -> None:
    """1000, after all queued messages; an exception of the block is raised unchanged."""
    async with connected() as (_, client, socket):
        await join(client, socket)
        client._connection.post(Ping())
    assert socket.closed_with == 1000
    assert socket.sent[-1]["type"] == "ping"
    with pytest.raises(KeyError, match="mine"):
        async with connected():
            raise KeyError("mine")
    before = trio.current_time()
    async with connected() as (_, client, socket):
        socket.is_stalled = True
        client._connection.post(Ping())
    assert trio.current_time() - before == 2, "bounded, whatever the service does"


async def test_a_client_ends_at_once_where_it_is_cancelled() -> None:
    """Connecting, waiting or live."""
    for failures in ([], [OSError("no")]):
        network = FakeNetwork()
        network.failures += failures
        with trio.move_on_after(0.1):
            async with orch.client.connect("http://service", dial=network.dial):
                await trio.sleep_forever()
    assert trio.current_time() == pytest.approx(0.2)


PCM = bytes(range(200)) * 2


def speaking(test: Callable[[FakeNetwork, Client, FakeSocket], Awaitable[None]]) -> None:
    async def main() -> None:
        async with connected() as (network, client, socket):
            await join(client, socket)
            await test(network, client, socket)

    run(main)


async def listen(socket: FakeSocket, stream_id: str = "a") -> None:
    """Reply to ``audio_start``."""
    start = await socket.asked("audio_start")
    socket.say("audio_started", id=start["id"], session_id="s", stream_id=stream_id)


def ended(stream_id: str = "a") -> dict[str, Any]:
    return {"session_id": "s", "stream_id": stream_id, "seconds": 1.0, "lost_seconds": 0.0}


def test_speech_is_received_in_order_and_its_end_is_waited_for() -> None:
    """The block ends when all is written down."""

    async def test(network: FakeNetwork, client: Client, socket: FakeSocket) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, socket)
            async with client.speak("s", sample_rate=16_000, target_languages=("es",)) as speech:
                await speech.send(PCM[:200])
                await speech.send(PCM[200:])
                with pytest.raises(ValueError, match="even"):
                    await speech.send(b"odd")

                async def finish() -> None:
                    end = await socket.asked("audio_end")
                    await trio.sleep(5)
                    socket.say("audio_ended", id=end["id"], **ended())

                nursery.start_soon(finish)
        assert b"".join(socket.blocks) == PCM
        start = await socket.asked("audio_start")
        assert (start["sample_rate"], start["target_languages"]) == (16_000, ["es"])
        assert speech.stream_ids == ["a"]
        assert speech.ended is not None
        assert trio.current_time() == 5

    speaking(test)


def test_speech_goes_on_as_a_new_stream_after_a_lost_connection() -> None:
    """Unsent speech is sent then."""

    async def test(network: FakeNetwork, client: Client, socket: FakeSocket) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, socket)
            async with client.speak("s", sample_rate=16_000) as speech:
                await speech.send(PCM)
                await socket.heard(len(PCM))
                socket.is_stalled = True
                await speech.send(b"\1\2")
                await trio.sleep(1)
                socket.drop()
                again = await network.connection(2)
                await speech.send(b"\3\4")
                again.greet()
                nursery.start_soon(listen, again, "b")
                assert await again.heard(4) == b"\1\2\3\4"
                order = [m["type"] for m in again.sent]
                assert order == ["recover_session", "audio_start"]

                async def finish() -> None:
                    end = await again.asked("audio_end")
                    again.say("audio_ended", id=end["id"], **ended("b"))

                nursery.start_soon(finish)
        assert speech.stream_ids == ["a", "b"]

    speaking(test)


def test_a_stream_that_broke_off_is_started_again() -> None:
    """A second later, with what waits."""

    async def test(network: FakeNetwork, client: Client, socket: FakeSocket) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, socket)
            async with client.speak("s", sample_rate=16_000) as speech:
                socket.say("audio_ended", **ended())
                await trio.sleep(0.5)
                await speech.send(PCM)
                second = await socket.asked("audio_start", 2)
                assert trio.current_time() == 1
                socket.say("audio_started", id=second["id"], session_id="s", stream_id="b")
                await socket.heard(len(PCM))
                nursery.start_soon(_end, socket, "b")

    speaking(test)


def test_an_error_reaches_the_stream_that_it_is_about() -> None:
    """And no other one; the reader of events has both."""

    async def test(network: FakeNetwork, client: Client, socket: FakeSocket) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, socket)
            async with client.speak("s", sample_rate=16_000) as speech:
                broken = {
                    "code": "internal_error",
                    "detail": "The recording could not be decoded to its end.",
                }
                socket.say("error", session_id="s", stream_id="of-a-recording", **broken)
                socket.say("error", session_id="s", **broken)
                await trio.testing.wait_all_tasks_blocked()
                before = speech.error
                socket.say("error", session_id="s", stream_id="a", code="speech_lost", detail="Broken off.")
                await trio.testing.wait_all_tasks_blocked()
                assert speech.error is not None
                assert (before, speech.error.code, speech.error.stream_id) == (None, "speech_lost", "a")
                nursery.start_soon(_end, socket, "a")

    speaking(test)


async def _end(socket: FakeSocket, stream_id: str) -> None:
    end = await socket.asked("audio_end")
    socket.say("audio_ended", id=end["id"], **ended(stream_id))


def test_speech_that_is_refused_is_an_error_of_the_block() -> None:
    """At its beginning, or in the middle where the session was lost."""

    async def test(network: FakeNetwork, client: Client, socket: FakeSocket) -> None:
        async def refuse(on: FakeSocket, code: str) -> None:
            start = await on.asked("audio_start")
            on.say("error", id=start["id"], code=code, detail="No.")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(refuse, socket, "unsupported_language")
            with pytest.raises(RefusedError) as refused:
                async with client.speak("s", sample_rate=16_000, source_language="xx"):
                    raise AssertionError
            assert refused.value.code == "unsupported_language"
        socket.sent.clear()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, socket)
            with pytest.raises(RefusedError) as refused:  # noqa: PT012 - the block is what fails
                async with client.speak("s", sample_rate=16_000) as speech:
                    socket.drop()
                    await speech.send(PCM)
                    again = await network.connection(2)
                    again.greet()
                    nursery.start_soon(refuse, again, "not_in_session")
                    await trio.sleep_forever()
            assert refused.value.code == "not_in_session"

    speaking(test)


def test_speech_faster_than_the_network_waits_and_can_be_cancelled() -> None:
    """At most a minute is stored; a cancelled block was not stored."""

    async def test(network: FakeNetwork, client: Client, socket: FakeSocket) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen, socket)
            second = bytes(32_000)
            with pytest.raises(KeyError):  # noqa: PT012 - the block is what fails
                async with client.speak("s", sample_rate=16_000) as speech:
                    socket.is_stalled = True
                    with trio.move_on_after(5) as scope:
                        for _ in range(90):
                            await speech.send(second)
                    assert scope.cancelled_caught
                    assert speech.waiting_seconds == 60
                    waiting = speech.waiting_seconds
                    with trio.move_on_after(1):
                        await speech.send(second)
                    assert speech.waiting_seconds == waiting
                    raise KeyError("mine")

    speaking(test)

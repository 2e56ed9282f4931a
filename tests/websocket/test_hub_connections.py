import json
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from orch.gateway.flows import Flow
from orch.problems import ProblemError
from orch.websocket.connections.connection import CLOSE_PATIENCE, TASKS_LIMIT
from orch.websocket.connections.decoding import FRAME_LIMIT
from tests.fakes.asgi import FakeSocket
from tests.fakes.hub import FakeAnswer, Hub, running_hub

SMALL = {"orchestration": {"websocket": {"outbox_bytes": 65_536}}}


async def test_the_greeting_says_what_a_client_needs_to_know(tmp_path: Path) -> None:
    """The first message has the id, the clock, and how long a return is possible."""
    async with running_hub(tmp_path) as hub:
        socket = hub.socket()
        greeting = await socket.hear()
        assert greeting["type"] == "connected"
        assert greeting["server_time"] == greeting["timestamp"]
        assert (greeting["ping_interval"], greeting["recovery_window"]) == (25, 1800)
        assert greeting["connection_id"] == hub.service.statistics().connections[0].connection_id
        socket.hang_up()


async def test_a_test_message_comes_back_with_all_its_fields(tmp_path: Path) -> None:
    """The seed's throughput test: the same object, and a timestamp."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        fields = {"type": "test_message", "id": 5, "x": {"y": [1, 2.5, None, "é"]}}
        echo = await ann.ask(fields)
        assert isinstance(echo.pop("timestamp"), int)
        assert echo == fields


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "[]",
        "null",
        '{"type":"nope"}',
        '{"type":"join_session"}',
        "[" * 100_000,
        b"",
        b"\x00\x01",
        b"\x00",
    ],
    ids=range(10),
)
async def test_whatever_is_wrong_with_a_message_the_connection_stays(
    tmp_path: Path, frame: str | bytes
) -> None:
    """Malformed frames are answered with an error, one each."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        assert (await ann.ask(frame))["type"] == "error"
        assert (await ann.ask({"type": "ping"}))["type"] == "pong"


@pytest.mark.parametrize(
    "frame", ["x" * (FRAME_LIMIT + 1), "é" * (FRAME_LIMIT // 2 + 1), b"x" * (FRAME_LIMIT + 1)]
)
async def test_a_frame_that_is_too_large_closes_its_connection(tmp_path: Path, frame: str | bytes) -> None:
    """1009, and nobody else is affected."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        socket = hub.socket()
        await socket.hear()
        socket.say(frame)
        await socket.has_ended.wait()
        assert socket.close_code == 1009
        assert (await ann.ask({"type": "ping"}))["type"] == "pong"


async def test_a_failure_of_ours_is_an_error_with_a_number_and_the_connection_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The client is told nothing of our insides; the log has them under the number the client was given."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        hub.gateway.answer = RuntimeError("secret")
        answer = await ann.ask({"type": "ping", "id": 1}, "pong")
        hub.topics.register("broken", lambda: 1 / 0)
        answer = await ann.ask({"type": "subscribe", "topic": "broken", "id": 2})
        assert (answer["code"], answer["id"]) == ("internal_error", 2)
        assert "division" not in json.dumps(answer)
        await hub.stop_store()
        hub.store.load = None  # type: ignore[method-assign, assignment]  # a bug, as calls see it
        answer = await ann.ask({"type": "join_session", "session_id": "s", "id": 3})
        assert (answer["code"], answer["id"]) == ("internal_error", 3)
        number = answer["detail"].split()[-1].rstrip(".")
        assert number in capsys.readouterr().out
        assert (await ann.ask({"type": "ping"}, "pong"))["type"] == "pong"


@pytest.mark.parametrize(
    ("answer", "data"),
    [
        (FakeAnswer(200, b'{"a": 1}'), {"a": 1}),
        (FakeAnswer(422, b"[1]"), [1]),
        (FakeAnswer(200, b""), {"text": ""}),
        (FakeAnswer(500, b"<html>"), {"text": "<html>"}),
        (FakeAnswer(200, b'"\xff"'), "\ufffd"),
        (FakeAnswer(200, b"[" * 5000), {"text": "[" * 5000}),
    ],
)
async def test_what_a_back_end_answers_is_passed_on_as_json(
    tmp_path: Path, answer: FakeAnswer, data: Any
) -> None:
    """JSON as it is, anything else as text; the status is the back end's."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        hub.gateway.answer = answer
        got = await ann.ask(
            {"type": "service_message", "target_service": "t", "action": "x", "payload": {"k": 1}}
        )
        assert (got["status"], got["data"]) == (answer.status, data)
        assert hub.gateway.asked == [("t", "POST", "/api/x", b'{"k":1}')]
        [(flow, caller)] = hub.gateway.flows
        assert flow is Flow.REQUESTS, "clients share no connection with captions"
        assert caller, "and each counts for itself"


async def test_a_back_end_that_cannot_be_reached_is_an_error_with_its_name(tmp_path: Path) -> None:
    """The code says what happened, `service` to whom."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        hub.gateway.answer = ProblemError("service_unavailable", "audio-service is not answering.")
        got = await ann.ask(
            {"type": "service_message", "target_service": "audio-service", "action": "x", "id": 1}
        )
        assert (got["code"], got["service"], got["id"]) == ("service_unavailable", "audio-service", 1)


@pytest.mark.parametrize("action", ["../x", "a/../../b", "/x", "x/", "a//b", "./x"])
async def test_an_action_cannot_leave_the_back_end_s_api(tmp_path: Path, action: str) -> None:
    """A path with dots or empty parts is refused here, whatever the back end would make of it."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        got = await ann.ask({"type": "service_message", "target_service": "t", "action": action})
        assert (got["code"], got["path"]) == ("invalid_message", "$.action")
        assert hub.gateway.asked == []


async def test_one_client_has_so_many_requests_under_way_and_loses_none(tmp_path: Path) -> None:
    """With too much under way nothing more is read; it is all answered once there is room."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        hub.gateway.gate = trio.Event()
        for number in range(TASKS_LIMIT * 2):
            ann.say({"type": "service_message", "target_service": "t", "action": "x", "id": number})
        await trio.testing.wait_all_tasks_blocked()
        assert len(hub.gateway.asked) == TASKS_LIMIT
        hub.gateway.gate.set()
        answers = {(await ann.until("service_response"))["id"] for _ in range(TASKS_LIMIT * 2)}
        assert answers == set(range(TASKS_LIMIT * 2))


async def test_pages_of_other_sites_are_refused(tmp_path: Path) -> None:
    """403 with a problem, or a close code where the server cannot answer HTTP."""
    async with running_hub(tmp_path) as hub:
        headers = (("host", "here:3000"), ("origin", "http://evil"))
        refused = hub.socket(headers=headers)
        await refused.has_ended.wait()
        assert (refused.status, json.loads(refused.body)["code"]) == (403, "wrong_origin")
        plain = hub.socket(headers=headers, extensions={})
        await plain.has_ended.wait()
        assert (plain.close_code, plain.is_accepted) == (4000, False)


async def test_so_many_connections_and_no_more(tmp_path: Path) -> None:
    """The next one is told to come back later; when one goes there is room again."""
    async with running_hub(tmp_path, orchestration={"websocket": {"max_connections": 2}}) as hub:
        async with hub.connected(), hub.connected():
            third = hub.socket()
            await third.has_ended.wait()
            assert third.status == 503
            assert json.loads(third.body)["code"] == "too_many_connections"
        async with hub.connected() as ann:
            assert (await ann.ask({"type": "ping"}))["type"] == "pong"


async def test_nobody_is_let_in_while_the_hub_does_not_run(tmp_path: Path) -> None:
    """Between two runs of the branch a client is told to try again, not left waiting."""
    async with running_hub(tmp_path) as hub:
        hub.hub_scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        socket = hub.socket()
        await socket.has_ended.wait()
        assert (socket.status, json.loads(socket.body)["code"]) == (503, "shutting_down")


async def test_an_announcement_reaches_a_thousand_connections(tmp_path: Path) -> None:
    """The seed's scaling test, with none missing."""
    async with running_hub(tmp_path) as hub:
        sockets = [hub.socket() for _ in range(1000)]
        for socket in sockets:
            await socket.hear()
        announced = hub.service.announce("Test")
        assert (announced.taken, announced.evicted) == (1000, 0)
        for socket in sockets:
            heard = await socket.hear()
            assert (heard["type"], heard["message"]) == ("system_announcement", "Test")
        assert hub.service.statistics().active == 1000


async def test_an_address_has_so_many_connections_and_no_more(tmp_path: Path) -> None:
    """One that takes all the places leaves none to others; when one of them goes there is room again."""
    limits = {"websocket": {"max_connections_per_address": 2}}
    async with running_hub(tmp_path, orchestration=limits) as hub:
        async with hub.connected(), hub.connected():
            third = hub.socket()
            await third.has_ended.wait()
            assert third.status == 429
            assert json.loads(third.body)["code"] == "too_many_from_address"
        async with hub.connected() as ann:
            assert (await ann.ask({"type": "ping"}))["type"] == "pong"
        assert hub.service.statistics().problems["too_many_from_address"] == 1


async def test_who_sends_too_fast_is_told_first_and_closed_when_that_does_not_help(tmp_path: Path) -> None:
    """What was refused is named by its id; the close says to back off; nobody else notices."""
    limits = {"websocket": {"max_messages_per_second": 10}}
    async with running_hub(tmp_path, orchestration=limits) as hub, hub.connected() as ann:
        fast = hub.socket()
        await fast.hear()
        for number in range(60):
            fast.say({"type": "ping", "id": number})
        heard = [await fast.hear() for _ in range(41)]
        with pytest.raises(trio.EndOfChannel):
            await fast.hear()
        assert [each["type"] for each in heard] == ["pong"] * 20 + ["error"] * 21
        assert [each["id"] for each in heard] == list(range(41))
        assert {each["code"] for each in heard[20:]} == {"rate_limited"}
        assert fast.close_code == 4101
        await fast.has_ended.wait()
        assert (await ann.ask({"type": "ping"}))["type"] == "pong"
        assert hub.service.statistics().problems["rate_limited"] == 21


async def test_who_slows_down_when_told_stays(tmp_path: Path) -> None:
    """Bytes count as well; after a pause everything is as at first, and settings apply at once."""
    limits = {"websocket": {"max_bytes_per_second": 65_536}}
    async with running_hub(tmp_path, orchestration=limits) as hub, hub.connected() as ann:
        large = {"type": "test_message", "x": "y" * 900_000}
        answers = [(await ann.ask(large))["type"] for _ in range(3)]
        assert answers == ["test_message", "test_message", "error"]
        await trio.sleep(40)
        assert (await ann.ask(large))["type"] == "test_message"
        hub.settings.change(orchestration={"websocket": {"max_bytes_per_second": 100_000_000}})
        await trio.sleep(40)
        assert [(await ann.ask(large))["type"] for _ in range(20)] == ["test_message"] * 20


async def test_a_burst_that_people_need_is_fine_by_default(tmp_path: Path) -> None:
    """200 messages of 60 KB within a second are no reason for a word."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        for _ in range(200):
            ann.say({"type": "test_message", "x": "y" * 60_000})
        assert {(await ann.hear())["type"] for _ in range(200)} == {"test_message"}


async def test_a_client_that_takes_a_little_now_and_then_is_closed_as_slow(tmp_path: Path) -> None:
    """Below the limit of bytes, and never quite stalled: what it is owed has waited too long."""
    limits = {"websocket": {"outbox_seconds": 30}}
    async with running_hub(tmp_path, orchestration=limits) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        slow = await stalled(hub, "s")
        for number in range(50):
            ann.say({"type": "broadcast", "session_id": "s", "data": number})
        for _ in range(25):
            await trio.sleep(1)
            await slow.hear()
        assert hub.service.statistics().evicted == 0
        await trio.sleep(6.5)
        assert hub.service.statistics().evicted == 1
        with pytest.raises(trio.EndOfChannel):
            await slow.until("never")
        assert slow.close_code == 4200


async def test_an_announcement_says_who_took_it_and_who_could_not(tmp_path: Path) -> None:
    """Those who are too slow to be told have to go; nobody waits for them."""
    async with running_hub(tmp_path, **SMALL) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        await stalled(hub, "s")
        before = trio.current_time()
        for number in range(20):
            announced = await hub.service.announce_everywhere(f"{number} {'x' * 5000}")
            await ann.until("system_announcement")
            if announced.evicted:
                break
        assert (announced.taken, announced.evicted, announced.seconds) == (1, 1, 0.0)
        assert trio.current_time() == before
        assert (await hub.service.announce_everywhere("again")).taken == 1
        assert hub.events.latest()[0].text == "Announced to 1 connections: again"


async def test_an_operator_closes_one_connection_and_no_other(tmp_path: Path) -> None:
    """With the code that says not to come back, after what was queued for it."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        bob = hub.socket(buffer=0)
        greeting = await bob.hear()
        await bob.ask({"type": "join_session", "session_id": "s"}, "session_joined")
        ann.say({"type": "broadcast", "session_id": "s", "data": 1})
        await ann.until("session_message")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hub.service.close_connection, greeting["connection_id"])
            await bob.until("session_message")
            with pytest.raises(trio.EndOfChannel):
                await bob.until("never")
        assert bob.close_code == 4001
        await bob.has_ended.wait()
        with pytest.raises(ProblemError, match="No connection is called") as caught:
            await hub.service.close_connection(greeting["connection_id"])
        assert caught.value.code == "unknown_connection"
        assert (await ann.ask({"type": "ping"}, "pong"))["type"] == "pong"


async def test_an_operator_closes_one_that_takes_nothing_within_the_time_a_close_may_take(
    tmp_path: Path,
) -> None:
    """It cannot be told, and is closed all the same."""
    async with running_hub(tmp_path) as hub:
        deaf = hub.socket(buffer=0)
        greeting = await deaf.hear()
        deaf.say({"type": "ping"})
        await trio.testing.wait_all_tasks_blocked()
        await hub.service.close_connection(greeting["connection_id"])
        await deaf.has_ended.wait()
        assert trio.current_time() <= 2 * CLOSE_PATIENCE + 1
        assert hub.service.statistics().active == 0


async def stalled(hub: Hub, session_id: str) -> FakeSocket:
    """Join a session with a client that then reads nothing more."""
    socket = hub.socket(buffer=0)
    await socket.hear()
    socket.say({"type": "join_session", "session_id": session_id})
    await socket.until("session_joined")
    return socket


async def test_a_client_that_stops_reading_is_closed_and_nobody_else_waits(tmp_path: Path) -> None:
    """A slow client costs only itself: it is told to reconnect, the others have every message."""
    async with running_hub(tmp_path, **SMALL) as hub, hub.connected() as ann, hub.connected() as bob:
        await ann.ask({"type": "create_session", "session_id": "s"})
        await bob.ask({"type": "join_session", "session_id": "s"})
        slow = await stalled(hub, "s")
        for number in range(40):
            ann.say({"type": "broadcast", "session_id": "s", "data": [number, "x" * 4000]})
        for socket in (ann, bob):
            heard = [(await socket.until("session_message"))["data"][0] for _ in range(40)]
            assert heard == list(range(40))
        statistics = hub.service.statistics()
        assert statistics.evicted == 1
        assert statistics.queued_bytes == 0
        closing = [each for each in statistics.connections if each.state == "closing"]
        assert [each.sessions for each in closing] == [()]
        assert "too slow" in hub.events.latest()[0].text
        await trio.sleep(CLOSE_PATIENCE + 2)
        assert slow.has_ended.is_set()
        assert hub.service.statistics().active == 2


async def test_an_evicted_client_that_reads_again_is_told_to_reconnect(tmp_path: Path) -> None:
    """The close code is in the range of those that say: come back at once."""
    async with running_hub(tmp_path, **SMALL) as hub, hub.connected() as ann:
        joined = await ann.ask({"type": "create_session", "session_id": "s"})
        slow = await stalled(hub, "s")
        for number in range(40):
            ann.say({"type": "broadcast", "session_id": "s", "data": [number, "x" * 4000]})
            await ann.until("session_message")
        with pytest.raises(trio.EndOfChannel):
            await slow.until("never")
        assert slow.close_code == 4200
        assert joined["offset"] == 0


async def test_a_send_that_hangs_for_a_heartbeat_ends_its_connection(tmp_path: Path) -> None:
    """A dead network is noticed within interval and time-out, even if little is said."""
    async with running_hub(tmp_path) as hub:
        dead = hub.socket(buffer=0)
        await dead.hear()
        dead.say({"type": "ping"})
        await trio.sleep(34)
        assert not dead.has_ended.is_set()
        await trio.sleep(3)
        assert dead.has_ended.is_set()
        assert hub.service.statistics().active == 0
        assert hub.service.statistics().evicted == 0


async def test_a_client_that_does_not_take_its_answers_is_asked_nothing_more(tmp_path: Path) -> None:
    """Requests without end cannot fill memory: what is not read back is not read in."""
    async with running_hub(tmp_path, **SMALL) as hub:
        greedy = hub.socket(buffer=0)
        await greedy.hear()
        for _ in range(100):
            greedy.say({"type": "test_message", "x": "y" * 10_000})
        await trio.testing.wait_all_tasks_blocked()
        assert hub.service.statistics().queued_bytes < 65_536
        for _ in range(100):
            assert (await greedy.hear())["type"] == "test_message"
        greedy.hang_up()


async def test_history_larger_than_an_outbox_is_answered_and_what_comes_meanwhile_too(tmp_path: Path) -> None:
    """Recovering much does not make a client look slow."""
    async with running_hub(tmp_path, **SMALL) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        for _ in range(60):
            ann.say({"type": "broadcast", "session_id": "s", "data": "x" * 5000})
            await ann.until("session_message")
        bob = hub.socket(buffer=0)
        await bob.hear()
        bob.say({"type": "join_session", "session_id": "s", "history": True})
        await trio.testing.wait_all_tasks_blocked()
        ann.say({"type": "broadcast", "session_id": "s", "data": "x" * 5000})
        await ann.until("session_message")
        joined = await bob.until("session_joined")
        assert joined["more"] is True
        assert (await bob.until("session_message"))["offset"] == 61
        offsets = [message["offset"] for message in joined["messages"]]
        more = True
        while more:
            part = await bob.until("session_history")
            offsets += [message["offset"] for message in part["messages"]]
            more = part["more"]
        assert offsets == list(range(1, 61))
        bob.hang_up()


async def test_a_client_that_is_gone_leaves_nothing_behind(tmp_path: Path) -> None:
    """A send that fails ends the connection as a disconnect does."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        bob = hub.socket()
        bob.say({"type": "join_session", "session_id": "s"})
        await bob.until("session_joined")
        bob.is_gone = True
        ann.say({"type": "broadcast", "session_id": "s", "data": 1})
        await ann.until("session_message")
        await bob.has_ended.wait()
        assert hub.service.statistics().active == 1
        assert hub.service.statistics().session_list[0].participants == 1


async def test_a_client_that_goes_before_it_has_come_is_no_connection(tmp_path: Path) -> None:
    """A handshake that is never finished leaves no trace."""
    async with running_hub(tmp_path) as hub:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.disconnect", "code": 1006}

        async def send(event: Any) -> None:
            sent.append(event)

        await hub.service.endpoint(FakeSocket().scope, receive, send)
        assert sent == []
        assert hub.service.statistics().total == 0


async def test_draining_tells_clients_when_to_return_and_waits_for_the_stuck_no_longer_than_a_close(
    tmp_path: Path,
) -> None:
    """At shutdown everyone is told, spread over time; one that takes nothing does not hold it up."""
    async with running_hub(tmp_path) as hub:
        sockets = [hub.socket() for _ in range(1200)]
        for socket in sockets:
            await socket.hear()
        stuck = hub.socket(buffer=0)
        await stuck.hear()
        stuck.say({"type": "ping"})
        await trio.testing.wait_all_tasks_blocked()
        before = trio.current_time()
        await hub.service.drain()
        assert trio.current_time() - before <= 0.2 + CLOSE_PATIENCE + 1
        waits = []
        for socket in sockets:
            closing = await socket.hear()
            assert closing["type"] == "closing"
            waits.append(closing["reconnect_after"])
            assert socket.close_code == 4202
        assert min(waits) >= 0.5
        assert max(waits) <= 0.5 + 1.201
        assert len(set(waits)) > 600
        late = hub.socket()
        await late.has_ended.wait()
        assert late.status == 503


async def test_draining_nobody_takes_no_time(tmp_path: Path) -> None:
    """A service without clients stops at once."""
    async with running_hub(tmp_path) as hub:
        before = trio.current_time()
        await hub.service.drain()
        assert trio.current_time() == before


async def test_messages_of_one_session_arrive_in_the_order_of_their_offsets(tmp_path: Path) -> None:
    """Many who speak at once are one sequence, the same for everyone."""
    async with running_hub(tmp_path) as hub:
        await hub.service.create_session("s")
        sockets = [hub.socket() for _ in range(10)]
        for socket in sockets:
            await socket.hear()
            await socket.ask({"type": "join_session", "session_id": "s"}, "session_joined")
        for number in range(30):
            for index, socket in enumerate(sockets):
                socket.say({"type": "broadcast", "session_id": "s", "data": [index, number]})
        heard = [[await socket.until("session_message") for _ in range(300)] for socket in sockets]
        assert all(each == heard[0] for each in heard)
        assert [message["offset"] for message in heard[0]] == list(range(1, 301))
        for index in range(10):
            own = [message["data"][1] for message in heard[0] if message["data"][0] == index]
            assert own == list(range(30))


async def test_statistics_tell_what_is_there(tmp_path: Path) -> None:
    """Counts outlive the connections they are of; rates are of the last seconds."""
    async with running_hub(tmp_path) as hub:
        async with hub.connected(headers=(("host", "h"), ("user-agent", "tester"))) as ann:
            await ann.ask({"type": "create_session", "session_id": "s", "name": "Ann"})
            await trio.sleep(0.5)
            for _ in range(10):
                await ann.ask({"type": "ping"}, "pong")
            await trio.sleep(1)
            now = hub.service.statistics()
            line = now.connections[0]
            assert (line.name, line.agent, line.sessions, line.state) == ("Ann", "tester", ("s",), "open")
            assert (line.received, line.streaming) == (11, False)
            assert now.messages_in_per_second > 0
            assert now.messages_out_per_second > 0
            assert now.session_list[0].participants == 1
        await trio.sleep(20)
        after = hub.service.statistics()
        assert (after.active, after.total, after.messages_in) == (0, 1, 11)
        assert after.messages_in_per_second == 0.0
        assert "1 sessions" in repr(hub.service)


async def test_a_burst_makes_no_one_slow_who_takes_what_is_sent(tmp_path: Path) -> None:
    """200 messages of 60 KB at once, ten times an outbox: everyone who reads has them all."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        listeners = [hub.socket() for _ in range(5)]
        for socket in listeners:
            await socket.hear()
            await socket.ask({"type": "join_session", "session_id": "s"}, "session_joined")
        for number in range(200):
            ann.say({"type": "broadcast", "session_id": "s", "data": [number, "x" * 60_000]})
        for socket in (*listeners, ann):
            heard = [(await socket.until("session_message"))["data"][0] for _ in range(200)]
            assert heard == list(range(200))
        assert hub.service.statistics().evicted == 0


async def test_one_who_talks_and_does_not_read_holds_up_only_itself(tmp_path: Path) -> None:
    """The pace is set by the talker's own outbox; nobody else is waited for, and nobody else waits."""
    async with running_hub(tmp_path, **SMALL) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        deaf = await stalled(hub, "s")
        for number in range(100):
            deaf.say({"type": "broadcast", "session_id": "s", "data": [number, "x" * 4000]})
        await trio.testing.wait_all_tasks_blocked()
        heard = [m for m in await ann.settle() if m["type"] == "session_message"]
        assert 1 <= len(heard) <= 12
        ann.say({"type": "broadcast", "session_id": "s", "data": "hello"})
        assert (await ann.until("session_message"))["data"] == "hello"
        assert hub.service.statistics().evicted == 0

"""Proxied WebSockets from end to end, in memory and on a virtual clock."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked
from websockets.frames import Opcode
from websockets.http11 import Request

from tests.fakes.bounded_pipes import bounded_pair
from tests.fakes.gateway import GatewayRig, answering, gateway_rig, ok
from tests.fakes.proxied_sockets import Peer, Visitor, accepting, echo

A, B = "http://a:1", "http://b:1"


@asynccontextmanager
async def visiting(rig: GatewayRig, visitor: Visitor) -> AsyncIterator[Peer]:
    """Open a socket for the block; after it, it may go on."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(visitor.run, rig)
        with trio.fail_after(60):
            await visitor.is_open.wait()
        yield visitor.peer
        nursery.cancel_scope.cancel()


async def refused(rig: GatewayRig, visitor: Visitor) -> dict[str, Any]:
    """Return the problem with which a handshake is refused."""
    await visitor.run(rig)
    assert visitor.sent[0]["type"] == "websocket.http.response.start"
    document: dict[str, Any] = json.loads(visitor.body)
    assert document["status"] == visitor.status
    return document


def endings(rig: GatewayRig) -> dict[str, int]:
    return rig.gateway.statistics().sockets.endings


# The handshake.


async def test_messages_pass_both_ways() -> None:
    """Text and binary, of any length, at the back end's own path; the client's key is answered."""
    seen: list[Request] = []
    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = accepting(echo, seen=seen)
        visitor = Visitor("/api/audio/v1/realtime?model=x")
        async with visiting(rig, visitor) as peer:
            for text in ("hello", "é" * 40_000):
                await peer.text(text)
                assert await peer.said() == text
            await peer.binary(bytes(300_000))
            assert await peer.said() == bytes(300_000)
            assert rig.gateway.statistics().sockets.open == 1
            assert rig.gateway.statistics().instances[0].sockets == 1
            await peer.close(4321, "enough")
            assert await peer.said() == 4321
            await visitor.is_over.wait()
        sockets = rig.gateway.statistics().sockets
        assert (sockets.open, sockets.opened, sockets.endings) == (0, 1, {"closed_client": 1})
        assert sockets.codes == {"4000": 1}
        assert rig.network.open == 0
        assert rig.metrics.requests == [("audio-service", 101)]
    assert seen[0].path == "/api/v1/realtime?model=x"
    headers = {name.lower(): value for name, value in seen[0].headers.raw_items()}
    assert headers["host"] == "a:1"
    assert headers["x-forwarded-for"] == "203.0.113.9"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["via"].startswith("1.1 orch-")
    assert headers["x-request-id"] == "made-id"
    own = dict(visitor.headers)
    assert own[b"x-request-id"] == b"made-id"
    assert own[b"x-gateway-service"] == b"audio-service"


async def test_what_both_ends_agree_on_is_passed_on() -> None:
    """The subprotocol, and compression: frames pass compressed, with their context."""
    seen: list[Request] = []
    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = accepting(echo, seen=seen, subprotocols=["second"], is_deflated=True)
        visitor = Visitor(subprotocols=["first", "second"], is_deflated=True)
        async with visiting(rig, visitor) as peer:
            assert peer.protocol.subprotocol == "second"
            assert peer.protocol.extensions
            for _ in range(3):
                await peer.text("abc" * 5_000)
                assert await peer.said() == "abc" * 5_000
            assert rig.gateway.statistics().sockets.bytes_from_clients < 2_000
    assert seen[0].headers["Sec-WebSocket-Protocol"] == "first, second"


async def test_no_other_extension_is_offered_and_no_credential_of_ours() -> None:
    """What they would do to frames is unknown; cookies and the token for operators are this service's."""
    seen: list[Request] = []
    headers = [
        (b"sec-websocket-extensions", b"x-mux; n=1, permessage-deflate; client_max_window_bits=10"),
        (b"sec-websocket-extensions", b"bbf-usp-protocol"),
        (b"cookie", b"orch_sign_in=1"),
        (b"authorization", b"Bearer theirs"),
        (b"x-forwarded-for", b"10.0.0.1"),
        (b"forwarded", b"for=10.0.0.1"),
        (b"traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"),
        (b"origin", b"http://front.example"),
    ]
    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = accepting(echo, seen=seen)
        async with visiting(rig, Visitor(headers=headers)):
            pass
    told = {name.lower(): value for name, value in seen[0].headers.raw_items()}
    assert told["sec-websocket-extensions"] == "permessage-deflate; client_max_window_bits=10"
    assert "cookie" not in told
    assert "forwarded" not in told
    assert told["authorization"] == "Bearer theirs"
    assert told["x-forwarded-for"] == "203.0.113.9"
    assert told["traceparent"] == "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    assert told["origin"] == "http://front.example"
    assert told["connection"] == "Upgrade"


async def test_bytes_that_come_with_the_handshakes_are_not_lost() -> None:
    """A frame in one piece with the 101, and one that the client sends before it."""

    async def talk(peer: Peer) -> None:
        assert await peer.said() == "early"
        await peer.close()

    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = accepting(talk, with_response=b"\x81\x02hi")
        early = b"\x81\x85\0\0\0\0early"
        visitor = Visitor(early=early)
        async with visiting(rig, visitor) as peer:
            assert await peer.said() == "hi"
            assert await peer.said() == 1000


@pytest.mark.parametrize(
    "status", [b"401 Unauthorized", b"404 Not Found", b"426 Upgrade Required", b"200 OK"]
)
async def test_a_refusal_of_the_back_end_is_passed_on(status: bytes) -> None:
    """As its HTTP response, without the headers that no response of a back end brings."""
    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = answering(
            ok(b'{"why": 1}', b"Content-Type: application/json", b"Set-Cookie: a=1", status=status)
        )
        visitor = Visitor()
        await visitor.run(rig)
        assert visitor.sent[0]["type"] == "websocket.http.response.start"
        assert (visitor.status, visitor.body) == (int(status[:3]), b'{"why": 1}')
        headers = dict(visitor.sent[0]["headers"])
        assert headers[b"content-type"] == b"application/json"
        assert b"set-cookie" not in headers
        assert rig.gateway.statistics().sockets.refused == 1
        assert rig.network.open <= 1  # it may be used again


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([b"Upgrade: h2c", b"Connection: Upgrade"], "another protocol"),
        ([b"Connection: Upgrade"], "another protocol"),
        ([b"Upgrade: websocket", b"Connection: Upgrade"], "does not belong"),
        ([b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Accept: x"], "does not belong"),
        (None, "not offered"),
    ],
)
async def test_a_wrong_handshake_of_the_back_end_is_a_bad_gateway(
    lines: list[bytes] | None, words: str
) -> None:
    """And a failure of the instance; nothing is passed on of it."""

    async def serve(stream: trio.abc.Stream) -> None:
        data = bytes(await stream.receive_some(65_536))
        given = [b"Sec-WebSocket-Protocol: unasked"] if lines is None else lines
        if lines is None:
            from orch.gateway.sockets.handshake import accept_of

            key = data.partition(b"sec-websocket-key: ")[2].partition(b"\r\n")[0]
            given += [b"Upgrade: websocket", b"Connection: Upgrade"]
            given.append(b"Sec-WebSocket-Accept: " + accept_of(key))
        await stream.send_all(b"\r\n".join([b"HTTP/1.1 101 X", *given, b"", b""]))
        await stream.receive_some(1)

    async with gateway_rig(retries=0) as rig:
        rig.network.servers["a:1"] = serve
        document = await refused(rig, Visitor())
        assert document["code"] == "bad_gateway"
        assert words in document["detail"]
        assert rig.gateway.statistics().instances[0].consecutive_failures == 1


async def test_a_handshake_moves_to_an_instance_that_works() -> None:
    """One that refuses the connection, and one that asks for a rest, are passed over."""
    async with gateway_rig(A, B) as rig:
        rig.network.servers["b:1"] = accepting(echo)
        for _ in range(3):
            async with visiting(rig, Visitor()):
                pass
        rig.network.servers["a:1"] = answering(ok(b"", b"Retry-After: 60", status=b"503 Busy"))
        for _ in range(3):
            async with visiting(rig, Visitor()):
                pass
        assert rig.gateway.statistics().sockets.opened == 6


async def test_sockets_are_balanced_by_those_that_are_open() -> None:
    """As requests in progress are."""
    async with gateway_rig(A, B, service={"balancer": "least_requests"}) as rig:
        rig.network.servers["a:1"] = rig.network.servers["b:1"] = accepting(echo)
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                visitor = Visitor()
                nursery.start_soon(visitor.run, rig)
                await visitor.is_open.wait()
            instances = rig.gateway.statistics().instances
            counts = [one.sockets for one in instances if one.service == "audio-service"]
            assert sum(counts) == 20
            assert max(counts) - min(counts) <= 4
            nursery.cancel_scope.cancel()


async def test_a_breaker_that_is_open_refuses_handshakes() -> None:
    """At once, as it does requests."""
    async with gateway_rig(retries=0) as rig:
        for at in range(5):
            assert (await refused(rig, Visitor(address=f"203.0.113.{at}")))["code"] == "service_unavailable"
        opened = rig.network.opened["a:1"]
        rig.network.servers["a:1"] = accepting(echo)
        assert (await refused(rig, Visitor()))["status"] == 503
        assert rig.network.opened["a:1"] == opened


@pytest.mark.limit(20_000)
async def test_a_handshake_has_the_time_of_a_request() -> None:
    """Then it gets 504; the socket itself has no end."""

    async def stall(stream: trio.abc.Stream) -> None:
        while await stream.receive_some(65_536):
            pass

    async with gateway_rig(timeout=7) as rig:
        rig.network.servers["a:1"] = stall
        assert (await refused(rig, Visitor()))["code"] == "gateway_timeout"
        assert trio.current_time() == pytest.approx(7)
        rig.network.servers["a:1"] = accepting(echo)
        async with visiting(rig, Visitor()) as peer:
            with trio.move_on_after(600):
                await peer.said()
            await peer.text("still here")
            assert await peer.said() == "still here"


async def test_a_client_that_leaves_during_the_handshake_ends_it() -> None:
    """At once: its back end may be slow to accept. It counts as no fault of anybody."""
    ended = trio.Event()

    async def stall(stream: trio.abc.Stream) -> None:
        while await stream.receive_some(65_536):
            pass
        ended.set()

    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = stall
        visitor = Visitor()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(visitor.run, rig)
            await wait_all_tasks_blocked()
            await visitor.peer.raw(b"early")
            await wait_all_tasks_blocked()
            assert not visitor.is_over.is_set()
            visitor.peer.stream.send_stream.close()
            await visitor.is_over.wait()
        await ended.wait()
        assert trio.current_time() < 1
        assert visitor.sent == []
        assert rig.metrics.requests == [("audio-service", 499)]
        assert rig.health.noted == []
        assert rig.network.open == 0


async def test_the_limits_of_sockets_are_their_own() -> None:
    """In all, and of one address; requests are not counted among them."""
    websockets = {"max_connections": 3, "max_connections_per_address": 2}
    async with gateway_rig(websockets=websockets, max_requests=1) as rig:
        rig.network.servers["a:1"] = accepting(echo)
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                visitor = Visitor()
                nursery.start_soon(visitor.run, rig)
                await visitor.is_open.wait()
            assert (await refused(rig, Visitor()))["code"] == "too_many_requests"
            async with visiting(rig, Visitor(address="198.51.100.1")):
                assert (await refused(rig, Visitor(address="198.51.100.2")))["code"] == "overloaded"
            other = Visitor(address="198.51.100.2")
            nursery.start_soon(other.run, rig)
            await other.is_open.wait()
            assert rig.gateway.statistics().places == 0
            nursery.cancel_scope.cancel()


async def test_a_socket_has_a_place_at_its_instance_where_its_route_names_a_class() -> None:
    """For as long as it lasts; the next one waits for it, and is shed at the end of its class's time."""
    routes = [
        {"prefix": "/api/audio/live", "service": "audio-service", "path": "/v1/realtime", "priority": "live"},
        {"prefix": "/api/audio/", "service": "audio-service", "path": "/"},
    ]
    async with gateway_rig(routes=routes, service={"max_concurrency": 1}) as rig:
        rig.network.servers["a:1"] = accepting(echo)
        async with visiting(rig, Visitor("/api/audio/live")) as first:
            assert rig.gateway.statistics().instances[0].places_taken == 1
            problem = await refused(rig, Visitor("/api/audio/live"))
            assert (problem["code"], problem["reason"]) == ("shed", "deadline")
            assert trio.current_time() == pytest.approx(2)
            async with visiting(rig, Visitor("/api/audio/other")):  # without a class
                assert rig.gateway.statistics().instances[0].sockets == 2
            waiting = Visitor("/api/audio/live")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(waiting.run, rig)
                await wait_all_tasks_blocked()
                assert not waiting.is_open.is_set()
                await first.close()
                with trio.fail_after(1):
                    await waiting.is_open.wait()
                nursery.cancel_scope.cancel()
        assert rig.gateway.statistics().instances[0].places_taken == 0


async def test_rate_limits_hold_for_handshakes() -> None:
    """With Retry-After."""
    limits = [{"name": "few", "requests": 1, "window": 60, "per": "address"}]
    async with gateway_rig(rate_limits=limits) as rig:
        rig.network.servers["a:1"] = accepting(echo)
        async with visiting(rig, Visitor()):
            visitor = Visitor()
            assert (await refused(rig, visitor))["code"] == "rate_limited"
            assert b"retry-after" in dict(visitor.sent[0]["headers"])


# Ends.


@pytest.mark.parametrize(
    ("code", "counted"), [(1000, "1000"), (1001, "1001"), (3999, "3000"), (4999, "4000")]
)
async def test_the_close_of_a_back_end_reaches_the_client(code: int, counted: str) -> None:
    """Code and reason as they are."""

    async def talk(peer: Peer) -> None:
        await peer.close(code, "because")
        assert await peer.said() == code

    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = accepting(talk)
        visitor = Visitor()
        async with visiting(rig, visitor) as peer:
            frame = await peer.next()
            assert frame is not None
            assert (frame.opcode, bytes(frame.data)) == (Opcode.CLOSE, code.to_bytes(2, "big") + b"because")
            await visitor.is_over.wait()
        assert rig.gateway.statistics().sockets.codes == {counted: 1}
        assert endings(rig) == {"closed_back_end": 1}


async def test_a_close_frame_without_a_code_stays_one() -> None:
    """1005 is in no frame."""
    got: list[bytes] = []

    async def talk(peer: Peer) -> None:
        frame = await peer.next()
        assert frame is not None
        got.append(bytes(frame.data))

    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = accepting(talk)
        visitor = Visitor()
        async with visiting(rig, visitor) as peer:
            peer.protocol.send_close()
            await peer.flush()
            assert await peer.said() == 1005
            await visitor.is_over.wait()
    assert got == [b""]


async def test_a_client_that_closes_gets_an_answer_even_if_its_back_end_gives_none() -> None:
    """After five seconds, with its own code."""

    async def deaf(peer: Peer) -> None:
        await trio.sleep_forever()

    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = accepting(deaf)
        visitor = Visitor()
        async with visiting(rig, visitor) as peer:
            await peer.close(4000)
            began = trio.current_time()
            assert await peer.said() == 4000
            assert trio.current_time() - began == pytest.approx(5)
            await visitor.is_over.wait()
            assert not visitor.is_aborted
        assert rig.network.open == 0


async def test_a_back_end_that_is_lost_ends_the_socket_with_1014() -> None:
    """The client has no proper response to expect; the instance's health is looked at."""

    async def die(peer: Peer) -> None:
        await peer.text("last words")

    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = accepting(die)
        visitor = Visitor()
        async with visiting(rig, visitor) as peer:
            assert await peer.said() == "last words"
            assert await peer.said() == 1014
            await visitor.is_over.wait()
        assert endings(rig) == {"lost_back_end": 1}
        assert rig.health.noted == [("audio-service", A, "its WebSocket was closed without a close frame")]


async def test_a_client_that_is_lost_ends_the_socket_with_1001() -> None:
    """At once; the back end is not blamed."""
    got: list[Any] = []

    async def talk(peer: Peer) -> None:
        got.append(await peer.said())

    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = accepting(talk)
        visitor = Visitor()
        async with visiting(rig, visitor) as peer:
            peer.stream.send_stream.close()
            peer.stream.receive_stream.close()
            await visitor.is_over.wait()
        await wait_all_tasks_blocked()
        assert got == [1001]
        assert endings(rig) == {"lost_client": 1}
        assert rig.health.noted == []
        assert trio.current_time() < 1


async def test_a_client_that_is_lost_in_the_middle_of_a_frame_leaves_nothing_half() -> None:
    """No close frame can follow half a frame: the back end's connection is closed."""
    got: list[bytes] = []

    async def talk(peer: Peer) -> None:
        while data := await peer.stream.receive_some(65_536):
            got.append(bytes(data))

    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = accepting(talk)
        visitor = Visitor()
        async with visiting(rig, visitor) as peer:
            half = b"\x82\xfe\xff\xff\0\0\0\0" + bytes(100)
            await peer.stream.send_all(half)
            peer.stream.send_stream.close()
            peer.stream.receive_stream.close()
            await visitor.is_over.wait()
        await wait_all_tasks_blocked()
        assert b"".join(got) == half


async def test_a_wrong_frame_of_a_client_is_not_passed_on() -> None:
    """It gets the code for that, the back end 1001."""
    got: list[Any] = []

    async def talk(peer: Peer) -> None:
        got.extend([await peer.said(), await peer.said()])

    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = accepting(talk)
        visitor = Visitor()
        async with visiting(rig, visitor) as peer:
            await peer.text("good")
            await peer.stream.send_all(b"\x81\x01x")
            assert await peer.said() == 1002
            await visitor.is_over.wait()
        await wait_all_tasks_blocked()
        assert got == ["good", 1001]
        assert endings(rig) == {"violation_client": 1}


async def test_a_wrong_frame_of_a_back_end_is_not_passed_on() -> None:
    """The client gets 1014; a masked frame of a server is one."""

    async def talk(peer: Peer) -> None:
        await peer.text("good")
        await peer.stream.send_all(b"\x81\x81\0\0\0\0x")
        await peer.said()

    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = accepting(talk)
        visitor = Visitor()
        async with visiting(rig, visitor) as peer:
            assert await peer.said() == "good"
            assert await peer.said() == 1014
        assert endings(rig) == {"violation_back_end": 1}


async def test_a_message_over_the_limit_is_refused_at_its_head() -> None:
    """1009; the back end gets nothing of it."""
    got: list[Any] = []

    async def talk(peer: Peer) -> None:
        got.append(await peer.said())

    async with gateway_rig(websockets={"max_message_bytes": 1_000}) as rig:
        rig.network.servers["a:1"] = accepting(talk)
        visitor = Visitor()
        async with visiting(rig, visitor) as peer:
            await peer.binary(bytes(1_001))
            assert await peer.said() == 1009
            await visitor.is_over.wait()
        await wait_all_tasks_blocked()
        assert got == [1001]


async def test_a_flood_of_control_frames_is_ended() -> None:
    """As on the service's own WebSockets: 1008 after 2,000 at once."""
    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = accepting(echo)
        visitor = Visitor()
        async with visiting(rig, visitor) as peer:

            async def flood() -> None:
                with suppress(trio.BrokenResourceError):
                    for _ in range(40):
                        await peer.raw(b"\x8a\x80\0\0\0\0" * 100)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(flood)
                assert await peer.said() == 1008
                nursery.cancel_scope.cancel()
        assert endings(rig) == {"flood_client": 1}


# Pings.


async def test_both_sides_are_pinged_and_their_pongs_end_here() -> None:
    """Every 25 s; what clients and back ends send themselves passes through, pings included."""
    counts = {"back_end": 0}

    async def talk(peer: Peer) -> None:
        while (frame := await peer.next()) is not None:
            if frame.opcode is Opcode.PING and bytes(frame.data) != b"mine":
                counts["back_end"] += 1
            assert frame.opcode is not Opcode.PONG

    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = accepting(talk)
        visitor = Visitor()
        async with visiting(rig, visitor) as peer:
            pings = 0
            with trio.move_on_after(101):
                while (frame := await peer.next()) is not None:
                    assert frame.opcode is Opcode.PING
                    pings += 1
            assert pings == 4
            assert counts == {"back_end": 4}
            await peer.ping(b"mine")
            frame = await peer.next()
            assert frame is not None
            assert (frame.opcode, bytes(frame.data)) == (Opcode.PONG, b"mine")
            assert not visitor.is_over.is_set()


async def test_a_client_that_is_dead_is_noticed_within_a_period() -> None:
    """25 s until its ping, and 8 s to answer; the back end's side ends with it."""
    got: list[Any] = []

    async def talk(peer: Peer) -> None:
        got.append(await peer.said())

    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = accepting(talk)
        visitor = Visitor()
        async with visiting(rig, visitor) as peer:
            peer.pongs = False
            with trio.fail_after(60):
                while await peer.next() is not None:
                    pass
            await visitor.is_over.wait()
            assert trio.current_time() == pytest.approx(33)
        await wait_all_tasks_blocked()
        assert got == [1001]
        assert endings(rig) == {"silent_client": 1}
        assert rig.network.open == 0


async def test_a_back_end_that_is_dead_is_noticed_within_a_period() -> None:
    """Its client gets 1014, and its health is looked at."""

    async def dead(peer: Peer) -> None:
        await trio.sleep_forever()

    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = accepting(dead)
        visitor = Visitor()
        async with visiting(rig, visitor) as peer:
            assert await peer.said() == 1014
            assert trio.current_time() == pytest.approx(33)
        assert endings(rig) == {"silent_back_end": 1}
        assert rig.health.noted == [("audio-service", A, "it did not respond to a ping over a WebSocket")]


@pytest.mark.limit(20_000)
async def test_the_pings_are_those_of_the_settings_now() -> None:
    """A change holds from the next look on."""
    async with gateway_rig(websockets={"heartbeat_interval": 5, "heartbeat_timeout": 2}) as rig:
        rig.network.servers["a:1"] = accepting(echo)
        async with visiting(rig, Visitor()) as peer:
            frame = await peer.next()
            assert frame is not None
            assert trio.current_time() == 5
            rig.settings.change(orchestration={"gateway": {"websockets": {"heartbeat_interval": 0}}})
            with trio.move_on_after(1_000):
                await peer.next()
                raise AssertionError


# Back-pressure.


async def test_a_client_that_does_not_read_stops_its_back_end_and_is_ended() -> None:
    """Of what the back end sends, a read at a time is taken; after the time for a ping it is over."""
    sent = [0]

    async def pour(peer: Peer) -> None:
        while True:
            await peer.binary(bytes(50_000))
            sent[0] += 50_000

    async with gateway_rig() as rig:
        rig.network.pair = bounded_pair
        rig.network.servers["a:1"] = accepting(pour)
        visitor = Visitor()
        async with visiting(rig, visitor):
            await wait_all_tasks_blocked()
            assert sent[0] <= 400_000
            await visitor.is_over.wait()
            assert trio.current_time() == pytest.approx(33)
            assert visitor.is_aborted
        assert endings(rig) == {"stalled_client": 1}
        assert sent[0] <= 400_000


async def test_a_back_end_that_does_not_read_stops_its_client_and_is_ended() -> None:
    """The other way round; the client gets 1014."""
    sent = [0]

    async def deaf(peer: Peer) -> None:
        await trio.sleep_forever()

    async def pour(peer: Peer) -> None:
        with suppress(trio.BrokenResourceError):
            while True:
                await peer.binary(bytes(50_000))
                sent[0] += 50_000

    async with gateway_rig() as rig:
        rig.network.pair = bounded_pair
        rig.network.servers["a:1"] = accepting(deaf)
        visitor = Visitor()
        async with visiting(rig, visitor) as peer, trio.open_nursery() as nursery:
            nursery.start_soon(pour, peer)
            assert await peer.said() == 1014
            assert sent[0] <= 400_000
            assert trio.current_time() == pytest.approx(33)
            nursery.cancel_scope.cancel()
        assert endings(rig) == {"stalled_back_end": 1}


@pytest.mark.limit(20_000)
async def test_a_slow_client_is_waited_for() -> None:
    """As long as it reads anything: all of a large message arrives, minutes later, and pings as well."""
    whole = bytes(range(256)) * 8_192

    async def talk(peer: Peer) -> None:
        await peer.binary(whole)
        await echo(peer)

    async with gateway_rig() as rig:
        rig.network.pair = bounded_pair
        rig.network.servers["a:1"] = accepting(talk)
        async with visiting(rig, Visitor()) as peer:
            original = peer.stream.receive_some

            async def slowly(most: int) -> bytes:
                await trio.sleep(5)
                return bytes(await original(most))

            peer.stream.receive_some = slowly
            assert await peer.said() == whole
            assert trio.current_time() > 100
            await peer.text("x")
            assert await peer.said() == "x"


# Reloads, drains and the end of the service.


async def test_sockets_outlive_reloads_and_the_instance_s_other_requests() -> None:
    """200 of them over 100 changes of the settings; requests find their connections free."""
    websockets = {"max_connections_per_address": 500}
    async with gateway_rig(websockets=websockets, requests={"connections": 2, "waiting": 0}) as rig:
        rig.network.servers["a:1"] = accepting(echo)
        visitors = [Visitor() for _ in range(200)]
        async with trio.open_nursery() as nursery:
            for visitor in visitors:
                nursery.start_soon(visitor.run, rig)
                await visitor.is_open.wait()
            for at in range(100):
                gateway = {"retries": at % 3, "websockets": websockets, "timeout": 10 + at}
                rig.settings.change(orchestration={"gateway": gateway})
                rig.gateway.statistics()
            assert rig.gateway.statistics().sockets.open == 200
            assert rig.gateway.statistics().instances[0].lanes[1].busy == 0
            for visitor in visitors:
                await visitor.peer.text("hello")
                assert await visitor.peer.said() == "hello"
            nursery.cancel_scope.cancel()
        assert rig.network.open == 0


async def test_an_instance_that_leaves_keeps_its_sockets_until_its_limit() -> None:
    """Then their clients are told to connect again, with 1012."""
    async with gateway_rig(A, B, service={"drain": 30}) as rig:
        rig.network.servers["a:1"] = accepting(echo)
        visitor = Visitor()
        async with visiting(rig, visitor) as peer:
            rig.settings.change(
                services={"audio-service": {"url": B, "concurrency": "unlimited", "drain": 30}}
            )
            (left,) = rig.gateway.statistics().draining
            assert (left.url, left.in_flight) == (A, 1)
            with trio.move_on_after(29):
                await peer.said()
                raise AssertionError
            await peer.text("still here")
            assert await peer.said() == "still here"
            assert await peer.said() == 1012
            assert trio.current_time() == pytest.approx(31, abs=2)
        assert rig.gateway.statistics().draining == ()
        assert rig.health.noted == []


async def test_at_the_end_both_sides_get_1001_and_time_to_answer() -> None:
    """And new handshakes 503; it is over when all are."""
    got: list[Any] = []

    async def talk(peer: Peer) -> None:
        got.append(await peer.said())

    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = accepting(talk)
        visitor = Visitor()
        async with visiting(rig, visitor) as peer, trio.open_nursery() as nursery:
            nursery.start_soon(rig.gateway.drain)
            assert await peer.said() == 1001
            assert (await refused(rig, Visitor()))["code"] == "shutting_down"
            await visitor.is_over.wait()
        assert got == [1001]
        assert trio.current_time() < 1
        assert endings(rig) == {"stopped_gateway": 1}


async def test_at_the_end_nobody_is_waited_for_longer_than_a_close_takes() -> None:
    """A side that does not answer, or is in the middle of a frame, has five seconds."""

    async def deaf(peer: Peer) -> None:
        await peer.stream.send_all(b"\x82\x7f" + (10**6).to_bytes(8, "big"))
        await trio.sleep_forever()

    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = accepting(deaf)
        visitor = Visitor()
        async with visiting(rig, visitor) as peer, trio.open_nursery() as nursery:
            assert await peer.stream.receive_some(100)
            nursery.start_soon(rig.gateway.drain)
            await visitor.is_over.wait()
            assert trio.current_time() == pytest.approx(5)
            assert visitor.is_aborted
        assert rig.network.open == 0


async def test_a_socket_that_is_cancelled_leaves_nothing() -> None:
    """No connection, no place, no count, at whatever point it is cancelled."""
    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = accepting(echo)
        for steps in range(40):
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(Visitor().run, rig)
                    for _ in range(steps):
                        await trio.lowlevel.checkpoint()
                    scope.cancel()
        await wait_all_tasks_blocked()
        statistics = rig.gateway.statistics()
        assert statistics.sockets.open == 0
        assert rig.network.open == 0
        instance = statistics.instances[0]
        assert (instance.sockets, instance.in_flight) == (0, 0)
        assert all(lane.busy == 0 for lane in instance.lanes)

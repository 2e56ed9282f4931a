"""Our server's WebSockets on real sockets, and the link by which others speak to a client."""

import ssl
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import trio
from websockets.exceptions import ConnectionClosed

from orch.front.context import Timeouts
from orch.front.flooders import Flooders
from orch.front.http1.request_parser import RequestHead, RequestParser
from orch.front.server import Server
from orch.front.websocket.handshake import accept
from orch.front.websocket.limits import WebSocketLimits
from tests.fakes.running import run
from tests.fakes.websocket_client import connect
from tests.fakes.wires import (
    HANDSHAKE,
    SHORT,
    WITH_AND_WITHOUT_EPOLL,
    answer,
    eventually,
    masked,
    port,
    serving,
    websocket,
    wire,
)

pytestmark = pytest.mark.real_time

TLS = Path(__file__).parents[2] / "data" / "tls" / "localhost.pem"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Echo every message."""
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] != "websocket.disconnect":
        message["type"] = "websocket.send"
        await send(message)


class Linked:
    """An application that exposes its links; ``ended`` are the disconnects it received."""

    def __init__(self) -> None:
        self.links: list[Any] = []
        self.ended: list[dict[str, Any]] = []
        self.sends: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        self.links.append(scope["extensions"]["orch.link"])
        self.sends.append(send)
        while (message := await receive())["type"] != "websocket.disconnect":
            pass
        self.ended.append(message)


def url(server: Server) -> str:
    return server.bound[0].replace("http", "ws", 1) + "/ws"


async def test_a_client_library_can_exchange_messages() -> None:
    """Text, binary, fragments, pings, compression offered and not agreed to, an orderly close."""
    async with serving(echo) as server, connect(url(server)) as client:
        for message in ("é😀", b"\0\xff", "x" * 1_000_000, b"", ""):
            await client.send(message)
            assert await client.recv() == message
        await client.send(["frag", "ments"])
        assert await client.recv() == "fragments"
        await (await client.ping()).wait()
        await client.aclose(4000, "enough")
        assert client.close_code == 4000
        await eventually(lambda: server.statistics().open == 0)
        assert not server.statistics().refused


async def test_control_frames_between_fragments_get_their_reply() -> None:
    """The pong has the ping's payload; the close is returned with its code, and the socket closed."""
    async with serving(echo) as server, websocket(server) as client:
        await client.send(masked(TEXT, b"one ", is_last=False) + masked(PING, b"there?"))
        await client.send(masked(0, b"two"))
        assert await client.frame() == (PONG, b"there?")
        assert await client.frame() == (TEXT, b"one two")
        await client.send(masked(CLOSE, b"\x0f\xa0"))
        assert await client.frame() == (CLOSE, b"\x0f\xa0")
        assert await client.rest() == b""


@pytest.mark.parametrize(
    ("wire_", "code", "kind"),
    [
        (b"\x81\x01x", 1002, "not_masked"),
        (masked(TEXT, b"\xff"), 1007, "not_utf8"),
        (b"\x82\xff" + (2**20 + 1).to_bytes(8, "big"), 1009, "message_too_large"),
    ],
)
async def test_a_violation_is_closed_with_its_code_and_counted(wire_: bytes, code: int, kind: str) -> None:
    """Messages before it reach the application; the client reads the code although it keeps sending."""
    async with serving(echo) as server, websocket(server) as client:
        await client.send(masked(TEXT, b"before") + wire_ + bytes(100_000))
        assert await client.frame() == (TEXT, b"before")
        assert await client.close_code() == code
        await client.rest()
        await eventually(lambda: server.statistics().open == 0)
        assert server.statistics().refused == {kind: 1}


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"version: 13", b"version: 8", b"426"),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"c2hvcnQ=", b"400"),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"not base64", b"400"),
        (b"GET", b"PUT", b"405"),
    ],
)
async def test_a_wrong_handshake_is_refused_with_the_supported_version(
    old: bytes, new: bytes, status: bytes
) -> None:
    """As a problem, with the version that is spoken."""
    async with serving(echo) as server, wire(server) as client:
        await client.send(HANDSHAKE.replace(old, new, 1))
        whole = await client.rest()
        assert whole.startswith(b"HTTP/1.1 " + status)
        assert b"sec-websocket-version: 13" in whole
        assert b"application/problem+json" in whole
        assert sum(server.statistics().refused.values()) == 1


async def test_an_application_may_refuse_with_a_response_or_a_close() -> None:
    """``websocket.http.response``, or 403 for a close before it was accepted, or 500 where it fails."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if scope["path"] == "/words":
            headers = [(b"content-length", b"5")]
            await send({"type": "websocket.http.response.start", "status": 429, "headers": headers})
            await send({"type": "websocket.http.response.body", "body": b"later"})
        elif scope["path"] == "/close":
            await send({"type": "websocket.close", "code": 1008})
        else:
            raise ValueError("ours")

    async with serving(app) as server:
        for path, status, end in (
            (b"/words", b"429", b"later"),
            (b"/close", b"403", b"}"),
            (b"/x", b"500", b"}"),
        ):
            async with wire(server) as client:
                await client.send(HANDSHAKE.replace(b"/ws", path))
                whole = await client.rest()
                assert whole.startswith(b"HTTP/1.1 " + status)
                assert whole.endswith(end)


async def test_an_offered_subprotocol_is_accepted() -> None:
    """And the application sees what was offered."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        assert scope["subprotocols"] == ["one", "two"]
        await send({"type": "websocket.accept", "subprotocol": "two", "headers": [(b"x-thing", b"1")]})
        await send({"type": "websocket.close", "code": 4001, "reason": "over"})

    async with serving(app) as server, connect(url(server), subprotocols=["one", "two"]) as client:  # type: ignore[list-item]  # plain strings do
        assert client.subprotocol == "two"
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "over")


async def test_an_application_that_fails_closes_with_1011() -> None:
    """The failure is not described to the client."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        raise ValueError("ours")

    async with serving(app) as server, websocket(server) as client:
        assert await client.frame() == (CLOSE, b"\x03\xf3")


async def test_the_application_receives_the_disconnect_of_its_client() -> None:
    """Reset or ended: ``websocket.disconnect`` with 1006; a send raises OSError."""
    app = Linked()

    async with serving(app) as server:
        async with websocket(server) as client:
            client.reset()
        await eventually(lambda: len(app.ended) == 1)
        async with websocket(server):
            pass
        await eventually(lambda: len(app.ended) == 2)
        assert [message["code"] for message in app.ended] == [1006, 1006]
        with pytest.raises(OSError, match="has disconnected"):
            await app.sends[0]({"type": "websocket.send", "text": "late"})


@WITH_AND_WITHOUT_EPOLL
async def test_pings_are_sent_and_a_connection_without_a_pong_is_ended(readiness: Any) -> None:
    """A client that replies stays; a silent one (half-open, for example) is disconnected."""
    app = Linked()

    async with (
        serving(app, readiness=readiness, timeouts=Timeouts(pong=2.0), heartbeat=lambda: 1.0) as server,
        connect(url(server)) as honest,
        websocket(server) as silent,
    ):
        assert await silent.frame() == (PING, b"")
        assert await silent.rest() == b""
        await eventually(lambda: len(app.ended) == 1)
        await trio.sleep(1)
        await (await honest.ping()).wait()
        assert server.statistics().open == 1
        assert server.statistics().refused == {"no_pong": 1}


async def test_a_busy_application_does_not_end_its_client_s_connection() -> None:
    """Pongs that the application has not read yet are not missed."""
    go_on = trio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await go_on.wait()
        await echo_on(receive, send)

    async def echo_on(receive: Any, send: Any) -> None:
        message = await receive()
        await send({"type": "websocket.send", "text": message["text"]})

    async with serving(app, timeouts=SHORT, heartbeat=lambda: 0.5) as server, websocket(server) as client:
        await client.send(masked(TEXT, b"patient"))
        for _ in range(3):
            assert await client.frame() == (PING, b"")
        go_on.set()
        while (frame := await client.frame())[0] == PING:
            pass
        assert frame == (TEXT, b"patient")


async def test_compression_is_accepted_if_enabled() -> None:
    """Large messages are compressed, small ones and what is offered by others are not; all arrive."""
    app = Linked()

    async def both(scope: Any, receive: Any, send: Any) -> None:
        await (app if scope["path"] == "/linked" else echo)(scope, receive, send)

    async with serving(both, deflate=True) as server:
        async with connect(url(server)) as client:
            assert client.response is not None
            assert "permessage-deflate" in client.response.headers["sec-websocket-extensions"]
            for message in ("é" * 200_000, "small", b"\0" * 500_000):
                await client.send(message)
                assert await client.recv() == message
        async with connect(url(server), compression=None) as client:
            await client.send("x" * 10_000)
            assert await client.recv() == "x" * 10_000
        async with wire(server) as by_hand:
            offer = b"sec-websocket-extensions: permessage-deflate\r\n\r\n"
            await by_hand.send(HANDSHAKE.replace(b"\r\n\r\n", b"\r\n" + offer).replace(b"/ws", b"/linked"))
            await by_hand.until(b"\r\n\r\n")
            await eventually(lambda: len(app.links) == 1)
            app.links[0].offer(app.links[0].encode_text(b"x" * 100))
            assert await by_hand.frame() == (TEXT, b"x" * 100)
            await app.sends[0]({"type": "websocket.send", "text": "x" * 2000})
            assert (await by_hand.exactly(1)) == b"\xc1"


def test_compression_is_negotiated_only_if_enabled() -> None:
    """The response names the extension with its parameters, or no extension."""
    offer = b"sec-websocket-extensions: permessage-deflate; server_max_window_bits=10\r\n\r\n"
    head = RequestParser().feed(HANDSHAKE[:-2] + offer)[0]
    assert isinstance(head, RequestHead)
    extensions = dict(accept(head, deflate=True).headers())[b"sec-websocket-extensions"]
    assert extensions.startswith(
        b"permessage-deflate; server_no_context_takeover; client_no_context_takeover;"
    )
    assert extensions.endswith(b"; server_max_window_bits=10")
    assert b"sec-websocket-extensions" not in dict(accept(head).headers())


# The link.


@WITH_AND_WITHOUT_EPOLL
async def test_offered_frames_and_sent_messages_stay_in_order(readiness: Any) -> None:
    """Also while the client reads nothing and both are queued."""
    app = Linked()
    count = 300

    async with serving(app, readiness=readiness) as server, websocket(server, buffer=4096) as client:
        await eventually(lambda: len(app.links) == 1)
        link, send = app.links[0], app.sends[0]
        assert (link.queued_bytes, link.blocked_since) == (0, None)
        async with trio.open_nursery() as nursery:

            async def say() -> None:
                for number in range(count):
                    text = f"{number} " + "x" * 20_000
                    if number % 3:
                        link.offer(link.encode_text(text.encode()))
                    else:
                        await send({"type": "websocket.send", "text": text})

            nursery.start_soon(say)
            await eventually(lambda: link.queued_bytes > 0)
            assert link.blocked_since is not None
            for number in range(count):
                _, payload = await client.frame()
                assert payload.startswith(b"%d " % number)
        assert (link.queued_bytes, link.blocked_since) == (0, None)


async def test_offers_never_wait_and_drained_waits_for_room() -> None:
    """Queued bytes are counted; ``drained`` returns when enough was sent."""
    app = Linked()

    async with serving(app) as server, websocket(server, buffer=4096) as client:
        await eventually(lambda: len(app.links) == 1)
        link = app.links[0]
        for _ in range(200):
            link.offer(link.encode_text(bytes(50_000)))
        queued = link.queued_bytes
        assert queued > 1_000_000
        with trio.move_on_after(0.1) as waiting:
            await link.drained(1_000_000)
        assert waiting.cancelled_caught
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.drained, 1_000_000)
            for _ in range(200):
                await client.frame()
        await link.drained(1)


@WITH_AND_WITHOUT_EPOLL
async def test_an_evicted_client_gets_the_close_code_if_it_reads_and_is_cut_off_if_not(
    readiness: Any,
) -> None:
    """Queued frames are dropped, but for the rest of one; the application is notified at once."""
    app = Linked()

    for reads, close in ((True, 60.0), (False, 0.5)):
        async with (
            serving(app, readiness=readiness, timeouts=Timeouts(close=close)) as server,
            websocket(server, buffer=4096) as client,
        ):
            await eventually(lambda: len(app.links) == 1)
            link = app.links.pop()
            for _ in range(100):
                link.offer(link.encode_text(bytes(100_000)))
            link.evict(4200, "too slow")
            assert link.queued_bytes < 200_000
            link.offer(link.encode_text(b"late"))
            await eventually(lambda: len(app.ended) == 1)
            ended = app.ended.pop()
            assert (ended["code"], ended["reason"]) == (4200, "too slow")
            if reads:
                assert await client.close_code() == 4200
                await client.send(masked(CLOSE, b"\x10\x68"))
                assert await client.rest() == b""
            await eventually(lambda: server.statistics().open == 0)


async def test_a_client_that_reads_nothing_is_cut_off() -> None:
    """Whether frames were sent or offered; the sender need not watch it."""
    app = Linked()

    async with serving(app, timeouts=SHORT) as server, websocket(server, buffer=4096):
        await eventually(lambda: len(app.links) == 1)
        link = app.links[0]
        for _ in range(100):
            link.offer(link.encode_text(bytes(100_000)))
        await eventually(lambda: server.statistics().open == 0)
        assert link.queued_bytes == 0
        assert server.statistics().refused == {"stalled_reader": 1}


@pytest.mark.parametrize(
    "flood",
    [
        masked(PING, b"") * 10_000,
        masked(PING, bytes(125)) * 3_000,
        masked(PONG, b"unasked") * 10_000,
        masked(TEXT, b"", is_last=False) + masked(0, b"", is_last=False) * 10_000,
        masked(BINARY, b"x", is_last=False) + masked(0, b"x", is_last=False) * 10_000,
        (masked(BINARY, bytes(200), is_last=False) + masked(PING, b"between") + masked(0, b"")) * 1_500,
    ],
    ids=["ping", "large-ping", "pong", "empty-fragment", "tiny-fragment", "mixed"],
)
async def test_a_flood_of_empty_frames_is_ended(flood: bytes) -> None:
    """With 1008 and a sentence; pings in a row have one pong; others are served meanwhile."""
    async with serving(echo) as server, websocket(server) as client, connect(url(server)) as other:
        await client.send(flood)
        kinds: Counter[int] = Counter()
        while (frame := await client.frame())[0] != CLOSE:
            kinds[frame[0]] += 1
        assert frame[1][:2] == (1008).to_bytes(2, "big")
        assert b"250 a second" in frame[1]
        assert kinds.total() < 2_500
        await other.send("still here")
        assert await other.recv() == "still here"
        assert server.statistics().refused == {"too_many_small_frames": 1}


async def test_a_flooding_client_reconnects_after_a_delay() -> None:
    """WebSockets from the same address are delayed, for ten seconds; requests are not."""
    order: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        order.append(scope["type"])
        await (echo(scope, receive, send) if scope["type"] == "websocket" else answer(send, b"hello"))

    async with serving(app, limits=WebSocketLimits(flooder_delay=3.0)) as server:
        async with websocket(server) as client:
            await client.send(masked(PING, b"") * 10_000)
            assert await client.close_code() == 1008
        await eventually(lambda: server.statistics().open == 0)
        order.clear()
        async with wire(server) as again, wire(server) as other:
            await again.send(HANDSHAKE)
            await other.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            assert await other.answer() == (200, b"hello")
            assert (await again.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            assert order == ["http", "websocket"]
            await again.send(masked(TEXT, b"after all"))
            assert await again.frame() == (TEXT, b"after all")


def test_flooders_are_dropped_after_a_while() -> None:
    """After ten seconds, and the first of very many."""
    noted = Flooders()
    noted.note("a", 100.0)
    assert noted.delay("a", 109.0) > 0
    assert noted.delay("b", 101.0) == 0
    assert noted.delay("a", 110.0) == 0
    for number in range(5_000):
        noted.note(str(number), 200.0)
    assert len(noted) == 4_096
    assert noted.delay("0", 201.0) == 0
    assert noted.delay("4999", 201.0) > 0


async def test_incomplete_messages_of_all_clients_are_bounded_together() -> None:
    """The oldest large one is dropped for a new one; small ones stay."""

    def begun(size: int, of: int) -> bytes:
        return b"\x82\xff" + of.to_bytes(8, "big") + bytes(4) + bytes(size)

    async with (
        serving(echo, limits=WebSocketLimits(partial=200_000)) as server,
        websocket(server) as small,
        websocket(server) as first,
        websocket(server) as second,
        websocket(server) as third,
    ):
        await small.send(begun(1_000, 70_000))
        for client in (first, second):
            await client.send(begun(90_000, 1_000_000))
            await trio.testing.wait_all_tasks_blocked(0.05)  # it has been read
        await third.send(begun(90_000, 100_000))
        assert await first.close_code() == 1013
        await third.send(bytes(10_000))
        assert await third.frame() == (BINARY, bytes(100_000))
        await small.send(bytes(69_000))
        assert await small.frame() == (BINARY, bytes(70_000))
        assert server.statistics().refused == {"message_given_up": 1}


async def test_occasional_pings_and_fragments_are_allowed() -> None:
    """A message in a thousand small parts, and a hundred pings after one another."""
    async with serving(echo) as server, connect(url(server)) as client:
        await client.send([b"x"] * 1000)
        assert await client.recv() == b"x" * 1000
        for _ in range(100):
            await (await client.ping()).wait()
        assert not server.statistics().refused


async def test_of_pings_in_a_row_only_the_newest_gets_a_pong() -> None:
    """It stands for those before it (RFC 6455, 5.5.3); a message between two pings separates them."""
    async with serving(echo) as server, websocket(server) as client:
        pings = b"".join(masked(PING, b"%d" % number) for number in range(100))
        await client.send(pings + masked(TEXT, b"then") + masked(PING, b"last"))
        pongs = 0
        while (frame := await client.frame()) != (TEXT, b"then"):
            assert frame[0] == PONG
            pongs += 1
            newest = frame[1]
        assert newest == b"99"
        assert pongs < 10
        assert await client.frame() == (PONG, b"last")


async def test_a_ping_waits_for_its_pong_while_the_client_does_not_read() -> None:
    """A client that does not read its pongs is not read either; then the newest ping gets its pong."""
    app = Linked()

    async with serving(app) as server, websocket(server, buffer=4096) as client:
        await eventually(lambda: len(app.links) == 1)
        link = app.links[0]
        while link.queued_bytes < 300_000:
            link.offer(link.encode_text(bytes(10_000)))
        queued = link.queued_bytes
        for number in range(300):
            await client.send(masked(PING, b"%d" % number))
        await trio.sleep(0.2)
        assert link.queued_bytes <= queued
        while (frame := await client.frame()) != (PONG, b"299"):
            assert frame[0] in (TEXT, PONG)


async def test_a_link_works_under_tls() -> None:
    """Through a queue, in order; an eviction has its code."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS)
    trusting = ssl.create_default_context(cafile=str(TLS))
    app = Linked()

    async with serving(app, tls=lambda: context) as server:
        address = f"wss://localhost:{port(server)}/ws"
        async with connect(address, ssl=trusting) as client:
            await eventually(lambda: len(app.links) == 1)
            link = app.links[0]
            for number in range(50):
                link.offer(link.encode_text(b"%d " % number + bytes(50_000)))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(app.sends[0], {"type": "websocket.send", "text": "sent"})
                for number in range(50):
                    assert str(await client.recv()).startswith(f"{number} ")
                assert await client.recv() == "sent"
            link.evict(4200, "why")
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4200
        assert [message["code"] for message in app.ended] == [4200]


def test_a_stop_does_not_wait_for_clients_that_read_nothing() -> None:
    """Both WebSockets and requests are closed by force after the grace."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await answer(send, bytes(10_000_000))
            return
        await receive()
        await send({"type": "websocket.accept"})
        while True:
            await send({"type": "websocket.send", "bytes": bytes(100_000)})

    async def run_to_the_end(
        server: Server, ended: trio.Event, *, task_status: trio.TaskStatus[None]
    ) -> None:
        await server.run(task_status=task_status)
        ended.set()

    async def main() -> None:
        stopping = trio.Event()
        server = Server(
            app,
            host="127.0.0.1",
            port=0,
            stopping=stopping,
            drain=trio.lowlevel.checkpoint,
            grace=lambda: 1.0,
        )
        async with trio.open_nursery() as clients, trio.open_nursery() as nursery:
            ended = trio.Event()
            await nursery.start(run_to_the_end, server, ended)

            async def stall() -> None:
                async with websocket(server, buffer=4096):
                    await trio.sleep_forever()

            for _ in range(100):
                clients.start_soon(stall)
            async with wire(server, buffer=4096) as client:
                await client.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
                await client.until(b"200")
                await eventually(lambda: server.statistics().accepted == 101)
                await trio.testing.wait_all_tasks_blocked(0.1)
                stopping.set()
                await ended.wait()
                assert (server.statistics().open, server.statistics().closed_by_force) == (0, 101)
            clients.cancel_scope.cancel()

    run(main, virtual=False, limit=30)

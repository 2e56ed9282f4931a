"""The gateway against misbehaving back ends on real loopback sockets, and under the server that hosts it."""

import hashlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import h11
import pytest
import trio

from orch.front.server import Server
from orch.gateway.connection import Request, UpstreamError
from orch.gateway.request_body import RequestBody
from orch.gateway.retries import Failure
from orch.gateway.service import GatewayService
from orch.gateway.transport import Connector
from orch.gateway.upstream import Upstream
from orch.settings import decode
from orch.telemetry.events import EventLog
from orch.telemetry.topics import Topics
from tests.fakes.gateway import FakeHealth, FakeMetrics, Serve, answering, ok, read_request
from tests.fakes.ports import free_port
from tests.fakes.settings import FakeSettings

pytestmark = pytest.mark.real_time

# Made with: openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500
#   -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1
CERTIFICATE = Path(__file__).parents[1] / "data" / "tls" / "localhost.pem"

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@asynccontextmanager
async def back_end(serve: Serve, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Listen on a free port of the loopback; gives the port."""

    async def handle(stream: Any) -> None:
        try:
            await serve(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # the gateway closed first, as many of these tests have it do
        finally:
            await trio.aclose_forcefully(stream)

    listeners: list[Any] = list(await trio.open_tcp_listeners(0, host="127.0.0.1"))
    port: int = listeners[0].socket.getsockname()[1]
    if tls is not None:
        listeners = [trio.SSLListener(listener, tls, https_compatible=True) for listener in listeners]
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, handle, listeners)
        yield port
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def upstream_to(serve: Serve) -> AsyncIterator[Upstream]:
    async with back_end(serve) as port:
        upstream = Upstream(f"http://127.0.0.1:{port}", connect=Connector(), limit=4)
        upstream.reuses_connections = True
        yield upstream
        assert upstream.statistics().busy == 0
        upstream.close_idle()


async def ask(upstream: Upstream, method: str = "GET", body: bytes = b"") -> tuple[int, bytes]:
    request = Request(method=method, target="/", headers=(), body=RequestBody(body))
    async with upstream.exchange(request) as answer:
        data = b""
        while piece := await answer.receive():
            data += piece
        return answer.status, data


def reset(stream: Any) -> None:
    """Close with a reset instead of an end."""
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


def says(*pieces: bytes, after: Callable[[Any], None] | None = None) -> Serve:
    """Respond to every request with these pieces, then close, or do ``after`` to the stream."""

    async def serve(stream: Any) -> None:
        await read_request(stream)
        for piece in pieces:
            await stream.send_all(piece)
        if after is not None:
            after(stream)

    return serve


@pytest.mark.parametrize(
    ("serve", "failure"),
    [
        (says(), Failure.LOST),
        (says(after=reset), Failure.LOST),
        (says(ok(b"x" * 100)[:-1]), Failure.CUT),
        (says(CHUNKED + b"5\r\nabcde\r\n"), Failure.CUT),
        (says(CHUNKED + b"5\r\nabcdeX"), Failure.MALFORMED),
        (says(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000), Failure.MALFORMED),
    ],
    ids=["closes", "resets", "cuts a length", "cuts chunks", "bad chunk", "endless head"],
)
async def test_a_misbehaving_back_end_is_distinguished_from_a_good_one(
    serve: Serve, failure: Failure
) -> None:
    """Over real sockets, where an end, a reset and a late byte are three things."""
    async with upstream_to(serve) as upstream:
        with pytest.raises(UpstreamError) as caught:
            await ask(upstream)
        assert caught.value.failure is failure


async def test_a_reset_is_not_the_end_of_a_body() -> None:
    """A body that ends with the connection is complete after a close, and incomplete after a reset."""
    taken = trio.Event()

    async def until_reset(stream: Any) -> None:
        await read_request(stream)
        await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\nsome")
        await taken.wait()
        reset(stream)

    async with upstream_to(says(b"HTTP/1.1 200 OK\r\n\r\n", b"whole")) as upstream:
        assert await ask(upstream) == (200, b"whole")
    async with upstream_to(until_reset) as upstream:
        request = Request("GET", "/", (), RequestBody())
        async with upstream.exchange(request) as answer:
            assert await answer.receive() == b"some"
            taken.set()
            with pytest.raises(UpstreamError) as caught:
                await answer.receive()
        assert caught.value.failure is Failure.CUT


async def test_a_back_end_that_closes_after_each_response_costs_no_request() -> None:
    """It announces keep-alive and closes all the same; the close is noticed, before POSTs too."""
    closed = trio.Event()

    async def serve(stream: Any) -> None:
        nonlocal closed
        await read_request(stream)
        await stream.send_all(ok())
        await stream.aclose()
        closed.set()

    async with upstream_to(serve) as upstream:
        for _ in range(20):
            closed = trio.Event()
            assert await ask(upstream, "POST", b"x") == (200, b"ok")
            await closed.wait()


async def test_a_closed_port_is_refused_at_once() -> None:
    """The reason does not contain the address."""
    upstream = Upstream(f"http://127.0.0.1:{free_port()}", connect=Connector())
    with pytest.raises(UpstreamError, match=r"^the connection was refused$") as caught:
        await ask(upstream)
    assert caught.value.failure is Failure.REFUSED


async def test_a_host_that_does_not_exist_is_named_as_the_reason() -> None:
    """``.invalid`` never resolves (RFC 6761); an unreachable resolver counts as refused, too."""

    async def no_such_host(*_: object) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    upstream = Upstream("http://back-end.invalid", connect=no_such_host)
    with pytest.raises(UpstreamError, match=r"^its host name does not resolve$"):
        await ask(upstream)


async def test_after_cancellations_on_real_sockets_every_slot_is_free() -> None:
    """Each of 300 requests is cancelled some steps after it began; the width is four."""
    async with upstream_to(answering(ok(b"x" * 300_000))) as upstream:
        for step in range(300):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask, upstream)
                for _ in range(step % 30):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
            assert upstream.statistics().busy == 0
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(ask, upstream)


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


async def test_https_connections_are_verified_and_reused() -> None:
    """A trusted certificate: three requests over one connection. An untrusted one: refused, and why."""
    connections = 0

    async def serve(stream: Any) -> None:
        nonlocal connections
        connections += 1
        await answering(ok(b"secret"))(stream)

    async def plain(stream: Any) -> None:
        await stream.receive_some(65_536)
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with back_end(serve, tls=server_tls()) as port:
        trusting = Upstream(
            f"https://localhost:{port}",
            connect=Connector(lambda: ssl.create_default_context(cafile=CERTIFICATE)),
        )
        trusting.reuses_connections = True
        for _ in range(3):
            assert await ask(trusting) == (200, b"secret")
        assert connections == 1
        trusting.close_idle()
        with pytest.raises(UpstreamError, match="certificate is not trusted") as caught:
            await ask(Upstream(f"https://localhost:{port}", connect=Connector()))
        assert caught.value.failure is Failure.REFUSED
    async with back_end(plain) as port:
        with pytest.raises(UpstreamError, match="does not speak TLS"):
            await ask(Upstream(f"https://localhost:{port}", connect=Connector()))


@asynccontextmanager
async def hosted(
    serve: Serve, *others: Serve, **options: Any
) -> AsyncIterator[tuple[GatewayService, str, int]]:
    """Host a gateway to instances as the service does; gives it, and where it listens.

    ``options``: settings of the gateway's section.
    """
    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(back_end(each)) for each in (serve, *others)]
        first, *rest = [{"url": f"http://127.0.0.1:{port}"} for port in ports]
        gateway = GatewayService(
            settings=FakeSettings(
                orchestration={"gateway": options}, services={"audio-service": {**first, "instances": rest}}
            ),
            health=FakeHealth(),
            events=EventLog(wall=lambda: 0.0),
            topics=Topics(),
            metrics=FakeMetrics(),
        )

        async def nothing_to_drain() -> None:
            await trio.lowlevel.checkpoint()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await gateway.proxy(scope, receive, send)

        front = Server(
            app,
            host="127.0.0.1",
            port=0,
            stopping=trio.Event(),
            drain=nothing_to_drain,
            grace=lambda: 0.0,
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(gateway.run)
            await nursery.start(front.run)
            host, _, number = front.bound[0].removeprefix("http://").rpartition(":")
            yield gateway, host, int(number)
            nursery.cancel_scope.cancel()


class Client:
    """A client that parses with h11."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.http = h11.Connection(h11.CLIENT)

    async def send(self, event: Any) -> None:
        data = self.http.send(event)
        await self.stream.send_all(data or b"")

    async def next(self) -> Any:
        while (event := self.http.next_event()) is h11.NEED_DATA:
            try:
                self.http.receive_data(bytes(await self.stream.receive_some(65_536)))
            except trio.BrokenResourceError:
                self.http.receive_data(b"")
        return event

    async def request(self, method: str, path: str, *headers: tuple[str, str]) -> None:
        await self.send(h11.Request(method=method, target=path, headers=[("Host", "front"), *headers]))

    async def answer(self) -> tuple[h11.Response, bytes]:
        head = await self.next()
        while isinstance(head, h11.InformationalResponse):
            head = await self.next()
        assert isinstance(head, h11.Response)
        body = b""
        while isinstance(event := await self.next(), h11.Data):
            body += bytes(event.data)
        assert isinstance(event, h11.EndOfMessage)
        return head, body


async def with_client(host: str, port: int, act: Callable[[Client], Awaitable[None]]) -> None:
    async with await trio.open_tcp_stream(host, port) as stream:
        await act(Client(stream))


async def test_with_the_real_server_large_bodies_are_forwarded_both_ways() -> None:
    """Eight megabytes up in chunks, over the disk, and down again: the same bytes; then another request."""

    async def echo(stream: Any) -> None:
        _, _, body = (await read_request(stream)).partition(b"\r\n\r\n")
        await stream.send_all(CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))

    async def act(client: Client) -> None:
        block = bytes(range(256)) * 256
        digest = hashlib.sha256()
        await client.request("POST", "/api/audio/echo", ("Transfer-Encoding", "chunked"))
        for _ in range(128):
            digest.update(block)
            await client.send(h11.Data(data=block))
        await client.send(h11.EndOfMessage())
        head, body = await client.answer()
        assert head.status_code == 200
        assert hashlib.sha256(body).digest() == digest.digest()
        names = [name for name, _ in head.headers]
        assert names.count(b"date") == 1
        client.http.start_next_cycle()
        await client.request("GET", "/api/nowhere")
        await client.send(h11.EndOfMessage())
        head, body = await client.answer()
        assert head.status_code == 404
        assert dict(head.headers)[b"content-type"] == b"application/problem+json"

    async with hosted(echo) as (_, host, port):
        await with_client(host, port, act)


@pytest.mark.parametrize(
    "start", [CHUNKED + b"3\r\nabc\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"]
)
async def test_with_the_real_server_an_incomplete_response_stays_incomplete(start: bytes) -> None:
    """The client gets no last chunk, or too few bytes: it knows that it has not all."""

    async def act(client: Client) -> None:
        await client.request("GET", "/api/audio/x")
        await client.send(h11.EndOfMessage())
        assert isinstance(await client.next(), h11.Response)
        assert isinstance(await client.next(), h11.Data)
        with pytest.raises(h11.RemoteProtocolError):
            await client.next()

    async with hosted(says(start)) as (gateway, host, port):
        await with_client(host, port, act)
        assert gateway.statistics().errors == 1


async def test_with_the_real_server_a_disconnect_frees_the_back_end() -> None:
    """Its connection to the back end is closed, although the back end never responds."""
    asked, ended = trio.Event(), trio.Event()

    async def silent(stream: Any) -> None:
        await read_request(stream)
        asked.set()
        if await stream.receive_some(1) == b"":
            ended.set()

    async def act(client: Client) -> None:
        await client.request("GET", "/api/audio/x")
        await client.send(h11.EndOfMessage())
        await asked.wait()

    async with hosted(silent) as (_, host, port):
        await with_client(host, port, act)
        await ended.wait()


async def test_with_the_real_server_a_slow_client_slows_the_back_end() -> None:
    """A client that stops reading stops the back end's sending, once what lies between is full."""
    sent = 0
    is_blocked = trio.Event()

    async def flood(stream: Any) -> None:
        nonlocal sent
        await read_request(stream)
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        await stream.send_all(CHUNKED)
        while True:
            piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
            with trio.move_on_after(0.5) as waiting:
                await stream.send_all(piece)
            if waiting.cancelled_caught:
                is_blocked.set()
                return
            sent += len(piece)
            assert sent < 64 * 2**20, "the gateway takes what nobody reads"

    async def act(client: Client) -> None:
        await client.request("GET", "/api/audio/x")
        await client.send(h11.EndOfMessage())
        await is_blocked.wait()

    async with hosted(flood) as (_, host, port):
        await with_client(host, port, act)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [((), b"Basic dXNlcjpwQHNz"), (((b"authorization", b"Bearer k"),), b"Bearer k")],
)
async def test_a_user_in_the_url_is_sent_unless_the_request_brings_its_own(
    headers: tuple[tuple[bytes, bytes], ...], expected: bytes
) -> None:
    """The same credentials as at the health check, so that what is healthy is not refused; never shown."""
    heads: list[bytes] = []

    async def serve(stream: Any) -> None:
        heads.append(await stream.receive_some(65_536))
        await stream.send_all(ok(b"{}"))

    async with back_end(serve) as port:
        text = f"services: {{audio-service: {{url: 'http://user:p%40ss@127.0.0.1:{port}/base'}}}}"
        settings = FakeSettings()
        settings.current = decode(text, {}).settings
        gateway = GatewayService(
            settings=settings,
            health=FakeHealth(),
            events=EventLog(wall=lambda: 0.0),
            topics=Topics(),
            metrics=FakeMetrics(),
        )
        answer = await gateway.fetch("audio-service", "GET", "/api/models", headers=headers)
        assert answer.status == 200
        assert heads[0].startswith(b"GET /base/api/models HTTP/1.1\r\n")
        assert heads[0].lower().count(b"authorization:") == 1
        assert b"authorization: " + expected in heads[0]
        assert "p@ss" not in repr(gateway.statistics())
        assert "p%40ss" not in repr(gateway.statistics())

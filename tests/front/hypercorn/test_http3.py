"""HTTP/3 behind our own boundary, spoken by a real client of it over loopback."""

import datetime as dt
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from aioquic.h3.connection import ErrorCode, FrameType, encode_frame
from trio.testing import wait_all_tasks_blocked

from orch.capacity import Capacity
from orch.front.admission import Admission
from orch.front.hypercorn.http3_connection import HEADER_BYTES, UNSENT_BYTES
from orch.front.hypercorn.server import HypercornServer
from orch.tls import self_signed as self_made
from tests.fakes.http3 import garbage, http3
from tests.fakes.patience import PATIENCE
from tests.fakes.running import run

pytestmark = pytest.mark.real_time

CERTIFICATE, KEY = self_made.make(["localhost"], now=dt.datetime.now(dt.UTC))
LARGE = 8 * 2**20
MEDIUM = 100_000


class Application:
    """Responds by path, and stores the scopes and messages."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []
        self.given = 0
        self.disconnected = trio.Event()
        self.gate = trio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        self.scopes.append(scope)
        answers = {
            "/echo": self.echo,
            "/large": self.large,
            "/medium": self.medium,
            "/early": self.early,
            "/broken": self.broken,
            "/wait": self.wait,
            "/until-gone": self.until_gone,
        }
        if scope["path"] in answers:
            await answers[scope["path"]](receive, send)
        else:
            await _say(send, 200, scope["path"].encode())

    async def echo(self, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
        await _say(send, 200, body)

    async def large(self, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(LARGE // 65_536):
            await send({"type": "http.response.body", "body": bytes(65_536), "more_body": True})
            self.given += 65_536
        await send({"type": "http.response.body", "body": b""})

    async def medium(self, _receive: Any, send: Any) -> None:
        await _say(send, 200, bytes(MEDIUM))
        self.given += MEDIUM

    async def early(self, _receive: Any, send: Any) -> None:
        await _say(send, 413, b"too much")

    async def broken(self, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("broken off")

    async def wait(self, receive: Any, send: Any) -> None:
        await receive()
        await self.gate.wait()
        await _say(send, 200, b"late")

    async def until_gone(self, receive: Any, _send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.disconnected.set()


async def _say(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so, looking whenever nothing else happens."""
    with trio.fail_after(PATIENCE):
        while not is_so():
            await wait_all_tasks_blocked(0.01)


class Serving:
    """A front that runs, and its application."""

    def __init__(self, front: HypercornServer, app: Application, stopping: trio.Event) -> None:
        self.front = front
        self.app = app
        self.stopping = stopping

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.front.bound[0].rpartition(":")[2])

    async def until_open(self, count: int) -> None:
        """Wait until so many connections are open."""
        await until(lambda: self.front.statistics().open == count)


@asynccontextmanager
async def serving(
    admission: Admission | None = None, grace: Callable[[], float] = lambda: 0.5
) -> AsyncIterator[Serving]:
    app, stopping = Application(), trio.Event()
    front = HypercornServer(
        app,
        host="127.0.0.1",
        port=0,
        stopping=stopping,
        drain=trio.lowlevel.checkpoint,
        grace=grace,
        http3=lambda: (CERTIFICATE, KEY),
        admission=admission,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(front.run)
        yield Serving(front, app, stopping)
        app.gate.set()
        stopping.set()


async def test_requests_get_responses_and_their_scope_names_http3() -> None:
    """Path, query, method, host, both addresses and the protocol are as they were sent."""
    async with serving() as s, http3(s.port) as client:
        answer = await client.get("/hello?a=b")
        assert (answer.status, bytes(answer.body)) == (200, b"/hello")
        assert b"connection" not in answer.headers
        assert b"server" not in answer.headers
        scope = s.app.scopes[0]
        assert (scope["http_version"], scope["scheme"], scope["method"]) == ("3", "https", "GET")
        assert (scope["raw_path"], scope["query_string"]) == (b"/hello", b"a=b")
        assert scope["server"] == ("127.0.0.1", s.port)
        assert scope["client"][0] == "127.0.0.1"
        assert dict(scope["headers"])[b"host"] == f"localhost:{s.port}".encode()


@pytest.mark.slow
async def test_concurrent_bodies_arrive_complete_in_both_directions() -> None:
    async with serving() as s, http3(s.port) as client:
        streams = [await client.begin("/echo", method="POST") for _ in range(20)]
        for number, stream in enumerate(streams):
            await client.body(stream, bytes([number]) * 100_000)
        for number, stream in enumerate(streams):
            assert bytes((await client.until_ended(stream)).body) == bytes([number]) * 100_000
        assert len((await client.get("/large")).body) == LARGE


async def test_a_response_waits_for_a_slow_client() -> None:
    """Of 8 MB that the client does not read, little is buffered."""
    async with serving() as s, http3(s.port, max_data=2**16, max_stream_data=2**16) as client:
        client.is_reading = False
        await client.begin("/large")
        await until(lambda: s.app.given >= UNSENT_BYTES)
        await wait_all_tasks_blocked(0.05)
        assert s.app.given < UNSENT_BYTES + 4 * 65_536


async def test_finished_responses_count_until_the_client_has_received_them() -> None:
    """Many that are small enough by themselves are not held one beside the other."""
    async with serving() as s, http3(s.port, max_data=2**16, max_stream_data=2**16) as client:
        client.is_reading = False
        for _ in range(40):
            await client.begin("/medium")
        await until(lambda: s.app.given >= UNSENT_BYTES - MEDIUM)
        await wait_all_tasks_blocked(0.05)
        assert s.app.given <= UNSENT_BYTES + MEDIUM


async def test_the_application_is_notified_when_its_client_disconnects() -> None:
    async with serving() as s:
        async with http3(s.port) as client:
            stream = await client.begin("/until-gone")
            await client.get("/")
            client.quic.reset_stream(stream, ErrorCode.H3_REQUEST_CANCELLED)
            client.quic.stop_stream(stream, ErrorCode.H3_REQUEST_CANCELLED)
            await client.flush()
            with trio.fail_after(PATIENCE):
                await s.app.disconnected.wait()
            s.app.disconnected = trio.Event()
            await client.begin("/until-gone")
            await client.get("/")
        with trio.fail_after(PATIENCE):
            await s.app.disconnected.wait()
        await s.until_open(0)


async def test_an_incomplete_response_is_not_mistaken_for_a_complete_one() -> None:
    async with serving() as s, http3(s.port) as client:
        assert (await client.get("/broken")).reset == ErrorCode.H3_INTERNAL_ERROR
        assert (await client.get("/")).status == 200


async def test_an_early_response_ends_only_its_own_request() -> None:
    """The rest of a request that already has its response is dropped."""
    async with serving() as s, http3(s.port) as client:
        stream = await client.begin("/early", method="POST")
        for _ in range(3):
            await client.body(stream, bytes(50_000), is_last=False)
        answer = await client.until_ended(stream)
        assert (answer.status, bytes(answer.body)) == (413, b"too much")
        assert (await client.get("/")).status == 200


@pytest.mark.parametrize(
    "head",
    [
        {"path": "hello"},
        {"path": "/a#b"},
        {"path": "/\u00e9"},
        {"path": "http://localhost/"},
        {"path": "*"},
        {"method": "CONNECT", "path": "/ws"},
        {"path": "/", "more": [(b"host", b"elsewhere.example")]},
    ],
    ids=["relative", "fragment", "letters", "absolute", "star", "connect", "two-hosts"],
)
async def test_an_ambiguous_request_is_refused(head: dict[str, Any]) -> None:
    """Its stream is reset, the application is not called, and the connection stays open."""
    async with serving() as s, http3(s.port) as client:
        answer = await client.until_ended(await client.begin(**head))
        assert answer.reset == ErrorCode.H3_MESSAGE_ERROR
        assert not s.app.scopes
        assert (await client.get("/")).status == 200


async def test_headers_are_bounded_with_and_without_compression() -> None:
    async with serving() as s, http3(s.port) as client:
        many = [(b"x-%d" % number, b"y") for number in range(200)]
        assert (await client.until_ended(await client.begin("/", more=many))).reset is not None
        large = [(b"x-large", b"y" * 40_000)]
        await client.until_ended(await client.begin("/", more=large))
        assert not s.app.scopes
    async with serving() as s, http3(s.port) as client:
        stream = client.quic.get_next_available_stream_id()
        unfinished = encode_frame(FrameType.HEADERS, bytes(4 * HEADER_BYTES))[: 2 * HEADER_BYTES]
        client.quic.send_stream_data(stream, unfinished)
        await client.flush()
        assert (await client.until_terminated()).error_code == ErrorCode.H3_EXCESSIVE_LOAD
        async with http3(s.port) as another:
            assert (await another.get("/")).status == 200


async def test_garbage_ends_only_its_own_connection() -> None:
    """Datagrams of every size, and frames that no client sends, leave others as they were."""
    async with serving() as s, http3(s.port) as honest:
        for size in (0, 1, 5, 20, 21, 600, 1_200, 1_400, 60_000):
            for first in (0x00, 0x40, 0xC0, 0xD0, 0xE0, 0xF0):
                await honest.sock.sendto(bytes([first]) + garbage(size), ("127.0.0.1", s.port))
                await honest.sock.sendto(
                    bytes([first]) + b"\0\0\0\x01\x08" + garbage(size), ("127.0.0.1", s.port)
                )
        for stream_type in (0x00, 0x01, 0x02, 0x03, 0x41, 0x54):
            async with http3(s.port) as odd:
                stream = odd.quic.get_next_available_stream_id(is_unidirectional=True)
                odd.quic.send_stream_data(stream, bytes([stream_type]) + garbage(200), end_stream=True)
                await odd.flush()
                await honest.get("/")
        assert (await honest.get("/still")).status == 200
        await s.until_open(1)


async def test_connections_count_towards_the_limit_together_with_those_of_tcp() -> None:
    """A client beyond it gets no reply, and tries TCP, where it gets the reason."""
    admission = Admission(lambda: Capacity(2, 2, 2, 100, 10), lambda: 0, lambda _address: True)
    async with serving(admission) as s, http3(s.port), http3(s.port) as second:
        with pytest.raises(trio.TooSlowError), trio.fail_after(0.5):
            async with http3(s.port):
                pass
        assert (await second.get("/")).status == 200
    assert admission.enter("127.0.0.1").name == "SERVED"


def test_unfinished_handshakes_leave_room_for_a_client_that_proves_its_address() -> None:
    async def scenario() -> None:
        async with serving() as s:
            async with trio.open_nursery() as nursery:
                for _ in range(40):
                    nursery.start_soon(partial(_begin_only, s.port))
            async with http3(s.port) as client:
                assert (await client.get("/")).status == 200

    async def _begin_only(port: int) -> None:
        from tests.fakes.http3 import Http3Client

        client = Http3Client(port)
        client.quic.connect(("127.0.0.1", port), now=trio.current_time())
        await client.flush()
        client.sock.close()

    run(scenario, virtual=False)


async def test_a_stop_completes_requests_in_flight_and_accepts_no_more() -> None:
    async with serving(grace=lambda: 20.0) as s, http3(s.port) as client:
        stream = await client.begin("/wait")
        await client.get("/")
        s.stopping.set()
        refused = None
        with trio.fail_after(PATIENCE):
            while refused is None:
                refused = (await client.get("/")).reset
        assert refused == ErrorCode.H3_REQUEST_REJECTED
        s.app.gate.set()
        assert bytes((await client.until_ended(stream)).body) == b"late"
        assert (await client.until_terminated()).error_code == ErrorCode.H3_NO_ERROR


async def test_responses_over_tcp_announce_http3() -> None:
    async with serving() as s:
        stream = await trio.open_tcp_stream("127.0.0.1", s.port)
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        async with stream:
            async for data in stream:
                answer += data
        assert f'alt-svc: h3=":{s.port}"; ma=3600'.encode() in answer.lower()

"""Our server speaks HTTP/1.1 on real sockets, and no client costs anyone but itself."""

import json
import os
import resource
import socket as stdlib_socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import trio

from orch.capacity import fit
from orch.front.admission import Admission
from orch.front.context import Timeouts
from orch.front.server import Server
from orch.shortages import Shortage
from tests.fakes.descriptors import take_all
from tests.fakes.running import run
from tests.fakes.wires import (
    HANDSHAKE,
    WITH_AND_WITHOUT_EPOLL,
    Wire,
    answer,
    body_of,
    eventually,
    port,
    serving,
    wire,
)

pytestmark = pytest.mark.real_time

TLS = Path(__file__).parents[2] / "data" / "tls" / "localhost.pem"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Respond with the method, the path and the body."""
    body = await body_of(receive)
    await answer(send, f"{scope['method']} {scope['path']} ".encode() + body)


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "host: x", *headers, "\r\n"]).encode()


@WITH_AND_WITHOUT_EPOLL
async def test_pipelined_requests_get_their_responses_in_order(readiness: Any) -> None:
    """Also if one arrives in pieces behind another."""
    async with serving(echo, readiness=readiness) as server, wire(server) as client:
        third = get("/three")
        await client.send(get("/one") + get("/two") + third[:9])
        assert (await client.answer())[1] == b"GET /one "
        assert (await client.answer())[1] == b"GET /two "
        await client.send(third[9:])
        assert (await client.answer())[1] == b"GET /three "
        assert server.statistics().accepted == 1


async def test_bodies_are_read_with_a_length_and_in_chunks() -> None:
    """The application sees the same."""
    async with serving(echo) as server, wire(server) as client:
        await client.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\nabc")
        await client.send(b"def")
        assert (await client.answer())[1] == b"POST / abcdef"
        await client.send(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nab")
        await client.send(b"c\r\n3\r\ndef\r\n0\r\n\r\n")
        assert (await client.answer())[1] == b"POST / abcdef"


def test_the_scope_is_as_asgi_specifies() -> None:
    """Path decoded, query not, header names in lower case, both addresses."""
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await answer(send, b"")

    async def main() -> None:
        async with serving(app) as server, wire(server) as client:
            await client.send(get("/caf%C3%A9?a=%20b", "X-Thing: One"))
            await client.answer()
            scope = scopes[0]
            assert (scope["type"], scope["http_version"], scope["method"]) == ("http", "1.1", "GET")
            assert (scope["path"], scope["raw_path"]) == ("/café", b"/caf%C3%A9")
            assert (scope["query_string"], scope["scheme"]) == (b"a=%20b", "http")
            assert (b"x-thing", b"One") in scope["headers"]
            assert scope["server"] == ("127.0.0.1", port(server))
            assert scope["client"] == client.stream.socket.getsockname()

    run(main, virtual=False, limit=20)


async def test_changes_to_one_request_s_scope_do_not_affect_the_next() -> None:
    """Also if the next has the same head."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((list(scope), list(scope["headers"])))
        scope["headers"].append((b"x-added", b"1"))
        scope["added"] = scope["extensions"]["added"] = 1
        await answer(send, b"")

    async with serving(app) as server, wire(server) as client:
        for _ in range(2):
            await client.send(get("/"))
            await client.answer()
        assert seen[0] == seen[1]


async def test_100_continue_is_sent_when_the_application_reads_the_body() -> None:
    """``100 Continue`` is sent first; a response without reading the body ends the connection."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/refused":
            await answer(send, b"no", status=413)
        else:
            await echo(scope, receive, send)

    head = "POST {} HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n"
    async with serving(app) as server:
        async with wire(server) as client:
            await client.send(head.format("/").encode())
            assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            await client.send(b"abc")
            assert await client.answer() == (200, b"POST / abc")
        async with wire(server) as client:
            await client.send(head.format("/refused").encode())
            whole = await client.rest()
            assert whole.startswith(b"HTTP/1.1 413 ")
            assert b"connection: close" in whole


async def test_a_body_in_chunks_of_one_byte_is_read_whole_while_others_are_served() -> None:
    """More slowly than it could be; the connection is good for another request afterwards."""
    async with serving(echo) as server, wire(server) as client, wire(server) as other:
        head = b"POST /slow HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        begun = trio.current_time()
        await client.send(head + b"1;e\r\nx\r\n" * 4_000 + b"0\r\n\r\n" + get("/next"))
        await other.send(get("/other"))
        assert await other.answer() == (200, b"GET /other ")
        assert await client.answer() == (200, b"POST /slow " + b"x" * 4_000)
        assert trio.current_time() - begun > 0.3
        assert await client.answer() == (200, b"GET /next ")


async def test_a_response_without_a_length_is_sent_in_chunks_as_it_is_produced() -> None:
    """The client has the first part before the application continues."""
    go_on = trio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"last"})

    async with serving(app) as server, wire(server) as client:
        await client.send(get("/"))
        head = await client.until(b"\r\n\r\n")
        assert b"transfer-encoding: chunked" in head
        assert await client.exactly(10) == b"5\r\nfirst\r\n"
        go_on.set()
        assert await client.exactly(14) == b"4\r\nlast\r\n0\r\n\r\n"


async def test_head_has_no_body_and_keeps_the_connection() -> None:
    """The next response begins right after the head."""
    async with serving(echo) as server, wire(server) as client:
        await client.send(get("/x").replace(b"GET", b"HEAD", 1))
        head = await client.until(b"\r\n\r\n")
        assert b"content-length: 8" in head
        await client.send(get("/y"))
        assert (await client.answer())[1] == b"GET /y "


async def test_a_malformed_request_ends_only_its_own_connection() -> None:
    """It gets a problem, which is counted by kind; others are served all the same."""
    async with serving(echo) as server, wire(server) as other:
        for data, status, kind in (
            (b"GET / HTTP/1.1\r\n\r\n", b"400", "host_missing"),
            (b"GET / HTTP/3.0\r\nhost: x\r\n\r\n", b"505", "version_unsupported"),
            (
                b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
                b"400",
                "chunk_size_invalid",
            ),
            (get("/", "x: " + "y" * 40_000), b"431", "head_too_large"),
        ):
            async with wire(server) as client:
                await client.send(data)
                whole = await client.rest()
                head, _, body = whole.partition(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 " + status), whole
                assert b"application/problem+json" in head
                assert json.loads(body)["code"] == kind
            assert server.statistics().refused[kind] == 1
        await other.send(get("/fine"))
        assert (await other.answer())[1] == b"GET /fine "


async def test_an_application_error_is_a_problem_without_a_traceback() -> None:
    """500 if nothing was sent, otherwise the end of the connection."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/begun":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
            await send({"type": "http.response.body", "body": b"part", "more_body": True})
        if scope["path"] != "/silent":
            raise ValueError("ours")

    async with serving(app) as server:
        for path, expected in (("/raises", b"HTTP/1.1 500 "), ("/silent", b"HTTP/1.1 500 ")):
            async with wire(server) as client:
                await client.send(get(path))
                whole = await client.rest()
                assert whole.startswith(expected)
                assert b'"internal_error"' in whole
                assert b"ours" not in whole
        async with wire(server) as client:
            await client.send(get("/begun"))
            assert (await client.rest()).endswith(b"part")


async def test_an_application_cannot_split_its_response() -> None:
    """A header with a line end is the application's failure, not two headers."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"", headers=[(b"x-thing", b"a\r\nset-cookie: b")])

    async with serving(app) as server, wire(server) as client:
        await client.send(get("/"))
        assert (await client.rest()).startswith(b"HTTP/1.1 500 ")


async def test_a_disconnect_is_noticed_while_the_application_works() -> None:
    """``http.disconnect`` for an application that receives, an OSError for one that sends."""
    told: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await body_of(receive)
        if scope["path"] == "/listens":
            told.append((await receive())["type"])
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
                await trio.lowlevel.checkpoint()
        except OSError:
            told.append("OSError")
            raise

    async with serving(app) as server:
        for path in ("/listens", "/streams"):
            async with wire(server) as client:
                await client.send(get(path))
                await eventually(lambda: server.statistics().open == 1)
        await eventually(lambda: server.statistics().open == 0)
    assert sorted(told) == ["OSError", "http.disconnect"]


@WITH_AND_WITHOUT_EPOLL
async def test_a_receive_that_waits_for_a_disconnect_ends_with_the_response(readiness: Any) -> None:
    """The next request, sent meanwhile, is not lost."""
    told: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await body_of(receive)
        async with trio.open_nursery() as nursery:

            async def listen() -> None:
                told.append((await receive())["type"])

            nursery.start_soon(listen)
            await trio.testing.wait_all_tasks_blocked(0.01)
            await answer(send, scope["path"].encode())

    async with serving(app, readiness=readiness) as server, wire(server) as client:
        await client.send(get("/one"))
        await client.send(get("/two"))
        assert (await client.answer())[1] == b"/one"
        assert (await client.answer())[1] == b"/two"
    assert told == ["http.disconnect", "http.disconnect"]


def test_a_head_sent_byte_by_byte_times_out() -> None:
    """408 for an incomplete head or body; a connection without any bytes is just closed."""

    async def drip(client: Wire, data: bytes) -> None:
        try:
            for byte in data:
                await client.send(bytes((byte,)))
                await trio.sleep(0.1)
        except trio.BrokenResourceError:
            pass

    async def main() -> None:
        async with serving(echo, timeouts=Timeouts(head=2.0, body=0.5)) as server:
            for data, status in (
                (get("/" + "x" * 100), b"HTTP/1.1 408 "),
                (b"", b""),
            ):
                async with wire(server) as client, trio.open_nursery() as nursery:
                    nursery.start_soon(drip, client, data)
                    assert (await client.rest()).startswith(status)
                    nursery.cancel_scope.cancel()
            async with wire(server) as client:
                await client.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nx")
                assert (await client.rest()).startswith(b"HTTP/1.1 408 ")
            refused = server.statistics().refused
            assert {kind: refused[kind] for kind in ("slow_head", "silent", "slow_body")} == {
                "slow_head": 1,
                "silent": 1,
                "slow_body": 1,
            }

    run(main, virtual=False, limit=30)


@WITH_AND_WITHOUT_EPOLL
async def test_an_idle_keep_alive_connection_is_closed(readiness: Any) -> None:
    """Without a response, after the idle time-out."""
    limits = Timeouts(head=2.0, idle=2.0)  # noticed no earlier than the limit for the head it began with
    async with serving(echo, readiness=readiness, timeouts=limits) as server, wire(server) as client:
        await client.send(get("/"))
        await client.answer()
        assert await client.rest() == b""
        assert not server.statistics().refused


async def test_an_upload_that_is_not_read_is_held_back_by_the_sockets() -> None:
    """Back-pressure: bytes that the application does not read stay with the client."""
    go_on = trio.Event()
    size = 20_000_000

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await go_on.wait()
        await answer(send, b"%d" % len(await body_of(receive)))

    async with serving(app) as server, wire(server) as client:
        sent = 0
        await client.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size)
        block = bytes(100_000)
        while sent < size:
            with trio.move_on_after(0.3) as waiting:
                # one that cannot be sent in full is cut off, and with it the count
                await client.stream.wait_send_all_might_not_block()
                sent += await client.stream.socket.send(block[: size - sent])
            if waiting.cancelled_caught:
                break
        assert sent < size
        go_on.set()
        await client.send(bytes(size - sent))
        assert await client.answer() == (200, b"%d" % size)


async def test_clients_that_stop_reading_affect_only_themselves() -> None:
    """200 of them, while another client is served; each is disconnected in the end, and counted."""
    stalled = 200

    block = bytes(100_000)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/small":
            await answer(send, b"small")
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": block, "more_body": True})

    async with serving(app, timeouts=Timeouts(send=8.0)) as server, trio.open_nursery() as nursery:

        async def stall() -> None:
            async with wire(server, buffer=4096) as client:
                await client.send(get("/big"))
                await trio.sleep_forever()

        for _ in range(stalled):
            nursery.start_soon(stall)
        await eventually(lambda: server.statistics().open == stalled)
        async with wire(server) as client:
            for _ in range(50):
                await client.send(get("/small"))
                assert await client.answer() == (200, b"small")
            assert server.statistics().open == stalled + 1
            await eventually(lambda: server.statistics().open == 1)
        refused = server.statistics().refused
        assert refused.keys() <= {"stalled_reader", "slow_reader"}  # their kernels may read a little, late
        assert sum(refused.values()) == stalled
        nursery.cancel_scope.cancel()


@WITH_AND_WITHOUT_EPOLL
async def test_a_reset_in_any_state_is_the_end_of_one_connection(readiness: Any) -> None:
    """Before, within and after a request, and while a response is being sent."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await body_of(receive)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(100):
            await send({"type": "http.response.body", "body": bytes(100_000), "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async with serving(app, readiness=readiness) as server:
        post = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n"
        for data, wanted in (
            (b"", 0),
            (post[:10], 0),
            (post, 0),
            (post + b"abc", 10),
            (post + b"abc", 0),
        ):
            async with wire(server) as client:
                if data:
                    await client.send(data)
                await client.exactly(wanted)
                client.reset()
            await eventually(lambda: server.statistics().open == 0)


async def test_it_listens_at_several_addresses_and_replaces_a_unix_socket(tmp_path: Path) -> None:
    """A socket left behind is replaced; one in use is not."""
    path = tmp_path / "orch.sock"
    with stdlib_socket.socket(stdlib_socket.AF_UNIX) as left:
        left.bind(str(path))

    async with serving(echo, binds=["127.0.0.1:0", f"unix:{path}"]) as server:
        assert len(server.bound) == 3
        assert server.bound[2] == f"unix:{path}"
        streams = [await trio.open_tcp_stream("127.0.0.1", port(server, number)) for number in (0, 1)]
        for stream in (*streams, await trio.open_unix_socket(path)):
            async with stream:
                client = Wire(stream)
                await client.send(get("/"))
                assert await client.answer() == (200, b"GET / ")
        other = Server(
            echo,
            host="127.0.0.1",
            port=0,
            stopping=trio.Event(),
            drain=trio.lowlevel.checkpoint,
            grace=lambda: 0.0,
            binds=[f"unix:{path}"],
        )
        with pytest.raises(OSError, match="in use"):
            await other.run()
    assert not path.exists()


async def test_two_servers_may_share_a_port() -> None:
    """With ``reuse_port``, as workers do."""
    async with (
        serving(echo, reuse_port=True) as one,
        serving(echo, reuse_port=True, port=port(one)) as two,
    ):
        assert one.bound == two.bound


async def test_requests_are_served_under_tls() -> None:
    """Large responses too; clients without TLS are counted and disconnected."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS)
    trusting = ssl.create_default_context(cafile=str(TLS))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, scope["scheme"].encode() + bytes(3_000_000))

    async with serving(app, tls=lambda: context) as server:
        assert server.bound[0].startswith("https://")
        async with wire(server) as plain:
            await plain.send(get("/"))
            await plain.rest()
        stream = await trio.open_ssl_over_tcp_stream(
            "127.0.0.1", port(server), ssl_context=trusting, https_compatible=True
        )
        client = Wire(stream)
        async with stream:
            for _ in range(2):
                await client.send(get("/"))
                status, body = await client.answer()
                assert (status, body[:5], len(body)) == (200, b"https", 3_000_005)
        assert server.statistics().refused["tls_handshake"] == 1


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


class CancelAt(trio.abc.Instrument):
    """Cancels a scope at the start of a task's step, the n-th of all."""

    def __init__(self, step: int) -> None:
        self._left = step
        self.scope = trio.CancelScope()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._left -= 1
        if self._left == 0:
            self.scope.cancel()


def test_a_cancel_at_any_step_leaves_nothing_open() -> None:
    """Every step of a server that serves a request, an upload and a WebSocket is tried."""
    before = open_files()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await echo(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            await send({"type": "websocket.send", "text": "x" * 70_000})

    async def talk(server: Server) -> None:
        async with wire(server) as client:
            await client.send(get("/one") + b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n")
            await client.answer()
            await client.send(b"four")
            await client.answer()
        async with wire(server, buffer=4096) as client:
            await client.send(
                b"GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
                b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            await client.until(b"\r\n\r\n")
            await client.send(b"\x81\x81\0\0\0\0x\x81\x81\0\0\0\0x")
            await client.exactly(140_000)
            await client.send(b"\x88\x80\0\0\0\0")
            await client.rest()

    async def main(cancelling: CancelAt) -> bool:
        server = Server(
            app,
            host="127.0.0.1",
            port=0,
            stopping=trio.Event(),
            drain=trio.lowlevel.checkpoint,
            grace=lambda: 0.0,
        )
        with cancelling.scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(server.run)
                trio.lowlevel.add_instrument(cancelling)
                await talk(server)
                nursery.cancel_scope.cancel()
        statistics = server.statistics()
        assert statistics.open == 0
        return cancelling.scope.cancelled_caught

    step, has_cancelled = 1, True
    while has_cancelled:
        has_cancelled = run(main, CancelAt(step), virtual=False, limit=20)
        assert open_files() == before, step
        step += 1
    assert step > 20


def full(files: int) -> Admission:
    """Return an admission to half of ``files``."""
    capacity = fit(files=files, asked=10_000, own=files)
    return Admission(lambda: capacity, lambda: 0, lambda _host: True)


async def test_at_the_connection_limit_new_clients_are_refused_and_others_served() -> None:
    """503 for requests and WebSockets alike; the probes still work."""
    async with serving(echo, admission=full(4)) as server:
        async with wire(server) as one, wire(server) as two:
            for each in (one, two):
                await each.send(get("/kept"))
                assert (await each.answer())[0] == 200
            for request in (get("/more"), HANDSHAKE):
                async with wire(server) as third:
                    await third.send(request)
                    status, body = await third.answer()
                    assert (status, json.loads(body)["code"]) == (503, "too_many_connections")
                    assert await third.rest() == b""
            async with wire(server) as probe:
                await probe.send(get("/livez"))
                assert (await probe.answer()) == (200, b"GET /livez ")
                assert await probe.rest() == b""
            await one.send(get("/again"))
            assert (await one.answer()) == (200, b"GET /again ")
        assert server.statistics().refused["too_many_connections"] == 3
        async with wire(server) as later:
            await later.send(get("/later"))
            assert (await later.answer())[0] == 200


async def test_a_refused_client_that_sends_nothing_loses_its_place() -> None:
    """The places of refusals are few."""
    async with (
        serving(echo, admission=full(4)) as server,
        wire(server),
        wire(server),
        wire(server) as silent,
    ):
        assert (await silent.rest())[:13] in {b"", b"HTTP/1.1 408 "}


async def test_running_out_of_descriptors_is_recorded_as_our_own_shortage() -> None:
    """Accepting continues when there are some again."""
    noted: list[tuple[Shortage, str]] = []
    async with serving(echo, on_shortage=lambda *each: noted.append(each)) as server:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        client = trio.socket.socket()
        held: list[int] = []
        try:
            take_all(held)
            await client.connect(("127.0.0.1", port(server)))
            await eventually(lambda: bool(noted))
        finally:
            for each in held:
                os.close(each)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert noted[0] == (Shortage.DESCRIPTORS, "New clients cannot be accepted.")
        with client:
            await client.send(get("/one"))
            assert (await client.recv(100)).startswith(b"HTTP/1.1 200")

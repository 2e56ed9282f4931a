"""Checks without HTTP, and many checks at once, on real loopback sockets."""

import time
from functools import partial
from pathlib import Path

import pytest
import trio
from websockets.trio.server import ServerConnection, serve
from websockets.utils import accept_key

from orch.health.probes import open_client, probe
from orch.health.verdict import Finding, Observation
from orch.settings import Service
from orch.settings.probe_structs import Probe
from tests.fakes.gateway import answering, ok
from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port
from tests.gateway.test_loopback import CERTIFICATE, back_end, server_tls
from tests.health.test_probes import serving

pytestmark = pytest.mark.real_time

TCP = Probe(kind="tcp")
WEBSOCKET = Probe(kind="websocket")


async def ask(service: Service, patience: float = 5.0) -> Observation:
    async with open_client() as client:
        return await probe(client, "audio-service", service, service.url, patience=patience, limit=5.0)


async def test_a_port_that_accepts_a_connection_is_good() -> None:
    """Whatever it says, or does not say; one at which nothing listens is refused."""

    async def say_nothing(_stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with serving(say_nothing) as url:
        seen = await ask(Service(url=url, probe=TCP))
        assert (seen.finding, seen.certificate_until) == (Finding.GOOD, None)
        assert seen.elapsed is not None
    seen = await ask(Service(url=f"http://127.0.0.1:{free_port()}", probe=TCP))
    assert seen == Observation(Finding.REFUSED, ("connection refused",))


async def test_a_unix_socket_is_checked_as_a_port_is(tmp_path: Path) -> None:
    """In both ways; a socket that nobody serves is refused."""
    place = str(tmp_path / "b.sock")

    async def handle(connection: ServerConnection) -> None:
        async for _ in connection:
            pass

    for kind in (TCP, WEBSOCKET):
        seen = await ask(Service(url=f"unix:{place}", probe=kind))
        assert seen.finding is Finding.REFUSED
    listening = trio.socket.socket(trio.socket.AF_UNIX)
    await listening.bind(place)
    listening.listen()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve, handle, listeners=[trio.SocketListener(listening)]))
        for kind in (TCP, WEBSOCKET):
            seen = await ask(Service(url=f"unix:{place}", probe=kind))
            assert (seen.finding, seen.reasons) == (Finding.GOOD, ())
        nursery.cancel_scope.cancel()


async def test_a_certificate_is_read_in_each_kind_of_check() -> None:
    """Of TLS without HTTP, and of HTTPS; a certificate that is not trusted is a reason in both."""
    for kind in (TCP, Probe()):
        async with back_end(answering(ok(b"{}"), ok(b"{}")), tls=server_tls()) as port:
            url = f"https://localhost:{port}"
            seen = await ask(Service(url=url, probe=kind, ca_file=str(CERTIFICATE)))
            assert seen.finding is Finding.GOOD
            assert seen.certificate_until is not None
            assert seen.certificate_until > time.time()
            seen = await ask(Service(url=url, probe=kind))
            assert seen.finding is Finding.MISSED
            assert "certificate is not trusted" in seen.reasons[0]


async def test_what_does_not_speak_tls_is_a_miss() -> None:
    """With what may be wrong in the settings."""
    async with serving(lambda stream: stream.send_all(b"220 ftp\r\n")) as url:
        seen = await ask(Service(url=url.replace("http:", "https:"), probe=TCP))
    assert seen.finding is Finding.MISSED
    assert "does not speak TLS" in seen.reasons[0]


async def test_a_websocket_that_answers_a_ping_is_good() -> None:
    """At the health endpoint, with the service's key."""
    asked: list[tuple[str, str | None]] = []

    async def handle(connection: ServerConnection) -> None:
        assert connection.request is not None
        asked.append((connection.request.path, connection.request.headers.get("authorization")))
        async for _ in connection:
            pass

    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(serve, handle, 0, host="127.0.0.1"))
        port = server.listeners[0].socket.getsockname()[1]
        service = Service(
            url=f"http://127.0.0.1:{port}", probe=WEBSOCKET, health_endpoint="/v1/realtime", api_key="k"
        )
        seen = await ask(service)
        nursery.cancel_scope.cancel()
    assert (seen.finding, seen.reasons) == (Finding.GOOD, ())
    assert asked == [("/v1/realtime", "Bearer k")]


@pytest.mark.parametrize(
    ("answer", "finding", "reason"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", Finding.IMPAIRED, "has no /api/health"),
        (b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", Finding.IMPAIRED, "requires a key at /api/health"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Finding.IMPAIRED, "responds 200 to a WebSocket"),
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", Finding.MISSED, "responds 503 to GET /api/health"),
        (b"nonsense\r\n\r\n", Finding.MISSED, "does not speak WebSocket as expected"),
        (b"", Finding.MISSED, ""),
    ],
)
async def test_another_response_to_a_handshake_has_its_meaning(
    answer: bytes, finding: Finding, reason: str
) -> None:
    """As over HTTP: a wrong path or key is degraded, not down."""

    async def respond(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(answer)

    async with serving(respond) as url:
        seen = await ask(Service(url=url, probe=WEBSOCKET))
    assert seen.finding is finding
    assert seen.reasons[0].startswith(reason)


async def test_a_handshake_or_a_ping_without_an_answer_is_missed_at_the_deadline() -> None:
    """Also where the handshake succeeds and nothing follows: that is what the ping is for."""
    for reads in (False, True):

        async def stall(stream: trio.SocketStream, *, reads: bool = reads) -> None:
            request = await stream.receive_some()
            if reads:
                key = request.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0].decode()
                lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
                lines += [f"Sec-WebSocket-Accept: {accept_key(key)}", "", ""]
                await stream.send_all("\r\n".join(lines).encode())
            await trio.sleep_forever()

        async with serving(stall) as url:
            seen = await ask(Service(url=url, probe=WEBSOCKET), patience=0.3)
        assert seen == Observation(Finding.MISSED, ("no response in 300 ms",))


async def test_seventy_connections_that_hang_leave_room_for_another_check() -> None:
    """Checks share one client; those that hang must not use up its connections."""
    hanging, full = 0, trio.Event()

    async def serve_all(stream: trio.SocketStream) -> None:
        nonlocal hanging
        head = await stream.receive_some()
        if head.startswith(b"GET /good"):
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            return
        hanging += 1
        if hanging == 70:
            full.set()
        await trio.sleep_forever()

    async with serving(serve_all) as url, open_client() as client, trio.open_nursery() as nursery:
        bad = Service(url=url, health_endpoint="/bad")
        for _ in range(70):
            nursery.start_soon(lambda: probe(client, "a", bad, url, patience=600, limit=1))
        with trio.fail_after(PATIENCE):
            await full.wait()
            good = Service(url=url, health_endpoint="/good")
            seen = await probe(client, "a", good, url, patience=600, limit=600)
        assert seen.finding is Finding.GOOD
        nursery.cancel_scope.cancel()

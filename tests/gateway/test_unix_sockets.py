"""How back ends are connected to: Unix sockets, what can be wrong with them, and hosts with two addresses."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from orch.gateway.connection import Request, UpstreamError
from orch.gateway.request_body import RequestBody
from orch.gateway.response_headers import Place, moved
from orch.gateway.transport import Connector
from orch.gateway.upstream import Upstream
from orch.health.probes import open_client, probe
from orch.health.verdict import Finding
from orch.settings import Service, decode
from tests.fakes.gateway import Serve, answering, ok
from tests.fakes.patience import PATIENCE

pytestmark = pytest.mark.real_time


@asynccontextmanager
async def listening(path: Path, serve: Serve) -> AsyncIterator[str]:
    """Serve a Unix socket; gives its URL."""
    sock = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    await sock.bind(str(path))
    sock.listen(16)
    async with trio.open_nursery() as nursery:

        async def handle(stream: trio.SocketStream) -> None:
            async with stream:
                await serve(stream)

        nursery.start_soon(trio.serve_listeners, handle, [trio.SocketListener(sock)])
        yield f"unix:{path}"
        nursery.cancel_scope.cancel()


async def ask(upstream: Upstream) -> int:
    request = Request(method="GET", target="/api/x", headers=(), body=RequestBody())
    async with upstream.exchange(request) as answer:
        return answer.status


async def test_requests_reach_a_unix_socket(tmp_path: Path) -> None:
    """They are for localhost, below the base path, and a clean connection is reused."""
    seen: list[bytes] = []
    async with listening(tmp_path / "a.sock", answering(ok(b"hi"), seen=seen)) as url:
        upstream = Upstream(f"{url}:/base", connect=Connector())
        upstream.reuses_connections = True
        assert [await ask(upstream), await ask(upstream)] == [200, 200]
        assert upstream.statistics().idle == 1
        upstream.close_idle()
    assert seen == [b"GET /base/api/x HTTP/1.1\r\nhost: localhost\r\n\r\n"] * 2


async def test_a_health_check_reaches_a_unix_socket(tmp_path: Path) -> None:
    """And one that nobody listens at refuses, which needs no patience."""
    healthy = b'HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{"status":"healthy"}'
    service = Service(url="http://unused")
    async with listening(tmp_path / "a.sock", answering(healthy)) as url, open_client() as client:
        found = await probe(client, "audio-service", service, url, patience=5, limit=1)
        assert found.finding is Finding.GOOD
        missing = f"unix:{tmp_path}/none.sock"
        found = await probe(client, "audio-service", service, missing, patience=5, limit=1)
        assert found.finding is Finding.REFUSED


async def test_a_missing_socket_is_named_as_the_reason(tmp_path: Path) -> None:
    """Without its path, which is nobody's business outside."""
    upstream = Upstream(f"unix:{tmp_path}/none.sock", connect=Connector())
    with pytest.raises(UpstreamError, match=r"^its socket does not exist$"):
        await ask(upstream)
    (tmp_path / "file").write_text("no socket")
    with pytest.raises(UpstreamError, match=r"^the connection was refused$"):
        await ask(Upstream(f"unix:{tmp_path}/file", connect=Connector()))


async def test_a_full_queue_is_waited_for(tmp_path: Path) -> None:
    """Linux says EAGAIN for it, which is no connection; there is one as soon as there is room."""
    path = str(tmp_path / "full.sock")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(0)
    first = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    first.connect(path)
    connected = trio.Event()
    async with trio.open_nursery() as nursery:

        async def connect() -> None:
            transport = await Connector()(Upstream(f"unix:{path}", connect=Connector()).address)
            connected.set()
            transport.close()

        nursery.start_soon(connect)
        await trio.testing.wait_all_tasks_blocked()
        assert not connected.is_set()
        listener.accept()[0].close()
        await connected.wait()
    first.close()
    listener.close()


def test_a_location_inside_is_changed_to_the_one_outside() -> None:
    """Such an instance knows itself as localhost, below its base path."""
    place = Place("unix:/run/a.sock:/base", "/api/x", lambda path: f"/outside{path}")
    assert moved("http://localhost/base/api/y", place) == "/outside/api/y"
    assert moved("http://elsewhere/base/api/y", place) == "http://elsewhere/base/api/y"


def test_both_forms_are_one_address_of_the_settings() -> None:
    """So that an instance is not listed twice."""
    text = "services: {a: {url: 'unix:///run/a.sock', instances: [{url: 'unix:/run/a.sock'}]}}"
    decoded = decode(text, {})
    assert decoded.settings.services["a"].url == "unix:/run/a.sock"


class Resolver(trio.abc.HostnameResolver):
    """Gives the same addresses for every name."""

    def __init__(self, *addresses: tuple[str, int]) -> None:
        self._addresses = addresses

    async def getaddrinfo(self, *_: Any, **__: Any) -> list[Any]:
        await trio.lowlevel.checkpoint()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", each) for each in self._addresses]

    async def getnameinfo(self, *_: Any) -> tuple[str, str]:
        raise NotImplementedError


async def test_an_address_that_does_not_respond_costs_a_quarter_of_a_second() -> None:
    """The host's next address is tried beside it, and used (RFC 8305)."""
    silent = socket.create_server(("127.0.0.1", 0), backlog=0)
    place = silent.getsockname()
    filling = [socket.socket() for _ in range(3)]
    for each in filling:  # Linux drops what does not fit into the queue
        each.settimeout(0.0)
        each.connect_ex(place)
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, answering(ok(b"hi")), [listener])
        good = listener.socket.getsockname()
        trio.socket.set_custom_hostname_resolver(Resolver(place, good))
        with trio.fail_after(PATIENCE):  # the system itself would try the first for two minutes
            assert await ask(Upstream("http://two.example:1", connect=Connector())) == 200
        nursery.cancel_scope.cancel()
    for each in (silent, *filling):
        each.close()

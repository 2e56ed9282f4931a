"""A gateway under the servers that host it, and back ends of the library ``websockets``, on real sockets."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import trio
from websockets.trio.server import ServerConnection, serve

from orch.front.hypercorn.server import HypercornServer
from orch.front.server import Server
from orch.gateway.service import GatewayService
from orch.gateway.transport import Connector
from orch.telemetry.events import EventLog
from orch.telemetry.topics import Topics
from tests.fakes.gateway import FakeHealth, FakeMetrics
from tests.fakes.settings import FakeSettings

CERTIFICATE = Path(__file__).parents[1] / "data" / "tls" / "localhost.pem"
Kind = type[HypercornServer] | type[Server]
Handler = Callable[[ServerConnection], Awaitable[None]]


@dataclass
class Hosted:
    """A gateway that is served at ``url``. ``stop`` begins the end of its server."""

    gateway: GatewayService
    settings: FakeSettings
    health: FakeHealth
    url: str
    stop: Callable[[], None]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


def server_tls() -> ssl.SSLContext:
    """Return the TLS of a server for ``localhost``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def client_tls() -> ssl.SSLContext:
    """Return the TLS of a client that trusts it."""
    return ssl.create_default_context(cafile=CERTIFICATE)


@asynccontextmanager
async def back_end(handler: Handler, **options: Any) -> AsyncIterator[str]:
    """Serve WebSockets on a free port; gives ``HOST:PORT``. ``options``: those of the library's ``serve``."""
    options = {"max_size": None, "ping_interval": None, "open_timeout": None, "close_timeout": 1, **options}
    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(serve, handler, port=0, host="127.0.0.1", **options))
        yield f"127.0.0.1:{server.listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def hosted(kind: Kind, *urls: str, tls: bool = False, **options: Any) -> AsyncIterator[Hosted]:
    """Host a gateway to instances. ``options``: settings of the gateway's section."""
    settings = FakeSettings(
        orchestration={"gateway": options},
        services={
            "audio-service": {
                "url": urls[0],
                "instances": [{"url": url} for url in urls[1:]],
                "concurrency": "unlimited",
            }
        },
    )
    health = FakeHealth()
    gateway = GatewayService(
        settings=settings,
        health=health,
        events=EventLog(wall=lambda: 0.0),
        topics=Topics(),
        metrics=FakeMetrics(),
        connect=Connector(client_tls),
    )

    async def app(scope: Any, receive: Any, send: Any) -> None:
        serving = gateway.proxy if scope["type"] == "http" else gateway.connect
        await serving(scope, receive, send)

    stopping = trio.Event()
    with_http2: dict[str, Any] = {"http2": True} if kind is HypercornServer else {}
    front = kind(
        app,
        host="127.0.0.1",
        port=0,
        stopping=stopping,
        drain=gateway.drain,
        grace=lambda: 3.0,
        tls=server_tls if tls else None,
        **with_http2,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(gateway.run)
        await nursery.start(front.run)
        yield Hosted(gateway, settings, health, front.bound[0], stopping.set)
        nursery.cancel_scope.cancel()

"""What the gateway is given, for tests: a health service, metrics, back ends over memory or loopback."""

from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import trio
from hypothesis import HealthCheck, settings
from trio.testing import memory_stream_pair

from orch.gateway.discovery.resolver import Resolver
from orch.gateway.discovery.service import Discovery
from orch.gateway.ejection import Presence
from orch.gateway.service import GatewayService
from orch.gateway.spool import Spool
from orch.gateway.transport import Address, Transport
from orch.telemetry.events import EventLog
from orch.telemetry.pulse import Pulse
from orch.telemetry.topics import Topics
from orch.telemetry.traces import OFF, Tracer
from tests.fakes.settings import FakeSettings

# On a busy machine an example may take long; how long says nothing about what it shows.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

Serve = Callable[[trio.abc.Stream], Awaitable[None]]


class FakeHealth:
    """Trusts every instance that is not in ``down``; those are gone, unless they are in ``silent``."""

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.silent: set[str] = set()
        self.noted: list[tuple[str, str, str]] = []

    def is_usable(self, service: str, url: str) -> bool:
        return url not in self.down

    def presence(self, service: str, url: str) -> Presence:
        if url in self.silent:
            return "silent"
        return "gone" if url in self.down else "responding"

    def label(self, service: str, url: str) -> str:
        return url

    def note_failure(self, service: str, url: str, reason: str) -> None:
        self.noted.append((service, url, reason))


class FakeMetrics:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, int]] = []
        self.traces: list[str] = []
        self.retries: Counter[str] = Counter()
        self.flows: list[tuple[str, str, str, str]] = []

    def gateway_request(
        self, service: str, route: str, flow: str, status: int, seconds: float | None, trace_id: str = ""
    ) -> None:
        self.requests.append((service, status))
        self.traces.append(trace_id)

    def gateway_retry(self, service: str) -> None:
        self.retries[service] += 1

    def breaker_state(self, service: str, instance: str, flow: str, state: str) -> None:
        self.flows.append((service, instance, flow, state))

    @property
    def breakers(self) -> list[tuple[str, str, str]]:
        """Those of captions, the service's own flow."""
        return [(service, url, state) for service, url, flow, state in self.flows if flow == "captions"]


class MemoryNetwork:
    """Back ends over memory streams, by ``host:port``; each connection is served by a task in ``nursery``.

    An address that is not in ``servers`` refuses. ``opened`` counts connections, ``open`` those still open.
    ``connect_seconds`` is how long connecting takes; ``failure`` is raised by it. ``pair`` makes the two ends
    of a connection.
    """

    def __init__(self, nursery: trio.Nursery) -> None:
        self.servers: dict[str, Serve] = {}
        self.opened: Counter[str] = Counter()
        self.open = 0
        self.connect_seconds = 0.0
        self.failure: Exception | None = None
        self.pair: Callable[[], tuple[Any, Any]] = memory_stream_pair
        self._nursery = nursery

    async def connect(self, address: Address) -> Transport:
        await trio.sleep(self.connect_seconds)
        if self.failure is not None:
            raise self.failure
        name = f"{address.host}:{address.port}"
        if name not in self.servers:
            raise ConnectionRefusedError(111, "refused")
        self.opened[name] += 1
        self.open += 1
        ours, theirs = self.pair()
        closed = False

        def close() -> None:
            nonlocal closed
            if not closed:
                closed = True
                self.open -= 1
                ours.send_stream.close()
                ours.receive_stream.close()

        def is_quiet() -> bool:
            # A memory stream keeps what has come in a buffer of its own; there is no other way to look at it.
            incoming = ours.receive_stream._incoming
            return not incoming._data and not incoming._closed

        self._nursery.start_soon(self._serve, self.servers[name], theirs)
        return Transport(ours, close, is_quiet)

    async def _serve(self, serve: Serve, stream: trio.StapledStream[Any, Any]) -> None:
        # The gateway closing the connection first is what many tests have it do.
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            try:
                await serve(stream)
            finally:
                stream.receive_stream.close()
                stream.send_stream.close()


async def read_request(stream: trio.abc.Stream) -> bytes:
    """Return one request as it came, head and body; empty where the connection ends before one begins."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = await stream.receive_some(65_536)
        if not more:
            return data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lowered = head.lower()
    if b"transfer-encoding: chunked" in lowered:
        while not body.endswith(b"0\r\n\r\n"):
            more = await stream.receive_some(65_536)
            if not more:
                break
            body += more
    elif b"content-length:" in lowered:
        length = int(lowered.partition(b"content-length:")[2].partition(b"\r\n")[0])
        while len(body) < length:
            more = await stream.receive_some(65_536)
            if not more:
                break
            body += more
    return head + b"\r\n\r\n" + body


def answering(*answers: bytes, seen: list[bytes] | None = None) -> Serve:
    """Serve every connection with the given raw answers, one per request, the last one again and again.

    Each request is added to ``seen``.
    """

    async def serve(stream: trio.abc.Stream) -> None:
        left = deque(answers)
        while request := await read_request(stream):
            if seen is not None:
                seen.append(request)
            await stream.send_all(left.popleft() if len(left) > 1 else left[0])

    return serve


def ok(body: bytes = b"ok", *extra: bytes, status: bytes = b"200 OK") -> bytes:
    """Return a raw answer with a Content-Length."""
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *extra, b"", body]
    return b"\r\n".join(lines)


@dataclass
class GatewayRig:
    """A gateway over a :class:`MemoryNetwork`, with all that it is given at hand."""

    gateway: GatewayService
    network: MemoryNetwork
    settings: FakeSettings
    health: FakeHealth
    metrics: FakeMetrics
    events: EventLog
    touched: list[str] = field(default_factory=list)


@asynccontextmanager
async def gateway_rig(
    *urls: str,
    running: bool = True,
    pulse: Pulse | None = None,
    spool: Spool | None = None,
    service: dict[str, Any] | None = None,
    resolver: Resolver | None = None,
    tracer: Tracer = OFF,
    **gateway: Any,
) -> AsyncIterator[GatewayRig]:
    """Open a gateway whose ``audio-service`` has instances at ``urls`` (default: http://a:1).

    ``gateway`` are settings of the gateway's section. ``running``: with its branch, so that it keeps
    connections. ``service``: further settings of the ``audio-service``; ``resolver``: where its discovery
    looks names up. ``tracer``: off without one.
    """
    instances = urls or ("http://a:1",)
    configuration = FakeSettings(
        orchestration={"gateway": gateway},
        services={
            "audio-service": {
                "url": instances[0],
                "instances": [{"url": url} for url in instances[1:]],
                "concurrency": "unlimited",
                **(service or {}),
            },
            "translation-service": {"url": "http://t:1"},
        },
    )
    events, topics = EventLog(wall=lambda: 0.0), Topics()
    health, metrics = FakeHealth(), FakeMetrics()
    async with trio.open_nursery() as nursery:
        network = MemoryNetwork(nursery)
        discovery = None
        if resolver is not None:
            discovery = Discovery(configuration, resolver=resolver, events=events, jitter=lambda: 1.0)
        gateway_service = GatewayService(
            settings=discovery or configuration,
            discovered=discovery.statistics if discovery is not None else tuple,
            health=health,
            events=events,
            topics=topics,
            metrics=metrics,
            connect=network.connect,
            pulse=pulse,
            spool=spool,
            make_id=lambda: "made-id",
            tracer=tracer,
        )
        rig = GatewayRig(gateway_service, network, configuration, health, metrics, events)
        topics.on_touch = rig.touched.append
        if running:
            await nursery.start(gateway_service.run)
            if discovery is not None:
                await nursery.start(discovery.run)
        yield rig
        nursery.cancel_scope.cancel()


class Browser:
    """An in-memory ASGI client: one request with ``pieces`` of body, the answer's messages in ``sent``.

    ``leave`` makes it disconnect. ``gate``: where slow, a semaphore that each send to it waits for.
    """

    def __init__(
        self,
        method: str = "GET",
        path: str = "/api/audio/x",
        *pieces: bytes,
        headers: list[tuple[bytes, bytes]] | None = None,
        raw_path: bytes | None = None,
        query: bytes = b"",
        client: tuple[str, int] | None = ("203.0.113.9", 5),
        slow: bool = False,
    ) -> None:
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query,
            "headers": headers if headers is not None else [(b"host", b"front.example")],
            "client": client,
            "scheme": "http",
        }
        if raw_path is not None:
            self.scope["raw_path"] = raw_path
        self.sent: list[dict[str, Any]] = []
        self.pieces = deque(pieces or [b""])
        self.asked = 0
        self._gone = trio.Event()
        self.gate = trio.Semaphore(0) if slow else None

    def leave(self) -> None:
        self._gone.set()

    async def receive(self) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        self.asked += 1
        if self.pieces:
            piece = self.pieces.popleft()
            return {"type": "http.request", "body": piece, "more_body": bool(self.pieces)}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if self.gate is not None:
            await self.gate.acquire()
        else:
            await trio.lowlevel.checkpoint()
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    @property
    def is_complete(self) -> bool:
        return len(self.sent) > 1 and not self.sent[-1]["more_body"]

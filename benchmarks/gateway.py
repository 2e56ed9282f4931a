"""What a request through the gateway costs, side by side in one run.

    python benchmarks/gateway.py [--seconds 3] [--connections 32] [--write]

Five ways to the same back end (a 15-byte JSON answer, httptools on Trio, a process of its own):

- direct: the load generator to the back end;
- fetch: `GatewayService.fetch` in the load generator's process, without a server in front;
- gateway: `GatewayService.proxy` behind the service's own front, as `orch serve` has it;
- gateway, Hypercorn: the same under Hypercorn's Trio worker (`orch serve --server hypercorn`);
- peer, Hypercorn: a reverse proxy as one would write it with Quart-Trio and httpx2, under Hypercorn.

Each process has one thread. Figures of a busy or small machine compare only with each other: read the ratios.
"""

import argparse
import math
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import httptools
import httpx2
import quart_trio
import trio
from quart import Response, request

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peers import report
from orch.front.hypercorn.server import HypercornServer
from orch.front.server import Server
from orch.gateway.service import GatewayService
from orch.settings import Service, Settings
from orch.telemetry.events import EventLog
from orch.telemetry.metrics import Metrics
from orch.telemetry.topics import Topics

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"hello":"you"}'
PATH = "/api/audio/health"
PACKAGES = ("trio", "httptools", "hypercorn", "quart-trio", "httpx2")
HEAD = ("", "requests/s", "p50 ms", "p95 ms", "alone, p50 ms", "of direct")
ROLES = ("backend", "gateway", "gateway, Hypercorn", "peer, Hypercorn")


class Current:
    """Settings with one back end."""

    def __init__(self, url: str) -> None:
        self.current = Settings(services={"audio-service": Service(url=url)})


class Trusting:
    """A health service that has nothing to say."""

    def is_usable(self, _service: str, _url: str) -> bool:
        """Trust."""
        return True

    def note_failure(self, service: str, url: str, reason: str) -> None:
        """Say it: a run with failures measures something else."""
        print(f"failure: {service} {url} {reason}", file=sys.stderr)


def gateway_to(url: str) -> GatewayService:
    """Return a gateway as the service builds it."""
    return GatewayService(
        settings=Current(url),
        health=Trusting(),
        events=EventLog(wall=lambda: 0.0),
        topics=Topics(),
        metrics=Metrics(),
    )


class _Ended:
    """Hears from httptools that a request has come in full."""

    def __init__(self) -> None:
        self.requests = 0

    def on_message_complete(self) -> None:
        """Count it."""
        self.requests += 1


async def serve_back_end() -> None:
    """Answer every request with the same few bytes."""

    async def handle(stream: trio.SocketStream) -> None:
        heard = _Ended()
        parser = httptools.HttpRequestParser(heard)
        async for data in stream:
            parser.feed_data(bytes(data))
            if heard.requests:
                await stream.send_all(ANSWER * heard.requests)
                heard.requests = 0

    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    print(listener.socket.getsockname()[1], flush=True)
    await trio.serve_listeners(handle, [listener])


async def host(
    server: type[Server | HypercornServer], app: Any, run: Callable[..., Awaitable[None]] | None
) -> None:
    """Serve an ASGI application as the service does."""
    front = server(
        app,
        host="127.0.0.1",
        port=0,
        stopping=trio.Event(),
        drain=trio.lowlevel.checkpoint,
        grace=lambda: 0.0,
    )
    async with trio.open_nursery() as nursery:
        if run is not None:
            await nursery.start(run)
        await nursery.start(front.run)
        print(front.bound[0].rpartition(":")[2], flush=True)


async def serve_gateway(server: type[Server | HypercornServer], url: str) -> None:
    """Serve the gateway alone."""
    gateway = gateway_to(url)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await gateway.proxy(scope, receive, send)

    await host(server, app, gateway.run)


async def serve_peer(url: str) -> None:
    """Serve a reverse proxy of the plain kind."""
    app = quart_trio.QuartTrio("peer")
    async with httpx2.AsyncClient(base_url=url, limits=httpx2.Limits(max_connections=64)) as client:

        @app.route("/api/audio/<path:path>", methods=["GET", "POST"])
        async def proxy(path: str) -> Response:
            asked = client.build_request(
                request.method,
                f"/api/{path}",
                headers=[(name, value) for name, value in request.headers.items() if name.lower() != "host"],
                content=await request.get_data(),
            )
            answer = await client.send(asked)
            return Response(answer.content, answer.status_code, dict(answer.headers))

        await host(HypercornServer, app, None)


@contextmanager
def process(role: str, *arguments: str) -> Iterator[int]:
    """Start one of the servers; gives its port."""
    with subprocess.Popen(
        [sys.executable, __file__, "--role", role, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as child:
        try:
            assert child.stdout is not None  # noqa: S101 - a pipe was asked for
            lines = iter(child.stdout)
            while not (line := next(lines).strip()).isdigit():
                continue
            yield int(line)
        finally:
            child.kill()


Ask = Callable[[], Awaitable[None]]


async def measure(connections: int, seconds: float, make: Callable[[], Awaitable[Ask]]) -> list[float]:
    """Ask over so many connections at once for so long; return each one's seconds, but for the first 10 %."""
    taken: list[float] = []
    asks = [await make() for _ in range(connections)]
    until = perf_counter() + seconds

    async def keep_asking(ask: Ask) -> None:
        while (began := perf_counter()) < until:
            await ask()
            taken.append(perf_counter() - began)

    async with trio.open_nursery() as nursery:
        for ask in asks:
            nursery.start_soon(keep_asking, ask)
    return taken[len(taken) // 10 :]


def over_http(port: int, path: str) -> Callable[[], Awaitable[Ask]]:
    """Return what opens a kept connection and asks over it; Hypercorn ends one after a thousand requests."""
    asked = f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()

    async def make() -> Ask:
        stream = await trio.open_tcp_stream("127.0.0.1", port)

        async def ask() -> None:
            nonlocal stream
            answer = await _answer(stream, asked)
            if not answer:
                await stream.aclose()
                stream = await trio.open_tcp_stream("127.0.0.1", port)
                answer = await _answer(stream, asked)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise ConnectionError(answer)

        return ask

    return make


async def _answer(stream: trio.SocketStream, asked: bytes) -> bytes:
    """Ask, and return the answer; nothing where the connection was ended before."""
    answer = b""
    try:
        await stream.send_all(asked)
        while not answer.endswith(ANSWER[-15:]):
            data = await stream.receive_some(65_536)
            if not data:
                break
            answer += data
    except trio.BrokenResourceError:
        pass  # ended, too
    return answer


def over_fetch(gateway: GatewayService) -> Callable[[], Awaitable[Ask]]:
    """Return what asks through the gateway in this process."""

    async def make() -> Ask:
        async def ask() -> None:
            await gateway.fetch("audio-service", "GET", "/api/health")

        await trio.lowlevel.checkpoint()
        return ask

    return make


async def compare(options: argparse.Namespace) -> None:
    """Run all ways and print them beside each other, at full load and one request at a time."""
    busy, seconds = os.getloadavg()[0], options.seconds
    rows = []
    rates: dict[str, float] = {}
    with process("backend") as back, trio.CancelScope() as scope:
        url = f"http://127.0.0.1:{back}"
        gateway = gateway_to(url)
        async with trio.open_nursery() as nursery:
            await nursery.start(gateway.run)
            for name in ("direct", "fetch", *ROLES[1:]):
                with reached(name, url) as port:
                    make = over_fetch(gateway) if port is None else over_http(port, PATH)
                    taken = await measure(options.connections, seconds, make)
                    alone = await measure(1, seconds / 3, make)
                rates[name] = len(taken) / 0.9 / seconds
                of_direct = f"{rates[name] / rates['direct']:.3f}"
                figures = (quantile(taken, 0.5), quantile(taken, 0.95), quantile(alone, 0.5))
                rows.append((name, f"{rates[name]:,.0f}", *(f"{each:.2f}" for each in figures), of_direct))
            scope.cancel()
    peer = rates["peer, Hypercorn"]
    ratios = [(name, f"{rates[name] / peer:.1f}x") for name in ROLES[1:3]]
    told = [report.table(HEAD, rows), report.table(("", "requests/s, beside the peer"), ratios)]
    print("\n\n".join(told))
    if options.write:
        about = report.machine(busy, [f"{name} {version(name)}" for name in PACKAGES])
        report.write(f"Gateway: `{report.command()}`", [f"{about} {options.connections} connections.", *told])


@contextmanager
def reached(way: str, url: str) -> Iterator[int | None]:
    """Start what stands between, if anything; gives the port to ask at, or None to ask in this process."""
    if way == "direct":
        yield int(url.rpartition(":")[2])
    elif way == "fetch":
        yield None
    else:
        with process(way, url) as port:
            yield port


def quantile(taken: list[float], share: float) -> float:
    """Return a quantile in milliseconds."""
    return sorted(taken)[math.ceil(len(taken) * share) - 1] * 1000


def main() -> None:
    """Run the comparison, or one of its servers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--write", action="store_true", help="put the figures into benchmarks/RESULTS.md")
    parser.add_argument("--role", choices=ROLES, help=argparse.SUPPRESS)
    parser.add_argument("url", nargs="?", help=argparse.SUPPRESS)
    options = parser.parse_args()
    match options.role:
        case None:
            trio.run(compare, options)
        case "backend":
            trio.run(serve_back_end)
        case "peer, Hypercorn":
            trio.run(serve_peer, options.url)
        case role:
            trio.run(serve_gateway, Server if role == "gateway" else HypercornServer, options.url)


if __name__ == "__main__":
    main()

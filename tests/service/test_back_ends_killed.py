"""Back ends that are killed under load, behind the whole service: no repeatable request fails."""

import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import httpx2
import pytest
import trio

from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port
from tests.fakes.service import RunningService, service

pytestmark = [pytest.mark.real_time]

#: A back end of one thread for each connection, which says who it is.
BACK_END: Final = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b'{"status":"healthy","from":%d}' % self.server.server_address[1]
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
server.daemon_threads = True
print("listens", flush=True)
server.serve_forever()
"""


def settings(urls: list[str]) -> str:
    """Return settings with these instances of the audio-service."""
    first, *others = urls
    return f"""
orchestration:
  monitoring: {{health_check_interval: 1}}
services:
  audio-service:
    url: "{first}"
    instances: [{", ".join(f'{{url: "{url}"}}' for url in others)}]
  translation-service: {{url: "http://127.0.0.1:9"}}
"""


@asynccontextmanager
async def back_end(port: int) -> AsyncIterator[trio.Process]:
    """Run the small back end on a port; it has ended when this is left."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", BACK_END, str(port)], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert (await process.stdout.receive_some()).startswith(b"listens")
        yield process
    finally:
        process.kill()
        await process.wait()


@contextmanager
def in_front_of(urls: list[str], folder: Path) -> Iterator[RunningService]:
    """Run the service in front of these instances."""
    with service("serve", folder, settings=settings(urls)) as front:
        yield front


async def until(client: httpx2.AsyncClient, seen: Callable[[httpx2.Response], bool]) -> httpx2.Response:
    """Ask until a response is as expected."""
    while not seen(answer := await client.get("/api/audio/x")):  # noqa: ASYNC110 - another process
        await trio.sleep(0.02)
    return answer


def is_from(port: int) -> Callable[[httpx2.Response], bool]:
    """Return whether a response comes from the back end at this port."""
    return lambda answer: bool(answer.status_code == 200 and answer.json()["from"] == port)


async def test_one_killed_under_load_costs_no_repeatable_request(tmp_path: Path) -> None:
    """Of some hundred requests at any moment; once it is started again, it gets its share again."""
    ports = [free_port() for _ in range(3)]
    statuses: Counter[int] = Counter()
    async with AsyncExitStack() as stack:
        killed, *_ = [await stack.enter_async_context(back_end(port)) for port in ports]
        front = stack.enter_context(in_front_of([f"http://127.0.0.1:{port}" for port in ports], tmp_path))
        client = await stack.enter_async_context(httpx2.AsyncClient(base_url=front.url, timeout=PATIENCE))
        counted = trio.Event()
        pause = 0.0

        async def counts(number: int) -> None:
            nonlocal counted
            while statuses.total() < number:
                counted = trio.Event()
                await counted.wait()

        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                while True:
                    statuses[(await client.get("/api/audio/x")).status_code] += 1
                    counted.set()
                    await trio.sleep(pause)

            for _ in range(8):
                nursery.start_soon(ask)
            await counts(100)
            killed.kill()
            await counts(statuses.total() + 200)
            pause = 0.05  # until its ejection is over, some of them are enough
            await stack.enter_async_context(back_end(ports[0]))
            await until(client, is_from(ports[0]))
            nursery.cancel_scope.cancel()
    assert set(statuses) == {200}, statuses


async def test_all_killed_and_back(tmp_path: Path) -> None:
    """Meanwhile clients are told so at once, as a problem; then they are served again."""
    ports = [free_port() for _ in range(2)]
    async with AsyncExitStack() as stack:
        front = stack.enter_context(in_front_of([f"http://127.0.0.1:{port}" for port in ports], tmp_path))
        client = await stack.enter_async_context(httpx2.AsyncClient(base_url=front.url, timeout=PATIENCE))
        for _ in range(2):
            async with AsyncExitStack() as running_stack:
                for port in ports:
                    await running_stack.enter_async_context(back_end(port))
                for port in ports:
                    await until(client, is_from(port))
            gone = await until(client, lambda answer: answer.status_code != 200)
            assert gone.status_code in (502, 503)
            assert gone.json()["code"] in ("bad_gateway", "service_unavailable")

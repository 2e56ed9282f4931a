import json
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio
from trio_websocket import WebSocketConnection, open_websocket_url

from benchmarks.peers.servers import Process
from tests.fakes.gateway import gateway_rig
from tests.fakes.processor import slowness
from tests.fakes.service import service


async def test_api_gateway_latency() -> None:
    """Seed: tests/performance/test_websocket_performance.py::test_api_gateway_latency.

    Finding a route takes under 1 ms on average and under 5 ms at the 95th percentile, of processor time as in
    the tests below.
    """
    async with gateway_rig() as rig:
        latencies = []
        for _ in range(1000):
            began = time.thread_time()
            route = rig.gateway.determine_route("/api/whisper/health")
            latencies.append(time.thread_time() - began)
            assert route is not None
        assert sum(latencies) / len(latencies) < 0.001
        assert sorted(latencies)[int(len(latencies) * 0.95)] < 0.005


async def test_a_route_is_found_in_under_ten_microseconds() -> None:
    """On average over 200 paths, each found twice; the best of several runs, as others slow the machine.

    The seed promises it in its text, besides the test above.
    """
    async with gateway_rig() as rig:
        means = []
        for run in range(50):
            paths = [f"/api/audio/models/{run}-{number % 100}" for number in range(200)]
            began = time.thread_time()
            for path in paths:
                rig.gateway.determine_route(path)
            means.append((time.thread_time() - began) / len(paths) / slowness())
        assert min(means) < 10e-6


CONNECTIONS = 100
MESSAGES = 10_000


@pytest.mark.real_time
async def test_websocket_message_throughput(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Seed: tests/performance/test_websocket_performance.py::test_websocket_message_throughput.

    10,000 messages sent over 100 connections in turn all come back, more than 1,000 a second: of processor
    time, the client's included, as a machine that does other things as well gives less.
    """
    with service("serve", tmp_path) as running:
        url = running.url.replace("http", "ws", 1) + "/ws"
        server = Process(running.process.pid)
        async with AsyncExitStack() as stack:
            sockets = [await stack.enter_async_context(open_websocket_url(url)) for _ in range(CONNECTIONS)]
            for socket in sockets:
                assert json.loads(await socket.get_message())["type"] == "connected"
            returned: list[int] = []

            async def receive(socket: WebSocketConnection) -> None:
                left = MESSAGES // CONNECTIONS
                while left:
                    message = json.loads(await socket.get_message())
                    if message["type"] == "system_announcement":
                        continue  # such as that the disk is slow
                    assert message["type"] == "test_message"
                    returned.append(message["id"])
                    left -= 1

            began, used = time.perf_counter(), server.cpu() + time.process_time()
            async with trio.open_nursery() as nursery:
                for socket in sockets:
                    nursery.start_soon(receive, socket)
                for index in range(MESSAGES):
                    await sockets[index % CONNECTIONS].send_message(
                        json.dumps({"type": "test_message", "id": index})
                    )
            duration = time.perf_counter() - began
            used = server.cpu() + time.process_time() - used
            record_property("messages_per_second", MESSAGES / duration)
            assert sorted(returned) == list(range(MESSAGES))
            assert MESSAGES / used > 1000

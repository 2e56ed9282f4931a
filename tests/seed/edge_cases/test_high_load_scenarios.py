import random
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest
import trio

from tests.fakes.service import service
from tests.fakes.whole import whole

pytestmark = pytest.mark.real_time

REQUESTS = 5000
CLIENTS = 50
"""A client looks through all its connections for each request, so that one alone would be the bottleneck."""
SESSIONS = 50_000
MAKERS = 100
LIMIT = 300.0
"""Seconds until a test that hangs fails; the figure is the share, not the time."""
MEGABYTE = 2**20


async def test_extreme_concurrent_load(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Seed: tests/edge_cases/test_high_load_scenarios.py::test_extreme_concurrent_load.

    Of 5,000 requests for /api/health made at once, over as many connections, more than 90 % are answered 200.
    """
    with service("serve", tmp_path) as running:
        url = running.url
        successful = 0
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        tls = ssl.create_default_context()  # one for all: making one takes longer than a request

        async def ask(http: httpx2.AsyncClient) -> None:
            nonlocal successful
            try:
                answer = await http.get("/api/health")
            except httpx2.TransportError:
                return  # one that did not succeed
            successful += answer.status_code == 200

        async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
            for _ in range(CLIENTS):
                http = httpx2.AsyncClient(base_url=url, limits=limits, timeout=LIMIT, verify=tls)
                await stack.enter_async_context(http)
                for _ in range(REQUESTS // CLIENTS):
                    nursery.start_soon(ask, http)
        record_property("answered", successful)
        assert successful / REQUESTS > 0.9


async def test_memory_pressure_handling(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Seed: tests/edge_cases/test_high_load_scenarios.py::test_memory_pressure_handling.

    With 50,000 sessions of 1 KB the process stays under 1 GB, and any of them can be read.
    """
    async with whole(tmp_path) as running:
        hub = running.parts.hub

        async def make(maker: int) -> None:
            for index in range(maker, SESSIONS, MAKERS):
                await hub.create_session(f"user{index}", {"large_data": "x" * 1000})

        async with trio.open_nursery() as nursery:
            for maker in range(MAKERS):
                nursery.start_soon(make, maker)
        assert hub.statistics().sessions == SESSIONS
        record_property("resident_megabytes", resident() // MEGABYTE)
        assert resident() < 1024 * MEGABYTE
        chosen = await hub.get_session(f"user{random.randrange(SESSIONS)}")
        assert b"x" * 1000 in bytes(chosen.config)


def resident() -> int:
    """Return the bytes of memory this process holds."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the kernel does not say")

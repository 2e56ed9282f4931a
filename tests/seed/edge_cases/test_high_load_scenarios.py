import random
from collections.abc import Callable
from pathlib import Path

import httpx2
import trio

from tests.fakes.running import run
from tests.fakes.service import service
from tests.fakes.whole import whole

REQUESTS = 5000
SESSIONS = 50_000
MAKERS = 100
MEGABYTE = 2**20


def test_extreme_concurrent_load(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Seed: tests/edge_cases/test_high_load_scenarios.py::test_extreme_concurrent_load.

    Of 5,000 requests for /api/health made at once, over as many connections, more than 90 % are answered 200.
    """

    async def main(url: str) -> None:
        successful = 0
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        async with httpx2.AsyncClient(base_url=url, limits=limits, timeout=60) as http:

            async def ask() -> None:
                nonlocal successful
                try:
                    successful += (await http.get("/api/health")).status_code == 200
                except httpx2.TransportError:
                    return  # one that did not succeed; they are counted

            async with trio.open_nursery() as nursery:
                for _ in range(REQUESTS):
                    nursery.start_soon(ask)
        record_property("answered", successful)
        assert successful / REQUESTS > 0.9

    with service("serve", tmp_path) as running:
        run(main, running.url, virtual=False)


def test_memory_pressure_handling(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Seed: tests/edge_cases/test_high_load_scenarios.py::test_memory_pressure_handling.

    With 50,000 sessions of 1 KB the process stays under 1 GB, and any of them can be read.
    """

    async def main() -> None:
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

    run(main, virtual=False)


def resident() -> int:
    """Return the bytes of memory this process holds."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the kernel does not say")

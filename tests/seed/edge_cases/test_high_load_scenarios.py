import random
import socket as stdlib_socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from tests.fakes.service import service
from tests.fakes.whole import whole

pytestmark = pytest.mark.real_time

REQUESTS = 5000
REQUEST = b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
SESSIONS = 50_000
MAKERS = 100
LIMIT = 550.0
"""Seconds until a test that hangs fails; the figure is the share, not the time."""
MEGABYTE = 2**20


async def test_extreme_concurrent_load(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Seed: tests/edge_cases/test_high_load_scenarios.py::test_extreme_concurrent_load.

    All of 5,000 requests for /api/health made at once, over as many connections, are answered 200; the seed
    asks for more than 90 %.
    """
    with service("serve", tmp_path) as running:
        successful = 0
        failures: Counter[str] = Counter()

        async def ask() -> None:
            nonlocal successful
            try:
                with stdlib_socket.socket() as sock:
                    sock.settimeout(0.0)
                    sock.connect_ex(("127.0.0.1", running.port))
                    # In the same step: who has connected has ten seconds for a request, and this program
                    # has 4,999 others to look after. On one machine a connection is made at once, unless too
                    # many are waiting to be accepted.
                    try:
                        sent = sock.send(REQUEST)
                    except BlockingIOError:
                        await trio.lowlevel.wait_writable(sock)
                        sent = sock.send(REQUEST)
                    assert sent == len(REQUEST)
                    stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
                    answer = b"".join([part async for part in stream])
            except (OSError, trio.BrokenResourceError) as error:
                failures[repr(error.__cause__ or error)] += 1
                return
            if answer.startswith(b"HTTP/1.1 200 "):
                successful += 1
            else:
                failures[repr(answer[:40])] += 1

        with trio.fail_after(LIMIT):
            async with trio.open_nursery() as nursery:
                for _ in range(REQUESTS):
                    nursery.start_soon(ask)
        record_property("answered", successful)
        assert successful == REQUESTS, failures


async def test_memory_pressure_handling(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Seed: tests/edge_cases/test_high_load_scenarios.py::test_memory_pressure_handling.

    With 50,000 sessions of 1 KB the process stays under 1 GB: it has 100 MB before them, without what the
    tests before this one left in it, and grows by less than 512 MB. Any of them can be read.
    """
    before = resident()
    async with whole(tmp_path) as running:
        hub = running.parts.hub

        async def make(maker: int) -> None:
            for index in range(maker, SESSIONS, MAKERS):
                await hub.create_session(f"user{index}", {"large_data": "x" * 1000})

        async with trio.open_nursery() as nursery:
            for maker in range(MAKERS):
                nursery.start_soon(make, maker)
        assert hub.statistics().sessions == SESSIONS
        grown = resident() - before
        record_property("grown_megabytes", grown // MEGABYTE)
        assert grown < 512 * MEGABYTE
        chosen = await hub.get_session(f"user{random.randrange(SESSIONS)}")
        assert b"x" * 1000 in bytes(chosen.config)


def resident() -> int:
    """Return the bytes of memory this process holds."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the kernel does not say")

import json
from pathlib import Path

import pytest
import trio
from trio_websocket import open_websocket_url

from tests.fakes.patience import PATIENCE
from tests.fakes.whole import whole

CONNECTIONS = 1000
AT_ONCE = 100
"""Handshakes under way at a time; all connections are open together in the end."""


@pytest.mark.real_time
async def test_concurrent_websocket_connections(tmp_path: Path) -> None:
    """Seed: tests/integration/test_websocket_scaling.py::test_concurrent_websocket_connections.

    Of 1,000 connections that are open at once, at least 950 receive what is announced to all.
    """
    received = 0
    connected = trio.Semaphore(0)
    slots = trio.CapacityLimiter(AT_ONCE)

    async def listen(url: str) -> None:
        nonlocal received
        await slots.acquire()
        async with open_websocket_url(url) as socket:
            assert json.loads(await socket.get_message())["type"] == "connected"
            slots.release()
            connected.release()
            # A busy machine's disk may be announced to be slow before.
            while json.loads(await socket.get_message()).get("message") != "Test":
                pass
            received += 1

    async with whole(tmp_path) as service, trio.open_nursery() as nursery:
        for index in range(CONNECTIONS):
            nursery.start_soon(listen, f"{service.socket_url}?user_id=user{index}")
        for _ in range(CONNECTIONS):
            await connected.acquire()
        assert service.parts.hub.statistics().active == CONNECTIONS
        announced = service.parts.hub.announce("Test")
        assert announced.taken == CONNECTIONS
        nursery.cancel_scope.deadline = trio.current_time() + PATIENCE
    assert received >= 950

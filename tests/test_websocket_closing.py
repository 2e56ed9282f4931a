"""WebSockets of the package ``websockets`` are closed, whatever is unread."""

from functools import partial

import pytest
import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.client import connect
from websockets.trio.server import ServerConnection, serve

from orch.websocket_closing import close


async def _flood(socket: ServerConnection, number: int) -> None:
    try:
        for _ in range(number):
            await socket.send("unread")
        await socket.wait_closed()
    except ConnectionClosed:
        pass  # the client has closed it


@pytest.mark.real_time
@pytest.mark.parametrize("number", [0, 16, 17, 100_000])
async def test_unread_messages_keep_no_block_open(number: int) -> None:
    """From 17 unread messages on, the package itself would never leave its block."""
    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve, partial(_flood, number=number), 0)
        port = server.listeners[0].socket.getsockname()[1]
        async with connect(f"ws://localhost:{port}", ping_interval=None, close_timeout=0.2) as connection:
            if number > 16:
                while connection.recv_flow_control is None:  # noqa: ASYNC110 - the package has no event for it
                    await trio.sleep(0.01)
            await close(connection, seconds=5)
        nursery.cancel_scope.cancel()

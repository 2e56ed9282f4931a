"""Pings over real sockets to a client that a slow network reaches: its receive buffer is small."""

import socket

import pytest
import trio
from websockets.trio.server import ServerConnection

from orch.front.server import Server
from tests.fakes.hosted_sockets import Hosted, back_end, hosted
from tests.gateway.sockets.test_sockets_served import handshake

pytestmark = [pytest.mark.real_time, pytest.mark.slow]

PACE = {"heartbeat_interval": 2.5, "heartbeat_timeout": 0.8}
"""Those of the default settings, a tenth."""
RECEIVES = 16_384
"""The client's receive buffer; the kernel doubles it."""
MESSAGE = 900_000
BITE = 8_192
PAUSE = 0.05
"""Between two bites: the message takes about 5 s, the ping's time-out several times over."""


async def burst(connection: ServerConnection) -> None:
    """Send a message that waits in the gateway's kernel, and then nothing until it is asked."""
    await connection.send(bytes(MESSAGE))
    async for message in connection:
        await connection.send(message)


async def connected(rig: Hosted) -> trio.SocketStream:
    """Return a client behind a small buffer, whose handshake is over."""
    sock = trio.socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVES)
    await sock.connect(("127.0.0.1", rig.port))
    stream = trio.SocketStream(sock)
    await stream.send_all(handshake(rig.port))
    head = await read_head_alone(stream)
    assert b" 101 " in head
    return stream


async def read_head_alone(stream: trio.SocketStream) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += await stream.receive_some(1)
    return head


async def until_queued(rig: Hosted) -> None:
    """Wait until the gateway has passed the whole message to its kernel."""
    while rig.gateway.statistics().sockets.bytes_from_back_ends < MESSAGE:  # noqa: ASYNC110 - counts have no event
        await trio.sleep(0.01)


async def test_a_ping_behind_much_else_is_waited_for_while_it_moves() -> None:
    """The message outlasts interval and time-out; nobody is taken for dead, and the socket goes on."""
    async with (
        back_end(burst, compression=None) as at,
        hosted(Server, f"http://{at}", websockets=PACE) as rig,
        await connected(rig) as client,
    ):
        await until_queued(rig)
        began, got = trio.current_time(), b""
        while len(got) < MESSAGE + 10:
            got += await client.receive_some(BITE)
            await trio.sleep(PAUSE)
        assert trio.current_time() - began > sum(PACE.values())
        await client.send_all(b"\x81\x82\0\0\0\0ok")
        while not got.endswith(b"\x81\x02ok"):
            more = await client.receive_some(BITE)
            assert more
            got += more
        assert rig.gateway.statistics().sockets.endings == {}


async def test_a_client_that_nothing_reaches_any_more_is_dead() -> None:
    """It has read a part, and then nothing: its ping moves no further."""
    async with (
        back_end(burst, compression=None) as at,
        hosted(Server, f"http://{at}", websockets=PACE) as rig,
        await connected(rig) as client,
    ):
        await until_queued(rig)
        for _ in range(10):
            assert await client.receive_some(BITE)
        while rig.gateway.statistics().sockets.open:  # noqa: ASYNC110 - as above
            await trio.sleep(0.05)
        assert rig.gateway.statistics().sockets.endings == {"silent_client": 1}

"""A client takes only a part of a large answer that it has asked for."""

from pathlib import Path

import pytest
import trio

from benchmarks.peers.dialects import masked
from tests.fakes.client import connected
from tests.fakes.service import service

SETTINGS = """\
orchestration:
  websocket: {outbox_bytes: 65536}
  shutdown_grace: 2
services:
  audio-service: {url: "http://127.0.0.1:9"}
  translation-service: {url: "http://127.0.0.1:9"}
"""
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.mark.real_time
async def test_a_client_that_reads_a_large_response_slowly_delays_nobody(tmp_path: Path) -> None:
    """Wherever in an answer it stops; it has all of its answers in the end."""
    count, size = 40, 60_000
    asked = masked(b'{"type":"test_message","x":"' + b"x" * size + b'"}')

    with service("serve", tmp_path, settings=SETTINGS) as s:
        slow = trio.socket.socket()
        # As over a network: else the kernel alone would hold megabytes on loopback.
        slow.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 4096)
        slow.setsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_MAXSEG, 1460)
        await slow.connect(("127.0.0.1", s.port))
        stream = trio.SocketStream(slow)

        async def ask() -> None:
            for _ in range(count):
                await stream.send_all(asked)

        async with connected(s.url) as ann, stream, trio.open_nursery() as nursery:
            await stream.send_all(HANDSHAKE)
            nursery.start_soon(ask)
            taken = 0
            while taken < count * size:
                taken += len(await stream.receive_some(4096))
                if taken % 5 == 0:
                    await ann.ask("pong", type="ping")

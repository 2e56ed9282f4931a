"""Clients send one byte a second, hundreds at a time."""

from collections import Counter
from pathlib import Path

import pytest
import trio

from benchmarks.peers.dialects import masked
from tests.fakes.client import connected
from tests.fakes.service import RunningService, service

SETTINGS = """\
services:
  audio-service: {url: "http://127.0.0.1:9"}
  translation-service: {url: "http://127.0.0.1:9"}
orchestration: {shutdown_grace: 2}
"""
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
EACH = 100
#: Bytes of a message that come one by one: fewer seconds than a request's head may take.
LATE = 8


class Drips:
    """Clients that send one byte a second. ``ends``: how many ended with what."""

    def __init__(self, s: RunningService) -> None:
        self._s = s
        self.ends: Counter[str] = Counter()

    async def ask(self, request: bytes) -> None:
        """Send a request a byte a second, until the service has had enough."""
        stream = await trio.open_tcp_stream("127.0.0.1", self._s.port)
        async with stream, trio.open_nursery() as nursery:
            nursery.start_soon(self._drip, stream, request)
            answer = b""
            while data := await stream.receive_some():
                answer += data
            nursery.cancel_scope.cancel()
        self.ends[answer[:12].decode()] += 1

    async def talk(self) -> None:
        """Be a WebSocket whose message comes a byte a second in the end; it is a message all the same."""
        message = masked(b'{"type":"ping"}')
        async with await trio.open_tcp_stream("127.0.0.1", self._s.port) as stream:
            await stream.send_all(HANDSHAKE + message[:-LATE])
            await self._drip(stream, message[-LATE:])
            heard = b""
            while b'"pong"' not in heard:
                heard += await stream.receive_some()
        self.ends["pong"] += 1

    async def _drip(self, stream: trio.SocketStream, data: bytes) -> None:
        for byte in data:
            await trio.sleep(1)
            try:
                await stream.send_all(bytes((byte,)))
            except trio.BrokenResourceError:
                return  # it has been ended


@pytest.mark.real_time
async def test_hundreds_that_send_a_byte_a_second_hold_up_nobody(tmp_path: Path) -> None:
    """A request's head has a time limit; a message may be slow; everyone else is served."""
    with service("serve", tmp_path, settings=SETTINGS) as s:
        async with connected(s.url) as ann:
            drips = Drips(s)
            served = 0
            async with trio.open_nursery() as nursery:

                async def serve() -> None:
                    nonlocal served
                    while True:
                        await ann.ask("pong", type="ping")
                        assert (await trio.to_thread.run_sync(s.get, "/livez")).status_code == 200
                        served += 1
                        await trio.sleep(0.1)

                async with trio.open_nursery() as dripping:
                    nursery.start_soon(serve)
                    for _ in range(EACH):
                        dripping.start_soon(drips.ask, b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                        dripping.start_soon(drips.ask, HANDSHAKE)
                        dripping.start_soon(drips.talk)
                nursery.cancel_scope.cancel()
            assert drips.ends == {"HTTP/1.1 408": 2 * EACH, "pong": EACH}
            assert served
            assert s.figure('orch_front_refused_total{kind="slow_head"}') == 2 * EACH

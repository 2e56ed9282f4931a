"""What clients that ask for much and read nothing cost: memory of `orch serve`, on loopback.

    python -m benchmarks.unread [--clients N] [--limit MB] [--server own|hypercorn]

A session stores 8 MB. Each of N raw clients asks for all of it in one of the ways there are (a join with
history, a recovery, an export over HTTP, all kinds of exports at once, the histories of many sessions) and
never reads. Printed: the memory (VmRSS) before, the most while they are there, and the difference.
"""

import argparse
import json
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import trio

from benchmarks.peers.dialects import masked
from tests.fakes.client import connected
from tests.fakes.service import RunningService, service

HISTORY = 8 * 2**20
MESSAGE = 1_900
WATCHED = 6.0
"""Seconds that the memory is looked at."""
SETTINGS = """\
orchestration:
  websocket: {max_connections_per_address: 10000}
services:
  audio-service: {url: "http://127.0.0.1:9"}
  translation-service: {url: "http://127.0.0.1:9"}
"""
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SESSIONS = 16
"""Sessions of the way that asks for many."""


def frame(**message: object) -> bytes:
    """Return a text frame of a client."""
    return masked(json.dumps(message).encode())


def resident(s: RunningService) -> int:
    """Return the bytes of the service in memory."""
    lines = Path(f"/proc/{s.process.pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


async def fill(s: RunningService, session_id: str, size: int) -> dict[str, object]:
    """Have a session store as much as one may; return how it was joined, to recover it."""
    body = "x" * (size - 150)
    async with connected(s.url) as ann:
        await ann.ask("session_created", type="create_session", session_id=session_id)
        joined = await ann.ask("session_joined", type="join_session", session_id=session_id)
        for number in range(HISTORY // size + 20):
            await ann.ask("session_message", type="broadcast", session_id=session_id, data=[number, body])
    return joined


def asked(way: str, number: int, joined: dict[str, object]) -> bytes:
    """Return what client ``number`` sends."""
    if way == "export":
        return b"GET /api/sessions/s0/transcript?format=json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    if way == "join many":
        joins = [
            frame(type="join_session", session_id=f"s{each % SESSIONS}", history=True)
            for each in range(number, number + SESSIONS)
        ]
        return HANDSHAKE + b"".join(joins)
    if way == "recover":
        names = ("session_id", "recovery_token", "epoch")
        recovery = frame(
            type="recover_session", offset=joined["from"], **{name: joined[name] for name in names}
        )
        return HANDSHAKE + frame(type="join_session", session_id="s0") + recovery * 20
    return HANDSHAKE + frame(type="join_session", session_id="s0", history=True)


@contextmanager
def unread(port: int, asks: list[bytes]) -> Iterator[list[socket.socket]]:
    """Have so many clients that ask and never read, with as little of the kernel's memory as there may be."""
    with ExitStack() as stack:
        clients = []
        for ask in asks:
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", port))
            client.sendall(ask)
            clients.append(client)
        yield clients


def measured(s: RunningService, asks: list[bytes]) -> tuple[int, int]:
    """Return the memory before, and the most while the clients are there."""
    before = most = resident(s)
    with unread(s.port, asks):
        end = time.monotonic() + WATCHED
        while time.monotonic() < end:
            time.sleep(0.1)
            most = max(most, resident(s))
    time.sleep(3)
    return before, most


def figures(clients: int, command: str, tell: Callable[[str], None]) -> int:
    """Measure each way; return the largest difference in bytes."""
    largest = 0
    with tempfile.TemporaryDirectory() as folder, service(command, Path(folder), settings=SETTINGS) as s:
        joined = trio.run(fill, s, "s0", MESSAGE)
        for number in range(1, SESSIONS):
            trio.run(fill, s, f"s{number}", 30 * MESSAGE)
        first = trio.run(first_kept, s)
        for way in ("join", "recover", "join many", "export"):
            asks = [asked(way, number, joined | {"from": first - 1}) for number in range(clients)]
            before, most = measured(s, asks)
            largest = max(largest, most - before)
            tell(
                f"  {way:10} {before / 1e6:6.0f} MB -> {most / 1e6:6.0f} MB: {(most - before) / 1e6:+6.0f} MB"
            )
    return largest


async def first_kept(s: RunningService) -> int:
    """Return the oldest offset that the session stores."""
    async with connected(s.url) as ann:
        joined = await ann.ask("session_joined", type="join_session", session_id="s0", history=True)
    return int(joined["messages"][0]["offset"])


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--limit", type=float, default=60, help="MB allowed beyond what it had before")
    options = parser.parse_args()
    print(f"{options.clients} clients that do not read, {SESSIONS} sessions that store 8 MiB each:")
    largest = figures(options.clients, "serve", print)
    return 0 if largest <= options.limit * 1e6 else 1


if __name__ == "__main__":
    sys.exit(main())

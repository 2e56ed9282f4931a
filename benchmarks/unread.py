"""What clients that ask for much and read nothing cost: memory of `orch serve`, on loopback.

    python -m benchmarks.unread [--clients N] [--limit MB]

A session stores 8 MB. Each of N raw clients asks for all of it in one of the ways there are (a join with
history, a recovery again and again, the histories of many sessions, one export over HTTP, an export that
nobody else asks for) and never reads. Printed: the memory (VmRSS) before, the most while they are there, and
the difference.
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
from typing import Any

import trio

from benchmarks.peers.dialects import masked
from orch.protocol.identifiers import new_session_keys
from orch.protocol.messages import Transcript, encode
from orch.stores.history import Limits
from orch.stores.records import SessionRecord
from orch.stores.sqlite.store import SqliteStore
from tests.fakes.client import connected
from tests.fakes.service import RunningService, service

HISTORY = 8 * 2**20
MESSAGE = 8_000
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
WAYS = ("join", "recover", "join many", "export", "exports")
SESSIONS = 16
"""Sessions of the way that asks for many."""


def frame(**message: object) -> bytes:
    """Return a text frame of a client."""
    return masked(json.dumps(message).encode())


def resident(s: RunningService) -> int:
    """Return the bytes of the service in memory."""
    lines = Path(f"/proc/{s.process.pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def caption(session_id: str, number: int) -> bytes:
    """Return the stored text of a line."""
    return encode(
        Transcript(
            timestamp=0,
            session_id=session_id,
            segment_id=f"a-{number}",
            revision=1,
            final=True,
            text="x" * (MESSAGE - 400),
            language="en",
            confidence=0.9,
            start=number * 3.0,
            end=number * 3.0 + 2.0,
            stream_started=1_767_621_720_000,
            speaker="Ann",
            participant_id="p1",
        )
    )


async def fill(folder: Path, sessions: int = SESSIONS) -> None:
    """Have sessions store nearly as many captions as one may, before the service starts."""
    now = time.time()
    (folder / "var").mkdir(exist_ok=True)
    store = SqliteStore(folder / "var" / "sessions.sqlite3")
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        for name in (f"s{number}" for number in range(sessions)):
            await store.create(SessionRecord(name, "e", 0, 1, b"{}", now, now, new_session_keys()))
            limits = Limits(messages=10_000, seconds=86_400)
            for number in range(HISTORY // MESSAGE - 10):
                ticket = await store.begin_append(name, caption(name, number), at=now, limits=limits)
            await ticket.wait()
        nursery.cancel_scope.cancel()


async def join(s: RunningService) -> dict[str, Any]:
    """Join the first session and leave; return the answer, to recover it."""
    async with connected(s.url) as ann:
        return await ann.ask("session_joined", type="join_session", session_id="s0")


def asked(way: str, number: int, joined: dict[str, Any]) -> bytes:
    """Return what client ``number`` sends."""
    if way in ("export", "exports"):
        kind = "" if way == "export" else f"&languages=q{number}"
        return (
            f"GET /api/sessions/s0/transcript?format=json{kind} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        )
    if way == "join many":
        joins = [
            frame(type="join_session", session_id=f"s{each % SESSIONS}", history=True)
            for each in range(number, number + SESSIONS)
        ]
        return HANDSHAKE + b"".join(joins)
    if way == "recover":
        names = ("session_id", "recovery_token", "epoch")
        recovery = frame(type="recover_session", offset=0, **{name: joined[name] for name in names})
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
    with tempfile.TemporaryDirectory() as folder:
        trio.run(fill, Path(folder))
        with service(command, Path(folder), settings=SETTINGS) as s:
            joined = trio.run(join, s)
            for way in WAYS:
                asks = [asked(way, number, joined) for number in range(clients)]
                before, most = measured(s, asks)
                largest = max(largest, most - before)
                tell(
                    f"  {way:10} {before / 1e6:6.0f} MB -> {most / 1e6:6.0f} MB:"
                    f" {(most - before) / 1e6:+6.0f} MB"
                )
    return largest


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

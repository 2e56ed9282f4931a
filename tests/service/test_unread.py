"""Clients ask for much and read nothing."""

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import trio

from benchmarks.unread import HANDSHAKE, SETTINGS, asked, fill, frame, join, resident, unread
from tests.fakes.client import connected
from tests.fakes.patience import PATIENCE
from tests.fakes.service import RunningService, service

CLIENTS = 100
LIMIT = 60_000_000
"""Bytes of memory that so many may cost; one history each would be more than ten times as much."""


def test_what_waits_for_all_clients_together_is_bounded_and_who_reads_is_served(tmp_path: Path) -> None:
    """Whoever has most waiting is closed as too slow, over WebSockets and HTTP alike."""
    limit = 2**20
    settings = SETTINGS.replace("{max", f"{{outboxes_bytes: {limit}, max")
    echo = frame(type="test_message", x="x" * 60_000)
    with service("serve", tmp_path, settings=settings) as s:
        with unread(s.port, [HANDSHAKE] * 8) as clients:
            begun: dict[socket.socket, int] = {}  # bytes of a frame that were sent already
            give_up_at = time.monotonic() + PATIENCE
            while not s.figure('orch_websocket_closes_total{reason="slow_client"}'):
                assert time.monotonic() < give_up_at
                for client in clients:
                    client.settimeout(0.2)
                    with suppress(TimeoutError, ConnectionError):  # it is read from no more, or gone
                        for _ in range(200):
                            at = begun.get(client, 0)
                            begun[client] = (at + client.send(echo[at:])) % len(echo)
                    assert s.figure("orch_outgoing_bytes") <= limit * 9 / 8
            assert s.figure("orch_outgoing_evicted_total") > 0

            async def talk() -> None:
                async with connected(s.url) as ann:
                    for number in range(20):
                        answer = await ann.ask("test_message", type="test_message", n=number, x="x" * 60_000)
                        assert answer["n"] == number

            trio.run(talk)
        pool = s.get("/api/connections").json()
        assert next(each for each in pool["sums"] if each["name"] == "outgoing_bytes")["limit"] == limit


def participants(s: RunningService) -> int:
    return int(s.get("/api/sessions/s0").json()["participant_count"])


def test_a_hundred_that_join_a_long_session_and_do_not_read_cost_little_memory(
    tmp_path: Path, told: Callable[[str], None]
) -> None:
    """Whether they join it, recover it or export it: 8 MB of history stand nowhere a hundred times."""
    trio.run(fill, tmp_path, 1)
    with service("serve", tmp_path, settings=SETTINGS) as s:
        joined = trio.run(join, s)
        for way in ("join", "recover", "export"):
            before = most = resident(s)
            with unread(s.port, [asked(way, number, joined) for number in range(CLIENTS)]):
                deadline = time.monotonic() + PATIENCE
                while way == "join" and participants(s) < CLIENTS and time.monotonic() < deadline:
                    most = max(most, resident(s))
                for _ in range(30):
                    most = max(most, resident(s))
                    time.sleep(0.1)
                assert way != "join" or participants(s) == CLIENTS
            told(f"{way}: {(most - before) / 1e6:+.0f} MB")
            assert most - before < LIMIT
            deadline = time.monotonic() + PATIENCE
            while participants(s) and time.monotonic() < deadline:
                time.sleep(0.1)
            assert participants(s) == 0

"""Clients ask for much and read nothing."""

import time
from collections.abc import Callable
from pathlib import Path

import trio

from benchmarks.unread import MESSAGE, SETTINGS, asked, fill, first_kept, resident, unread
from tests.fakes.service import RunningService, service

CLIENTS = 100
LIMIT = 60_000_000
"""Bytes of memory that so many may cost; one history each would be more than ten times as much."""


def participants(s: RunningService) -> int:
    return int(s.get("/api/sessions/s0").json()["participant_count"])


def test_a_hundred_that_join_a_long_session_and_do_not_read_cost_little_memory(
    tmp_path: Path, told: Callable[[str], None]
) -> None:
    """Whether they join it, recover it or export it: 8 MB of history stand nowhere a hundred times."""
    with service("serve", tmp_path, settings=SETTINGS) as s:
        joined = trio.run(fill, s, "s0", MESSAGE)
        joined["from"] = trio.run(first_kept, s) - 1
        for way in ("join", "recover", "export"):
            before = most = resident(s)
            with unread(s.port, [asked(way, number, joined) for number in range(CLIENTS)]):
                deadline = time.monotonic() + 60
                while way != "export" and participants(s) < CLIENTS and time.monotonic() < deadline:
                    most = max(most, resident(s))
                for _ in range(30):
                    most = max(most, resident(s))
                    time.sleep(0.1)
                assert way == "export" or participants(s) >= CLIENTS
            told(f"{way}: {(most - before) / 1e6:+.0f} MB")
            assert most - before < LIMIT
            while participants(s):
                time.sleep(0.1)

"""Recordings of a few bytes that would become gigabytes, many at once, at the real service."""

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.fakes.processes import family, shared_memory
from tests.fakes.recordings import flac_that_unpacks, m4a_that_indexes
from tests.fakes.service import service

MIB = 2**20
AT_ONCE = 10
MOST = 250 * MIB
#: Mildly hostile as well: 6 days of silence in a megabyte, which is read up to the longest there may be.
BOMBS = {
    "a FLAC of 4 Hz": flac_that_unpacks(),
    "an M4A of 50 million samples": m4a_that_indexes(),
    "a FLAC of hours of silence": flac_that_unpacks(rate=4_000, frames=1_300),
}
SETTINGS = """\
services:
  audio-service: {url: "http://127.0.0.1:9"}
  translation-service: {url: "http://127.0.0.1:9"}
orchestration:
  speech: {max_recordings_per_session: 100, max_recordings_per_address: 100}
"""


def until_alone(pid: int, *, within: float) -> None:
    """Wait until a process has no descendants, but no longer than so many seconds."""
    deadline = time.monotonic() + within
    while len(family(pid)) > 1 and time.monotonic() < deadline:
        time.sleep(0.05)


def memory(pid: int) -> int:
    """Return the resident bytes of a process and its descendants; those that several share count once."""
    return sum(map(shared_memory, family(pid)))


@contextmanager
def watched(pid: int) -> Iterator[list[int]]:
    """Look at the memory 50 times a second; what is given holds each reading."""
    readings: list[int] = []
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.02):
            readings.append(memory(pid))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield readings
    finally:
        done.set()
        thread.join()


@contextmanager
def pinging(url: str) -> Iterator[list[float]]:
    """Ping over a socket of its own, 50 times a second; what is given holds the seconds of each answer."""
    waits: list[float] = []
    done = threading.Event()

    def ask() -> None:
        with connect(url, open_timeout=None, ping_interval=None) as socket:
            while not done.wait(0.02):
                began = time.perf_counter()
                socket.send(json.dumps({"type": "ping"}))
                while json.loads(socket.recv(timeout=180))["type"] != "pong":
                    pass
                waits.append(time.perf_counter() - began)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield waits
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("name", BOMBS)
def test_ten_hostile_recordings_at_once_take_little_memory(
    tmp_path: Path, told: Callable[[str], None], name: str
) -> None:
    """The service and all its children together; each sender gets an answer, and the service goes on."""
    with service("serve", tmp_path, settings=SETTINGS) as running:
        assert running.post("/api/sessions/create", json={"session_id": "s"}).status_code == 201
        before = memory(running.process.pid)
        address = running.url.replace("http", "ws") + "/ws"
        with watched(running.process.pid) as readings, pinging(address) as waits:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                answers = list(
                    pool.map(
                        lambda _: running.post("/api/sessions/s/recordings", content=BOMBS[name]),
                        range(AT_ONCE),
                    )
                )
            # What is read on shows what it takes in its first seconds; what is refused ends at once.
            until_alone(running.process.pid, within=3)
        codes = {answer.status_code for answer in answers}
        if "silence" not in name:
            assert codes <= {415, 422, 503}
            assert codes & {415, 422}
        assert codes <= {202, 415, 422, 503}
        grown = max(readings) - before
        p99 = sorted(waits)[math.ceil(len(waits) * 0.99) - 1]
        told(
            f"{name}: +{grown / MIB:.0f} MiB over {before / MIB:.0f},"
            f" ping p99 {p99 * 1000:.0f} ms of {len(waits)}, answers {sorted(codes)}"
        )
        assert grown < MOST
        assert running.get("/livez").status_code == 200
        assert running.delete("/api/sessions/s").status_code == 204
        until_alone(running.process.pid, within=120)
        assert family(running.process.pid) == [running.process.pid]

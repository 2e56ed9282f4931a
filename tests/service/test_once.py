"""Restarts that only one of several workers may do: real processes, a real Redis."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.fakes.health import backend
from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port
from tests.fakes.redis import redis_server
from tests.fakes.service import RunningService, service


class Daemon:
    """A back end that runs elsewhere, and the command that restarts it, which notes each time it is run."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._notes = folder / "notes"
        self._pid = folder / "pid"
        code = (
            "import os, pathlib, signal, subprocess\n"
            f"notes, pid = pathlib.Path({str(self._notes)!r}), pathlib.Path({str(self._pid)!r})\n"
            "with notes.open('a') as file:\n"
            "    file.write(os.environ['ORCH_FENCE'] + '\\n')\n"
            "if pid.exists():\n"
            "    try:\n"
            "        os.kill(int(pid.read_text()), signal.SIGKILL)\n"
            "    except ProcessLookupError:\n"
            "        pass\n"
            "reads, writes = os.pipe()\n"
            f"child = subprocess.Popen({list(backend(self.port).argv)!r}, stdin=reads, pass_fds=(writes,),"
            " stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)\n"
            "pid.write_text(str(child.pid))\n"
        )
        self.command = [sys.executable, "-c", code]

    @property
    def fences(self) -> list[int]:
        """The fence of each time it was restarted."""
        return [int(line) for line in self._notes.read_text().split()] if self._notes.exists() else []

    def kill(self) -> None:
        """End it as a crash would."""
        if self._pid.exists():
            with suppress(ProcessLookupError):
                os.kill(int(self._pid.read_text()), signal.SIGKILL)


@contextmanager
def two_workers(folder: Path, daemon: Daemon, redis_url: str) -> Iterator[list[RunningService]]:
    """Run two services on one Redis, both of which watch the back end and know how to restart it."""
    settings = f"""\
services:
  audio-service:
    url: "http://127.0.0.1:{daemon.port}"
    restart_command: {daemon.command!r}
session_management: {{persistence: redis, redis_url: "{redis_url}"}}
orchestration:
  shutdown_grace: 2
  monitoring: {{health_check_interval: 0.5, health_check_timeout: 5}}
"""
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    with (
        service("serve", folder / "a", settings=settings) as a,
        service("serve", folder / "b", settings=settings) as b,
    ):
        yield [a, b]


def audio(worker: RunningService) -> dict[str, Any]:
    """Return how a worker sees the back end."""
    found = worker.get("/api/services/status").json()["services"]
    return next(each for each in found if each["name"] == "audio-service")


def until(wanted: Callable[[], bool]) -> None:
    """Poll until a condition holds in other processes."""
    give_up_at = time.monotonic() + PATIENCE
    while not wanted():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


def all_see_it_well_twice(running: list[RunningService]) -> None:
    """Wait until everybody has seen that it is well, and once more after everybody had."""
    for _ in range(2):
        before = time.time()
        for worker in running:
            until(
                lambda worker=worker, before=before: (  # type: ignore[misc]  # bound now
                    (seen := audio(worker))["state"] == "healthy"
                    and seen["instances"][0]["checks"][-1]["at"] > before
                )
            )


def holders_among(running: list[RunningService]) -> list[RunningService]:
    """Return the workers whose log says that they acquired the lease."""
    return [worker for worker in running if any("lease acquired" in str(line) for line in worker.lines)]


def test_a_back_end_that_dies_is_restarted_by_one_worker(tmp_path: Path) -> None:
    """Both see it fail, one restarts it once; when that worker is killed, the other takes over."""
    daemon = Daemon(tmp_path)
    try:
        with (
            redis_server(tmp_path / "redis") as redis,
            two_workers(tmp_path, daemon, redis.url) as running,
        ):
            # It does not run yet: that is the first time.
            all_see_it_well_twice(running)
            assert len(daemon.fences) == 1
            for round_number in range(2, 4):
                daemon.kill()
                until(lambda round_number=round_number: len(daemon.fences) >= round_number)  # type: ignore[misc]  # bound now
                all_see_it_well_twice(running)
                assert len(daemon.fences) == round_number
            assert len(set(daemon.fences)) == 1

            until(lambda: bool(holders_among(running)))  # what was logged is read by another thread
            holders = holders_among(running)
            assert len(holders) == 1
            (other,) = (worker for worker in running if worker is not holders[0])
            # An operator's word is passed on to the worker whose turn it is.
            assert other.post("/api/services/restart", json={"service": "audio-service"}).status_code == 202
            until(lambda: len(daemon.fences) >= 4)
            all_see_it_well_twice(running)
            assert len(daemon.fences) == 4

            holders[0].kill()
            daemon.kill()
            until(lambda: len(daemon.fences) >= 5)
            all_see_it_well_twice([other])
            assert len(daemon.fences) == 5
            assert daemon.fences[-1] > daemon.fences[0]
    finally:
        daemon.kill()


def test_without_redis_nobody_restarts_what_another_might(tmp_path: Path) -> None:
    """The page shows it, and an operator's request gets it as a response; with Redis back it is done."""
    daemon = Daemon(tmp_path)
    try:
        with (
            redis_server(tmp_path / "redis") as redis,
            two_workers(tmp_path, daemon, redis.url) as running,
        ):
            all_see_it_well_twice(running)
            redis.kill()
            for worker in running:
                until(lambda worker=worker: _waits_for_redis(worker, daemon))  # type: ignore[misc]  # bound now
            done = len(daemon.fences)
            refused = running[0].post("/api/services/restart", json={"service": "audio-service"})
            assert (refused.status_code, refused.json()["code"]) == (503, "service_unavailable")
            assert len(daemon.fences) == done
            redis.start()
            until(lambda: len(daemon.fences) == done + 1)
            all_see_it_well_twice(running)
            assert len(daemon.fences) == done + 1
    finally:
        daemon.kill()


def _waits_for_redis(worker: RunningService, daemon: Daemon) -> bool:
    """Kill the back end for as long as someone still holds the lease; then it stays down."""
    seen = audio(worker)
    if seen["state"] == "healthy":
        daemon.kill()
    return seen["recovery"] is not None and "Redis" in seen["recovery"]["text"]

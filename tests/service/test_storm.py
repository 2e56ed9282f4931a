"""A worker with thousands of clients is killed, and all of them reconnect at once."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic

import pytest

from tests.fakes.crowds import Crowd, ask_all, crowds, need_descriptors
from tests.fakes.redis import redis_server
from tests.fakes.service import RunningService, service

# Beside six other tests Redis is given the processor too rarely, and says so to clients that come in.
pytestmark = pytest.mark.timed

#: A multiple of 200: as many come into each session from each process.
CLIENTS = int(os.environ.get("STORM_TEST_CLIENTS", "2000"))
#: So many where only those of one of two workers come back.
SHARED = max(200, CLIENTS // 500 * 200)
SESSIONS = [f"s{number}" for number in range(100)]
#: In each session so many are said; once so many of them were heard the worker is killed.
NUMBERS, FIRST = 25, 5
#: What is promised is 10 s. A machine that has much else to do is given more: no test depends on its speed.
BACK_WITHIN = 120
SETTINGS = """\
services:
  audio-service: {{url: "http://127.0.0.1:9"}}
  translation-service: {{url: "http://127.0.0.1:9"}}
session_management: {{persistence: redis, redis_url: "{redis}"}}
orchestration:
  shutdown_grace: 2
  frontend: {{workers: {workers}}}
"""


@contextmanager
def on_one_redis(folder: Path, *workers: int) -> Iterator[list[RunningService]]:
    """Run a Redis and services on it, of so many workers each."""
    with redis_server(folder / "redis") as redis, ExitStack() as stack:
        running = []
        for place, count in enumerate(workers):
            own = folder / str(place)
            own.mkdir()
            settings = SETTINGS.format(redis=redis.url, workers=count)
            running.append(stack.enter_context(service("serve", own, settings=settings)))
            if count > 1:
                running[-1].wait_for_line("workers ready")
        yield running


def come_in(
    speakers: Crowd, listeners: list[Crowd], count: int, *, here: RunningService, then: RunningService
) -> None:
    """Have the speakers in their sessions at one service, and listeners at another who may go there too."""
    places = [("127.0.0.1", here.port), ("127.0.0.1", then.port)]
    speakers.ask("enter", addresses=places[1:], sessions=SESSIONS, each=1, creates=True)
    each = count // len(SESSIONS) // len(listeners)
    answers = ask_all(listeners, "enter", addresses=places, sessions=SESSIONS, each=each)
    assert sum(answer["inside"] for answer in answers) == count


def weather(speakers: Crowd, listeners: list[Crowd], count: int, pid: int) -> tuple[int, float]:
    """Kill a process in the middle of what is said; return how many came back, and the seconds it took.

    Each of its clients has to end with every number once, in order, and so each of the others.
    """
    speakers.tell("speak", begin=0, end=NUMBERS)
    ask_all(listeners, "hear", count=FIRST)
    killed_at = monotonic()
    os.kill(pid, signal.SIGKILL)
    assert speakers.answer()["unacknowledged"] == 0
    answers = ask_all(listeners, "hear", count=NUMBERS)
    assert [answer["heard"] for answer in answers] == [[NUMBERS]] * len(listeners)
    assert sum(answer["inside"] for answer in answers) == count
    lost, recovered = (
        sum(answer["counts"].get(name, 0) for answer in answers) for name in ("lost", "recovered")
    )
    assert lost == recovered
    return lost, max(answer["back_at"] for answer in answers) - killed_at


def test_thousands_of_clients_of_a_killed_worker_reconnect_and_miss_nothing(
    tmp_path: Path, told: Callable[[str], None]
) -> None:
    """The other worker accepts all of them at once, while it serves its own clients."""
    need_descriptors(CLIENTS + 500)
    with on_one_redis(tmp_path, 1, 1) as (a, b), crowds(3) as (speakers, *listeners):
        come_in(speakers, listeners, CLIENTS, here=a, then=b)
        lost, seconds = weather(speakers, listeners, CLIENTS, a.process.pid)
        told(f"{lost} clients were back {seconds:.1f} s after their worker was killed")
        assert lost == CLIENTS
        assert seconds < BACK_WITHIN
        active = b.get("/api/health").json()["connections"]["active"]
        assert active == CLIENTS + len(SESSIONS)


def test_clients_of_one_worker_reconnect_to_the_same_address(
    tmp_path: Path, told: Callable[[str], None]
) -> None:
    """Where the workers share a port, its clients are let in by those that are left, and by its successor."""
    need_descriptors(CLIENTS + 500)
    with on_one_redis(tmp_path, 2, 1) as (s, apart), crowds(3) as (speakers, *listeners):
        come_in(speakers, listeners, SHARED, here=s, then=apart)
        pid = next(line["pid"] for line in s.lines if line.get("event") == "worker started")
        lost, seconds = weather(speakers, listeners, SHARED, pid)
        told(f"{lost} clients were back {seconds:.1f} s after their worker was killed")
        assert 0 < lost < SHARED
        assert seconds < BACK_WITHIN

"""Several workers on one Redis: real processes, a real server, and both of them killed."""

import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import trio
from websockets.exceptions import ConnectionClosed

from tests.fakes.client import Client, connected
from tests.fakes.crowds import Crowd, ask_all, crowds
from tests.fakes.patience import PATIENCE
from tests.fakes.redis import RedisServer, redis_server
from tests.fakes.service import RunningService, service

pytestmark = pytest.mark.real_time

#: The whole measure is 10,000 messages to 200 clients.
MESSAGES = int(os.environ.get("CLUSTER_TEST_MESSAGES", "2000"))
CLIENTS = int(os.environ.get("CLUSTER_TEST_CLIENTS", "200"))
#: Where Redis is what goes away, a part of that is enough.
FEWER = MESSAGES // 2
#: Numbers that a speaker has sent and not heard back yet, at most.
UNDER_WAY = 50
#: Where the clients are the test's own, so that each can be looked at.
SAID, LISTENERS = 1000, 20


@contextmanager
def cluster(folder: Path, size: int = 2) -> Iterator[tuple[RedisServer, list[RunningService]]]:
    """Run a server and several services on it."""
    with redis_server(folder / "redis") as redis:
        settings = f"""\
services:
  audio-service: {{url: "http://127.0.0.1:9"}}
  translation-service: {{url: "http://127.0.0.1:9"}}
session_management: {{persistence: redis, redis_url: "{redis.url}"}}
orchestration:
  shutdown_grace: 2
"""
        with _services(folder, settings, size) as running:
            yield redis, running


@contextmanager
def _services(folder: Path, settings: str, size: int) -> Iterator[list[RunningService]]:
    if not size:
        yield []
        return
    own = folder / f"worker-{size}"
    own.mkdir()
    with service("serve", own, settings=settings) as one, _services(folder, settings, size - 1) as others:
        yield [one, *others]


class Workers(RunningService):
    """One service of several processes."""

    def _ready(self) -> str:
        return str(self.wait_for_line("workers ready")["addresses"][0])

    def pids(self) -> list[int]:
        """Return the processes that were started, in order."""
        return [line["pid"] for line in self.lines if line.get("event") == "worker started"]


@contextmanager
def workers(folder: Path, count: int) -> Iterator[Workers]:
    """Run a server and one service of several processes on it."""
    with redis_server(folder / "redis") as redis:
        environ = {
            "ORCH_SESSION_MANAGEMENT__PERSISTENCE": "redis",
            "REDIS_URL": redis.url,
            "ORCH_SHUTDOWN_GRACE": "2",
            "AUDIO_SERVICE_URL": "http://127.0.0.1:9",
            "TRANSLATION_SERVICE_URL": "http://127.0.0.1:9",
        }
        running = Workers(["serve", "--port", "0", "--workers", str(count)], folder, environ)
        try:
            yield running
        finally:
            running.stop()


class Listener:
    """Someone in the session who comes back wherever there is a worker, as a client library does.

    ``said`` is what was said to it, in the order it came; ``offset`` the newest of it.
    """

    def __init__(self, urls: list[str]) -> None:
        self._urls = urls
        self._ticket: dict[str, Any] = {}
        self.offset = 0
        self.said: list[dict[str, Any]] = []
        self.recovered = 0
        self.changed = trio.Event()

    @property
    def numbers(self) -> list[int]:
        """What was said, as numbers."""
        return [message["data"]["n"] for message in self.said]

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Be in the session until cancelled; a lost connection is followed by one to the next worker."""
        while True:
            try:
                async with connected(self._urls[0]) as client:
                    await self._enter(client)
                    if not self.recovered:
                        task_status.started()
                    await self._listen(client)
            except* (OSError, AssertionError):
                # The worker is gone; what is amiss otherwise shows in what was heard.
                pass
            self._urls = self._urls[1:] + self._urls[:1]

    async def _enter(self, client: Client) -> None:
        if not self._ticket:
            self._ticket = await client.ask("session_joined", type="join_session", session_id="s")
            self.offset = self._ticket["offset"]
            return
        answer = await client.ask(
            "session_recovered",
            type="recover_session",
            session_id="s",
            recovery_token=self._ticket["recovery_token"],
            epoch=self._ticket["epoch"],
            offset=self.offset,
        )
        if not answer["recovered"]:
            raise RuntimeError(answer["reason"])
        self.recovered += 1
        for message in answer["messages"]:
            self._hear(message)

    async def _listen(self, client: Client) -> None:
        seen = 0
        while True:
            message = await client.until(lambda _: True, start=seen, limit=PATIENCE)
            seen += 1
            if message["type"] == "session_message":
                self._hear(message)

    def _hear(self, message: dict[str, Any]) -> None:
        self.said.append(message)
        self.offset = message["offset"]
        self.changed.set()
        self.changed = trio.Event()

    async def until(self, wanted: Callable[[], bool], limit: float = PATIENCE) -> None:
        """Wait until what was heard is enough."""
        with trio.fail_after(limit):
            while not wanted():
                await self.changed.wait()


@asynccontextmanager
async def in_session(a: RunningService, b: RunningService) -> AsyncIterator[tuple[Client, list[Listener]]]:
    """Give a publisher on ``b``, and listeners of whom every other one begins on ``a``."""
    async with connected(b.url) as publisher:
        await publisher.ask("session_created", type="create_session", session_id="s", config={})
        listeners = [
            Listener([a.url, b.url] if number % 2 == 0 else [b.url, a.url]) for number in range(LISTENERS)
        ]
        async with trio.open_nursery() as nursery:
            for listener in listeners:
                await nursery.start(listener.run)
            yield publisher, listeners
            nursery.cancel_scope.cancel()


async def test_two_workers_are_one_service(tmp_path: Path) -> None:
    """Participants receive the same messages under the same offsets and see the same list, on any worker."""
    with cluster(tmp_path) as (_, (a, b)):
        async with connected(a.url) as ann, connected(b.url) as bob:
            made = await ann.ask(
                "session_created", type="create_session", session_id="s", config={}, name="Ann"
            )
            joined = await bob.ask("session_joined", type="join_session", session_id="s", name="Bob")
            assert joined["epoch"] == made["epoch"]
            for client in (ann, bob):
                await client.until(
                    lambda m: (
                        m["type"] == "presence"
                        and {each["name"] for each in m["participants"]} == {"Ann", "Bob"}
                    )
                )
            for number in range(100):
                client = (ann, bob)[number % 2]
                await client.send(type="broadcast", session_id="s", id=number, data={"n": number})
            heard = []
            for client in (ann, bob):
                await client.until(
                    lambda m, client=client: (
                        sum(  # type: ignore[misc]  # bound now
                            each["type"] == "session_message" for each in client.messages
                        )
                        == 100
                    )
                )
                heard.append(
                    [
                        (each["offset"], each["data"]["n"])
                        for each in client.messages
                        if each["type"] == "session_message"
                    ]
                )
            assert heard[0] == heard[1]
            assert [offset for offset, _ in heard[0]] == list(range(1, 101))
            # Each one's own messages carry its own ids, and nobody else's do.
            assert [m["id"] for m in ann.messages if m["type"] == "session_message" and "id" in m] == [
                *range(0, 100, 2)
            ]

        async with connected(b.url) as late:
            joined = await late.ask("session_joined", type="join_session", session_id="s", history=True)
            assert [m["data"]["n"] for m in joined["messages"]] == [number for _, number in heard[0]]
        assert b.get("/api/sessions/s").json()["offset"] == 100
        assert a.process.poll() is None


@contextmanager
def crowded(a: RunningService, b: RunningService) -> Iterator[tuple[Crowd, list[Crowd]]]:
    """Give a speaker on ``b``, and listeners of whom one half begins on either, all in one session."""
    here, there = ("127.0.0.1", a.port), ("127.0.0.1", b.port)
    with crowds(3) as (speaker, *listeners):
        speaker.ask("enter", addresses=[there], sessions=["s"], each=1, creates=True)
        for crowd, addresses in zip(listeners, ([here, there], [there, here]), strict=True):
            crowd.ask("enter", addresses=addresses, sessions=["s"], each=CLIENTS // 2)
        yield speaker, listeners


def stream(
    speaker: Crowd, listeners: list[Crowd], count: int, halfway: Callable[[], None], **told: int
) -> list[dict[str, int]]:
    """Say numbers without a pause and have something happen in their middle; return what was counted.

    Everyone has to have every number once, in order, and so the offsets. ``told``: what is counted then.
    """
    speaker.tell("speak", begin=0, end=count, window=UNDER_WAY)
    ask_all(listeners, "hear", count=count // 2)
    halfway()
    assert speaker.answer()["unacknowledged"] == 0
    heard = ask_all(listeners, "hear", count=count, told=told)
    assert [(each["inside"], each["heard"]) for each in heard] == [(CLIENTS // 2, [count])] * 2
    return [each["counts"] for each in heard]


def test_a_worker_killed_in_the_middle_costs_its_clients_nothing(tmp_path: Path) -> None:
    """Its clients recover on the other one: every number once, in order, for everybody."""
    with cluster(tmp_path) as (_, (a, b)), crowded(a, b) as (speaker, listeners):
        counts = stream(speaker, listeners, MESSAGES, a.process.kill)
        assert counts == [{"lost": CLIENTS // 2, "recovered": CLIENTS // 2}, {}]


async def test_workers_of_one_service_killed_one_after_the_other_cost_nothing(tmp_path: Path) -> None:
    """Their clients reconnect to the same address, to any process, and miss nothing."""
    with workers(tmp_path, 3) as s:
        first = s.pids()
        assert len(first) == 3
        async with in_session(s, s) as (_, listeners):

            async def speak() -> None:
                # The speaker comes back as well; what it was not told is kept it says again.
                number = 0
                while number < SAID:
                    try:
                        async with connected(s.url) as speaker:
                            await speaker.ask("session_joined", type="join_session", session_id="s")
                            while number < SAID:
                                await speaker.ask(
                                    "session_message",
                                    type="broadcast",
                                    id=number,
                                    session_id="s",
                                    data={"n": number},
                                )
                                number += 1
                                if number in (SAID // 4, SAID // 2):
                                    os.kill(first[number // (SAID // 4) - 1], signal.SIGKILL)
                    except* (OSError, AssertionError, ConnectionClosed):
                        pass

            await speak()
            for listener in listeners:
                await listener.until(partial(_has_heard_number, listener, SAID - 1))
                # What was said twice because its answer was lost with the worker is at another offset.
                numbers = [number for number, _ in groupby(listener.numbers)]
                assert numbers == list(range(SAID))
                offsets = [message["offset"] for message in listener.said]
                assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))
            assert sum(listener.recovered for listener in listeners) >= 1


async def test_redis_killed_and_started_again_under_load_loses_nothing_that_was_acknowledged(
    tmp_path: Path,
) -> None:
    """Senders wait; receivers get everything once, and the announcement of the outage."""
    with cluster(tmp_path) as (redis, (a, b)), crowded(a, b) as (speaker, listeners):

        def restart() -> None:
            redis.kill()
            time.sleep(3)  # what lasts less than a second is not announced
            redis.start()

        counts = stream(speaker, listeners, FEWER, restart, restored=CLIENTS // 2)
        assert counts == [{"degraded": CLIENTS // 2, "restored": CLIENTS // 2}] * 2

        async with connected(a.url) as late:
            kept = await late.ask("session_joined", type="join_session", session_id="s", history=True)
            numbers = [m["data"]["n"] for m in kept["messages"]]
            seen = 0
            while kept.get("more"):  # a long history comes in parts
                kept = await late.until(lambda m: m["type"] == "session_history", start=seen)
                seen = late.messages.index(kept) + 1
                numbers += [m["data"]["n"] for m in kept["messages"]]
            assert numbers == list(range(FEWER))


def test_redis_that_hangs_for_seconds_under_load_costs_a_wait(tmp_path: Path) -> None:
    """Its connections stay open, and so do all clients'; senders wait; nothing is lost."""
    with cluster(tmp_path) as (redis, (a, b)), crowded(a, b) as (speaker, listeners):

        def hang() -> None:
            redis.pause()
            time.sleep(5)  # slow after 2 s, and announced once that has lasted for one
            redis.resume()

        # That it is slow is announced, and a moment after it has answered again that it is not.
        counts = stream(speaker, listeners, FEWER, hang, restored=CLIENTS // 2)
        assert counts == [{"degraded": CLIENTS // 2, "restored": CLIENTS // 2}] * 2


def _has_heard_number(listener: Listener, number: int) -> bool:
    return bool(listener.said) and listener.said[-1]["data"]["n"] == number

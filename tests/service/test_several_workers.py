"""An operator's view of several workers with a real Redis: one service, whichever worker is asked."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

from tests.fakes.client import Client, connected
from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_ports
from tests.fakes.redis import redis_server
from tests.fakes.service import RunningService, service
from tests.fakes.waiting import wait_until

SETTINGS = """\
orchestration:
  frontend: {{workers: 2, worker_ports: {ports}}}
  shutdown_grace: 4
services:
  audio-service: {{url: "http://127.0.0.1:9"}}
  translation-service: {{url: "http://127.0.0.1:9"}}
session_management: {{persistence: redis, redis_url: "{redis}"}}
"""
TIMEOUT = "orchestration.gateway.timeout"


class TwoWorkers:
    """The service, and where each of its workers is asked alone."""

    def __init__(self, s: RunningService, ports: int) -> None:
        self.service = s
        self.urls = [f"http://127.0.0.1:{ports + place}" for place in (0, 1)]

    def pids(self) -> dict[int, int]:
        """Return the process that was started last in each place."""
        return {
            line["worker"]: line["pid"]
            for line in self.service.lines
            if line.get("event") == "worker started"
        }

    def get(self, place: int, path: str) -> Any:
        """Ask one worker."""
        answer = httpx2.get(self.urls[place] + path, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def connections(self, place: int, query: str = "") -> Any:
        """Ask one worker for the connections of both, until both have answered in time."""
        found: list[Any] = []

        def both_have_answered() -> bool:
            found.append(self.get(place, f"/api/connections{query}"))
            return [each["answered"] for each in found[-1]["workers"]] == [True, True]

        wait_until(both_have_answered, "both workers have answered")
        return found[-1]

    def patch(self, place: int, **values: Any) -> Any:
        """Change settings on one worker; dots are written as ``__``."""
        wanted = {path.replace("__", "."): value for path, value in values.items()}
        answer = httpx2.patch(self.urls[place] + "/api/config", json={"values": wanted}, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def restarted(self, place: int) -> list[str]:
        """Return the branches of one worker that were restarted."""
        return [branch["name"] for branch in self.get(place, "/api/tree")["branches"] if branch["restarts"]]

    def timeout(self, place: int) -> float:
        """Return a value that is in force on one worker."""
        found: float = self.get(place, "/api/config")["values"][TIMEOUT]
        return found

    def wait_for_timeout(self, value: float) -> None:
        """Wait until a value is in force on both: at once, or once the one that was not asked has read it."""
        wait_until(
            lambda: (self.timeout(0), self.timeout(1)) == (value, value), f"{value} is in force on both"
        )

    def wait_until_each_knows_the_other(self) -> None:
        """Wait until the first worker lists both."""
        wait_until(lambda: len(self.get(0, "/api/workers")["workers"]) == 2, "both workers are listed")

    def wait_until_replaced(self, place: int, before: int) -> None:
        """Wait until another process than that one serves in a place."""
        wait_until(
            lambda: self.service.wait_for_line("worker started", worker=place)["pid"] != before,
            f"worker {place} is another process than {before}",
        )
        self.service.wait_for_line("ready", worker=place)


@contextmanager
def two_workers(folder: Path) -> Iterator[TwoWorkers]:
    """Run the service, and a Redis for it."""
    ports = free_ports(2)
    with redis_server(folder / "redis") as redis:
        settings = SETTINGS.format(redis=redis.url, ports=ports)
        with service("serve", folder, settings=settings) as s:
            s.wait_for_line("workers ready")
            yield TwoWorkers(s, ports)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Have a process do nothing for the block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def asked(work: Any, *arguments: Any) -> Any:
    """Ask in a thread: the clients go on meanwhile."""
    return await trio.to_thread.run_sync(work, *arguments)


async def name_of(client: Client) -> str:
    """Return what the service calls a client."""
    name: str = (await client.of_type("connected"))["connection_id"]
    return name


def test_each_worker_has_an_address_of_its_own(tmp_path: Path) -> None:
    """For probes and scraping: its own tree, its own counters; the next process of a place has it again."""
    with two_workers(tmp_path) as both:
        before = both.pids()
        for place in (0, 1):
            tree = both.get(place, "/api/tree")
            assert (tree["worker"], tree["pid"]) == (place, before[place])
            assert httpx2.get(both.urls[place] + "/metrics", timeout=PATIENCE).status_code == 200
            assert httpx2.get(both.urls[place] + "/readyz", timeout=PATIENCE).status_code == 200
        os.kill(before[1], signal.SIGKILL)
        both.wait_until_replaced(1, before[1])
        tree = both.get(1, "/api/tree")
        assert (tree["worker"], tree["pid"]) == (1, both.pids()[1])
        both.service.process.send_signal(signal.SIGHUP)
        both.service.wait_for_line("workers replaced")
        for place in (0, 1):
            assert both.get(place, "/api/tree")["pid"] == both.pids()[place]
        assert both.pids()[0] != before[0]


def test_a_port_that_another_program_has_is_said_at_the_start(tmp_path: Path) -> None:
    """At startup rather than when figures are missing."""
    first = free_ports(2)
    path = tmp_path / "orchestration.yaml"
    path.write_text(SETTINGS.format(redis="redis://127.0.0.1:9", ports=first), encoding="utf-8")
    command = [sys.executable, "-m", "orch", "serve", "--port", "0", "--config", str(path)]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first + 1))
        taken.listen()
        ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ended.returncode == 2
    assert f"Port {first + 1} is in use" in ended.stderr
    assert f"WORKER_PORTS={first + 2}" in ended.stderr


@pytest.mark.real_time
async def test_connections_of_all_workers_are_listed_and_closed_by_any(tmp_path: Path) -> None:
    """With their workers, filtered by a query; one is closed on any worker."""
    with two_workers(tmp_path) as both:
        async with AsyncExitStack() as stack:
            ann = await stack.enter_async_context(connected(both.urls[0]))
            bob = await stack.enter_async_context(connected(both.urls[1]))
            await ann.ask("session_created", type="create_session", session_id="s", name="Ann")
            await bob.ask("session_joined", type="join_session", session_id="s", name="Bob")
            for client in (ann, bob):  # so that each worker knows of both
                await client.until(lambda m: m["type"] == "presence" and m["participant_count"] == 2)
            for place in (0, 1):
                # Not by age, which is the default: the workers' clocks agree to some milliseconds only.
                pool = await asked(both.connections, place, "?sort=who&order=descending")
                assert [(each["name"], each["doing"]) for each in pool["connections"]] == [
                    ("Bob", "listening"),
                    ("Ann", "listening"),
                ]
                workers = {each["worker"]["name"]: each for each in pool["workers"]}
                places = [workers[each["worker"]]["worker"]["place"] for each in pool["connections"]]
                assert places == [1, 0]
                assert (pool["active"], pool["doings"]["listening"]) == (2, 2)
                assert all(each["answered"] and each["active"] == 1 for each in workers.values())
                (session,) = pool["session_list"]
                assert session["participants"] == 2
            found = await asked(both.connections, 0, "?find=bob&limit=1")
            assert [each["name"] for each in found["connections"]] == ["Bob"]
            assert (found["matching"], found["active"]) == (1, 2)
            # The live page is told of all of them too.
            await ann.ask("subscribed", type="subscribe", topic="connections")
            told = await ann.until(lambda m: m["type"] == "update" and not m["data"]["pending"])
            assert {each["name"] for each in told["data"]["connections"]} == {"Ann", "Bob"}
            name = await name_of(bob)
            url = f"{both.urls[0]}/api/connections/{name}"
            answer = await asked(lambda: httpx2.delete(url, timeout=PATIENCE))
            assert answer.status_code == 202
            await bob.closed()
            assert bob.close_code == 4001
            assert (await ann.ask("pong", type="ping"))["type"] == "pong"
        bad = httpx2.get(both.urls[0] + "/api/connections?sort=colour", timeout=PATIENCE)
        assert (bad.status_code, bad.json()["code"]) == (400, "invalid_request")


def test_a_worker_that_does_not_answer_is_named(tmp_path: Path) -> None:
    """In the list, after an announcement, after a change; it applies the change once it can."""
    with two_workers(tmp_path) as both:
        pids = both.pids()
        both.wait_until_each_knows_the_other()
        with stopped(pids[1]):
            pool = both.get(0, "/api/connections")
            here, silent = pool["workers"]
            assert (here["here"], here["answered"]) == (True, True)
            assert (silent["answered"], silent["active"], silent["worker"]["pid"]) == (False, None, pids[1])
            told = httpx2.post(
                both.urls[0] + "/api/announcements", json={"message": "x"}, timeout=PATIENCE
            ).json()
            assert [f"(process {pids[1]})" in each for each in told["missing"]] == [True]
            url = both.urls[0] + "/api/connections/nobody"
            closing = httpx2.delete(url, timeout=PATIENCE)
            assert (closing.status_code, closing.json()["code"]) == (504, "worker_silent")
            changed = both.patch(0, orchestration__gateway__timeout=7)
            assert [each["outcome"] for each in changed["workers"]] == ["no_answer"]
            assert both.timeout(0) == 7
        wait_until(lambda: both.timeout(1) == 7, "the worker that was silent has the change")


def test_a_changed_setting_is_in_force_on_all_workers_and_on_those_started_later(tmp_path: Path) -> None:
    """After a crash, a roll and a full restart; until it is reverted on any of them."""
    ports = free_ports(2)
    with redis_server(tmp_path / "redis") as redis:
        settings = SETTINGS.format(redis=redis.url, ports=ports)
        with service("serve", tmp_path, settings=settings) as s:
            s.wait_for_line("workers ready")
            both = TwoWorkers(s, ports)
            changed = both.patch(0, orchestration__gateway__timeout=7, orchestration__log_level="WARNING")
            # A worker that is too slow to answer just then takes it over all the same.
            assert {each["outcome"] for each in changed["workers"]} <= {"applied", "no_answer"}
            both.wait_for_timeout(7)
            config = both.get(1, "/api/config")
            assert (config["runtime"], config["revision"]) == ([TIMEOUT, "orchestration.log_level"], 1)
            both.patch(1, orchestration__log_level=None)
            wait_until(
                lambda: both.get(0, "/api/config")["runtime"] == [TIMEOUT], "the change is taken back on both"
            )
            before = both.pids()
            os.kill(before[1], signal.SIGKILL)
            both.wait_until_replaced(1, before[1])
            assert both.timeout(1) == 7
            s.process.send_signal(signal.SIGHUP)
            s.wait_for_line("workers replaced")
            assert (both.timeout(0), both.timeout(1)) == (7, 7)
        with service("serve", tmp_path, settings=settings) as s:
            s.wait_for_line("workers ready")
            both = TwoWorkers(s, ports)
            assert (both.timeout(0), both.timeout(1)) == (7, 7)
            both.patch(1, orchestration__gateway__timeout=None)
            both.wait_for_timeout(30)
            refused = httpx2.patch(
                both.urls[0] + "/api/config", json={"values": {TIMEOUT: "soon"}}, timeout=PATIENCE
            )
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid_settings")
            assert both.get(0, "/api/config")["revision"] == 3


def test_the_tree_of_another_worker_is_shown_and_restarted(tmp_path: Path) -> None:
    """By the worker's name; a worker that has ended is unknown."""
    with two_workers(tmp_path) as both:
        both.wait_until_each_knows_the_other()
        here, other = both.get(0, "/api/workers")["workers"]
        assert (here["worker"]["place"], other["worker"]["place"]) == (0, 1)
        name = other["worker"]["name"]
        assert both.get(0, f"/api/tree?worker={name}")["worker"] == 1
        url = f"{both.urls[0]}/api/tree/gateway/restart?worker={name}"
        assert httpx2.post(url, timeout=PATIENCE).status_code == 202
        wait_until(lambda: both.restarted(1) == ["gateway"], "the other worker has restarted its gateway")
        assert both.restarted(0) == []
        gone = httpx2.get(both.urls[0] + "/api/tree?worker=nobody", timeout=PATIENCE)
        assert (gone.status_code, gone.json()["code"]) == (404, "unknown_worker")

"""Real worker processes: one that dies loses only its own connections, and a roll loses none."""

import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from orch.workers.lifeline import BEAT
from orch.workers.rolling import HUNG_AFTER
from tests.fakes.patience import PATIENCE
from tests.fakes.processes import is_alive
from tests.fakes.wires import eventually
from tests.fakes.workers import RunningWorkers, workers

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextmanager
def kept(s: RunningWorkers) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", s.port), timeout=180) as connection:
        yield connection


def ask(connection: socket.socket) -> dict[str, Any]:
    """Return the worker that serves a keep-alive connection."""
    connection.sendall(REQUEST)
    answer = b""
    while not answer.endswith(b"}"):
        part = connection.recv(4096)
        if not part:
            raise ConnectionResetError
        answer += part
    found: dict[str, Any] = msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])
    return found


async def visit(port: int, seen: Counter[int]) -> None:
    """Connect, send one request, read the response, disconnect."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        answer = b""
        async for part in stream:
            answer += part
    seen[msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])["pid"]] += 1


def all_ended(pids: list[int], within: float) -> bool:
    deadline = time.monotonic() + within
    while any(is_alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_new_connections_reach_every_worker(tmp_path: Path) -> None:
    """Each gets many, and its log lines have its number."""
    with workers(2, tmp_path) as s:
        seen: Counter[int] = Counter()
        # What one that is not given the processor leaves waiting is taken by the other.
        give_up_at = time.monotonic() + PATIENCE
        while min(seen[0], seen[1]) < 50:
            assert time.monotonic() < give_up_at, seen
            with kept(s) as connection:
                seen[ask(connection)["worker"]] += 1
        assert set(seen) == {0, 1}
        assert {line["worker"] for line in s.lines if line.get("event") == "listening"} == {0, 1}


def test_a_worker_that_is_killed_takes_only_its_own_connections(tmp_path: Path) -> None:
    """The others' are untouched, new ones are served all the while, and it is replaced."""
    with workers(2, tmp_path) as s, ExitStack() as stack:
        before = s.pids()
        connections = [stack.enter_context(kept(s)) for _ in range(40)]
        served_by = {connection: ask(connection)["worker"] for connection in connections}
        os.kill(before[0], signal.SIGKILL)
        s.wait_for_line("worker ended", worker=0)
        for connection, place in served_by.items():
            if place == 1:
                assert ask(connection)["pid"] == before[1]
        for _ in range(40):  # half of them come to the dead worker's socket, and are served by the other
            with kept(s) as connection:
                assert ask(connection)
        started = s.wait_for_line("worker started", worker=0)["pid"]
        assert started != before[0]
        assert is_alive(before[1])
        # What the new one counts as its predecessor's end is in its metrics; the other has no such end.
        restarts: dict[int, int] = {}
        give_up_at = time.monotonic() + PATIENCE
        while set(restarts) != {started, before[1]}:
            assert time.monotonic() < give_up_at, restarts
            with kept(s) as connection:
                found = ask(connection)
                restarts[found["pid"]] = found["restarts"]
        assert restarts == {started: 1, before[1]: 0}


@pytest.mark.real_time
@pytest.mark.parametrize("server", ["orch", "hypercorn"])
async def test_a_roll_refuses_and_resets_no_connection(server: str, tmp_path: Path) -> None:
    """Thousands of clients get their responses while every worker is replaced, twice.

    The workers wait for a first request for as long as it takes: the clients here may be late themselves.
    """
    (tmp_path / "patient").touch()
    with workers(2, tmp_path, server=server) as s:
        before = s.pids()
        seen: Counter[int] = Counter()
        rolled = trio.Event()

        async def visitor() -> None:
            while not rolled.is_set():
                await visit(s.port, seen)

        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(visitor)
            await eventually(lambda: set(before.values()) <= set(seen))
            for _ in range(2):
                s.process.send_signal(signal.SIGHUP)
                await trio.to_thread.run_sync(s.wait_for_line, "workers replaced")
            after = s.pids()
            await eventually(lambda: set(after.values()) <= set(seen) and sum(seen.values()) >= 3000)
            rolled.set()
        assert not set(before.values()) & set(after.values())
        assert not any(is_alive(pid) for pid in before.values())


def test_a_roll_to_workers_that_do_not_start_changes_nothing(tmp_path: Path) -> None:
    """Those that serve go on; once the cause is mended, the next roll succeeds."""
    with workers(2, tmp_path) as s:
        before = s.pids()
        (tmp_path / "broken").touch()
        s.process.send_signal(signal.SIGHUP)
        failed = s.wait_for_line("worker ended")
        assert failed["code"] == 3
        assert failed["pid"] not in before.values()
        with kept(s) as connection:
            assert ask(connection)["pid"] in before.values()
        assert all(is_alive(pid) for pid in before.values())
        (tmp_path / "broken").unlink()
        s.process.send_signal(signal.SIGHUP)
        s.wait_for_line("workers replaced")
        assert not set(before.values()) & set(s.pids().values())


def test_sigterm_ends_all_and_exits_0(tmp_path: Path) -> None:
    """In order, with connections open; nothing has to be killed."""
    with workers(2, tmp_path) as s, kept(s) as connection:
        ask(connection)
        pids = list(s.pids().values())
        assert s.stop() == 0
        assert {line["code"] for line in s.lines if line.get("event") == "worker ended"} == {0}
        assert not any(is_alive(pid) for pid in pids)


def test_a_worker_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    """One that is stuck does not hold the stop up for ever."""
    (tmp_path / "stuck").touch()
    with workers(2, tmp_path) as s:
        pids = list(s.pids().values())
        assert s.stop() == 0
        assert {line["code"] for line in s.lines if line.get("event") == "worker ended"} == {-signal.SIGKILL}
        assert not any(is_alive(pid) for pid in pids)


def test_no_worker_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    """They learn of it by the end of their input, and leave in order."""
    with workers(2, tmp_path) as s:
        pids = list(s.pids().values())
        s.process.kill()
        assert {s.wait_for_line("left")["worker"] for _ in pids} == {0, 1}
        assert all_ended(pids, PATIENCE)
        s.ended()


def test_a_stuck_worker_does_not_outlive_its_parent_either(tmp_path: Path) -> None:
    """Its event loop does not run any more; the thread that holds the line does."""
    (tmp_path / "stuck").touch()
    with workers(1, tmp_path) as s:
        pids = list(s.pids().values())
        s.process.kill()
        assert all_ended(pids, PATIENCE)
        s.ended()


def test_workers_that_do_not_stay_up_end_the_service_with_1(tmp_path: Path) -> None:
    """Past the limit, after a bounded number of attempts, with the reason in the log."""
    with workers(2, tmp_path) as s:
        (tmp_path / "broken").touch()
        os.kill(s.pids()[1], signal.SIGKILL)
        assert s.process.wait(PATIENCE) == 1
        s.ended()
        assert [line["code"] for line in s.lines if line.get("event") == "worker ended"] == [
            -signal.SIGKILL,
            3,
            3,
            3,
            0,
        ]
        assert any("the service stops" in line["event"] for line in s.lines)


def test_a_suspended_worker_is_killed_and_replaced(tmp_path: Path) -> None:
    """Its clients are disconnected, so that they reconnect, and the next worker records the reason."""
    with workers(2, tmp_path) as s:
        before = s.pids()
        began = time.monotonic()
        os.kill(before[0], signal.SIGSTOP)
        killed = s.wait_for_line("worker killed")
        assert time.monotonic() - began > HUNG_AFTER - BEAT - 1
        assert (
            killed["reason"]
            == "Worker 0 has not responded for 15 s: it was stopped, or its event loop is blocked."
        )
        s.wait_for_line("worker started", worker=0)
        assert s.pids()[1] == before[1]
        assert is_alive(before[1])
        assert not is_alive(before[0])


def test_a_service_that_was_suspended_as_a_whole_kills_no_worker(tmp_path: Path) -> None:
    """A machine suspended for longer than the heartbeat time-out continues with the same processes."""
    with workers(2, tmp_path) as s:
        before = s.pids()
        everyone = [s.process.pid, *before.values()]
        for pid in everyone:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(HUNG_AFTER + 2)
        os.kill(everyone[0], signal.SIGCONT)  # the parent first: nobody has beaten when it looks
        time.sleep(0.3)
        for pid in everyone[1:]:
            os.kill(pid, signal.SIGCONT)
        s.wait_for_line("process was suspended")
        time.sleep(3)
        assert not [line for line in s.lines if line.get("event") == "worker killed"]
        assert all(is_alive(pid) for pid in before.values())

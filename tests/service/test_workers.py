"""The whole service as two workers with a real Redis: nothing is lost but what one worker alone had."""

import os
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest
import trio

from tests.fakes.client import Client, connected
from tests.fakes.processes import is_alive
from tests.fakes.redis import redis_server
from tests.fakes.service import RunningService, service
from tests.fakes.wires import eventually

pytestmark = pytest.mark.real_time

SETTINGS = """\
orchestration:
  frontend: {{workers: 2}}
  shutdown_grace: 4
services:
  audio-service: {{url: "http://127.0.0.1:9"}}
  translation-service: {{url: "http://127.0.0.1:9"}}
session_management: {{persistence: redis, redis_url: "{redis}"}}
"""


@contextmanager
def two_workers(folder: Path) -> Iterator[RunningService]:
    """Run the service, and a Redis for it."""
    with (
        redis_server(folder / "redis") as redis,
        service("serve", folder, settings=SETTINGS.format(redis=redis.url)) as s,
    ):
        s.wait_for_line("workers ready")
        yield s


def started(s: RunningService) -> dict[int, int]:
    """Return the process that was started last in each place."""
    return {line["worker"]: line["pid"] for line in s.lines if line.get("event") == "worker started"}


async def connected_to(s: RunningService, stack: AsyncExitStack, worker: int) -> Client:
    """Return a connection to one of the workers; the kernel chooses, so it takes some tries."""
    while True:
        client = await stack.enter_async_context(connected(s.url))
        await client.ask("subscribed", type="subscribe", topic="tree")
        if (await client.of_type("update"))["data"]["worker"] == worker:
            return client


async def test_a_killed_worker_takes_only_its_own_connections_and_no_session(tmp_path: Path) -> None:
    """Who was on the other hears on; who lost its connection comes back there, and has missed nothing."""
    with two_workers(tmp_path) as s:
        before = started(s)

        async with AsyncExitStack() as stack:
            lost = await connected_to(s, stack, 0)
            kept = await connected_to(s, stack, 1)
            session = await lost.ask("session_created", type="create_session")
            name = session["session_id"]
            await kept.ask("session_joined", type="join_session", session_id=name)
            await kept.ask("session_message", type="broadcast", session_id=name, data=1)
            await lost.of_type("session_message")
            os.kill(before[0], signal.SIGKILL)
            await lost.closed()
            await kept.ask("session_message", type="broadcast", session_id=name, data=2)
            again = await stack.enter_async_context(connected(s.url))
            back = await again.ask(
                "session_recovered",
                type="recover_session",
                session_id=name,
                recovery_token=session["recovery_token"],
                epoch=session["epoch"],
                offset=session["offset"],
            )
            assert back["recovered"]
            assert [message["data"] for message in back["messages"]] == [1, 2]
            assert not kept.is_closed
        assert s.wait_for_line("worker started", worker=0)["pid"] != before[0]
        assert s.wait_for_line("ready", worker=0)
        assert started(s)[1] == before[1]


async def test_a_roll_serves_every_request_and_tells_clients_to_reconnect(tmp_path: Path) -> None:
    """New connections are answered all the while; each client is told before its worker leaves."""
    with two_workers(tmp_path) as s:
        before = started(s)
        answered: set[int] = set()
        rolled = trio.Event()

        async def visit() -> None:
            while not rolled.is_set():
                async with httpx2.AsyncClient(timeout=180) as http:
                    tree = await http.get(s.url + "/api/tree")
                assert tree.status_code == 200
                answered.add(tree.json()["pid"])

        async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
            clients = [await connected_to(s, stack, worker) for worker in (0, 1)]
            for _ in range(2):
                nursery.start_soon(visit)
            await eventually(lambda: set(before.values()) <= answered)
            s.process.send_signal(signal.SIGHUP)
            await trio.to_thread.run_sync(s.wait_for_line, "workers replaced")
            await eventually(lambda: started(s)[0] in answered)
            rolled.set()
            for client in clients:
                await client.of_type("closing")
                await client.closed()
        after = started(s)
        assert not set(before.values()) & set(after.values())
        assert set(before.values()) | {after[0]} <= answered
        assert s.stop() == 0
        assert not any(is_alive(pid) for pid in (*before.values(), *after.values()))

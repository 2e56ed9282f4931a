"""What an operator does, and what is told of who comes and goes, across two hubs on one Redis."""

from pathlib import Path

import pytest
import trio

from orch.problems import ProblemError
from orch.stores.redis.store import RedisStore
from tests.fakes.asgi import FakeSocket
from tests.fakes.hub import running_hub
from tests.fakes.redis import RedisServer, redis_server
from tests.fakes.running import run

pytestmark = pytest.mark.process


def on_two_hubs(tmp_path: Path, main: object) -> None:
    """Run ``main`` with a Redis server."""
    with redis_server(tmp_path / "redis") as server:
        run(main, server, virtual=False)  # type: ignore[arg-type]  # each test's own coroutine function


async def changes(socket: FakeSocket, count: int) -> list[tuple[str, str]]:
    """Return the next changes of who is in the session: name and change."""
    found: list[tuple[str, str]] = []
    while len(found) < count:
        presence = await socket.until("presence")
        found += [(each["name"], each["change"]) for each in presence["changes"]]
    return found


def test_a_connection_is_closed_on_whichever_worker_it_is(tmp_path: Path) -> None:
    """An operator's request may come to any worker; nobody else is closed; who is nowhere is unknown."""

    async def main(server: RedisServer) -> None:
        async with (
            running_hub(tmp_path, None, RedisStore(server.url)) as a,
            running_hub(tmp_path, None, RedisStore(server.url)) as b,
            b.connected() as ann,
        ):
            bob = b.socket()
            name = (await bob.hear())["connection_id"]
            await a.service.close_connection(name)
            with pytest.raises(trio.EndOfChannel):
                await bob.until("never")
            assert bob.close_code == 4001
            await bob.has_ended.wait()
            assert (await ann.ask({"type": "ping"}, "pong"))["type"] == "pong"
            with pytest.raises(ProblemError) as caught:
                await a.service.close_connection(name)
            assert caught.value.code == "unknown_connection"

    on_two_hubs(tmp_path, main)


def test_who_left_and_who_fell_silent_on_another_worker_is_told_apart(tmp_path: Path) -> None:
    """And whoever comes over from another worker has not gone at all."""

    async def main(server: RedisServer) -> None:
        async with (
            running_hub(tmp_path, None, RedisStore(server.url)) as a,
            running_hub(tmp_path, None, RedisStore(server.url)) as b,
            a.connected() as ann,
        ):
            await ann.ask({"type": "create_session", "session_id": "s", "name": "Ann"}, "session_created")
            assert await changes(ann, 1) == [("Ann", "joined")]
            async with b.connected() as bob, b.connected() as eve:
                await bob.ask({"type": "join_session", "session_id": "s", "name": "Bob"}, "session_joined")
                assert await changes(ann, 1) == [("Bob", "joined")]
                await eve.ask({"type": "join_session", "session_id": "s", "name": "Eve"}, "session_joined")
                assert await changes(ann, 1) == [("Eve", "joined")]
                await eve.ask({"type": "leave_session", "session_id": "s"}, "session_left")
                assert await changes(ann, 1) == [("Eve", "left")]
            assert await changes(ann, 1) == [("Bob", "silent")]
            async with b.connected() as old, a.connected() as new, b.connected() as zoe:
                known = await old.ask(
                    {"type": "join_session", "session_id": "s", "name": "Carl"}, "session_joined"
                )
                assert await changes(ann, 1) == [("Carl", "joined")]
                kept = {name: known[name] for name in ("session_id", "recovery_token", "epoch", "offset")}
                back = await new.ask({"type": "recover_session"} | kept, "session_recovered")
                assert back["recovered"]
                old.hang_up()
                await old.has_ended.wait()
                await zoe.ask({"type": "join_session", "session_id": "s", "name": "Zoe"}, "session_joined")
                assert await changes(ann, 1) == [("Zoe", "joined")]

    on_two_hubs(tmp_path, main)

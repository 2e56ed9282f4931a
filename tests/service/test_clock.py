"""The wall clock is set back while the service runs, and right again later."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.fakes.client import Client, connected
from tests.fakes.redis import redis_server
from tests.fakes.running import run
from tests.fakes.set_clock import SECONDS, ClockedService, clocked_service

#: What is silent or kept for half an hour ends, and is looked for five times a second.
SETTINGS = f"""\
orchestration:
  websocket: {{session_timeout: {SECONDS / 2}, history_seconds: {SECONDS / 2}, heartbeat_interval: 0.5}}
  shutdown_grace: 2
services:
  audio-service: {{url: "http://127.0.0.1:9"}}
  translation-service: {{url: "http://127.0.0.1:9"}}
"""


@contextmanager
def kept_in(engine: str, folder: Path) -> Iterator[ClockedService]:
    """Run the service on one of its stores."""
    if engine == "sqlite":
        store = "session_management: {cleanup_interval: 0.2}\n"
        with clocked_service(folder, settings=SETTINGS + store) as s:
            yield s
        return
    with redis_server(folder / "redis") as redis:
        store = (
            f'session_management: {{cleanup_interval: 0.2, persistence: redis, redis_url: "{redis.url}"}}\n'
        )
        with clocked_service(folder, settings=SETTINGS + store) as s:
            yield s


class Talk:
    """A client that sends messages in a session. ``said``: their number."""

    def __init__(self, ann: Client) -> None:
        self._ann = ann
        self.said = 0

    async def say(self) -> int:
        """Send a number; return its timestamp from the service, in seconds."""
        number, self.said = self.said, self.said + 1
        answer = await self._ann.ask(
            "session_message", type="broadcast", session_id="s", id=number, data={"n": number}
        )
        assert answer["offset"] == self.said
        return int(answer["timestamp"] / 1000)

    async def until_set(self, since: int, by: float) -> None:
        """Talk until the service's time is another, and a few sweeps longer."""
        while abs(await self.say() - since - by) > SECONDS / 2:
            pass
        for _ in range(10):
            await trio.sleep(0.1)
            await self.say()


@pytest.mark.parametrize("engine", ["sqlite", "redis"])
def test_a_clock_that_is_set_back_loses_nothing_and_ends_nothing(tmp_path: Path, engine: str) -> None:
    """Nor when it is corrected: sessions and participants stay, and returning clients recover everything."""

    async def back(s: ClockedService, ticket: dict[str, Any], talk: Talk) -> None:
        async with connected(s.url) as bob:
            answer = await bob.ask(
                "session_recovered",
                type="recover_session",
                session_id="s",
                recovery_token=ticket["recovery_token"],
                epoch=ticket["epoch"],
                offset=0,
            )
            assert answer["recovered"], answer
            assert [m["data"]["n"] for m in answer["messages"]] == list(range(talk.said))

    async def main() -> None:
        with kept_in(engine, tmp_path) as s:
            await trio.to_thread.run_sync(
                lambda: s.post("/api/sessions/create", json={"session_id": "resting"}).raise_for_status()
            )
            async with connected(s.url) as ann:
                await ann.ask("session_created", type="create_session", session_id="s")
                async with connected(s.url) as bob:
                    ticket = await bob.ask("session_joined", type="join_session", session_id="s")
                talk = Talk(ann)
                began = await talk.say()
                s.set_back()
                # Where several workers may share the sessions, the store's clock decides.
                await talk.until_set(began, -SECONDS if engine == "sqlite" else 0)
                await back(s, ticket, talk)
                s.set_right()
                await talk.until_set(began, 0)
                await back(s, ticket, talk)
                for name in ("s", "resting"):
                    assert (await trio.to_thread.run_sync(s.get, f"/api/sessions/{name}")).status_code == 200
                tree = (await trio.to_thread.run_sync(s.get, "/api/tree")).json()
                assert {branch["state"] for branch in tree["branches"]} == {"running"}
                assert {branch["restarts"] for branch in tree["branches"]} == {0}

    run(main, virtual=False)

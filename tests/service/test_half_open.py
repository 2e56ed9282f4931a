"""A client's network fails silently: no packet arrives any more."""

from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import trio

from tests.fakes.afar import NAME, Afar, afar
from tests.fakes.client import Client, connected
from tests.fakes.network import ForbiddenError, Network, Relayed, links_changing, namespace
from tests.fakes.patience import PATIENCE
from tests.fakes.processes import open_files
from tests.fakes.running import run
from tests.fakes.service import RunningService, service

SETTINGS = """\
orchestration:
  frontend: {{host: {host}}}
  websocket: {{heartbeat_interval: {interval}, heartbeat_timeout: {patience}, outbox_seconds: {age}}}
  shutdown_grace: 2
services:
  audio-service: {{url: "http://127.0.0.1:9"}}
  translation-service: {{url: "http://127.0.0.1:9"}}
"""
#: The service listens where others reach it, so that it is asked for.
GIVEN = "of-the-test"
#: Bytes in each of the ten messages that wait for who is gone: more than the kernel holds, less than the hub.
FILLER = 60_000

NO_PONG = 'orch_front_refused_total{kind="no_pong"}'
STUCK = 'orch_websocket_closes_total{reason="heartbeat_timeout"}'
SLOW = 'orch_websocket_closes_total{reason="slow_client"}'


@pytest.fixture
def network(told: Callable[[str], None]) -> Iterator[Network]:
    """Return a network namespace, or what stands in for it where the kernel allows none, and say so."""
    try:
        with links_changing(), namespace() as found:
            yield found
            return
    except ForbiddenError as error:
        told(f"a relay stands in for the link, since the kernel allows no network of our own: {error}")
    yield Relayed()


@pytest.fixture
def stand_in() -> Network:
    """Return what stands in: it is to be of use where it is needed."""
    return Relayed()


def sockets(s: RunningService) -> int:
    """Return how many sockets the service has open."""
    return sum(each.startswith("socket:") for each in open_files(s.process.pid))


class Scene:
    """Ann, who is near, and Bob, who is on the other side of the link."""

    def __init__(self, s: RunningService, network: Network, ann: Client, bob: Afar, before: int) -> None:
        self._s = s
        self._network = network
        self._ann = ann
        self._bob = bob
        self._before = before
        self._said = 0

    async def say(self, count: int, filler: int = 0) -> None:
        """Have Ann say so many numbers, each of which she hears herself."""
        for _ in range(count):
            number, self._said = self._said, self._said + 1
            data = {"n": number, "x": "x" * filler}
            await self._ann.ask("session_message", type="broadcast", session_id="s", id=number, data=data)

    async def talk(self) -> None:
        """Have both say something that both hear."""
        await self._bob.say({"n": self._said})
        await self._ann.until(lambda m: m["type"] == "session_message" and m["data"]["n"] == self._said)
        self._said += 1
        await self.say(5)
        await self._bob.until_heard(self._said - 1)

    async def lose(self, *, filler: int = 0) -> float:
        """Cut the link while Ann talks on; return after how many seconds she is told that Bob is silent.

        Nothing of Bob's connection is left then.
        """
        seen = len(self._ann.messages)
        self._network.cut()
        cut_at = monotonic()
        await self.say(10, filler)
        silent = await self._ann.until(_is_silent, start=seen)
        seconds = monotonic() - cut_at
        assert [each["name"] for each in silent["participants"]] == ["Ann"]
        with trio.fail_after(PATIENCE):
            while sockets(self._s) > self._before:  # noqa: ASYNC110 - the kernel's word is what counts
                await trio.sleep(0.05)
        there = (await trio.to_thread.run_sync(self._s.get, "/api/connections")).json()["connections"]
        assert [each["name"] for each in there] == ["Ann"]
        assert await trio.to_thread.run_sync(self._s.figure, "orch_websocket_queued_bytes") == 0
        await self.say(5)
        return seconds

    async def mend(self) -> None:
        """Mend the link: Bob has everything once, in order, and can be heard."""
        self._network.mend()
        await self._bob.until_heard(self._said - 1)
        await self.talk()
        assert self._bob.numbers == list(range(self._said))
        offsets = [each["offset"] for each in self._bob.all("message")]
        assert offsets == list(range(1, self._said + 1))
        assert (len(self._bob.all("recovered")), self._bob.all("lost")) == (1, [])
        mine = [m["data"]["n"] for m in self._ann.messages if m["type"] == "session_message"]
        assert mine == list(range(self._said))


def _is_silent(message: dict[str, Any]) -> bool:
    return message["type"] == "presence" and {"silent"} == {
        change["change"] for change in message["changes"] if change["name"] == NAME
    }


def cut_off(
    folder: Path, network: Network, *, interval: float, patience: float, age: float, filler: int
) -> tuple[float, dict[str, int]]:
    """Lose Bob and have him back; return the seconds it took to notice, and what was counted by then."""
    settings = SETTINGS.format(host=network.host, interval=interval, patience=patience, age=age)
    counts: dict[str, int] = {}

    async def main() -> float:
        with service("serve", folder, settings=settings, environ={"ORCH_CONTROL_TOKEN": GIVEN}) as s:
            async with network.reaching(s.port) as url, connected(s.url, s.headers) as ann:
                created = await ann.ask("session_created", type="create_session", session_id="s", name="Ann")
                key = created["keys"]["speak"]
                before = sockets(s)
                async with afar(network.prefix, url, "s", key) as bob:
                    scene = Scene(s, network, ann, bob, before)
                    await scene.talk()
                    seconds = await scene.lose(filler=filler)
                    for name in (NO_PONG, STUCK, SLOW):
                        counts[name] = await trio.to_thread.run_sync(s.figure, name)
                    await scene.mend()
                    return seconds

    return run(main, virtual=False), {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize("link", ["network", "stand_in"])
def test_a_client_whose_link_is_cut_is_noticed_by_its_silence(
    tmp_path: Path, link: str, request: pytest.FixtureRequest, told: Callable[[str], None]
) -> None:
    """Disconnected within a heartbeat and its time-out; after the link is back it has missed nothing."""
    seconds, counts = cut_off(
        tmp_path, request.getfixturevalue(link), interval=1, patience=3, age=120, filler=0
    )
    told(f"noticed {seconds:.1f} s after the cut")
    assert counts == {NO_PONG: 1}


@pytest.mark.parametrize(
    ("interval", "patience", "age", "reason"),
    [(1, 3, 120, STUCK), (5, 60, 2, SLOW)],
    ids=["heartbeat", "age"],
)
def test_a_client_whose_link_is_cut_with_messages_on_their_way_is_closed_in_time(
    tmp_path: Path,
    network: Network,
    interval: float,
    patience: float,
    age: float,
    reason: str,
    told: Callable[[str], None],
) -> None:
    """Its queue is bounded by age and by size: a blocked send, or bytes that are not read."""
    seconds, counts = cut_off(tmp_path, network, interval=interval, patience=patience, age=age, filler=FILLER)
    told(f"closed {seconds:.1f} s after the cut")
    assert counts == {reason: 1}

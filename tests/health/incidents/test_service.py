"""Incidents and uptime of back ends that fail and come back, over a store, on a virtual clock."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio

from orch.cluster.lease import Leases
from orch.health.incidents.courses import Standing
from orch.health.incidents.records import NOTES, EntryKind, Impact
from orch.health.incidents.service import ANNOUNCEMENTS, IncidentService
from orch.health.incidents.uptime import Window
from orch.problems import ProblemError
from orch.stores.sqlite.store import SqliteStore
from orch.telemetry.names.health import INCIDENTS_OPEN
from tests.fakes.health import Bench, Network, answers, healthy, refused
from tests.fakes.hub import inline
from tests.fakes.leases import MemoryLeases
from tests.fakes.stores import running

pytestmark = pytest.mark.limit(3_000)

TWO = {"audio-service": {"url": "http://one:5001"}, "translation-service": {"url": "http://two:5003"}}
START = 1_795_000_000.0
"""When the virtual clock begins: in the middle of a slot."""


def wall() -> float:
    return START + trio.current_time()


class Side:
    """One worker: its checks and its incidents."""

    def __init__(self, store: SqliteStore, leases: MemoryLeases | None = None) -> None:
        self.network = Network(one=healthy, two=healthy)
        self.bench = Bench(network=self.network, wall=wall, services=TWO)
        self.incidents = IncidentService(
            settings=self.bench.settings,
            health=self.bench.health,
            documents=store.documents,
            events=self.bench.events,
            wall=wall,
            leases=Leases(leases),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[trio.CancelScope]:
        async with trio.open_nursery() as nursery:
            await nursery.start(self.bench.health.run)
            await nursery.start(self.incidents.run)
            yield nursery.cancel_scope
            nursery.cancel_scope.cancel()

    async def fail(self, *, seconds: float, host: str = "one") -> None:
        self.network.hosts[host] = refused
        await trio.sleep(seconds)
        self.network.hosts[host] = healthy


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "s.sqlite3", offload=inline)


async def test_an_outage_is_an_incident_that_closes_when_the_back_end_is_back(store: SqliteStore) -> None:
    """With the reason for operators, in the events too, and in the metric while it is open."""
    side = Side(store)
    async with running(store), side.running():
        await trio.sleep(30)
        assert side.incidents.incidents() == ()
        await side.fail(seconds=60)
        (incident,) = side.incidents.incidents()
        assert (incident.number, incident.service, incident.impact) == (1, "audio-service", Impact.OUTAGE)
        assert START + 30 <= incident.began <= START + 45
        assert "refused" in incident.entries[0].text
        values = {
            each.labels: each.value for each in side.incidents.readings() if each.name is INCIDENTS_OPEN
        }
        assert values == {("audio-service",): 1.0, ("translation-service",): 0.0}
        await trio.sleep(200)
        (incident,) = side.incidents.incidents()
        assert incident.ended is not None
        assert START + 90 <= incident.ended <= START + 105
        texts = [event.text for event in side.bench.events.latest() if event.text.startswith("Incident")]
        assert sorted(text.split(":")[0] for text in texts) == ["Incident 1 closed", "Incident 1 opened"]


async def test_a_service_that_never_comes_up_has_an_incident(store: SqliteStore) -> None:
    """It reports that it starts: up to the limit of a start nothing is known, from then on it is down."""
    side = Side(store)
    side.network.hosts["one"] = answers(200, {"status": "starting"})
    async with running(store), side.running():
        await trio.sleep(55)
        assert side.incidents.incidents() == ()
        await trio.sleep(30)
        (incident,) = side.incidents.incidents()
        assert (incident.service, incident.impact) == ("audio-service", Impact.OUTAGE)
        assert START + 60 <= incident.began <= START + 65
        assert "has not come up within 60 s" in incident.entries[0].text
        side.network.hosts["one"] = healthy
        await trio.sleep(130)
        assert side.incidents.incidents()[0].ended is not None


async def test_a_moment_is_no_incident_and_two_services_have_two(store: SqliteStore) -> None:
    """Each with its own number."""
    side = Side(store)
    async with running(store), side.running():
        await trio.sleep(30)
        await side.fail(seconds=5)
        await trio.sleep(60)
        assert side.incidents.incidents() == ()
        side.network.hosts |= {"one": refused, "two": refused}
        await trio.sleep(60)
        assert [(each.number, each.is_open) for each in side.incidents.incidents()] in (
            [(1, True), (2, True)],
            [(2, True), (1, True)],
        )


async def test_an_incident_goes_on_after_a_restart_of_this_service(store: SqliteStore) -> None:
    """It is found in the store: it is neither opened again nor lost; uptime has a gap, not a fall."""
    side = Side(store)
    async with running(store):
        async with side.running():
            await trio.sleep(30)
            side.network.hosts["one"] = refused
            await trio.sleep(60)
        await trio.sleep(600)
        again = Side(store)
        again.network.hosts["one"] = refused
        async with again.running():
            await trio.sleep(60)
            (incident,) = again.incidents.incidents()
            assert (incident.number, incident.is_open) == (1, True)
            again.network.hosts["one"] = healthy
            await trio.sleep(240)
            assert again.incidents.incidents()[0].ended is not None
        other = again.incidents.uptime("translation-service", Window.DAY)
        assert other.share == 1.0
        assert sum(bar.known for bar in other.bars) == pytest.approx(90 + 300, abs=5)
        own = again.incidents.uptime("audio-service", Window.DAY)
        assert own.down == pytest.approx(60 + 60, abs=25)


async def test_maintenance_opens_nothing_and_its_time_is_planned(store: SqliteStore) -> None:
    """When the window is over and the back end is still down, the incident opens."""
    start = datetime.fromtimestamp(START, UTC).strftime("%Y-%m-%dT%H:%M")
    window = {"start": start, "minutes": 5}
    side = Side(store)
    services = {**TWO, "audio-service": {"url": "http://one:5001", "maintenance": [window]}}
    side.bench.settings.change(services=services)
    async with running(store), side.running():
        await trio.sleep(30)
        side.network.hosts["one"] = refused
        await trio.sleep(150)
        assert side.incidents.incidents() == ()
        assert side.incidents.is_in_maintenance("audio-service")
        found = side.incidents.uptime("audio-service", Window.DAY)
        assert found.down == 0
        assert sum(bar.planned for bar in found.bars) > 100
        await trio.sleep(180)
        assert not side.incidents.is_in_maintenance("audio-service")
        assert [each.is_open for each in side.incidents.incidents()] == [True]


async def test_uptime_counts_from_the_moment_of_the_change(store: SqliteStore) -> None:
    """Not from the next look; nothing is counted before the first check."""
    side = Side(store)
    async with running(store), side.running():
        await trio.sleep(100)
        await side.fail(seconds=50)
        await trio.sleep(50)
        side.network.hosts["one"] = healthy
        found = side.incidents.uptime("audio-service", Window.QUARTER)
        changes = [event for event in side.bench.events.latest() if event.subject == "audio-service"]
        assert found.known == pytest.approx(200 / (wall() - found.bars[0].start), abs=1e-6)
        assert found.down > 0
        assert changes


async def test_a_suspended_process_leaves_a_gap(store: SqliteStore) -> None:
    """A clock that jumps, forwards or back, adds nothing."""
    offset = 0.0
    side = Side(store)
    side.incidents._wall = lambda: wall() + offset
    async with running(store), side.running():
        await trio.sleep(100)
        offset = 5_000.0
        await trio.sleep(100)
        offset = 1_000.0
        await trio.sleep(100)
        found = side.incidents.uptime("audio-service", Window.DAY)
        assert found.share == 1.0
        assert sum(bar.known for bar in found.bars) <= 300


async def test_a_store_that_is_away_delays_and_loses_nothing(store: SqliteStore) -> None:
    """The incident opens when the store is back, with its true beginning; uptime is stored as well."""
    side = Side(store)
    async with side.running():
        await trio.sleep(30)
        side.network.hosts["one"] = refused
        await trio.sleep(60)
        assert side.incidents.incidents() == ()
        async with running(store):
            await trio.sleep(30)
            (incident,) = side.incidents.incidents()
            assert incident.began <= START + 45
            assert side.incidents.uptime("translation-service", Window.DAY).share == 1.0


async def test_of_two_workers_one_opens_the_incident(store: SqliteStore) -> None:
    """The other one reads it, and goes on when the first is gone."""
    leases = MemoryLeases()
    one, two = Side(store, leases), Side(store, leases)
    async with running(store), two.running():
        async with one.running():
            await trio.sleep(30)
            for side in (one, two):
                side.network.hosts["one"] = refused
            await trio.sleep(60)
            assert [each.number for each in one.incidents.incidents()] == [1]
            assert one.incidents.incidents() == two.incidents.incidents()
        two.network.hosts["one"] = healthy
        await trio.sleep(300)
        (incident,) = two.incidents.incidents()
        assert incident.ended is not None
        total = two.incidents.uptime("translation-service", Window.DAY)
        assert sum(bar.known for bar in total.bars) <= 390


async def test_without_the_lease_two_workers_still_open_one_incident(store: SqliteStore) -> None:
    """Where both believe to hold it, the store refuses the second."""
    one, two = Side(store), Side(store)
    async with running(store), one.running(), two.running():
        await trio.sleep(30)
        for side in (one, two):
            side.network.hosts["one"] = refused
        await trio.sleep(60)
        assert [each.number for each in one.incidents.incidents()] == [1]
        assert [each.number for each in two.incidents.incidents()] == [1]


async def opened(side: Side) -> None:
    await trio.sleep(30)
    side.network.hosts["one"] = refused
    await trio.sleep(60)


async def test_notes_and_the_post_mortem_are_stored(store: SqliteStore) -> None:
    """Also while the incident goes on by rule; the limit of notes holds."""
    side = Side(store)
    async with running(store), side.running():
        await opened(side)
        async with trio.open_nursery() as nursery:
            for number in range(NOTES):
                nursery.start_soon(side.incidents.add_note, 1, f"note {number}")
        await side.incidents.set_post_mortem(1, "The disk was full.")
        with pytest.raises(ProblemError, match="50 notes"):
            await side.incidents.add_note(1, "one more")
        side.network.hosts["one"] = healthy
        await trio.sleep(240)
        other = Side(store)
        async with other.running():
            await trio.sleep(10)
            incident = other.incidents.incident(1)
    assert sum(entry.kind is EntryKind.NOTE for entry in incident.entries) == NOTES
    assert incident.post_mortem == "The disk was full."
    assert not incident.is_open
    with pytest.raises(ProblemError, match="No incident"):
        await side.incidents.add_note(7, "none")


async def test_announcements_are_shown_until_they_end(store: SqliteStore) -> None:
    """By themselves or by an operator, and only so many at a time."""
    side = Side(store)
    async with running(store), side.running():
        await trio.sleep(10)
        first = await side.incidents.announce("warning", "Slow today", until=wall() + 60)
        second = await side.incidents.announce("information", "New voices", until=None)
        assert [each.number for each in side.incidents.current_announcements()] == [2, 1]
        await trio.sleep(60)
        assert side.incidents.current_announcements() == (second,)
        ended = await side.incidents.end_announcement(2)
        assert ended.ended == wall()
        assert await side.incidents.end_announcement(2) == ended
        assert await side.incidents.end_announcement(first.number) == first
        with pytest.raises(ProblemError, match="No announcement"):
            await side.incidents.end_announcement(9)
        for _ in range(ANNOUNCEMENTS):
            await side.incidents.announce("outage", "x", until=None)
        with pytest.raises(ProblemError, match="End one first"):
            await side.incidents.announce("outage", "x", until=None)


async def test_a_service_that_nobody_knows_stands_nowhere(store: SqliteStore) -> None:
    """Nothing is claimed about it."""
    side = Side(store)
    async with running(store), side.running():
        await trio.sleep(30)
        assert side.incidents.standing("audio-service") is Standing.UP
        assert side.incidents.standing("nobody") is Standing.UNKNOWN
        assert side.incidents.uptime("nobody", Window.DAY).share is None

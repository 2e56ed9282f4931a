"""What is stored of uptime and incidents, over a store that fails in the middle."""

import pytest

from orch.health.incidents.ledger import INCIDENT, Ledger
from orch.health.incidents.records import INCIDENTS
from orch.health.incidents.uptime import DAY, SLOT, Book, Tally
from orch.health.incidents.uptime_log import UPTIME, UptimeLog
from orch.problems import ProblemError
from orch.stores.records import Document
from tests.fakes.incidents import MemoryDocuments, outage

NOW = 1_795_000_000.0
UP = Tally(up=1)


def wall() -> float:
    return NOW


class FailingDocuments(MemoryDocuments):
    """Fails after (``loses_replies``) or before (``is_away``) a write."""

    loses_replies = False
    is_away = False

    async def store_document(self, document: Document, *, now: float) -> bool:
        if self.is_away:
            raise ProblemError("store_unavailable", "The test says so.")
        stored = await super().store_document(document, now=now)
        if self.loses_replies:
            raise ProblemError("store_unavailable", "The test says so.")
        return stored


def total(book: Book) -> float:
    return sum(tally.up for tally in book.values())


async def read(documents: MemoryDocuments) -> float:
    """Return what another worker reads."""
    log = UptimeLog(documents, wall)
    await log.load()
    return total(log.book)


@pytest.mark.parametrize("fault", ["loses_replies", "is_away"])
async def test_a_second_counts_once_whether_or_not_its_write_was_done(fault: str) -> None:
    """A reply that did not come says nothing about the write."""
    documents = FailingDocuments()
    log = UptimeLog(documents, wall)
    log.add("a", NOW - 100, NOW - 50, UP)
    setattr(documents, fault, True)
    for _ in range(3):
        with pytest.raises(ProblemError):
            await log.flush()
        log.add("a", NOW - 50, NOW - 40, UP)
        setattr(documents, fault, False)
        await log.flush()
        setattr(documents, fault, True)
        log.add("a", NOW - 40, NOW - 30, UP)
    setattr(documents, fault, False)
    await log.flush()
    assert await read(documents) == pytest.approx(50 + 3 * 10 + 3 * 10)
    assert total(log.book) == pytest.approx(110)


async def test_two_workers_add_to_the_same_day() -> None:
    """The one that is refused reads what the other has stored, and adds its own."""
    documents = MemoryDocuments()
    one, two = UptimeLog(documents, wall), UptimeLog(documents, wall)
    for log, seconds in ((one, 30), (two, 20), (one, 5)):
        log.add("a", NOW - seconds, NOW, UP)
        await log.flush()
    assert await read(documents) == pytest.approx(55)
    assert total(one.book) == pytest.approx(55)


async def test_a_damaged_day_is_left_out_and_written_over() -> None:
    """It does not stop the days after it, nor what is added to it."""
    documents = MemoryDocuments()
    log = UptimeLog(documents, wall)
    log.add("a", NOW - 10, NOW, UP)
    await log.flush()
    (day,) = await documents.documents(UPTIME, now=NOW)
    await documents.store_document(Document(UPTIME, day.name, 2, NOW + DAY, b"{broken"), now=NOW)
    again = UptimeLog(documents, wall)
    await again.load()
    assert total(again.book) == 0
    again.add("a", NOW - 7, NOW, UP)
    await again.flush()
    assert await read(documents) == pytest.approx(7)


async def test_a_slot_never_has_more_seconds_than_it_lasts() -> None:
    """Ninety days of looks add up to ninety days."""
    log = UptimeLog(MemoryDocuments(), wall)
    for number in range(500):
        log.add("a", NOW + number * 7.3, NOW + (number + 1) * 7.3, UP)
        if number % 50 == 0:
            await log.flush()
    await log.flush()
    assert total(log.book) == pytest.approx(500 * 7.3)
    assert max(tally.up for tally in log.book.values()) <= SLOT + 1e-6


async def test_a_damaged_incident_is_left_out_and_its_number_is_not_given_again() -> None:
    """The others stay readable."""
    documents = MemoryDocuments()
    ledger = Ledger(documents, wall)
    await ledger.put_incident(outage(NOW, number=0))
    await documents.store_document(Document(INCIDENT, f"{2:010d}", 1, NOW + DAY, b"[]"), now=NOW)
    await ledger.load()
    assert list(ledger.incidents) == [1]
    opened = await ledger.put_incident(outage(NOW, number=0))
    assert opened is not None
    assert opened.number == 3


async def test_the_number_of_incidents_is_bounded_and_open_ones_stay() -> None:
    """Those that ended first are deleted, in the store too."""
    documents = MemoryDocuments()
    ledger = Ledger(documents, wall)
    await ledger.put_incident(outage(NOW, number=0))
    for number in range(INCIDENTS + 3):
        await ledger.put_incident(outage(NOW + number, number=0, is_open=False))
    assert len(ledger.incidents) == INCIDENTS
    assert ledger.incidents[1].is_open
    assert 2 not in ledger.incidents
    assert len(await documents.documents(INCIDENT, now=NOW)) == INCIDENTS


async def test_what_was_decided_on_an_older_version_is_refused() -> None:
    """The other worker's change stays."""
    documents = MemoryDocuments()
    one, two = Ledger(documents, wall), Ledger(documents, wall)
    incident = await one.put_incident(outage(NOW, number=0))
    await two.load()
    assert incident is not None
    assert await one.put_incident(incident) is not None
    assert await two.put_incident(two.incidents[1]) is None
    await two.load()
    assert await two.put_incident(two.incidents[1]) is not None

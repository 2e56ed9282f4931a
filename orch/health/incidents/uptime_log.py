"""The seconds that services were up or down, added up in memory and stored by the day."""

import secrets
from collections.abc import Callable
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from orch.health.incidents.records import STORED_DAYS
from orch.health.incidents.uptime import DAY, SLOTS, Book, Place, Tally, day_name, spread
from orch.stores.protocols import DocumentStore
from orch.stores.records import Document

log = structlog.get_logger("incidents")

UPTIME: Final = "uptime"

Slots = dict[int, Tally]


class StoredDay(Struct, frozen=True, kw_only=True):
    """One day of a service, as it is stored. ``batch``: what was added to it last, and by which worker."""

    service: str
    day: int
    slots: Slots
    batch: str = ""


class UptimeLog:
    """What is known of all services. Bounded: a day of a service has 48 slots, and 91 days are stored.

    The mutable state is what was last read or written (``_stored``), what was added since (``_added``), and
    the sum of both. If another worker has stored the same day meanwhile, its sums are read, and what was
    added here is added to them.

    Error handling: a write whose reply did not come may have been done. It is known by its batch when the day
    is read again, so that no second counts twice.
    """

    def __init__(self, store: DocumentStore, wall: Callable[[], float]) -> None:
        self._store = store
        self._wall = wall
        self._stored: dict[tuple[str, int], Slots] = {}
        self._revisions: dict[str, int] = {}
        self._added: dict[tuple[str, int], Slots] = {}
        self._book: dict[Place, Tally] = {}
        self._writer = secrets.token_hex(8)
        self._batches = 0
        self._unconfirmed: dict[tuple[str, int], tuple[str, Slots]] = {}

    @property
    def book(self) -> Book:
        """The sums."""
        return self._book

    def add(self, service: str, start: float, end: float, of_second: Tally) -> None:
        """Add the time between two times; ``of_second``: what each second adds."""
        for place, seconds in spread(service, start, end):
            tally = of_second.times(seconds)
            slots = self._added.setdefault((service, place.day), {})
            slots[place.slot] = slots.get(place.slot, Tally()) + tally
            self._book[place] = self._book.get(place, Tally()) + tally

    async def load(self) -> None:
        """Read all days. ProblemError: store_unavailable."""
        found = await self._store.documents(UPTIME, now=self._wall())
        stored: dict[tuple[str, int], Slots] = {}
        for document in found:
            try:
                day = msgspec.json.decode(document.body, type=StoredDay)
            except msgspec.MsgspecError as error:
                log.warning("stored document left out", kind=UPTIME, name=document.name, reason=str(error))
                continue
            key = (day.service, day.day)
            stored[key] = day.slots
            batch, added = self._unconfirmed.get(key, ("", {}))
            if batch and batch == day.batch:
                self._keep_added_since(key, added)
        self._unconfirmed.clear()
        self._stored = stored
        self._revisions = {document.name: document.revision for document in found}
        self._book = {}
        for (service, day_number), slots in stored.items():
            self._sum(service, day_number, slots)
        for (service, day_number), slots in self._added.items():
            self._sum(service, day_number, slots)

    def _sum(self, service: str, day: int, slots: Slots) -> None:
        for slot, tally in slots.items():
            place = Place(service, day, slot)
            self._book[place] = self._book.get(place, Tally()) + tally

    async def flush(self) -> None:
        """Store what was added. ProblemError: store_unavailable; then it stays for the next time."""
        for key in list(self._added):
            if not await self._flush(key):
                await self.load()
                await self._flush(key)  # if a third worker was first again, it stays for the next time

    async def _flush(self, key: tuple[str, int]) -> bool:
        if key in self._unconfirmed:
            await self.load()
            if key not in self._added:
                return True
        service, day = key
        name = f"{day_name(day)} {service}"
        revision, stored = self._revisions.get(name, 0), self._stored.get(key, {})
        added = dict(self._added[key])
        self._batches += 1
        batch = f"{self._writer}:{self._batches}"
        self._unconfirmed[key] = (batch, added)
        slots = dict(stored)
        for slot, tally in added.items():
            slots[slot] = slots.get(slot, Tally()) + tally
        body = msgspec.json.encode(StoredDay(service=service, day=day, slots=slots, batch=batch))
        expires = float((day + 1 + STORED_DAYS) * DAY)
        document = Document(UPTIME, name, revision + 1, expires, body)
        is_stored = await self._store.store_document(document, now=self._wall())
        del self._unconfirmed[key]
        if not is_stored:
            return False
        self._stored[key], self._revisions[name] = slots, revision + 1
        self._keep_added_since(key, added)
        self._forget_before(int(self._wall() // DAY) - STORED_DAYS)
        return True

    def _keep_added_since(self, key: tuple[str, int], stored: Slots) -> None:
        """Keep only what was added while the rest was stored."""
        left = {
            slot: tally.less(stored[slot]) if slot in stored else tally
            for slot, tally in self._added[key].items()
            if stored.get(slot) != tally
        }
        if left:
            self._added[key] = left
        else:
            del self._added[key]

    def _forget_before(self, day: int) -> None:
        """Drop days that have expired in the store."""
        for key in [key for key in self._stored if key[1] < day]:
            del self._stored[key]
            self._revisions.pop(f"{day_name(key[1])} {key[0]}", None)
            for slot in range(SLOTS):
                self._book.pop(Place(key[0], key[1], slot), None)

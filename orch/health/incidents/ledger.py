"""Incidents and announcements in the store.

Each is a document with a revision: of two workers that change the same one at the same time, or open the same
incident, one is refused, and decides again from what the other has stored.
"""

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
import structlog
import trio
from msgspec.structs import replace

from orch.health.incidents.records import DAY, INCIDENTS, STORED_DAYS, Announcement, Incident
from orch.stores.protocols import DocumentStore
from orch.stores.records import Document

T = TypeVar("T", Incident, Announcement)

log = structlog.get_logger("incidents")

INCIDENT: Final = "incident"
ANNOUNCEMENT: Final = "announcement"

#: Days that something open is stored: it has no end to count from.
_OPEN_DAYS: Final = 3_650


class Shelf:
    """The numbered documents of one kind, as last read or written. Bounded by :data:`INCIDENTS`."""

    def __init__(self, kind: str, store: DocumentStore, wall: Callable[[], float]) -> None:
        self._kind = kind
        self._store = store
        self._wall = wall
        self._bodies: dict[int, bytes] = {}
        self._revisions: dict[int, int] = {}
        self._lock = trio.Lock()

    @property
    def bodies(self) -> dict[int, bytes]:
        """The documents by number, oldest first."""
        return self._bodies

    async def load(self) -> None:
        """Read all of them."""
        async with self._lock:
            found = await self._store.documents(self._kind, now=self._wall())
            numbered = {int(each.name): each for each in found if each.name.isdigit()}
            self._bodies = {number: each.body for number, each in numbered.items()}
            self._revisions = {number: each.revision for number, each in numbered.items()}

    async def put(self, number: int, body: bytes, *, expires: float) -> bool:
        """Store a document that was decided on from what is known at the time of the call.

        False: it was changed meanwhile, by another task or worker, or its number was taken.
        """
        revision = self._revisions.get(number, 0) + 1
        document = Document(self._kind, _name(number), revision, expires, body)
        async with self._lock:
            if not await self._store.store_document(document, now=self._wall()):
                return False
            self._bodies[number], self._revisions[number] = body, revision
            return True

    async def delete(self, number: int) -> None:
        """Delete a document."""
        await self._store.delete_document(self._kind, _name(number))
        self._bodies.pop(number, None)
        self._revisions.pop(number, None)


def _name(number: int) -> str:
    return f"{number:010d}"


class Ledger:
    """The incidents and announcements. The mutable state is what was last read or written.

    Error handling: calls raise ProblemError ``store_unavailable``. A document that cannot be read is logged
    and left out.
    """

    def __init__(self, store: DocumentStore, wall: Callable[[], float]) -> None:
        self._incident_shelf = Shelf(INCIDENT, store, wall)
        self._announcement_shelf = Shelf(ANNOUNCEMENT, store, wall)
        self.incidents: dict[int, Incident] = {}
        self.announcements: dict[int, Announcement] = {}

    async def load(self) -> None:
        """Read everything, also what other workers have changed."""
        await self._incident_shelf.load()
        await self._announcement_shelf.load()
        self.incidents = _read(self._incident_shelf, Incident)
        self.announcements = _read(self._announcement_shelf, Announcement)

    async def put_incident(self, incident: Incident) -> Incident | None:
        """Store an incident, a new one under the next number; None: another worker was first."""
        shelf = self._incident_shelf
        stored = replace(incident, number=incident.number or max(shelf.bodies, default=0) + 1)
        days = _OPEN_DAYS if stored.ended is None else STORED_DAYS
        expires = (stored.began if stored.ended is None else stored.ended) + days * DAY
        if not await shelf.put(stored.number, msgspec.json.encode(stored), expires=expires):
            return None
        self.incidents[stored.number] = stored
        for surplus in self._surplus():
            await shelf.delete(surplus)
            self.incidents.pop(surplus, None)
        return stored

    async def put_announcement(self, announcement: Announcement) -> Announcement | None:
        """Store an announcement, a new one under the next number; None: another worker was first."""
        shelf = self._announcement_shelf
        stored = replace(announcement, number=announcement.number or max(shelf.bodies, default=0) + 1)
        is_lasting = stored.until is None and stored.ended is None
        last = stored.ended or stored.until or stored.at
        expires = last + (_OPEN_DAYS if is_lasting else STORED_DAYS) * DAY
        if not await shelf.put(stored.number, msgspec.json.encode(stored), expires=expires):
            return None
        self.announcements[stored.number] = stored
        return stored

    def _surplus(self) -> list[int]:
        """Return the incidents to delete: those that ended first, beyond the limit."""
        ended = [(each.ended, each.number) for each in self.incidents.values() if each.ended is not None]
        return [number for _, number in sorted(ended)[: max(len(self.incidents) - INCIDENTS, 0)]]


def _read(shelf: Shelf, kind: type[T]) -> dict[int, T]:
    found: dict[int, T] = {}
    for number, body in sorted(shelf.bodies.items()):
        try:
            found[number] = msgspec.json.decode(body, type=kind)
        except msgspec.MsgspecError as error:
            log.warning("stored document left out", kind=kind.__name__, number=number, reason=str(error))
    return found

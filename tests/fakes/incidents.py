"""Documents in memory, and incidents with uptime for the pages to show."""

from types import SimpleNamespace
from typing import Any, Final

import msgspec

from orch.health.feed import HealthFeed
from orch.health.health_events import Stage
from orch.health.incidents.courses import Course, follow
from orch.health.incidents.ledger import INCIDENT
from orch.health.incidents.records import Announcement, Entry, EntryKind, Impact, Incident
from orch.health.incidents.service import IncidentService
from orch.health.incidents.uptime import DAY, Tally
from orch.health.verdict import State
from orch.settings import Settings
from orch.stores.records import Document
from orch.telemetry.events import EventLog

HOSTILE: Final = '<img src=x onerror="document.title=1">'


class MemoryDocuments:
    """Documents as every store has them, without anything that waits."""

    def __init__(self) -> None:
        self._documents: dict[tuple[str, str], Document] = {}

    async def documents(self, kind: str, *, now: float) -> tuple[Document, ...]:
        """Return those of a kind."""
        found = (each for each in self._documents.values() if each.kind == kind and each.expires > now)
        return tuple(sorted(found, key=lambda each: each.name))

    async def store_document(self, document: Document, *, now: float) -> bool:
        """Store one."""
        del now
        key = (document.kind, document.name)
        known = self._documents.get(key)
        if document.revision != (0 if known is None else known.revision) + 1:
            return False
        self._documents[key] = document
        return True

    async def delete_document(self, kind: str, name: str) -> None:
        """Delete one."""
        self._documents.pop((kind, name), None)


def outage(now: float, *, number: int = 1, is_open: bool = True) -> Incident:
    """Return an outage with words that guests must never read."""
    began = now - 900
    entries = [
        Entry(
            at=began,
            kind=EntryKind.OPENED,
            impact=Impact.OUTAGE,
            text="audio-service does not serve requests: refused at http://gpu-1:8000.",
        ),
        Entry(at=began + 5, kind=EntryKind.RECOVERY, stage=Stage.HOOK, text="docker restart gpu-1"),
        Entry(at=began + 60, kind=EntryKind.NOTE, text=f"Ann looks at rack 7 {HOSTILE}"),
    ]
    if not is_open:
        entries.append(
            Entry(at=now - 60, kind=EntryKind.CLOSED, impact=Impact.RECOVERED, text="It is over at gpu-1.")
        )
    return Incident(
        number=number,
        service="audio-service",
        began=began,
        ended=None if is_open else now - 180,
        impact=Impact.OUTAGE if is_open else Impact.RECOVERED,
        worst=Impact.OUTAGE,
        entries=tuple(entries),
        post_mortem="" if is_open else "The disk of gpu-1 was full.",
        post_mortem_at=None if is_open else now - 30,
    )


def scripted_incidents(settings: Settings, scene: str, now: float, wall: Any) -> IncidentService:
    """Return the real service, over documents in memory, as a scene has it; it does not run."""
    service = IncidentService(
        settings=SimpleNamespace(current=settings),
        health=SimpleNamespace(feed=HealthFeed()),  # type: ignore[arg-type]  # it does not run
        documents=MemoryDocuments(),
        events=EventLog(wall=wall),
        wall=wall,
    )
    if scene == "empty":
        return service
    is_open = scene == "broken"
    _put(service, outage(now, is_open=is_open))
    service._ledger.announcements[1] = Announcement(
        number=1, kind="warning", text=f"Slow today. {HOSTILE}" if is_open else "Slow today.", at=now - 60
    )
    service._ledger._announcement_shelf._bodies[1] = b"{}"
    for name, state in (
        ("audio-service", State.UNHEALTHY if is_open else State.HEALTHY),
        ("translation-service", State.HEALTHY),
    ):
        service._courses[name] = follow(Course(since=now - 900), state, now - 900)
        service._uptime.add(name, now - 40 * DAY, now - 20 * DAY, Tally(up=1))
        service._uptime.add(name, now - 10 * DAY, now - 900, Tally(up=1))
    service._uptime.add("audio-service", now - 5 * DAY, now - 4.9 * DAY, Tally(down=1))
    service._uptime.add("audio-service", now - 900, now, Tally(down=1) if is_open else Tally(up=1))
    return service


def _put(service: IncidentService, incident: Incident) -> None:
    shelf = service._ledger._incident_shelf
    service._ledger.incidents[incident.number] = incident
    shelf._bodies[incident.number] = msgspec.json.encode(incident)
    shelf._revisions[incident.number] = 1
    documents: Any = shelf._store
    name = f"{incident.number:010d}"
    documents._documents[INCIDENT, name] = Document(INCIDENT, name, 1, incident.began + 1e9, b"")

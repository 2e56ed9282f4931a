"""Follows the back ends: opens and closes incidents, and adds their uptime up.

Nothing here decides: :mod:`orch.health.incidents.rules` decides on incidents, and
:mod:`orch.health.incidents.uptime` what a bar shows. Of several workers the one that holds the lease writes;
the others follow the back ends too, so that they can take over, and read what it has written.
"""

from collections.abc import Callable, Iterator
from math import inf
from typing import Final, Never

import structlog
import trio
from msgspec.structs import replace

from orch.cluster.lease import Leases
from orch.health.health_events import HealthEvent, MaintenanceChanged, ServiceChanged
from orch.health.incidents.courses import Course, Standing, follow
from orch.health.incidents.ledger import Ledger
from orch.health.incidents.records import NOTES, Announcement, AnnouncementKind, EntryKind, Impact, Incident
from orch.health.incidents.rules import IncidentTimes, View, review, with_note, with_post_mortem
from orch.health.incidents.uptime import GAP_LIMIT, Uptime, Window, tally_of, uptime
from orch.health.incidents.uptime_log import UptimeLog
from orch.health.service import HealthService
from orch.health.starts import OVERDUE, StartStatistics
from orch.health.statistics import MaintenanceStatistics, ServiceStatistics
from orch.problems import ProblemError
from orch.settings.source import SettingsSource
from orch.stores.protocols import DocumentStore
from orch.telemetry.boundaries import Boundary
from orch.telemetry.events import EventLog
from orch.telemetry.names.health import INCIDENT_OPENED, INCIDENTS_OPEN
from orch.telemetry.names.metric import Reading

log = structlog.get_logger("incidents")

LOOK: Final = 2.0
"""Seconds between two looks at the back ends at most; a change of a service is looked at at once."""

READ_AGAIN: Final = 5.0
"""Seconds after which incidents are read again where other workers may have changed them."""

FLUSH: Final = 60.0
"""Seconds between two writes of uptime. A process that is killed loses those since the last one: a gap."""

UPTIME_READ_AGAIN: Final = 30.0
"""Seconds after which a worker that does not write uptime reads it again."""

STORE_WITHIN: Final = 10.0
"""Seconds that one look may wait for the store."""

FLUSH_WITHIN: Final = 2.0
"""Seconds allowed to store the last uptime at shutdown."""

UPTIME_FOR: Final = 15.0
"""Seconds for which a computed uptime is used again."""

ATTEMPTS: Final = 5
"""Attempts to make an operator's change while other workers change the same incident."""

ANNOUNCEMENTS: Final = 20
"""Current announcements at most."""


class IncidentService:
    """Incidents, uptime and announcements.

    The mutable state is the course of each service, what was read from the store, and the cache of uptimes.

    Error handling: while the store is unavailable nothing is opened or closed here, and uptime is added up in
    memory; both continue when it is back.
    """

    def __init__(
        self,
        *,
        settings: SettingsSource,
        health: HealthService,
        documents: DocumentStore,
        events: EventLog,
        wall: Callable[[], float],
        leases: Leases | None = None,
    ) -> None:
        self._settings = settings
        self._health = health
        self._events = events
        self._wall = wall
        self._lease = (leases or Leases()).lease("incidents")
        self._ledger = Ledger(documents, wall)
        self._uptime = UptimeLog(documents, wall)
        self._courses: dict[str, Course] = {}
        self._counted_until: dict[str, float] = {}
        self._maintenance: dict[str, float] = {}
        self._computed: dict[tuple[str, Window], tuple[float, Uptime]] = {}
        self._editing = trio.Lock()  # the changes of operators, one after the other
        self._is_loaded = False
        self._read_at = self._uptime_read_at = self._flushed_at = -inf
        self.boundary = Boundary("incidents")

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Follow the back ends until cancelled; what was added up by then is stored."""
        self._courses.clear()  # nothing is known about the time in which this did not run
        self._counted_until.clear()
        with self._health.feed.subscribe() as events:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._lease.hold, _sleep)
                task_status.started()
                try:
                    while True:
                        await self._look()
                        event: HealthEvent | None = None
                        with trio.move_on_after(LOOK):
                            event = await events.receive()
                        while event is not None:
                            self._apply(event)
                            event = events.receive_nowait()
                finally:
                    with trio.move_on_after(FLUSH_WITHIN, shield=True):
                        await self._flush_last()

    # --- following ------------------------------------------------------------------------------------------

    def _apply(self, event: HealthEvent) -> None:
        if isinstance(event, ServiceChanged):
            self._count(event.service, event.at)
            course = self._courses.get(event.service) or follow(
                Course(since=event.at), event.before, event.at
            )
            self._courses[event.service] = follow(course, event.after, event.at)
        elif isinstance(event, MaintenanceChanged):
            self._count(event.service, event.at)
            if event.is_on:
                self._maintenance[event.service] = event.until
            else:
                self._maintenance.pop(event.service, None)

    def _follow(self, services: tuple[ServiceStatistics, ...], now: float) -> None:
        """Follow the current states: of services without an event so far, and where events were dropped."""
        for name in self._courses.keys() - {service.name for service in services}:
            del self._courses[name]
            self._counted_until.pop(name, None)
            self._maintenance.pop(name, None)
        for service in services:
            self._count(service.name, now)
            if isinstance(service.maintenance, MaintenanceStatistics):
                self._maintenance[service.name] = service.maintenance.until
            else:
                self._maintenance.pop(service.name, None)
            course = self._courses.get(service.name) or Course(since=min(service.since, now))
            is_overdue = any(
                isinstance(each.start, StartStatistics) and each.start.phase in OVERDUE
                for each in service.instances
            )
            self._courses[service.name] = follow(course, service.state, service.since, is_overdue=is_overdue)

    def _count(self, service: str, now: float) -> None:
        """Add the time since the last look, as the service stood in it; a gap adds nothing."""
        since = self._counted_until.get(service)
        self._counted_until[service] = now if since is None else max(now, since)
        course = self._courses.get(service)
        if since is None or course is None or not 0 < now - since <= GAP_LIMIT or not self._lease.is_held:
            return
        is_planned = self._is_in_maintenance(service, since)
        of_second = tally_of(course.standing, 1.0, is_planned=is_planned)
        if of_second != tally_of(Standing.UNKNOWN, 1.0, is_planned=False):
            self._uptime.add(service, since, now, of_second)

    def _is_in_maintenance(self, service: str, now: float) -> bool:
        return now < self._maintenance.get(service, -inf)

    # --- looking --------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        with self.boundary.item(step="look"):
            services = self._health.statistics().services
            now = self._wall()
            self._follow(services, now)
            try:
                with trio.fail_after(STORE_WITHIN):
                    await self._read_again()
                    if self._lease.is_held:
                        await self._review(services, now)
                        await self._flush()
            except (ProblemError, trio.TooSlowError) as error:
                # The store itself shows and logs that it is away; what was not done is done by a later look.
                log.debug("incidents wait for the store", reason=str(error))

    async def _read_again(self) -> None:
        now = trio.current_time()
        is_shared = self._lease.is_shared
        if not self._is_loaded or (is_shared and now - self._read_at >= READ_AGAIN):
            await self._ledger.load()
            self._read_at = now
        # The worker that writes the uptime knows it; it reads again only where another one was first.
        if not self._is_loaded or (
            is_shared and not self._lease.is_held and now - self._uptime_read_at >= UPTIME_READ_AGAIN
        ):
            await self._uptime.load()
            self._uptime_read_at = now
        self._is_loaded = True

    async def _review(self, services: tuple[ServiceStatistics, ...], now: float) -> None:
        rules = self._settings.current.orchestration.incidents
        views = {
            service.name: View(
                course=self._courses[service.name],
                reason=service.reason,
                steps=service.steps,
                is_in_maintenance=self._is_in_maintenance(service.name, now),
            )
            for service in services
        }
        known = dict(self._ledger.incidents)
        is_open = [incident for incident in known.values() if incident.is_open]
        times = IncidentTimes(
            open_after=rules.open_after, degraded_after=rules.degraded_after, close_after=rules.close_after
        )
        for incident in review(is_open, views, times, now):
            if self._ledger.incidents.get(incident.number) is not known.get(incident.number):
                return  # an operator has changed it meanwhile: the next look decides again
            stored = await self._ledger.put_incident(incident)
            if stored is None:
                await self._ledger.load()
                return
            self._record(stored, is_new=incident.number == 0)

    def _record(self, incident: Incident, *, is_new: bool) -> None:
        if is_new:
            severity = "bad" if incident.impact is Impact.OUTAGE else "warn"
            text = f"Incident {incident.number} opened: {incident.entries[0].text}"
        elif not incident.is_open:
            severity = "ok"
            text = f"Incident {incident.number} closed: {incident.entries[-1].text}"
        else:
            return
        self._events.record(severity, incident.service, text)  # type: ignore[arg-type]  # literals, above
        log.info("incident", number=incident.number, service=incident.service, text=text)

    async def _flush(self) -> None:
        now = trio.current_time()
        if now - self._flushed_at >= FLUSH:
            self._flushed_at = now
            await self._uptime.flush()

    async def _flush_last(self) -> None:
        with self.boundary.item(step="last uptime"):
            if not self._is_loaded:
                return
            now = self._wall()
            for service in tuple(self._courses):
                self._count(service, now)
            try:
                await self._uptime.flush()
            except ProblemError as error:
                log.warning("last uptime not stored", reason=error.detail)

    # --- what operators and guests read ---------------------------------------------------------------

    def incidents(self) -> tuple[Incident, ...]:
        """Return the stored incidents: open ones first, then those that began last."""
        found = self._ledger.incidents.values()
        return tuple(sorted(found, key=lambda each: (not each.is_open, -each.began, -each.number)))

    def incident(self, number: int) -> Incident:
        """Return an incident. ProblemError: unknown_incident."""
        found = self._ledger.incidents.get(number)
        if found is None:
            raise ProblemError("unknown_incident", f"No incident has the number {number}.")
        return found

    def announcements(self) -> tuple[Announcement, ...]:
        """Return the stored announcements, the newest first."""
        return tuple(sorted(self._ledger.announcements.values(), key=lambda each: -each.number))

    def current_announcements(self) -> tuple[Announcement, ...]:
        """Return those that are shown now, the newest first."""
        now = self._wall()
        return tuple(each for each in self.announcements() if each.is_current(now))

    def standing(self, service: str) -> Standing:
        """Return how a service stands now."""
        course = self._courses.get(service)
        return Standing.UNKNOWN if course is None else course.standing

    def is_in_maintenance(self, service: str) -> bool:
        """Return whether a service is in a maintenance window."""
        return self._is_in_maintenance(service, self._wall())

    def services(self) -> tuple[str, ...]:
        """Return the names of the services in the settings."""
        return tuple(self._settings.current.services)

    def uptime(self, service: str, window: Window) -> Uptime:
        """Return the uptime of a service, computed again at most every :data:`UPTIME_FOR` s."""
        now = self._wall()
        key = (service, window)
        found = self._computed.get(key)
        if found is None or not 0 <= now - found[0] < UPTIME_FOR:
            known = set(self.services())
            self._computed = {each: kept for each, kept in self._computed.items() if each[0] in known}
            found = (now, uptime(self._uptime.book, service, window, now))
            if service in known:
                self._computed[key] = found
        return found[1]

    def now(self) -> float:
        """Return the time, in seconds since the epoch."""
        return self._wall()

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        yield from self.boundary.readings()
        began = {each.service: each.began for each in self._ledger.incidents.values() if each.is_open}
        for service in self.services():
            yield Reading(INCIDENTS_OPEN, float(service in began), (service,))
            if service in began:
                yield Reading(INCIDENT_OPENED, began[service], (service,))

    # --- what operators change ------------------------------------------------------------------------------

    async def add_note(self, number: int, text: str) -> Incident:
        """Add a note to an incident. ProblemError: unknown_incident, too_many_notes, store_unavailable."""

        def change(incident: Incident) -> Incident:
            if sum(entry.kind is EntryKind.NOTE for entry in incident.entries) >= NOTES:
                raise ProblemError("too_many_notes", f"An incident can have {NOTES} notes at most.")
            return with_note(incident, text, self._wall())

        return await self._change(number, change)

    async def set_post_mortem(self, number: int, text: str) -> Incident:
        """Replace the post-mortem of an incident. ProblemError: unknown_incident, store_unavailable."""
        return await self._change(number, lambda incident: with_post_mortem(incident, text, self._wall()))

    async def _change(self, number: int, change: Callable[[Incident], Incident]) -> Incident:
        async with self._editing:
            for _ in range(ATTEMPTS):
                stored = await self._ledger.put_incident(change(self.incident(number)))
                if stored is not None:
                    return stored
                await self._ledger.load()
        raise ProblemError("store_unavailable", "The incident is being changed elsewhere. Try again.")

    async def announce(self, kind: AnnouncementKind, text: str, *, until: float | None) -> Announcement:
        """Show an announcement. ProblemError: too_many_announcements, store_unavailable."""
        async with self._editing:
            for _ in range(ATTEMPTS):
                if len(self.current_announcements()) >= ANNOUNCEMENTS:
                    raise ProblemError(
                        "too_many_announcements",
                        f"{ANNOUNCEMENTS} announcements are shown already. End one first.",
                    )
                wanted = Announcement(kind=kind, text=text, at=self._wall(), until=until)
                stored = await self._ledger.put_announcement(wanted)
                if stored is not None:
                    return stored
                await self._ledger.load()
        raise ProblemError("store_unavailable", "Announcements are being changed elsewhere. Try again.")

    async def end_announcement(self, number: int) -> Announcement:
        """End an announcement; one that has ended stays so. ProblemError: unknown_announcement, …."""
        async with self._editing:
            for _ in range(ATTEMPTS):
                found = self._ledger.announcements.get(number)
                if found is None:
                    raise ProblemError("unknown_announcement", f"No announcement has the number {number}.")
                if not found.is_current(self._wall()):
                    return found
                stored = await self._ledger.put_announcement(replace(found, ended=self._wall()))
                if stored is not None:
                    return stored
                await self._ledger.load()
        raise ProblemError("store_unavailable", "Announcements are being changed elsewhere. Try again.")


async def _sleep(_fence: int) -> Never:
    await trio.sleep_forever()
    raise AssertionError

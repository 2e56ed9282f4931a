"""Alerts in the store that the workers share.

Each is a document with a revision: of two workers that change the same alert at the same time one is refused,
reads it again, and decides again.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec
import structlog
import trio

from orch.alerts.records import STORED_FOR, Alert
from orch.alerts.rules import surplus
from orch.problems import ProblemError
from orch.stores.protocols import DocumentStore
from orch.stores.records import Document

KIND: Final = "alert"

ATTEMPTS: Final = 5
"""Attempts to change an alert that other workers change too."""

FIRING_FOR: Final = 3_650 * 86_400.0
"""Seconds that an alert is stored that fires: it has no end to count from."""

_log = structlog.get_logger("alerts")

Change = Callable[[Alert | None], Alert | None]
"""Returns the changed alert, or the given one: nothing changes."""


class Shelf:
    """The alerts, as last read or written. Bounded by :data:`orch.alerts.records.STORED`.

    Overflow rule: :func:`orch.alerts.rules.surplus`; ``dropped`` counts the alerts.

    Error handling: calls raise ProblemError ``store_unavailable``. A change is in ``alerts`` before it is
    stored, so that pages show it while the store is away; it is stored by a later change, or :meth:`flush`.
    """

    def __init__(self, store: DocumentStore, wall: Callable[[], float]) -> None:
        self._store = store
        self._wall = wall
        self._revisions: dict[str, int] = {}
        self._unstored: set[str] = set()
        self._lock = trio.Lock()
        self.alerts: dict[str, Alert] = {}
        self.dropped = 0

    async def load(self) -> None:
        """Read all of them; what could not be stored yet stays as it is."""
        async with self._lock:
            found = await self._store.documents(KIND, now=self._wall())
            alerts, revisions = {}, {}
            for document in found:
                revisions[document.name] = document.revision
                try:
                    alerts[document.name] = msgspec.json.decode(document.body, type=Alert)
                except msgspec.MsgspecError as error:
                    _log.warning("stored alert left out", fingerprint=document.name, reason=str(error))
            kept = {name: self.alerts[name] for name in self._unstored if name in self.alerts}
            self.alerts, self._revisions = alerts | kept, revisions

    async def change(self, fingerprint: str, change: Change) -> tuple[Alert | None, Alert | None]:
        """Change an alert; return it before and after that."""
        async with self._lock:
            before = self.alerts.get(fingerprint)
            for _ in range(ATTEMPTS):
                before = self.alerts.get(fingerprint)
                after = change(before)
                if after is None or (after is before and fingerprint not in self._unstored):
                    return before, after
                self.alerts[fingerprint] = after
                if await self._put(after):
                    await self._drop_surplus()
                    return before, after
                await self._read_one(fingerprint)
        raise ProblemError("store_unavailable", "The alert is being changed by another worker. Try again.")

    def remember(self, alert: Alert) -> None:
        """Show an alert with other texts, without storing them."""
        self.alerts[alert.fingerprint] = alert

    async def flush(self) -> None:
        """Store what could not be stored before."""
        for fingerprint in tuple(self._unstored):
            await self.change(fingerprint, lambda alert: alert)

    async def drop_old(self) -> None:
        """Drop the alerts that ended long ago; the store does so by itself."""
        now = self._wall()
        async with self._lock:
            self._forget(
                name
                for name, each in tuple(self.alerts.items())
                if each.ended is not None and each.ended + STORED_FOR <= now
            )

    async def _put(self, alert: Alert) -> bool:
        name = alert.fingerprint
        revision = self._revisions.get(name, 0) + 1
        now = self._wall()
        expires = now + (FIRING_FOR if alert.ended is None else STORED_FOR)
        self._unstored.add(name)
        document = Document(KIND, name, revision, expires, msgspec.json.encode(alert))
        if not await self._store.store_document(document, now=now):
            return False
        self._unstored.discard(name)
        self._revisions[name] = revision
        return True

    async def _read_one(self, fingerprint: str) -> None:
        found = await self._store.documents(KIND, now=self._wall())
        document = next((each for each in found if each.name == fingerprint), None)
        if document is None:
            self._revisions.pop(fingerprint, None)
            self.alerts.pop(fingerprint, None)
            return
        self._revisions[fingerprint] = document.revision
        try:
            self.alerts[fingerprint] = msgspec.json.decode(document.body, type=Alert)
        except msgspec.MsgspecError as error:
            _log.warning("stored alert left out", fingerprint=fingerprint, reason=str(error))
            self.alerts.pop(fingerprint, None)

    async def _drop_surplus(self) -> None:
        for fingerprint in surplus(self.alerts):
            await self._store.delete_document(KIND, fingerprint)
            self._forget((fingerprint,))
            self.dropped += 1

    def _forget(self, fingerprints: Iterable[str]) -> None:
        for fingerprint in tuple(fingerprints):
            self.alerts.pop(fingerprint, None)
            self._revisions.pop(fingerprint, None)
            self._unstored.discard(fingerprint)

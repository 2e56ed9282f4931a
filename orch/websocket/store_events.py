"""The handler of store events: each is passed to the part of the hub that it concerns."""

from collections.abc import Callable

from orch.cluster.survey import Survey
from orch.stores.records import Appended
from orch.stores.status import StoreStatus
from orch.telemetry.events import EventLog
from orch.telemetry.topics import Topics
from orch.websocket.announcements import Announcements
from orch.websocket.sessions.sessions import Sessions


class StoreEventHandler:
    """Handles the events of the store for this worker; see :class:`orch.stores.protocols.StoreEvents`.

    It keeps no state. The hub registers it when it is built, before the store runs. Events arrive also while
    the hub's branch is restarted: the sessions in memory and their connections outlive a restart.
    """

    def __init__(
        self,
        *,
        sessions: Sessions,
        announcements: Announcements,
        survey: Survey,
        events: EventLog,
        topics: Topics,
    ) -> None:
        self._sessions = sessions
        self._cluster = sessions.cluster
        self._announcements = announcements
        self._events = events
        self._topics = topics
        self._survey = survey

    def appended(self, message: Appended) -> None:
        """Deliver a stored message to the members on this worker."""
        self._sessions.deliver(message)

    def status_changed(self, status: StoreStatus) -> None:
        """Publish to operators and clients that sessions cannot be stored now, or that they can again."""
        self._topics.touch("store")
        self._announcements.store_changed(status)

    def recovered_data(self, text: str) -> None:
        """Record for operators what was rescued from a damaged file."""
        self._events.record("warn", "store", text)

    def connection_changed(self, is_open: bool) -> None:  # noqa: FBT001 - as StoreEvents has it
        """Exchange participants and hosts' decisions with the other workers again when it is back."""
        if is_open:
            self._cluster.resynchronise()
            self._sessions.check_moderation()

    def received(self, session_id: str, payload: bytes) -> None:
        """Apply a message of another worker."""
        self._cluster.receive(session_id, payload)

    def ended(self, session_id: str) -> None:
        """Remove a session that was ended, and notify its members here."""
        self._cluster.drop(session_id)
        self._sessions.ended_by_another_worker(session_id)

    def lost(self, session_id: str) -> None:
        """Remove a session that the store has lost, and notify its members here."""
        self._cluster.drop(session_id)
        self._sessions.lost(session_id)

    def is_unused(self, session_id: str) -> bool:
        """Evict a session that nobody here is in; False: it is in use."""
        is_unused = self._sessions.cache.evict(session_id)
        if is_unused:
            self._cluster.drop(session_id)
        return is_unused

    def surveyed(self, request: bytes, reply: Callable[[bytes], None]) -> None:
        """Reply to a survey of another worker."""
        self._survey.reply(request, reply)

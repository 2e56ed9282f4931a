"""A handler of store events that records them."""

from collections.abc import Callable

from orch.stores.protocols import IgnoreEvents
from orch.stores.records import Appended
from orch.stores.status import StoreStatus


class RecordedEvents(IgnoreEvents):
    """Records the events of a store, in order; ``changed`` is called after each.

    ``reply`` and ``unused`` give the store its answers; ``on_appended`` is called with each message before it
    is recorded, and may raise.
    """

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self.messages: list[Appended] = []
        self.received_messages: list[tuple[str, bytes]] = []
        self.ended_sessions: list[str] = []
        self.lost_sessions: list[str] = []
        self.connections: list[bool] = []
        self.statuses: list[StoreStatus] = []
        self.recovered: list[str] = []
        self.on_appended: Callable[[Appended], None] = lambda _message: None
        self.reply: Callable[[bytes], bytes] = lambda _request: b""
        self.unused: Callable[[str], bool] = lambda _session_id: False
        self._changed = changed

    def appended(self, message: Appended) -> None:
        """Record a message."""
        self.on_appended(message)
        self.messages.append(message)
        self._changed()

    @property
    def healthy(self) -> list[bool]:
        """Of each change of the status, whether the store was healthy."""
        return [status.state == "healthy" for status in self.statuses]

    def received(self, session_id: str, payload: bytes) -> None:
        """Record what another worker published."""
        self.received_messages.append((session_id, payload))
        self._changed()

    def ended(self, session_id: str) -> None:
        """Record a session that was ended."""
        self.ended_sessions.append(session_id)
        self._changed()

    def lost(self, session_id: str) -> None:
        """Record a session that was lost."""
        self.lost_sessions.append(session_id)
        self._changed()

    def connection_changed(self, is_open: bool) -> None:  # noqa: FBT001 - as StoreEvents has it
        """Record whether there is a connection."""
        self.connections.append(is_open)
        self._changed()

    def status_changed(self, status: StoreStatus) -> None:
        """Record a status."""
        self.statuses.append(status)
        self._changed()

    def recovered_data(self, text: str) -> None:
        """Record what was rescued."""
        self.recovered.append(text)
        self._changed()

    def is_unused(self, session_id: str) -> bool:
        """Return what ``unused`` returns."""
        return self.unused(session_id)

    def surveyed(self, request: bytes, reply: Callable[[bytes], None]) -> None:
        """Reply what ``reply`` returns."""
        reply(self.reply(request))

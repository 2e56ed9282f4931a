"""The channels that a worker subscribes to, and which subscriptions the server has confirmed.

In a cluster a command may name channels of one slot only, so each session's channel has its own subscription
command. The commands are sent all at once; the confirmations arrive later.
"""

from collections.abc import Iterable

import trio

from orch.stores.redis.connection import Link, LinkLostError
from orch.stores.redis.keys import PROBE, channel, channel_session, on_wire


class Subscriptions:
    """The subscriptions to sessions' channels, over successive connections.

    The mutable state is the connection, and the number of outstanding confirmations of each session. A
    session is subscribed once there are none: confirmations of earlier subscriptions do not count.
    """

    def __init__(self, database: int) -> None:
        self._database = database
        self._link: Link | None = None
        self._awaited: dict[str, int] = {}
        self._confirmations: dict[str, trio.Event] = {}
        self._to_begin: set[bytes] = set()
        self._begun = trio.Event()

    def begin(self, link: Link, control: Iterable[bytes]) -> trio.Event:
        """Subscribe on a new connection: to ``control``, and then to all sessions' channels.

        Return the event that is set once the server has confirmed ``control`` and a probe channel, which
        shows whether subscribing to sessions' channels is permitted. Raises LinkLostError.
        """
        names = tuple(control)
        self._link = link
        self._to_begin = {*names, channel(PROBE)}
        self._begun = trio.Event()
        link.send(b"SUBSCRIBE", *(on_wire(name, self._database) for name in names))
        link.send(b"SSUBSCRIBE" if link.is_sharded else b"SUBSCRIBE", self._channel(PROBE))
        self._awaited.clear()
        for session_id in tuple(self._confirmations):
            # The waiters wake, see the new event, and wait for that.
            self._confirmations[session_id].set()
            self._confirmations[session_id] = trio.Event()
        return self._begun

    def end(self) -> None:
        """Handle a lost connection."""
        self._link = None

    def add(self, session_id: str) -> None:
        """Subscribe to a session's channel."""
        self._confirmations[session_id] = trio.Event()
        self._send(session_id, is_wanted=True)

    def drop(self, session_id: str) -> None:
        """Unsubscribe from a session's channel."""
        event = self._confirmations.pop(session_id, None)
        if event is not None:
            event.set()
            self._send(session_id, is_wanted=False)

    def confirmation(self, session_id: str) -> trio.Event | None:
        """Return the event set when a pending subscription is confirmed, replaced or dropped, or None."""
        return self._confirmations.get(session_id)

    def confirmed(self, name: bytes) -> str | None:
        """Handle a confirmation of the server; return the session that is subscribed now, if any."""
        if name in self._to_begin:
            self._to_begin.discard(name)
            if not self._to_begin:
                self._begun.set()
                for session_id in self._confirmations.keys() - self._awaited.keys():
                    self._send(session_id, is_wanted=True)
            return None
        session_id = channel_session(name)
        left = self._awaited.get(session_id, 0) - 1
        if left > 0:
            self._awaited[session_id] = left
            return None
        self._awaited.pop(session_id, None)
        event = self._confirmations.get(session_id)
        if event is None:
            return None
        event.set()
        return session_id

    def _channel(self, session_id: str) -> bytes:
        return on_wire(channel(session_id), self._database)

    def _send(self, session_id: str, *, is_wanted: bool) -> None:
        link = self._link
        if link is None:
            return  # sent with all others once there is a connection
        word = b"SUBSCRIBE" if is_wanted else b"UNSUBSCRIBE"
        try:
            link.send(b"S" + word if link.is_sharded else word, self._channel(session_id))
        except LinkLostError:
            # The receiver notices too, and everything is subscribed again.
            self._link = None
            return
        if is_wanted:
            self._awaited[session_id] = self._awaited.get(session_id, 0) + 1

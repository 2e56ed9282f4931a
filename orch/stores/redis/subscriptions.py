"""Which channels a worker listens on, and which of them the server has confirmed.

Where sessions lie on several nodes of a cluster, a command may name channels of one slot only, so each
session's channel is subscribed to by a command of its own. They are said all at once; only the answers take
their time.
"""

from collections.abc import Iterable

import trio

from orch.stores.redis.connection import Link, LinkLostError
from orch.stores.redis.keys import TRIAL, channel, channel_session, on_wire


class Subscriptions:
    """The channels of sessions, over one connection after another.

    The mutable state is the connection, and for each session how many confirmations are still to come. A
    session is heard once there are none: what was confirmed before it was given up says nothing.
    """

    def __init__(self, database: int) -> None:
        self._database = database
        self._link: Link | None = None
        self._awaited: dict[str, int] = {}
        self._heard: dict[str, trio.Event] = {}
        self._to_begin: set[bytes] = set()
        self._begun = trio.Event()

    def begin(self, link: Link, control: Iterable[bytes]) -> trio.Event:
        """Listen on a new connection: on ``control``, and then on all sessions' channels.

        Return what is set once the server lets us, however many sessions there are. That is tried on a
        channel that nobody uses as well: the right to listen on a session's may be missing. Raises
        LinkLostError.
        """
        names = tuple(control)
        self._link = link
        self._to_begin = {*names, channel(TRIAL)}
        self._begun = trio.Event()
        link.say(b"SUBSCRIBE", *(on_wire(name, self._database) for name in names))
        link.say(b"SSUBSCRIBE" if link.is_sharded else b"SUBSCRIBE", self._channel(TRIAL))
        self._awaited.clear()
        for session_id in tuple(self._heard):
            # Whoever waits goes on, sees that it is another one now, and waits for that.
            self._heard[session_id].set()
            self._heard[session_id] = trio.Event()
        return self._begun

    def end(self) -> None:
        """Take it that the connection is lost."""
        self._link = None

    def add(self, session_id: str) -> None:
        """Listen on a session's channel."""
        self._heard[session_id] = trio.Event()
        self._say(session_id, is_wanted=True)

    def drop(self, session_id: str) -> None:
        """Listen on it no more."""
        event = self._heard.pop(session_id, None)
        if event is not None:
            event.set()
            self._say(session_id, is_wanted=False)

    def heard(self, session_id: str) -> trio.Event | None:
        """Return what is set once the channel is listened on, or replaced or dropped; None: it is not."""
        return self._heard.get(session_id)

    def confirmed(self, name: bytes) -> str | None:
        """Take in that the server listens for us; return the session that is heard from now on, if any."""
        if name in self._to_begin:
            self._to_begin.discard(name)
            if not self._to_begin:
                self._begun.set()
                for session_id in self._heard.keys() - self._awaited.keys():
                    self._say(session_id, is_wanted=True)
            return None
        session_id = channel_session(name)
        left = self._awaited.get(session_id, 0) - 1
        if left > 0:
            self._awaited[session_id] = left
            return None
        self._awaited.pop(session_id, None)
        event = self._heard.get(session_id)
        if event is None:
            return None
        event.set()
        return session_id

    def _channel(self, session_id: str) -> bytes:
        return on_wire(channel(session_id), self._database)

    def _say(self, session_id: str, *, is_wanted: bool) -> None:
        link = self._link
        if link is None:
            return  # said with all others once there is a connection
        word = b"SUBSCRIBE" if is_wanted else b"UNSUBSCRIBE"
        try:
            link.say(b"S" + word if link.is_sharded else word, self._channel(session_id))
        except LinkLostError:
            # Whoever listens on it finds out as well, and everything is subscribed to anew.
            self._link = None
            return
        if is_wanted:
            self._awaited[session_id] = self._awaited.get(session_id, 0) + 1

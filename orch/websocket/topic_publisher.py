"""Publishes topics to their subscribers."""

from collections.abc import Callable
from typing import Final, Never

import msgspec
import structlog
import trio
from msgspec import UNSET, Raw

from orch.problems import ProblemError
from orch.protocol.messages import Subscribe, Subscribed, Unsubscribe, Unsubscribed, Update
from orch.telemetry.boundaries import Boundary
from orch.telemetry.topics import Topics
from orch.websocket.connections.connection import Connection
from orch.websocket.connections.outbox import Frame, frame

#: Seconds between two reads of each topic, which is published if it has changed.
BEAT: Final = 1.0
#: A touched topic is published at once, but no sooner than this many seconds after the last time.
COALESCE_WITHIN: Final = 0.1

#: Topics of families (as ``bots/ID``) that one connection can follow at a time.
OF_FAMILIES: Final = 64

_log = structlog.get_logger("websocket")


class TopicPublisher:
    """Sends ``update`` to subscribers, encoded once for all of them.

    The mutable state: the subscribers of each topic (bounded by the connections), the data of each topic's
    last update, the state read for a new subscriber within :data:`COALESCE_WITHIN`, and the topics touched
    since. An update is a complete state: a client that is behind misses some, and gets the topic again later,
    even if it has not changed since.
    """

    def __init__(self, *, topics: Topics, wall: Callable[[], float]) -> None:
        self._topics = topics
        self._wall = wall
        self._subscribers: dict[str, set[Connection]] = {}
        self._last: dict[str, bytes] = {}
        self._lately: dict[str, tuple[float, bytes]] = {}
        self._told_at: dict[str, float] = {}
        self._touched: set[str] = set()
        self._work = trio.lowlevel.ParkingLot()
        self.boundary = Boundary("topics")
        topics.on_touch = self.touch

    def __contains__(self, topic: object) -> bool:
        """Return whether there is such a topic."""
        return isinstance(topic, str) and topic in self._topics

    def subscribe(self, connection: Connection, message: Subscribe) -> None:
        """Subscribe; the replies are ``subscribed`` and the topic's state.

        Raises ``unknown_topic``; ``too_many_topics`` for a connection that follows :data:`OF_FAMILIES` topics
        of families.
        """
        self._check(message.topic)
        self._check_number(connection, message.topic)
        data = self._read_lately(message.topic)
        identity = UNSET if message.id is None else message.id
        if data is None:
            raise ProblemError("internal_error", f"The state of {message.topic} cannot be read right now.")
        if message.topic not in connection.topics:
            connection.topics = (*connection.topics, message.topic)
        self._subscribers.setdefault(message.topic, set()).add(connection)
        connection.answer(Subscribed(timestamp=self._now_ms(), id=identity, topic=message.topic))
        connection.answer(self._update(message.topic, data))

    def unsubscribe(self, connection: Connection, message: Unsubscribe) -> None:
        """Unsubscribe; the reply is ``unsubscribed``. Raises ``unknown_topic``."""
        self._check(message.topic)
        self._forget(connection, message.topic)
        identity = UNSET if message.id is None else message.id
        connection.answer(Unsubscribed(timestamp=self._now_ms(), id=identity, topic=message.topic))

    def detach(self, connection: Connection) -> None:
        """Remove a closing connection from all topics."""
        for topic in connection.topics:
            self._forget(connection, topic)

    def touch(self, topic: str) -> None:
        """Publish the topic's state now."""
        self._lately.pop(topic, None)
        if topic in self._subscribers:
            self._touched.add(topic)
            self._work.unpark()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Publish topics until cancelled."""
        task_status.started()
        beat_at = trio.current_time() + BEAT
        while True:
            with trio.move_on_at(min([beat_at, *(self._due_at(topic) for topic in self._touched)])):
                await self._work.park()
            now = trio.current_time()
            if now >= beat_at:
                due = list(self._subscribers)
                self._lately = {
                    topic: read for topic, read in self._lately.items() if now - read[0] < COALESCE_WITHIN
                }
                beat_at = now + BEAT
            else:
                due = [topic for topic in self._touched if self._due_at(topic) <= now]
            for topic in due:
                self._touched.discard(topic)
                self._told_at[topic] = now
                with self.boundary.item(topic=topic):
                    self._send_update(topic)

    def _due_at(self, topic: str) -> float:
        return self._told_at.get(topic, float("-inf")) + COALESCE_WITHIN

    def _send_update(self, topic: str) -> None:
        data = self._read(topic)
        if data is None:
            return
        has_changed = data != self._last.get(topic)
        self._last[topic] = data
        update: Frame | None = None
        for connection in tuple(self._subscribers.get(topic, ())):
            if has_changed or topic in connection.stale_topics:
                update = update or self._update(topic, data)
                arrived = connection.offer(update)
                if arrived == (topic in connection.stale_topics):
                    stale = _without(connection.stale_topics, topic)
                    connection.stale_topics = stale if arrived else (*stale, topic)

    def _read_lately(self, topic: str) -> bytes | None:
        """Return the topic's state as it was within the last :data:`COALESCE_WITHIN` seconds.

        Reading one takes milliseconds: a client that subscribes again and again adds no cost.
        """
        now = trio.current_time()
        read = self._lately.get(topic)
        if read is not None and now - read[0] < COALESCE_WITHIN:
            return read[1]
        data = self._read(topic)
        if data is not None:
            self._lately[topic] = (now, data)
        return data

    def _read(self, topic: str) -> bytes | None:
        """Return the topic's state as JSON; None if reading failed, which is logged."""
        try:
            return msgspec.json.encode(self._topics.read(topic))
        except Exception:  # noqa: BLE001 - reason below
            # A boundary: a topic that fails must not stop the others.
            self.boundary.count()
            _log.exception("topic not readable", topic=topic)
            return None

    def _update(self, topic: str, data: bytes) -> Frame:
        return frame(Update(timestamp=self._now_ms(), topic=topic, data=Raw(data)), is_durable=False)

    def _check(self, topic: str) -> None:
        if topic not in self._topics:
            names = ", ".join(self._topics.names())
            raise ProblemError("unknown_topic", f"No topic is called {topic}. Known topics: {names}.")

    def _check_number(self, connection: Connection, topic: str) -> None:
        if topic in connection.topics or not self._topics.is_of_family(topic):
            return
        if sum(self._topics.is_of_family(each) for each in connection.topics) >= OF_FAMILIES:
            raise ProblemError(
                "too_many_topics",
                f"A connection can follow {OF_FAMILIES} of these topics. Unsubscribe first.",
            )

    def _forget(self, connection: Connection, topic: str) -> None:
        connection.topics = _without(connection.topics, topic)
        connection.stale_topics = _without(connection.stale_topics, topic)
        subscribers = self._subscribers.get(topic)
        if subscribers is None:
            return
        subscribers.discard(connection)
        if not subscribers:
            del self._subscribers[topic]
            self._last.pop(topic, None)
            self._told_at.pop(topic, None)
            self._touched.discard(topic)

    def _now_ms(self) -> int:
        return int(self._wall() * 1000)


def _without(topics: tuple[str, ...], topic: str) -> tuple[str, ...]:
    return tuple(each for each in topics if each != topic)

"""Delivers the messages of the sessions that this worker follows.

Each followed session has a :class:`orch.stores.redis.session_feed.SessionFeed`, which decides; this reads and
writes for it, and calls the handler of store events.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, Never

import msgspec
import structlog
import trio

from orch.problems import ProblemError
from orch.protocol.identifiers import new_session_keys
from orch.stores.protocols import IgnoreEvents, StoreEvents
from orch.stores.records import Appended, SessionRecord
from orch.stores.redis import feed_events as on
from orch.stores.redis.calls import Call
from orch.stores.redis.catch_up import CatchUp
from orch.stores.redis.commands import SessionCommands
from orch.stores.redis.connection import Link, LinkLostError
from orch.stores.redis.feed_events import Event, Request
from orch.stores.redis.keys import channel_session, decode_published, off_wire
from orch.stores.redis.session_feed import SessionFeed
from orch.stores.redis.subscriptions import Subscriptions
from orch.stores.redis.survey import Execute, SurveyChannel
from orch.stores.redis.times import RedisTimes
from orch.stores.redis.troubles import LogThrottle
from orch.telemetry.boundaries import Boundary

#: Sessions whose heads are read with one command.
STEP: Final = 500
#: Sessions audited per second, at most: with more than five thousand, an audit takes longer.
AUDITED_A_SECOND: Final = 1_000
#: Seconds between pings on the connection that publications arrive on.
PING_EVERY: Final = 5.0

_log = structlog.get_logger(__name__)


async def load(execute: Execute, commands: SessionCommands, session_id: str) -> SessionRecord | None:
    """Return a session, or None; one that was created before there were keys is given its keys."""
    record = await execute(commands.load(session_id))
    while record is not None and not record.keys.read:
        await execute(commands.give_keys(session_id, new_session_keys()))
        record = await execute(commands.load(session_id))
    return record


class Feed:
    """Follows sessions, and delivers each of their messages once, in order.

    The mutable state is the feeds, bounded by the sessions in use on this worker.
    """

    def __init__(
        self,
        commands: SessionCommands,
        *,
        worker: str,
        database: int,
        execute: Execute,
        offer: Callable[[Call[Any]], bool],
        times: RedisTimes,
        patience: float,
    ) -> None:
        self.events: StoreEvents = IgnoreEvents()
        self.surveys = SurveyChannel(commands, worker=worker, execute=execute, offer=offer)
        self.failures = 0
        self.boundary = Boundary("store feed")
        self._commands = commands
        self._worker = worker
        self._execute = execute
        self._times = times
        self._patience = patience
        self._feeds: dict[str, SessionFeed] = {}
        self._subscriptions = Subscriptions(database)
        self.catch_up = CatchUp(commands, execute=execute, apply=self._apply_to, boundary=self.boundary)
        self._logged = LogThrottle(times.log_again)

    def __len__(self) -> int:
        return len(self._feeds)

    # Called by the store.

    async def follow(self, session_id: str) -> SessionRecord | None:
        """Follow a session; return it as of the last message delivered, or None if it does not exist.

        Messages appended after that are delivered, none before the caller goes on.
        """
        feed = self._feeds.get(session_id)
        if feed is None:
            feed = self._feeds[session_id] = SessionFeed(self._times.feed)
            self._subscriptions.add(session_id)
        subscribed = self._subscriptions.confirmation(session_id)
        assert subscribed is not None  # noqa: S101 - whatever is followed is subscribed to
        self._apply(session_id, feed, on.JoinStarted())
        record: SessionRecord | None = None
        is_current = False
        try:
            with trio.move_on_after(self._patience):
                await subscribed.wait()
            if not subscribed.is_set():
                raise ProblemError("store_unavailable", "The session store does not respond right now.")
            ends = -1
            while ends != feed.ends:  # it may have been read just before it ended
                ends = feed.ends
                record = await load(self._execute, self._commands, session_id)
            is_current = (
                self._feeds.get(session_id) is feed
                and self._subscriptions.confirmation(session_id) is subscribed
            )
        finally:
            self._apply(session_id, feed, on.JoinFinished(record, is_current=is_current))
        if record is None:
            return None
        if not is_current:
            # It ended and there may be another of its name, or the connection was lost: publications before
            # the new subscription would be missed.
            return await self.follow(session_id)
        assert feed.position is not None  # noqa: S101 - it has begun
        return msgspec.structs.replace(record, offset=feed.position)

    async def wait_for(self, session_id: str, offset: int) -> None:
        """Wait until all messages up to ``offset`` were delivered, or it is certain that there are none.

        A client that comes from another worker may have received there what is still on its way here.
        """
        record = await self._execute(self._commands.load(session_id))
        feed = self._feeds.get(session_id)
        if record is None or record.offset < offset or feed is None:
            return
        delivered = trio.Event()
        self._apply(session_id, feed, on.Awaited(offset, delivered.set))
        await delivered.wait()

    def stored(self, message: Appended, delivered: Callable[[], None]) -> None:
        """Deliver a message that this worker appended; ``delivered`` is called afterwards."""
        feed = self._feeds.get(message.session_id)
        if feed is None:
            self._deliver((message,))
            delivered()
        else:
            self._apply(message.session_id, feed, on.Stored(message, delivered))

    def known(self, session_id: str) -> tuple[str, int]:
        """Return a session's epoch and the newest offset surely given; empty and 0 if it is not followed."""
        feed = self._feeds.get(session_id)
        return ("", 0) if feed is None or feed.position is None else (feed.epoch, feed.sure)

    def doubt(self, session_id: str) -> None:
        """Have a session looked at, if it is followed: it may be gone, or another one of its name."""
        self._apply_to(session_id, on.Doubted())

    def close(self) -> None:
        """Wake all waiters: their messages are stored."""
        for session_id in tuple(self._feeds):
            self._apply_to(session_id, on.Closed())

    # Run while there is a connection; LinkLostError ends each of these.

    async def listen(
        self, link: Link, *, task_status: trio.TaskStatus[trio.Event] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Receive publications until the connection is lost; the starter's event is set once they arrive."""
        try:
            task_status.started(self._subscriptions.begin(link, self.surveys.channels))
            async for push in link.pushes():
                with self.boundary.item(LinkLostError, step="receive"):
                    self._pushed(push)
        finally:
            self._subscriptions.end()
            for session_id in tuple(self._feeds):
                self._apply_to(session_id, on.Disconnected())

    async def ping(self, link: Link) -> Never:
        """Detect a connection that was lost without a sign."""
        while True:
            await trio.sleep(PING_EVERY)
            await link.exchange([(b"PING",)])

    async def audit(self) -> Never:
        """Look at every session now and then: that keys were flushed or evicted is not published."""
        while True:
            sessions = list(self._feeds)
            every = max(self._times.audit_every, len(sessions) / AUDITED_A_SECOND)
            pause = every / (1 + len(sessions) // STEP)
            for start in range(0, max(len(sessions), 1), STEP):
                await trio.sleep(pause)
                for session_id in sessions[start : start + STEP]:
                    with self.boundary.item(LinkLostError, step="audit"):
                        self.doubt(session_id)

    async def drop_unused(self) -> Never:
        """Drop the sessions that no client on this worker is in any longer."""
        while True:
            await trio.sleep(self._times.drop_unused_every)
            for session_id, feed in tuple(self._feeds.items()):
                if feed.is_idle:
                    with self.boundary.item(LinkLostError, step="drop unused"):
                        if self.events.is_unused(session_id):
                            self._drop(session_id)

    # Publications.

    def _pushed(self, push: list[Any]) -> None:
        kind, name = bytes(push[0]), off_wire(bytes(push[1]))
        if kind in (b"message", b"smessage"):
            try:
                self._published(name, bytes(push[2]))
            except Exception as error:  # noqa: BLE001 - a boundary: anyone can publish anything
                self.failures += 1
                self.boundary.count()
                self._log_invalid(name, error)
        elif kind in (b"subscribe", b"ssubscribe"):
            session_id = self._subscriptions.confirmed(name)
            if session_id is not None:
                self.doubt(session_id)

    def _published(self, name: bytes, data: bytes) -> None:
        if name in self.surveys.channels:
            self.surveys.receive(data, self.events.surveyed)
            return
        session_id = channel_session(name)
        feed = self._feeds.get(session_id)
        if feed is None:
            return
        news = decode_published(session_id, data)
        if isinstance(news, Appended):
            self._apply(session_id, feed, on.Published(news))
        elif news.kind == "ended":
            self._apply(session_id, feed, on.EndPublished(news.payload.decode()))
        elif news.worker != self._worker:
            self._handle(self.events.received, session_id, news.payload)

    def _log_invalid(self, name: bytes, error: Exception) -> None:
        channel = name[:200].decode(errors="replace")
        if self._logged.is_new(channel, trio.current_time()):
            _log.warning("message of another worker invalid", channel=channel, reason=str(error)[:200])

    # What the feeds decide.

    def _apply_to(self, session_id: str, event: Event) -> list[Request]:
        feed = self._feeds.get(session_id)
        return [] if feed is None else self._apply(session_id, feed, event)

    def _apply(self, session_id: str, feed: SessionFeed, event: Event) -> list[Request]:
        """Apply an event to a feed and take the actions; return those that the server is needed for."""
        requests: list[Request] = []
        for action in feed.on(event, trio.current_time()):
            match action:
                case on.Deliver():
                    self._deliver(action.messages)
                case on.Wake():
                    for wake in action.tokens:
                        wake()
                case on.LookAt():
                    self.catch_up.schedule(session_id, action.at)
                case on.Unfollow():
                    if self._feeds.get(session_id) is feed:
                        self._drop(session_id)
                case on.Report():
                    handler = self.events.lost if action.is_lost else self.events.ended
                    self._handle(handler, session_id)
                case on.Warn():
                    self.failures += action.is_failure
                    _log.warning(action.text, session=session_id, offset=action.offset)
                case _:
                    requests.append(action)
        return requests

    def _drop(self, session_id: str) -> None:
        self._feeds.pop(session_id, None)
        self.catch_up.cancel(session_id)
        self._subscriptions.drop(session_id)

    def _deliver(self, messages: Sequence[Appended]) -> None:
        for message in messages:
            self._handle(self.events.appended, message)

    def _handle(self, handler: Callable[..., None], *news: Any) -> None:
        try:
            handler(*news)
        except Exception:  # noqa: BLE001 - a boundary: the handler is another room
            # One event that cannot be handled must not stop those that follow.
            self.failures += 1
            self.boundary.count()
            _log.exception("store event not handled")

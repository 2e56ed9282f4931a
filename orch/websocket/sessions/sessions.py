"""Sessions: opened, created and ended, their messages published, with the store behind them."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, Literal

import msgspec
import trio
from msgspec import UNSET

from orch.cluster.survey import Survey
from orch.problems import ProblemError
from orch.protocol.identifiers import new_name, new_session_keys
from orch.protocol.messages import (
    ServerMessage,
    SessionLeft,
    SessionMessage,
    encode,
)
from orch.protocol.terms import Terms
from orch.settings import Settings
from orch.settings.source import SettingsSource
from orch.stores.history import Budget, Kind, Limits
from orch.stores.opening import Stores
from orch.stores.protocols import Ticket
from orch.stores.records import (
    Appended,
    Origin,
    SessionRecord,
    encode_terms,
)
from orch.telemetry.histogram import Histogram
from orch.telemetry.names.websocket import FANOUT_SECONDS
from orch.websocket.cluster.cluster_link import ClusterLink
from orch.websocket.cluster.worker_link import SingleWorker, WorkerLink
from orch.websocket.connections.outbox import frame
from orch.websocket.history.reader import HistoryReader, StoredMessages
from orch.websocket.history.shares import Numbered, share_of_message
from orch.websocket.participants.member import Member
from orch.websocket.participants.presence import PresencePublisher
from orch.websocket.sessions.clock import SlewedClock
from orch.websocket.sessions.in_flight import PACE, InFlight
from orch.websocket.sessions.session import (
    PARTICIPANTS_IN_LISTS,
    Session,
    SessionListed,
    SessionSummary,
    accepted_terms,
    encoded_config,
    listed,
    summary,
    within_bytes,
)
from orch.websocket.sessions.session_cache import SessionCache
from orch.websocket.sessions.storage_quota import StorageQuota
from orch.websocket.sessions.synthetic import is_synthetic

#: Sessions without members that stay in memory; the others are read from the store when needed.
IDLE_CACHED: Final = 20_000


class Sessions:
    """Opens, creates and ends sessions, and publishes messages to their members.

    A message is stored before it is sent to anyone, and is sent in the order of the offsets: the store gives
    the offset, and :meth:`deliver` is called once it is stored.

    The mutable state is the sessions in memory, ``count``, the number of all sessions, and which of those
    that were created here are synthetic. ``wall`` is the clock that ages are computed with; messages carry
    the system's own time.

    Errors: everything that reads or writes the store raises ``store_unavailable``; callers own time-outs.
    """

    def __init__(
        self,
        *,
        settings: SettingsSource,
        stores: Stores,
        survey: Survey,
        presence: PresencePublisher,
        wall: Callable[[], float],
    ) -> None:
        self.store = stores.sessions
        self.history = HistoryReader(stores.sessions)
        self.presence = presence
        self.wall = SlewedClock(wall, trio.current_time)
        self._now = wall
        self.cache = SessionCache(IDLE_CACHED)
        self.count = 0
        self._synthetic: dict[str, float] = {}
        self.on_ended: Callable[[Session], None] | None = None
        self.on_renamed: Callable[[Session, Member], None] = lambda _session, _member: None
        self.on_moderated: Callable[[str], None] = lambda _session_id: None
        self.on_pipeline: Callable[[Session], None] = lambda _session: None
        self._settings = settings
        self.on_lost: Callable[[int], None] = lambda _count: None
        self._lost_count = 0
        self._changes = 0
        self._expiring: set[str] = set()
        self.fan_out = Histogram(FANOUT_SECONDS.buckets)
        self.storage = StorageQuota(lambda: self.settings.session_management.max_bytes)
        # One per kind, so that captions do not wait for broadcasts.
        self._in_flight = {
            kind: InFlight(lambda: self.settings.orchestration.websocket.outbox_bytes // PACE)
            for kind in Kind
        }
        self.cluster: WorkerLink = (
            SingleWorker(stores.sessions)
            if stores.cluster is None
            else ClusterLink(
                stores.cluster,
                survey,
                cache=self.cache,
                presence=presence,
                moderated=self._moderated_by_another_worker,
                pipeline_changed=self._pipeline_changed,
            )
        )

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._settings.current

    def now_ms(self) -> int:
        """Return the time for messages, in milliseconds since the epoch."""
        return int(self._now() * 1000)

    def history_limits(self) -> Limits:
        """Return how much of a session's history is stored."""
        websocket = self.settings.orchestration.websocket
        return Limits(
            messages=websocket.history_messages,
            seconds=websocket.message_seconds,
            bytes=websocket.history_bytes,
            broadcasts=Budget(
                messages=min(websocket.history_broadcasts, websocket.history_messages),
                bytes=websocket.history_broadcast_bytes,
            ),
        )

    @property
    def user_count(self) -> int:
        """The number of sessions without those of test speech that were created here."""
        return max(0, self.count - len(self._synthetic))

    def _forget_synthetic(self, session_ids: Sequence[str]) -> None:
        for session_id in session_ids:
            self._synthetic.pop(session_id, None)

    async def count_all(self) -> None:
        """Set ``count`` from the store."""
        self.count = await self.store.count()
        # One that could not be ended has expired by then, perhaps on another worker.
        oldest = self.wall() - self.settings.orchestration.websocket.kept_seconds
        self._synthetic = {name: at for name, at in self._synthetic.items() if at >= oldest}

    @asynccontextmanager
    async def open(self, session_id: str) -> AsyncIterator[Session]:
        """Load a session and keep it in memory during the block. Raises ``unknown_session``."""
        session = self.cache.get(session_id) or await self._load(session_id)
        session.pins += 1
        try:
            if not self.cluster.is_known(session_id):
                await self.cluster.learn(session_id)
                if session.has_ended:
                    raise _unknown(session_id)
            yield session
        finally:
            session.pins -= 1

    async def view(self, session_id: str) -> Session:
        """Return a session as it is now, read-only. Raises ``unknown_session``."""
        session = self.cache.peek(session_id)
        if session is None:
            # A session that is only read need not be followed, and so is not cached.
            record = await self.store.load(session_id)
            if record is None:
                raise _unknown(session_id)
            session = Session(record)
        return session

    async def create(
        self,
        session_id: str | None,
        config: dict[str, Any],
        owner: Callable[[], Member] | None = None,
        *,
        terms: Terms = (),
        pipeline: bytes = b"",
        created_from: str = "",
    ) -> tuple[Session, Member | None]:
        """Create a session and store its owner with it, who is not a member yet.

        Raises ``session_exists``, ``invalid_message``.

        ``created_from``: the address whose limit it counts against; empty: none. ``pipeline``: as stored.
        """
        encoded = encoded_config(config)
        terms = accepted_terms(terms)
        now = self.wall()
        member = owner() if owner else None
        record = SessionRecord(
            session_id=session_id or new_name(),
            epoch=new_name(),
            offset=0,
            kept_first=1,
            config=encoded,
            created=now,
            last_active=now,
            keys=new_session_keys(),
            terms=terms,
            pipeline=pipeline,
        )
        there = member.record(now) if member else None
        if not await self.store.create(record, there, created_from=created_from):
            raise ProblemError("session_exists", f"A session called {record.session_id} already exists.")
        self.count += 1
        if is_synthetic(encoded):
            self._synthetic[record.session_id] = now
        self.storage.add_written(len(encoded) + len(encode_terms(terms)) + len(pipeline))
        if not self.cluster.is_shared:
            return self.cache.add(Session(record)), member
        # Cached sessions are followed; only one with members needs to be.
        return Session(record) if member is None else await self._load(record.session_id, is_new=True), member

    async def end(self, session_ids: Sequence[str]) -> int:
        """End and delete sessions, and notify their members; return how many existed."""
        # Changed before and after, so that a load in between does not bring a session back: see _load.
        self._changes += 1
        self._remove(session_ids, "ended")
        try:
            ended = await self.store.delete(session_ids)
        finally:
            self._changes += 1
            self._remove(session_ids, "ended")
        self.count -= len(ended)
        self._forget_synthetic(session_ids)
        return len(ended)

    async def expire(self, session_ids: Sequence[str], before: float) -> int:
        """End those of some sessions that were last used before ``before``; return how many.

        A client may just have joined one on another worker, so the store compares the time as it deletes. A
        single worker knows this better than the store, which is written later.
        """
        self._changes += 1
        self._expiring |= set(session_ids)
        idle_since = self.cluster.idle_since(before)
        expired: Sequence[str] = session_ids if idle_since is None else ()
        try:
            expired = await self.store.delete(session_ids, idle_since=idle_since)
        finally:
            self._expiring -= set(session_ids)
            self._changes += 1
            self._remove(expired, "expired")
        self.count -= len(expired)
        self._forget_synthetic(expired)
        return len(expired)

    async def begin_publish(
        self, session: Session, message: Numbered, origin: Origin | None = None, *, speaker: str = ""
    ) -> Ticket:
        """Begin to store a message, with the time now; once it is stored it is sent to all members.

        ``speaker``: the participant whose share of the history a caption takes, if it does not name one.
        Waits while too many bytes of the session are on their way to the store. Raises ``store_full`` for
        broadcasts.
        """
        body = encode(msgspec.structs.replace(message, timestamp=self.now_ms(), offset=UNSET))
        if isinstance(message, SessionMessage):
            self.storage.require("Your message")
        share = share_of_message(message, speaker)
        began = trio.current_time()
        admitted = await self._in_flight[share.kind].admit(session.session_id, len(body))
        settled = partial(self._settled, admitted, began)
        self.storage.add_written(len(body))
        try:
            return await self.store.begin_append(
                session.session_id,
                body,
                at=self.wall(),
                limits=self.history_limits(),
                share=share,
                origin=origin,
                settled=settled,
            )
        except BaseException:
            admitted()
            raise

    def _settled(self, admitted: Callable[[], None], began: float) -> None:
        admitted()
        self.fan_out.observe(trio.current_time() - began)

    async def publish(self, session_id: str, message: Numbered, *, speaker: str = "") -> int:
        """Publish a message to all members; return its offset once it is stored and queued for them."""
        async with self.open(session_id) as session:
            ticket = await self.begin_publish(session, message, speaker=speaker)
            return await ticket.wait()

    def broadcast(self, session_id: str, message: ServerMessage, *, is_durable: bool = False) -> None:
        """Send a message to all members on all workers without storing it; slow clients may miss it.

        ``is_durable``: a client without room for it is disconnected instead.
        """
        session = self.cache.get(session_id)
        has_members = session is not None and session.count
        if not has_members and not self.cluster.is_shared:
            return
        sent = frame(msgspec.structs.replace(message, timestamp=self.now_ms()), is_durable=is_durable)
        if session is not None:
            session.deliver(sent)
        self.cluster.publish(session_id, sent)

    async def reach(self, session: Session, offset: int) -> None:
        """Wait until a session here has reached ``offset``, which a client has received on another worker."""
        if offset > session.offset:
            await self.cluster.reach(session.session_id, offset)

    async def messages(self, session_id: str) -> StoredMessages:
        """Return a session's history. Raises ``unknown_session``."""
        session = await self.view(session_id)
        return await self.history.all(
            session_id, epoch=session.epoch, offset=session.offset, title=session.title
        )

    async def listed(self, limit: int) -> tuple[SessionListed, ...]:
        """Return the sessions that were last active, newest first, without those of test speech."""
        found = await self.store.newest(limit)
        records = [record for record in found if not is_synthetic(record.config)]
        sessions = [self.cache.peek(record.session_id) or record for record in records]
        return within_bytes(
            listed(session, PARTICIPANTS_IN_LISTS, is_known=self._is_known(session)) for session in sessions
        )

    async def summary(self, session_id: str) -> SessionSummary:
        """Return a session's summary. Raises ``unknown_session``."""
        session = await self.view(session_id)
        return summary(session, is_known=self._is_known(session))

    def participant_count(self, session: Session) -> int | None:
        """Return the number of participants of a cached session on all workers; None: not known yet."""
        return session.participant_count if self._is_known(session) else None

    def _is_known(self, session: Session | SessionRecord) -> bool:
        # A session that is not cached is not followed: it may have participants on other workers.
        is_cached = self.cache.peek(session.session_id) is session
        return self.cluster.is_known(session.session_id, is_cached=is_cached)

    async def _load(self, session_id: str, *, is_new: bool = False) -> Session:
        """Load a session from the store into the cache.

        It may be deleted or moderated while it is being loaded. So these changes are counted (deletions when
        they begin and when they end): if the count has changed, what was loaded may be gone or out of date,
        and it is loaded again.
        """
        while True:
            changes = self._changes
            record = await self.cluster.load(session_id)
            known = self.cache.get(session_id)
            if known is not None:
                return known
            if record is None:
                raise _unknown(session_id)
            if changes == self._changes:
                if not is_new:
                    self.cluster.begin(session_id)
                return self.cache.add(Session(record))

    def check_moderation(self) -> None:
        """Have the decisions of all sessions read again: a notice may have been lost.

        Those that nobody here uses are evicted, and read when they are used.
        """
        for session in self.cache:
            if self.cache.evict(session.session_id):
                self.cluster.drop(session.session_id)
            else:
                self._moderated_by_another_worker(session.session_id)

    def _pipeline_changed(self, session: Session) -> None:
        self.on_pipeline(session)

    def _moderated_by_another_worker(self, session_id: str) -> None:
        # What is being loaded may be older.
        self._changes += 1
        self.on_moderated(session_id)

    def ended_by_another_worker(self, session_id: str) -> None:
        """Remove a session that another worker has ended, and notify its members here."""
        self._forget_synthetic([session_id])
        self._remove([session_id], "expired" if session_id in self._expiring else "ended")

    def lost(self, session_id: str) -> None:
        """Remove a session that the store has lost, and notify its members here; see :meth:`report_lost`."""
        session = self.cache.peek(session_id)
        if session is not None and session.count:
            self._lost_count += 1
        self._forget_synthetic([session_id])
        self._remove([session_id], "lost")

    def report_lost(self) -> None:
        """Report how many sessions with members were lost since the last report, if any."""
        lost, self._lost_count = self._lost_count, 0
        if lost:
            self.on_lost(lost)

    def _remove(self, session_ids: Sequence[str], reason: Literal["ended", "expired", "lost"]) -> None:
        """Remove sessions from memory, and notify their members here."""
        for session_id in session_ids:
            session = self.cache.peek(session_id)
            if session is None:
                continue
            self.cache.remove([session_id])
            self.dismiss_all(session, reason)
            if self.on_ended is not None:
                self.on_ended(session)

    def dismiss_all(self, session: Session, reason: Literal["ended", "expired", "lost"]) -> None:
        """Remove all members of a session here, and notify them."""
        by_host = True if reason == "ended" and session.decisions.ending else UNSET
        left = frame(
            SessionLeft(
                timestamp=self.now_ms(), session_id=session.session_id, reason=reason, by_host=by_host
            )
        )
        for member in session.members():
            session.remove(member)
            member.receiver.dismiss(left, session.session_id)

    def deliver(self, message: Appended) -> None:
        """Send a stored message to the members on this worker."""
        session = self.cache.get(message.session_id)
        if session is not None:
            session.appended(message)


def _unknown(session_id: str) -> ProblemError:
    return ProblemError("unknown_session", f"No session is called {session_id}. It may have ended.")

"""Loads, creates, ends and publishes to sessions: those in memory, and the store."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Literal, NamedTuple

import msgspec
import trio
from msgspec import UNSET, Struct

from orch.cluster.survey import Survey
from orch.problems import ProblemError
from orch.protocol.identifiers import new_name, new_session_keys
from orch.protocol.messages import (
    ParticipantRenamed,
    ServerMessage,
    SessionLeft,
    SessionMessage,
    Transcript,
    Translation,
    encode,
)
from orch.settings import Settings
from orch.settings.source import SettingsSource
from orch.stores.history import Budget, Kind, Limits, Losses, Share, is_whole
from orch.stores.opening import Stores
from orch.stores.protocols import Ticket
from orch.stores.records import (
    Appended,
    HistoryMessage,
    Origin,
    SessionRecord,
)
from orch.websocket.cluster.cluster_link import ClusterLink
from orch.websocket.cluster.worker_link import SingleWorker, WorkerLink
from orch.websocket.connections.outbox import frame
from orch.websocket.history.parts import HistoryPart, part
from orch.websocket.participants.member import Member
from orch.websocket.participants.presence import PresencePublisher
from orch.websocket.sessions.clock import SlewedClock
from orch.websocket.sessions.in_flight import PACE, InFlight
from orch.websocket.sessions.session import (
    PARTICIPANTS_IN_LISTS,
    Session,
    SessionListed,
    SessionSummary,
    encoded_config,
    listed,
    summary,
    within_bytes,
)
from orch.websocket.sessions.session_cache import SessionCache
from orch.websocket.sessions.storage_quota import StorageQuota

#: Maximum of empty sessions in memory; others are read from the store when needed.
IDLE_CACHED: Final = 20_000

#: What ``publish`` takes: the messages with an offset.
Numbered = SessionMessage | Transcript | Translation | ParticipantRenamed


class StoredMessages(Struct, frozen=True, kw_only=True):
    """A session's stored messages: JSON objects in order, the newest at ``offset``.

    ``complete``: no caption is missing; ``broadcasts_complete``: no broadcast is.
    """

    session_id: str
    epoch: str
    offset: int
    messages: tuple[msgspec.Raw, ...]
    complete: bool
    broadcasts_complete: bool = True


class MissedMessages(NamedTuple):
    """The missed messages that are stored, and whether all captions and all other messages are among them."""

    messages: tuple[msgspec.Raw, ...]
    has_captions: bool
    has_others: bool


class Sessions:
    """Opens sessions, publishes to them and ends them.

    A message is stored before it is sent to anyone, and sent in the order of offsets: the store assigns the
    offset, and :meth:`deliver` is called once it is stored.

    The mutable state is the sessions in memory and ``count``, the number of all. ``wall`` is the clock for
    ages; messages carry the wall time itself.
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
        self.presence = presence
        self.wall = SlewedClock(wall, trio.current_time)
        self._now = wall
        self.cache = SessionCache(IDLE_CACHED)
        self.count = 0
        self.on_ended: Callable[[Session], None] | None = None
        self.on_renamed: Callable[[Session, Member], None] = lambda _session, _member: None
        self._settings = settings
        self.on_lost: Callable[[int], None] = lambda _count: None
        self._lost_count = 0
        self._deletions = 0
        self._expiring: set[str] = set()
        self.storage = StorageQuota(lambda: self.settings.session_management.max_bytes)
        # Separate, so that captions do not wait for clients' messages.
        self._in_flight = {
            kind: InFlight(lambda: self.settings.orchestration.websocket.outbox_bytes // PACE)
            for kind in Kind
        }
        self.cluster: WorkerLink = (
            SingleWorker(stores.sessions)
            if stores.cluster is None
            else ClusterLink(stores.cluster, survey, cache=self.cache, presence=presence)
        )

    @property
    def settings(self) -> Settings:
        """The current settings."""
        return self._settings.current

    def now_ms(self) -> int:
        """Return the time for messages, in epoch milliseconds."""
        return int(self._now() * 1000)

    def history_limits(self) -> Limits:
        """Return the limits of a session's history."""
        websocket = self.settings.orchestration.websocket
        return Limits(
            messages=websocket.history_messages,
            seconds=websocket.history_seconds,
            bytes=websocket.history_bytes,
            broadcasts=Budget(
                messages=min(websocket.history_broadcasts, websocket.history_messages),
                bytes=websocket.history_broadcast_bytes,
            ),
        )

    async def count_all(self) -> None:
        """Update the number of sessions from the store."""
        self.count = await self.store.count()

    @asynccontextmanager
    async def open(self, session_id: str) -> AsyncIterator[Session]:
        """Hold a session in memory during the block. Raises ``unknown_session``."""
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

    async def look(self, session_id: str) -> Session:
        """Return a session for reading only. Raises ``unknown_session``."""
        session = self.cache.peek(session_id)
        if session is None:
            # A session that is only read need not be followed or cached.
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
        created_from: str = "",
    ) -> tuple[Session, Member | None]:
        """Create a session; its owner is stored, but has not joined yet. Raises ``session_exists``.

        ``created_from``: the address that it counts for.
        """
        encoded = encoded_config(config)
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
        )
        there = member.record(now) if member else None
        if not await self.store.create(record, there, created_from=created_from):
            raise ProblemError("session_exists", f"A session called {record.session_id} already exists.")
        self.count += 1
        self.storage.wrote(len(encoded))
        if not self.cluster.is_shared:
            return self.cache.add(Session(record)), member
        # Sessions in memory are followed, which only those with participants need.
        return Session(record) if member is None else await self._load(record.session_id, is_new=True), member

    async def end(self, session_ids: Sequence[str]) -> int:
        """End sessions: notify their members, and delete all their data. Return how many existed."""
        # A concurrent load must not bring one of them back: see _load.
        self._deletions += 1
        self._dismiss(session_ids, "ended")
        try:
            ended = await self.store.delete(session_ids)
        finally:
            self._deletions += 1
            self._dismiss(session_ids, "ended")
        self.count -= len(ended)
        return len(ended)

    async def expire(self, session_ids: Sequence[str], before: float) -> int:
        """End the sessions that were not used on any worker since ``before``; return their number.

        A client may have just joined one on another worker: the store checks again while deleting. A single
        worker knows the last use better than the store.
        """
        self._deletions += 1
        self._expiring |= set(session_ids)
        idle_since = self.cluster.idle_since(before)
        expired: Sequence[str] = session_ids if idle_since is None else ()
        try:
            expired = await self.store.delete(session_ids, idle_since=idle_since)
        finally:
            self._expiring -= set(session_ids)
            self._deletions += 1
            self._dismiss(expired, "expired")
        self.count -= len(expired)
        return len(expired)

    async def begin_publish(
        self, session: Session, message: Numbered, origin: Origin | None = None, *, speaker: str = ""
    ) -> Ticket:
        """Queue a message for all in the session; it gets its time and, once stored, its offset.

        ``speaker``: the participant whose share of the history a caption counts for; translations do not name
        one.
        """
        body = encode(msgspec.structs.replace(message, timestamp=self.now_ms(), offset=UNSET))
        if isinstance(message, SessionMessage):
            self.storage.require("Your message")
        share = share_of_message(message, speaker)
        under_way = self._in_flight[share.kind]
        settled = await under_way.admit(session.session_id, len(body))
        self.storage.wrote(len(body))
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
            settled()
            raise

    async def publish(self, session_id: str, message: Numbered, *, speaker: str = "") -> int:
        """Publish a message to all in the session; return its offset once it is stored and queued for all."""
        async with self.open(session_id) as session:
            ticket = await self.begin_publish(session, message, speaker=speaker)
            return await ticket.wait()

    def tell(self, session_id: str, message: ServerMessage, *, is_lasting: bool = False) -> None:
        """Send a message to the current members; it is not stored, and slow clients may miss it.

        ``is_lasting``: close a client without room for it instead.
        """
        session = self.cache.get(session_id)
        has_members = session is not None and session.count
        if not has_members and not self.cluster.is_shared:
            return
        said = frame(msgspec.structs.replace(message, timestamp=self.now_ms()), is_lasting=is_lasting)
        if session is not None:
            session.deliver(said)
        self.cluster.publish(session_id, said)

    async def reach(self, session: Session, offset: int) -> None:
        """Wait until a session here has reached an offset that a client received on another worker."""
        if offset > session.offset:
            await self.cluster.reach(session.session_id, offset)

    async def part(self, session_id: str, *, after: int, until: int, size: int) -> HistoryPart:
        """Return the oldest ``size`` bytes of the messages between two offsets, at least one message."""
        kept = await self.store.read(session_id, after=after, until=until, size=size)
        last = kept[-1].offset if kept else until
        losses = await self._losses(session_id, kept, after=after, last=last)
        return part(kept, losses, after=after, until=until)

    async def missed(self, session: Session, *, after: int, until: int) -> MissedMessages:
        """Return the stored messages after one offset up to another, and whether any are missing."""
        kept = await self.store.read(session.session_id, after=after, until=until) if after < until else ()
        losses = await self._losses(session.session_id, kept, after=after, last=until)
        return MissedMessages(
            tuple(msgspec.Raw(message.frame) for message in kept),
            has_captions=losses.captions <= after,
            has_others=losses.others <= after,
        )

    async def _losses(
        self, session_id: str, kept: Sequence[HistoryMessage], *, after: int, last: int
    ) -> Losses:
        """Return the losses that concern the part of the history that was read."""
        if is_whole([message.offset for message in kept], after=after, last=last):
            return Losses(0, 0)
        # After reading: messages missing then had been dropped, and are included here.
        return await self.losses(session_id, until=last)

    async def losses(self, session_id: str, *, until: int) -> Losses:
        """Return the losses of a session's history; for one that has ended, everything up to ``until``."""
        return await self.store.losses(session_id) or Losses(until, until)

    async def messages(self, session_id: str) -> StoredMessages:
        """Return a session's history. Raises ``unknown_session``."""
        session = await self.look(session_id)
        offset = session.offset
        kept = await self.missed(session, after=0, until=offset)
        return StoredMessages(
            session_id=session_id,
            epoch=session.epoch,
            offset=offset,
            messages=kept.messages,
            complete=kept.has_captions,
            broadcasts_complete=kept.has_others,
        )

    async def listed(self, limit: int) -> tuple[SessionListed, ...]:
        """Return the sessions last active, newest first."""
        records = await self.store.newest(limit)
        sessions = [self.cache.peek(record.session_id) or record for record in records]
        return within_bytes(
            listed(session, PARTICIPANTS_IN_LISTS, is_known=self._is_known(session)) for session in sessions
        )

    async def summary(self, session_id: str) -> SessionSummary:
        """Return a session's summary. Raises ``unknown_session``."""
        session = await self.look(session_id)
        return summary(session, is_known=self._is_known(session))

    def participant_count(self, session: Session) -> int | None:
        """Return the number of participants of a session in memory, on all workers; None while unknown."""
        return session.participant_count if self._is_known(session) else None

    def _is_known(self, session: Session | SessionRecord) -> bool:
        # A session that is not in memory is not followed: with a shared store, other workers may use it.
        is_cached = self.cache.peek(session.session_id) is session
        return self.cluster.is_known(session.session_id, is_cached=is_cached)

    async def _load(self, session_id: str, *, is_new: bool = False) -> Session:
        while True:
            deletions = self._deletions
            record = await self.cluster.load(session_id)
            known = self.cache.get(session_id)
            if known is not None:
                return known
            if record is None:
                raise _unknown(session_id)
            if deletions == self._deletions:
                if not is_new:
                    self.cluster.begin(session_id)
                return self.cache.add(Session(record))

    def ended_by_another_worker(self, session_id: str) -> None:
        """Remove a session that another worker has ended, and notify its members here."""
        self._dismiss([session_id], "expired" if session_id in self._expiring else "ended")

    def lost(self, session_id: str) -> None:
        """Remove a session that the store has lost, and notify its members here; see :meth:`report_lost`."""
        session = self.cache.peek(session_id)
        if session is not None and session.count:
            self._lost_count += 1
        self._dismiss([session_id], "lost")

    def report_lost(self) -> None:
        """Report how many sessions with someone in them were lost since it was last reported, if any."""
        lost, self._lost_count = self._lost_count, 0
        if lost:
            self.on_lost(lost)

    def _dismiss(self, session_ids: Sequence[str], reason: Literal["ended", "expired", "lost"]) -> None:
        for session_id in session_ids:
            session = self.cache.peek(session_id)
            if session is None:
                continue
            self.cache.remove([session_id])
            left = frame(SessionLeft(timestamp=self.now_ms(), session_id=session_id, reason=reason))
            for member in session.members():
                session.remove(member)
                member.receiver.dismiss(left, session_id)
            if self.on_ended is not None:
                self.on_ended(session)

    def deliver(self, message: Appended) -> None:
        """Send a stored message to the members on this worker."""
        session = self.cache.get(message.session_id)
        if session is not None:
            session.appended(message)


def share_of_message(message: Numbered, speaker: str) -> Share:
    """Return the share that a message counts for."""
    if isinstance(message, SessionMessage):
        return Share(Kind.BROADCAST, message.sender)
    if isinstance(message, ParticipantRenamed):
        return Share(Kind.NAME, message.participant_id)
    if isinstance(message, Transcript) and message.participant_id is not None:
        return Share(Kind.CAPTION, message.participant_id)
    return Share(Kind.CAPTION, speaker)


def _unknown(session_id: str) -> ProblemError:
    return ProblemError("unknown_session", f"No session is called {session_id}. It may have ended.")

"""The hub: connects connections, sessions, topics and speech."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterable, Iterator
from random import random
from time import time
from typing import Any, Final

import msgspec
import structlog
import trio

from orch.access.actors import Actor
from orch.capacity import Capacity, CurrentCapacity
from orch.cluster.survey import Survey
from orch.problems import ProblemError
from orch.protocol.messages import PipelineChoice, ServerMessage
from orch.protocol.session_keys import Right, given
from orch.protocol.terms import Terms
from orch.settings.source import SettingsSource
from orch.speech.service import SpeechService
from orch.stores.opening import Stores
from orch.telemetry.boundaries import Boundary
from orch.telemetry.events import EventLog
from orch.telemetry.metrics import Metrics
from orch.telemetry.names import access as access_names
from orch.telemetry.names import stores as store_names
from orch.telemetry.names import websocket as names
from orch.telemetry.names.metric import Distribution, Reading
from orch.telemetry.topics import Topics
from orch.websocket.announcements import Announced, Announcements
from orch.websocket.back_end_requests import Gateway
from orch.websocket.cluster.cluster_connections import ClusterConnections
from orch.websocket.connections.connection import Connection, Receive, Send
from orch.websocket.connections.connection_query import NEWEST, TOTALS_ONLY, ConnectionQuery, select
from orch.websocket.connections.connections import Connections
from orch.websocket.connections.endpoint import serve
from orch.websocket.connections.handshake import Refused
from orch.websocket.handlers import Handlers
from orch.websocket.history.reader import StoredMessages
from orch.websocket.history.shares import Numbered
from orch.websocket.moderation.ending import Endings
from orch.websocket.moderation.enforcement import Enforcement
from orch.websocket.moderation.moderator import Moderator
from orch.websocket.moderation.requests import ModerationRequests
from orch.websocket.participants.presence import PresencePublisher
from orch.websocket.sessions import synthetic
from orch.websocket.sessions.creation_limits import CreationLimits
from orch.websocket.sessions.expiry import Sweeper
from orch.websocket.sessions.join_codes import JoinCodes
from orch.websocket.sessions.membership import Membership
from orch.websocket.sessions.quota_enforcement import QuotaEnforcer
from orch.websocket.sessions.session import SessionDetails, SessionListed, SessionMade, summary
from orch.websocket.sessions.session_access import SessionAccess
from orch.websocket.sessions.session_pipeline import SessionPipelines, accepted_pipeline
from orch.websocket.sessions.session_terms import SessionTerms
from orch.websocket.sessions.sessions import Sessions
from orch.websocket.sessions.storage_quota import StorageQuota
from orch.websocket.sessions.synthetic import SyntheticSession
from orch.websocket.sessions.title_editor import TitleEditor
from orch.websocket.speech.line_editor import LineEditor
from orch.websocket.speech.meetings import Meetings
from orch.websocket.speech.recordings import RecordingListed, RecordingOpened, Recordings
from orch.websocket.speech.sources import RecordingFacts
from orch.websocket.speech.speakers import Speakers
from orch.websocket.speech.speech_streams import SpeechStreams
from orch.websocket.statistics import (
    SESSIONS_LISTED,
    Bounded,
    ConnectionsStatistics,
    SessionLine,
)
from orch.websocket.store_events import StoreEventHandler
from orch.websocket.topic_publisher import TopicPublisher

#: Seconds for which back ends are waited for at shutdown, so that the last speech is in the history.
SPEECH_PATIENCE: Final = 5.0

_log = structlog.get_logger("websocket")


class HubService:
    """Connections and their sessions.

    The mutable state here is the connections, ``max_connections`` at most, and the counters; sessions are in
    :class:`Sessions`, subscriptions in :class:`TopicPublisher`, speech in :class:`SpeechStreams`.

    Connections live in the tasks of the server that accepted them and survive a restart of :meth:`run`; while
    it does not run, new ones are refused.
    """

    def __init__(
        self,
        *,
        settings: SettingsSource,
        stores: Stores,
        survey: Survey,
        gateway: Gateway,
        speech: SpeechService,
        events: EventLog,
        topics: Topics,
        metrics: Metrics,
        capacity: Callable[[], Capacity] | None = None,
        wall: Callable[[], float] = time,
        draw: Callable[[], float] = random,
    ) -> None:
        self._settings = settings
        self._capacity = capacity or CurrentCapacity(settings, files=2**31)
        self._events = events
        self._topics = topics
        self._is_running = self._is_draining = False
        self._presence = PresencePublisher(wall=wall)
        self._sessions = Sessions(
            settings=settings, stores=stores, survey=survey, presence=self._presence, wall=wall
        )
        self._connections = Connections(
            settings=settings,
            capacity=self._capacity,
            survey=survey,
            events=events,
            topics=topics,
            wall=self._sessions.wall,
            now_ms=self._sessions.now_ms,
            draw=draw,
            is_open=lambda: self._is_running and not self._is_draining,
            on_closing=self._detach,
        )
        self._announcements = Announcements(
            survey=survey, connections=self._connections.by_name, sessions=self._sessions, events=events
        )
        self._sessions.on_lost = self._announcements.sessions_lost
        stores.engine.register(
            StoreEventHandler(
                sessions=self._sessions,
                announcements=self._announcements,
                survey=survey,
                events=events,
                topics=topics,
            )
        )
        self._worker = survey.me.name
        self.cluster_connections = ClusterConnections(
            survey=survey, own=self.statistics, touch=lambda: topics.touch("connections")
        )
        self.access = SessionAccess(self._sessions)
        self.join_codes = JoinCodes(self._sessions, stores.join_codes)
        self.creation_limits = CreationLimits(self._sessions)
        self.sums: Callable[[], Iterable[Bounded]] = tuple
        self._membership = Membership(self._sessions, self.access, self.creation_limits)
        self._publisher = TopicPublisher(topics=topics, wall=wall)
        self._speech_streams = SpeechStreams(sessions=self._sessions, speech=speech)
        self._speakers = Speakers(sessions=self._sessions, streams=self._speech_streams, survey=survey)
        self._recordings = Recordings(
            sessions=self._sessions, speech_streams=self._speech_streams, survey=survey
        )
        self.meetings = Meetings(self._sessions)
        self._session_terms = SessionTerms(self._sessions)
        self.pipelines = SessionPipelines(self._sessions)
        self._line_editor = LineEditor(sessions=self._sessions, streams=self._speech_streams, speech=speech)
        self._title_editor = TitleEditor(self._sessions)
        self._enforcement = Enforcement(sessions=self._sessions, streams=self._speech_streams)
        self.moderator = Moderator(
            sessions=self._sessions,
            enforcement=self._enforcement,
            join_codes=self.join_codes,
            survey=survey,
        )
        self.endings = Endings(
            sessions=self._sessions,
            streams=self._speech_streams,
            moderator=self.moderator,
            survey=survey,
            events=events,
        )
        self._sweeper = Sweeper(self._sessions)
        self._quota_enforcer = QuotaEnforcer(
            self._sessions, self.creation_limits, events, changed=lambda: topics.touch("connections")
        )
        self._connection_boundary = Boundary("websocket connections")
        self._handlers = Handlers(
            sessions=self._sessions,
            membership=self._membership,
            publisher=self._publisher,
            speakers=self._speakers,
            recordings=self._recordings,
            meetings=self.meetings,
            line_editor=self._line_editor,
            title_editor=self._title_editor,
            moderation=ModerationRequests(
                sessions=self._sessions, moderator=self.moderator, endings=self.endings
            ),
            session_terms=self._session_terms,
            session_pipelines=self.pipelines,
            gateway=gateway,
        )
        self.boundaries = (
            self._connections.beat_boundary,
            self._connection_boundary,
            self._handlers.boundary,
            self._membership.boundary,
            self._speech_streams.boundary,
            self._recordings.boundary,
            self._line_editor.boundary,
            self._enforcement.boundary,
            self.endings.boundary,
            self._session_terms.boundary,
            self.pipelines.boundary,
            self._publisher.boundary,
            self._sweeper.boundary,
            self._quota_enforcer.boundary,
            self._presence.boundary,
            self.cluster_connections.boundary,
            *self._sessions.cluster.boundaries,
        )
        self.outgoing = self._connections.outgoing
        metrics.read_from(self.readings)

    def __repr__(self) -> str:
        state = "draining" if self._is_draining else "running" if self._is_running else "stopped"
        return f"<HubService {state}, {len(self._connections)} connections, {self._sessions.count} sessions>"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run topics, presence, speech and the sweeper until cancelled; may be run again."""
        try:
            await self._sessions.count_all()
        except ProblemError as error:
            # Counted again by the sweeper. The hub serves connected clients whatever the store does.
            _log.warning("sessions not counted", reason=error.detail)
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._speech_streams.run)
                await nursery.start(self._presence.run)
                await nursery.start(self._publisher.run)
                await nursery.start(self._sweeper.run)
                await nursery.start(self._quota_enforcer.run)
                await nursery.start(self.cluster_connections.run)
                await nursery.start(self._sessions.cluster.run)
                await nursery.start(self._enforcement.run)
                await nursery.start(self.endings.run)
                if self._sessions.cluster.is_shared:
                    await nursery.start(self._sweeper.keep)
                    await nursery.start(self._session_terms.run)
                    await nursery.start(self.pipelines.run)
                nursery.start_soon(self._connections.watch)
                self._is_running = True
                task_status.started()
        finally:
            self._is_running = False

    def endpoint(self, scope: Any, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        """Serve one client: the ASGI application of ``/ws``."""
        # Not a coroutine around another one, which would hold the scope as long as the connection.
        return serve(
            scope,
            receive,
            send,
            admit=self._admit,
            greet=self._connections.greet,
            forget=self._connections.forget,
            handlers=self._handlers,
            boundary=self._connection_boundary,
        )

    async def drain(self) -> None:
        """Ask all clients to reconnect later, close their connections in batches, and admit no new ones.

        Pending speech is still transcribed, for clients that reconnect and recover. It waits for clients that
        do not read as long as a close may take, for back ends :data:`SPEECH_PATIENCE`.
        """
        self._is_draining = True
        self._speech_streams.close()  # speakers learn how much was received before their connections close
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._drain_speech)
            nursery.start_soon(self._connections.drain)

    async def _drain_speech(self) -> None:
        with trio.move_on_after(SPEECH_PATIENCE) as patience:
            await self._speech_streams.drain()
        if patience.cancelled_caught:
            _log.warning("speech dropped at shutdown")

    # Sessions, for other areas and the HTTP API.

    async def create_session(
        self,
        session_id: str | None = None,
        config: dict[str, Any] | None = None,
        *,
        terms: Terms = (),
        pipeline: PipelineChoice | None = None,
        actor: Actor | None = None,
    ) -> SessionMade:
        """Create a session without participants; ``actor``: the caller, None for the service itself.

        Raises ``session_exists``, ``invalid_message``, ``invalid_settings``, ``rate_limited``,
        ``sessions_full``, ``store_full``, ``token_required`` and ``too_many_sessions_from_address``.
        """
        synthetic.require_right(config or {}, actor)
        async with self.creation_limits.reserve(actor) as created_from:
            session, _ = await self._sessions.create(
                session_id,
                config or {},
                terms=terms,
                pipeline=accepted_pipeline(pipeline),
                created_from=created_from,
            )
        keys = given(session.keys, Right.SPEAK)
        return SessionMade(
            keys=keys,
            terms=session.terms,
            pipeline=msgspec.json.decode(session.pipeline or b"null"),
            **msgspec.structs.asdict(summary(session)),
        )

    async def get_session(self, session_id: str) -> SessionDetails:
        """Return a session. Raises ``unknown_session``."""
        found = await self._sessions.summary(session_id)
        kept = self._sessions.settings.orchestration.websocket.kept_seconds
        return SessionDetails(expires=found.last_active + kept, **msgspec.structs.asdict(found))

    async def list_sessions(self, limit: int = 200) -> tuple[SessionListed, ...]:
        """Return the sessions last active, newest first."""
        return await self._sessions.listed(limit)

    async def title_session(self, session_id: str, title: str) -> None:
        """Give a session a title, for everyone in it; an empty one removes it. Raises ``unknown_session``."""
        await self._title_editor.change(session_id, title)

    async def exists(self, session_id: str) -> bool:
        """Return whether a session exists. Raises ``store_unavailable``."""
        try:
            await self._sessions.view(session_id)
        except ProblemError as error:
            if error.code != "unknown_session":
                raise
            return False
        return True

    def after_each_sweep(self, run: Callable[[], Awaitable[None]]) -> None:
        """Register what is done after each sweep, which ends unused sessions; one function."""
        self._sweeper.on_swept = run

    async def end_session(self, session_id: str) -> None:
        """End a session: notify its members, and delete all its data. Raises ``unknown_session``."""
        if not await self._sessions.end([session_id]):
            raise ProblemError("unknown_session", f"No session is called {session_id}.")
        self._events.record("info", "sessions", f"Session {session_id} was ended.")

    async def open_synthetic_session(self) -> SyntheticSession:
        """Create a session of test speech, which counts in no figure of use. Raises as for any session."""
        made = await self.create_session(config=dict(synthetic.CONFIG))
        return SyntheticSession(session_id=made.session_id, key=made.keys.speak or "")

    async def discard_session(self, session_id: str) -> None:
        """End a session of test speech: without an event. Raises ``store_unavailable``."""
        await self._sessions.end([session_id])

    async def standing(self, session_id: str) -> tuple[str, int]:
        """Return a session's epoch and newest offset. Raises ``unknown_session``."""
        session = await self._sessions.view(session_id)
        return session.epoch, session.offset

    async def messages(self, session_id: str) -> StoredMessages:
        """Return a session's stored messages in order. Raises ``unknown_session``."""
        return await self._sessions.messages(session_id)

    async def publish(self, session_id: str, message: Numbered) -> int:
        """Publish a message to all in the session; return its offset once it is stored and queued for all.

        ``timestamp`` and ``offset`` are filled in. Raises ``unknown_session``, ``store_unavailable``.
        """
        return await self._sessions.publish(session_id, message)

    def send(self, session_id: str, message: ServerMessage) -> None:
        """Send a message to the current members without storing it; a slow client may miss it."""
        self._sessions.broadcast(session_id, message)

    async def announce_everywhere(self, text: str) -> Announced:
        """Send ``system_announcement`` to every connection of every worker that replies in time."""
        return await self._announcements.announce_everywhere(text)

    def announce(self, text: str) -> Announced:
        """Send ``system_announcement`` to every connection of this worker."""
        return self._announcements.announce(text)

    async def close_connection(self, connection_id: str) -> None:
        """Close one connection for good, on whichever worker it is. Raises ``unknown_connection``."""
        await self._connections.close(connection_id)

    def sign_out(self, sign_in: str) -> None:
        """Close the connections of a browser that has signed out, on this worker."""
        self._connections.sign_out(sign_in)

    def sign_out_operators(self) -> None:
        """Close the connections of all operators on this worker: the token has changed."""
        self._connections.sign_out_operators()

    @property
    def sign_ins(self) -> frozenset[str]:
        """The sign-ins with open connections on this worker."""
        return self._connections.sign_ins

    async def open_recording(
        self,
        session_id: str,
        *,
        name: str | None,
        source_language: str,
        target_languages: Collection[str],
        chunks: AsyncIterator[bytes],
        facts: RecordingFacts | None = None,
        held: Callable[[], None] | None = None,
        diarization: bool = False,
        traceparent: str = "",
    ) -> RecordingOpened:
        """Transcribe a recording in a session; see :meth:`Recordings.open`."""
        self._sessions.storage.require("A recording's transcript")
        return await self._recordings.open(
            session_id,
            name=name,
            source_language=source_language,
            target_languages=target_languages,
            chunks=chunks,
            facts=facts,
            held=held,
            diarization=diarization,
            traceparent=traceparent,
        )

    async def recordings_of(self, session_id: str) -> tuple[RecordingListed, ...]:
        """Return a session's recordings that are being transcribed, on all workers."""
        return await self._recordings.of(session_id)

    async def cancel_recording(self, session_id: str, stream_id: str, *, key: str | None) -> None:
        """Cancel a recording; see :meth:`Recordings.cancel`."""
        await self._recordings.cancel(session_id, stream_id, key=key)

    async def sweep(self) -> int:
        """End silent sessions now, without waiting for ``cleanup_interval``; return their number."""
        return await self._sweeper.sweep()

    @property
    def active(self) -> int:
        """The number of connections on this worker."""
        return len(self._connections)

    @property
    def evicted(self) -> int:
        """The number of clients disconnected as too slow on this worker."""
        return self._connections.evicted

    @property
    def messages_out_per_second(self) -> float:
        """This worker's rate of sent messages over the last seconds."""
        return self._connections.rates.per_second()[1]

    @property
    def sessions(self) -> int:
        """The number of sessions on all workers, without test speech."""
        return self._sessions.user_count

    @property
    def storage(self) -> StorageQuota:
        """The storage quota and its use."""
        return self._sessions.storage

    def statistics(self, query: ConnectionQuery = NEWEST) -> ConnectionsStatistics:
        """Return this worker's figures, and the connections that match the query."""
        received_rate, sent_rate = self._connections.rates.per_second()
        received, sent = self._connections.counts()
        websocket = self._settings.current.orchestration.websocket
        connections = self._connections.by_name.values()
        chosen = select(
            connections,
            query,
            newest_first=reversed(connections),
            limit=websocket.outbox_bytes,
            worker=self._worker,
        )
        return ConnectionsStatistics(
            active=len(self._connections),
            total=self._connections.total,
            limit=self._capacity().websockets,
            limit_reason=self._capacity().sentence,
            sums=tuple(self.sums()),
            sessions=self._sessions.user_count,
            evicted=self._connections.evicted,
            messages_in=received,
            messages_out=sent,
            messages_in_per_second=received_rate,
            messages_out_per_second=sent_rate,
            queued_bytes=sum(connection.queued_bytes for connection in connections),
            outbox_limit=websocket.outbox_bytes,
            problems=dict(self._handlers.problems),
            doings=chosen.doings,
            matching=chosen.matching,
            connections=chosen.connections,
            session_list=tuple(
                SessionLine(
                    session_id=session.session_id,
                    participants=session.count,
                    offset=session.offset,
                    created=session.created,
                    last_active=session.last_active,
                    streams=len(session.streams),
                    title=session.title,
                    speaking=sum(member.streams > 0 for member in session.members()),
                )
                for session in self._sessions.cache.latest(SESSIONS_LISTED)
                if not session.is_synthetic
            ),
        )

    # Connections.

    def would_refuse(self, scope: Any) -> Refused | None:
        """Return why a handshake would be refused now, by its headers and peer; None: it would not."""
        return self._connections.would_refuse(scope)

    def _admit(self, scope: Any, send: Send) -> Connection | Refused:
        admitted = self._connections.admit(scope, send)
        if isinstance(admitted, Refused):
            self._handlers.count(admitted.problem)
        return admitted

    def _detach(self, connection: Connection) -> None:
        """Remove a connection that is closing from what could send to it."""
        self._speakers.disconnect(connection)
        self._membership.detach(connection)
        self._publisher.detach(connection)

    def readings(self) -> Iterator[Reading | Distribution]:
        """Yield the metrics."""
        hub = self.statistics(TOTALS_ONLY)
        yield Reading(names.CONNECTIONS, hub.active)
        yield Reading(names.CONNECTIONS_LIMIT, hub.limit)
        for doing, count in hub.doings.items():
            yield Reading(names.CONNECTIONS_DOING, count, (doing,))
        yield Reading(names.CONNECTIONS_TOTAL, hub.total)
        closes = self._connections.closes
        for label in names.EVICTIONS.labels[0].values:
            yield Reading(names.EVICTIONS, closes[label], (label,))
        yield Reading(names.MESSAGES_IN, hub.messages_in)
        yield Reading(names.MESSAGES_OUT, hub.messages_out)
        received, sent = self._connections.byte_counts()
        yield Reading(names.BYTES_IN, received)
        yield Reading(names.BYTES_OUT, sent)
        yield Distribution(names.FANOUT_SECONDS, self._sessions.fan_out)
        yield from self._membership.recovery.readings()
        yield Reading(names.QUEUED_BYTES, hub.queued_bytes)
        yield Reading(names.SESSIONS, hub.sessions)
        yield Reading(names.ENDED_EARLY, self.creation_limits.ended_early)
        yield from self.join_codes.readings()
        yield Reading(access_names.AUTH_FAILURES, self.access.wrong_keys, ("session_key",))
        limited = self._handlers.problems.get("rate_limited", 0)
        yield Reading(access_names.ALL_RATE_LIMITED, limited, ("websocket",))
        storage = self._sessions.storage
        yield Reading(store_names.STORE_BYTES, storage.used)
        yield Reading(store_names.STORE_BYTES_LIMIT, storage.limit)
        for each in hub.sums:
            yield Reading(names.SUM_TAKEN, each.taken, (each.name,))
            yield Reading(names.SUM_LIMIT, each.limit, (each.name,))
        for boundary in self.boundaries:
            yield from boundary.readings()
        for label in names.WEBSOCKET_PROBLEMS.labels[0].values:
            yield Reading(names.WEBSOCKET_PROBLEMS, self._handlers.problems.get(label, 0), (label,))
        yield Reading(names.OUTGOING_BYTES, self.outgoing.bytes)
        yield Reading(names.OUTGOING_EVICTED, self.outgoing.evicted)
        for label in names.WEBSOCKET_CLOSES.labels[0].values:
            yield Reading(names.WEBSOCKET_CLOSES, closes[label], (label,))

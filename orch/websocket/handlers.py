"""Handles clients' messages: one table, with one row for each type.

A handler does at once what needs no waiting, which is all there is to do for most messages: an audio frame, a
ping, a subscription. What it has to wait for (a store, other workers, a stream that is fed too fast) it
returns; only that is awaited, under a time-out.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec
import structlog
import trio
from msgspec import UNSET

from orch.access.actions import Action, action_of_message
from orch.access.rate_limits import RateVerdict
from orch.problems import ProblemError
from orch.protocol import closes
from orch.protocol.client_messages import UNSURE
from orch.protocol.messages import (
    AudioEnd,
    AudioStart,
    Broadcast,
    CancelRecording,
    ClientMessage,
    CorrectLine,
    CreateSession,
    DeleteLine,
    EndSession,
    JoinSession,
    LeaveSession,
    MessageId,
    MuteParticipant,
    NameSpeaker,
    NewKeys,
    Ping,
    Pong,
    ReceiveAudio,
    RecoverSession,
    RemoveParticipant,
    RenameParticipant,
    ServiceMessage,
    SessionMessage,
    SetPipeline,
    SetSession,
    SetTerms,
    SpeakerNamed,
    Subscribe,
    TitleSession,
    Unmute,
    Unsubscribe,
)
from orch.protocol.request_id import message_id
from orch.stores.protocols import Ticket
from orch.stores.records import Origin
from orch.telemetry.boundaries import Boundary
from orch.websocket.back_end_requests import BackEndRequests, Gateway
from orch.websocket.connections.connection import Connection
from orch.websocket.connections.decoding import Echo, decode, identity, type_name
from orch.websocket.connections.outbox import Frame
from orch.websocket.message_door import MessageDoor
from orch.websocket.moderation.requests import ModerationRequests
from orch.websocket.participants.names import clean
from orch.websocket.sessions.membership import Membership
from orch.websocket.sessions.session import Session
from orch.websocket.sessions.session_pipeline import SessionPipelines
from orch.websocket.sessions.session_terms import SessionTerms
from orch.websocket.sessions.sessions import Sessions
from orch.websocket.sessions.title_editor import TitleEditor
from orch.websocket.speech.line_editor import LineEditor
from orch.websocket.speech.meetings import Meetings
from orch.websocket.speech.recordings import Recordings
from orch.websocket.speech.speakers import Speakers
from orch.websocket.topic_publisher import TopicPublisher

#: Seconds that handling a message may take, requests to back ends aside (the gateway has its own time-out).
#: A message that takes longer waits for a store that does not answer.
ANSWER_WITHIN: Final = 30.0

#: Types that count as several messages against the client's rate: a topic's whole state is read and encoded,
#: other workers are asked about a stream, a name is stored for as long as the session, a line is read from
#: the store and translated again, a title is stored twice, what a host decides is sent to everyone in the
#: session.
WEIGHTS: Final[dict[type, int]] = {
    Subscribe: 10,
    Unsubscribe: 10,
    NameSpeaker: 10,
    ReceiveAudio: 10,
    SetTerms: 20,
    SetPipeline: 20,
    AudioStart: 50,
    CorrectLine: 20,
    DeleteLine: 10,
    TitleSession: 20,
    SetSession: 10,
    MuteParticipant: 10,
    Unmute: 10,
    RemoveParticipant: 10,
    RenameParticipant: 20,
    NewKeys: 20,
    EndSession: 10,
}

Work = Callable[[], Awaitable[None]]
Start = Callable[[Connection, Any], Work | None]

_log = structlog.get_logger("websocket")


@dataclass(frozen=True, slots=True)
class Handler:
    """How messages of one type are handled.

    ``start``: does what can be done at once; returns what has to wait, or None. ``action``: what it does, for
    :class:`MessageDoor`; None: everyone may, and it counts as one message. ``weight``: how many messages it
    counts as. ``is_audio``: errors name the stream.
    """

    start: Start
    action: Action | None = None
    weight: int = 1
    is_audio: bool = False


class Handlers:
    """Handles frames. Each one that asks for something is answered: with that, or with ``error``.

    The mutable state is the count of refusals by code.
    """

    def __init__(
        self,
        *,
        sessions: Sessions,
        membership: Membership,
        publisher: TopicPublisher,
        speakers: Speakers,
        recordings: Recordings,
        meetings: Meetings,
        line_editor: LineEditor,
        title_editor: TitleEditor,
        moderation: ModerationRequests,
        session_terms: SessionTerms,
        session_pipelines: SessionPipelines,
        gateway: Gateway,
    ) -> None:
        self._sessions = sessions
        self._membership = membership
        self._speakers = speakers
        self._back_end_requests = BackEndRequests(gateway, refuse=self._refuse, now_ms=sessions.now_ms)
        self._door = MessageDoor(topics=publisher, back_ends=self._back_end_requests)
        self.problems: dict[str, int] = {}
        self.boundary = Boundary("client messages")
        starts: dict[type, Start] = {
            CreateSession: _waiting(membership.create),
            JoinSession: _waiting(membership.join),
            LeaveSession: _waiting(self._leave),
            RecoverSession: _waiting(membership.recover),
            Broadcast: _waiting(self._broadcast),
            ServiceMessage: self._back_end_requests.start,
            Subscribe: publisher.subscribe,
            Unsubscribe: publisher.unsubscribe,
            AudioStart: _waiting(speakers.start),
            AudioEnd: speakers.end,
            CancelRecording: _waiting(recordings.handle_cancel),
            ReceiveAudio: _waiting(meetings.receive_audio),
            NameSpeaker: _waiting(self._name_speaker),
            SetTerms: _waiting(session_terms.set),
            SetPipeline: _waiting(session_pipelines.handle),
            CorrectLine: _waiting(line_editor.correct),
            DeleteLine: _waiting(line_editor.delete),
            TitleSession: _waiting(title_editor.handle),
            SetSession: _waiting(moderation.set_session),
            MuteParticipant: _waiting(moderation.mute),
            Unmute: _waiting(moderation.unmute),
            RemoveParticipant: _waiting(moderation.remove),
            RenameParticipant: _waiting(moderation.rename),
            NewKeys: _waiting(moderation.new_keys),
            EndSession: _waiting(moderation.end),
        }
        self._table: dict[type, Handler] = {
            Ping: Handler(self._ping),
            Echo: Handler(self._echo),
            bytes: Handler(speakers.feed, is_audio=True),  # the stream was opened by who may speak
            **{
                kind: Handler(
                    start,
                    action=action_of_message(type_name(kind)),
                    weight=WEIGHTS.get(kind, 1),
                    is_audio=kind is AudioEnd,
                )
                for kind, start in starts.items()
            },
        }

    async def handle(self, connection: Connection, data: str | bytes) -> None:
        """Handle one frame. Nothing but cancellation leaves here: this is one message's boundary."""
        verdict = connection.check_rate(len(data))
        if verdict is not RateVerdict.ALLOWED:
            named = identity(data).get("id") if isinstance(data, str) else None
            self._refuse_rate(connection, named, verdict, is_audio=isinstance(data, bytes))
            return
        message: Any = data
        if isinstance(data, str):
            try:
                message = decode(data)
            except ProblemError as error:
                self._refuse(connection, error, error.extra.get("id"))
                return
        handler = self._table[type(message)]
        if handler.action is not None and not self._admit(connection, handler, handler.action, message):
            return
        try:
            rest = handler.start(connection, message)
        except ProblemError as error:
            self._refuse(connection, error, _identity(message), is_audio=handler.is_audio)
        except Exception:  # noqa: BLE001 - one message's boundary: the connection and its sessions stay
            self._fail(connection, _identity(message), is_audio=handler.is_audio)
        else:
            if rest is not None:
                await self._finish(connection, _identity(message), rest, is_audio=handler.is_audio)

    def _admit(
        self, connection: Connection, handler: Handler, action: Action, message: ClientMessage
    ) -> bool:
        """Return whether a message is within the client's rate and permissions; refuse it otherwise."""
        if handler.weight > 1:
            verdict = connection.check_rate(0, handler.weight - 1)
            if verdict is not RateVerdict.ALLOWED:
                self._refuse_rate(connection, message.id, verdict)
                return False
        problem = self._door.enter(connection, action, message)
        if problem is None:
            return True
        self._refuse(connection, problem, message.id)
        return False

    def _refuse_rate(
        self,
        connection: Connection,
        identity: MessageId | None,
        verdict: RateVerdict,
        *,
        is_audio: bool = False,
    ) -> None:
        """Refuse a message over the client's rate limit; close a connection that continues nevertheless."""
        too_much = ProblemError(
            "rate_limited", "You sent too many messages, so this one was rejected. Slow down."
        )
        self._refuse(connection, too_much, identity, is_audio=is_audio)
        if verdict is RateVerdict.DISCONNECT:
            connection.close(closes.RATE_LIMITED, flush=True)

    async def _finish(
        self,
        connection: Connection,
        identity: MessageId | None,
        work: Work,
        *,
        is_audio: bool = False,
    ) -> None:
        """Await the rest of a handler's work under the time-out; send the client an error if it fails."""
        try:
            with trio.fail_after(ANSWER_WITHIN):
                await work()
        except ProblemError as error:
            self._refuse(connection, error, identity, is_audio=is_audio)
        except trio.TooSlowError:
            late = ProblemError("store_unavailable", "The request timed out. Try again.")
            self._refuse(connection, late, identity, is_audio=is_audio)
        except Exception:  # noqa: BLE001 - one message's boundary: the connection and its sessions stay
            self._fail(connection, identity, is_audio=is_audio)

    def _fail(self, connection: Connection, identity: MessageId | None, *, is_audio: bool = False) -> None:
        """Log the current exception, and send the client an error with the reference to it."""
        self.boundary.count()
        request_id = message_id(connection.connection_id, connection.received)
        _log.exception("message failed", connection_id=connection.connection_id, request_id=request_id)
        failed = ProblemError("internal_error", f"Internal error. The log has the reason under {request_id}.")
        self._refuse(connection, failed, identity, is_audio=is_audio)

    def _refuse(
        self,
        connection: Connection,
        error: ProblemError,
        identity: MessageId | None,
        *,
        is_audio: bool = False,
    ) -> None:
        self.count(error)
        connection.refuse(error, identity, is_audio=is_audio)

    def count(self, error: ProblemError) -> None:
        """Count a refusal."""
        self.problems[error.code] = self.problems.get(error.code, 0) + 1

    # Handlers that are too small for a class of their own.

    def _ping(self, connection: Connection, message: Ping) -> None:
        connection.answer(
            Pong(timestamp=self._sessions.now_ms(), id=UNSET if message.id is None else message.id)
        )

    def _echo(self, connection: Connection, message: Echo) -> None:
        fields = {"timestamp": self._sessions.now_ms(), **message.fields}
        connection.answer(Frame(msgspec.json.encode(fields), is_durable=True))

    async def _leave(self, connection: Connection, message: LeaveSession) -> None:
        self._speakers.leave(connection, message.session_id)
        await self._membership.leave(connection, message)

    async def _broadcast(self, connection: Connection, message: Broadcast) -> None:
        member = connection.members.get(message.session_id)
        if member is None:
            raise ProblemError("not_in_session", f"Join session {message.session_id} before sending to it.")
        limit = self._sessions.settings.orchestration.websocket.max_broadcast_bytes
        if len(message.data) > limit:
            raise ProblemError(
                "message_too_large",
                f"$.data: {len(message.data)} bytes of JSON; a broadcast can have {limit} at most. It was "
                "not sent: send less at once, or a link.",
                path="$.data",
            )
        connection.throttle()
        origin = None if message.id is None else Origin(connection.connection_id, message.id)
        async with self._sessions.open(message.session_id) as session:
            sent = SessionMessage(
                timestamp=0,
                session_id=message.session_id,
                sender=member.participant_id,
                data=message.data,
            )
            ticket = await self._sessions.begin_publish(session, sent, origin)
        # Its place in the order is certain, so the next message need not wait until this one is stored.
        connection.start(partial(self._confirm, connection, session, ticket, message.id))

    async def _name_speaker(self, connection: Connection, message: NameSpeaker) -> None:
        """Publish a speaker's name; its sender receives it with the ``id``, as everyone else does without."""
        member = connection.members.get(message.session_id)
        if member is None:
            raise ProblemError("not_in_session", f"Join session {message.session_id} to name its speakers.")
        if message.speaker_label == UNSURE:
            raise ProblemError(
                "invalid_message",
                "$.speaker_label: '?' marks lines whose speaker is unsure: these may be several people.",
                path="$.speaker_label",
            )
        named = SpeakerNamed(
            timestamp=0,
            session_id=message.session_id,
            speaker_label=message.speaker_label,
            name=clean(message.name) or "",
            participant_id=member.participant_id,
        )
        origin = None if message.id is None else Origin(connection.connection_id, message.id)
        async with self._sessions.open(message.session_id) as session:
            ticket = await self._sessions.begin_publish(session, named, origin)
        await ticket.wait()

    async def _confirm(
        self, connection: Connection, session: Session, ticket: Ticket, identity: MessageId | None
    ) -> None:
        async def stored() -> None:
            offset = await ticket.wait()
            # Members receive a message before its ticket is done. If the session has ended, none did.
            if session.has_ended and session.offset < offset:
                raise ProblemError("unknown_session", f"The session {session.session_id} has ended.")

        await self._finish(connection, identity, stored)


def _identity(message: object) -> MessageId | None:
    return message.id if isinstance(message, ClientMessage) else None


def _waiting(handle: Callable[[Connection, Any], Awaitable[None]]) -> Start:
    """Return an async function as a handler: all of it has to wait."""

    def start(connection: Connection, message: Any) -> Work:
        return partial(handle, connection, message)

    return start

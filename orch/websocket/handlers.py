"""What is done with each type of message: one table."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, Protocol

import msgspec
import structlog
import trio
from msgspec import UNSET, Raw

from orch.access.addresses import group
from orch.access.rate_limits import Verdict
from orch.access.table import need_of_message, passes_door, refusal
from orch.gateway.flows import Flow
from orch.problems import ProblemError
from orch.protocol import closes
from orch.protocol.messages import (
    AudioEnd,
    AudioStart,
    Broadcast,
    CancelRecording,
    ClientMessage,
    CreateSession,
    JoinSession,
    LeaveSession,
    MessageId,
    Ping,
    Pong,
    RecoverSession,
    ServiceMessage,
    ServiceResponse,
    SessionMessage,
    Subscribe,
    Unsubscribe,
)
from orch.stores.records import Origin, Ticket
from orch.websocket.connections.connection import Connection
from orch.websocket.connections.decoding import FRAME_LIMIT, Echo, decode, identity, type_name
from orch.websocket.connections.outbox import Frame
from orch.websocket.sessions.membership import Membership
from orch.websocket.sessions.session import Session
from orch.websocket.sessions.sessions import Sessions
from orch.websocket.speech.recordings import Recordings
from orch.websocket.speech.speech_streams import SpeechStreams
from orch.websocket.topic_publisher import TopicPublisher

#: Seconds a message may take to be handled, those to back ends aside: the gateway has its own time-out. What
#: takes longer waits for a store that does not answer.
ANSWER_WITHIN: Final = 30.0

#: What counts as more than one message: a topic's whole state is read and encoded, other workers are asked.
HEAVY: Final[dict[type, int]] = {Subscribe: 10, Unsubscribe: 10, AudioStart: 50}

#: Where a back end's actions lie. What it answers may be as large as a frame a client may send.
ACTION_PREFIX: Final = "/api/"

_JSON_HEADERS: Final = ((b"content-type", b"application/json"), (b"accept", b"application/json"))

_log = structlog.get_logger("websocket")


class BackEndResponse(Protocol):
    """What a back end answered."""

    @property
    def status(self) -> int:
        """HTTP status."""

    @property
    def body(self) -> bytes:
        """The body, whole."""


class Gateway(Protocol):
    """Reaches back ends: see ``orch.gateway.service``."""

    async def fetch(
        self,
        service: str,
        method: str,
        path: str,
        *,
        headers: Any = ...,
        body: bytes = ...,
        max_answer: int = ...,
        flow: Flow = ...,
        caller: str = ...,
    ) -> BackEndResponse:
        """Ask a back end."""

    def is_public_inside(self, service: str, method: str, path: str) -> bool:
        """Return whether the settings open a request to everyone."""


class Handlers:
    """Handles frames, each to an answer: what it asked for, or ``error``.

    The mutable state is the count of refusals by code.
    """

    def __init__(
        self,
        *,
        sessions: Sessions,
        membership: Membership,
        publisher: TopicPublisher,
        speech_streams: SpeechStreams,
        recordings: Recordings,
        gateway: Gateway,
    ) -> None:
        self._sessions = sessions
        self._membership = membership
        self._publisher = publisher
        self._speech_streams = speech_streams
        self._gateway = gateway
        self.problems: dict[str, int] = {}
        # What waits for nothing needs no time-out, which would cost more than the answer.
        self._at_once: dict[type, Callable[[Connection, Any], None]] = {Ping: self._ping, Echo: self._echo}
        self._table: dict[type, Callable[[Connection, Any], Awaitable[None]]] = {
            CreateSession: membership.create,
            JoinSession: membership.join,
            LeaveSession: self._leave,
            RecoverSession: membership.recover,
            Broadcast: self._broadcast,
            ServiceMessage: self._service_message,
            Subscribe: self._subscribe,
            Unsubscribe: self._unsubscribe,
            AudioStart: speech_streams.start,
            AudioEnd: self._audio_end,
            CancelRecording: recordings.asked,
        }
        self._needs = {kind: need_of_message(type_name(kind)) for kind in self._table}

    async def handle(self, connection: Connection, data: str | bytes) -> None:
        """Handle one frame. Nothing but cancellation leaves here: this is one message's boundary."""
        verdict = connection.weigh(len(data))
        if verdict is not Verdict.FINE:
            self._slow_down(connection, data, verdict)
            return
        if isinstance(data, bytes):
            await self._guarded(connection, None, partial(self._audio, connection, data), is_audio=True)
            return
        try:
            message = decode(data)
        except ProblemError as error:
            self._refuse(connection, error, error.extra.get("id"))
            return
        at_once = self._at_once.get(type(message))
        if at_once is not None:
            try:
                at_once(connection, message)
            except Exception:  # noqa: BLE001 - one message's boundary: the connection and its sessions stay
                self._fail(connection, message.id if isinstance(message, Ping) else None)
            return
        verdict = connection.weigh(0, HEAVY.get(type(message), 1) - 1)
        if verdict is not Verdict.FINE:
            self._slow_down(connection, data, verdict)
            return
        identity = message.id if isinstance(message, ClientMessage) else None
        need = self._needs[type(message)]
        if not passes_door(connection.actor, need, is_public=self._is_public(message)):
            self._refuse(connection, refusal(need), identity)
            return
        work = partial(self._table[type(message)], connection, message)
        await self._guarded(connection, identity, work, is_audio=isinstance(message, AudioEnd))

    def _is_public(self, message: object) -> bool:
        """Return whether the settings open a message to a back end to everyone."""
        return isinstance(message, ServiceMessage) and self._gateway.is_public_inside(
            message.target_service, _method(message), ACTION_PREFIX + message.action
        )

    def _slow_down(self, connection: Connection, data: str | bytes, verdict: Verdict) -> None:
        """Refuse a message that came too soon after others; end a connection that goes on all the same."""
        too_much = ProblemError(
            "rate_limited", "You sent too many messages, so this one was rejected. Slow down."
        )
        extra = identity(data) if isinstance(data, str) else {}
        self._refuse(connection, too_much, extra.get("id"), is_audio=isinstance(data, bytes))
        if verdict is Verdict.HOPELESS:
            connection.close(closes.RATE_LIMITED, flush=True)

    async def _guarded(
        self,
        connection: Connection,
        identity: MessageId | None,
        work: Callable[[], Awaitable[None]],
        *,
        is_audio: bool = False,
    ) -> None:
        """Do some work for a client, and tell it where that fails."""
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
        """Log what has just been raised, and tell the client where to find it."""
        request_id = f"{connection.connection_id}-{connection.received}"
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
        self.problems[error.code] = self.problems.get(error.code, 0) + 1
        connection.refuse(error, identity, is_audio=is_audio)

    # One a type.

    def _ping(self, connection: Connection, message: Ping) -> None:
        connection.answer(
            Pong(timestamp=self._sessions.now_ms(), id=UNSET if message.id is None else message.id)
        )

    def _echo(self, connection: Connection, message: Echo) -> None:
        fields = {"timestamp": self._sessions.now_ms(), **message.fields}
        connection.answer(Frame(msgspec.json.encode(fields), is_lasting=True))

    async def _leave(self, connection: Connection, message: LeaveSession) -> None:
        self._speech_streams.hang_up(connection, message.session_id)
        await self._membership.leave(connection, message)

    async def _broadcast(self, connection: Connection, message: Broadcast) -> None:
        member = connection.members.get(message.session_id)
        if member is None:
            raise ProblemError("not_in_session", f"Join session {message.session_id} before sending to it.")
        member.may_speak()
        limit = self._sessions.settings.orchestration.websocket.max_broadcast_bytes
        if len(message.data) > limit:
            raise ProblemError(
                "message_too_large",
                f"$.data: {len(message.data)} bytes of JSON; a broadcast can have {limit} at most. It was "
                "not sent: send less at once, or a link.",
                path="$.data",
            )
        connection.pace()
        origin = None if message.id is None else Origin(connection.connection_id, message.id)
        async with self._sessions.open(message.session_id) as session:
            said = SessionMessage(
                timestamp=0,
                session_id=message.session_id,
                sender=member.participant_id,
                data=message.data,
            )
            ticket = await self._sessions.begin_publish(session, said, origin)
        # Its place among the others is sure. The next message need not wait until it is kept.
        connection.start(partial(self._confirm, connection, session, ticket, message.id))

    async def _confirm(
        self, connection: Connection, session: Session, ticket: Ticket, identity: MessageId | None
    ) -> None:
        async def kept() -> None:
            offset = await ticket.wait()
            # Members are told before the ticket is; where the session was ended meanwhile, nobody was.
            if session.has_ended and session.offset < offset:
                raise ProblemError("unknown_session", f"The session {session.session_id} has ended.")

        await self._guarded(connection, identity, kept)

    async def _service_message(self, connection: Connection, message: ServiceMessage) -> None:
        if any(part in (".", "..", "") for part in message.action.split("/")):
            raise ProblemError(
                "invalid_message", "$.action: A path without empty, . and .. parts.", path="$.action"
            )
        # Beside the next messages: a back end may take as long as the gateway allows.
        connection.start(partial(self._ask, connection, message))

    async def _ask(self, connection: Connection, message: ServiceMessage) -> None:
        try:
            answer = await self._gateway.fetch(
                message.target_service,
                _method(message),
                ACTION_PREFIX + message.action,
                headers=_JSON_HEADERS if message.payload is not None else _JSON_HEADERS[1:],
                body=b"" if message.payload is None else msgspec.json.encode(message.payload),
                max_answer=FRAME_LIMIT,
                flow=Flow.REQUESTS,
                caller=group(connection.actor.address),
            )
        except ProblemError as error:
            error.extra.setdefault("service", message.target_service)
            self._refuse(connection, error, message.id)
            return
        connection.answer(
            ServiceResponse(
                timestamp=self._sessions.now_ms(),
                id=UNSET if message.id is None else message.id,
                source_service=message.target_service,
                action=message.action,
                status=answer.status,
                data=_as_json(answer.body),
                session_id=UNSET if message.session_id is None else message.session_id,
            )
        )

    async def _subscribe(self, connection: Connection, message: Subscribe) -> None:
        self._publisher.subscribe(connection, message)

    async def _unsubscribe(self, connection: Connection, message: Unsubscribe) -> None:
        self._publisher.unsubscribe(connection, message)

    async def _audio(self, connection: Connection, data: bytes) -> None:
        await self._speech_streams.feed(connection, data)

    async def _audio_end(self, connection: Connection, message: AudioEnd) -> None:
        self._speech_streams.end(connection, message)


def _method(message: ServiceMessage) -> str:
    return "GET" if message.payload is None else "POST"


def _as_json(body: bytes) -> Raw:
    """Return a back end's answer as JSON; what is none becomes ``{"text": …}``."""
    text = body.decode(errors="replace")
    try:
        return msgspec.json.decode(text, type=Raw)
    except (msgspec.DecodeError, RecursionError):
        return Raw(msgspec.json.encode({"text": text}))

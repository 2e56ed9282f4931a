"""The client's decisions: what it sends and delivers, without a socket or a clock. Pure.

The shell (``connection.py``) passes in requests and received messages, and carries out the actions that are
returned. Events for the reader are put into ``backlog``. ``static/js/live-socket.js`` decides the same;
``tests/data/recovery/sessions.json`` are the test vectors of both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeGuard

import msgspec
from msgspec import UNSET, Struct

from orch.client.backlog import Backlog
from orch.client.events import (
    ClientError,
    ConnectionLostError,
    Message,
    RefusedError,
    TooManyRequestsError,
    decode,
)
from orch.client.sessions import Sessions, SessionStatistics, field_of, offset_of
from orch.protocol.messages import (
    AnyClientMessage,
    AudioEnded,
    AudioReceiving,
    AudioStatus,
    ClientMessage,
    Closing,
    Connected,
    CreateSession,
    Error,
    JoinSession,
    Ping,
    Pong,
    SessionCreated,
    SessionHistory,
    SessionJoined,
    SessionLeft,
    SessionRecovered,
    Subscribe,
    Subscribed,
    Transcript,
    Unsubscribe,
    Unsubscribed,
)

#: Requests that may wait for their replies at once; the next one is refused.
REQUESTS_LIMIT: Final = 64


class Send(Struct, frozen=True):
    """Send a message on the current connection."""

    message: ClientMessage


class Settle(Struct, frozen=True):
    """A request has its reply, or will have none."""

    id: int
    outcome: Message | ClientError


class Forward(Struct, frozen=True):
    """Pass this message to the speech stream."""

    message: AudioEnded | AudioStatus | Error | Transcript


Action = Send | Settle | Forward


@dataclass(slots=True)
class _Request:
    message: AnyClientMessage
    is_sent: bool = False


class ClientState:
    """The sessions, topics and requests of one client, over one connection after another.

    The mutable state is those three, whether there is a connection that was greeted, and the backlog.
    """

    def __init__(self, backlog: Backlog) -> None:
        self.backlog = backlog
        self.connection: Connected | None = None
        self.closing: Closing | None = None
        self._next_id = 1
        self._requests: dict[int, _Request] = {}
        self._topics: dict[str, int] = {}
        self._sessions = Sessions(backlog, self._id)

    @property
    def is_live(self) -> bool:
        """Whether the service has greeted the connection."""
        return self.connection is not None

    @property
    def requests(self) -> int:
        """Pending requests."""
        return len(self._requests)

    @property
    def topics(self) -> tuple[str, ...]:
        """Subscribed topics."""
        return tuple(self._topics)

    def sessions(self) -> tuple[SessionStatistics, ...]:
        """Return the state of each session."""
        return self._sessions.statistics()

    # What the owner asks for.

    def request(self, message: AnyClientMessage) -> tuple[int, list[Action]]:
        """Send a message now, or with the next connection; ``Settle`` has its answer.

        Raises TooManyRequestsError.
        """
        if len(self._requests) >= REQUESTS_LIMIT:
            raise TooManyRequestsError
        identity = self._id()
        self._requests[identity] = _Request(msgspec.structs.replace(message, id=identity))
        return identity, self._send_waiting() if self.is_live else []

    def abandon(self, identity: int, now: float) -> list[Action]:
        """Abandon a request. If it was sent, it may still take effect."""
        request = self._requests.pop(identity, None)
        if request is None or not request.is_sent or not isinstance(request.message, JoinSession):
            return []
        return _sends(self._sessions.unexpect(request.message.session_id, now))

    def follow(self, topic: str) -> bool:
        """Subscribe to a topic on every connection; True if it was not subscribed before."""
        self._topics[topic] = self._topics.get(topic, 0) + 1
        return self._topics[topic] == 1

    def unfollow(self, topic: str, *, is_refused: bool = False) -> list[Action]:
        """Undo one ``follow``; after the last one the topic is unsubscribed."""
        self._topics[topic] -= 1
        if self._topics[topic] > 0:
            return []
        del self._topics[topic]
        return [Send(Unsubscribe(topic=topic, id=self._id()))] if self.is_live and not is_refused else []

    def forget(self, session_id: str) -> None:
        """Do not recover a session after the next loss."""
        self._sessions.forget(session_id)

    def resume(self, session_id: str, *, token: str, epoch: str, offset: int, now: float) -> list[Action]:
        """Recover a session of an earlier client; ``Recovered`` or ``Lost`` follows."""
        self._sessions.resume(session_id, token=token, epoch=epoch, offset=offset)
        return _sends(self._sessions.recover(session_id, now)) if self.is_live else []

    def credentials(self, session_id: str) -> tuple[str, str] | None:
        """Return the token and epoch for ``resume``, or None if the client is not in the session."""
        return self._sessions.credentials(session_id)

    def ping(self) -> Action:
        """Send a ping."""
        return Send(Ping(id=self._id()))

    def drained(self, now: float) -> list[Action]:
        """Record that the application has read events."""
        return _sends(self._sessions.drained(now)) if self.is_live else []

    # Events of the connection.

    def connecting(self) -> None:
        """Start using a new connection."""
        self.closing = None

    def lost(self) -> list[Action]:
        """Record that the connection ended: the outcome of sent requests is unknown."""
        self.connection = None
        self._sessions.lost()
        return self._fail(ConnectionLostError(), only_sent=True)

    def stopped(self, error: ClientError) -> list[Action]:
        """Record that there will be no further connection."""
        return self._fail(error, only_sent=False)

    def next_due(self) -> float | None:
        """Return the time of the next ``tick``."""
        return self._sessions.next_due()

    def tick(self, now: float) -> list[Action]:
        """Retry recoveries that timed out."""
        return _sends(self._sessions.tick(now))

    def receive(self, message: Message, size: int, now: float) -> list[Action]:
        """Handle a message of ``size`` bytes."""
        if isinstance(message, AudioReceiving):
            self._sessions.audio_receiving(message)
        identity = message.id if isinstance(message.id, int) else 0
        request = self._requests.get(identity)
        actions = self._route(message, size, now, None if request is None else request.message)
        if request is not None:
            del self._requests[identity]
            outcome = RefusedError(message.code, message.detail) if isinstance(message, Error) else message
            actions.append(Settle(identity, outcome))
        return actions

    def _route(
        self, message: Message, size: int, now: float, request: AnyClientMessage | None
    ) -> list[Action]:
        """Handle a message; ``request``: the request it replies to."""
        match message:
            case Connected():
                return self._greeted(message, now)
            case Closing():
                self.closing = message
            case SessionCreated() | SessionJoined():
                return _sends(self._sessions.joined(message, now))
            case SessionRecovered() | SessionHistory():
                return self._missed(message, now)
            case Pong() | Subscribed() | Unsubscribed() | AudioReceiving():
                pass
            case Error(code=code) if request is not None:
                if isinstance(request, (CreateSession, JoinSession)) and request.session_id is not None:
                    self._sessions.refused(request.session_id, code)
            case Error():
                self._sessions.audio_refused(message)
                if not self._sessions.failed(message, now):
                    self.backlog.offer(message, size)
                    return [Forward(message)]
            case _:
                return self._deliver(message, size, now, is_answer=request is not None)
        return []

    def _missed(self, message: SessionRecovered | SessionHistory, now: float) -> list[Action]:
        """Deliver missed messages, and pass speech streams their own."""
        missed = () if message.messages is UNSET else message.messages
        forwarded = [Forward(each) for each in map(decode, missed) if _is_for_speakers(each)]
        if isinstance(message, SessionHistory):
            return [*forwarded, *_sends(self._sessions.continued(message, now))]
        actions = [*forwarded, *_sends(self._sessions.recovered(message, now))]
        return actions + _sends(self._sessions.audio_again(message.session_id))

    def _deliver(self, message: Message, size: int, now: float, *, is_answer: bool) -> list[Action]:
        """Deliver a message, in its session's order where it has one."""
        if isinstance(message, SessionLeft) and message.reason == "lost" and not is_answer:
            self._sessions.lose(message.session_id, "lost")
            return [Forward(message)] if _is_for_speakers(message) else []
        if isinstance(message, SessionLeft):
            self.forget(message.session_id)
        actions: list[Action] = [Forward(message)] if _is_for_speakers(message) else []
        offset = offset_of(message)
        if offset is not None:
            session_id = str(field_of(message, "session_id"))
            return actions + _sends(self._sessions.receive(session_id, offset, message, size, now))
        if not is_answer:
            self.backlog.offer(message, size)
        return actions

    def _greeted(self, message: Connected, now: float) -> list[Action]:
        self.connection = message
        actions = _sends(self._sessions.greeted(now))
        actions += [Send(Subscribe(topic=topic, id=self._id())) for topic in self._topics]
        return actions + self._send_waiting()

    # Requests.

    def _send_waiting(self) -> list[Action]:
        """Send the requests not sent on any connection yet, in order."""
        actions: list[Action] = []
        for request in self._requests.values():
            if request.is_sent:
                continue
            request.is_sent = True
            if isinstance(request.message, (JoinSession, CreateSession)) and request.message.session_id:
                self._sessions.expect(request.message.session_id)
            actions.append(Send(request.message))
        return actions

    def _fail(self, error: ClientError, *, only_sent: bool) -> list[Action]:
        failed = [identity for identity, r in self._requests.items() if r.is_sent or not only_sent]
        for identity in failed:
            del self._requests[identity]
        return [Settle(identity, error) for identity in failed]

    def _id(self) -> int:
        self._next_id += 1
        return self._next_id - 1


def _is_for_speakers(message: Message) -> TypeGuard[AudioEnded | AudioStatus | Transcript]:
    """Whether a message is about a stream's progress."""
    return isinstance(message, (AudioEnded, AudioStatus)) or (
        isinstance(message, Transcript) and message.final
    )


def _sends(messages: Sequence[ClientMessage]) -> list[Action]:
    return [Send(message) for message in messages]

"""Sessions and who is in them. Pure: what is decided here is carried out by the hub."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from orch.problems import ProblemError
from orch.stores.records import Appended, ParticipantRecord, SessionRecord
from orch.websocket.messages import Participant, Role
from orch.websocket.outbox import Frame
from orch.websocket.tokens import Token

#: Bytes of a session's ``config``, as JSON.
CONFIG_LIMIT: Final = 65_536

#: Speech streams of one session that are open or still being written down.
STREAMS_PER_SESSION: Final = 64

#: Presence is told so often at most: at once for few, less often the longer the list and the more there are
#: to tell it to, so that what a crowd costs grows with the crowd and not with its square.
PRESENCE_INTERVAL: Final = 0.1
_PRESENCE_PER_PARTICIPANT: Final = 0.005

MAY_SPEAK: Final[frozenset[Role]] = frozenset(("owner", "participant"))


class Receiver(Protocol):
    """A client, as far as a session knows it."""

    @property
    def connection_id(self) -> str:
        """Its public name."""

    @property
    def heard_at(self) -> float:
        """When it last sent anything, in seconds since the epoch."""

    @property
    def answers_heartbeats(self) -> bool:
        """Whether its being connected shows that it is there: the server ends those that do not answer."""

    def offer(self, frame: Frame) -> bool:
        """Queue a frame. False: it was shed."""

    def overflow(self) -> None:
        """Close the client: it cannot keep up."""

    def dismiss(self, left: Frame, session_id: str) -> None:
        """Be in a session no more, and be told so."""


class Member:
    """A participant who is in the session now, through one connection.

    While :meth:`hold` is in force, what the session says is held back, bounded by ``limit`` bytes, so that
    what was missed can be fetched and sent first. Overflow rule: the client is closed, as any slow one.
    """

    __slots__ = (
        "_held",
        "_held_bytes",
        "_limit",
        "languages",
        "name",
        "participant_id",
        "receiver",
        "role",
        "streams",
        "token",
    )

    def __init__(
        self,
        receiver: Receiver,
        token: Token,
        *,
        name: str,
        role: Role,
        languages: tuple[str, ...],
        limit: int,
    ) -> None:
        self.receiver = receiver
        self.token = token
        self.participant_id = token.participant_id
        self.name = name
        self.role: Role = role
        self.languages = languages
        self.streams = 0
        self._limit = limit
        self._held: list[Frame] | None = None
        self._held_bytes = 0

    def __repr__(self) -> str:
        return f"<Member {self.participant_id} {self.name!r} {self.role}>"

    def may_speak(self) -> None:
        """Raise ``read_only`` where this one only reads."""
        if self.role not in MAY_SPEAK:
            raise ProblemError(
                "read_only", "You are here as an observer: you read, but do not speak or send."
            )

    def deliver(self, frame: Frame) -> bool:
        """Give the member what the session says. False: it will not arrive."""
        if self._held is None:
            return self.receiver.offer(frame)
        self._held_bytes += frame.size
        if self._held_bytes > self._limit:
            self.receiver.overflow()
            return False
        self._held.append(frame)
        return True

    def hold(self) -> None:
        """Hold back what the session says from here on."""
        self._held, self._held_bytes = [], 0

    def release(self) -> None:
        """Give out what was held back, and hold no more."""
        held, self._held, self._held_bytes = self._held or [], None, 0
        for frame in held:
            self.receiver.offer(frame)

    def forget_held(self) -> None:
        """Drop what was held back: the member is let out again."""
        self._held = None

    def described(self) -> Participant:
        """Return what others see."""
        return Participant(
            participant_id=self.participant_id,
            name=self.name,
            role=self.role,
            languages=self.languages,
            speaking=self.streams > 0,
        )

    def record(self, seen: float) -> ParticipantRecord:
        """Return what is kept, so that this one may return."""
        return ParticipantRecord(
            participant_id=self.participant_id,
            name=self.name,
            role=self.role,
            languages=self.languages,
            token_hash=self.token.hashed(),
            seen=seen,
        )


class Session:
    """A session that someone uses now. What is at rest is a :class:`SessionRecord` in the store.

    The mutable state: ``offset``, the newest message that members were sent; ``last_active`` in seconds since
    the epoch; the members, and ``others`` on other workers; the speech streams; ``pins``, how many operations
    are between two awaits with it.
    """

    __slots__ = (
        "_members",
        "config",
        "created",
        "epoch",
        "has_ended",
        "last_active",
        "offset",
        "others",
        "pins",
        "presence_at",
        "session_id",
        "streams",
    )

    def __init__(self, record: SessionRecord) -> None:
        self.session_id = record.session_id
        self.epoch = record.epoch
        self.offset = record.offset
        self.config = record.config
        self.created = record.created
        self.last_active = record.last_active
        self.has_ended = False
        self.pins = 0
        self.presence_at = float("-inf")
        # Most sessions that are known are empty: a dict each would be most of what they cost.
        self._members: dict[str, Member] | None = None
        self.others: tuple[Participant, ...] = ()
        self.streams: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return (
            f"<Session {self.session_id} at {self.offset}, {self.count} members, {len(self.streams)} streams>"
        )

    @property
    def count(self) -> int:
        """How many are in it."""
        return len(self._members) if self._members else 0

    @property
    def is_idle(self) -> bool:
        """Whether nobody is in it, nothing is said and nothing is under way: it may rest in the store."""
        return not self._members and not self.streams and not self.pins

    def members(self) -> Iterator[Member]:
        """Return those who are in it, in the order they came."""
        return iter(tuple(self._members.values()) if self._members else ())

    def member(self, participant_id: str) -> Member | None:
        """Return one who is in it."""
        return self._members.get(participant_id) if self._members else None

    def add(self, member: Member) -> None:
        """Let a member in. One who is in it is given another connection instead: :attr:`Member.receiver`."""
        if self._members is None:
            self._members = {}
        self._members[member.participant_id] = member

    def remove(self, member: Member) -> bool:
        """Let a member go. False: it is not in the session."""
        if self._members is None or self._members.get(member.participant_id) is not member:
            return False
        del self._members[member.participant_id]
        if not self._members:
            self._members = None
        return True

    def participants(self) -> tuple[Participant, ...]:
        """Return who is in it, as others see them; those on other workers among them."""
        here = tuple(member.described() for member in self.members())
        # Someone who has come over from a worker that has not noticed yet is in it once.
        return here + tuple(each for each in self.others if self.member(each.participant_id) is None)

    def languages(self) -> frozenset[str]:
        """Return the languages that someone here reads."""
        here = {language for member in self.members() for language in member.languages}
        return frozenset(here.union(*(participant.languages for participant in self.others)))

    def deliver(self, frame: Frame) -> bool:
        """Give all members a frame. False: someone will not get it."""
        arrived = True
        for member in self.members():
            arrived = member.deliver(frame) and arrived
        return arrived

    def appended(self, message: Appended) -> None:
        """Give all members a message that is kept now; its sender gets it with its own ``id``."""
        self.offset = message.offset
        self.last_active = max(self.last_active, message.at)
        frame = Frame(message.frame, is_lasting=True)
        origin = message.origin
        for member in self.members():
            is_sender = origin is not None and member.receiver.connection_id == origin.connection_id
            member.deliver(frame.answering(origin.message_id) if origin and is_sender else frame)

    def was_active(self) -> float:
        """Return when it was last used: something said, or a sign of life from a member's connection."""
        return max(self.last_active, *(member.receiver.heard_at for member in self.members()), 0.0)

    @property
    def is_attended(self) -> bool:
        """Whether someone is certainly there, though they may only listen."""
        return any(member.receiver.answers_heartbeats for member in self.members())

    def may_open_stream(self) -> None:
        """Raise ``too_many_recordings`` where as much is being said at once as may be."""
        if len(self.streams) >= STREAMS_PER_SESSION:
            raise ProblemError(
                "too_many_recordings", f"{STREAMS_PER_SESSION} streams are open in {self.session_id} already."
            )

    def presence_due(self) -> float:
        """Return from when on (monotonic seconds) presence may be told again."""
        return self.presence_at + PRESENCE_INTERVAL + _PRESENCE_PER_PARTICIPANT * self.count


class SessionSummary(Struct, frozen=True, kw_only=True):
    """A session, for lists and the HTTP API. Times in seconds since the epoch."""

    session_id: str
    epoch: str
    offset: int
    config: msgspec.Raw
    created: float
    last_active: float
    participants: tuple[Participant, ...] = ()
    streams: int = 0


def summary(session: Session | SessionRecord) -> SessionSummary:
    """Return a session's summary, from use or from rest."""
    live = session if isinstance(session, Session) else None
    return SessionSummary(
        session_id=session.session_id,
        epoch=session.epoch,
        offset=session.offset,
        config=msgspec.Raw(session.config),
        created=session.created,
        last_active=session.last_active,
        participants=live.participants() if live else (),
        streams=len(live.streams) if live else 0,
    )


def encoded_config(config: object) -> bytes:
    """Return ``config`` as it is kept. Raises ``invalid_message`` where it is larger than it may be."""
    data = msgspec.json.encode(config)
    if len(data) > CONFIG_LIMIT:
        raise ProblemError(
            "invalid_message",
            f"$.config: {len(data)} bytes of JSON; a session may keep {CONFIG_LIMIT}.",
            path="$.config",
        )
    return data


def default_name(participant_id: str) -> str:
    """Return what someone is called who gave no name: the same at every return."""
    return f"Guest {participant_id[:4]}"


class Resident:
    """The sessions in memory: those in use, and the last ``limit`` others.

    Overflow rule: beyond ``limit``, sessions that are idle leave, those used longest ago first; they are in
    the store. Those in use always stay: they are bounded by the connections.
    """

    #: How many are looked at when one comes; those in use are moved to the young end on the way.
    _LOOKED_AT: Final = 16

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._sessions.values()))

    def latest(self, limit: int) -> tuple[Session, ...]:
        """Return the sessions that were asked for last, newest first."""
        return tuple(islice(reversed(self._sessions.values()), limit))

    def get(self, session_id: str) -> Session | None:
        """Return the session, if it is here."""
        session = self._sessions.pop(session_id, None)
        if session is not None:
            self._sessions[session_id] = session
        return session

    def let_go(self, session_id: str) -> bool:
        """Let a session go that is idle; it is in the store. False: it is in use."""
        session = self._sessions.get(session_id)
        if session is not None and not session.is_idle:
            return False
        self._sessions.pop(session_id, None)
        return True

    def add(self, session: Session) -> Session:
        """Take a session in; return the one that is here if it has come in the meantime."""
        known = self._sessions.setdefault(session.session_id, session)
        if known is session and len(self._sessions) > self._limit:
            self._thin(session)
        return known

    def remove(self, session_ids: Iterable[str]) -> None:
        """Let sessions go that have ended."""
        for session_id in session_ids:
            session = self._sessions.pop(session_id, None)
            if session is not None:
                session.has_ended = True

    def _thin(self, newcomer: Session) -> None:
        for session in [
            session for session, _ in zip(self._sessions.values(), range(self._LOOKED_AT), strict=False)
        ]:
            if session is newcomer:
                continue
            del self._sessions[session.session_id]
            if not session.is_idle:
                self._sessions[session.session_id] = session
            elif len(self._sessions) <= self._limit:
                break

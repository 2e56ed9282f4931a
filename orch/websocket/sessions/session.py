"""Sessions and who is in them. Pure: what is decided here is carried out by the hub. Pure."""

from collections.abc import Container, Iterable, Iterator
from typing import Final

import msgspec
from msgspec import Struct

from orch.problems import ProblemError
from orch.protocol.messages import Change, Participant
from orch.protocol.session_keys import GivenKeys
from orch.stores.records import Appended, SessionRecord
from orch.websocket.cluster.remote_participants import ParticipantChange, PresenceDelta, RemoteParticipants
from orch.websocket.connections.outbox import Frame
from orch.websocket.participants.member import Member
from orch.websocket.participants.names import Names
from orch.websocket.participants.roster import PARTICIPANTS_LISTED, Roster, RosterEntry

#: Bytes of a session's ``config``, as JSON. It is sent to everyone who joins, and stored with each session.
CONFIG_LIMIT: Final = 16_384

#: Presence is told so often at most: at once to few, less often the more there are to tell it to, so that
#: nobody's coming and going takes more than 500 frames a second, however large the crowd.
PRESENCE_INTERVAL: Final = 0.1
_PRESENCE_PER_MEMBER: Final = 0.002

#: Of each of many sessions so many participants are listed; looked at alone, a session lists more.
PARTICIPANTS_IN_LISTS: Final = 10

#: Bytes of all participants in one list, as JSON: those of the sessions after that are counted alone.
PARTICIPANTS_BYTES: Final = 32_768


class Session:
    """A session that someone uses now. What is at rest is a :class:`SessionRecord` in the store.

    The mutable state: ``offset``, the newest message that members were sent; ``last_active`` in seconds since
    the epoch; the members, the ``others`` on other workers, and the roster of both; the speech streams;
    ``presence_due``, from when on (monotonic seconds) presence may be told again; ``pins``, how many
    operations are between two awaits with it.
    """

    __slots__ = (
        "_members",
        "_names",
        "_remote",
        "_roster",
        "config",
        "created",
        "epoch",
        "has_ended",
        "keys",
        "last_active",
        "offset",
        "pins",
        "presence_due",
        "session_id",
        "streams",
    )

    def __init__(self, record: SessionRecord) -> None:
        self.session_id = record.session_id
        self.epoch = record.epoch
        self.offset = record.offset
        self.config = record.config
        self.keys = record.keys
        self.created = record.created
        self.last_active = record.last_active
        self.has_ended = False
        self.pins = 0
        self.presence_due = float("-inf")
        # Most sessions that are known are empty: a dict each would be most of what they cost.
        self._members: dict[str, Member] | None = None
        self._remote: RemoteParticipants | None = None
        self._roster: Roster | None = None
        self._names: Names | None = None
        self.streams: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return (
            f"<Session {self.session_id} at {self.offset}, {self.count} members of"
            f" {self.participant_count}, {len(self.streams)} streams>"
        )

    @property
    def count(self) -> int:
        """How many are in it through this worker."""
        return len(self._members) if self._members else 0

    @property
    def participant_count(self) -> int:
        """How many are in it, on all workers."""
        return 0 if self._roster is None else len(self._roster)

    @property
    def present(self) -> Container[str]:
        """Who is in it, on all workers, by ``participant_id``."""
        return () if self._roster is None else self._roster

    def present_ids(self) -> frozenset[str]:
        """Return who is in it now, on all workers."""
        roster: Iterable[RosterEntry] = self._roster or ()
        return frozenset(one.participant_id for one in roster)

    @property
    def is_blank(self) -> bool:
        """Whether nothing was said in it, nobody is in it on any worker, and nobody is awaited back."""
        return not (self.offset or self.streams or self.participant_count or self._names)

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
        self._all_names().hold(member.participant_id, member.name)
        self._roster_of_all().put(member)

    def remove(self, member: Member, *, for_good: bool = False) -> bool:
        """Let a member go. False: it is not in the session. ``for_good``: others may have the name now."""
        if self._members is None or self._members.get(member.participant_id) is not member:
            return False
        del self._members[member.participant_id]
        if not self._members:
            self._members = None
        # A participant who moved here may still be listed by the worker they left.
        remote = None if self._remote is None else self._remote.get(member.participant_id)
        if remote is None:
            self._drop_from_roster(member.participant_id, "left" if for_good else "silent")
        else:
            self._roster_of_all().put(remote)
        return True

    def refresh(self, member: Member) -> None:
        """Have a member who looks different seen so."""
        if self.member(member.participant_id) is member:
            self._all_names().hold(member.participant_id, member.name)
            self._roster_of_all().put(member)

    def participants(self, also: str | None = None) -> tuple[Participant, ...]:
        """Return who is in it, on all workers, as others see them: the first of them, and ``also``."""
        return () if self._roster is None else self._roster.listed(also)

    # Those on other workers.

    @property
    def workers(self) -> frozenset[str]:
        """The other workers on which someone is in it."""
        return frozenset() if self._remote is None else self._remote.workers

    def is_remote(self, participant_id: str) -> bool:
        """Return whether a participant is connected to another worker."""
        return self._remote is not None and self._remote.get(participant_id) is not None

    def apply(self, delta: PresenceDelta) -> tuple[ParticipantChange, ...] | None:
        """Apply another worker's delta; return who changed, or None if a delta before it was missed."""
        remote = self._remote or RemoteParticipants()
        changes = remote.apply(delta)
        self._remote = remote if remote.workers else None
        return None if changes is None else self._apply_remote(changes)

    def drop_worker(self, worker: str) -> tuple[ParticipantChange, ...]:
        """Drop the participants of a worker that is gone; return who changed."""
        remote = self._remote or RemoteParticipants()
        changes = remote.drop_worker(worker)
        self._remote = remote if remote.workers else None
        return self._apply_remote(changes)

    def _apply_remote(self, changes: tuple[ParticipantChange, ...]) -> tuple[ParticipantChange, ...]:
        """Apply remote changes to the roster; return those about participants not connected here."""
        changes = tuple(each for each in changes if self.member(each[0].participant_id) is None)
        for participant, change in changes:
            if change in (None, "joined"):
                self._all_names().hold(participant.participant_id, participant.name)
                self._roster_of_all().put(participant)
            else:
                self._drop_from_roster(participant.participant_id, change)
        return changes

    def _roster_of_all(self) -> Roster:
        if self._roster is None:
            self._roster = Roster()
        return self._roster

    def _drop_from_roster(self, participant_id: str, change: Change | None) -> None:
        if self._names is not None and change == "silent":
            self._names.silence(participant_id)
        elif self._names is not None:
            self._names.release(participant_id)
        if self._roster is not None:
            self._roster.drop(participant_id)
            if not len(self._roster):
                self._roster = None

    # What they are called.

    def take_name(self, participant_id: str, name: str) -> str:
        """Give someone a name that nobody else has in it, as near to ``name`` as may be, and return it."""
        return self._all_names().take(participant_id, name)

    def name_recording(self, recording_id: str, name: str) -> str:
        """Return a recording's name, as near to ``name`` as may be; no participant has it or is given it.

        It is held as those of participants are whose connection was lost: the oldest of many are let go.
        """
        named = self.take_name(recording_id, name)
        self._all_names().silence(recording_id)
        return named

    def drop_name(self, participant_id: str) -> None:
        """Have a name back from someone who has not come in after all."""
        if self._names is not None and participant_id not in self.present:
            self._names.release(participant_id)

    def _all_names(self) -> Names:
        if self._names is None:
            self._names = Names()
        return self._names

    # What is said.

    def languages(self) -> frozenset[str]:
        """Return the languages that someone in it reads."""
        roster: Iterable[RosterEntry] = self._roster or ()
        return frozenset(language for one in roster for language in one.languages)

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
        sender = None if origin is None else origin.connection_id
        for member in self.members():
            if origin is not None and member.receiver.connection_id == sender:
                member.deliver(frame.answering(origin.message_id))
            else:
                member.deliver(frame)

    def was_active(self) -> float:
        """Return when it was last used: something said, or a sign of life from a member's connection."""
        return max(self.last_active, *(member.receiver.heard_at for member in self.members()), 0.0)

    @property
    def is_attended(self) -> bool:
        """Whether someone is certainly there, though they may only listen."""
        return any(member.receiver.answers_heartbeats for member in self.members())


class SessionListed(Struct, frozen=True, kw_only=True):
    """A session in a list. Times in seconds since the epoch.

    ``participants``: the first of ``participant_count``; null where that is not known, because whoever may be
    in the session is so through other workers alone.
    """

    session_id: str
    epoch: str
    offset: int
    created: float
    last_active: float
    participants: tuple[Participant, ...] = ()
    participant_count: int | None = 0
    streams: int = 0


class SessionSummary(SessionListed, frozen=True, kw_only=True):
    """A session looked at alone, with its ``config``, which may be large."""

    config: msgspec.Raw


class SessionMade(SessionSummary, frozen=True, kw_only=True):
    """A session that has begun, and the keys to it: for links to speak with, and for links to read with."""

    keys: GivenKeys


def listed(
    session: Session | SessionRecord, limit: int = PARTICIPANTS_LISTED, *, is_known: bool = True
) -> SessionListed:
    """Return a session for a list, from use or from rest, with ``limit`` of its participants at most.

    ``is_known``: whether it is known here who is in it.
    """
    live = session if isinstance(session, Session) else None
    count = live.participant_count if live else 0
    return SessionListed(
        session_id=session.session_id,
        epoch=session.epoch,
        offset=session.offset,
        created=session.created,
        last_active=session.last_active,
        participants=live.participants()[:limit] if live else (),
        participant_count=count if is_known else None,
        streams=len(live.streams) if live else 0,
    )


def within_bytes(sessions: Iterable[SessionListed]) -> tuple[SessionListed, ...]:
    """Return a list of sessions with the first participants, :data:`PARTICIPANTS_BYTES` of them at most."""
    left = PARTICIPANTS_BYTES
    found = []
    for session in sessions:
        left -= len(msgspec.json.encode(session.participants)) if session.participants else 0
        found.append(session if left >= 0 else msgspec.structs.replace(session, participants=()))
    return tuple(found)


def summary(session: Session | SessionRecord, *, is_known: bool = True) -> SessionSummary:
    """Return a session's summary, as :func:`listed` does, with its config."""
    fields = msgspec.structs.asdict(listed(session, is_known=is_known))
    return SessionSummary(config=msgspec.Raw(session.config), **fields)


def presence_interval(members: int) -> float:
    """Return the seconds until presence may be told again that so many were told just now."""
    return PRESENCE_INTERVAL + _PRESENCE_PER_MEMBER * members


def encoded_config(config: object) -> bytes:
    """Return ``config`` as it is kept. Raises ``invalid_message`` where it is larger than it may be."""
    data = msgspec.json.encode(config)
    if len(data) > CONFIG_LIMIT:
        raise ProblemError(
            "invalid_message",
            f"$.config: {len(data):,} bytes of JSON; it can have {CONFIG_LIMIT:,} at most. Store "
            "larger data elsewhere and put a link to it here.",
            path="$.config",
        )
    return data

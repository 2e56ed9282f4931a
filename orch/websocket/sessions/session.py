"""A session in memory: its members, roster and names. Pure."""

from collections.abc import Container, Iterable, Iterator
from typing import Final

import msgspec
from msgspec import Struct

from orch.access.permissions import SPEAKERS
from orch.problems import ProblemError
from orch.protocol.messages import Change, Participant, PipelineChoice
from orch.protocol.session_keys import GivenKeys
from orch.protocol.terms import Term, Terms, TermsError, cleaned
from orch.stores.records import Appended, SessionRecord
from orch.websocket.cluster.remote_participants import ParticipantChange, PresenceDelta, RemoteParticipants
from orch.websocket.connections.outbox import Frame
from orch.websocket.moderation.decisions import decode
from orch.websocket.participants.member import Member
from orch.websocket.participants.names import Names
from orch.websocket.participants.roster import PARTICIPANTS_LISTED, Roster, RosterEntry
from orch.websocket.sessions.session_title import new_title, title_of, with_title
from orch.websocket.sessions.synthetic import is_synthetic

#: Maximum bytes of a session's ``config`` as JSON. It is stored, and sent to everyone who joins.
CONFIG_LIMIT: Final = 16_384

#: The minimum interval of ``presence``: at once for few members, longer for many, so that joins and leaves
#: cost a session at most 500 frames a second.
PRESENCE_INTERVAL: Final = 0.1
_PRESENCE_PER_MEMBER: Final = 0.002

#: Participants listed for each session in a list of sessions; a single session lists more.
PARTICIPANTS_IN_LISTS: Final = 10

#: Maximum bytes of all participants in a list of sessions, as JSON; the rest is only counted.
PARTICIPANTS_BYTES: Final = 32_768


class Session:
    """A session in memory. In the store it is a :class:`SessionRecord`.

    ``is_synthetic``: it is one of test speech, and counts in no figure of use.

    The mutable state: the host's ``decisions``, and the ``keys``; the terms, the pipeline, and their
    revisions; ``offset``, of the newest message sent to members; ``last_active`` in seconds since the epoch;
    the members, the participants on other workers, and the roster of both; the speech streams;
    ``presence_due``, when (monotonic seconds) presence may be sent again; ``pins``, the number of operations
    that use it across an await.
    """

    __slots__ = (
        "_members",
        "_names",
        "_remote",
        "_roster",
        "_title",
        "config",
        "created",
        "decisions",
        "epoch",
        "has_ended",
        "is_synthetic",
        "keys",
        "last_active",
        "offset",
        "pins",
        "pipeline",
        "pipeline_revision",
        "presence_due",
        "session_id",
        "streams",
        "terms",
        "terms_revision",
    )

    def __init__(self, record: SessionRecord) -> None:
        self.session_id = record.session_id
        self.epoch = record.epoch
        self.offset = record.offset
        self.config = record.config
        self.is_synthetic = is_synthetic(record.config)
        self._title: str | None = None
        self.keys = record.keys
        self.decisions = decode(record.moderation)
        self.terms = record.terms
        self.terms_revision = record.terms_revision
        self.pipeline = record.pipeline
        self.pipeline_revision = record.pipeline_revision
        self.created = record.created
        self.last_active = record.last_active
        self.has_ended = False
        self.pins = 0
        self.presence_due = float("-inf")
        # Most sessions in memory are empty: a dict each would be most of their size.
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
    def title(self) -> str:
        """The title in ``config``; empty: it has none."""
        if self._title is None:
            self._title = title_of(self.config)
        return self._title

    @property
    def count(self) -> int:
        """The number of members on this worker."""
        return len(self._members) if self._members else 0

    @property
    def participant_count(self) -> int:
        """The number of participants on all workers."""
        return 0 if self._roster is None else len(self._roster)

    @property
    def present(self) -> Container[str]:
        """The participants on all workers, by ``participant_id``."""
        return () if self._roster is None else self._roster

    def present_ids(self) -> frozenset[str]:
        """Return the ids of the participants on all workers."""
        roster: Iterable[RosterEntry] = self._roster or ()
        return frozenset(one.participant_id for one in roster)

    @property
    def is_empty(self) -> bool:
        """Whether it has no messages, no participants on any worker, and none who may return."""
        return not (self.offset or self.streams or self.participant_count or self._names)

    @property
    def is_idle(self) -> bool:
        """Whether it has no participants, streams or operations, so that it may be evicted from memory."""
        return not self._members and not self.streams and not self.pins

    def members(self) -> Iterator[Member]:
        """Return the members in the order in which they joined."""
        return iter(tuple(self._members.values()) if self._members else ())

    def member(self, participant_id: str) -> Member | None:
        """Return a member, or None."""
        return self._members.get(participant_id) if self._members else None

    def add(self, member: Member) -> None:
        """Add a member. An existing member gets a new connection instead: :attr:`Member.receiver`."""
        if self._members is None:
            self._members = {}
        member.muted = self.decisions.is_muted(member.participant_id, member.role)
        self._members[member.participant_id] = member
        self._all_names().hold(member.participant_id, member.name)
        self._roster_of_all().put(member)

    def remove(self, member: Member, *, for_good: bool = False) -> bool:
        """Remove a member. False: it is not in the session. ``for_good``: release the name."""
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
        """Update a member whose attributes changed."""
        if self.member(member.participant_id) is member:
            self._all_names().hold(member.participant_id, member.name)
            self._roster_of_all().put(member)

    def participants(self, also: str | None = None) -> tuple[Participant, ...]:
        """Return the listed participants of all workers, including ``also``."""
        return () if self._roster is None else self._roster.listed(also)

    # Participants on other workers.

    @property
    def workers(self) -> frozenset[str]:
        """The other workers with participants."""
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
        """Drop the participants of a worker that has left; return those that changed."""
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

    # Names.

    def take_name(self, participant_id: str, name: str) -> str:
        """Assign a participant a unique name as close to ``name`` as possible, and return it."""
        return self._all_names().take(participant_id, name)

    def name_recording(self, recording_id: str, name: str) -> str:
        """Assign a recording a unique name as close to ``name`` as possible, and return it.

        It is reserved like the names of disconnected participants: beyond the limit the oldest is released.
        """
        named = self.take_name(recording_id, name)
        self._all_names().silence(recording_id)
        return named

    def name_absent(self, participant_id: str, name: str) -> str:
        """Assign a disconnected participant a unique name as close to ``name`` as possible, and return it."""
        return self.name_recording(participant_id, name)

    def drop_name(self, participant_id: str) -> None:
        """Release the name of a participant whose join failed."""
        if self._names is not None and participant_id not in self.present:
            self._names.release(participant_id)

    def _all_names(self) -> Names:
        if self._names is None:
            self._names = Names()
        return self._names

    # Messages.

    def speakers(self) -> tuple[str, ...]:
        """Return the participants on all workers who may speak, except owners."""
        roster: Iterable[RosterEntry] = self._roster or ()
        return tuple(one.participant_id for one in roster if one.role == "participant")

    def languages(self) -> frozenset[str]:
        """Return all languages that the members read."""
        roster: Iterable[RosterEntry] = self._roster or ()
        return frozenset(language for one in roster for language in one.languages)

    def growing_languages(self) -> frozenset[str]:
        """Return the languages of the members who want growing lines translated."""
        roster: Iterable[RosterEntry] = self._roster or ()
        return frozenset(language for one in roster if one.growing for language in one.languages)

    @property
    def wants_audio(self) -> bool:
        """Whether any participant receives the sound of a meeting's speakers."""
        roster: Iterable[RosterEntry] = self._roster or ()
        return any(one.audio is True for one in roster)

    def deliver_audio(self, frame: Frame) -> None:
        """Deliver sound to the members who receive it."""
        for member in self.members():
            if member.audio is True:
                member.deliver(frame)

    def set_terms(self, terms: Terms, revision: int) -> bool:
        """Replace the names and terms. False: they are newer already."""
        if revision <= self.terms_revision:
            return False
        self.terms, self.terms_revision = terms, revision
        return True

    def set_pipeline(self, pipeline: bytes, revision: int) -> bool:
        """Replace what speech passes through. False: it is newer already."""
        if revision <= self.pipeline_revision:
            return False
        self.pipeline, self.pipeline_revision = pipeline, revision
        return True

    @property
    def shown_pipeline(self) -> msgspec.Raw | msgspec.UnsetType:
        """What speech passes through, for messages; UNSET where it is nothing."""
        return msgspec.Raw(self.pipeline) if self.pipeline else msgspec.UNSET

    def deliver_to_speakers(self, frame: Frame, *, but: Member | None = None) -> None:
        """Deliver a frame to the members who may speak, except ``but``."""
        for member in self.members():
            if member is not but and member.role in SPEAKERS:
                member.deliver(frame)

    def deliver(self, frame: Frame) -> bool:
        """Deliver a frame to all members. False: it was shed for at least one."""
        arrived = True
        for member in self.members():
            arrived = member.deliver(frame) and arrived
        return arrived

    def appended(self, message: Appended) -> None:
        """Deliver a stored message to all members; its sender receives it with the request's ``id``."""
        self.offset = message.offset
        self.last_active = max(self.last_active, message.at)
        title = new_title(message.frame)
        if title is not None:
            self.config, self._title = with_title(self.config, title), title
        frame = Frame(message.frame, is_durable=True)
        origin = message.origin
        sender = None if origin is None else origin.connection_id
        for member in self.members():
            if origin is not None and member.receiver.connection_id == sender:
                member.deliver(frame.answering(origin.message_id))
            else:
                member.deliver(frame)

    def last_used(self) -> float:
        """Return when it was last used: a message, or a sign of life from a member's connection."""
        return max(self.last_active, *(member.receiver.received_at for member in self.members()), 0.0)

    @property
    def is_attended(self) -> bool:
        """Whether a member's connection is certainly alive, even without messages."""
        return any(member.receiver.answers_heartbeats for member in self.members())


class SessionListed(Struct, frozen=True, kw_only=True):
    """A session in a list. Times in seconds since the epoch.

    ``participants``: the first of ``participant_count``, which is null if it is unknown, because all
    participants, if any, are on other workers. ``title``: empty: it has none. ``locked``: nobody new can
    join.
    """

    session_id: str
    epoch: str
    offset: int
    created: float
    last_active: float
    title: str = ""
    participants: tuple[Participant, ...] = ()
    participant_count: int | None = 0
    streams: int = 0
    locked: bool = False


class SessionSummary(SessionListed, frozen=True, kw_only=True):
    """A single session, with its ``config``, which may be large."""

    config: msgspec.Raw


class SessionDetails(SessionSummary, frozen=True, kw_only=True):
    """A single session, and when it ends if it is not used again: seconds since the epoch."""

    expires: float


class SessionMade(SessionSummary, frozen=True, kw_only=True):
    """A created session with its keys, for links to speak and links to read, its names and terms.

    ``pipeline``: what its speech passes through; null: nothing.
    """

    keys: GivenKeys
    terms: Terms = ()
    pipeline: PipelineChoice | None = None


def listed(
    session: Session | SessionRecord, limit: int = PARTICIPANTS_LISTED, *, is_known: bool = True
) -> SessionListed:
    """Return a session, in memory or stored, for a list, with at most ``limit`` participants.

    ``is_known``: whether its participants are known here.
    """
    live = session if isinstance(session, Session) else None
    count = live.participant_count if live else 0
    decisions = session.decisions if isinstance(session, Session) else decode(session.moderation)
    return SessionListed(
        session_id=session.session_id,
        title=session.title if isinstance(session, Session) else title_of(session.config),
        epoch=session.epoch,
        offset=session.offset,
        created=session.created,
        last_active=session.last_active,
        participants=live.participants()[:limit] if live else (),
        participant_count=count if is_known else None,
        streams=len(live.streams) if live else 0,
        locked=decisions.locked or decisions.ending,
    )


def within_bytes(sessions: Iterable[SessionListed]) -> tuple[SessionListed, ...]:
    """Limit the participants in a list of sessions to :data:`PARTICIPANTS_BYTES` in total."""
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
    """Return the seconds until presence may be sent again to this many members."""
    return PRESENCE_INTERVAL + _PRESENCE_PER_MEMBER * members


def accepted_terms(terms: Iterable[Term]) -> Terms:
    """Return a session's names and terms as they are stored. Raises ``invalid_message``."""
    try:
        return cleaned(terms)
    except TermsError as error:
        raise ProblemError("invalid_message", str(error), path=error.path) from None


def encoded_config(config: object) -> bytes:
    """Encode ``config`` for the store. Raises ``invalid_message`` if it is too large."""
    data = msgspec.json.encode(config)
    if len(data) > CONFIG_LIMIT:
        raise ProblemError(
            "invalid_message",
            f"$.config: {len(data):,} bytes of JSON; it can have {CONFIG_LIMIT:,} at most. Store "
            "larger data elsewhere and put a link to it here.",
            path="$.config",
        )
    return data

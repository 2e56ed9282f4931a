"""What a store of sessions keeps, and what it promises whoever keeps it. Pure.

:class:`orch.stores.sqlite.store.SqliteStore` is the store of a single process,
:class:`orch.stores.redis.store.RedisStore` that of several.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol, runtime_checkable

from msgspec import Struct

from orch.protocol.messages import MessageId, Role
from orch.protocol.session_keys import NO_KEYS, Keys
from orch.stores.history import NOBODYS_CAPTION, Limits, Losses, Share

#: So many may return to one session. Beyond, those who were there longest ago may not, unless they are there
#: now or own it.
PARTICIPANTS_KEPT: Final = 10_000


class SessionRecord(Struct, frozen=True):
    """A session at rest. ``config`` is JSON; times are seconds since the epoch.

    ``offset`` is the newest message's; ``kept_first`` the oldest stored one's (``offset`` + 1: none is
    stored). Messages between the two may have been dropped: :class:`orch.stores.history.Losses`.
    """

    session_id: str
    epoch: str
    offset: int
    kept_first: int
    config: bytes
    created: float
    last_active: float
    keys: Keys = NO_KEYS


class ParticipantRecord(Struct, frozen=True):
    """Someone who may return to a session. Only the hash of the token is kept."""

    participant_id: str
    name: str
    role: Role
    languages: tuple[str, ...]
    token_hash: bytes
    seen: float


class KeptFrame(Struct, frozen=True):
    """A message of the history, as it was sent."""

    offset: int
    at: float
    frame: bytes


class Origin(Struct, frozen=True):
    """Whose message it is: the sender's connection, and the ``id`` it gave the message."""

    connection_id: str
    message_id: MessageId


class Appended(Struct, frozen=True):
    """A message that is kept now. ``frame`` carries ``offset``."""

    session_id: str
    offset: int
    frame: bytes
    at: float
    origin: Origin | None


class KeptSettings(NamedTuple):
    """What operators have changed while the service runs: JSON of values by path, higher by one each time.

    Revision 0: nothing ever was.
    """

    revision: int
    values: bytes


class Answers(NamedTuple):
    """What other workers have answered to a question, by name, and who is there and has not."""

    answers: Mapping[str, bytes]
    missing: frozenset[str]


class Ticket(Protocol):
    """A message on its way into the history."""

    async def wait(self) -> int:
        """Return its offset once it is kept. ProblemError: unknown_session, store_unavailable."""


class SessionStore(Protocol):
    """Where sessions are kept.

    Every call raises ProblemError ``store_unavailable`` where nothing can be read or written; callers own
    time-outs. What a call has answered is kept, whatever happens to the process.
    """

    on_appended: Callable[[Appended], None] | None
    """Called once for each message that is kept, in the order of a session's offsets, before whoever
    appended it goes on. It must not raise and cannot wait."""

    async def create(
        self, record: SessionRecord, owner: ParticipantRecord | None = None, *, begun_from: str = ""
    ) -> bool:
        """Keep a new session, and who it belongs to. False: there is one of this name.

        ``begun_from``: the address it counts for; empty: for none.
        """

    async def begun_from(self, address: str, most: int) -> int:
        """Return how many sessions there are that count for an address: exactly, where it is ``most``."""

    async def load(self, session_id: str) -> SessionRecord | None:
        """Return the session, or None."""

    async def newest(self, limit: int) -> tuple[SessionRecord, ...]:
        """Return the sessions that were last active, newest first."""

    async def count(self) -> int:
        """Return how many sessions are kept."""

    async def used_bytes(self) -> int:
        """Return how many bytes all that is kept takes."""

    async def delete(self, session_ids: Sequence[str], *, idle_since: float | None = None) -> Sequence[str]:
        """Forget sessions, what was said in them and who was there. Return those that there were.

        ``idle_since``: only those that were last active before then.
        """

    async def touch(self, session_ids: Sequence[str], at: float) -> None:
        """Note that the sessions are in use."""

    async def idle(self, before: float, limit: int) -> tuple[str, ...]:
        """Return sessions last active before then, oldest first."""

    async def begin_append(
        self,
        session_id: str,
        body: bytes,
        *,
        at: float,
        limits: Limits,
        share: Share = NOBODYS_CAPTION,
        origin: Origin | None = None,
        settled: Callable[[], None] | None = None,
    ) -> Ticket:
        """Take a message in, in the order of the calls; return when its place is sure, not yet kept.

        ``share``: whose part of which budget it takes. Where that is exceeded, older messages of the fullest
        share of the same budget are dropped, never any of another.

        ``settled`` is called once: after the message was kept and told of, or once it is sure that it will
        not be, whether or not anyone still waits for the ticket. It must not raise and cannot wait.
        """

    async def read(
        self, session_id: str, *, after: int, until: int, size: int | None = None
    ) -> tuple[KeptFrame, ...]:
        """Return what is kept of the offsets after ``after`` up to ``until``, in order.

        ``size``: no more than the oldest of it, as many whole messages as fit into so many bytes, at least
        one.
        """

    async def losses(self, session_id: str) -> Losses | None:
        """Return what was dropped of a session's history so far; None: there is no such session.

        What was read before this was asked, and is not there, was dropped before this was answered.
        """

    async def prune(self, now: float, limits: Limits) -> int:
        """Drop what is too old in every session; return how many messages that were."""

    async def crowded(self) -> tuple[str, ...]:
        """Return the sessions that more than :data:`PARTICIPANTS_KEPT` may return to."""

    async def thin_out(self, session_id: str, present: frozenset[str], at: float) -> int:
        """Forget those who were in a crowded session longest ago; return how many.

        Owners and those who are ``present`` (now, which is ``at``) are never forgotten, and those who have
        spoken after all others.
        """

    async def put_participant(self, session_id: str, participant: ParticipantRecord) -> bool:
        """Keep someone's right to return, or change it. False: there is no such session."""

    async def participant(self, session_id: str, participant_id: str) -> ParticipantRecord | None:
        """Return someone who may return, or None."""

    async def drop_participant(self, session_id: str, participant_id: str) -> None:
        """Forget someone: their token is worth nothing from now on."""


@runtime_checkable
class SettingsStore(Protocol):
    """Where several workers keep what operators have changed. Raises ``store_unavailable``."""

    async def settings(self) -> KeptSettings:
        """Return what operators have changed while the service runs."""

    async def keep_settings(self, known: int, kept: KeptSettings) -> bool:
        """Keep what operators have changed. False: its revision is not the one that is ``known`` any more."""


@runtime_checkable
class SteadyStore(Protocol):
    """A store that says how it is only once that has lasted for a moment."""

    on_steady: Callable[[bool], None] | None
    """Called when the store has been away or slow for a moment (False), and once it has been back for one."""


@runtime_checkable
class ClusterStore(SessionStore, SettingsStore, Protocol):
    """Where several workers, on one machine or many, keep the sessions they share.

    ``on_appended`` is called for what any worker appends to a session that this one watches. None of the
    callbacks may raise or wait.
    """

    on_told: Callable[[str, bytes], None] | None
    """Called with a session and what another worker told those in it."""

    on_gone: Callable[[str], None] | None
    """Called when a watched session has ended."""

    on_lost: Callable[[str], None] | None
    """Called when a watched session is gone without having been ended, or when what was missed of it is no
    longer stored. Where it is None, :attr:`on_gone` is called."""

    on_asked: Callable[[bytes], bytes] | None
    """Called with what another worker asks, once for each question; returns the answer. Empty: none."""

    on_state: Callable[[bool], None] | None
    """Called when the store goes away (False) and when it is back."""

    is_unused: Callable[[str], bool] | None
    """Asked now and then whether nobody here is in a watched session any more; True: it is not watched from
    then on, and the next one who comes has to watch it anew."""

    async def watch(self, session_id: str) -> SessionRecord | None:
        """Return the session as of the last message that was told of, or None, and tell of what follows."""

    async def reach(self, session_id: str, offset: int) -> None:
        """Return once all up to ``offset`` was told of, or it is sure that there is no such message."""

    def tell(self, session_id: str, payload: bytes) -> None:
        """Tell the other workers that watch the session; whoever is not reached now is not told."""

    async def survey(self, session_id: str, payload: bytes) -> int:
        """Send this to the other workers that watch the session; return how many of them there are.

        The session is watched here as well.
        """

    @property
    def worker(self) -> str:
        """What this worker is called among those that share the store."""

    async def ask(self, payload: bytes, *, within: float, only: str | None = None) -> Answers:
        """Ask all other workers, or ``only`` one; return what was answered within that many seconds.

        Raises ``store_unavailable``, at once, where nobody can be asked.
        """


def surplus_participants(
    there: Sequence[ParticipantRecord],
    present: frozenset[str],
    limit: int,
    speakers: frozenset[str] = frozenset(),
) -> tuple[str, ...]:
    """Return who of those who may return to a session is forgotten: the longest absent, beyond ``limit``.

    Owners and those who are ``present`` count, and stay. ``speakers``, whose words are in the history, are
    forgotten after all others, so that nobody pushes them out by joining again and again.
    """
    surplus = len(there) - limit
    if surplus <= 0:
        return ()
    absent = [one for one in there if one.role != "owner" and one.participant_id not in present]
    absent.sort(key=lambda one: (one.participant_id in speakers, one.seen))
    return tuple(one.participant_id for one in absent[:surplus])

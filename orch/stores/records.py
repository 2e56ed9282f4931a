"""What a store of sessions holds: sessions, their messages, participants, and settings of operators. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from orch.protocol.messages import MessageId, Role
from orch.protocol.session_keys import NO_KEYS, Keys

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


class HistoryMessage(Struct, frozen=True):
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


class StoredSettings(NamedTuple):
    """What operators have changed while the service runs: JSON of values by path, higher by one each time.

    Revision 0: nothing ever was.
    """

    revision: int
    values: bytes


class Answers(NamedTuple):
    """What other workers have answered to a question, by name, and who is there and has not."""

    answers: Mapping[str, bytes]
    missing: frozenset[str]


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

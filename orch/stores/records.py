"""The records of a store: sessions, messages, participants, codes, and operators' settings. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from orch.protocol.messages import MessageId, Role
from orch.protocol.session_keys import NO_KEYS, Keys, Right
from orch.protocol.terms import Terms

#: Participants stored per session. Beyond it, those absent longest are deleted, except owners and those
#: present.
PARTICIPANTS_LIMIT: Final = 10_000


class SessionRecord(Struct, frozen=True):
    """A stored session. ``config`` is JSON; times are seconds since the epoch.

    ``offset`` is the newest message's; ``kept_first`` the oldest stored one's (``offset`` + 1: none is
    stored). Messages between the two may have been dropped: :class:`orch.stores.history.Losses`.
    ``moderation``: what the host has decided, as JSON; empty: nothing. ``terms_revision``: how often the
    ``terms`` were set since the session was created. ``pipeline``: what its speech passes through, as JSON;
    empty: nothing; ``pipeline_revision`` as that of the terms.
    """

    session_id: str
    epoch: str
    offset: int
    kept_first: int
    config: bytes
    created: float
    last_active: float
    keys: Keys = NO_KEYS
    moderation: bytes = b""
    terms: Terms = ()
    terms_revision: int = 0
    pipeline: bytes = b""
    pipeline_revision: int = 0


_TERMS: Final = msgspec.json.Decoder(Terms)


def encode_terms(terms: Terms) -> bytes:
    """Return terms as they are stored; empty for none."""
    return msgspec.json.encode(terms) if terms else b""


def decode_terms(stored: bytes | str) -> Terms:
    """Return stored terms. Raises msgspec.MsgspecError, ValueError or RecursionError for anything else."""
    return _TERMS.decode(stored) if stored else ()


class ParticipantRecord(Struct, frozen=True):
    """A participant who may return to a session. Only the hash of the token is stored."""

    participant_id: str
    name: str
    role: Role
    languages: tuple[str, ...]
    token_hash: bytes
    seen: float


class JoinCode(Struct, frozen=True):
    """A short code that opens a session with a right, until ``expires`` (seconds since the epoch).

    ``created``: when that session was created, so that the code does not open a later one of the same name.
    """

    code: str
    session_id: str
    right: Right
    created: float
    expires: float


class HistoryMessage(Struct, frozen=True):
    """A message of the history, as it was sent."""

    offset: int
    at: float
    frame: bytes


class Origin(Struct, frozen=True):
    """The origin of a message: the sender's connection, and the message's ``id``."""

    connection_id: str
    message_id: MessageId


class Appended(Struct, frozen=True):
    """A message that was stored. ``frame`` contains its ``offset``."""

    session_id: str
    offset: int
    frame: bytes
    at: float
    origin: Origin | None


class StoredSettings(NamedTuple):
    """The operators' changes at run time: JSON of values by path; ``revision`` increases by one each time.

    Revision 0: nothing was ever changed.
    """

    revision: int
    values: bytes


class Document(Struct, frozen=True):
    """A small document of the service itself. ``revision``: how often it was stored, 1 the first time.

    ``expires``: seconds since the epoch.
    """

    kind: str
    name: str
    revision: int
    expires: float
    body: bytes


class SurveyReplies(NamedTuple):
    """The replies of other workers to a survey, by name, and the live workers that did not reply."""

    replies: Mapping[str, bytes]
    missing: frozenset[str]


def surplus_participants(
    there: Sequence[ParticipantRecord],
    present: frozenset[str],
    limit: int,
    speakers: frozenset[str] = frozenset(),
) -> tuple[str, ...]:
    """Return the participants to delete: those absent longest, beyond ``limit``.

    Owners and those ``present`` count toward the limit, but stay. ``speakers``, who have captions in the
    history, are deleted after all others, so that repeated joins cannot displace them.
    """
    surplus = len(there) - limit
    if surplus <= 0:
        return ()
    absent = [one for one in there if one.role != "owner" and one.participant_id not in present]
    absent.sort(key=lambda one: (one.participant_id in speakers, one.seen))
    return tuple(one.participant_id for one in absent[:surplus])

"""The names of Redis keys and channels, and the encoding of what is stored and published there. Pure.

All keys of a session have its name in braces (a hash tag), so that in a cluster they are on one node and one
script can use them. The index of sessions is a separate key, written after the session, so it may be outdated
for a moment; readers of the index check the session itself.
"""

from contextlib import suppress
from math import isfinite, nan
from typing import Final, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from orch.protocol.messages import MessageId, Role
from orch.protocol.terms import Terms
from orch.stores.history import Share
from orch.stores.records import Appended, HistoryMessage, Origin, ParticipantRecord, decode_terms

T = TypeVar("T")

#: The index: session names by the time of their last activity (seconds since the epoch).
INDEX: Final = b"orch:sessions"
#: The channel of all workers.
CONTROL: Final = b"orch:control"
_OWN: Final = b"orch:worker:"
#: The prefix of each worker's own channel.
OWN_CHANNELS: Final = _OWN + b"*"
#: The operators' changes at run time.
SETTINGS: Final = b"orch:settings"
#: The run id of the server on which the data was last known to be complete.
SERVER_RUN: Final = b"orch:server_run"
#: The lock of the worker that gives all sessions new epochs.
RENEWAL: Final = b"orch:renewal"
#: The key and channel of write and publish probes.
WRITE_PROBE: Final = b"orch:trial"
PUBLISH_PROBE: Final = b"orch:trial"
#: A name that no session can have, for probes.
PROBE: Final = "?"
#: The maximum of offsets and revisions: scripts and browsers calculate with doubles.
NUMBER_MAX: Final = 2**53


class UnreadableError(ValueError):
    """Data stored or published in Redis has a form that this version cannot read."""


def read_number(data: object) -> int:
    """Return an offset or a revision. Raises UnreadableError unless it is 0 to :data:`NUMBER_MAX`."""
    if isinstance(data, bytes) and data.isdigit() and len(data) <= len(str(NUMBER_MAX)):
        found = int(data)
        if found <= NUMBER_MAX:
            return found
    raise UnreadableError(f"expected a number from 0 to {NUMBER_MAX}, found {_shown(data)}")


def read_time(data: object) -> float:
    """Return a time in seconds since the epoch. Raises UnreadableError if it is not a time."""
    try:
        found = float(data)  # type: ignore[arg-type]  # whatever it is
    except (TypeError, ValueError):
        found = nan
    if isfinite(found) and isinstance(data, bytes):
        return found
    raise UnreadableError(f"expected a time in seconds, found {_shown(data)}")


def read_text(data: object) -> str:
    """Return a name. Raises UnreadableError if it is not UTF-8."""
    if isinstance(data, bytes):
        with suppress(UnicodeDecodeError):
            return data.decode()
    raise UnreadableError(f"expected UTF-8 text, found {_shown(data)}")


def _shown(data: object) -> str:
    return repr(data[:40] if isinstance(data, bytes) else data)[:60]


class SessionKeys(NamedTuple):
    """The keys of a session: its fields, its stream of messages, its participants, and its shares.

    ``by_sender`` and ``shares``: the index and the sums of ``scripts/book.lua``.
    """

    session: bytes
    history: bytes
    participants: bytes
    by_sender: bytes
    shares: bytes


def keys(session_id: str) -> SessionKeys:
    """Return a session's keys."""
    root = b"orch:{%s}" % session_id.encode()
    return SessionKeys(root, root + b":history", root + b":participants", root + b":index", root + b":shares")


def mark(session_id: str, writer: str) -> bytes:
    """Return the key of the marker for a writer's last batch in a session."""
    return b"orch:{%s}:done:%s" % (session_id.encode(), writer.encode())


def sign_in_key(name: str) -> bytes:
    """Return the key of a sign-in; ``name`` is a hash."""
    return b"orch:sign_in:" + name.encode()


def created_key(address: str) -> bytes:
    """Return the key of the sessions created from an address."""
    return b"orch:begun:" + address.encode()


def lease_keys(name: str) -> tuple[bytes, bytes]:
    """Return the keys of a lease's holder and its last fence; both on one node of a cluster."""
    root = b"orch:lease:{%s}" % name.encode()
    return root, root + b":fence"


def channel(session_id: str) -> bytes:
    """Return the channel of a session."""
    return b"orch:{%s}:feed" % session_id.encode()


def channel_session(name: bytes) -> str:
    """Return the name that a channel belongs to. Raises UnreadableError if it is not UTF-8."""
    return read_text(name[len(b"orch:{") : -len(b"}:feed")])


def on_wire(name: bytes, database: int) -> bytes:
    """Return a channel's name on the server: with the database, which pub/sub ignores."""
    return name if database == 0 else b"orch@%d:%s" % (database, name.removeprefix(b"orch:"))


def off_wire(name: bytes) -> bytes:
    """Return the channel for a name on the server."""
    return b"orch:" + name.partition(b":")[2] if name.startswith(b"orch@") else name


def own_channel(worker: str) -> bytes:
    """Return a worker's own channel."""
    return _OWN + worker.encode()


def channel_worker(name: bytes) -> str:
    """Return whose own channel it is. Raises UnreadableError where the name is not UTF-8."""
    return read_text(name[len(_OWN) :])


class _Participant(Struct, array_like=True, frozen=True):
    name: str
    role: Role
    languages: tuple[str, ...]
    token_hash: bytes
    seen: float


class _Header(Struct, array_like=True, frozen=True, omit_defaults=True):
    """The header beside a frame: its time and its origin. The scripts read the time and the share."""

    at: float
    connection_id: str | None = None
    message_id: MessageId | None = None


class _Frame(Struct):
    """The checked part of a frame: it is a JSON object with a session and an offset."""

    offset: int | None = None


_frames: Final = msgspec.json.Decoder(_Frame)
_participants: Final = msgspec.json.Decoder(_Participant)
_headers: Final = msgspec.json.Decoder(_Header)


def number(value: float) -> bytes:
    """Encode a time without loss of precision."""
    return repr(value).encode()


def encode_participant(participant: ParticipantRecord) -> bytes:
    """Encode a participant."""
    return msgspec.json.encode(
        _Participant(
            participant.name,
            participant.role,
            participant.languages,
            participant.token_hash,
            participant.seen,
        )
    )


def decode_participant(participant_id: str, data: bytes) -> ParticipantRecord:
    """Decode a participant.

    Raises UnreadableError if this version cannot read it: another version may have stored it.
    """
    kept = _decoded(_participants, data)
    return ParticipantRecord(participant_id, kept.name, kept.role, kept.languages, kept.token_hash, kept.seen)


def _decoded(decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UnreadableError(str(error)[:200]) from error


def read_terms(data: bytes) -> Terms:
    """Return a session's stored terms. Raises UnreadableError for anything else."""
    try:
        return decode_terms(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UnreadableError(str(error)[:200]) from error


def encode_header(at: float, share: Share, origin: Origin | None) -> bytes:
    """Encode the header of a frame. An older version reads only the first three fields."""
    who = (None, None) if origin is None else (origin.connection_id, origin.message_id)
    return msgspec.json.encode([at, *who, int(share.kind), share.sender])


def decode_entry(entry: tuple[bytes, list[bytes]]) -> HistoryMessage:
    """Decode a message from an entry of the stream. Raises UnreadableError for a foreign entry."""
    offset, header, frame = read_entry(entry)
    return HistoryMessage(offset, _decoded(_headers, header).at, frame)


def read_entry(entry: tuple[bytes, list[bytes]]) -> tuple[int, bytes, bytes]:
    """Return an entry's offset, header and frame. Raises UnreadableError for a foreign entry."""
    name, fields = entry
    if len(fields) != 4 or (fields[0], fields[2]) != (b"h", b"f"):  # noqa: PLR2004 - as append.lua stores it
        raise UnreadableError(f"expected an entry with h and f at {name!r}")
    return read_number(name.partition(b"-")[0]), fields[1], fields[3]


def appended(session_id: str, offset: int, header: bytes, frame: bytes) -> Appended:
    """Return a stored message with its origin."""
    known = _decoded(_headers, header)
    origin = None
    if known.connection_id is not None and known.message_id is not None:
        origin = Origin(known.connection_id, known.message_id)
    return Appended(session_id=session_id, offset=offset, frame=frame, at=known.at, origin=origin)


class Notice(Struct, frozen=True):
    """What a worker published about a session: a transient message, or the end of an epoch."""

    kind: Literal["message", "ended"]
    worker: str
    payload: bytes


_KINDS: Final[dict[bytes, Literal["message", "ended"]]] = {b"T": "message", b"E": "ended"}


def encode_notice(told: Notice) -> bytes:
    """Encode it for publishing; stored messages are published by ``append.lua``."""
    letter = next(letter for letter, kind in _KINDS.items() if kind == told.kind)
    return letter + told.worker.encode() + b"\n" + told.payload


def decode_published(session_id: str, data: bytes) -> Appended | Notice:
    """Decode a message from a session's channel. Raises UnreadableError for a foreign message.

    The offset gives its position; whether the store has the message is not certain.
    """
    head, separator, rest = data.partition(b"\n")
    if not separator:
        raise UnreadableError("no header line")
    if head[:1] == b"A":
        header, _, frame = rest.partition(b"\n")
        if _decoded(_frames, frame).offset not in (None, read_number(head[1:])):
            raise UnreadableError("the frame has another offset than its header")
        read_text(frame)
        return appended(session_id, read_number(head[1:]), header, frame)
    if head[:1] in _KINDS:
        return Notice(_KINDS[head[:1]], read_text(head[1:]), rest)
    raise UnreadableError(f"unknown kind {head[:1]!r}")

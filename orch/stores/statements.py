"""What is done to the SQLite file, one function each. Called in the store's thread, inside a transaction."""

import math
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from orch.stores import records
from orch.stores.records import (
    Appended,
    KeptFrame,
    Origin,
    ParticipantRecord,
    SessionRecord,
    surplus_participants,
)
from orch.websocket.history import Kept, Limits, numbered, surplus
from orch.websocket.keys import Keys

#: Looked at when a session's history is pruned, and how many appends pass before its age is looked at: a
#: little more than what is allowed may be on the disk, and is given to nobody's disadvantage.
PRUNE_EVERY: Final = 32
PRUNE_BATCH: Final = 128

_SESSION: Final = (
    "session_id, epoch, last_offset, kept_first, config, created, last_active, speak_key, read_key"
)


def create(
    database: sqlite3.Connection, record: SessionRecord, owner: ParticipantRecord | None = None
) -> bool:
    """Insert a session; False: its name is taken."""
    cursor = database.execute(
        f"INSERT INTO sessions ({_SESSION})"  # noqa: S608 - a constant
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (session_id) DO NOTHING",
        (
            record.session_id,
            record.epoch,
            record.offset,
            record.kept_first,
            record.config,
            record.created,
            record.last_active,
            record.keys.speak,
            record.keys.read,
        ),
    )
    if cursor.rowcount == 0:
        return False
    return owner is None or put_participant(database, record.session_id, owner)


def renew_epochs(database: sqlite3.Connection) -> int:
    """Give every session a new epoch: offsets that were given before may be given again from here on.

    Whoever comes to recover is told that the epoch has changed, instead of being led into another past.
    """
    return database.execute("UPDATE sessions SET epoch = lower(hex(randomblob(8)))").rowcount


def load(database: sqlite3.Connection, session_id: str) -> SessionRecord | None:
    """Return the session, or None."""
    row = database.execute(
        f"SELECT {_SESSION} FROM sessions WHERE session_id = ?",  # noqa: S608 - a constant
        (session_id,),
    ).fetchone()
    return None if row is None else _session(row)


def newest(database: sqlite3.Connection, limit: int) -> tuple[SessionRecord, ...]:
    """Return the sessions last active, newest first."""
    rows = database.execute(
        f"SELECT {_SESSION} FROM sessions ORDER BY last_active DESC, number DESC LIMIT ?",  # noqa: S608 - a constant
        (limit,),
    )
    return tuple(_session(row) for row in rows)


def count(database: sqlite3.Connection) -> int:
    """Return how many sessions there are."""
    row: tuple[int] = database.execute("SELECT count(*) FROM sessions").fetchone()
    return row[0]


def used_bytes(database: sqlite3.Connection) -> int:
    """Return how many bytes of the file are in use; what was deleted and not given back yet is not."""
    size, pages, free = (
        database.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_size", "page_count", "freelist_count")
    )
    used: int = size * (pages - free)
    return used


def delete(
    database: sqlite3.Connection, session_ids: Sequence[str], idle_since: float | None
) -> tuple[str, ...]:
    """Delete sessions and what hangs on them; return those that there were and that were idle."""
    statement = "DELETE FROM sessions WHERE session_id = ? AND last_active < ?"
    before = math.inf if idle_since is None else idle_since
    return tuple(
        session_id for session_id in session_ids if database.execute(statement, (session_id, before)).rowcount
    )


def touch(database: sqlite3.Connection, session_ids: Sequence[str], at: float) -> None:
    """Note that sessions are in use. A clock set back never makes one older."""
    database.executemany(
        "UPDATE sessions SET last_active = max(last_active, ?) WHERE session_id = ?",
        [(at, session_id) for session_id in session_ids],
    )


def idle(database: sqlite3.Connection, before: float, limit: int) -> tuple[str, ...]:
    """Return sessions last active before then, oldest first."""
    rows = database.execute(
        "SELECT session_id FROM sessions WHERE last_active < ? ORDER BY last_active LIMIT ?", (before, limit)
    )
    return tuple(session_id for (session_id,) in rows)


def append(
    database: sqlite3.Connection,
    session_id: str,
    body: bytes,
    *,
    at: float,
    limits: Limits,
    origin: Origin | None,
) -> Appended | None:
    """Give a message its offset and keep it; None: there is no such session."""
    row = database.execute(
        "UPDATE sessions SET last_offset = last_offset + 1, last_active = max(last_active, ?)"
        " WHERE session_id = ? RETURNING number, last_offset, kept_first, kept_bytes",
        (at, session_id),
    ).fetchone()
    if row is None:
        return None
    session, offset, kept_first, kept_bytes = row
    frame = numbered(body, offset)
    database.execute("INSERT INTO history VALUES (?, ?, ?, ?)", (session, offset, at, frame))
    kept_bytes += len(frame)
    messages = offset - kept_first + 1
    if messages > limits.messages or kept_bytes > limits.bytes or offset % PRUNE_EVERY == 0:
        _prune(database, session, now=at, limits=limits, messages=messages, size=kept_bytes, last=offset)
    else:
        database.execute("UPDATE sessions SET kept_bytes = ? WHERE number = ?", (kept_bytes, session))
    return Appended(session_id=session_id, offset=offset, frame=frame, at=at, origin=origin)


def read(database: sqlite3.Connection, session_id: str, after: int, until: int) -> tuple[KeptFrame, ...]:
    """Return what is kept between two offsets, in order."""
    rows = database.execute(
        "SELECT h.number, h.at, h.frame FROM history h JOIN sessions s ON s.number = h.session"
        " WHERE s.session_id = ? AND h.number > ? AND h.number <= ? ORDER BY h.number",
        (session_id, after, until),
    )
    return tuple(KeptFrame(*row) for row in rows)


def prune(database: sqlite3.Connection, now: float, limits: Limits) -> int:
    """Drop what is over the limits in every session."""
    cutoff = now - limits.seconds
    rows = database.execute(
        "SELECT s.number, s.last_offset, s.kept_first, s.kept_bytes FROM sessions s"
        " JOIN history h ON h.session = s.number AND h.number = s.kept_first WHERE h.at < ?",
        (cutoff,),
    ).fetchall()
    dropped = 0
    for session, last, first, size in rows:
        messages = last - first + 1
        dropped += _prune(database, session, now=now, limits=limits, messages=messages, size=size, last=last)
    return dropped


def crowded(database: sqlite3.Connection) -> tuple[str, ...]:
    """Return the sessions with more participants than are kept."""
    rows = database.execute(
        "SELECT s.session_id FROM participants p JOIN sessions s ON s.number = p.session"
        " GROUP BY p.session HAVING count(*) > ?",
        (records.PARTICIPANTS_KEPT,),
    )
    return tuple(session_id for (session_id,) in rows)


def thin_out(database: sqlite3.Connection, session_id: str, present: frozenset[str], at: float) -> int:
    """Delete the participants beyond what is kept who are absent and were there longest ago."""
    rows = database.execute(
        "SELECT p.participant_id, p.name, p.role, p.languages, p.token_hash, p.seen FROM participants p"
        " JOIN sessions s ON s.number = p.session WHERE s.session_id = ?",
        (session_id,),
    ).fetchall()
    there = [_participant(row) for row in rows]
    late = surplus_participants(there, present, records.PARTICIPANTS_KEPT)
    for participant_id in late:
        drop_participant(database, session_id, participant_id)
    # Whoever falls silent later was there until now.
    database.executemany(
        "UPDATE participants SET seen = max(seen, ?) WHERE participant_id = ? AND session ="
        " (SELECT number FROM sessions WHERE session_id = ?)",
        [(at, one.participant_id, session_id) for one in there if one.participant_id in present],
    )
    return len(late)


def put_participant(database: sqlite3.Connection, session_id: str, participant: ParticipantRecord) -> bool:
    """Keep a participant, or change one; the session is in use. False: there is no such session."""
    cursor = database.execute(
        "INSERT INTO participants SELECT number, ?, ?, ?, ?, ?, ? FROM sessions WHERE session_id = ?"
        " ON CONFLICT (session, participant_id) DO UPDATE SET name = excluded.name, role = excluded.role,"
        " languages = excluded.languages, token_hash = excluded.token_hash, seen = excluded.seen",
        (
            participant.participant_id,
            participant.name,
            participant.role,
            msgspec.json.encode(participant.languages).decode(),
            participant.token_hash,
            participant.seen,
            session_id,
        ),
    )
    touch(database, [session_id], participant.seen)
    return cursor.rowcount > 0


def participant(
    database: sqlite3.Connection, session_id: str, participant_id: str
) -> ParticipantRecord | None:
    """Return a participant, or None."""
    row = database.execute(
        "SELECT p.participant_id, p.name, p.role, p.languages, p.token_hash, p.seen FROM participants p"
        " JOIN sessions s ON s.number = p.session WHERE s.session_id = ? AND p.participant_id = ?",
        (session_id, participant_id),
    ).fetchone()
    return None if row is None else _participant(row)


def drop_participant(database: sqlite3.Connection, session_id: str, participant_id: str) -> None:
    """Delete a participant."""
    database.execute(
        "DELETE FROM participants WHERE participant_id = ? AND session ="
        " (SELECT number FROM sessions WHERE session_id = ?)",
        (participant_id, session_id),
    )


def _session(row: tuple[Any, ...]) -> SessionRecord:
    session_id, epoch, offset, kept_first, config, created, last_active, speak, read = row
    keys = Keys(speak, read)
    return SessionRecord(session_id, epoch, offset, kept_first, config, created, last_active, keys)


def _participant(row: tuple[Any, ...]) -> ParticipantRecord:
    participant_id, name, role, languages, token_hash, seen = row
    return ParticipantRecord(
        participant_id, name, role, msgspec.json.decode(languages, type=tuple[str, ...]), token_hash, seen
    )


def _prune(
    database: sqlite3.Connection,
    session: int,
    *,
    now: float,
    limits: Limits,
    messages: int,
    size: int,
    last: int,
) -> int:
    """Drop what is over one session's limits and write down what is left; return how many messages went."""
    dropped = 0
    while messages:
        rows = database.execute(
            "SELECT number, at, length(frame) FROM history WHERE session = ? ORDER BY number LIMIT ?",
            (session, PRUNE_BATCH),
        ).fetchall()
        oldest = [Kept(*row) for row in rows]
        gone = surplus(oldest, count=messages, size=size, limits=limits, now=now)
        if gone:
            database.execute(
                "DELETE FROM history WHERE session = ? AND number <= ?", (session, oldest[gone - 1].offset)
            )
            messages -= gone
            size -= sum(message.size for message in oldest[:gone])
            dropped += gone
        if gone < len(oldest) or not oldest:
            break
    database.execute(
        "UPDATE sessions SET kept_first = ?, kept_bytes = ? WHERE number = ?",
        (last - messages + 1, size, session),
    )
    return dropped


def keep_sign_in(database: sqlite3.Connection, name: str, now: float, seconds: float) -> None:
    """Keep an operator's sign-in; those that are over go."""
    database.execute("DELETE FROM sign_ins WHERE expires <= ?", (now,))
    database.execute("INSERT OR REPLACE INTO sign_ins (name, expires) VALUES (?, ?)", (name, now + seconds))


def touch_sign_in(database: sqlite3.Connection, name: str, now: float, seconds: float) -> bool:
    """Keep a sign-in for longer; False: there is none, or it is over."""
    cursor = database.execute(
        "UPDATE sign_ins SET expires = ? WHERE name = ? AND expires > ?", (now + seconds, name, now)
    )
    return cursor.rowcount == 1


def drop_sign_in(database: sqlite3.Connection, name: str) -> None:
    """End a sign-in."""
    database.execute("DELETE FROM sign_ins WHERE name = ?", (name,))

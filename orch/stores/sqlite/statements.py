"""The operations on the SQLite file, a function each. Called in the store's thread, inside a transaction."""

import math
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from orch.protocol.session_keys import Keys
from orch.stores import records
from orch.stores.history import NOBODYS_CAPTION, Kind, Limits, Share, numbered, pressed
from orch.stores.records import (
    Appended,
    HistoryMessage,
    Origin,
    ParticipantRecord,
    SessionRecord,
    decode_terms,
    encode_terms,
    surplus_participants,
)
from orch.stores.sqlite import shares

#: Appends between two checks of a history's age: meanwhile slightly older messages may still be stored, which
#: does no harm.
PRUNE_EVERY: Final = 32

#: Maximum number of sign-ins. Only holders of the token create them, such as a program that signs in each
#: time.
SIGN_INS_KEPT: Final = 1_000

_SESSION: Final = (
    "session_id, epoch, last_offset, kept_first, config, created, last_active, speak_key, read_key,"
    " moderation, terms, terms_revision, pipeline, pipeline_revision"
)


def create(
    database: sqlite3.Connection,
    record: SessionRecord,
    owner: ParticipantRecord | None = None,
    created_from: str = "",
) -> bool:
    """Insert a session; False: its name is taken."""
    cursor = database.execute(
        f"INSERT INTO sessions ({_SESSION}, dropped_captions, dropped_others)"  # noqa: S608 - a constant
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?4 - 1, ?4 - 1)"
        " ON CONFLICT (session_id) DO NOTHING",
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
            record.moderation,
            encode_terms(record.terms).decode(),
            record.terms_revision,
            record.pipeline,
            record.pipeline_revision,
        ),
    )
    if cursor.rowcount == 0:
        return False
    if created_from:
        database.execute("INSERT INTO begun VALUES (?, ?)", (cursor.lastrowid, created_from))
    return owner is None or put_participant(database, record.session_id, owner)


def count_begun(database: sqlite3.Connection, address: str) -> int:
    """Return the number of live sessions created from an address."""
    row: tuple[int] = database.execute("SELECT count(*) FROM begun WHERE address = ?", (address,)).fetchone()
    return row[0]


def renew_epochs(database: sqlite3.Connection) -> int:
    """Give every session a new epoch: from now on, earlier offsets may be assigned again.

    A client that recovers then receives ``epoch_changed`` instead of a different history.
    """
    return database.execute("UPDATE sessions SET epoch = lower(hex(randomblob(8)))").rowcount


def load(database: sqlite3.Connection, session_id: str) -> SessionRecord | None:
    """Return the session, or None."""
    row = database.execute(
        f"SELECT {_SESSION} FROM sessions WHERE session_id = ?",  # noqa: S608 - a constant
        (session_id,),
    ).fetchone()
    return None if row is None else _session(row)


def replace_config(database: sqlite3.Connection, session_id: str, known: bytes, config: bytes) -> bool:
    """Replace a session's ``config``; False: it is not ``known``, or the session does not exist."""
    cursor = database.execute(
        "UPDATE sessions SET config = ? WHERE session_id = ? AND config = ?", (config, session_id, known)
    )
    return cursor.rowcount == 1


def store_terms(database: sqlite3.Connection, session_id: str, terms: bytes) -> int | None:
    """Store the terms of a session; return their revision, or None if it does not exist."""
    row = database.execute(
        "UPDATE sessions SET terms = ?, terms_revision = terms_revision + 1 WHERE session_id = ?"
        " RETURNING terms_revision",
        (terms.decode(), session_id),
    ).fetchone()
    return None if row is None else row[0]


def store_pipeline(database: sqlite3.Connection, session_id: str, pipeline: bytes) -> int | None:
    """Store what a session's speech passes through; return its revision, or None if it does not exist."""
    row = database.execute(
        "UPDATE sessions SET pipeline = ?, pipeline_revision = pipeline_revision + 1 WHERE session_id = ?"
        " RETURNING pipeline_revision",
        (pipeline, session_id),
    ).fetchone()
    return None if row is None else row[0]


def newest(database: sqlite3.Connection, limit: int) -> tuple[SessionRecord, ...]:
    """Return the sessions last active, newest first."""
    rows = database.execute(
        f"SELECT {_SESSION} FROM sessions ORDER BY last_active DESC, number DESC LIMIT ?",  # noqa: S608 - a constant
        (limit,),
    )
    return tuple(_session(row) for row in rows)


def count(database: sqlite3.Connection) -> int:
    """Return the number of sessions."""
    row: tuple[int] = database.execute("SELECT count(*) FROM sessions").fetchone()
    return row[0]


def used_bytes(database: sqlite3.Connection) -> tuple[int, int]:
    """Return the used bytes of the file, and the free ones that are not released yet."""
    size, pages, free = (
        database.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_size", "page_count", "freelist_count")
    )
    return size * (pages - free), size * free


def delete(
    database: sqlite3.Connection, session_ids: Sequence[str], idle_since: float | None
) -> tuple[str, ...]:
    """Delete sessions with all their rows; return those that existed and were idle."""
    statement = "DELETE FROM sessions WHERE session_id = ? AND last_active < ?"
    before = math.inf if idle_since is None else idle_since
    return tuple(
        session_id for session_id in session_ids if database.execute(statement, (session_id, before)).rowcount
    )


def moderate(
    database: sqlite3.Connection, session_id: str, known: bytes, moderation: bytes, keys: Keys | None
) -> bool:
    """Replace a session's moderation, and its keys unless they are None; False: it is no longer ``known``."""
    speak, read = (None, None) if keys is None else (keys.speak, keys.read)
    cursor = database.execute(
        "UPDATE sessions SET moderation = ?, speak_key = coalesce(?, speak_key),"
        " read_key = coalesce(?, read_key) WHERE session_id = ? AND moderation = ?",
        (moderation, speak, read, session_id, known),
    )
    return cursor.rowcount > 0


def touch(database: sqlite3.Connection, session_ids: Sequence[str], at: float) -> None:
    """Mark sessions as in use. A clock set back never makes one older."""
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
    share: Share = NOBODYS_CAPTION,
) -> Appended | None:
    """Assign a message its offset and store it; None: the session does not exist."""
    row = database.execute(
        "UPDATE sessions SET last_offset = last_offset + 1, last_active = max(last_active, ?),"
        " kept_bytes = kept_bytes + ? + length(last_offset + 1)"
        " WHERE session_id = ? RETURNING number, last_offset",
        (at, len(numbered(body, 0)) - 1, session_id),
    ).fetchone()
    if row is None:
        return None
    session, offset = row
    frame = numbered(body, offset)
    number, held, total = shares.enter(database, session, share, len(frame))
    database.execute("INSERT INTO history VALUES (?, ?, ?, ?, ?)", (session, offset, at, frame, number))
    dropped = 0
    if share.kind is Kind.NAME and held.messages > 1:
        dropped += shares.supersede(database, session, number, offset)
    if pressed(total, limits.budget(share.kind)):
        dropped += shares.spill(database, session, limits, most=shares.DROPPED_AT_ONCE)
    if offset % PRUNE_EVERY == 0:
        dropped += shares.age(database, session, limits, at, most=shares.DROPPED_AT_ONCE)
    if dropped:
        _note_oldest(database, session)
    return Appended(session_id=session_id, offset=offset, frame=frame, at=at, origin=origin)


def read(
    database: sqlite3.Connection, session_id: str, after: int, until: int, size: int | None = None
) -> tuple[HistoryMessage, ...]:
    """Return the stored messages between two offsets, in order: the oldest ``size`` bytes, at least one."""
    rows = database.execute(
        "SELECT h.number, h.at, h.frame FROM history h JOIN sessions s ON s.number = h.session"
        " WHERE s.session_id = ? AND h.number > ? AND h.number <= ? ORDER BY h.number",
        (session_id, after, until),
    )
    if size is None:
        return tuple(HistoryMessage(*row) for row in rows)
    found: list[HistoryMessage] = []
    for row in rows:
        size -= len(row[2])
        if found and size < 0:
            break
        found.append(HistoryMessage(*row))
    return tuple(found)


def erase(database: sqlite3.Connection, session_id: str, offsets: Sequence[int]) -> int:
    """Drop these messages of a session on purpose; return how many it had."""
    row = database.execute("SELECT number FROM sessions WHERE session_id = ?", (session_id,)).fetchone()
    erased = 0 if row is None else shares.erase(database, row[0], offsets)
    if erased:
        _note_oldest(database, row[0])
    return erased


def prune(database: sqlite3.Connection, now: float, limits: Limits) -> int:
    """Drop messages that are too old in every session, and those over the budgets of affected sessions."""
    cutoff = now - limits.seconds
    rows = database.execute(
        "SELECT s.number FROM sessions s"
        " JOIN history h ON h.session = s.number AND h.number = s.kept_first WHERE h.at < ?",
        (cutoff,),
    ).fetchall()
    dropped = 0
    for (session,) in rows:
        dropped += shares.age(database, session, limits, now) + shares.spill(database, session, limits)
        _note_oldest(database, session)
    return dropped


def crowded(database: sqlite3.Connection) -> tuple[str, ...]:
    """Return the sessions with too many participants."""
    rows = database.execute(
        "SELECT s.session_id FROM participants p JOIN sessions s ON s.number = p.session"
        " GROUP BY p.session HAVING count(*) > ?",
        (records.PARTICIPANTS_LIMIT,),
    )
    return tuple(session_id for (session_id,) in rows)


def trim_participants(
    database: sqlite3.Connection, session_id: str, present: frozenset[str], at: float
) -> int:
    """Delete surplus participants: the absent ones who were present longest ago."""
    rows = database.execute(
        "SELECT p.participant_id, p.name, p.role, p.languages, p.token_hash, p.seen FROM participants p"
        " JOIN sessions s ON s.number = p.session WHERE s.session_id = ?",
        (session_id,),
    ).fetchall()
    there = [_participant(row) for row in rows]
    speakers = shares.speakers(database, session_id)
    late = surplus_participants(there, present, records.PARTICIPANTS_LIMIT, speakers)
    for participant_id in late:
        drop_participant(database, session_id, participant_id)
    # Participants who disconnect later were present until now.
    database.executemany(
        "UPDATE participants SET seen = max(seen, ?) WHERE participant_id = ? AND session ="
        " (SELECT number FROM sessions WHERE session_id = ?)",
        [(at, one.participant_id, session_id) for one in there if one.participant_id in present],
    )
    return len(late)


def put_participant(database: sqlite3.Connection, session_id: str, participant: ParticipantRecord) -> bool:
    """Store or change a participant and mark the session as in use. False: the session does not exist."""
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
    session_id, epoch, offset, kept_first, config, created, last_active, speak, read, *more = row
    moderation, terms, terms_revision, pipeline, pipeline_revision = more
    return SessionRecord(
        session_id,
        epoch,
        offset,
        kept_first,
        config,
        created,
        last_active,
        Keys(speak, read),
        moderation,
        decode_terms(terms),
        terms_revision,
        pipeline,
        pipeline_revision,
    )


def _participant(row: tuple[Any, ...]) -> ParticipantRecord:
    participant_id, name, role, languages, token_hash, seen = row
    return ParticipantRecord(
        participant_id, name, role, msgspec.json.decode(languages, type=tuple[str, ...]), token_hash, seen
    )


def _note_oldest(database: sqlite3.Connection, session: int) -> None:
    database.execute(
        "UPDATE sessions SET kept_first = coalesce("
        "(SELECT min(number) FROM history WHERE session = ?1), last_offset + 1) WHERE number = ?1",
        (session,),
    )


def store_sign_in(database: sqlite3.Connection, name: str, now: float, seconds: float) -> None:
    """Store an operator's sign-in; delete expired ones and, beyond the limit, those that expire first."""
    database.execute("DELETE FROM sign_ins WHERE expires <= ?", (now,))
    database.execute(
        "DELETE FROM sign_ins WHERE name IN"
        " (SELECT name FROM sign_ins ORDER BY expires DESC LIMIT -1 OFFSET ?)",
        (SIGN_INS_KEPT - 1,),
    )
    database.execute("INSERT OR REPLACE INTO sign_ins (name, expires) VALUES (?, ?)", (name, now + seconds))


def extend_sign_in(database: sqlite3.Connection, name: str, now: float, seconds: float) -> bool:
    """Extend a sign-in; False: it does not exist, or has expired."""
    cursor = database.execute(
        "UPDATE sign_ins SET expires = ? WHERE name = ? AND expires > ?", (now + seconds, name, now)
    )
    return cursor.rowcount == 1


def delete_sign_in(database: sqlite3.Connection, name: str) -> None:
    """End a sign-in."""
    database.execute("DELETE FROM sign_ins WHERE name = ?", (name,))

"""Scripts that delete: the data of a session on request, and what is older than it may be. Pure.

Files are deleted by the caller. Their paths are moved to a table of their own in the transaction that deletes
their rows, and removed from it when the files are gone; so a process that is killed in between leaves none.
"""

from collections.abc import Sequence
from typing import Final

from orch.stores.bot_records import Life, Prunable
from orch.stores.bot_scripts.captured import session_lock
from orch.stores.bot_scripts.lives import Change, advance, emptied
from orch.stores.bot_scripts.requests import Lock, Many, Query, Script, marks
from orch.stores.bot_scripts.tables import LIVES

_TABLES_WITH_FILES: Final = ("audio_files", "evidence_files")

_OLD_SESSIONS: Final = (
    "SELECT session_id FROM bot_sessions.sessions s WHERE s.end_time < $1"
    " AND EXISTS (SELECT 1 FROM bot_sessions.transcripts t WHERE t.session_id = s.session_id)"
    " ORDER BY s.end_time LIMIT $2"
)


def delete_data(session_id: str, now: float, change: Change | None) -> Script[Life | None]:
    """Delete all that was captured in a session, its webhooks, and what was entered for its bot.

    Nothing is stored for the session afterwards. ``change``: the bot's next state, stored with it; its
    webhooks are sent. Returns the bot's life; None: the session has no bot. Where the bot has changed since
    ``change.life.revision``, the data is deleted all the same.
    """
    yield session_lock(session_id)
    yield Query(
        "INSERT INTO bot_sessions.deleted_sessions (session_id, deleted_at) VALUES ($1, $2)"
        " ON CONFLICT (session_id) DO NOTHING",
        (session_id, now),
    )
    rows = yield Query(
        "UPDATE bot_sessions.lives SET name = '', meeting_url = '', settings = '{}', metadata = '{}',"  # noqa: S608 - columns
        " data_deleted_at = coalesce(data_deleted_at, $2) WHERE session_id = $1"
        f" RETURNING {LIVES.columns}",
        (session_id, now),
    )
    yield from _delete_session(session_id, now)
    if not rows:
        return None
    life = LIVES.read(rows[0])
    yield Query("DELETE FROM bot_sessions.webhook_deliveries WHERE bot_id = $1", (life.bot_id,))
    if change is None:
        return life
    emptied_change = Change(emptied(change.life), webhooks=change.webhooks)
    return (yield from advance(emptied_change, life.owner)) or life


def _delete_session(session_id: str, now: float) -> Script[None]:
    # A transaction that writes for the session has locked its row: what it writes is deleted as well.
    yield Query("SELECT 1 FROM bot_sessions.sessions WHERE session_id = $1 FOR UPDATE", (session_id,))
    for table in _TABLES_WITH_FILES:
        files = yield Query(
            f"SELECT file_path FROM bot_sessions.{table} WHERE session_id = $1",  # noqa: S608 - constants
            (session_id,),
        )
        yield from _note_files([path for (path,) in files], now)
    yield Query("DELETE FROM bot_sessions.sessions WHERE session_id = $1", (session_id,))


def _note_files(paths: Sequence[str], now: float) -> Script[None]:
    if paths:
        yield Many(
            "INSERT INTO bot_sessions.files_to_delete (file_path, since) VALUES ($1, $2)"
            " ON CONFLICT (file_path) DO NOTHING",
            [(path, now) for path in paths],
        )


def files_to_delete(limit: int) -> Script[tuple[str, ...]]:
    """Return paths of files whose rows were deleted, the oldest first."""
    rows = yield Query(
        "SELECT file_path FROM bot_sessions.files_to_delete ORDER BY since, file_path LIMIT $1", (limit,)
    )
    return tuple(path for (path,) in rows)


def files_deleted(paths: Sequence[str]) -> Script[None]:
    """Record that files are gone from the disk."""
    if paths:
        yield Many(
            "DELETE FROM bot_sessions.files_to_delete WHERE file_path = $1", [(path,) for path in paths]
        )


def files_of_ended(session_ids: Sequence[str], before: float) -> Script[dict[str, tuple[str, ...]]]:
    """Return the paths of the files of those sessions whose bots ended before, by session.

    A session whose bot has not ended, or ended later, is left out, as is one that this store does not know.
    """
    if not session_ids:
        return {}
    names = marks(len(session_ids))
    rows = yield Query(
        f"SELECT session_id FROM bot_sessions.lives WHERE session_id IN ({names})"  # noqa: S608 - parameters
        f" AND ended_at < ${len(session_ids) + 1}",
        (*session_ids, before),
    )
    found: dict[str, list[str]] = {session_id: [] for (session_id,) in rows}
    for table in _TABLES_WITH_FILES:
        files = yield Query(
            f"SELECT session_id, file_path FROM bot_sessions.{table} WHERE session_id IN ({names})",  # noqa: S608
            tuple(session_ids),
        )
        for session_id, path in files:
            if session_id in found:
                found[session_id].append(path)
    return {session_id: tuple(paths) for session_id, paths in found.items()}


def prune(kind: Prunable, before: float, now: float, limit: int) -> Script[int]:
    """Delete what is older than ``before``; return how many files, sessions or webhooks, up to ``limit``.

    Audio and evidence count by when the file was stored, webhooks by when they were stored unless they wait,
    transcripts and sessions by when the session ended. A transcript goes with its translations, its
    correlations and the audit of its names; a session with all that is stored of it and of its bot.
    """
    yield Lock("prune")
    match kind:
        case Prunable.AUDIO:
            return (yield from _prune_files("audio_files", before, now, limit))
        case Prunable.EVIDENCE:
            return (yield from _prune_files("evidence_files", before, now, limit))
        case Prunable.TRANSCRIPT:
            rows = yield Query(_OLD_SESSIONS, (before, limit))
            ids = [row[0] for row in rows]
            if ids:
                yield Many("DELETE FROM bot_sessions.transcripts WHERE session_id = $1", [(i,) for i in ids])
            return len(ids)
        case Prunable.DELIVERY:
            rows = yield Query(
                "DELETE FROM bot_sessions.webhook_deliveries WHERE delivery_id IN (SELECT delivery_id"
                " FROM bot_sessions.webhook_deliveries WHERE created_at < $1 AND state <> 'pending'"
                " ORDER BY created_at LIMIT $2) RETURNING delivery_id",
                (before, limit),
            )
            return len(rows)
        case Prunable.SESSION:
            return (yield from _prune_sessions(before, now, limit))


def _prune_files(table: str, before: float, now: float, limit: int) -> Script[int]:
    rows = yield Query(
        f"SELECT file_id, file_path FROM bot_sessions.{table} WHERE created_at < $1"  # noqa: S608 - constants
        " ORDER BY created_at, file_id LIMIT $2",
        (before, limit),
    )
    yield from _note_files([path for _, path in rows], now)
    if rows:
        ids = tuple(file_id for file_id, _ in rows)
        yield Query(f"DELETE FROM bot_sessions.{table} WHERE file_id IN ({marks(len(ids))})", ids)  # noqa: S608 - constants
    return len(rows)


def _prune_sessions(before: float, now: float, limit: int) -> Script[int]:
    """Delete whole sessions: those of bots that have ended, and those without a bot."""
    rows = yield Query(
        "SELECT bot_id, session_id FROM bot_sessions.lives WHERE ended_at < $1 ORDER BY ended_at LIMIT $2",
        (before, limit),
    )
    for _, session_id in rows:
        yield from _delete_session(session_id, now)
    if rows:
        yield Many("DELETE FROM bot_sessions.lives WHERE bot_id = $1", [(bot_id,) for bot_id, _ in rows])
    without_bot = yield Query(
        "SELECT session_id FROM bot_sessions.sessions s WHERE s.end_time < $1 AND NOT EXISTS"
        " (SELECT 1 FROM bot_sessions.lives l WHERE l.session_id = s.session_id)"
        " ORDER BY s.end_time LIMIT $2",
        (before, limit - len(rows)),
    )
    for (session_id,) in without_bot:
        yield from _delete_session(session_id, now)
    yield Query("DELETE FROM bot_sessions.deleted_sessions WHERE deleted_at < $1", (before,))
    return len(rows) + len(without_bot)

"""Scripts that store what bots capture. Pure."""

from collections.abc import Sequence
from typing import Final

from orch.stores.bot_records import BotSession, Captured, Correlation, Written
from orch.stores.bot_scripts.requests import Lock, Many, Query, Script, marks
from orch.stores.bot_scripts.tables import CAPTURED, SESSIONS

_OLDER_PARTS: Final = (
    "DELETE FROM bot_sessions.correlations"
    " WHERE session_id = $1 AND inhouse_transcript_id = $2 AND revision < $3"
)


def session_lock(session_id: str) -> Lock:
    """Return the lock under which a session is created or its data deleted."""
    return Lock(f"session {session_id}")


def create_session(session: BotSession) -> Script[bool]:
    """Store a new session. False: it exists, or its data was deleted."""
    yield session_lock(session.session_id)
    deleted = yield Query(
        "SELECT 1 FROM bot_sessions.deleted_sessions WHERE session_id = $1", (session.session_id,)
    )
    if deleted:
        return False
    created = yield Query(
        f"{SESSIONS.insert} ON CONFLICT (session_id) DO NOTHING RETURNING session_id",
        SESSIONS.values(session),
    )
    return bool(created)


def update_session(session: BotSession) -> Script[bool]:
    """Replace what is stored about a session. False: it does not exist."""
    known = yield Query(
        "SELECT session_id FROM bot_sessions.sessions WHERE session_id = $1 FOR KEY SHARE",
        (session.session_id,),
    )
    if known:
        yield Query(SESSIONS.upsert, SESSIONS.values(session))
    return bool(known)


def write(batch: Sequence[Captured]) -> Script[Written]:
    """Store a batch. Records of sessions that do not exist are left out: they were deleted, or never created.

    Rows are written table by table, so that a translation may stand in its batch before its utterance. Of
    each table, the order is the batch's.
    """
    named = sorted({record.session_id for record in batch})
    if not named:
        return Written(0)
    rows = yield Query(
        f"SELECT session_id FROM bot_sessions.sessions WHERE session_id IN ({marks(len(named))})"  # noqa: S608 - parameters
        " FOR KEY SHARE",
        tuple(named),
    )
    known = {row[0] for row in rows}
    accepted = [record for record in batch if record.session_id in known]
    for table in CAPTURED:
        of_table = [table.values(record) for record in accepted if isinstance(record, table.record)]
        if of_table:
            yield Many(table.upsert, of_table)
    newest: dict[tuple[str, str], int] = {}
    for record in accepted:
        if isinstance(record, Correlation):
            key = (record.session_id, record.inhouse_transcript_id)
            newest[key] = max(record.revision, newest.get(key, 0))
    if newest:
        yield Many(_OLDER_PARTS, [(*key, revision) for key, revision in newest.items()])
    return Written(len(accepted), frozenset(set(named) - known))

"""The shares of participants in the budgets of a session's history, in the SQLite file.

Called in the store's thread, inside a transaction. The cost does not grow with the stored data: totals are
separate rows, and messages to drop are found by indexes. The rules are in :mod:`orch.stores.history`.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

from orch.stores.history import Budget, Kept, Kind, Limits, Losses, Share, pressed, spilled, too_old

#: Messages considered at a time when some must be dropped.
BATCH: Final = 128

#: Maximum number dropped by one append; the rest is dropped by the next ones.
DROPPED_AT_ONCE: Final = 2_048

#: The two largest shares of a kind, by the exceeded limit. Ties as in :func:`orch.stores.history.spilled`.
_FULLEST: Final = {
    "bytes": "SELECT number, sender, messages, bytes FROM shares WHERE session = ? AND kind = ?"
    " ORDER BY bytes DESC, sender DESC LIMIT 2",
    "messages": "SELECT number, sender, messages, bytes FROM shares WHERE session = ? AND kind = ?"
    " ORDER BY messages DESC, sender DESC LIMIT 2",
}


def enter(database: sqlite3.Connection, session: int, share: Share, size: int) -> tuple[int, Budget, Budget]:
    """Add a message to its share; return the share's number, and the totals of the share and of its kind."""
    number, *held = database.execute(
        "INSERT INTO shares (session, kind, sender, messages, bytes) VALUES (?, ?, ?, 1, ?)"
        " ON CONFLICT (session, kind, sender)"
        " DO UPDATE SET messages = messages + 1, bytes = bytes + excluded.bytes"
        " RETURNING number, messages, bytes",
        (session, share.kind, share.sender, size),
    ).fetchone()
    total = database.execute(
        "INSERT INTO budgets (session, kind, messages, bytes) VALUES (?, ?, 1, ?)"
        " ON CONFLICT (session, kind)"
        " DO UPDATE SET messages = messages + 1, bytes = bytes + excluded.bytes RETURNING messages, bytes",
        (session, share.kind, size),
    ).fetchone()
    return number, Budget(*held), Budget(*total)


def supersede(database: sqlite3.Connection, session: int, share: int, offset: int) -> int:
    """Drop a share's messages before ``offset``: they are replaced, so this is no loss."""
    rows = database.execute(
        "SELECT number, length(frame) FROM history INDEXED BY history_by_share"
        " WHERE session = ? AND share = ? AND number < ?",
        (session, share, offset),
    ).fetchall()
    went = [Kept(number, 0.0, size) for number, size in rows]
    _delete(database, session, Kind.NAME, share, went, is_loss=False)
    return len(rows)


def erase(database: sqlite3.Connection, session: int, offsets: Sequence[int]) -> int:
    """Drop messages on purpose, which is no loss; return how many there were."""
    erased = 0
    for offset in offsets:
        row = database.execute(
            "DELETE FROM history WHERE session = ? AND number = ? RETURNING share, length(frame)",
            (session, offset),
        ).fetchone()
        if row is None:
            continue
        share, size = row
        erased += 1
        (kind,) = database.execute("SELECT kind FROM shares WHERE number = ?", (share,)).fetchone()
        _subtract(database, session, Kind(kind), share, count=1, size=size)
        database.execute("UPDATE sessions SET kept_bytes = kept_bytes - ? WHERE number = ?", (size, session))
    return erased


def spill(database: sqlite3.Connection, session: int, limits: Limits, *, most: int | None = None) -> int:
    """Drop messages over a session's budgets, ``most`` at most; return their number."""
    totals = database.execute(
        "SELECT kind, messages, bytes FROM budgets WHERE session = ?", (session,)
    ).fetchall()
    dropped = 0
    for kind, *sums in totals:
        total, budget = Budget(*sums), limits.budget(Kind(kind))
        while pressed(total, budget) and (most is None or dropped < most):
            went = _spill_once(database, session, Kind(kind), total, budget)
            if not went:
                break  # the totals are higher than the stored messages
            total = Budget(total.messages - len(went), total.bytes - sum(each.size for each in went))
            dropped += len(went)
    return dropped


def _spill_once(
    database: sqlite3.Connection, session: int, kind: Kind, total: Budget, budget: Budget
) -> list[Kept]:
    """Drop the oldest messages of the largest share, as many as necessary at once; return them."""
    what = pressed(total, budget) or "bytes"
    fullest = database.execute(_FULLEST[what], (session, kind)).fetchall()
    if not fullest:
        return []
    share, sender, *held = fullest[0]
    runner_up = None
    if len(fullest) > 1:
        _, other, messages, size = fullest[1]
        runner_up = (size if what == "bytes" else messages, other)
    rows = database.execute(
        "SELECT number, length(frame) FROM history INDEXED BY history_by_share"
        " WHERE session = ? AND share = ? ORDER BY number LIMIT ?",
        (session, share, BATCH),
    ).fetchall()
    gone = spilled(
        [size for _, size in rows],
        total=total,
        budget=budget,
        held=Budget(*held),
        sender=sender,
        runner_up=runner_up,
    )
    went = [Kept(number, 0.0, size) for number, size in rows[:gone]]
    if went:
        _delete(database, session, kind, share, went)
    return went


def age(
    database: sqlite3.Connection, session: int, limits: Limits, now: float, *, most: int | None = None
) -> int:
    """Drop messages of a session that are too old, ``most`` at most; return their number."""
    dropped = 0
    while most is None or dropped < most:
        rows = database.execute(
            "SELECT h.number, h.at, length(h.frame), h.share, s.kind FROM history h"
            " JOIN shares s ON s.number = h.share WHERE h.session = ? ORDER BY h.number LIMIT ?",
            (session, BATCH),
        ).fetchall()
        gone = too_old([Kept(*row[:3]) for row in rows], seconds=limits.seconds, now=now)
        went: dict[tuple[int, int], list[Kept]] = {}
        for number, at, size, share, kind in rows[:gone]:
            went.setdefault((share, kind), []).append(Kept(number, at, size))
        for (share, kind), each in went.items():
            _delete(database, session, Kind(kind), share, each)
        dropped += gone
        if gone < len(rows) or not rows:
            break
    return dropped


def speakers(database: sqlite3.Connection, session_id: str) -> frozenset[str]:
    """Return the participants with captions in a session."""
    rows = database.execute(
        "SELECT p.sender FROM shares p JOIN sessions s ON s.number = p.session"
        " WHERE s.session_id = ? AND p.kind = ?",
        (session_id, Kind.CAPTION),
    )
    return frozenset(sender for (sender,) in rows)


def losses(database: sqlite3.Connection, session_id: str) -> Losses | None:
    """Return the losses of a session; None if it does not exist."""
    row = database.execute(
        "SELECT dropped_captions, dropped_others FROM sessions WHERE session_id = ?", (session_id,)
    ).fetchone()
    return None if row is None else Losses(*row)


def _delete(
    database: sqlite3.Connection,
    session: int,
    kind: Kind,
    share: int,
    went: list[Kept],
    *,
    is_loss: bool = True,
) -> None:
    """Delete the oldest messages of a share, update the totals, and record the losses."""
    if not went:
        return
    count, size, last = len(went), sum(message.size for message in went), went[-1].offset
    database.execute(
        "DELETE FROM history WHERE session = ? AND share = ? AND number <= ?", (session, share, last)
    )
    _subtract(database, session, kind, share, count=count, size=size)
    captions, others = (last, 0) if kind is Kind.CAPTION else (0, last)
    database.execute(
        "UPDATE sessions SET kept_bytes = kept_bytes - ?,"
        " dropped_captions = max(dropped_captions, ?), dropped_others = max(dropped_others, ?)"
        " WHERE number = ?",
        (size, captions if is_loss else 0, others if is_loss else 0, session),
    )


def _subtract(
    database: sqlite3.Connection, session: int, kind: Kind, share: int, *, count: int, size: int
) -> None:
    """Update the totals of a share and of its kind after messages were deleted."""
    database.execute(
        "UPDATE shares SET messages = messages - ?, bytes = bytes - ? WHERE number = ?", (count, size, share)
    )
    database.execute("DELETE FROM shares WHERE number = ? AND messages <= 0", (share,))
    database.execute(
        "UPDATE budgets SET messages = messages - ?, bytes = bytes - ? WHERE session = ? AND kind = ?",
        (count, size, session, kind),
    )

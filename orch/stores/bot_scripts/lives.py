"""Scripts about the lives of bots: their transitions, the places of those that run, and who runs them. Pure.

The number of bots that run is limited in the database. A bot that runs has a *place*, a number from 1 to the
limit, and the column is unique. A worker that wants to start one takes a place for the bot that has waited
longest, in one statement; the transactions of all workers that do so run one after the other.

A worker holds a *lease* on each bot that it runs, and renews it. When it has expired, another worker takes
the bot over, in one statement. Each take-over raises the bot's revision, and a change names the revision and
the owner that it is based on; so a worker that was only slow cannot change a bot that it has lost.
"""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from orch.stores.bot_records import BotSession, Life, RefusedRecordError, SessionEvent, WebhookDelivery
from orch.stores.bot_scripts.captured import create_session
from orch.stores.bot_scripts.requests import Lock, Many, Query, Row, Script
from orch.stores.bot_scripts.tables import EVENTS, LIVES, WEBHOOKS, stored


class Change(Struct, frozen=True):
    """A bot's new life, based on the revision that it has, and what is stored in the same transaction."""

    life: Life
    events: Sequence[SessionEvent] = ()
    webhooks: Sequence[WebhookDelivery] = ()


_CHANGED: Final = (
    "state",
    "since",
    "due_at",
    "queued_at",
    "admitted_at",
    "ended_at",
    "recoveries",
    "lost_to",
    "was_paused",
    "reason",
    "stage",
    "settings",
    "metadata",
)
_SET: Final = ", ".join(f"{name} = ${number}" for number, name in enumerate(_CHANGED, start=4))
_ENDS: Final = f"${4 + len(_CHANGED)}"

_ADVANCE: Final = (
    f"UPDATE bot_sessions.lives SET {_SET}, revision = revision + 1,"  # noqa: S608 - columns
    f" place = CASE WHEN {_ENDS} THEN NULL ELSE place END,"
    f" owner = CASE WHEN {_ENDS} THEN NULL ELSE owner END,"
    f" lease_until = CASE WHEN {_ENDS} THEN NULL ELSE lease_until END"
    " WHERE bot_id = $1 AND revision = $2 AND coalesce(owner, '') = coalesce($3, '')"
    f" RETURNING {LIVES.columns}"
)

_FOLLOW: Final = (
    "UPDATE bot_sessions.sessions SET status = $2, end_reason = $3, end_stage = $4,"
    " start_time = coalesce(start_time, $5), end_time = $6, updated_at = $7 WHERE session_id = $1"
)

_QUEUED: Final = "queued_at IS NOT NULL AND place IS NULL AND ended_at IS NULL"

# The lowest number that no bot has. Fewer than $5 bots run, so one of 1 to $5 is free.
_FREE_PLACE: Final = (
    "(WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < $5)"
    " SELECT min(n) FROM numbers WHERE n NOT IN"
    " (SELECT place FROM bot_sessions.lives WHERE place IS NOT NULL))"
)

_PLACE: Final = (
    f"UPDATE bot_sessions.lives SET place = {_FREE_PLACE}, placed_at = $1, owner = $2,"  # noqa: S608 - constants
    " lease_until = $3, revision = revision + 1 WHERE bot_id = (SELECT bot_id FROM bot_sessions.lives"
    f" WHERE {_QUEUED} ORDER BY queued_at, bot_id LIMIT 1)"
    " AND (SELECT count(*) FROM bot_sessions.lives WHERE place IS NOT NULL) < $4"
    f" RETURNING {LIVES.columns}"
)

_TAKE_OVER: Final = (
    "UPDATE bot_sessions.lives SET owner = $1, lease_until = $3, revision = revision + 1"  # noqa: S608 - constants
    " WHERE lease_until < $2 AND owner <> $1 AND bot_id IN (SELECT bot_id FROM bot_sessions.lives"
    " WHERE lease_until < $2 AND owner <> $1 ORDER BY lease_until LIMIT $4)"
    f" RETURNING {LIVES.columns}"
)


def request(change: Change, session: BotSession) -> Script[tuple[Life, bool]]:
    """Store a new bot and its session; return its life, and whether it is new.

    One with the same idempotency key is returned instead, unchanged. Raises RefusedRecordError if its id or
    its session's is taken.
    """
    life = change.life
    inserted = yield Query(
        f"{LIVES.insert} ON CONFLICT DO NOTHING RETURNING {LIVES.columns}", LIVES.values(life)
    )
    if not inserted:
        earlier = yield Query(LIVES.select("WHERE idempotency_key = $1"), (life.idempotency_key,))
        if not earlier:
            raise RefusedRecordError(f"a bot {life.bot_id} or a session {life.session_id} exists already")
        return LIVES.read(earlier[0]), False
    if not (yield from create_session(session)):
        raise RefusedRecordError(f"a session {life.session_id} exists already, or was deleted")
    yield from _attach(change)
    return LIVES.read(inserted[0]), True


def advance(change: Change, owner: str | None) -> Script[Life | None]:
    """Store a bot's next state; return its life as it is then. An ended bot gives up its place and owner.

    None, and nothing is stored: the bot has changed since ``change.life.revision``, or ``owner`` does not run
    it (None: nobody does). Place, lease and a request to leave are not changed by it.
    """
    life = change.life
    changed = (stored(getattr(life, name)) for name in _CHANGED)
    values = (life.bot_id, life.revision, owner, *changed, life.ended_at is not None)
    rows = yield Query(_ADVANCE, values)
    if not rows:
        return None
    yield Query(
        _FOLLOW,
        (
            life.session_id,
            life.state,
            life.reason,
            life.stage,
            life.admitted_at,
            life.ended_at,
            life.since,
        ),
    )
    yield from _attach(change)
    return LIVES.read(rows[0])


def _attach(change: Change) -> Script[None]:
    session = yield Query(
        "SELECT 1 FROM bot_sessions.sessions WHERE session_id = $1 FOR KEY SHARE", (change.life.session_id,)
    )
    if change.events and session:
        yield Many(EVENTS.upsert, [EVENTS.values(event) for event in change.events])
    if change.webhooks:
        yield Many(WEBHOOKS.upsert, [WEBHOOKS.values(message) for message in change.webhooks])


def place(owner: str, limit: int, *, now: float, until: float) -> Script[Life | None]:
    """Give the bot that has waited longest a place and this owner; None: none waits, or ``limit`` run."""
    yield Lock("places")
    rows = yield Query(_PLACE, (now, owner, until, limit, limit))
    return LIVES.read(rows[0]) if rows else None


def renew(owner: str, until: float) -> Script[tuple[Life, ...]]:
    """Extend the leases of an owner; return the lives of its bots, some of which may have to leave."""
    rows = yield Query(
        "UPDATE bot_sessions.lives SET lease_until = $2 WHERE owner = $1"  # noqa: S608 - columns
        f" RETURNING {LIVES.columns}",
        (owner, until),
    )
    return LIVES.read_all(rows)


def release(owner: str, now: float) -> Script[int]:
    """End the leases of an owner that stops, so that others take its bots over at once; return how many."""
    rows = yield Query(
        "UPDATE bot_sessions.lives SET lease_until = $2 WHERE owner = $1 RETURNING bot_id",
        (owner, now - _AGO),
    )
    return len(rows)


_AGO: Final = 0.001


def take_over(owner: str, limit: int, *, now: float, until: float) -> Script[tuple[Life, ...]]:
    """Become the owner of bots whose leases have expired, ``limit`` at most; return their lives."""
    rows = yield Query(_TAKE_OVER, (owner, now, until, limit))
    return LIVES.read_all(rows)


def placed() -> Script[tuple[Life, ...]]:
    """Return the bots that have a place, which are those that run or whose owner has died."""
    return LIVES.read_all((yield Query(LIVES.select("WHERE place IS NOT NULL ORDER BY place"))))


def request_leave(bot_id: str, now: float) -> Script[Life | None]:
    """Record that a bot shall leave, for its owner to read; None: there is no such bot, or it has ended."""
    rows = yield Query(
        "UPDATE bot_sessions.lives SET leave_requested_at = coalesce(leave_requested_at, $2)"  # noqa: S608 - columns
        f" WHERE bot_id = $1 AND ended_at IS NULL RETURNING {LIVES.columns}",
        (bot_id, now),
    )
    return LIVES.read(rows[0]) if rows else None


def life(bot_id: str) -> Script[Life | None]:
    """Return a bot's life."""
    rows = yield Query(LIVES.select("WHERE bot_id = $1"), (bot_id,))
    return LIVES.read(rows[0]) if rows else None


def life_of_key(idempotency_key: str) -> Script[Life | None]:
    """Return the life of the bot that was requested with this key."""
    rows = yield Query(LIVES.select("WHERE idempotency_key = $1"), (idempotency_key,))
    return LIVES.read(rows[0]) if rows else None


def due(now: float, limit: int) -> Script[tuple[Life, ...]]:
    """Return scheduled bots whose time has come, the earliest first."""
    rows = yield Query(
        LIVES.select(
            "WHERE due_at <= $1 AND queued_at IS NULL AND ended_at IS NULL ORDER BY due_at, bot_id LIMIT $2"
        ),
        (now, limit),
    )
    return LIVES.read_all(rows)


def newest(limit: int, before: Life | None, *, active: bool, ended: bool = False) -> Script[tuple[Life, ...]]:
    """Return bots, the last requested first; ``before``: those after it in this order.

    ``active``: only those that have not ended; ``ended``: only those that have.
    """
    conditions: list[str] = ["1 = 1"]
    values: list[Any] = [limit]
    if before is not None:
        conditions.append("(requested_at, bot_id) < ($2, $3)")
        values += [before.requested_at, before.bot_id]
    if active:
        conditions.append("ended_at IS NULL")
    if ended:
        conditions.append("ended_at IS NOT NULL")
    rows = yield Query(
        LIVES.select(f"WHERE {' AND '.join(conditions)} ORDER BY requested_at DESC, bot_id DESC LIMIT $1"),
        tuple(values),
    )
    return LIVES.read_all(rows)


def position(bot_id: str) -> Script[int | None]:
    """Return a bot's position in the queue, from 1; None: it does not wait for a place."""
    rows = yield Query(
        f"SELECT count(*) FROM bot_sessions.lives WHERE {_QUEUED}"  # noqa: S608 - constants
        " AND (queued_at, bot_id) <= (SELECT l.queued_at, l.bot_id FROM bot_sessions.lives l"
        " WHERE l.bot_id = $1 AND l.queued_at IS NOT NULL AND l.place IS NULL AND l.ended_at IS NULL)",
        (bot_id,),
    )
    return _count(rows) or None


def counts() -> Script[dict[str, int]]:
    """Return the number of bots in each state."""
    rows = yield Query("SELECT state, count(*) FROM bot_sessions.lives GROUP BY state")
    return {str(state): int(number) for state, number in rows}


def _count(rows: Sequence[Row]) -> int:
    return int(rows[0][0])


def emptied(life: Life) -> Life:
    """Return a life without what was entered for it: name, address, settings, metadata."""
    return replace(life, name="", meeting_url="", settings={}, metadata={})

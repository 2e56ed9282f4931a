"""Scripts about webhooks: what is sent next and by whom, what became of it, and the history. Pure."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from msgspec import Struct

from orch.stores.bot_records import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookState
from orch.stores.bot_scripts.requests import Lock, Many, Query, Script, marks
from orch.stores.bot_scripts.tables import ATTEMPTS, ENDPOINTS, WEBHOOKS


class Outcome(Struct, frozen=True, kw_only=True):
    """What follows an attempt: the delivery's state, and when it is sent again if that is ``pending``.

    ``rests_until``: nothing is sent to the endpoint until then. ``disabled_reason``: nothing ever, and what
    waits for it has failed; empty: it is not disabled.
    """

    state: WebhookState
    due_at: float | None = None
    rests_until: float | None = None
    disabled_reason: str = ""


# Of each endpoint, the delivery that is due longest. One about a bot or a calendar waits while another about
# it for this endpoint is being sent, or is due and comes before it.
_DUE: Final = """
SELECT delivery_id FROM (
    SELECT d.delivery_id, d.due_at, d.sequence, row_number() OVER (
        PARTITION BY d.endpoint_id ORDER BY d.due_at, d.sequence, d.delivery_id) AS place
    FROM bot_sessions.webhook_deliveries d
    WHERE d.due_at <= $1 AND (d.claimed_until IS NULL OR d.claimed_until <= $1)
    AND NOT EXISTS (SELECT 1 FROM bot_sessions.webhook_endpoints e WHERE e.endpoint_id = d.endpoint_id
        AND (e.disabled_at IS NOT NULL OR e.rests_until > $1))
    AND NOT EXISTS (SELECT 1 FROM bot_sessions.webhook_deliveries o
        WHERE (o.bot_id = d.bot_id OR o.calendar_id = d.calendar_id)
        AND o.endpoint_id = d.endpoint_id AND o.delivery_id <> d.delivery_id
        AND (o.claimed_until > $1 OR (o.due_at <= $1 AND o.sequence < d.sequence)))
    {without}
) AS due WHERE place = 1 ORDER BY due_at, sequence LIMIT $2
"""


def enqueue(deliveries: Sequence[WebhookDelivery]) -> Script[int]:
    """Store webhooks to send; return how many are. Those of bots whose data was deleted are not."""
    bots = sorted({delivery.bot_id for delivery in deliveries if delivery.bot_id is not None})
    known: set[str | None] = {None}
    if bots:
        rows = yield Query(
            f"SELECT bot_id FROM bot_sessions.lives WHERE bot_id IN ({marks(len(bots))})"  # noqa: S608 - parameters
            " AND data_deleted_at IS NULL FOR SHARE",
            tuple(bots),
        )
        known |= {row[0] for row in rows}
    accepted = [WEBHOOKS.values(each) for each in deliveries if each.bot_id in known]
    if accepted:
        yield Many(WEBHOOKS.upsert, accepted)
    return len(accepted)


def claim(
    limit: int,
    without: AbstractSet[str],
    *,
    now: float,
    until: float,
    only: AbstractSet[str] | None = None,
) -> Script[tuple[WebhookDelivery, ...]]:
    """Lease deliveries that are due until ``until``, one for each endpoint at most, those due longest first.

    Not those of endpoints that are disabled, that rest, are in ``without``, or are not in ``only`` (None: all
    are); nor those of a bot for an endpoint while another one of this bot for it is leased, or is due and has
    a lower ``sequence``.
    """
    if only is not None and not only - without:
        return ()
    yield Lock("webhooks")
    # What is left of the one list needs no other.
    named = sorted(without if only is None else only - without)
    word = "NOT IN" if only is None else "IN"
    condition = f"AND d.endpoint_id {word} ({marks(len(named), 3)})" if named else ""
    rows = yield Query(_DUE.format(without=condition), (now, limit, *named))
    if not rows:
        return ()
    ids = tuple(row[0] for row in rows)
    claimed = yield Query(
        f"UPDATE bot_sessions.webhook_deliveries SET claimed_until = $1"  # noqa: S608 - parameters
        f" WHERE delivery_id IN ({marks(len(ids), 2)}) RETURNING {WEBHOOKS.columns}",
        (until, *ids),
    )
    found = {delivery.delivery_id: delivery for delivery in WEBHOOKS.read_all(claimed)}
    return tuple(found[each] for each in ids if each in found)


def record(attempt: WebhookAttempt, outcome: Outcome) -> Script[bool]:
    """Store an attempt and what follows it, and end the lease. False: the delivery is gone."""
    rows = yield Query(
        "UPDATE bot_sessions.webhook_deliveries SET state = $2, due_at = $3, attempts = attempts + 1,"
        " first_at = coalesce(first_at, $4), claimed_until = NULL WHERE delivery_id = $1"
        " RETURNING endpoint_id",
        (attempt.delivery_id, outcome.state, outcome.due_at, attempt.at),
    )
    if not rows:
        return False
    endpoint_id = rows[0][0]
    yield Query(ATTEMPTS.upsert, ATTEMPTS.values(attempt))
    if outcome.disabled_reason:
        yield from disable(endpoint_id, outcome.disabled_reason, attempt.at + attempt.duration)
    elif outcome.rests_until is not None:
        yield Query(
            "INSERT INTO bot_sessions.webhook_endpoints AS t (endpoint_id, rests_until) VALUES ($1, $2)"
            " ON CONFLICT (endpoint_id) DO UPDATE SET rests_until = excluded.rests_until",
            (endpoint_id, outcome.rests_until),
        )
    return True


def release(delivery_id: str) -> Script[None]:
    """End the lease of a delivery that was not attempted: it is due as before."""
    yield Query(
        "UPDATE bot_sessions.webhook_deliveries SET claimed_until = NULL WHERE delivery_id = $1",
        (delivery_id,),
    )


def requeue(delivery_id: str, now: float) -> Script[WebhookDelivery | None]:
    """Make a delivery due now, with a new count of attempts.

    Not if it is being attempted, or its endpoint is disabled. Returns it as it was before; None: it does not
    exist.
    """
    rows = yield Query(WEBHOOKS.select("WHERE delivery_id = $1 FOR UPDATE"), (delivery_id,))
    if not rows:
        return None
    before = WEBHOOKS.read(rows[0])
    if before.claimed_until is None or before.claimed_until <= now:
        yield Query(
            "UPDATE bot_sessions.webhook_deliveries SET state = 'pending', due_at = $2, attempts = 0,"
            " first_at = NULL, claimed_until = NULL WHERE delivery_id = $1"
            " AND NOT EXISTS (SELECT 1 FROM bot_sessions.webhook_endpoints e"
            " WHERE e.endpoint_id = $3 AND e.disabled_at IS NOT NULL)",
            (delivery_id, now, before.endpoint_id),
        )
    return before


def deliveries(bot_id: str, limit: int) -> Script[tuple[WebhookDelivery, ...]]:
    """Return the webhooks of a bot, the newest first."""
    rows = yield Query(
        WEBHOOKS.select("WHERE bot_id = $1 ORDER BY sequence DESC, delivery_id DESC LIMIT $2"),
        (bot_id, limit),
    )
    return WEBHOOKS.read_all(rows)


def attempts(delivery_id: str, limit: int) -> Script[tuple[WebhookAttempt, ...]]:
    """Return the attempts to send a webhook, the newest first."""
    rows = yield Query(
        ATTEMPTS.select("WHERE delivery_id = $1 ORDER BY created_at DESC, attempt_id DESC LIMIT $2"),
        (delivery_id, limit),
    )
    return ATTEMPTS.read_all(rows)


def disable(endpoint_id: str, reason: str, now: float) -> Script[None]:
    """Send nothing more to an endpoint; what waits for it has failed."""
    disabled = WebhookEndpoint(endpoint_id=endpoint_id, disabled_at=now, disabled_reason=reason)
    yield Query(ENDPOINTS.upsert, ENDPOINTS.values(disabled))
    yield Query(
        "UPDATE bot_sessions.webhook_deliveries SET state = 'failed', due_at = NULL"
        " WHERE endpoint_id = $1 AND state = 'pending'",
        (endpoint_id,),
    )


def enable(endpoint_id: str) -> Script[None]:
    """Send to an endpoint again."""
    yield Query("DELETE FROM bot_sessions.webhook_endpoints WHERE endpoint_id = $1", (endpoint_id,))


def oldest() -> Script[float | None]:
    """Return when the oldest delivery that is still to be sent was stored; None: there is none."""
    rows = yield Query(
        "SELECT min(created_at) FROM bot_sessions.webhook_deliveries WHERE due_at IS NOT NULL", ()
    )
    found: float | None = rows[0][0]
    return found


def endpoints() -> Script[tuple[WebhookEndpoint, ...]]:
    """Return the endpoints that are disabled, or rest or rested last."""
    rows = yield Query(ENDPOINTS.select("ORDER BY endpoint_id"))
    return ENDPOINTS.read_all(rows)

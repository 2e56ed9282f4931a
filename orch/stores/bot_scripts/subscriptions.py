"""Scripts about the endpoints that programs have registered, and the history of each. Pure."""

from collections.abc import Callable, Sequence

from orch.stores.bot_records import Subscription, WebhookDelivery
from orch.stores.bot_scripts.requests import Lock, Query, Script, marks
from orch.stores.bot_scripts.tables import SUBSCRIPTIONS, WEBHOOKS


def subscribe(subscription: Subscription, most: int) -> Script[bool]:
    """Register an endpoint. False: there are ``most``, or one has its id."""
    yield Lock("subscriptions")
    counted = yield Query("SELECT count(*) FROM bot_sessions.webhook_subscriptions")
    if counted[0][0] >= most:
        return False
    added = yield Query(
        f"{SUBSCRIPTIONS.insert} ON CONFLICT DO NOTHING RETURNING endpoint_id",
        SUBSCRIPTIONS.values(subscription),
    )
    return bool(added)


def change(endpoint_id: str, change: Callable[[Subscription], Subscription]) -> Script[Subscription | None]:
    """Store what ``change`` makes of a subscription, and return it; None: there is none."""
    rows = yield Query(SUBSCRIPTIONS.select("WHERE endpoint_id = $1 FOR UPDATE"), (endpoint_id,))
    if not rows:
        return None
    changed = change(SUBSCRIPTIONS.read(rows[0]))
    yield Query(SUBSCRIPTIONS.upsert, SUBSCRIPTIONS.values(changed))
    return changed


def unsubscribe(endpoint_id: str) -> Script[bool]:
    """Remove an endpoint; what waits for it has failed. False: there is none."""
    removed = yield Query(
        "DELETE FROM bot_sessions.webhook_subscriptions WHERE endpoint_id = $1 RETURNING endpoint_id",
        (endpoint_id,),
    )
    if not removed:
        return False
    yield Query("DELETE FROM bot_sessions.webhook_endpoints WHERE endpoint_id = $1", (endpoint_id,))
    yield Query(
        "UPDATE bot_sessions.webhook_deliveries SET state = 'failed', due_at = NULL"
        " WHERE endpoint_id = $1 AND state = 'pending'",
        (endpoint_id,),
    )
    return True


def subscriptions(endpoint_ids: Sequence[str] | None) -> Script[tuple[Subscription, ...]]:
    """Return the registered endpoints, those registered first first; None: all."""
    if endpoint_ids is not None and not endpoint_ids:
        return ()
    condition = "" if endpoint_ids is None else f"WHERE endpoint_id IN ({marks(len(endpoint_ids))}) "
    rows = yield Query(
        SUBSCRIPTIONS.select(f"{condition}ORDER BY created_at, endpoint_id"), tuple(endpoint_ids or ())
    )
    return SUBSCRIPTIONS.read_all(rows)


def delivery(delivery_id: str) -> Script[WebhookDelivery | None]:
    """Return a delivery."""
    rows = yield Query(WEBHOOKS.select("WHERE delivery_id = $1"), (delivery_id,))
    return WEBHOOKS.read(rows[0]) if rows else None


def deliveries_to(
    endpoint_id: str, before: WebhookDelivery | None, limit: int
) -> Script[tuple[WebhookDelivery, ...]]:
    """Return what is sent to an endpoint, the newest first, after ``before`` in this order."""
    values: tuple[object, ...] = (endpoint_id, limit)
    condition = ""
    if before is not None:
        condition, values = (
            " AND (created_at, delivery_id) < ($3, $4)",
            (*values, before.at, before.delivery_id),
        )
    rows = yield Query(
        WEBHOOKS.select(
            f"WHERE endpoint_id = $1{condition} ORDER BY created_at DESC, delivery_id DESC LIMIT $2"
        ),
        values,
    )
    return WEBHOOKS.read_all(rows)

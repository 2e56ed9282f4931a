"""The outbox of webhooks in the store of bot sessions."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from orch.bots.webhooks.outbox import Attempt, Claim, Delivery, Endpoint, Requeued
from orch.bots.webhooks.schedule import State, Verdict
from orch.stores.bot_records import WebhookAttempt, WebhookState
from orch.stores.bot_scripts.webhooks import Outcome
from orch.stores.bot_store import BotStore

FindEndpoints = Callable[[Collection[str]], Awaitable[Mapping[str, Endpoint]]]

_STATES: dict[State, WebhookState] = {
    State.DELIVERED: "delivered",
    State.RETRYING: "pending",
    State.FAILED: "failed",
}


class StoredOutbox:
    """What :class:`orch.bots.webhooks.outbox.Outbox` promises, of a store.

    ``find_endpoints`` returns those endpoints of some ids that exist, as they are now.
    """

    def __init__(self, store: BotStore, find_endpoints: FindEndpoints) -> None:
        self._store = store
        self._find_endpoints = find_endpoints

    async def claim(
        self,
        *,
        now: float,
        lease_until: float,
        most: int,
        without: frozenset[str],
        only: frozenset[str] | None,
    ) -> Sequence[Claim]:
        """Lease deliveries that are due."""
        claimed = await self._store.claim_webhooks(
            most, now=now, until=lease_until, without=without, only=only
        )
        if not claimed:
            return []
        endpoints = await self._find_endpoints({each.endpoint_id for each in claimed})
        return [
            Claim(
                Delivery(
                    each.delivery_id, each.message_id, each.body, each.attempts, each.first_at, each.bot_id
                ),
                each.endpoint_id,
                endpoints.get(each.endpoint_id),
            )
            for each in claimed
        ]

    async def record(self, attempt: Attempt, verdict: Verdict) -> bool:
        """Store an attempt and what follows it. The body is that of the delivery, and is stored once."""
        sent = attempt.sent
        stored = WebhookAttempt(
            delivery_id=attempt.delivery_id,
            number=attempt.number,
            at=attempt.at,
            duration=attempt.duration,
            method=sent.method if sent else None,
            url=sent.url if sent else None,
            address=sent.address if sent else None,
            request_headers=sent.headers if sent else (),
            status=attempt.status,
            response=attempt.response,
            fault=attempt.fault,
            reason=attempt.reason,
        )
        outcome = Outcome(
            state=_STATES[verdict.state],
            due_at=verdict.next_at,
            rests_until=verdict.rests_until,
            disabled_reason=verdict.reason if verdict.disables else "",
        )
        return await self._store.record_attempt(stored, outcome)

    async def release(self, delivery_id: str) -> None:
        """End the lease of a delivery that was not attempted."""
        await self._store.release_webhook(delivery_id)

    async def requeue(self, delivery_id: str, now: float) -> Requeued:
        """Make a delivery due at ``now``, unless its endpoint is disabled."""
        before = await self._store.requeue_webhook(delivery_id, now=now)
        if before is None:
            return Requeued.UNKNOWN
        if before.claimed_until is not None and before.claimed_until > now:
            return Requeued.IN_PROGRESS
        endpoints = await self._store.webhook_endpoints()
        disabled = {each.endpoint_id for each in endpoints if each.disabled_at is not None}
        return Requeued.DISABLED if before.endpoint_id in disabled else Requeued.QUEUED

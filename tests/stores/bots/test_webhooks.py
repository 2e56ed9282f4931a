"""The outbox of webhooks: the same tests on every engine."""

from collections.abc import Sequence

import trio

from orch.stores.bot_records import WebhookAttempt, WebhookDelivery
from orch.stores.bot_scripts.webhooks import Outcome
from tests.fakes.bot_sessions import NOW, BotEngine, requested, webhook

SOON = NOW + 60
LEASE = SOON + 30
DONE = Outcome(state="delivered")


def attempt(delivery_id: str, number: int = 1, at: float = SOON) -> WebhookAttempt:
    """Return an attempt that got a response."""
    return WebhookAttempt(
        delivery_id=delivery_id,
        number=number,
        at=at,
        duration=0.25,
        method="POST",
        url="https://example.com/hook",
        address="192.0.2.1",
        request_headers=(("webhook-id", "m1"), ("webhook-signature", "v1,abc")),
        status=200,
        response=b"ok\xff",
    )


def ids(found: Sequence[WebhookDelivery]) -> list[str]:
    """Return the ids of deliveries."""
    return [each.delivery_id for each in found]


async def test_a_delivery_is_claimed_by_one_of_many(engine: BotEngine) -> None:
    """Until its lease ends; the endpoints that wait longest first, one delivery for each."""
    claimed: list[Sequence[WebhookDelivery]] = []
    async with engine.running() as store:
        await requested(store, 1)
        await store.enqueue([webhook(each, endpoint_id=f"e{each}") for each in range(1, 21)])

        async def claim() -> None:
            claimed.append(await store.claim_webhooks(3, now=SOON, until=LEASE))

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(claim)
        found = [each for few in claimed for each in ids(few)]
        assert len(found) == len(set(found)) == 20
        assert await store.claim_webhooks(99, now=LEASE - 1, until=LEASE) == ()
        assert ids(await store.claim_webhooks(2, now=LEASE, until=LEASE + 9)) == ["d1", "d2"]


async def test_deliveries_of_a_bot_to_an_endpoint_keep_their_order(engine: BotEngine) -> None:
    """The next one waits while one is being sent; one that failed does not hold up those after it."""
    async with engine.running() as store:
        await requested(store, 1, 2)
        await store.enqueue([webhook(1, due_at=NOW + 9), webhook(2), webhook(3), webhook(9, bot_id="b2")])
        assert ids(await store.claim_webhooks(9, now=SOON, until=LEASE, without={"e1"})) == []
        for only, without in ((set(), set()), ({"e2"}, set()), ({"e1"}, {"e1"})):
            few = await store.claim_webhooks(9, now=SOON, until=LEASE, only=only, without=without)
            assert few == ()
        assert ids(await store.claim_webhooks(9, now=SOON, until=SOON, only={"e1"}, without={"e2"})) == ["d1"]
        assert ids(await store.claim_webhooks(9, now=SOON, until=LEASE)) == ["d1"]
        assert ids(await store.claim_webhooks(9, now=SOON, until=LEASE)) == ["d9"]
        assert await store.record_attempt(attempt("d1"), Outcome(state="pending", due_at=LEASE))
        assert ids(await store.claim_webhooks(9, now=SOON, until=LEASE)) == ["d2"]
        await store.release_webhook("d2")
        assert ids(await store.claim_webhooks(9, now=SOON, until=LEASE)) == ["d2"]
        assert await store.record_attempt(attempt("d2"), DONE)
        assert ids(await store.claim_webhooks(9, now=SOON, until=LEASE)) == ["d3"]


async def test_what_was_sent_is_in_the_history(engine: BotEngine) -> None:
    """Body, headers and response, byte by byte; a redelivery by hand counts its attempts again."""
    async with engine.running() as store:
        await requested(store, 1)
        assert await store.enqueue([webhook(), webhook(1, bot_id="nobody", delivery_id="x")]) == 1
        await store.claim_webhooks(1, now=SOON, until=LEASE)
        busy = await store.requeue_webhook("d1", now=SOON)
        assert busy is not None
        assert busy.claimed_until == LEASE
        assert await store.record_attempt(attempt("d1"), DONE)
        (sent,) = await store.webhook_deliveries("b1")
        assert (sent.state, sent.attempts, sent.first_at, sent.due_at) == ("delivered", 1, SOON, None)
        assert sent.body == webhook().body
        assert await store.webhook_attempts("d1") == (attempt("d1"),)
        assert not await store.record_attempt(attempt("none"), DONE)
        assert await store.requeue_webhook("none", now=SOON) is None
        assert await store.requeue_webhook("d1", now=SOON + 1) == sent
        (again,) = await store.claim_webhooks(1, now=SOON + 1, until=LEASE)
        assert (again.attempts, again.first_at, again.body) == (0, None, sent.body)
        await store.record_attempt(attempt("d1", at=SOON + 2), DONE)
        assert [each.at for each in await store.webhook_attempts("d1")] == [SOON + 2, SOON]


async def test_an_endpoint_that_rests_or_is_disabled_gets_nothing(engine: BotEngine) -> None:
    """What waits for one that was disabled has failed; when it is enabled, new webhooks are sent."""
    async with engine.running() as store:
        await requested(store, 1)
        await store.enqueue([webhook(1), webhook(2), webhook(3, endpoint_id="e2")])
        await store.claim_webhooks(1, now=SOON, until=LEASE)
        resting = Outcome(state="pending", due_at=SOON + 5, rests_until=SOON + 20)
        await store.record_attempt(attempt("d1"), resting)
        assert ids(await store.claim_webhooks(9, now=SOON + 10, until=LEASE)) == ["d3"]
        assert ids(await store.claim_webhooks(9, now=SOON + 20, until=LEASE)) == ["d1"]
        gone = Outcome(state="failed", disabled_reason="It responded 410.")
        await store.record_attempt(attempt("d1", 2, SOON + 20), gone)
        assert ids(await store.claim_webhooks(9, now=LEASE + 10, until=LEASE + 20)) == ["d3"]
        (endpoint,) = await store.webhook_endpoints()
        assert (endpoint.disabled_at, endpoint.disabled_reason) == (SOON + 20.25, "It responded 410.")
        states = {each.delivery_id: each.state for each in await store.webhook_deliveries("b1")}
        assert states == {"d1": "failed", "d2": "failed", "d3": "pending"}
        await store.enable_endpoint("e1")
        await store.enqueue([webhook(4)])
        assert "d4" in ids(await store.claim_webhooks(9, now=LEASE + 11, until=LEASE + 20))
        await store.disable_endpoint("e2", "by hand", now=SOON)
        assert [each.endpoint_id for each in await store.webhook_endpoints()] == ["e2"]


async def test_the_oldest_that_is_still_to_be_sent_is_known(engine: BotEngine) -> None:
    """What was delivered, or given up, waits no more; one that is being sent, or tried again later, does."""
    async with engine.running() as store:
        assert await store.oldest_webhook() is None
        await requested(store, 1)
        await store.enqueue([webhook(1, at=NOW - 500), webhook(2, at=NOW - 100), webhook(3, at=NOW)])
        assert await store.oldest_webhook() == NOW - 500
        await store.record_attempt(attempt("d1"), Outcome(state="pending", due_at=SOON + 900))
        assert await store.oldest_webhook() == NOW - 500
        await store.record_attempt(attempt("d1", 2), DONE)
        assert await store.oldest_webhook() == NOW - 100
        await store.record_attempt(attempt("d2"), Outcome(state="failed"))
        await store.record_attempt(attempt("d3"), DONE)
        assert await store.oldest_webhook() is None

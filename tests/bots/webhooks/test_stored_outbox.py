"""Deliveries from a real store to receivers and back: what the history has is what was sent."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from orch.bots.webhooks.delivery import Deliveries
from orch.bots.webhooks.exchange import Exchanges
from orch.bots.webhooks.outbox import Endpoint, Requeued
from orch.bots.webhooks.stored_outbox import StoredOutbox
from orch.bots.webhooks.targets import TargetRules
from orch.stores.bot_store import BotStore
from orch.tls.trust import TrustStore
from tests.fakes.bot_sessions import NOW, SqliteBotEngine, requested, webhook
from tests.fakes.webhooks import KEYS, Net, Received, Receiver, responding

LATER = NOW + 60
URL = "http://hooks.example/hook"

pytestmark = pytest.mark.real_time


@dataclass
class Scene:
    """A store, and deliveries from it to one endpoint."""

    store: BotStore
    deliveries: Deliveries
    endpoints: dict[str, Endpoint]
    now: float = LATER

    async def until(self, state: str) -> None:
        """Wait until the bot's only delivery is in a state, after an attempt."""
        while True:
            (stored,) = await self.store.webhook_deliveries("b1")
            if stored.state == state and stored.attempts and stored.claimed_until is None:
                return


@asynccontextmanager
async def scene(folder: Path, receiver: Receiver) -> AsyncIterator[Scene]:
    async with SqliteBotEngine(folder).running() as store, trio.open_nursery() as nursery:
        await requested(store, 1)
        net = Net(nursery)
        net.add("hooks.example", "8.8.8.8", receiver)
        rules = TargetRules(http=True)
        exchanges = Exchanges(lambda: rules, TrustStore(), resolve=net.resolve, connect=net.connect)
        endpoints = {"e1": Endpoint("e1", URL, KEYS)}

        async def find(ids: Collection[str]) -> dict[str, Endpoint]:
            return {each: endpoints[each] for each in ids if each in endpoints}

        outbox = StoredOutbox(store, find)
        made = Scene(store, Deliveries(outbox, exchanges, wall=lambda: made.now), endpoints)
        await nursery.start(made.deliveries.run)
        yield made
        nursery.cancel_scope.cancel()


async def test_the_history_of_the_store_is_what_was_sent(tmp_path: Path) -> None:
    """Headers and body as the receiver got them; a redelivery by hand sends the same again."""
    log: list[Received] = []
    async with scene(tmp_path, responding(200, body=b"ok", log=log)) as made:
        await made.store.enqueue([webhook()])
        made.deliveries.notify()
        await made.until("delivered")
        made.now += 1
        assert await made.deliveries.redeliver("d1") is Requeued.QUEUED
        while len(attempts := await made.store.webhook_attempts("d1")) < 2:
            pass
        assert await made.deliveries.redeliver("other") is Requeued.UNKNOWN
        (delivery,) = await made.store.webhook_deliveries("b1")
    assert [each.request_headers for each in reversed(attempts)] == [each.headers for each in log]
    assert [each.body for each in log] == [delivery.body] * 2
    first = attempts[-1]
    assert (first.method, first.url, first.address) == ("POST", URL, "8.8.8.8")
    assert (first.status, first.response, first.reason) == (200, b"ok", "The receiver responded 200.")


async def test_410_disables_the_endpoint_in_the_store(tmp_path: Path) -> None:
    """Nothing is sent again by hand until a person enables it."""
    log: list[Received] = []
    async with scene(tmp_path, responding(410, log=log)) as made:
        await made.store.enqueue([webhook()])
        made.deliveries.notify()
        await made.until("failed")
        (endpoint,) = await made.store.webhook_endpoints()
        assert "410" in endpoint.disabled_reason
        assert await made.deliveries.redeliver("d1") is Requeued.DISABLED
        (stored,) = await made.store.webhook_deliveries("b1")
        assert (stored.state, len(log)) == ("failed", 1)
        assert await made.store.webhook_endpoints() == (endpoint,)
        await made.store.enable_endpoint("e1")
        made.now += 1
        assert await made.deliveries.redeliver("d1") is Requeued.QUEUED


async def test_a_delivery_to_an_endpoint_that_was_removed_is_retried_and_says_so(tmp_path: Path) -> None:
    """It may be that this worker has not read the newest settings yet."""
    async with scene(tmp_path, responding(200)) as made:
        made.endpoints.clear()
        await made.store.enqueue([webhook()])
        made.deliveries.notify()
        await made.until("pending")
        (attempt,) = await made.store.webhook_attempts("d1")
    assert (attempt.fault, attempt.method) == ("refused_target", None)
    assert attempt.reason == "The endpoint does not exist any more."

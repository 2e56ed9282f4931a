"""Webhooks as a running part: events become deliveries of the endpoints that want them, and are sent.

The deliveries of a transition are composed (:meth:`WebhookService.compose`) and stored by the caller, in the
transaction of the transition. Those of what is captured, which come many a second, are offered
(:meth:`WebhookService.offer`) and stored in batches.

Overflow rule of offered events: while the store is away up to :data:`OFFERED_LIMIT` deliveries wait, or
:data:`OFFERED_BYTES` of them; further ones are dropped, counted and logged. Transitions are never dropped:
they are stored or have not happened.
"""

import random
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, Final, Never

import msgspec
import structlog
import trio

from orch.bots.bot_traces import BotTraces
from orch.bots.webhooks.delivery import Deliveries, DeliveriesStatistics
from orch.bots.webhooks.exchange import Exchanges
from orch.bots.webhooks.fan_out import Numbers, deliveries_for
from orch.bots.webhooks.payloads import Bot, Calendar, Data, Event, PayloadError, Trigger
from orch.bots.webhooks.stored_outbox import StoredOutbox
from orch.bots.webhooks.subscriptions import REFRESH_SECONDS, Subscriptions, requeue_problem
from orch.bots.webhooks.targets import TargetRules
from orch.problems import ProblemError
from orch.settings.bots import BotWebhooks
from orch.settings.source import SettingsSource
from orch.stores.bot_records import Life, RefusedRecordError, WebhookDelivery
from orch.stores.bot_store import BotStore
from orch.telemetry.boundaries import Boundary
from orch.telemetry.names import bots as names
from orch.telemetry.names.metric import Reading
from orch.tls.trust import TrustStore

OFFERED_LIMIT: Final = 10_000
OFFERED_BYTES: Final = 32 * 2**20
"""Deliveries that wait to be stored, and their bodies' bytes."""

BATCH: Final = 500
RETRY_SECONDS: Final = 1.0
FLUSH_SECONDS: Final = 2.0
"""Seconds between attempts to store what was offered, and in which it is stored at a stop."""

log = structlog.get_logger("webhooks")


@dataclass(frozen=True, slots=True)
class WebhookStatistics:
    """Figures.

    ``waiting``: offered deliveries that are not stored yet; ``dropped``: that did not fit, or events that
    could not be encoded.
    """

    endpoints: int
    disabled: int
    waiting: int
    dropped: int
    deliveries: DeliveriesStatistics


def rules_of(settings: BotWebhooks) -> TargetRules:
    """Return where webhooks and calendar requests may go."""
    return TargetRules(
        networks=tuple(ip_network(each) for each in settings.allowed_networks),
        http=settings.http,
        ports=frozenset(settings.ports) or None,
    )


class WebhookService:
    """The webhooks of one worker.

    The mutable state is what was offered, the numbers of events, and since when the oldest delivery waits, as
    it was read last.
    """

    def __init__(
        self,
        store: BotStore,
        settings: SettingsSource,
        *,
        exchanges: Exchanges | None = None,
        wall: Callable[[], float] = time.time,
        draw: Callable[[], float] = random.random,
        new_id: Callable[[], str] = lambda: f"msg_{secrets.token_urlsafe(18)}",
        traces: BotTraces | None = None,
    ) -> None:
        def rules() -> TargetRules:
            return rules_of(settings.current.orchestration.bots.webhooks)

        def ca_file() -> str:
            return settings.current.orchestration.bots.webhooks.ca_file

        self.exchanges = exchanges or Exchanges(rules, TrustStore(), ca_file=ca_file)
        self.subscriptions = Subscriptions(store, rules, wall=wall)
        outbox = StoredOutbox(store, self.subscriptions.find)
        self._deliveries = Deliveries(outbox, self.exchanges, wall=wall, draw=draw, traces=traces)
        self._store = store
        self._wall = wall
        self._new_id = new_id
        self._numbers = Numbers()
        self._offered: deque[WebhookDelivery] = deque()
        self._bytes = 0
        self._dropped = 0
        self._is_dropping = False
        self._oldest_at: float | None = None
        self._work = trio.lowlevel.ParkingLot()
        self._boundary = Boundary("webhooks")

    def __repr__(self) -> str:
        return f"<WebhookService, {len(self.subscriptions.known)} endpoints, {len(self._offered)} offered>"

    # For the bots.

    def wants(self, trigger: Trigger) -> bool:
        """Return whether any endpoint wants events of this trigger."""
        known, disabled = self.subscriptions.known, self.subscriptions.disabled
        return any(trigger in each.triggers and each.endpoint_id not in disabled for each in known)

    def compose(self, life: Life, trigger: Trigger, at: float, data: Data) -> tuple[WebhookDelivery, ...]:
        """Return the deliveries of an event about a bot, to be stored with it; then call :meth:`notify`."""
        return self._compose(life.bot_id, life.metadata, trigger, at, data)

    def offer(
        self, bot_id: str, metadata: Mapping[str, Any], trigger: Trigger, at: float, data: Data
    ) -> None:
        """Send an event about a bot to the endpoints that want it; it is stored soon."""
        for delivery in self._compose(bot_id, metadata, trigger, at, data):
            size = len(delivery.body)
            if len(self._offered) >= OFFERED_LIMIT or self._bytes + size > OFFERED_BYTES:
                self._drop("The store has been away for too long.")
                continue
            self._offered.append(delivery)
            self._bytes += size
            self._work.unpark()

    async def offer_of_calendar(self, calendar_id: str, trigger: Trigger, at: float, data: Data) -> None:
        """Store an event about a calendar for the endpoints that want it. ProblemError: the store is away."""
        number = self._numbers.next(calendar_id, self._wall())
        about = Calendar(calendar_id=calendar_id)
        deliveries = self._fan_out(
            Event(
                idempotency_key=self._new_id(),
                about=about,
                trigger=trigger,
                at=at,
                sequence=number,
                data=data,
            )
        )
        if deliveries:
            await self._store.enqueue(deliveries)
            self.notify()

    def notify(self) -> None:
        """Send at once: deliveries have been stored."""
        self._deliveries.notify()

    def _compose(
        self, bot_id: str, metadata: Mapping[str, Any], trigger: Trigger, at: float, data: Data
    ) -> tuple[WebhookDelivery, ...]:
        if not self.wants(trigger):
            return ()
        try:
            about = Bot(bot_id=bot_id, metadata=msgspec.Raw(msgspec.json.encode(metadata)))
        except (TypeError, ValueError):  # it was checked when the bot was requested
            about = Bot(bot_id=bot_id)
        number = self._numbers.next(bot_id, self._wall())
        return self._fan_out(
            Event(
                idempotency_key=self._new_id(),
                about=about,
                trigger=trigger,
                at=at,
                sequence=number,
                data=data,
            )
        )

    def _fan_out(self, event: Event) -> tuple[WebhookDelivery, ...]:
        try:
            return deliveries_for(self.subscriptions.known, event, without=self.subscriptions.disabled)
        except PayloadError as error:
            self._drop(str(error))
            return ()

    def _drop(self, reason: str) -> None:
        self._dropped += 1
        if not self._is_dropping:
            self._is_dropping = True
            log.error("webhook events dropped", reason=reason)

    # For the API.

    async def redeliver(self, delivery_id: str) -> WebhookDelivery:
        """Send a delivery again; return it.

        Problems: ``unknown_delivery``, ``delivery_in_progress``, ``endpoint_disabled``.
        """
        problem = requeue_problem(await self._deliveries.redeliver(delivery_id))
        if problem is not None:
            raise problem
        return await self.subscriptions.delivery(delivery_id)

    def statistics(self) -> WebhookStatistics:
        """Return the figures."""
        return WebhookStatistics(
            endpoints=len(self.subscriptions.known),
            disabled=len(self.subscriptions.disabled),
            waiting=len(self._offered),
            dropped=self._dropped,
            deliveries=self._deliveries.statistics(),
        )

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        found = self.statistics()
        yield Reading(names.WEBHOOK_ENDPOINTS, found.endpoints)
        yield Reading(names.WEBHOOK_DISABLED, found.disabled)
        oldest = self._oldest_at
        yield Reading(names.WEBHOOK_OLDEST, 0.0 if oldest is None else max(0.0, self._wall() - oldest))
        yield Reading(names.WEBHOOK_EVENTS_DROPPED, found.dropped)
        for result, count in (
            ("delivered", found.deliveries.delivered),
            ("retried", found.deliveries.retried),
            ("failed", found.deliveries.failed),
        ):
            yield Reading(names.WEBHOOK_ATTEMPTS, count, (result,))
        yield from self._boundary.readings()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Send and store until cancelled; may be run again. Started after the endpoints were first read."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._follow)
            nursery.start_soon(self._store_offered)
            await nursery.start(self._deliveries.run)
            task_status.started()

    async def _follow(self, *, task_status: trio.TaskStatus[None]) -> Never:
        """Read the endpoints again and again, for what other workers have changed."""
        is_started = False
        while True:
            with self._boundary.item(step="read the endpoints"):
                await self._refresh()
            if not is_started:
                task_status.started()
                is_started = True
            await trio.sleep(REFRESH_SECONDS)

    async def _refresh(self) -> None:
        try:
            await self.subscriptions.refresh()
            self._oldest_at = await self._store.oldest_webhook()
        except ProblemError as problem:
            log.debug("webhook endpoints not read", reason=problem.detail)  # the store's status says why

    async def _store_offered(self) -> Never:
        try:
            while True:
                if not self._offered:
                    await self._work.park()
                if not await self._store_batch():
                    await trio.sleep(RETRY_SECONDS)
        finally:
            with trio.move_on_after(FLUSH_SECONDS, shield=True):
                while self._offered and await self._store_batch():
                    pass
            if self._offered:
                log.error("webhook events not stored at the stop", count=len(self._offered))

    async def _store_batch(self) -> bool:
        """Store the oldest deliveries that were offered; False: the store is away."""
        batch = [self._offered[number] for number in range(min(BATCH, len(self._offered)))]
        try:
            await self._enqueue(batch)
        except ProblemError:
            return False
        for delivery in batch:
            self._offered.popleft()
            self._bytes -= len(delivery.body)
        self._is_dropping = False
        self.notify()
        return True

    async def _enqueue(self, batch: Sequence[WebhookDelivery]) -> None:
        try:
            await self._store.enqueue(batch)
        except RefusedRecordError as error:
            if len(batch) == 1:
                self._drop(str(error))
                return
            for delivery in batch:
                await self._enqueue([delivery])

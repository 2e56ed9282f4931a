"""The endpoints that programs register: what the API does with them, and what is known of them now.

Other workers' changes are known after :data:`REFRESH_SECONDS`; an event in between has no delivery for an
endpoint that is new, and one that fails for an endpoint that is gone.
"""

import re
import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from orch.bots.webhooks.fan_out import endpoint_of, keys_of, new_secret, stored_keys
from orch.bots.webhooks.outbox import Endpoint, Requeued
from orch.bots.webhooks.payloads import Trigger
from orch.bots.webhooks.signature import OVERLAP, SecretError, read_secret
from orch.bots.webhooks.targets import TargetError, TargetRules, read_target
from orch.problems import ProblemError
from orch.stores.bot_records import Subscription, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from orch.stores.bot_store import BotStore

MOST_ENDPOINTS: Final = 50
KEY_BYTES: Final = 32
REFRESH_SECONDS: Final = 5.0
PAGE: Final = 100

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class EndpointShown(Struct, frozen=True, kw_only=True):
    """An endpoint as the API shows it. Times in seconds since the epoch.

    ``secrets``: how many sign now; ``replaced_until``: when the last of the former ones ends.
    ``disabled_reason``: why nothing is sent, "" while it is not disabled. ``rests_until``: nothing is sent
    before. ``secret``: shown when it is made, and never again.
    """

    endpoint_id: str
    url: str
    triggers: tuple[str, ...]
    description: str
    created_at: float
    secrets: int
    replaced_until: float | None = None
    disabled_at: float | None = None
    disabled_reason: str = ""
    rests_until: float | None = None
    secret: str | None = None


class Subscriptions:
    """The registered endpoints. The mutable state is what was read of them last.

    Error handling: ProblemError ``store_unavailable`` of every method that reads or writes; besides that,
    ``unknown_endpoint`` and ``unknown_delivery``, and what each says.
    """

    def __init__(
        self,
        store: BotStore,
        rules: Callable[[], TargetRules],
        *,
        wall: Callable[[], float] = time.time,
        draw: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._store = store
        self._rules = rules
        self._wall = wall
        self._draw = draw
        self._known: tuple[Subscription, ...] = ()
        self._disabled: frozenset[str] = frozenset()

    @property
    def known(self) -> tuple[Subscription, ...]:
        """The endpoints as they were read last."""
        return self._known

    @property
    def disabled(self) -> frozenset[str]:
        """Those to which nothing is sent."""
        return self._disabled

    async def refresh(self) -> None:
        """Read the endpoints again."""
        states = await self._store.webhook_endpoints()
        self._known = await self._store.subscriptions()
        self._disabled = frozenset(each.endpoint_id for each in states if each.disabled_at is not None)

    async def find(self, endpoint_ids: Collection[str]) -> Mapping[str, Endpoint]:
        """Return the endpoints among these that exist, as they are stored now."""
        found = await self._store.subscriptions(sorted(endpoint_ids))
        return {each.endpoint_id: endpoint_of(each) for each in found}

    async def create(
        self, url: str, triggers: Sequence[str], *, description: str = "", secret: str | None = None
    ) -> EndpointShown:
        """Register an endpoint; its ``secret`` is in what is returned. ``secret``: None: a new one is made.

        Problems: ``bad_webhook_url``, ``invalid_request``, ``too_many_endpoints``.
        """
        made = Subscription(
            endpoint_id=f"ep_{self._draw(12).hex()}",
            url=self._url(url),
            triggers=_triggers(triggers),
            description=description,
            secret=self._secret(secret),
            at=self._wall(),
        )
        if not await self._store.subscribe(made, most=MOST_ENDPOINTS):
            raise ProblemError(
                "too_many_endpoints", f"{MOST_ENDPOINTS} webhook endpoints are registered: remove one first."
            )
        await self.refresh()
        return _shown(made, None, self._wall(), secret=made.secret)

    async def list(self) -> tuple[EndpointShown, ...]:
        """Return all endpoints, those registered first first."""
        states = {each.endpoint_id: each for each in await self._store.webhook_endpoints()}
        now = self._wall()
        return tuple(
            _shown(each, states.get(each.endpoint_id), now) for each in await self._store.subscriptions()
        )

    async def get(self, endpoint_id: str) -> EndpointShown:
        """Return an endpoint."""
        found = await self._store.subscriptions([endpoint_id])
        if not found:
            raise _unknown_endpoint()
        return await self._show(found[0])

    async def change(
        self,
        endpoint_id: str,
        *,
        url: str | None = None,
        triggers: Sequence[str] | None = None,
        description: str | None = None,
    ) -> EndpointShown:
        """Change an endpoint; what is None stays. Problems: ``bad_webhook_url``, ``invalid_request``."""
        wanted = {
            name: value
            for name, value in (
                ("url", None if url is None else self._url(url)),
                ("triggers", None if triggers is None else _triggers(triggers)),
                ("description", description),
            )
            if value is not None
        }
        return await self._change(endpoint_id, lambda before: replace(before, **wanted))

    async def rotate(
        self, endpoint_id: str, *, secret: str | None = None, overlap: float = OVERLAP
    ) -> EndpointShown:
        """Replace the secret, which signs ``overlap`` seconds longer; 0: it has become known to others.

        The new ``secret`` is in what is returned. Problems: ``invalid_request``.
        """
        new = self._secret(secret)

        def rotated(before: Subscription) -> Subscription:
            try:
                keys = keys_of(before).rotated(read_secret(new), self._wall(), overlap=overlap)
            except SecretError as error:
                raise _invalid("secret", str(error)) from None
            current, replaced = stored_keys(keys)
            return replace(before, secret=current, replaced_secrets=replaced)

        shown = await self._change(endpoint_id, rotated)
        return replace(shown, secret=new)

    async def remove(self, endpoint_id: str) -> None:
        """Remove an endpoint; what waits for it has failed."""
        if not _ID.fullmatch(endpoint_id) or not await self._store.unsubscribe(endpoint_id):
            raise _unknown_endpoint()
        await self.refresh()

    async def enable(self, endpoint_id: str) -> EndpointShown:
        """Send to an endpoint again that is disabled or rests."""
        found = await self._store.subscriptions([endpoint_id])
        if not found:
            raise _unknown_endpoint()
        await self._store.enable_endpoint(endpoint_id)
        await self.refresh()
        return await self._show(found[0])

    async def disable(self, endpoint_id: str) -> EndpointShown:
        """Send nothing more to an endpoint until it is enabled; what waits for it has failed."""
        found = await self._store.subscriptions([endpoint_id])
        if not found:
            raise _unknown_endpoint()
        await self._store.disable_endpoint(endpoint_id, "It was disabled by hand.", now=self._wall())
        await self.refresh()
        return await self._show(found[0])

    async def deliveries(
        self, endpoint_id: str, *, before: str | None = None, limit: int = PAGE
    ) -> tuple[WebhookDelivery, ...]:
        """Return what is sent to an endpoint, the newest first, after the delivery ``before``."""
        last = None if before is None else await self.delivery(before)
        return await self._store.webhook_deliveries_to(endpoint_id, before=last, limit=limit)

    async def delivery(self, delivery_id: str) -> WebhookDelivery:
        """Return a delivery."""
        found = await self._store.webhook_delivery(delivery_id)
        if found is None:
            raise _unknown_delivery()
        return found

    async def attempts(self, delivery_id: str, limit: int = PAGE) -> tuple[WebhookAttempt, ...]:
        """Return the attempts to send a delivery, the newest first, exactly as they were made."""
        return await self._store.webhook_attempts(delivery_id, limit)

    async def _change(
        self, endpoint_id: str, change: Callable[[Subscription], Subscription]
    ) -> EndpointShown:
        changed = await self._store.change_subscription(endpoint_id, change)
        if changed is None:
            raise _unknown_endpoint()
        await self.refresh()
        return await self._show(changed)

    async def _show(self, subscription: Subscription) -> EndpointShown:
        states = {each.endpoint_id: each for each in await self._store.webhook_endpoints()}
        return _shown(subscription, states.get(subscription.endpoint_id), self._wall())

    def _url(self, url: str) -> str:
        try:
            return read_target(url, self._rules()).url
        except TargetError as error:
            raise ProblemError(
                "bad_webhook_url", f"url: {error}.", path="$.url", expected=str(error)
            ) from None

    def _secret(self, secret: str | None) -> str:
        if secret is None:
            return new_secret(self._draw(KEY_BYTES))
        try:
            return new_secret(read_secret(secret).key)
        except SecretError as error:
            raise _invalid("secret", str(error)) from None


def requeue_problem(requeued: Requeued) -> ProblemError | None:
    """Return why a delivery is not sent again by hand; None: it is."""
    match requeued:
        case Requeued.QUEUED:
            return None
        case Requeued.UNKNOWN:
            return _unknown_delivery()
        case Requeued.IN_PROGRESS:
            return ProblemError("delivery_in_progress", "The delivery is being attempted at this moment.")
        case Requeued.DISABLED:
            return ProblemError("endpoint_disabled", "The webhook endpoint is disabled. Enable it first.")


def _triggers(wanted: Sequence[str]) -> tuple[str, ...]:
    known = {str(each) for each in Trigger}
    unknown = [each for each in wanted if each not in known]
    if unknown or not wanted:
        got = f"got {unknown[0][:60]!r}" if unknown else "got none"
        raise _invalid("triggers", f"expected some of {', '.join(sorted(known))}; {got}")
    return tuple(dict.fromkeys(wanted))


def _shown(
    subscription: Subscription, state: WebhookEndpoint | None, now: float, *, secret: str | None = None
) -> EndpointShown:
    valid = [until for _, until in subscription.replaced_secrets if until > now]
    rests_until = state.rests_until if state is not None else None
    return EndpointShown(
        endpoint_id=subscription.endpoint_id,
        url=subscription.url,
        triggers=subscription.triggers,
        description=subscription.description,
        created_at=subscription.at,
        secrets=1 + len(valid),
        replaced_until=max(valid, default=None),
        disabled_at=state.disabled_at if state is not None else None,
        disabled_reason=state.disabled_reason if state is not None else "",
        rests_until=rests_until if rests_until is not None and rests_until > now else None,
        secret=secret,
    )


def _invalid(field: str, expected: str) -> ProblemError:
    return ProblemError("invalid_request", f"{field}: {expected}.", path=f"$.{field}", expected=expected)


def _unknown_endpoint() -> ProblemError:
    return ProblemError("unknown_endpoint", "No webhook endpoint has this id.")


def _unknown_delivery() -> ProblemError:
    return ProblemError("unknown_delivery", "No delivery has this id. It may have been deleted.")

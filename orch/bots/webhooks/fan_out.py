"""Decides which endpoints get an event, and how the events about one bot or calendar are numbered. Pure."""

from collections.abc import Collection, Iterable
from math import floor

from orch.bots.webhooks.outbox import Endpoint
from orch.bots.webhooks.payloads import Bot, Event, encode
from orch.bots.webhooks.signature import ReplacedSecret, Secret, SigningKeys, read_secret, write_secret
from orch.stores.bot_records import Subscription, WebhookDelivery


def deliveries_for(
    subscriptions: Iterable[Subscription], event: Event, *, without: Collection[str] = ()
) -> tuple[WebhookDelivery, ...]:
    """Return the deliveries of an event: one for each endpoint that wants its trigger, due at once.

    ``without``: endpoints that are disabled. PayloadError: the event cannot be sent; not raised if no
    endpoint wants it.
    """
    wanted = [
        each.endpoint_id
        for each in subscriptions
        if event.trigger in each.triggers and each.endpoint_id not in without
    ]
    if not wanted:
        return ()
    body = encode(event)
    about = event.about
    return tuple(
        WebhookDelivery(
            delivery_id=f"{event.idempotency_key}_{endpoint_id}",
            message_id=event.idempotency_key,
            bot_id=about.bot_id if isinstance(about, Bot) else None,
            calendar_id=None if isinstance(about, Bot) else about.calendar_id,
            endpoint_id=endpoint_id,
            sequence=event.sequence,
            trigger=str(event.trigger),
            body=body,
            at=event.at,
            due_at=event.at,
        )
        for endpoint_id in wanted
    )


class Numbers:
    """The sequence numbers of events: milliseconds since the epoch, and never one twice.

    So no number has to be stored, and another worker that goes on with a bot counts on. The mutable state is
    the last number of each subject that is not yet below the time.
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def next(self, subject: str, now: float) -> int:
        """Return the next number of the events about a bot or calendar."""
        least = floor(now * 1000)
        self._last = {name: last for name, last in self._last.items() if last >= least}
        number = self._last[subject] = max(self._last.get(subject, 0) + 1, least)
        return number


def endpoint_of(subscription: Subscription) -> Endpoint:
    """Return where deliveries go, and the keys that sign them. SecretError: a stored secret is none."""
    return Endpoint(subscription.endpoint_id, subscription.url, keys_of(subscription))


def keys_of(subscription: Subscription) -> SigningKeys:
    """Return the keys of a subscription."""
    replaced = tuple(
        ReplacedSecret(read_secret(text), until) for text, until in subscription.replaced_secrets
    )
    return SigningKeys(read_secret(subscription.secret), replaced)


def stored_keys(keys: SigningKeys) -> tuple[str, tuple[tuple[str, float], ...]]:
    """Return the secret, and those it has replaced, as a subscription stores them."""
    return write_secret(keys.current), tuple((write_secret(e.secret), e.until) for e in keys.replaced)


def new_secret(key: bytes) -> str:
    """Return a secret in the form in which receivers get it."""
    return write_secret(Secret(key))

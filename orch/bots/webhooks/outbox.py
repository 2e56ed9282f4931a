"""What the delivery of webhooks needs from a store. Pure.

A delivery is stored in the same transaction as the event that it is about, so that neither exists without the
other. It is attempted at least once: after a crash between a response and its record it is attempted again,
with the same ``webhook-id``, by which receivers recognise it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from orch.bots.webhooks.schedule import Verdict
from orch.bots.webhooks.sent import Sent
from orch.bots.webhooks.signature import SigningKeys


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where deliveries go. The URL is not shown by ``repr``: it may be a secret."""

    endpoint_id: str
    url: str = field(repr=False)
    keys: SigningKeys


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one endpoint, whose body never changes.

    ``delivery_id`` is that of the store, ``message_id`` the ``webhook-id`` (the same for all endpoints of one
    event). ``attempts``: how many were made since it was stored, or last redelivered by hand; ``first_at``:
    when the first of these began (seconds since the epoch), None before it. ``bot_id``: that it is about.
    """

    delivery_id: str
    message_id: str
    body: bytes = field(repr=False)
    attempts: int = 0
    first_at: float | None = None
    bot_id: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that this process may attempt until its lease ends, and its endpoint as it is now.

    ``endpoint``: None if it was removed.
    """

    delivery: Delivery
    endpoint_id: str
    endpoint: Endpoint | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """What happened in one attempt, for the history.

    ``number``: ``Delivery.attempts`` plus one. ``at``: when it began (seconds since the epoch), which is the
    delivery's ``first_at`` if the number is 1; ``duration``: seconds until its outcome. ``sent``: exactly
    what was sent, None if nothing was. ``status``: of the response, None if there was none; ``response``: the
    first bytes of its body. ``fault``: "" or the kind of fault; ``reason``: a sentence for people.
    """

    delivery_id: str
    number: int
    at: float
    duration: float
    sent: Sent | None
    status: int | None
    response: bytes = field(repr=False)
    fault: str
    reason: str


class Requeued(Enum):
    """What became of a request to redeliver by hand."""

    QUEUED = auto()
    UNKNOWN = auto()
    """There is no such delivery, or its content has been deleted."""
    IN_PROGRESS = auto()
    """It is being attempted."""
    DISABLED = auto()
    """Its endpoint is disabled: enable it first."""


class Outbox(Protocol):
    """The stored deliveries. ProblemError ``store_unavailable``: nothing can be read or written now."""

    async def claim(
        self,
        *,
        now: float,
        lease_until: float,
        most: int,
        without: frozenset[str],
        only: frozenset[str] | None,
    ) -> Sequence[Claim]:
        """Lease up to ``most`` deliveries that are due, at most one for each endpoint.

        Due is what is pending, whose time has come, and whose lease (if it has one) has ended; of more than
        one, the delivery that is due longest, so that endpoints take turns. Not claimed are those of an
        endpoint that is disabled, that rests (``Verdict.rests_until``), is in ``without``, or is not in
        ``only`` (if that is given); nor those of a bot for an endpoint while another of this bot for this
        endpoint is leased, or is due and older (by ``sequence``). No two processes get the same delivery.
        """

    async def record(self, attempt: Attempt, verdict: Verdict) -> bool:
        """Store an attempt and what follows it, in one transaction, and end the lease.

        A ``Verdict`` that disables the endpoint also ends its pending deliveries as failed. False: the
        delivery is gone, since the data of its bot was deleted: nothing is stored.
        """

    async def release(self, delivery_id: str) -> None:
        """End the lease of a delivery that was not attempted: it is due as before."""

    async def requeue(self, delivery_id: str, now: float) -> Requeued:
        """Make a delivery due at ``now``, whatever became of it, with a new count of attempts."""

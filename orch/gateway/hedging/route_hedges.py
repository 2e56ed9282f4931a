"""When and how often the requests of a route are sent to a second instance. Pure.

Three things bound them. A request waits for the route's usual time first. Extra requests have a budget of
their own, a share of the route's requests (*The Tail at Scale*: a few percent), since a back end that is slow
as a whole would have every request sent twice, exactly when it can bear it least. And each is taken out of
the service's retry budget, so that retries and extra requests together stay within that.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Final, Literal, get_args

from orch.gateway.hedging.first_bytes import FirstBytes
from orch.gateway.request_body import RequestBody
from orch.gateway.statistics import GatewayHedging
from orch.settings import Repeatable
from orch.settings.hedging import Hedging

BURST: Final = 10.0
"""Extra requests that a budget saves up at most: a calm hour must not pay for a storm."""
MEDIAN: Final = 50
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})

Declined = Literal["budget", "retry_budget", "no_instance", "too_late", "suspended"]
"""Why an extra request that was due was not sent."""
DECLINED: Final[tuple[Declined, ...]] = get_args(Declined)


def is_hedgeable(method: str, repeatable: Repeatable, body: RequestBody) -> bool:
    """Return whether a request may be at two instances at the same time.

    Less than what may be repeated: of two DELETE at a time one responds 404, which could be the faster one.
    """
    if body.is_streamed or repeatable == "never":
        return False
    return repeatable == "always" or method in READING


class HedgeBudget:
    """Tokens: each request of the route brings ``share`` of one, each extra request takes one.

    So there are never more extra requests than that share of the requests so far. The mutable state is how
    many tokens there are.
    """

    __slots__ = ("tokens",)

    def __init__(self) -> None:
        self.tokens = 0.0

    def asked(self, share: float) -> None:
        """Note a request."""
        self.tokens = min(BURST, self.tokens + share)

    @property
    def has_some(self) -> bool:
        """Whether an extra request may be sent."""
        # 20 times 0.05 is a little less than 1.
        return self.tokens > 1 - 1e-9

    def take(self) -> None:
        """Note an extra request."""
        self.tokens -= 1


class RouteHedges:
    """One route's extra requests. The mutable state is its times, its budget, and counts since the start."""

    def __init__(self, prefix: str, service: str, policy: Hedging) -> None:
        self.prefix: Final = prefix
        self.service: Final = service
        self.policy = policy
        self.budget: Final = HedgeBudget()
        self.first_bytes: Final = FirstBytes()
        self.sent = 0
        self.won = 0
        self.declined: Counter[Declined] = Counter()

    def asked(self) -> None:
        """Count a request."""
        self.budget.asked(self.policy.budget)

    def delay(self, now: float) -> float | None:
        """Return the seconds that are waited before an extra request; None while too little is known."""
        policy = self.policy
        if not policy.percentile:
            return policy.delay
        if self.first_bytes.count(now) < policy.min_samples:
            return None
        found = self.first_bytes.percentile(now, policy.percentile)
        return None if found is None else max(policy.delay, found)

    def usual(self, now: float) -> float:
        """Return the usual seconds to the first byte, 0 if nothing is known."""
        return self.first_bytes.percentile(now, MEDIAN) or 0.0

    @property
    def has_budget(self) -> bool:
        """Whether the route's own budget admits an extra request; always, if it has none."""
        return not self.policy.budget or self.budget.has_some

    def take(self) -> None:
        """Count an extra request that is sent."""
        self.sent += 1
        if self.policy.budget:
            self.budget.take()

    def decline(self, why: Declined) -> None:
        """Count an extra request that is not sent."""
        self.declined[why] += 1

    def statistics(self, now: float) -> GatewayHedging:
        """Return the figures."""
        delay = self.delay(now)
        return GatewayHedging(
            prefix=self.prefix,
            service=self.service,
            extra=self.policy.extra,
            delay_ms=None if delay is None else delay * 1000,
            samples=self.first_bytes.count(now),
            samples_needed=self.policy.min_samples if self.policy.percentile else 0,
            budget=self.policy.budget,
            budget_left=int(self.budget.tokens + 1e-9) if self.policy.budget else None,
            sent=self.sent,
            won=self.won,
            declined={why: self.declined[why] for why in DECLINED},
        )


class Hedges:
    """Those of all routes that have any. The mutable state is one :class:`RouteHedges` for each."""

    def __init__(self) -> None:
        self._routes: dict[str, RouteHedges] = {}

    def of(self, prefix: str, service: str, policy: Hedging) -> RouteHedges:
        """Return those of a route, with what the settings say now."""
        found = self._routes.get(prefix)
        if found is None or found.service != service:
            found = self._routes[prefix] = RouteHedges(prefix, service, policy)
        found.policy = policy
        return found

    def get(self, prefix: str) -> RouteHedges | None:
        """Return those of a route if it has had any requests."""
        return self._routes.get(prefix)

    def retain(self, prefixes: Collection[str]) -> None:
        """Forget the routes that are no longer in the settings, or have no extra requests any more."""
        self._routes = {prefix: route for prefix, route in self._routes.items() if prefix in prefixes}

    def statistics(self, now: float) -> Iterator[GatewayHedging]:
        """Yield the figures of each route that has had requests."""
        for route in self._routes.values():
            yield route.statistics(now)

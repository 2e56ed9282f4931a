"""Ejection of instances, and the breaker of a whole service: what keeps requests of one flow away from them.

Pure, except for the callbacks of its :class:`Watch`.
"""

import sys
from typing import Final, Protocol

from orch.gateway.breaker import Breaker, BreakerPolicy, Permit, State
from orch.gateway.ejection import Ejected, Ejector, Record, most_ejected
from orch.gateway.flows import Flow
from orch.gateway.retry_budget import SECONDS as RETRY_WINDOW
from orch.gateway.retry_budget import RetryBudget
from orch.gateway.statistics import GatewayServiceFlow
from orch.settings import Ejection, Service

_NEVER: Final = sys.maxsize
MOST_SITES: Final = 3
"""Instances that have to fail, of those that there are, until a service's breaker opens."""


class Watch(Protocol):
    """What is notified of changes."""

    def ejected(self, service: str, flow: Flow, ejected: Ejected) -> None:
        """Note an ejection."""
        ...

    def returned(self, service: str, flow: Flow, url: str) -> None:
        """Note that an ejection is over."""
        ...

    def service_breaker(self, service: str, flow: Flow, breaker: Breaker) -> None:
        """Note the state of a service's breaker."""
        ...


class Outliers:
    """One flow's ejections and breaker of one service."""

    def __init__(self, service: str, flow: Flow, watch: Watch, now: float) -> None:
        self.service: Final = service
        self.flow: Final = flow
        self.ejector: Final = Ejector(Ejection(), now)
        self.breaker: Final = Breaker(BreakerPolicy(_NEVER, 1.0))
        self._watch = watch
        self._announced = State.CLOSED

    def __repr__(self) -> str:
        return f"<Outliers of {self.service}, {self.flow}: {self.breaker!r} {self.ejector!r}>"

    @property
    def has_breaker(self) -> bool:
        """Whether the service has a breaker besides those of its instances."""
        return self.breaker.policy.threshold < _NEVER

    def apply(self, service: Service, urls: tuple[str, ...]) -> None:
        """Apply the settings; what is ejected or open stays so, and a breaker that is switched off closes."""
        wanted = service.breaker
        has_breaker = wanted.service_threshold > 0 and len(urls) > 1
        self.ejector.policy = service.ejection
        self.ejector.retain(urls)
        self.breaker.policy = BreakerPolicy(
            wanted.service_threshold if has_breaker else _NEVER,
            wanted.service_cooldown,
            wanted.trials,
            min(MOST_SITES, len(urls)),
        )
        if not has_breaker and self.breaker.state is not State.CLOSED:
            self.breaker.reset()
        self.notify()

    def succeeded(self, permit: Permit, record: Record) -> None:
        """Note that a request to an instance succeeded."""
        record.succeeded(permit.of_ejection)
        if permit.of_service is not None:
            self.breaker.succeeded(permit.of_service)
            self.notify()

    def failed(
        self, permit: Permit, record: Record, now: float, *, is_connected: bool, is_doubtful: bool
    ) -> None:
        """Note that a request to an instance failed."""
        ejected = self.ejector.failed(
            record.url,
            permit.of_ejection,
            now,
            caller=permit.caller,
            is_connected=is_connected,
            is_doubtful=is_doubtful,
        )
        if ejected is not None:
            self._watch.ejected(self.service, self.flow, ejected)
        if permit.of_service is not None:
            self.breaker.failed(permit.of_service, now, is_doubtful=is_doubtful, site=record.url)
            self.notify()

    def abandoned(self, permit: Permit) -> None:
        """Note that a request ended for a reason that shows nothing."""
        if permit.of_service is not None:
            self.breaker.abandoned(permit.of_service)

    def eject(self, url: str, now: float) -> None:
        """Eject an instance because an operator wants it."""
        ejected = self.ejector.eject(url, now)
        if ejected is not None:
            self._watch.ejected(self.service, self.flow, ejected)

    def give_back(self, url: str) -> None:
        """End an ejection because an operator wants it."""
        if self.ejector.give_back(url):
            self._watch.returned(self.service, self.flow, url)

    def review(self, now: float) -> None:
        """Note what time has changed: ejections that are over, intervals, and cooldowns."""
        review = self.ejector.review(now)
        for ejected in review.ejected:
            self._watch.ejected(self.service, self.flow, ejected)
        for url in review.returned:
            self._watch.returned(self.service, self.flow, url)
        self.breaker.tick(now)
        self.notify()

    def statistics(self, now: float, budget: RetryBudget) -> GatewayServiceFlow:
        """Return the figures; ``budget``: the flow's of retries."""
        self.breaker.tick(now)
        self.notify()
        ejector = self.ejector
        return GatewayServiceFlow(
            flow=self.flow.value,
            breaker=self.breaker.state.value if self.has_breaker else None,
            breaker_retry_in=self.breaker.retry_in(now),
            consecutive_failures=self.breaker.consecutive_failures,
            ejected=sum(ejector.is_ejected(url, now) for url in ejector.records),
            most_ejected=most_ejected(len(ejector.records), ejector.policy.percent),
            retries_left=max(0, budget.left(now)),
            retries_refused=budget.refused,
            retry_window=RETRY_WINDOW,
        )

    def notify(self) -> None:
        """Call the watch if the breaker's state has changed since the last call."""
        if self.breaker.state is not self._announced:
            self._announced = self.breaker.state
            self._watch.service_breaker(self.service, self.flow, self.breaker)

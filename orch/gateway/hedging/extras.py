"""Makes the extra attempts at a request, if everything that bounds them allows one."""

from collections.abc import Callable
from typing import Protocol

import trio
from msgspec.structs import replace

from orch.gateway.attempt import Attempt, Trace
from orch.gateway.backends import Backends, Chosen, IsUsable
from orch.gateway.connection import Request
from orch.gateway.hedging.rivals import choose_rival
from orch.gateway.hedging.route_hedges import Declined, RouteHedges
from orch.gateway.request_state import RequestState
from orch.gateway.retry_budget import RetryBudget


class MakeAttempt(Protocol):
    """Makes an attempt. ``limit``: seconds that the instance has."""

    def __call__(self, chosen: Chosen, trace: Trace, limit: float, *, is_extra: bool) -> Attempt:
        """Return the attempt, which has not started."""
        ...


class Extras:
    """Chooses the instances of extra attempts, and takes their places and what they cost."""

    def __init__(
        self,
        backends: Backends,
        *,
        is_usable: IsUsable,
        was_suspended: Callable[[float], bool],
        make: MakeAttempt,
    ) -> None:
        self._backends = backends
        self._is_usable = is_usable
        self._was_suspended = was_suspended
        self._make = make

    def next(self, state: RequestState, hedge: RouteHedges, first: Attempt) -> tuple[Attempt, Request] | None:
        """Return an attempt that has started, and what it sends; None if there is none now, which is counted.

        ``first``: the attempt that is slow.
        """
        now = trio.current_time()
        found = self._find(state, hedge, first, now)
        if not isinstance(found, Chosen):
            hedge.decline(found)
            return None
        left = max(0.0, first.deadline - now)
        # A trace of its own: the request's says whether the first one is still in our own queue.
        attempt = self._make(found, state.trace.of_extra(), min(state.limits.counts_as, left), is_extra=True)
        request = attempt.request(replace(state.request, body=state.request.body.again()))
        attempt.deadline, attempt.body = first.deadline, request.body
        attempt.start()
        hedge.take()
        state.tried.add(attempt.lane.url)
        state.trace.attempts += 1
        state.trace.extra += 1
        return attempt, request

    def _find(self, state: RequestState, hedge: RouteHedges, first: Attempt, now: float) -> Chosen | Declined:
        backend = self._backends.get(state.service)
        if backend is None:
            return "no_instance"
        if (obstacle := self._obstacle(backend.budgets[state.flow], hedge, first, now)) is not None:
            return obstacle
        chosen = choose_rival(
            backend,
            state.flow,
            self._is_usable,
            tried=state.tried,
            key=backend.key(state.request.headers, state.caller),
            caller=state.caller,
            ask=state.ask(backend),
            now=now,
        )
        if chosen is None:
            return "no_instance"
        backend.budgets[state.flow].moved(now)
        return chosen

    def _obstacle(
        self, retries: RetryBudget, hedge: RouteHedges, first: Attempt, now: float
    ) -> Declined | None:
        if first.began is not None and self._was_suspended(first.began):
            return "suspended"
        if first.deadline - now <= hedge.usual(now):
            return "too_late"
        if not hedge.has_budget:
            return "budget"
        return None if retries.left(now) else "retry_budget"

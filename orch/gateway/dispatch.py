"""Sends one request to a service: chooses an instance, and another one if that fails."""

import math
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import trio

from orch.gateway.attempt import BREAKER_STATUSES, Attempt, DispatchedResponse, Outcome, Trace
from orch.gateway.backends import Backends, IsUsable, Lane
from orch.gateway.breaker import Permit
from orch.gateway.connection import Begun, Request, UpstreamError
from orch.gateway.flows import Flow
from orch.gateway.gateway_problems import problem_of, unavailable
from orch.gateway.headers import Header
from orch.gateway.http1 import UnsendableError
from orch.gateway.retries import Failure, backoff, may_retry
from orch.gateway.retry_after import STATUSES as RESTING_STATUSES
from orch.gateway.retry_after import rest_of
from orch.gateway.tcp_stream import Patience
from orch.problems import ProblemError
from orch.settings import Repeatable
from orch.shortages import Shortage

_FOR_THE_LONG_WAY: Final = BREAKER_STATUSES | RESTING_STATUSES
"""Statuses on which more is decided than that the instance works."""


class QuickResponse(NamedTuple):
    """A whole response, and where it came from."""

    status: int
    headers: tuple[Header, ...]
    body: bytes
    service: str
    instance: str


class BegunAttempt(NamedTuple):
    """An attempt whose instance is chosen; ``exchange``: the request, if it was sent already."""

    attempt: Attempt
    exchange: Begun | None


class Dispatcher:
    """Sends requests to the instances, and reports each outcome to the instance's breaker."""

    def __init__(
        self,
        backends: Backends,
        *,
        is_usable: IsUsable,
        on_failure: Callable[[Lane], None],
        on_retry: Callable[[str], None],
        on_shortage: Callable[[Shortage, str], None] = lambda _shortage, _service: None,
        was_suspended: Callable[[float], bool] = lambda _since: False,
        jitter: Callable[[], float] = random.random,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._backends = backends
        self._is_usable = is_usable
        self._on_failure = on_failure
        self._on_retry = on_retry
        self._on_shortage = on_shortage
        self._was_suspended = was_suspended
        self._jitter = jitter
        self._wall = wall

    def begin(
        self, service: str, request: Request, trace: Trace, *, flow: Flow, caller: str, limit: float
    ) -> BegunAttempt | None:
        """Choose an instance, and send it a small request at once if a connection is idle.

        ``limit``: seconds that the instance has.

        What is returned is ended by :meth:`quick` or passed to :meth:`send`, without a checkpoint before.
        None: there is no instance now; :meth:`send` says why. Raises
        :class:`~orch.gateway.http1.UnsendableError`.
        """
        backend = self._backends.get(service)
        if backend is None:
            return None
        now = trio.current_time()
        key = backend.key(request.headers, caller)
        chosen = backend.choose(now, flow, caller, self._is_usable, tried=(), key=key)
        if chosen is None:
            return None
        backend.budgets[flow].asked(now)
        lane, permit = chosen
        try:
            exchange = lane.upstream.begin(request)
        except UnsendableError:
            lane.breaker.abandoned(permit)
            raise
        attempt = Attempt(lane, permit, trace, self._on_failure, self._was_suspended, limit=limit)
        if exchange is not None:
            trace.attempts += 1
            attempt.start()
            attempt.begin()
        return BegunAttempt(attempt, exchange)

    async def quick(self, begun: "BegunAttempt", patience: Patience) -> QuickResponse | None:
        """Wait a little for the response of what has begun; None: pass it on to :meth:`send`.

        None unless the response is complete and shows that the instance works.
        """
        exchange, attempt = begun.exchange, begun.attempt
        if exchange is None:
            return None
        try:
            head = await exchange.receive_within(patience)
        except BaseException:
            exchange.end()
            attempt.settle(Outcome.ABANDONED)
            raise
        if head is None or head.status in _FOR_THE_LONG_WAY:
            return None
        body = exchange.body()
        exchange.end()
        attempt.settle(Outcome.SUCCEEDED, status=head.status)
        return QuickResponse(head.status, head.headers, body, attempt.lane.service, attempt.lane.url)

    @asynccontextmanager
    async def send(
        self,
        service: str,
        request: Request,
        trace: Trace,
        *,
        retries: int,
        flow: Flow,
        repeatable: Repeatable = "safe",
        caller: str = "",
        begun: BegunAttempt | None = None,
    ) -> AsyncIterator[DispatchedResponse]:
        """Yield the response of ``service`` as soon as its head has arrived.

        ``flow``: whose share of the instances is used; ``repeatable``: which requests may be sent twice;
        ``caller``: who chose what is sent; ``begun``: the first attempt.

        A response that asks for a rest (429 or 503 with ``Retry-After``) is no fault: the instance gets
        nothing until then, and another one is sent the request if there is one.

        Raises :class:`ProblemError`: unknown_service, service_unavailable, overloaded, own_shortage,
        bad_gateway (also out of the block, if the response breaks off), invalid_request; and OSError if the
        request's body cannot be read.

        The caller owns the time-out. If it expires while an instance has the request and has not responded,
        the instance has failed. It has not failed if the request was still in our own queue, if this process
        was suspended meanwhile (``was_suspended``), or if any other cancellation ended the request.
        """
        if begun is None:
            self._count(service, flow)
        deadline = _deadline()
        state = _RequestState(service, request, trace, retries, flow, repeatable, caller)
        while True:
            fresh = False
            if begun is None:
                begun, fresh = self._start(state, deadline)
            attempt, exchange, begun = begun.attempt, begun.exchange, None
            attempt.deadline = deadline
            state.tried.add(attempt.lane.url)
            if exchange is None:
                trace.attempts += 1
                attempt.start()
            try:
                with attempt:
                    async with attempt.lane.upstream.exchange(
                        request, fresh=fresh, begun=exchange, on_slot=attempt.begin
                    ) as response:
                        attempt.response = DispatchedResponse(response, attempt.lane, attempt.task)
                        moves_on = self._lets_rest(attempt) and self._can_move_on(state)
                        if not moves_on:
                            yield attempt.response
                if not moves_on:
                    return
                pause = 0.0
            except UpstreamError as error:
                pause = self._pause_after(error, attempt, state)
            except UnsendableError as error:
                raise ProblemError("invalid_request", f"The request cannot be forwarded: {error}.") from error
            self._on_retry(service)
            if pause:
                await trio.sleep(pause)

    def _start(self, state: "_RequestState", deadline: float) -> tuple[BegunAttempt, bool]:
        lane, permit, fresh = self._next(state)
        limit = max(0.0, deadline - trio.current_time())
        attempt = Attempt(lane, permit, state.trace, self._on_failure, self._was_suspended, limit=limit)
        return BegunAttempt(attempt, None), fresh

    def _count(self, service: str, flow: Flow) -> None:
        if (backend := self._backends.get(service)) is not None:
            backend.budgets[flow].asked(trio.current_time())

    def _lets_rest(self, attempt: Attempt) -> bool:
        """Let an instance rest that asks for it; return whether it does."""
        assert attempt.response is not None, "it has responded"  # noqa: S101 - an invariant
        seconds = rest_of(attempt.response.status, attempt.response.headers, self._wall())
        if seconds is None:
            return False
        attempt.is_told_to_wait = True
        attempt.lane.rests_until = trio.current_time() + seconds
        return True

    def _can_move_on(self, state: "_RequestState") -> bool:
        """Return whether another instance can be asked, which then counts as a retry."""
        backend = self._backends.get(state.service)
        now = trio.current_time()
        state.stale = None
        return (
            backend is not None
            and state.trace.attempts <= state.retries
            and backend.has_another(now, state.flow, state.caller, self._is_usable, tried=state.tried)
            and backend.budgets[state.flow].take(now)
        )

    def _pause_after(self, error: UpstreamError, attempt: Attempt, state: "_RequestState") -> float:
        """Return the seconds until the next attempt. Raises the ProblemError if there is none."""
        if error.shortage is not None:
            self._on_shortage(error.shortage, state.service)
        if attempt.response is not None or not may_retry(
            error.failure, method=state.request.method, repeatable=state.repeatable
        ):
            raise problem_of(state.service, error) from error
        if error.failure is Failure.STALE and state.stale is None:
            # Replaced once, even if the settings allow no retries.
            state.stale = attempt.lane
            return 0.0
        backend = self._backends.get(state.service)
        is_allowed = backend is not None and backend.budgets[state.flow].take(trio.current_time())
        if state.trace.attempts > state.retries or not is_allowed:
            raise problem_of(state.service, error) from error
        state.stale = None
        return backoff(state.trace.attempts, self._jitter())

    def _next(self, state: "_RequestState") -> tuple[Lane, Permit, bool]:
        """Return the instance of the next attempt, its permit, and whether a new connection is needed."""
        now = trio.current_time()
        if state.stale is not None and (permit := state.stale.admit(now, state.caller)) is not None:
            return state.stale, permit, True
        backend = self._backends.get(state.service)
        if backend is None:
            name = state.service
            raise ProblemError("unknown_service", f"No service is called {name}.", service=name)
        key = backend.key(state.request.headers, state.caller)
        chosen = backend.choose(now, state.flow, state.caller, self._is_usable, tried=state.tried, key=key)
        if chosen is None:
            raise unavailable(backend, state.flow, now)
        return *chosen, False


def _deadline() -> float:
    """Return the caller's time limit; a scope that is cancelled already has none for an instance."""
    deadline = trio.current_effective_deadline()
    return math.inf if deadline == -math.inf else deadline


@dataclass(slots=True)
class _RequestState:
    """One request on its way: what it is, what was tried, and the lane whose kept connection was closed."""

    service: str
    request: Request
    trace: Trace
    retries: int
    flow: Flow
    repeatable: Repeatable
    caller: str
    tried: set[str] = field(default_factory=set)
    stale: Lane | None = None

"""Sends one request to a service: chooses an instance, and another one if that fails."""

import math
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, NamedTuple

import trio

from orch.gateway.attempt import BREAKER_STATUSES, Attempt, DispatchedResponse, Outcome, Trace
from orch.gateway.backends import Backends, Chosen, Full, IsUsable
from orch.gateway.connection import Begun, Request, UpstreamError
from orch.gateway.flows import Flow
from orch.gateway.gateway_problems import problem_of, unavailable
from orch.gateway.headers import Header
from orch.gateway.hedging.extras import Extras
from orch.gateway.hedging.racing import Racing
from orch.gateway.hedging.route_hedges import RouteHedges, is_hedgeable
from orch.gateway.hedging.witnesses import Witnesses
from orch.gateway.http1 import UnsendableError
from orch.gateway.lane import Lane
from orch.gateway.request_state import RequestState, ask_of, sound_of
from orch.gateway.resting import is_own_limit
from orch.gateway.retries import Failure, backoff, may_retry
from orch.gateway.retry_after import STATUSES as RESTING_STATUSES
from orch.gateway.retry_after import rest_of
from orch.gateway.shedding.gate import Ask
from orch.gateway.shedding.priorities import Priority
from orch.gateway.single import Single
from orch.gateway.tcp_stream import Patience
from orch.gateway.timeouts import Limits
from orch.problems import ProblemError
from orch.settings import Repeatable
from orch.shortages import Shortage
from orch.telemetry.boundaries import Boundary

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
        self.witnesses: Final = Witnesses(
            backends,
            make=self._attempt,
            was_suspended=was_suspended,
            on_suspect=on_failure,
            boundary=Boundary("gateway witnesses"),
        )
        self._extras = Extras(backends, is_usable=is_usable, was_suspended=was_suspended, make=self._attempt)

    def begin(
        self,
        service: str,
        request: Request,
        trace: Trace,
        *,
        flow: Flow,
        priority: Priority,
        caller: str,
        limits: Limits,
    ) -> BegunAttempt | None:
        """Choose an instance, and send it a small request at once if a connection is idle.

        ``limits``: the request's time-outs. ``priority``: where instances have a limit.

        What is returned is ended by :meth:`quick` or passed to :meth:`send`, without a checkpoint before.
        None: there is no instance or no place now; :meth:`send` says why, or waits. Raises
        :class:`~orch.gateway.http1.UnsendableError`.
        """
        backend = self._backends.get(service)
        if backend is None:
            return None
        now = trio.current_time()
        key = backend.key(request.headers, caller)
        ask = ask_of(backend, priority, caller, request, flow)
        chosen = backend.choose(now, flow, caller, self._is_usable, tried=(), key=key, ask=ask)
        if chosen is None or isinstance(chosen, Full):
            return None
        backend.budgets[flow].asked(now)
        attempt = self._attempt(chosen, trace, limits.counts_as)
        try:
            exchange = chosen.lane.upstream.begin(attempt.request(request))
        except UnsendableError:
            chosen.give_back(now)
            raise
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
        if head is None or head.status in _FOR_THE_LONG_WAY or exchange.connection.parser.trailers:
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
        limits: Limits,
        repeatable: Repeatable = "safe",
        caller: str = "",
        priority: Priority = Priority.CONTROL,
        limit: trio.CancelScope | None = None,
        begun: BegunAttempt | None = None,
        hedge: RouteHedges | None = None,
    ) -> AsyncIterator[DispatchedResponse]:
        """Yield the response of ``service`` as soon as its head has arrived.

        ``flow``: whose share of the instances is used; ``repeatable``: which requests may be sent twice;
        ``caller``: who chose what is sent; ``begun``: the first attempt; ``limits``: the time-outs;
        ``hedge``: when extra attempts are sent while one is slow.

        Where all instances have reached their limit, it waits for its turn, as ``priority`` says; meanwhile
        the deadline of ``limit`` is suspended.

        A response that asks for a rest (429 or 503 with ``Retry-After``) is no fault: the instance gets
        nothing until then, and another one is sent the request if there is one.

        Raises :class:`ProblemError`: unknown_service, service_unavailable, overloaded, shed, own_shortage,
        gateway_timeout and bad_gateway (both also out of the block, if the response stands still or breaks
        off), invalid_request; and OSError if the request's body cannot be read.

        The caller owns the total. If it expires while an instance has the request and has not responded,
        the instance has failed. It has not failed if the request was still in our own queue, if this process
        was suspended meanwhile (``was_suspended``), or if any other cancellation ended the request.
        """
        if begun is None:
            self._count(service, flow)
        state = RequestState(service, request, trace, retries, flow, limits, repeatable, caller, priority)
        while True:
            fresh = False
            if begun is None:
                chosen, fresh = await self._next(state, limit)
                left = min(limits.counts_as, max(0.0, _deadline() - trio.current_time()))
                begun = BegunAttempt(self._attempt(chosen, trace, left), None)
            attempt, exchange, begun = begun.attempt, begun.exchange, None
            attempt.deadline = _deadline()
            attempt.body = request.body
            state.tried.add(attempt.lane.url)
            if exchange is None:
                trace.attempts += 1
                attempt.start()
            sent = self._way(state, attempt, exchange, hedge, fresh=fresh)
            try:
                async with sent.run() as dispatched:
                    moves_on = self._lets_rest(state.request, sent.attempt) and self._can_move_on(state)
                    if not moves_on:
                        yield dispatched
                if not moves_on:
                    return
                pause = 0.0
            except UpstreamError as error:
                pause = self._pause_after(error, sent.attempt, state)
            except UnsendableError as error:
                raise ProblemError("invalid_request", f"The request cannot be forwarded: {error}.") from error
            self._on_retry(service)
            if pause:
                await trio.sleep(pause)

    def _way(
        self,
        state: RequestState,
        attempt: Attempt,
        begun: Begun | None,
        hedge: RouteHedges | None,
        *,
        fresh: bool,
    ) -> Single | Racing:
        """Return how an attempt is made: alone, or with others beside it while it is slow."""
        request, limits = attempt.request(state.request), state.limits
        if hedge is None or not is_hedgeable(request.method, state.repeatable, request.body):
            return Single(attempt, request, begun=begun, fresh=fresh, limits=limits)
        return Racing(
            attempt,
            request,
            begun=begun,
            fresh=fresh,
            limits=limits,
            hedge=hedge,
            extra=partial(self._extras.next, state, hedge, attempt),
            rests=partial(self._lets_rest, request),
            on_overtaken=partial(self.witnesses.overtaken, state, hedge),
        )

    def _attempt(self, chosen: Chosen, trace: Trace, limit: float, *, is_extra: bool = False) -> Attempt:
        return Attempt(
            chosen.lane,
            chosen.permit,
            trace,
            self._on_failure,
            self._was_suspended,
            limit=limit,
            ticket=chosen.ticket,
            is_extra=is_extra,
            span=None
            if trace.traced is None
            else trace.traced.begin_try(chosen.lane, trace.attempts + 1, is_extra=is_extra),
        )

    def _count(self, service: str, flow: Flow) -> None:
        if (backend := self._backends.get(service)) is not None:
            backend.budgets[flow].asked(trio.current_time())

    def _lets_rest(self, request: Request, attempt: Attempt) -> bool:
        """Note that an instance asks for a rest; return whether it does."""
        if attempt.is_told_to_wait:
            return True
        assert attempt.response is not None, "it has responded"  # noqa: S101 - an invariant
        seconds = rest_of(attempt.response.status, attempt.response.headers, self._wall())
        if seconds is None:
            return False
        names = (name for name, _ in request.headers)
        is_own = is_own_limit(attempt.response.status, names, is_ours=request.is_ours)
        attempt.refuse(seconds, trio.current_time(), is_own_limit=is_own)
        return True

    def _can_move_on(self, state: RequestState) -> bool:
        """Return whether another instance can be asked, which then counts as a retry."""
        backend = self._backends.get(state.service)
        now = trio.current_time()
        state.stale = None
        return (
            backend is not None
            and not state.request.body.is_spent
            and state.trace.tries <= state.retries
            and backend.has_another(
                now,
                state.flow,
                state.caller,
                self._is_usable,
                tried=state.tried,
                ask=state.ask(backend),
            )
            and backend.budgets[state.flow].take(now)
        )

    def _pause_after(self, error: UpstreamError, attempt: Attempt, state: RequestState) -> float:
        """Return the seconds until the next attempt. Raises the ProblemError if there is none."""
        if error.shortage is not None:
            self._on_shortage(error.shortage, state.service)
        if (
            attempt.response is not None
            or state.request.body.is_spent
            or not may_retry(error.failure, method=state.request.method, repeatable=state.repeatable)
        ):
            raise problem_of(state.service, error) from error
        if error.failure is Failure.STALE and state.stale is None:
            # Replaced once, even if the settings allow no retries.
            state.stale = attempt.lane
            return 0.0
        if state.trace.tries > state.retries or not self._may_repeat(state):
            raise problem_of(state.service, error) from error
        state.stale = None
        return backoff(state.trace.tries, self._jitter())

    def _may_repeat(self, state: RequestState) -> bool:
        """Return whether the service may get one attempt more, which then counts as a retry."""
        backend = self._backends.get(state.service)
        if backend is None:
            return False
        now = trio.current_time()
        budget = backend.budgets[state.flow]
        if state.trace.attempts == 1 and backend.has_another_that_works(
            now, state.flow, state.caller, self._is_usable, tried=state.tried
        ):
            budget.moved(now)
            return True
        return budget.take(now)

    async def _next(self, state: RequestState, limit: trio.CancelScope | None) -> tuple[Chosen, bool]:
        """Return the instance of the next attempt, and whether a new connection is needed."""
        if (again := self._again(state)) is not None:
            return again, True
        chosen = self._choose(state, is_turn=False)
        if chosen is None:
            chosen = await self._wait(state, limit)
        if isinstance(chosen, ProblemError):
            raise chosen
        return chosen, False

    async def _wait(self, state: RequestState, limit: trio.CancelScope | None) -> Chosen:
        """Wait for a place. The time limit of the request is that of the back end's work: it stops."""
        backend = self._backends.get(state.service)
        assert backend is not None, "no place is found at a service that exists"  # noqa: S101 - an invariant
        ask = Ask(state.priority, state.caller, sound_of(backend, state.request, state.flow))
        state.trace.is_queued = True
        left = 0.0
        if limit is not None:
            left, limit.deadline = limit.deadline - trio.current_time(), math.inf
        try:
            return await backend.gate.wait(ask, partial(self._choose, state, is_turn=True))
        finally:
            if limit is not None:
                limit.deadline = trio.current_time() + left

    def _again(self, state: RequestState) -> Chosen | None:
        """Return the instance whose kept connection was closed, if it can be sent the request again."""
        lane, backend = state.stale, self._backends.get(state.service)
        if lane is None:
            return None
        now = trio.current_time()
        ask = None if backend is None else state.ask(backend)
        instance = None if backend is None else backend.instances.get(lane.url)
        if ask is not None and backend is not None:
            if instance is None or backend.gate.is_behind(ask):
                return None
            if not backend.gate.has_room(instance.places, ask, now):
                return None
        if (permit := lane.admit(now, state.caller)) is None:
            return None
        if ask is None or backend is None or instance is None:
            return Chosen(lane, permit, None)
        return Chosen(lane, permit, backend.gate.take(instance.places, ask, now))

    def _choose(self, state: RequestState, *, is_turn: bool) -> Chosen | ProblemError | None:
        """Return the instance of the next attempt; the problem if there is none; None if none has a place."""
        now = trio.current_time()
        backend = self._backends.get(state.service)
        if backend is None:
            name = state.service
            return ProblemError("unknown_service", f"No service is called {name}.", service=name)
        chosen = backend.choose(
            now,
            state.flow,
            state.caller,
            self._is_usable,
            tried=state.tried,
            key=backend.key(state.request.headers, state.caller),
            ask=state.ask(backend),
            is_turn=is_turn,
        )
        if chosen is None:
            return unavailable(backend, state.flow, now)
        return None if isinstance(chosen, Full) else chosen


def _deadline() -> float:
    """Return the caller's time limit; a scope that is cancelled already has none for an instance."""
    deadline = trio.current_effective_deadline()
    return math.inf if deadline == -math.inf else deadline

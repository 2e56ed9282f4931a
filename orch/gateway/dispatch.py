"""Sends one request to a service: chooses an instance, and another one if that fails."""

import math
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

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
from orch.gateway.tcp_stream import Patience
from orch.problems import ProblemError
from orch.shortages import Shortage


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
    ) -> None:
        self._backends = backends
        self._is_usable = is_usable
        self._on_failure = on_failure
        self._on_retry = on_retry
        self._on_shortage = on_shortage
        self._was_suspended = was_suspended
        self._jitter = jitter

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
        key = backend.key(request.headers, caller)
        chosen = backend.choose(trio.current_time(), flow, caller, self._is_usable, tried=(), key=key)
        if chosen is None:
            return None
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
        if head is None or head.status in BREAKER_STATUSES:
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
        caller: str = "",
        begun: BegunAttempt | None = None,
    ) -> AsyncIterator[DispatchedResponse]:
        """Yield the response of ``service`` as soon as its head has arrived.

        ``flow``: whose share of the instances is used; ``caller``: who chose what is sent; ``begun``: the
        first attempt.

        Raises :class:`ProblemError`: unknown_service, service_unavailable, overloaded, own_shortage,
        bad_gateway (also out of the block, if the response breaks off), invalid_request; and OSError if the
        request's body cannot be read.

        The caller owns the time-out. If it expires while an instance has the request and has not responded,
        the instance has failed. It has not failed if the request was still in our own queue, if this process
        was suspended meanwhile (``was_suspended``), or if any other cancellation ended the request.
        """
        deadline = trio.current_effective_deadline()
        if deadline == -math.inf:  # cancelled already, for whatever reason: no time limit of the instance
            deadline = math.inf
        tried: set[str] = set()
        stale: Lane | None = None
        while True:
            fresh, exchange = False, None
            if begun is not None:
                attempt, exchange, begun = begun.attempt, begun.exchange, None
            else:
                lane, permit, fresh = self._next(service, flow, caller, tried, stale, request)
                limit = max(0.0, deadline - trio.current_time())
                attempt = Attempt(lane, permit, trace, self._on_failure, self._was_suspended, limit=limit)
            attempt.deadline = deadline
            lane = attempt.lane
            tried.add(lane.url)
            if exchange is None:
                trace.attempts += 1
                attempt.start()
            try:
                with attempt:
                    async with lane.upstream.exchange(
                        request, fresh=fresh, begun=exchange, on_slot=attempt.begin
                    ) as response:
                        attempt.response = DispatchedResponse(response, lane)
                        yield attempt.response
                return
            except UpstreamError as error:
                if error.shortage is not None:
                    self._on_shortage(error.shortage, service)
                may = attempt.response is None and may_retry(error.failure, method=request.method)
                # A stale connection is replaced once, even if the settings allow no retries.
                is_replaced = error.failure is Failure.STALE and stale is None
                if not may or not (is_replaced or trace.attempts <= retries):
                    raise problem_of(service, error) from error
                stale = lane if is_replaced else stale
            except UnsendableError as error:
                raise ProblemError("invalid_request", f"The request cannot be forwarded: {error}.") from error
            self._on_retry(service)
            if not is_replaced:
                await trio.sleep(backoff(trace.attempts, self._jitter()))
                stale = None

    def _next(
        self,
        service: str,
        flow: Flow,
        caller: str,
        tried: set[str],
        stale: Lane | None,
        request: Request,
    ) -> tuple[Lane, Permit, bool]:
        now = trio.current_time()
        if stale is not None and (permit := stale.admit(now, caller)) is not None:
            return stale, permit, True
        backend = self._backends.get(service)
        if backend is None:
            raise ProblemError("unknown_service", f"No service is called {service}.", service=service)
        key = backend.key(request.headers, caller)
        chosen = backend.choose(now, flow, caller, self._is_usable, tried=tried, key=key)
        if chosen is None:
            raise unavailable(backend, flow, now)
        return *chosen, False

"""Sends one request to a service: chooses an instance, and another one if that fails."""

import math
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, NamedTuple

import trio

from orch.gateway.backends import Backend, Backends, IsUsable, Lane
from orch.gateway.breaker import Permit
from orch.gateway.flows import Flow
from orch.gateway.headers import Header
from orch.gateway.http1 import UnsendableError
from orch.gateway.retries import Failure, backoff, may_retry
from orch.gateway.tcp_stream import Patience
from orch.gateway.upstream import Begun, Request, UpstreamError, UpstreamResponse
from orch.problems import ProblemError
from orch.shortages import Shortage

BREAKER_STATUSES: Final = frozenset({500, 502, 503, 504})
"""Statuses that count as failures, as in Envoy's consecutive 5xx. 501 and 505 do not."""
RETRY_AFTER: Final = {"Retry-After": "1"}
"""A header of problems that pass as soon as other requests end."""

_FIRST_ERROR: Final = 500
_ENGINE_MISSING: Final = b'"engine_missing"'
_PEEKED: Final = 4096


class Outcome(Enum):
    """What an attempt shows about its instance."""

    SUCCEEDED = auto()
    FAILED = auto()
    DOUBTFUL = auto()
    """It failed, and the request itself may be the reason."""
    ABANDONED = auto()
    """The caller ended it."""
    BLAMELESS = auto()
    """It failed for a reason that is not the instance's; it is not counted."""


_FAILED: Final = frozenset({Outcome.FAILED, Outcome.DOUBTFUL})

_PROBLEMS: Final = {
    Failure.REFUSED: "service_unavailable",
    Failure.OVERLOADED: "overloaded",
    Failure.SHORTAGE: "own_shortage",
    Failure.STALE: "bad_gateway",
    Failure.LOST: "bad_gateway",
    Failure.MALFORMED: "bad_gateway",
    Failure.CUT: "bad_gateway",
}

# A connection that was closed while idle, a full queue of our own and a lack of descriptors are no faults of
# the instance.
_BLAMELESS: Final = frozenset({Failure.STALE, Failure.OVERLOADED, Failure.SHORTAGE})


@dataclass(slots=True)
class Trace:
    """The progress of a request, up to date at any time, so that a failure can be reported with it."""

    attempts: int = 0
    is_queued: bool = False
    """Whether it waits for a connection in our own queue, so that the back end has not received it."""


class DispatchedResponse:
    """A response on its way to the caller: its head, its instance, and its body as the caller reads it."""

    def __init__(self, response: UpstreamResponse, lane: Lane) -> None:
        self.status = response.status
        self.headers: tuple[Header, ...] = response.headers
        self.service = lane.service
        self.instance = lane.url
        self._response = response
        kind = next((value for name, value in response.headers if name == b"content-type"), b"")
        self._peeks = response.status in BREAKER_STATUSES and kind.startswith(b"application/problem+json")
        self._peeked = b""

    @property
    def is_waiting(self) -> bool:
        """Whether the caller waits for the back end now."""
        return self._response.is_waiting

    @property
    def outcome(self) -> Outcome:
        """What the response shows about the instance.

        A problem ``engine_missing`` is a proper response of a healthy back end: it is no failure, or the
        breaker would hide the sentence on what to install.
        """
        if self.status not in BREAKER_STATUSES or _ENGINE_MISSING in self._peeked:
            return Outcome.SUCCEEDED
        return Outcome.FAILED

    @property
    def is_received(self) -> bool:
        """Whether the whole response has arrived, so that reading the rest needs no waiting."""
        return self._response.is_complete

    async def receive(self) -> bytes:
        """Return the next piece of the body, empty at its end."""
        data = await self._response.receive()
        if self._peeks and len(self._peeked) < _PEEKED:
            self._peeked += data[:_PEEKED]
        return data


class QuickResponse(NamedTuple):
    """A whole response, and where it came from."""

    status: int
    headers: tuple[Header, ...]
    body: bytes
    service: str
    instance: str


class BegunAttempt(NamedTuple):
    """An attempt whose instance is chosen; ``exchange``: the request, if it was sent already."""

    attempt: "_Attempt"
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
        self, service: str, request: Request, trace: Trace, *, flow: Flow, caller: str
    ) -> "BegunAttempt | None":
        """Choose an instance, and send it a small request at once if a connection is idle.

        What is returned is ended by :meth:`quick` or passed to :meth:`send`, without a checkpoint before.
        None: there is no instance now; :meth:`send` says why. Raises
        :class:`~orch.gateway.http1.UnsendableError`.
        """
        backend = self._backends.get(service)
        now = trio.current_time()
        chosen = backend and backend.choose(now, flow, caller, self._is_usable, tried=())
        if not chosen:
            return None
        lane, permit = chosen
        try:
            exchange = lane.upstream.begin(request)
        except UnsendableError:
            lane.breaker.abandoned(permit)
            raise
        attempt = _Attempt(lane, permit, trace, self._on_failure, self._was_suspended)
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
        begun: "BegunAttempt | None" = None,
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
        tried: set[str] = set()
        stale: Lane | None = None
        while True:
            fresh, exchange = False, None
            if begun is not None:
                attempt, exchange, begun = begun.attempt, begun.exchange, None
            else:
                lane, permit, fresh = self._next(service, flow, caller, tried, stale)
                attempt = _Attempt(lane, permit, trace, self._on_failure, self._was_suspended)
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
                    raise _problem(service, error) from error
                stale = lane if is_replaced else stale
            except UnsendableError as error:
                raise ProblemError("invalid_request", f"The request cannot be forwarded: {error}.") from error
            self._on_retry(service)
            if not is_replaced:
                await trio.sleep(backoff(trace.attempts, self._jitter()))
                stale = None

    def _next(
        self, service: str, flow: Flow, caller: str, tried: set[str], stale: Lane | None
    ) -> tuple[Lane, Permit, bool]:
        now = trio.current_time()
        if stale is not None and (permit := stale.admit(now, caller)) is not None:
            return stale, permit, True
        backend = self._backends.get(service)
        if backend is None:
            raise ProblemError("unknown_service", f"No service is called {service}.", service=service)
        chosen = backend.choose(now, flow, caller, self._is_usable, tried=tried)
        if chosen is None:
            raise _unavailable(backend, flow, now)
        return *chosen, False


class _Attempt:
    """One request to one instance. It starts in our own queue; leaving the block settles its permit.

    It begins when it has a connection, or the right to open one: the wait in our own queue before is not the
    instance's time.
    """

    def __init__(
        self,
        lane: Lane,
        permit: Permit,
        trace: Trace,
        on_failure: Callable[[Lane], None],
        was_suspended: Callable[[float], bool],
    ) -> None:
        self.lane = lane
        self.response: DispatchedResponse | None = None
        self.deadline = math.inf
        self._permit = permit
        self._trace = trace
        self._on_failure = on_failure
        self._was_suspended = was_suspended
        self._began: float | None = None

    def start(self) -> None:
        """Count the request as in flight, and as queued until it begins."""
        self.lane.in_flight += 1
        self._trace.is_queued = True

    def begin(self) -> None:
        """Note that the request is sent to the instance from now on."""
        self._trace.is_queued = False
        self._began = trio.current_time()

    def settle(self, outcome: Outcome, *, status: int = 0, why: str = "") -> None:
        """Report the outcome. ``status``: of the response; ``why``: the reason of a failure."""
        now = trio.current_time()
        lane = self.lane
        lane.in_flight -= 1
        if self._began is not None and outcome is not Outcome.BLAMELESS:
            is_error = outcome in _FAILED or status >= _FIRST_ERROR
            lane.window.add(now, now - self._began, is_error=is_error)
        if outcome is Outcome.SUCCEEDED:
            lane.breaker.succeeded(self._permit)
        elif outcome in _FAILED:
            lane.last_failure = why
            lane.breaker.failed(self._permit, now, is_doubtful=outcome is Outcome.DOUBTFUL)
            self._on_failure(lane)
        else:
            lane.breaker.abandoned(self._permit)
        lane.notify()

    def __enter__(self) -> None:
        """Nothing: it has started."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        status = 0 if self.response is None else self.response.status
        self.settle(self._outcome(error, trio.current_time()), status=status, why=self._why(error))

    def _outcome(self, error: BaseException | None, now: float) -> Outcome:
        outcome = self._seen(error, now)
        # The service's own requests are not chosen by a client, and a connection that could not be opened
        # did not fail because of what was sent.
        is_doubtful = (
            outcome is Outcome.FAILED
            and self.lane.flow is Flow.REQUESTS
            and not (isinstance(error, UpstreamError) and error.failure is Failure.REFUSED)
        )
        return Outcome.DOUBTFUL if is_doubtful else outcome

    def _seen(self, error: BaseException | None, now: float) -> Outcome:
        if self._began is None or self._is_blameless(error, self._began, now):
            return Outcome.BLAMELESS
        if isinstance(error, UpstreamError):
            return Outcome.FAILED
        is_late = self._is_late(error, now)
        if self.response is not None:
            return Outcome.FAILED if is_late and self.response.is_waiting else self.response.outcome
        return Outcome.FAILED if is_late else Outcome.ABANDONED

    def _is_late(self, error: BaseException | None, now: float) -> bool:
        return error is not None and not isinstance(error, Exception) and now >= self.deadline

    def _is_blameless(self, error: BaseException | None, began: float, now: float) -> bool:
        """Return whether the end of the attempt shows nothing about the instance.

        While this process was suspended, the response may have arrived without being read, and the instance
        may have given up waiting and closed.
        """
        if isinstance(error, UpstreamError):
            return error.failure in _BLAMELESS or (
                error.failure is not Failure.MALFORMED and self._was_suspended(began)
            )
        return self._is_late(error, now) and self._was_suspended(began)

    def _why(self, error: BaseException | None) -> str:
        if isinstance(error, UpstreamError):
            return str(error)
        if self.response is not None and error is None:
            return f"it responded with {self.response.status}"
        return "it did not respond in time"


def overloaded(service: str) -> ProblemError:
    """Return the problem of a request that found no free connection in time."""
    return ProblemError(
        "overloaded",
        f"The limit of requests to the {service} has been reached. Try again in a moment.",
        headers=RETRY_AFTER,
        service=service,
    )


def short(
    detail: str = "The request failed because the orchestration service is out of resources. Try again in "
    "a few seconds.",
) -> ProblemError:
    """Return the problem of a request that failed because this process is short of something."""
    return ProblemError("own_shortage", detail, headers={"Retry-After": "5"})


def too_slow(service: str, seconds: float, *, is_queued: bool) -> ProblemError:
    """Return the problem of a request that timed out; ``is_queued``: while it was in our own queue."""
    if is_queued:
        return overloaded(service)
    return ProblemError(
        "gateway_timeout", f"The {service} did not respond within {seconds:g} s.", service=service
    )


def _problem(service: str, error: UpstreamError) -> ProblemError:
    code = _PROBLEMS[error.failure]
    if code == "overloaded":
        return overloaded(service)
    if code == "own_shortage":
        return short()
    if code == "service_unavailable":
        detail = f"The {service} is not answering: {error}."
    else:
        detail = f"The {service} sent an invalid response: {error}."
    return ProblemError(code, detail, service=service)


def _unavailable(backend: Backend, flow: Flow, now: float) -> ProblemError:
    wait = backend.retry_in(now, flow)
    if wait is None:
        return ProblemError(
            "service_unavailable",
            f"The {backend.name} is not answering: its health checks fail.",
            service=backend.name,
        )
    seconds = max(1, math.ceil(wait))
    return ProblemError(
        "service_unavailable",
        f"The {backend.name} failed too often. It is tried again in {seconds} s.",
        headers={"Retry-After": str(seconds)},
        service=backend.name,
    )


async def collect(response: DispatchedResponse, limit: int) -> bytes:
    """Return the whole body of a response. ProblemError ``bad_gateway`` if it is longer than ``limit``."""
    pieces: list[bytes] = []
    size = 0
    while data := await response.receive():
        size += len(data)
        if size > limit:
            raise ProblemError(
                "bad_gateway",
                f"The {response.service} sent a response of more than {limit} bytes.",
                service=response.service,
            )
        pieces.append(data)
    return b"".join(pieces)

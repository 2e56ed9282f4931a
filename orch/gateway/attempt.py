"""One request to one instance, and what its end shows about the instance."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Self

import trio

from orch.gateway.breaker import Permit
from orch.gateway.connection import Request, Switched, UpstreamError, UpstreamResponse
from orch.gateway.flows import Flow
from orch.gateway.headers import Header
from orch.gateway.http1 import SWITCHED
from orch.gateway.lane import Lane
from orch.gateway.request_body import RequestBody
from orch.gateway.resting import OWN
from orch.gateway.retries import Failure
from orch.gateway.shedding.gate import Ticket
from orch.gateway.spans import RequestTrace, Try
from orch.gateway.work import Task
from orch.problems import ProblemError

BREAKER_STATUSES: Final = frozenset({500, 502, 503, 504})
"""Statuses that count as failures, as in Envoy's consecutive 5xx. 501 and 505 do not."""

NO_BODY: Final = RequestBody()
_FIRST_ERROR: Final = 500
_FIRST_REFUSAL: Final = 300
"""From here on a status says that the request was not served, which takes less time."""
_ENGINE_MISSING: Final = b'"engine_missing"'
_PEEKED: Final = 4096


class Outcome(Enum):
    """What an attempt shows about its instance."""

    SUCCEEDED = auto()
    FAILED = auto()
    DOUBTFUL = auto()
    """It failed, and the request itself may be the reason."""
    UNREACHED = auto()
    """It failed, since no connection could be opened."""
    ABANDONED = auto()
    """The caller ended it."""
    BLAMELESS = auto()
    """It failed for a reason that is not the instance's; it is not counted."""


_FAILED: Final = frozenset({Outcome.FAILED, Outcome.DOUBTFUL, Outcome.UNREACHED})

# A connection that was closed while idle, a full queue of our own and a lack of descriptors are no faults of
# the instance.
_BLAMELESS: Final = frozenset({Failure.STALE, Failure.OVERLOADED, Failure.SHORTAGE})


@dataclass(slots=True)
class Trace:
    """The progress of a request, up to date at any time, so that a failure can be reported with it."""

    attempts: int = 0
    extra: int = 0
    """Those of the attempts that were sent while another one was slow."""
    is_queued: bool = False
    """Whether it waits for a connection in our own queue, so that the back end has not received it."""
    traced: RequestTrace | None = None
    """Its spans, if its trace is recorded."""

    @property
    def tries(self) -> int:
        """How often the request was sent in turn; what was sent beside that uses up no retry."""
        return self.attempts - self.extra

    def of_extra(self) -> "Trace":
        """Return the progress of an attempt beside another one."""
        return Trace(attempts=self.attempts, traced=self.traced)


class DispatchedResponse:
    """A response on its way to the caller: its head, its instance, and its body as the caller reads it."""

    def __init__(self, response: UpstreamResponse, lane: Lane, task: Task | None) -> None:
        self.status = response.status
        self.headers: tuple[Header, ...] = response.headers
        self.lane = lane
        self.service = lane.service
        self.instance = lane.url
        self.at = trio.current_time()
        """When its head had arrived, on Trio's clock."""
        self._response = response
        self._task = task
        self._moved()
        kind = next((value for name, value in response.headers if name == b"content-type"), b"")
        self.is_event_stream = kind.partition(b";")[0].strip().lower() == b"text/event-stream"
        """Whether the response is a stream of events, which has no total."""
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
    def has_failed(self) -> bool:
        """Whether its head alone shows that the instance has failed."""
        return self.status in BREAKER_STATUSES and not self._peeks

    @property
    def is_received(self) -> bool:
        """Whether the whole response has arrived, so that reading the rest needs no waiting."""
        return self._response.is_complete

    @property
    def trailers(self) -> list[Header]:
        """The trailers, after the end of the body."""
        return self._response.trailers

    def switched(self) -> Switched:
        """Return the connection, after a response that has switched to another protocol."""
        return self._response.switched()

    def _moved(self) -> None:
        if self._task is not None:
            self._task.moved_at = trio.current_time()

    async def receive(self) -> bytes:
        """Return the next piece of the body, empty at its end."""
        data = await self._response.receive()
        self._moved()
        if self._peeks and len(self._peeked) < _PEEKED:
            self._peeked += data[:_PEEKED]
        return data


class Attempt:
    """One request to one instance. It starts in our own queue; leaving the block settles its permit.

    A WebSocket is settled when its handshake has succeeded, except for its place at the instance, which it
    has until the block ends.

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
        *,
        limit: float,
        ticket: Ticket | None = None,
        is_extra: bool = False,
        span: Try | None = None,
    ) -> None:
        self.lane = lane
        self._span = span
        self._is_extra = is_extra
        self._ticket = ticket
        self.limit = limit
        """Seconds that the instance has, as which a failure counts."""
        self.response: DispatchedResponse | None = None
        self.is_told_to_wait = False
        """Whether the instance has asked for a rest, which is no fault of it."""
        self.is_own_limit = False
        """Whether that is the limit of the client's own account, which shows nothing about the instance."""
        self.is_superseded = False
        """Whether another attempt at the same request has won, so that it is ended."""
        self.deadline = math.inf
        self.body = NO_BODY
        self._permit = permit
        self._trace = trace
        self._on_failure = on_failure
        self._was_suspended = was_suspended
        self._began: float | None = None
        self._is_settled = False
        self.task: Task | None = None

    @property
    def began(self) -> float | None:
        """When it was sent to the instance, on Trio's clock; None while it waits in our own queue."""
        return self._began

    def start(self) -> None:
        """Count the request as in flight, and as queued until it begins."""
        self.lane.in_flight += 1
        self._trace.is_queued = True

    def begin(self) -> None:
        """Note that the request is sent to the instance from now on."""
        self._trace.is_queued = False
        self._began = trio.current_time()
        if self._span is not None:
            self._span.begun(self._began)
        self.task = self.lane.work.begin(self._began, self.limit)

    def request(self, request: Request) -> Request:
        """Return a request as this attempt sends it: the instance's work is a part of its span."""
        return request if self._span is None else self._span.request(request)

    def refuse(self, seconds: float, now: float, *, is_own_limit: bool) -> None:
        """Note that the instance has asked for a rest of ``seconds``."""
        self.is_told_to_wait, self.is_own_limit = True, is_own_limit
        caller = OWN if self.lane.flow is Flow.CAPTIONS else self._permit.caller
        self.lane.rests.refused(now, seconds, caller, is_own_limit=is_own_limit)

    def respond(self, response: UpstreamResponse) -> DispatchedResponse:
        """Note that the head of the response has arrived, and return the response."""
        self.response = dispatched = DispatchedResponse(response, self.lane, self.task)
        if self._span is not None:
            self._span.responded(response.status, dispatched.at)
        if self.lane.silence.row:
            self.lane.silence.answered()
        if dispatched.is_event_stream:
            self.deadline = math.inf
        if response.status == SWITCHED:
            self.settle(Outcome.SUCCEEDED, status=SWITCHED)
        return dispatched

    def settle(self, outcome: Outcome, *, status: int = 0, why: str = "") -> None:
        """Report the outcome. ``status``: of the response; ``why``: the reason of a failure."""
        now = trio.current_time()
        lane = self.lane
        self._is_settled = True
        lane.in_flight -= 1
        if self._began is not None:
            self._began += self.body.waited  # the client's time
        if self.task is not None:
            self.task.began += self.body.waited
            lane.work.end(self.task, now, succeeded=outcome is Outcome.SUCCEEDED)
        if status >= _FIRST_REFUSAL or (status and lane.refusals.count):
            lane.refusals.add(status, self._permit.caller, now)
        if self._began is not None and outcome is not Outcome.BLAMELESS:
            self._count(self._began, now, outcome, status)
        elif self._began is not None and self.is_superseded and not self._is_extra and self.response is None:
            lane.first_byte.overtaken(now, now - self._began)
        if outcome is Outcome.SUCCEEDED:
            lane.succeeded(self._permit)
            if lane.rests and status < _FIRST_REFUSAL and self._began is not None:
                lane.rests.succeeded(self._began, self._permit.caller)
        elif outcome in _FAILED:
            lane.last_failure = why
            lane.failed(
                self._permit,
                now,
                is_doubtful=outcome is Outcome.DOUBTFUL,
                is_connected=outcome is not Outcome.UNREACHED,
            )
            self._on_failure(lane)
        else:
            lane.abandoned(self._permit)
        lane.notify()
        self._give_back(now, outcome, status)
        if self._span is not None:
            self._span.ended(
                outcome.name.lower(),
                status=status,
                why=why,
                has_failed=outcome in _FAILED,
                is_superseded=self.is_superseded,
            )

    def _give_back(self, now: float, outcome: Outcome, status: int) -> None:
        """Give back the place at the instance; a WebSocket has it until it ends."""
        if self._ticket is not None and status != SWITCHED:
            self._ticket.end(
                now,
                has_succeeded=outcome is Outcome.SUCCEEDED and status < _FIRST_REFUSAL,
                is_overload=(self.is_told_to_wait and not self.is_own_limit)
                or (outcome in _FAILED and now >= self.deadline),
            )

    def _count(self, began: float, now: float, outcome: Outcome, status: int) -> None:
        is_error = outcome in _FAILED or status >= _FIRST_ERROR
        self.lane.window.add(now, now - began, is_error=is_error)
        if is_error:
            self.lane.first_byte.failed(now, self.limit)
        elif self.response is not None or outcome is Outcome.SUCCEEDED:
            answered_at = now if self.response is None else self.response.at
            self.lane.first_byte.answered(now, max(0.0, answered_at - began))
            if self.lane.silence.row:
                self.lane.silence.answered()

    def __enter__(self) -> Self:
        """Nothing: it has started."""
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if self._is_settled:
            if self._ticket is not None:
                self._ticket.end(trio.current_time())
            return
        status = 0 if self.response is None else self.response.status
        self.settle(self._outcome(error, trio.current_time()), status=status, why=self._why(error))

    def _outcome(self, error: BaseException | None, now: float) -> Outcome:
        outcome = self._seen(error, now)
        if outcome is not Outcome.FAILED:
            return outcome
        # A connection that could not be opened did not fail because of what was sent, and the service's own
        # requests are not chosen by a client.
        if isinstance(error, UpstreamError) and error.failure is Failure.REFUSED:
            return Outcome.UNREACHED
        return Outcome.DOUBTFUL if self.lane.flow is Flow.REQUESTS else outcome

    def _seen(self, error: BaseException | None, now: float) -> Outcome:
        if self._began is None or self.is_told_to_wait or self._is_blameless(error, self._began, now):
            return Outcome.BLAMELESS
        if self.is_superseded and not (self.response is not None and self.response.has_failed):
            return Outcome.BLAMELESS
        if isinstance(error, UpstreamError):
            return Outcome.FAILED
        is_late = self._is_late(error, now)
        if self.response is not None:
            return Outcome.FAILED if is_late and self.response.is_waiting else self.response.outcome
        if self._is_extra:  # it had less time than others have
            return Outcome.BLAMELESS
        return Outcome.FAILED if is_late else Outcome.ABANDONED

    def _is_late(self, error: BaseException | None, now: float) -> bool:
        deadline = min(self.deadline, self.body.answer_by)
        return error is not None and not isinstance(error, Exception) and now >= deadline

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

"""One request to a service: an instance is chosen, asked, and if need be another one."""

import math
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

import trio

from orch.gateway.backends import Backend, Backends, Instance, IsUsable
from orch.gateway.breaker import Permit
from orch.gateway.headers import Header
from orch.gateway.http1 import UnsendableError
from orch.gateway.retries import Failure, backoff, may_retry
from orch.gateway.upstream import Request, UpstreamAnswer, UpstreamError
from orch.problems import ProblemError

BREAKER_STATUSES: Final = frozenset({500, 502, 503, 504})
"""Answers that count as failures of the instance, as in Envoy's consecutive 5xx. 501 or 505 do not."""

_FIRST_ERROR: Final = 500
_ENGINE_MISSING: Final = b'"engine_missing"'
_PEEKED: Final = 4096


class Outcome(Enum):
    """What an attempt says about its instance."""

    SUCCEEDED = auto()
    FAILED = auto()
    ABANDONED = auto()


_PROBLEMS: Final = {
    Failure.REFUSED: "service_unavailable",
    Failure.OVERLOADED: "service_unavailable",
    Failure.STALE: "bad_gateway",
    Failure.LOST: "bad_gateway",
    Failure.MALFORMED: "bad_gateway",
    Failure.CUT: "bad_gateway",
}

# That a connection had been closed while it was idle, or that our own queue is full, is no fault of the
# instance.
_BLAMELESS: Final = frozenset({Failure.STALE, Failure.OVERLOADED})


@dataclass(slots=True)
class Trace:
    """What became of a request, kept up to date for whoever has to report it if it fails."""

    attempts: int = 0


class Reply:
    """An answer on its way to the caller: its head, where it came from, and its body as it is asked for."""

    def __init__(self, answer: UpstreamAnswer, instance: Instance) -> None:
        self.status = answer.status
        self.headers: tuple[Header, ...] = answer.headers
        self.service = instance.service
        self.instance = instance.url
        self._answer = answer
        kind = next((value for name, value in answer.headers if name == b"content-type"), b"")
        self._peeks = answer.status in BREAKER_STATUSES and kind.startswith(b"application/problem+json")
        self._peeked = b""

    @property
    def is_waiting(self) -> bool:
        """Whether the back end is being waited for."""
        return self._answer.is_waiting

    @property
    def outcome(self) -> Outcome:
        """What the answer says about the instance.

        A problem ``engine_missing`` is an honest answer of a back end that is well: it counts as none of its
        failures, or the breaker would hide the sentence that says what to install.
        """
        if self.status not in BREAKER_STATUSES or _ENGINE_MISSING in self._peeked:
            return Outcome.SUCCEEDED
        return Outcome.FAILED

    async def receive(self) -> bytes:
        """Return the next piece of the body, empty at its end."""
        data = await self._answer.receive()
        if self._peeks and len(self._peeked) < _PEEKED:
            self._peeked += data[:_PEEKED]
        return data


class Dispatcher:
    """Carries out requests over the instances there are, and tells each breaker what came of it."""

    def __init__(
        self,
        backends: Backends,
        *,
        is_usable: IsUsable,
        on_failure: Callable[[Instance], None],
        on_retry: Callable[[str], None],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._backends = backends
        self._is_usable = is_usable
        self._on_failure = on_failure
        self._on_retry = on_retry
        self._jitter = jitter

    @asynccontextmanager
    async def send(
        self, service: str, request: Request, trace: Trace, *, retries: int
    ) -> AsyncIterator[Reply]:
        """Give the answer of ``service`` as soon as its head is there.

        Raises :class:`ProblemError`: unknown_service, service_unavailable, bad_gateway (also out of the
        block, when the answer breaks off), invalid_request; and what reading the request's body raises. The
        caller owns the time-out: an instance that had not answered when it ran out has failed, one that was
        cut short by any other cancellation has not.
        """
        backend = self._backends.get(service)
        if backend is None:
            raise ProblemError("unknown_service", f"There is no service named {service}.", service=service)
        deadline = trio.current_effective_deadline()
        tried: set[str] = set()
        stale: Instance | None = None
        while True:
            instance, permit, fresh = self._next(backend, tried, stale)
            trace.attempts += 1
            tried.add(instance.url)
            attempt = _Attempt(instance, permit, request, deadline, self._on_failure)
            try:
                with attempt:
                    async with instance.upstream.exchange(request, fresh=fresh) as answer:
                        attempt.reply = Reply(answer, instance)
                        yield attempt.reply
                return
            except UpstreamError as error:
                may = attempt.reply is None and may_retry(
                    error.failure, method=request.method, is_replayable=request.body.is_replayable
                )
                # A stale connection is replaced once whatever the settings say about retries.
                is_replaced = error.failure is Failure.STALE and stale is None
                if not may or not (is_replaced or trace.attempts <= retries):
                    raise _problem(service, error) from error
                stale = instance if is_replaced else stale
            except UnsendableError as error:
                raise ProblemError("invalid_request", f"The request cannot be passed on: {error}.") from error
            self._on_retry(service)
            if not is_replaced:
                await trio.sleep(backoff(trace.attempts, self._jitter()))
                stale = None

    def _next(
        self, backend: Backend, tried: set[str], stale: Instance | None
    ) -> tuple[Instance, Permit, bool]:
        now = trio.current_time()
        if stale is not None and (permit := stale.admit(now)) is not None:
            return stale, permit, True
        chosen = backend.choose(now, self._is_usable, tried=tried)
        if chosen is None:
            raise _unavailable(backend, now)
        return *chosen, False


class _Attempt:
    """One request to one instance. Leaving the block settles its permit and counts it."""

    def __init__(
        self,
        instance: Instance,
        permit: Permit,
        request: Request,
        deadline: float,
        on_failure: Callable[[Instance], None],
    ) -> None:
        self.reply: Reply | None = None
        self._instance = instance
        self._permit = permit
        self._request = request
        self._deadline = deadline
        self._on_failure = on_failure
        self._began = trio.current_time()

    def __enter__(self) -> None:
        self._instance.in_flight += 1

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        now = trio.current_time()
        instance = self._instance
        instance.in_flight -= 1
        outcome = self._outcome(error, now)
        is_error = outcome is Outcome.FAILED or (self.reply is not None and self.reply.status >= _FIRST_ERROR)
        instance.window.add(now, now - self._began, is_error=is_error)
        match outcome:
            case Outcome.SUCCEEDED:
                instance.breaker.succeeded(self._permit)
            case Outcome.FAILED:
                instance.last_failure = self._why(error)
                instance.breaker.failed(self._permit, now)
                self._on_failure(instance)
            case Outcome.ABANDONED:
                instance.breaker.abandoned(self._permit)
        instance.tell()

    def _outcome(self, error: BaseException | None, now: float) -> Outcome:
        if isinstance(error, UpstreamError):
            return Outcome.ABANDONED if error.failure in _BLAMELESS else Outcome.FAILED
        is_late = error is not None and not isinstance(error, Exception) and now >= self._deadline
        if self.reply is not None:
            return Outcome.FAILED if is_late and self.reply.is_waiting else self.reply.outcome
        # Without an answer: the time ran out while the client was sending, or while the instance was
        # thinking.
        return Outcome.FAILED if is_late and not self._request.body.is_waiting else Outcome.ABANDONED

    def _why(self, error: BaseException | None) -> str:
        if isinstance(error, UpstreamError):
            return str(error)
        if self.reply is not None and error is None:
            return f"it answered {self.reply.status}"
        return "it did not answer in time"


def _problem(service: str, error: UpstreamError) -> ProblemError:
    code = _PROBLEMS[error.failure]
    if code == "service_unavailable":
        detail = f"The {service} is not answering: {error}."
    else:
        detail = f"The {service} gave no answer that can be read: {error}."
    return ProblemError(code, detail, service=service)


def _unavailable(backend: Backend, now: float) -> ProblemError:
    wait = backend.retry_in(now)
    if wait is None:
        return ProblemError(
            "service_unavailable",
            f"The {backend.name} is not answering: its health checks fail.",
            service=backend.name,
        )
    seconds = max(1, math.ceil(wait))
    return ProblemError(
        "service_unavailable",
        f"The {backend.name} has failed too often just now. It is tried again in {seconds} s.",
        headers={"Retry-After": str(seconds)},
        service=backend.name,
    )

"""The problems of requests that no back end has answered."""

import math
from typing import Final

from orch.gateway.backends import Backend
from orch.gateway.connection import UpstreamError
from orch.gateway.flows import Flow
from orch.gateway.retries import Failure
from orch.gateway.timeouts import Timeout
from orch.problems import ProblemError

RETRY_AFTER: Final = {"Retry-After": "1"}
"""A header of problems that pass as soon as other requests end."""


_PROBLEMS: Final = {
    Failure.REFUSED: "service_unavailable",
    Failure.OVERLOADED: "overloaded",
    Failure.SHORTAGE: "own_shortage",
    Failure.STALE: "bad_gateway",
    Failure.LOST: "bad_gateway",
    Failure.TIMED_OUT: "gateway_timeout",
    Failure.MALFORMED: "bad_gateway",
    Failure.CUT: "bad_gateway",
}


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


def looped(service: str) -> ProblemError:
    """Return the problem of a request that has been here before."""
    return ProblemError(
        "loop_detected",
        f"The URL of an instance of the {service} leads back to the orchestration service. Operators: set it "
        "to the address of the back end.",
        service=service,
    )


def too_slow(service: str, seconds: float, *, is_queued: bool) -> ProblemError:
    """Return the problem of a request that timed out; ``is_queued``: while it was in our own queue."""
    if is_queued:
        return overloaded(service)
    return ProblemError(
        "gateway_timeout",
        f"The {service} did not respond within {seconds:g} s.",
        service=service,
        timeout=Timeout.TOTAL.value,
    )


def client_too_slow(seconds: float) -> ProblemError:
    """Return the problem of a client that did not read its response in time."""
    return ProblemError(
        "request_timeout", f"The client did not read the response completely within {seconds:g} s."
    )


def problem_of(service: str, error: UpstreamError) -> ProblemError:
    """Return the problem of a request whose last attempt failed with ``error``."""
    code = _PROBLEMS[error.failure]
    if code == "overloaded":
        return overloaded(service)
    if code == "own_shortage":
        return short()
    if error.timeout is not None:
        # Nothing was sent to an instance that did not let us connect: 503, as Envoy responds.
        said = "did not respond in time" if code == "gateway_timeout" else "is not answering"
        return ProblemError(
            code, f"The {service} {said}: {error}.", service=service, timeout=error.timeout.value
        )
    if code == "service_unavailable":
        detail = f"The {service} is not answering: {error}."
    else:
        detail = f"The {service} sent an invalid response: {error}."
    return ProblemError(code, detail, service=service)


def unavailable(backend: Backend, flow: Flow, now: float) -> ProblemError:
    """Return the problem of a request for which there is no instance now."""
    wait = backend.retry_in(now, flow)
    if backend.instances and all(each.is_drained for each in backend.instances.values()):
        return ProblemError(
            "service_unavailable",
            f"The {backend.name} is out of use: an operator has drained all of its instances.",
            service=backend.name,
        )
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

"""Which failures a fallback can stand in for. Pure.

Any response of 2xx, 3xx or 4xx is the service's own word and reaches the client: a 403 or 404 that is
replaced by an older 200 would give access that was withdrawn, or show what was deleted.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from orch.gateway.headers import Header


class Outcome(StrEnum):
    """The kinds of failures, as in the settings (``when``)."""

    UNAVAILABLE = "unavailable"
    """No instance gets requests, or none could be reached. Nothing was sent."""
    OVERLOADED = "overloaded"
    """No place or connection in time, or this process is short of something."""
    TIMEOUT = "timeout"
    """No response in time."""
    BROKEN = "broken"
    """The connection was lost, or the response is invalid or incomplete."""
    STATUS = "status"
    """A complete response with a status that counts as a failure."""


class Failed(NamedTuple):
    """How a request failed: ``status`` is what the client would get.

    ``is_unsent``: whether no instance has worked on it, so that another service may be sent any request.
    """

    outcome: Outcome
    status: int
    is_unsent: bool


class Held(NamedTuple):
    """A failed response that the client has not got. ``body`` None: it was too large or too slow."""

    failed: Failed
    headers: list[Header]
    body: bytes | None


OF_PROBLEMS: Final = {
    "service_unavailable": (Outcome.UNAVAILABLE, True),
    "overloaded": (Outcome.OVERLOADED, True),
    "shed": (Outcome.OVERLOADED, True),
    "own_shortage": (Outcome.OVERLOADED, False),
    "gateway_timeout": (Outcome.TIMEOUT, False),
    "bad_gateway": (Outcome.BROKEN, False),
}
"""By the code of the problem. All others are faults of the client's request, or of the settings."""

REFUSALS: Final = frozenset({401, 403, 407, 429})
"""Statuses with which another service shows that it cannot be a fallback: it wants other credentials."""

_BUSY: Final = 503


def of_problem(code: str, status: int) -> Failed | None:
    """Return how a request failed that ended with a problem; None if no fallback is for that."""
    found = OF_PROBLEMS.get(code)
    return None if found is None else Failed(found[0], status, found[1])


def of_status(status: int, *, asks_to_wait: bool) -> Failed:
    """Return how a request failed that got a response. ``asks_to_wait``: it has ``Retry-After``.

    A 503 that asks to wait is refused work, as for retries.
    """
    return Failed(Outcome.STATUS, status, status == _BUSY and asks_to_wait)

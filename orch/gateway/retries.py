"""Decides whether a failed request is repeated, and after how long. Pure.

The rules are nginx's and Traefik's: a request that cannot have reached the back end may always be repeated;
one that may have reached it only if it is idempotent (RFC 9110 §9.2.2), or if its route says that computing
twice harms nothing; and after the first byte of a response, never. Any complete response counts as one and is
forwarded as it is, except for a 429 or 503 that asks for a rest (:mod:`orch.gateway.retry_after`).
"""

from enum import Enum, auto
from typing import Final

from orch.backoff import exponential
from orch.settings import Repeatable


class Failure(Enum):
    """The ways in which an attempt can fail."""

    REFUSED = auto()
    """No connection was made: refused, no such host, TLS failed, too slow. Nothing was sent."""
    OVERLOADED = auto()
    """All connections of its flow were busy and its queue was full. Nothing was sent."""
    SHORTAGE = auto()
    """This process is short of descriptors, memory or ports. It shows nothing about the back end."""
    STALE = auto()
    """A reused connection turned out to be closed: no byte of a response arrived."""
    LOST = auto()
    """A new connection was closed before the first byte of a response."""
    TIMED_OUT = auto()
    """A time-out of the attempt expired before the response was complete."""
    MALFORMED = auto()
    """The response cannot be parsed."""
    CUT = auto()
    """The connection was closed before the end of the response."""


class Rule(Enum):
    """The rule for repeating an attempt."""

    ALWAYS = auto()
    IDEMPOTENT = auto()
    NEVER = auto()


RULES: Final = {
    Failure.REFUSED: Rule.ALWAYS,
    Failure.OVERLOADED: Rule.ALWAYS,
    # A moment later there may be a descriptor again; how much was sent is not known.
    Failure.SHORTAGE: Rule.IDEMPOTENT,
    Failure.STALE: Rule.IDEMPOTENT,
    Failure.LOST: Rule.IDEMPOTENT,
    Failure.TIMED_OUT: Rule.IDEMPOTENT,
    Failure.MALFORMED: Rule.NEVER,
    Failure.CUT: Rule.NEVER,
}

IDEMPOTENT_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})

# Envoy's defaults.
BACKOFF_FIRST: Final = 0.025
BACKOFF_LONGEST: Final = 0.250


def may_retry(failure: Failure, *, method: str, repeatable: Repeatable = "safe") -> bool:
    """Return whether an attempt that failed in this way may be repeated."""
    rule = RULES[failure]
    return rule is Rule.ALWAYS or (rule is Rule.IDEMPOTENT and is_repeatable(method, repeatable))


def is_repeatable(method: str, repeatable: Repeatable) -> bool:
    """Return whether a request may be sent again that the back end may have received."""
    return repeatable == "always" or (repeatable == "safe" and method in IDEMPOTENT_METHODS)


def backoff(attempt: int, jitter: float) -> float:
    """Return the seconds to wait after the failure of attempt number ``attempt`` (from 1).

    Full jitter: ``jitter`` in [0, 1) times 25 ms, doubled with each attempt, at most 250 ms. So clients that
    failed together do not come back together.
    """
    return jitter * exponential(BACKOFF_FIRST, attempt - 1, longest=BACKOFF_LONGEST)

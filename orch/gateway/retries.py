"""What may be asked again, and after how long. Pure.

The rules are nginx's and Traefik's: what had no chance of reaching the back end may always be asked again;
what may have reached it only if asking twice is the same as asking once (RFC 9110 §9.2.2); and once the first
byte of an answer has come, never. An answer is an answer, a 503 too: it is passed on as it is.
"""

from enum import Enum, auto
from typing import Final

from orch.backoff import exponential


class Failure(Enum):
    """How an attempt can fail."""

    REFUSED = auto()
    """No connection came about: refused, no such host, TLS failed, too slow. Nothing was sent."""
    OVERLOADED = auto()
    """All connections of its flow were busy, and as many requests as may wait were waiting. Nothing sent."""
    SHORTAGE = auto()
    """This service itself is short of something: descriptors, memory, ports. It says nothing of the peer."""
    STALE = auto()
    """A connection that had been kept open turned out closed: no byte of an answer came."""
    LOST = auto()
    """A new connection closed before the first byte of an answer."""
    MALFORMED = auto()
    """The answer cannot be read."""
    CUT = auto()
    """The connection closed before the answer's end."""


class Rule(Enum):
    """When an attempt may be repeated."""

    ALWAYS = auto()
    IDEMPOTENT = auto()
    NEVER = auto()


RULES: Final = {
    Failure.REFUSED: Rule.ALWAYS,
    Failure.OVERLOADED: Rule.ALWAYS,
    # A moment later there may be a descriptor again; what was sent by then is not known.
    Failure.SHORTAGE: Rule.IDEMPOTENT,
    Failure.STALE: Rule.IDEMPOTENT,
    Failure.LOST: Rule.IDEMPOTENT,
    Failure.MALFORMED: Rule.NEVER,
    Failure.CUT: Rule.NEVER,
}

IDEMPOTENT_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})

# Envoy's defaults.
BACKOFF_FIRST: Final = 0.025
BACKOFF_LONGEST: Final = 0.250


def may_retry(failure: Failure, *, method: str) -> bool:
    """Return whether an attempt that failed so may be made again."""
    rule = RULES[failure]
    return rule is Rule.ALWAYS or (rule is Rule.IDEMPOTENT and method in IDEMPOTENT_METHODS)


def backoff(attempt: int, jitter: float) -> float:
    """Return the seconds to wait after the failure of attempt number ``attempt`` (from 1).

    Full jitter: ``jitter`` in [0, 1) times 25 ms, doubled with each attempt, at most 250 ms. So clients that
    failed together do not come back together.
    """
    return jitter * exponential(BACKOFF_FIRST, attempt - 1, longest=BACKOFF_LONGEST)

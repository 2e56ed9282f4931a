"""Decides what follows an attempt to deliver a webhook: delivered, retried and when, or given up. Pure.

Delivered is what gets a status of 200 to 299, as soon as that status has arrived: what a receiver writes
after it does not matter. Everything else is retried for :data:`RETRIED_FOR` s from the first attempt, with
the same id and body, after the pauses of :data:`PAUSES` and then every four hours. Redirects are not
followed: a webhook goes to the URL of its endpoint alone, and a 3xx is a failure like a 404.

An endpoint as a whole rests after 429 and 503 with ``Retry-After`` for as long as that says (at most
:data:`LONGEST_REST`), and for :data:`REST` after 429, 502, 503 and 504 without it, as all four say that the
receiver has too much to do. While it rests nothing is sent to it. A 410 disables it.

Order: the deliveries of one bot to one endpoint are attempted one at a time, oldest first, so they arrive in
order while the receiver accepts them. One that fails does not hold up those after it: it arrives later than
they do. Each payload has the bot's ``sequence``, which says so.
"""

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from orch.gateway.retry_after import rest_of

PAUSES: Final = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 14_400.0)
"""Seconds between one attempt and the next; the last is repeated."""

JITTER: Final = 0.2
"""Each pause is longer or shorter by up to this share, so that retries do not arrive together."""

RETRIED_FOR: Final = 86_400.0
"""Seconds from the first attempt to the last."""

SHORTEST_LAST_PAUSE: Final = 60.0
"""The last attempt is at the end of the 24 hours, unless the one before it was so recently."""

REST: Final = 60.0
LONGEST_REST: Final = 3600.0

BUSY: Final = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)

Headers = tuple[tuple[bytes, bytes], ...]


class Fault(StrEnum):
    """Why an attempt has no status; the value is stored in the history."""

    REFUSED_TARGET = "refused_target"
    """The URL, or every address of its host, is not allowed. Nothing was sent."""
    UNKNOWN_HOST = "unknown_host"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    TIMED_OUT = "timed_out"
    """No status in time. What was sent may have been processed."""
    CUT = "cut"
    """The connection was closed before a status arrived."""
    MALFORMED = "malformed"
    """The response is not HTTP."""
    SHORTAGE = "shortage"
    """This process is short of descriptors, memory or ports; says nothing about the receiver."""
    INTERNAL = "internal"
    """A fault of this program; the log has it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: its status, and its headers with names in lower case."""

    status: int
    headers: Headers = ()


class State(StrEnum):
    """What a delivery is after an attempt."""

    DELIVERED = "delivered"
    RETRYING = "retrying"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows an attempt.

    ``next_at``: when the delivery is attempted again, None unless it is RETRYING. ``rests_until``: until then
    nothing is sent to the endpoint, None: no change. ``disables``: nothing is sent to it any more, until a
    person enables it. Times are seconds since the epoch. ``reason``: a sentence for the history.
    """

    state: State
    reason: str
    next_at: float | None = None
    rests_until: float | None = None
    disables: bool = False


def is_delivered(status: int) -> bool:
    """Return whether a status counts as delivered."""
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def judge(outcome: Answer | Fault, *, attempt: int, first_at: float, now: float, draw: float) -> Verdict:
    """Return what follows an attempt that has ended.

    ``attempt``: 1 for the first. ``first_at``: when the first began; a redelivery by hand begins a new count.
    ``draw``: a random number in [0, 1).
    """
    if isinstance(outcome, Fault):
        return _retried(outcome.value.replace("_", " "), attempt, first_at, now, draw)
    status = outcome.status
    if is_delivered(status):
        return Verdict(State.DELIVERED, f"The receiver responded {status}.")
    if status == HTTPStatus.GONE:
        reason = "The receiver responded 410: it wants no webhooks any more. The endpoint is disabled."
        return Verdict(State.FAILED, reason, disables=True)
    rests_until = None
    if status in BUSY:
        asked = rest_of(status, outcome.headers, now, longest=LONGEST_REST)
        rests_until = now + (REST if asked is None else asked)
    why = f"responded {status}"
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        why += ", and redirects are not followed"
    return _retried(why, attempt, first_at, now, draw, rests_until)


def _retried(
    why: str, attempt: int, first_at: float, now: float, draw: float, rests_until: float | None = None
) -> Verdict:
    words = why[0].upper() + why[1:] if not why.startswith("responded") else f"The receiver {why}"
    # A clock that was set back does not make the 24 hours longer than they are from now on.
    end = min(first_at, now) + RETRIED_FOR
    pause = PAUSES[min(max(attempt, 1), len(PAUSES)) - 1]
    at = now + pause * (1 - JITTER + 2 * JITTER * draw)
    at = max(at, rests_until or at)
    if at > end:
        if end - now < SHORTEST_LAST_PAUSE:
            reason = f"{words}. It was retried for 24 hours and is given up."
            return Verdict(State.FAILED, reason, rests_until=rests_until)
        at = end
    return Verdict(State.RETRYING, f"{words}.", next_at=at, rests_until=rests_until)

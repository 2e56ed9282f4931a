"""Decides what a calendar's response means and when it is requested again. Pure.

A calendar is requested every :data:`EVERY` s, with the validators of the last response that was read
(``If-None-Match``, ``If-Modified-Since``; RFC 9110 §13.1), and after failures less and less often. A failure
says nothing about events: what is scheduled stays. Every :data:`REREAD` s it is requested without validators:
a file that has not changed has other events within the next two weeks then.
"""

import re
from dataclasses import dataclass, replace
from enum import Enum, auto
from http import HTTPStatus
from typing import Final
from urllib.parse import urljoin

from orch.backoff import exponential
from orch.bots.webhooks.schedule import Headers
from orch.gateway.retry_after import rest_of

EVERY: Final = 300.0
"""Seconds between two requests."""

REREAD: Final = 6 * 3600.0

FIRST_PAUSE: Final = 60.0
LONGEST_PAUSE: Final = 3600.0
LONGEST_REST: Final = 6 * 3600.0
"""What Retry-After can ask for at most."""

JITTER: Final = 0.1
MOST_REDIRECTS: Final = 3
"""Published calendars often lead to another host; each one is checked like the first."""

_LONGEST_VALUE: Final = 2048
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_WEBCAL: Final = re.compile(r"webcals?://", re.IGNORECASE)
_PRINTABLE: Final = re.compile(r"[\x21-\x7e\x80-\xff](?:[\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?")


@dataclass(frozen=True, slots=True)
class PollState:
    """What is known of a calendar. ``etag`` and ``modified``: of the last response that could be read."""

    etag: str = ""
    modified: str = ""
    failures: int = 0
    read_at: float | None = None
    """When the last response was read, in seconds since the epoch."""
    seen_at: float | None = None
    """When the calendar was last read or found to be unchanged."""


class Meaning(Enum):
    """What a response means."""

    CALENDAR = auto()
    UNCHANGED = auto()
    REDIRECT = auto()
    FAILURE = auto()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a response means; ``location``: of a redirect; ``rest``: seconds that it asks to be left alone."""

    meaning: Meaning
    location: str = ""
    rest: float | None = None
    reason: str = ""


def request_url(url: str) -> str:
    """Return the URL to request: ``webcal:`` is a name for https that opens calendar programs."""
    return _WEBCAL.sub("https://", url.strip(), count=1) if _WEBCAL.match(url.strip()) else url.strip()


def request_headers(state: PollState, now: float) -> tuple[tuple[str, str], ...]:
    """Return the headers of the next request; without validators if it is time to read the file again."""
    validators = (("if-none-match", state.etag), ("if-modified-since", state.modified))
    if state.read_at is None or not 0 <= now - state.read_at < REREAD:
        return ()
    return tuple((name, value) for name, value in validators if value)


def judge(status: int, headers: Headers, url: str, *, is_conditional: bool, now: float) -> Verdict:
    """Return what a response to a request of ``url`` means. ``now``: seconds since the epoch."""
    if status == HTTPStatus.OK:
        return Verdict(Meaning.CALENDAR)
    if status == HTTPStatus.NOT_MODIFIED and is_conditional:
        return Verdict(Meaning.UNCHANGED)
    if status in _REDIRECTS and (location := _header(headers, b"location")):
        return Verdict(Meaning.REDIRECT, location=request_url(urljoin(url, location)))
    rest = rest_of(status, headers, now, longest=LONGEST_REST)
    words = {
        HTTPStatus.UNAUTHORIZED: ", as for a calendar that is not shared by its address",
        HTTPStatus.FORBIDDEN: ", as for a calendar that is not shared by its address",
        HTTPStatus.NOT_FOUND: ", as for an address that was revoked",
        HTTPStatus.GONE: ", as for an address that was revoked",
    }.get(HTTPStatus(status) if status in HTTPStatus._value2member_map_ else HTTPStatus.OK, "")
    return Verdict(Meaning.FAILURE, rest=rest, reason=f"It responded {status}{words}.")


def read(headers: Headers, now: float) -> PollState:
    """Return the state after a calendar was read."""
    return PollState(_header(headers, b"etag"), _header(headers, b"last-modified"), 0, now, now)


def unchanged(state: PollState, now: float) -> PollState:
    """Return the state after a calendar was found to be as it was."""
    return replace(state, failures=0, seen_at=now)


def failed(state: PollState) -> PollState:
    """Return the state after a failure. The validators stay: what they stand for was read."""
    return replace(state, failures=state.failures + 1)


def pause(state: PollState, draw: float, *, rest: float | None = None) -> float:
    """Return the seconds until the next request. ``draw``: a random number in [0, 1)."""
    if state.failures == 0:
        seconds = EVERY
    else:
        seconds = exponential(FIRST_PAUSE, state.failures - 1, longest=LONGEST_PAUSE)
    return max(seconds * (1 - JITTER + 2 * JITTER * draw), rest or 0.0)


def _header(headers: Headers, name: bytes) -> str:
    """Return a header that can be sent back, or ""."""
    value = next((value for key, value in headers if key == name), b"").decode("latin-1").strip()
    return value if len(value) <= _LONGEST_VALUE and _PRINTABLE.fullmatch(value) else ""

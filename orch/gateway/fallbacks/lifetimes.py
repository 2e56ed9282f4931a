"""Which responses may be stored as the last good ones, and until when they may be used. Pure.

The cache is shared (RFC 9111) and is used after a failure only (RFC 5861 §4). The operator's ``max_age`` is
the agreement by which a stale response may be used at all (RFC 9111 §4.2.4); what the back end says can
shorten it, never extend it:

- ``no-store``, ``private``, ``no-cache`` (also for single fields), ``Pragma: no-cache``, ``Vary: *`` and
  ``Set-Cookie``: not stored;
- ``must-revalidate``, ``proxy-revalidate``, ``s-maxage``: used while fresh only;
- ``stale-if-error=N``: used until N seconds after it is no longer fresh.

Only complete responses with status 200 or 203 are stored. A response whose end is the end of its connection
cannot be known to be complete.
"""

from collections.abc import Iterable, Sequence
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Final, NamedTuple

from orch.gateway.headers import Header

GOOD: Final = frozenset({200, 203})
_PASSING: Final = frozenset({408, 425, 429})
"""Refusals of 4xx that say nothing about the resource."""
_GONE: Final = frozenset({401, 403, 404, 410})
_NOT_MODIFIED: Final = 304
_FIRST_ERROR: Final = 500
_FIRST_FAULT: Final = 400
_PARTIAL: Final = 206
_NEVER: Final = frozenset({"no-store", "private", "no-cache"})
_WHILE_FRESH: Final = frozenset({"must-revalidate", "proxy-revalidate", "s-maxage"})
_MOST: Final = 2**31
"""RFC 9111 §1.2.2: larger numbers count as this one."""


class Effect(Enum):
    """What a response means for what is stored."""

    STORE = auto()
    """It takes the place of the stored one, if it may be stored; otherwise that is dropped."""
    KEEP = auto()
    """It says nothing about the stored one."""
    DROP = auto()
    """The stored one is no longer the last good response."""
    FRESHEN = auto()
    """The stored one is still right (304)."""


class Lifetime(NamedTuple):
    """For how long a response may be used. Seconds; ``age``: its age on arrival.

    ``fresh``: its freshness lifetime, None if it does not say; ``usable``: the age until which it is used.
    """

    age: float
    fresh: float | None
    usable: float


class Wish(NamedTuple):
    """What a request allows. ``usable``: the seconds of ``stale-if-error``, None if it does not say."""

    may_store: bool
    may_use: bool
    usable: float | None


def effect(method: str, status: int, *, is_conditional: bool) -> Effect:
    """Return what a response means for what is stored for the same request.

    ``is_conditional``: the request has conditions or asks for a range, so that some refusals are about those.
    """
    if status >= _FIRST_ERROR or status in _PASSING or status == _PARTIAL:
        return Effect.KEEP
    if status == _NOT_MODIFIED:
        return Effect.FRESHEN
    if status in GOOD:
        return Effect.KEEP if method == "HEAD" else Effect.STORE
    if is_conditional and status >= _FIRST_FAULT and status not in _GONE:
        return Effect.KEEP
    return Effect.DROP


def directives(values: Iterable[bytes]) -> dict[str, str | None]:
    """Return the directives of ``Cache-Control``, names in lower case; of repeated ones the smallest value.

    >>> directives([b'max-age=60, private="x-user, set-cookie"'])
    {'max-age': '60', 'private': 'x-user, set-cookie'}
    """
    found: dict[str, str | None] = {}
    for item in (item for value in values for item in _split(value.decode("latin-1"))):
        name, separator, value = item.partition("=")
        name = name.strip().lower()
        if not name:
            continue
        given = value.strip().strip('"') if separator else None
        if name in found:
            given = min(found[name] or "", given or "", key=seconds)
        found[name] = given
    return found


def seconds(text: str | None) -> float:
    """Return the seconds of a directive; 0 if they are no number, as such a response counts as stale."""
    if text is not None and text.isascii() and text.isdigit():
        return float(min(int(text[:11]), _MOST))
    return 0.0


def wish(headers: Sequence[Header]) -> Wish:
    """Return what a request allows. ``max-age`` does not count: browsers send it with each reload."""
    found = directives(_values(headers, b"cache-control"))
    if not found and any(b"no-cache" in value.lower() for value in _values(headers, b"pragma")):
        found = {"no-cache": None}
    stale = seconds(found["stale-if-error"]) if "stale-if-error" in found else None
    is_open = "no-store" not in found
    return Wish(is_open, is_open and "no-cache" not in found, stale)


def lifetime(headers: Sequence[Header], *, max_age: float, unkeyed: Iterable[bytes]) -> Lifetime | None:
    """Return for how long a good response may be used; None: it must not be stored.

    ``headers``: as the back end sent them, names in lower case; ``unkeyed``: the headers of requests that are
    not part of the key, so that a response that depends on them (``Vary``) cannot be stored.
    """
    names = {name for name, _ in headers}
    if b"set-cookie" in names or b"set-cookie2" in names or not _has_end(headers):
        return None
    varying = {item.strip().lower() for value in _values(headers, b"vary") for item in value.split(b",")}
    if b"*" in varying or varying & set(unkeyed):
        return None
    if any(b"no-cache" in value.lower() for value in _values(headers, b"pragma")):
        return None
    found = directives(_values(headers, b"cache-control"))
    if _NEVER & found.keys():
        return None
    fresh = _fresh(found, headers)
    usable = max_age
    if "stale-if-error" in found:
        usable = min(usable, (fresh or 0.0) + seconds(found["stale-if-error"]))
    if _WHILE_FRESH & found.keys():
        usable = min(usable, fresh or 0.0)
    ages = [seconds(value.decode("latin-1").strip()) for value in _values(headers, b"age")]
    age = max(ages, default=0.0)
    return Lifetime(age, fresh, usable) if age < usable else None


def _has_end(headers: Sequence[Header]) -> bool:
    """Return whether the response says where it ends; otherwise a part of it looks like the whole."""
    framing = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if framing:
        return framing[-1].rpartition(b",")[2].strip() == b"chunked"
    return any(name == b"content-length" for name, _ in headers)


def _fresh(found: dict[str, str | None], headers: Sequence[Header]) -> float | None:
    """Return the freshness lifetime (RFC 9111 §4.2.1), None if the response does not say."""
    for name in ("s-maxage", "max-age"):
        if name in found:
            return seconds(found[name])
    expires = _values(headers, b"expires")
    if not expires:
        return None
    dates = _values(headers, b"date")
    try:
        begin = parsedate_to_datetime(dates[0].decode("latin-1"))
        return max(0.0, (parsedate_to_datetime(expires[0].decode("latin-1")) - begin).total_seconds())
    except (ValueError, IndexError, TypeError):
        return 0.0  # an invalid date, as "0", is in the past; TypeError: one of them has no zone


def _values(headers: Sequence[Header], name: bytes) -> list[bytes]:
    return [value for each, value in headers if each == name]


def _split(text: str) -> list[str]:
    """Split at commas outside of quotes. A quote that does not end hides nothing."""
    if text.count('"') % 2:
        return text.replace('"', "").split(",")
    items: list[str] = []
    current: list[str] = []
    is_quoted = False
    for character in text:
        if character == '"':
            is_quoted = not is_quoted
        if character == "," and not is_quoted:
            items.append("".join(current))
            current = []
        else:
            current.append(character)
    return [*items, "".join(current)]

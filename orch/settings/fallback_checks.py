"""Checks fallbacks and static responses, once each field is valid. Pure."""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from orch.settings.fallbacks import Fallback
from orch.settings.gateway_structs import Gateway, Route
from orch.settings.restrictions import given
from orch.settings.structs import Fault, Settings

MOST: Final = 5
"""Fallbacks of a route."""
MOST_SHARED: Final = 0.9
"""The part of a route's total that may be reserved for other services."""
ARRIVING_PART: Final = 4
"""One part in so many of the cache's bytes may be responses that are still arriving."""
_OF_KIND: Final = {
    "service": frozenset({"service", "path", "timeout", "share", "forward_authorization"}),
    "cached": frozenset({"max_age", "methods", "max_bytes", "per", "unkeyed"}),
    "static": frozenset({"response"}),
}
_SAYS_WHO: Final = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "cookie",
        "x-api-key",
        "api-key",
        "host",
        "x-forwarded-host",
        "x-forwarded-proto",
    }
)
_DEFAULTS: Final[dict[str, Any]] = {
    field.name: field.default for field in msgspec.structs.fields(Fallback) if not field.required
}
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_CONTENT_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(?: *; *[ -~]+)?")
_WITHOUT_MEANING: Final = frozenset({304})


def find_fallback_faults(settings: Settings) -> list[Fault]:
    """Return the faults of routes' fallbacks and of static responses."""
    gateway = settings.orchestration.gateway
    faults = [*_cache(gateway), *_static_responses(gateway)]
    for number, route in enumerate(gateway.routes):
        if route.fallbacks:
            where = f"orchestration.gateway.routes[{number}].fallbacks"
            faults += _of_route(where, route, settings)
    return faults


def _cache(gateway: Gateway) -> Iterator[Fault]:
    cache = gateway.fallback_cache
    most = cache.max_bytes // ARRIVING_PART
    if cache.max_bytes and cache.max_object_bytes > most:
        where = "orchestration.gateway.fallback_cache.max_object_bytes"
        expected = f"expected a quarter of max_bytes at most ({most})"
        yield Fault(where, f"{expected}, got {cache.max_object_bytes}")


def _static_responses(gateway: Gateway) -> Iterator[Fault]:
    seen: set[str] = set()
    for number, response in enumerate(gateway.static_responses):
        where = f"orchestration.gateway.static_responses[{number}]"
        if not _NAME.fullmatch(response.name):
            expected = "expected letters, digits, dots, hyphens and underscores"
            yield Fault(f"{where}.name", f"{expected}, got {given('', response.name)}")
        if response.name in seen:
            yield Fault(f"{where}.name", f"expected each name once, got {given('', response.name)} again")
        seen.add(response.name)
        if response.body and response.file:
            yield Fault(f"{where}.file", "expected either a body or a file")
        if not _CONTENT_TYPE.fullmatch(response.content_type):
            expected = "expected a type such as application/json or text/plain; charset=utf-8"
            yield Fault(f"{where}.content_type", f"{expected}, got {given('', response.content_type)}")
        if response.status in _WITHOUT_MEANING:
            yield Fault(f"{where}.status", "expected another status: 304 is a response to conditions alone")


def _of_route(where: str, route: Route, settings: Settings) -> Iterator[Fault]:
    if len(route.fallbacks) > MOST:
        yield Fault(where, f"expected at most {MOST} fallbacks, got {len(route.fallbacks)}")
    shares = sum(each.share for each in route.fallbacks if each.use == "service")
    if shares > MOST_SHARED:
        yield Fault(where, f"expected shares of {MOST_SHARED:g} together at most, got {shares:g}")
    names = [response.name for response in settings.orchestration.gateway.static_responses]
    used: set[str] = {route.service}
    for number, fallback in enumerate(route.fallbacks):
        here = f"{where}[{number}]"
        yield from _foreign(here, fallback)
        if not fallback.when:
            yield Fault(f"{here}.when", "expected at least one kind of failure")
        if fallback.use == "service":
            yield from _service(here, fallback, used, settings)
            used.add(fallback.service)
        elif fallback.use == "static":
            if fallback.response not in names:
                known = ", ".join(names) or "there is none"
                expected = f"expected the name of a static response ({known})"
                yield Fault(f"{here}.response", f"{expected}, got {given('', fallback.response)}")
        else:
            yield from _cached(here, fallback)
            if any(each.use == "cached" for each in route.fallbacks[:number]):
                yield Fault(f"{here}.use", "expected cached once, as a route has one last good response")
        if any(_covers(each, fallback) for each in route.fallbacks[:number]):
            yield Fault(here, "expected no fallback after a static response to the same failures")


def _service(here: str, fallback: Fallback, used: set[str], settings: Settings) -> Iterator[Fault]:
    known = [name for name in settings.services if name not in used]
    if fallback.service not in known:
        expected = f"expected another service ({', '.join(known) or 'there is none'})"
        yield Fault(f"{here}.service", f"{expected}, got {given('', fallback.service)}")


def _cached(here: str, fallback: Fallback) -> Iterator[Fault]:
    if not fallback.methods:
        yield Fault(f"{here}.methods", "expected GET, POST or both")
    for name in fallback.unkeyed:
        if name.lower() in _SAYS_WHO or not name:
            expected = "expected no header that says who asks, or of which host"
            yield Fault(f"{here}.unkeyed", f"{expected}; got {given('', name)}")


def _foreign(here: str, fallback: Fallback) -> Iterator[Fault]:
    """Find values that mean nothing in a fallback of this kind: they are meant for another one."""
    for use, fields in _OF_KIND.items():
        if use == fallback.use:
            continue
        for name in sorted(fields):
            if getattr(fallback, name) != _DEFAULTS[name]:
                yield Fault(f"{here}.{name}", f"expected nothing here: it is for fallbacks with use: {use}")


def _covers(earlier: Fallback, later: Fallback) -> bool:
    """Return whether an earlier fallback, which cannot fail, is used for all failures of a later one."""
    if earlier.use != "static" or not later.when or not set(later.when) <= set(earlier.when):
        return False
    return "status" not in later.when or set(later.statuses) <= set(earlier.statuses)

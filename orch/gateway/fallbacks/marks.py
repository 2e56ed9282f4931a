"""The header fields that show that a response is a fallback's. Pure.

``X-Gateway-Fallback`` says which kind. A stored response has its ``Age`` and ``Cache-Status`` (RFC 9211);
``Warning``, which RFC 5861 names, is obsolete since RFC 9111. A static response must not be stored by anyone:
it is not the resource.
"""

from collections.abc import Iterable
from typing import Final

from orch.gateway.fallbacks.cache import Stored
from orch.gateway.fallbacks.outcomes import Failed, Outcome
from orch.gateway.headers import Header
from orch.settings import StaticResponse

MARK: Final = b"x-gateway-fallback"
_NO_CONTENT: Final = 204
_CACHE_NAME: Final = b"orchestration"
_OF_ONE_RESPONSE: Final = frozenset(
    {b"x-request-id", b"via", b"age", b"ratelimit", b"ratelimit-policy", b"trailer"}
)


def lasting(headers: Iterable[Header]) -> tuple[Header, ...]:
    """Return the headers of a response to a client that are stored with it."""
    return tuple(
        (name, value)
        for name, value in headers
        if name not in _OF_ONE_RESPONSE and not name.startswith(b"x-gateway-")
    )


def of_stored(stored: Stored, failed: Failed, own: Iterable[Header], now: float) -> list[Header]:
    """Return the headers of a stored response; ``own``: the gateway's of this response."""
    headers = list(stored.headers)
    if not any(name == b"content-length" for name, _ in headers):
        headers.append((b"content-length", b"%d" % len(stored.body)))
    age = stored.age(now)
    headers += [(b"age", b"%d" % age), (b"cache-status", _cache_status(stored, failed, age))]
    return [*headers, *own]


def of_static(response: StaticResponse, size: int, own: Iterable[Header]) -> list[Header]:
    """Return the headers of a static response with a body of ``size`` bytes."""
    headers = [(b"cache-control", b"no-store"), *own]
    if response.status == _NO_CONTENT:  # has no length (RFC 9110 §8.6)
        return headers
    kind = response.content_type.encode("ascii")
    return [(b"content-type", kind), (b"content-length", b"%d" % size), *headers]


def _cache_status(stored: Stored, failed: Failed, age: float) -> bytes:
    """Return the value of ``Cache-Status``: the request was forwarded and failed, or could not be."""
    parts = [_CACHE_NAME, b"hit" if failed.is_unsent else b"fwd=stale"]
    if failed.outcome is Outcome.STATUS:
        parts.append(b"fwd-status=%d" % failed.status)
    if stored.lifetime.fresh is not None:
        parts.append(b"ttl=%d" % (stored.lifetime.fresh - age))
    parts.append(b"detail=%s" % failed.outcome.value.encode("ascii"))
    return b"; ".join(parts)

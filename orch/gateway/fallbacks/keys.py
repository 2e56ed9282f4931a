"""Under which key a response is stored: for which requests it is the same response. Pure.

A cache that knows only some of what a back end acts on can be poisoned: a request with a header that is not
in the key (``X-Forwarded-Host`` is the classic) stores a response that others get. And one that leaves out
who asks gives one user's response to another. So the key is all that reaches the back end: method, path,
query, body, and every header, whatever credentials it holds, except those of which it is known that a whole
response does not depend on them. If it does (``Vary``), it is not stored.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from operator import itemgetter
from typing import Final
from urllib.parse import unquote_to_bytes

from orch.gateway.headers import Header

UNKEYED: Final = frozenset(
    {
        # Of one request: ids, traces, and through whom it came.
        b"x-request-id",
        b"traceparent",
        b"tracestate",
        b"x-forwarded-for",
        # Conditions and ranges: only whole responses are stored.
        b"if-match",
        b"if-none-match",
        b"if-modified-since",
        b"if-unmodified-since",
        b"if-range",
        b"range",
        # What the client wants of caches, and of the connection.
        b"cache-control",
        b"pragma",
        b"te",
        b"connection",
        b"expect",
    }
)
CONDITIONS: Final = frozenset(
    {b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range", b"range"}
)


def key_of(
    target: bytes,
    method: str,
    query: bytes,
    headers: Iterable[Header],
    body: bytes,
    *,
    unkeyed: Iterable[str] = (),
    address: str = "",
) -> bytes:
    """Return the key of a request: a digest, so that no credentials are stored.

    ``target``: of :func:`target_of`; ``headers``: as the back end gets them, names in lower case;
    ``address``: of the caller, where responses are for one address alone. HEAD has the key of GET.
    """
    left_out = UNKEYED | {name.lower().encode("ascii") for name in unkeyed}
    # Stable: the order of values under one name may mean something.
    kept = sorted((header for header in headers if header[0] not in left_out), key=itemgetter(0))
    spoken = b"GET" if method == "HEAD" else method.encode("latin-1")
    flat = [part for header in kept for part in header]
    return sha256(_framed([target, spoken, query, address.encode(), *flat]) + body).digest()


def target_of(prefix: str, service: str, path: str) -> bytes:
    """Return for what responses are stored: a digest of the route, the service and its path, as sent."""
    return sha256(_framed([prefix.encode(), service.encode(), path.encode()])).digest()


def place_of(service: str, path: str) -> bytes:
    """Return where a resource is, whichever route leads there: a digest of the service and its path.

    Without a query, and decoded: what a request may have changed is rather too much than too little.
    """
    return sha256(_framed([service.encode(), unquote_to_bytes(path)])).digest()


def is_conditional(headers: Sequence[Header]) -> bool:
    """Return whether a request has conditions or asks for a range."""
    return any(name in CONDITIONS for name, _ in headers)


def _framed(parts: Sequence[bytes]) -> bytes:
    """Return the parts with their number and their lengths: no two lists of parts look alike."""
    lengths = b"".join(len(part).to_bytes(8, "big") for part in (parts, *parts))
    return lengths + b"".join(parts)

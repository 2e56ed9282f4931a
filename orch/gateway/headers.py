"""Which headers go on, in both directions. Pure.

Hop-by-hop headers, with those that ``Connection`` names, are taken off *before* our own are put on, so that
``Connection: X-Forwarded-For`` cannot take ours off.

Whom to believe about ``X-Forwarded-*``: a peer on the loopback, since that is where a TLS proxy beside the
service connects from. Its ``X-Forwarded-For`` is continued, its ``-Proto`` and ``-Host`` are kept. From any
other peer the headers are its own claim and are replaced by what the connection says. ``Forwarded`` and
``X-Real-IP`` are never passed on: back ends would have to choose between two accounts. Names that become one
of these in a CGI-like environment (``X_Forwarded_For`` in WSGI) are dropped too.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

Header = tuple[bytes, bytes]

# RFC 9110 §7.6.1, with the two of RFC 2616 §13.5.1 that are for the next hop only.
HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)

_FORWARDING: Final = frozenset(
    {
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-forwarded-server",
        b"x-real-ip",
        b"x-request-id",
    }
)
# What the upstream connection says itself: whom it asks, and how long the body is.
_OF_THE_CONNECTION: Final = frozenset({b"host", b"content-length", b"expect"})
# What our own server says: two dates, or the back end's software, help nobody.
_OF_THE_SERVER: Final = frozenset({b"date", b"server"})
_OURS: Final = b"x-gateway-"

_SANE_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks, as connection and request say. ``address`` is the peer's IP address, if it has one."""

    address: str | None
    scheme: str
    host: bytes

    @property
    def is_trusted(self) -> bool:
        """Whether the peer's own account of who it asks for is believed."""
        if self.address is None:
            return False
        try:
            address = ipaddress.ip_address(self.address.partition("%")[0])
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return (mapped or address).is_loopback


def end_to_end(headers: Iterable[Header]) -> list[Header]:
    """Return the headers, names in lower case, without those meant for this connection only."""
    lowered = [(name.lower(), value) for name, value in headers]
    dropped = HOP_BY_HOP
    for name, value in lowered:
        if name == b"connection":
            dropped |= {token.strip().lower() for token in value.split(b",")}
    return [(name, value) for name, value in lowered if name not in dropped]


def for_back_end(headers: Iterable[Header], client: Client, request_id: bytes) -> list[Header]:
    """Return the headers of a client's request for the back end, but for Host and framing."""
    said = list(headers)
    kept = [
        (name, value)
        for name, value in end_to_end(said)
        if name not in _OF_THE_CONNECTION and name.replace(b"_", b"-") not in _FORWARDING
    ]
    for_, proto, host = _forwarded(said, client)
    if for_:
        kept.append((b"x-forwarded-for", for_))
    kept.append((b"x-forwarded-proto", proto))
    if host:
        kept.append((b"x-forwarded-host", host))
    kept.append((b"x-request-id", request_id))
    return kept


def of_our_own(headers: Iterable[Header], request_id: bytes) -> list[Header]:
    """Return the headers of a request of the service's own; an ``X-Request-Id`` among them is kept."""
    kept = [header for header in end_to_end(headers) if header[0] not in _OF_THE_CONNECTION]
    if not any(name == b"x-request-id" for name, _ in kept):
        kept.append((b"x-request-id", request_id))
    return kept


def for_client(headers: Iterable[Header], own: Iterable[Header]) -> list[Header]:
    """Return the headers of a back end's answer for the client, with the gateway's ``own``."""
    kept = [
        (name, value)
        for name, value in end_to_end(headers)
        if name not in _OF_THE_SERVER and name != b"x-request-id" and not name.startswith(_OURS)
    ]
    kept.extend(own)
    return kept


def request_id(headers: Iterable[Header], make: str) -> bytes:
    """Return the client's ``X-Request-Id``, else ``make``.

    It is kept if there is one, of 1 to 128 letters, digits and ``._:-``.
    """
    given = [value for name, value in headers if name.lower() == b"x-request-id"]
    if len(given) == 1 and _SANE_ID.fullmatch(given[0]):
        return given[0]
    return make.encode("ascii")


def is_chunked(headers: Iterable[Header]) -> bool:
    """Return whether a request's body came in chunks; a Content-Length then means nothing (RFC 9112 §6.3)."""
    return any(name.lower() == b"transfer-encoding" for name, _ in headers)


def content_length(headers: Iterable[Header]) -> int | None:
    """Return the declared length of a body, None if none is. Raises ValueError if it is no number."""
    values = {value.strip() for name, value in headers if name.lower() == b"content-length"}
    if not values:
        return None
    if len(values) > 1 or not (value := values.pop()).isdigit():
        raise ValueError("Content-Length is not one number")
    return int(value)


def _forwarded(headers: list[Header], client: Client) -> tuple[bytes, bytes, bytes]:
    peer = (client.address or "").encode("ascii", "ignore")
    if not client.is_trusted:
        return peer, client.scheme.encode("ascii"), client.host
    told: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        told.setdefault(name.lower(), []).append(value)
    chain = b", ".join([*told.get(b"x-forwarded-for", []), peer])
    proto = told.get(b"x-forwarded-proto", [])
    host = told.get(b"x-forwarded-host", [])
    return (
        chain,
        proto[0] if len(proto) == 1 else client.scheme.encode("ascii"),
        host[0] if len(host) == 1 else client.host,
    )

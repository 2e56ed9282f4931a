"""Chooses the headers of a request that are forwarded to a back end. Pure.

Hop-by-hop headers, with those that ``Connection`` names, are removed *before* our own are added, so that
``Connection: X-Forwarded-For`` cannot remove ours.

Names are compared as a CGI-like environment reads them (WSGI: upper case, ``-`` as ``_``), since there
``Transfer_Encoding`` and ``Transfer-Encoding`` are one name. Never forwarded, in any such spelling:

- what a client could use to pose as the gateway: framing, forwarding, ``X-Gateway-*``;
- what makes a back end act on another method or path than the one that was checked here, or take the request
  for another client's: ``X-HTTP-Method-Override``, ``X-Original-URL``, ``X-Rewrite-URL``, ``X-Client-IP``;
- ``Proxy``, which becomes ``HTTP_PROXY`` in the environment of CGI programs (httpoxy);
- the credentials of this service: its cookies (there are no others: cookies of back ends are not passed on),
  the token for operators, the keys of sessions.

``X-Forwarded-*`` is believed if it comes from a trusted proxy. The back end gets the part of the chain that
trusted proxies have seen themselves, the client first; entries before it, which the client added, are
dropped. Which these are depends on their addresses, or on how many proxies there are (``trusted_hops``). From
any other peer these headers are replaced by what the connection shows. ``Forwarded`` and ``X-Real-IP`` are
never forwarded: back ends would have to choose between two statements.

``Via`` gets the gateway's entry (:mod:`orch.gateway.hops`); the trace goes on, or begins
(:mod:`orch.gateway.trace_context`).
"""

import ipaddress
import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from hmac import compare_digest
from typing import Final

from msgspec import Struct

from orch.access.addresses import Network, is_in, outermost
from orch.gateway.hops import VIA, Hops
from orch.gateway.trace_context import PARENT, STATE, new_parent, trace_headers
from orch.protocol.request_id import HEADER

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

# Values of Connection that name no header beside those above.
_NAMELESS: Final = frozenset({b"keep-alive", b"Keep-Alive", b"close"})

# Replaced for the upstream connection: its host and the length of the body. The body is complete before it is
# forwarded, so nothing is expected.
_OF_THE_CONNECTION: Final = frozenset({b"host", b"content-length", b"expect"})
_FORWARDING: Final = frozenset(
    {
        b"forwarded",
        b"x-request-id",
        b"x-real-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"x-remote-ip",
        b"x-remote-addr",
        b"x-remote-user",
        b"x-proxyuser-ip",
        b"x-envoy-external-address",
        b"x-url-scheme",
        b"x-scheme",
        b"client-ip",
        b"true-client-ip",
        b"cf-connecting-ip",
        b"fastly-client-ip",
        b"fly-client-ip",
        b"front-end-https",
        b"remote-user",
        b"script-name",
        b"path-info",
    }
)
_OVERRIDING: Final = frozenset(
    {
        b"proxy",
        b"x-host",
        b"x-http-host-override",
        b"x-http-method",
        b"x-http-method-override",
        b"x-method-override",
        b"x-override-url",
        b"x-script-name",
    }
)
_CREDENTIALS: Final = frozenset({b"cookie", b"cookie2", b"x-session-key", b"x-control-token"})
_CONTINUED: Final = frozenset({VIA, PARENT, STATE})
"""What the gateway sends in its own words, from what it was sent."""
_NEVER: Final = HOP_BY_HOP | _OF_THE_CONNECTION | _FORWARDING | _OVERRIDING | _CREDENTIALS | _CONTINUED
_NEVER_BEGINNING: Final = (b"x-forwarded", b"x-original-", b"x-rewrite-", b"x-gateway-")
# Headers that are forwarded, but not in a spelling that a CGI-like back end reads as a second header.
_PLAIN_ONLY: Final = frozenset({b"authorization", b"content-type", b"content-encoding", b"origin", b"range"})

_SANE_HOST: Final = re.compile(rb"[A-Za-z0-9._:\[\]-]{1,255}")


class Client(Struct, frozen=True):
    """The client of a request, as the connection and the request show it. ``address``: the peer's IP address.

    ``trusted``: the networks of proxies whose statements about their own clients are believed.
    ``trusted_hops``: how many proxies each request passes, the peer included; 0: as many as are in them.
    ``http_version``: of the request, as ASGI has it.
    """

    address: str | None
    scheme: str
    host: bytes
    trusted: tuple[Network, ...] = ()
    http_version: str = "1.1"
    trusted_hops: int = 0

    @property
    def is_trusted(self) -> bool:
        """Whether the peer's statements about its own client are believed."""
        return _is_trusted(self.address or "", self.trusted)


def end_to_end(headers: Iterable[Header]) -> list[Header]:
    """Return the headers, names in lower case, without those meant for this connection only."""
    lowered = [(name.lower(), value) for name, value in headers]
    dropped = HOP_BY_HOP
    for name, value in lowered:
        if name == b"connection" and value not in _NAMELESS:
            dropped |= {token.strip().lower() for token in value.split(b",")}
    return [(name, value) for name, value in lowered if name not in dropped]


def for_back_end(
    headers: Iterable[Header],
    client: Client,
    request_id: bytes,
    hops: Hops,
    *,
    is_own_credential: Callable[[bytes], bool] = lambda _: False,
) -> list[Header]:
    """Return the headers of a client's request for the back end, except Host and framing.

    ``hops`` makes the gateway's entry in ``Via``. ``is_own_credential`` returns whether the value of an
    ``Authorization`` is a credential of this service. Raises :class:`~orch.gateway.hops.LoopError`.
    """
    given = list(headers)
    passed = end_to_end(given)
    kept = [
        (name, value)
        for name, value in passed
        if _passes(name) and not (name == b"authorization" and is_own_credential(value))
    ]
    continued = [header for header in passed if header[0] in _CONTINUED]
    for_, proto, host = _forwarded(given, client)
    if for_:
        kept.append((b"x-forwarded-for", for_))
    kept.append((b"x-forwarded-proto", proto))
    if host:
        kept.append((b"x-forwarded-host", host))
    kept.append((HEADER, request_id))
    if continued:
        kept.append(hops.for_back_end(continued, client.http_version))
        kept += trace_headers(continued)
    else:
        kept += hops.first(client.http_version), (PARENT, new_parent())
    return kept


def holds_token(authorization: bytes, token: str) -> bool:
    """Return whether the value of an ``Authorization`` contains this service's token, in any scheme."""
    if not token:
        return False
    wanted = token.encode()
    scheme, _, given = authorization.strip().partition(b" ")
    given = given.strip() or scheme
    if scheme.lower() == b"basic":
        try:
            return wanted in b64decode(given, validate=True).split(b":", 1)
        except ValueError:
            return False
    return compare_digest(given, wanted)


def of_our_own(headers: Iterable[Header], request_id: bytes) -> list[Header]:
    """Return the headers of a request of the service itself; an ``X-Request-Id`` among them stays."""
    kept = [header for header in end_to_end(headers) if header[0] not in _OF_THE_CONNECTION]
    if not any(name == HEADER for name, _ in kept):
        kept.append((HEADER, request_id))
    return kept


def is_chunked(headers: Iterable[Header]) -> bool:
    """Return whether a request's body is chunked; then a Content-Length means nothing (RFC 9112 §6.3)."""
    return any(name.lower() == b"transfer-encoding" for name, _ in headers)


def content_length(headers: Iterable[Header]) -> int | None:
    """Return the Content-Length, None if there is none. Raises ValueError if it is not one number."""
    values = {value.strip() for name, value in headers if name.lower() == b"content-length"}
    if not values:
        return None
    if len(values) > 1 or not (value := values.pop()).isdigit():
        raise ValueError("Content-Length is not one number")
    return int(value)


@lru_cache(maxsize=1024)
def _passes(name: bytes) -> bool:
    plain = name.replace(b"_", b"-") if b"_" in name else name
    if plain in _NEVER or plain.startswith(_NEVER_BEGINNING):
        return False
    return plain is name or plain not in _PLAIN_ONLY


def _forwarded(headers: list[Header], client: Client) -> tuple[bytes, bytes, bytes]:
    peer = (client.address or "").encode("ascii", "ignore")
    scheme = client.scheme.encode("ascii")
    # Nearly no request has such a header, and the look at the peer costs more than this one.
    if not any(name[:12].lower() == b"x-forwarded-" for name, _ in headers) or not client.is_trusted:
        return peer, scheme, client.host
    values: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(value)
    chain = [peer]
    entries = b",".join(values.get(b"x-forwarded-for", [])).split(b",")
    for hop, entry in enumerate(reversed(entries), 1):
        address = _address(entry.strip().decode("latin-1"))
        if address is None:
            break
        chain.insert(0, str(address).encode())
        if hop == client.trusted_hops:
            break
        if not client.trusted_hops and not _is_trusted(str(address), client.trusted):
            break
    proto = _outermost(values, b"x-forwarded-proto", client.trusted_hops).lower()
    host = _outermost(values, b"x-forwarded-host", client.trusted_hops)
    return (
        b", ".join(chain),
        proto if proto in (b"http", b"https") else scheme,
        host if _SANE_HOST.fullmatch(host) else client.host,
    )


def _outermost(values: Mapping[bytes, list[bytes]], name: bytes, hops: int) -> bytes:
    return (outermost(b",".join(values.get(name, [])).split(b","), hops) or b"").strip()


@lru_cache(maxsize=4096)
def _is_trusted(address: str, networks: tuple[Network, ...]) -> bool:
    return is_in(address, networks)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an IP address, given with or without a port (IPv4 in IPv6 as IPv4), or None."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address

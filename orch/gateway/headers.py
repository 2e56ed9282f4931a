"""Which headers of a request go on to a back end. Pure.

Hop-by-hop headers, with those that ``Connection`` names, are taken off *before* our own are put on, so that
``Connection: X-Forwarded-For`` cannot take ours off.

Names are compared as a CGI-like environment reads them (WSGI: upper case, ``-`` as ``_``), since there
``Transfer_Encoding`` and ``Transfer-Encoding`` are one name. What never goes on, in any such spelling:

- what a client could use to speak as the gateway: framing, forwarding, ``X-Gateway-*``;
- what makes a back end act on another method or path than the one that was checked here, or take the request
  for another client's: ``X-HTTP-Method-Override``, ``X-Original-URL``, ``X-Rewrite-URL``, ``X-Client-IP``;
- ``Proxy``, which becomes ``HTTP_PROXY`` in the environment of CGI programs (httpoxy);
- the credentials of this service: its cookies (there are no others: cookies of back ends end here), the token
  for operators, the keys of sessions.

Whom to believe about ``X-Forwarded-*``: trusted proxies. The back end learns the part of the chain that
trusted proxies have seen themselves, the client first; what the client said before it is dropped. From any
other peer these headers are its own claim and are replaced by what the connection says. ``Forwarded`` and
``X-Real-IP`` are never passed on: back ends would have to choose between two accounts.
"""

import ipaddress
import re
from base64 import b64decode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from hmac import compare_digest
from typing import Final

from orch.access.addresses import Network, is_in
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

# What the upstream connection says itself: whom it asks, and how long the body is. The body is whole before
# it is sent on, so there is nothing to expect.
_OF_THE_CONNECTION: Final = frozenset({b"host", b"content-length", b"expect"})
_FORWARDING: Final = frozenset(
    {
        b"forwarded",
        b"via",
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
_NEVER: Final = HOP_BY_HOP | _OF_THE_CONNECTION | _FORWARDING | _OVERRIDING | _CREDENTIALS
_NEVER_BEGINNING: Final = (b"x-forwarded", b"x-original-", b"x-rewrite-", b"x-gateway-")
# Headers that pass, but not in a spelling under which a CGI-like back end takes them for a second account.
_PLAIN_ONLY: Final = frozenset({b"authorization", b"content-type", b"content-encoding", b"origin", b"range"})

_SANE_HOST: Final = re.compile(rb"[A-Za-z0-9._:\[\]-]{1,255}")


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks, as connection and request say. ``address`` is the peer's IP address, if it has one.

    ``trusted``: the networks of proxies whose account of their own clients is believed.
    """

    address: str | None
    scheme: str
    host: bytes
    trusted: tuple[Network, ...] = ()

    @property
    def is_trusted(self) -> bool:
        """Whether the peer's own account of who it asks for is believed."""
        return _is_trusted(self.address or "", self.trusted)


def end_to_end(headers: Iterable[Header]) -> list[Header]:
    """Return the headers, names in lower case, without those meant for this connection only."""
    lowered = [(name.lower(), value) for name, value in headers]
    dropped = HOP_BY_HOP
    for name, value in lowered:
        if name == b"connection":
            dropped |= {token.strip().lower() for token in value.split(b",")}
    return [(name, value) for name, value in lowered if name not in dropped]


def for_back_end(
    headers: Iterable[Header],
    client: Client,
    request_id: bytes,
    *,
    is_own_credential: Callable[[bytes], bool] = lambda _: False,
) -> list[Header]:
    """Return the headers of a client's request for the back end, but for Host and framing.

    ``is_own_credential`` says of the value of an ``Authorization`` whether it is this service's own.
    """
    said = list(headers)
    kept = [
        (name, value)
        for name, value in end_to_end(said)
        if _passes(name) and not (name == b"authorization" and is_own_credential(value))
    ]
    for_, proto, host = _forwarded(said, client)
    if for_:
        kept.append((b"x-forwarded-for", for_))
    kept.append((b"x-forwarded-proto", proto))
    if host:
        kept.append((b"x-forwarded-host", host))
    kept.append((HEADER, request_id))
    return kept


def holds_token(authorization: bytes, token: str) -> bool:
    """Return whether the value of an ``Authorization`` holds this service's token, under whatever scheme."""
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
    """Return the headers of a request of the service's own; an ``X-Request-Id`` among them is kept."""
    kept = [header for header in end_to_end(headers) if header[0] not in _OF_THE_CONNECTION]
    if not any(name == HEADER for name, _ in kept):
        kept.append((HEADER, request_id))
    return kept


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


def _passes(name: bytes) -> bool:
    plain = name.replace(b"_", b"-") if b"_" in name else name
    if plain in _NEVER or plain.startswith(_NEVER_BEGINNING):
        return False
    return plain is name or plain not in _PLAIN_ONLY


def _forwarded(headers: list[Header], client: Client) -> tuple[bytes, bytes, bytes]:
    peer = (client.address or "").encode("ascii", "ignore")
    scheme = client.scheme.encode("ascii")
    if not client.is_trusted:
        return peer, scheme, client.host
    told: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        told.setdefault(name.lower(), []).append(value)
    chain = [peer]
    for entry in reversed(b",".join(told.get(b"x-forwarded-for", [])).split(b",")):
        address = _address(entry.strip().decode("latin-1"))
        if address is None:
            break
        chain.insert(0, str(address).encode())
        if not _is_trusted(str(address), client.trusted):
            break
    proto = [value.strip().lower() for value in told.get(b"x-forwarded-proto", [])]
    host = [value.strip() for value in told.get(b"x-forwarded-host", [])]
    return (
        b", ".join(chain),
        proto[0] if len(proto) == 1 and proto[0] in (b"http", b"https") else scheme,
        host[0] if len(host) == 1 and _SANE_HOST.fullmatch(host[0]) else client.host,
    )


@lru_cache(maxsize=4096)
def _is_trusted(address: str, networks: tuple[Network, ...]) -> bool:
    return is_in(address, networks)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address, with or without a port; one of IPv4 in IPv6 as IPv4. None: it is none."""
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

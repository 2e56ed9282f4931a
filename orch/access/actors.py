"""Identifies the actor of a request from its connection, never from the client's own claims. Pure.

Without a token, only *local* requests have operator rights. A request is local if all of this holds:

- the connection's own peer is on loopback, or came through a Unix socket;
- the bound address is loopback, or a Unix socket;
- nothing shows that a proxy forwarded the request: no ``Forwarded``, ``X-Forwarded-*``, ``X-Real-IP``,
  ``Via`` or similar header; not HTTP/1.0, which nginx uses by default towards upstreams and current clients
  do not; and no ``Connection: upgrade`` without ``Upgrade``, which nginx sends when configured for
  WebSockets;
- ``Host`` is given once and is a loopback name or the bound address, so that a page whose own host name was
  made to resolve to 127.0.0.1 is not local.

The client chooses Host, so it can only remove rights. If a token is configured, none of this gives operator
rights; only the token does, or a cookie that was issued for it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal

from msgspec import Struct

from orch.access.addresses import (
    Proxies,
    group,
    host_name,
    is_address,
    is_listed,
    is_loopback,
    is_same_host,
    outermost,
)

Header = tuple[bytes, bytes]
Via = Literal["local", "token", "cookie", "none"]


#: The address of clients on this machine where limits count them.
THIS_MACHINE: Final = "this machine"


class Actor(Struct, frozen=True, gc=False):
    """The actor of a request or connection, with its rights.

    ``is_local``: it comes from this machine, whether or not a token is configured. ``via``: what made it an
    operator. ``address``: the client's, for logs and limits; from a trusted proxy, the one that it reports.
    ``sign_in``: the name of a signed-in browser's sign-in.
    """

    is_operator: bool
    is_local: bool
    via: Via
    address: str
    sign_in: str = ""

    @property
    def is_trusted(self) -> bool:
        """Whether it is an operator or local: it needs no key, and few limits apply."""
        return self.is_operator or self.is_local

    @property
    def limit_key(self) -> str:
        """The client that it counts as where each has a limit: this machine, or an address."""
        return THIS_MACHINE if self.is_local else group(self.address)


#: The key of the actor in an ASGI scope.
ACTOR: Final = "orch.actor"

# Headers that proxies, load balancers, tunnels and sign-in portals add: names with hyphens, one a line. The
# pattern matches what the names have in common, since other products vary them slightly.
_ADDED: Final = re.compile(
    rb"forwarded"
    rb"|(?:client|real|remote|connecting|cluster|source|user|peer|viewer|visitor)-?(?:ip|addr)"
    rb"|^(?:tailscale|ngrok|cf|cdn|cloudfront|akamai|x-akamai|fly|fastly|x-azure|x-arr|x-ms-proxy|x-appengine"
    rb"|x-google|x-amzn|x-amz-cf|x-vercel|x-nf|x-envoy|x-original|x-auth-request|x-authentik|x-webauth|x-remote"
    rb"|wl-proxy|proxy|ssl-client|x-ssl|incap|x-varnish|surrogate)-"
    rb"|^(?:via|x-scheme|x-proto|x-url-scheme|front-end-https|x-https|x-varnish|x-cloud-trace-context|x-ms-proxy"
    rb"|max-forwards|early-data|client-cert|client-cert-chain|remote-user|true-client|x-accel-internal)$",
    re.MULTILINE,
)

_CACHED_NAMES: Final = 512  # bytes of names in a cache entry at most


def single(headers: Sequence[Header], wanted: bytes) -> str | None:
    """Return a header's value if it occurs exactly once; names are in lower case."""
    named = dict(headers)
    value = named.get(wanted)
    if value is None:
        return None
    if len(named) != len(headers) and sum(name == wanted for name, _ in headers) > 1:
        return None
    return value.decode("latin-1")


def host_of(headers: Sequence[Header]) -> str:
    """Return the ``Host`` of a request; empty if there is none, or several."""
    return single(headers, b"host") or ""


def is_forwarded(headers: Sequence[Header], http_version: str = "1.1") -> bool:
    """Return whether a request has traces of a proxy."""
    if http_version == "1.0":
        return True
    named = dict(headers)
    names = b"\n".join(named)
    if _are_added(names) if len(names) <= _CACHED_NAMES else _ADDED.search(names.replace(b"_", b"-")):
        return True
    if b"upgrade" in named:
        return False
    # A proxy for WebSockets may announce an upgrade with every request; a client that wants one names it.
    if len(named) == len(headers):
        return b"upgrade" in named.get(b"connection", b"").lower()
    return any(name == b"connection" and b"upgrade" in value.lower() for name, value in headers)


@lru_cache(maxsize=1024)
def _are_added(names: bytes) -> bool:
    """Return whether header names show a proxy; cached, since clients repeat the same ones."""
    return _ADDED.search(names.replace(b"_", b"-")) is not None


def is_bound_to_loopback(server: Sequence[Any] | None) -> bool:
    """Return whether the bound address, ASGI's ``server``, is reachable only from this machine."""
    if not server:
        return False
    host, port = server[0], server[1]
    return port is None or is_loopback(host)  # without a port it is a Unix socket's path


def is_local(scope: Mapping[str, Any]) -> bool:
    """Return whether a request comes from this machine directly, without a proxy."""
    server, client = scope.get("server"), scope.get("client")
    if not server:
        return False
    headers = scope["headers"]
    return _is_local(
        client[0] if client else None, server[0], server[1], host_of(headers)
    ) and not is_forwarded(headers, scope.get("http_version", "1.1"))


@lru_cache(maxsize=4096)
def _is_local(peer: str | None, bound: str, port: int | None, host: str) -> bool:
    """Return whether both ends of the connection and the requested host are this machine."""
    if port is None:  # a Unix socket
        return peer is None and is_loopback(host_name(host))
    return (
        peer is not None
        and is_loopback(peer)
        and is_loopback(bound)
        and is_local_name(host_name(host), bound)
    )


def is_local_name(name: str, bound: str | None) -> bool:
    """Return whether a host name is a loopback name or the bound address."""
    return bool(name) and (is_loopback(name) or (bound is not None and is_same_host(name, bound)))


def is_served_host(
    scope: Mapping[str, Any], *, allowed: Sequence[str], token: str, trusts_local: bool
) -> bool:
    """Return whether the service accepts the host name of a request.

    ``allowed``: the names in the settings. While local requests have operator rights, a name that is neither
    loopback nor in the settings is refused: another site's host name may have been made to resolve to this
    machine. Otherwise any name is accepted if the settings list none. Loopback names are always accepted,
    invalid names never.
    """
    server = scope.get("server")
    host = host_of(scope["headers"])
    if host and not host_name(host):
        return False  # not a valid host name
    if not allowed and not (trusts_local and not token and is_bound_to_loopback(server)):
        return True
    bound = server[0] if server and server[1] is not None else None
    return _is_ours(host, bound, tuple(allowed))


@lru_cache(maxsize=4096)
def _is_ours(host: str, bound: str | None, allowed: tuple[str, ...]) -> bool:
    name = host_name(host)
    return bool(name) and (is_local_name(name, bound) or is_listed(name, allowed))


def client_address(scope: Mapping[str, Any], trusted: Proxies) -> str:
    """Return a client's address: the peer's, or the one that trusted proxies report.

    In ``X-Forwarded-For`` the last entry that is not a trusted proxy counts, or the one that the outermost
    of ``trusted.hops`` proxies has added; the client can forge the entries before it. Where there are fewer
    entries than proxies, the request took a shorter way, and the first one counts.
    """
    client = scope.get("client")
    peer = client[0] if client else "local"
    if client is not None and peer not in trusted:
        return str(peer)
    address = str(peer)
    reported = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    entries = b",".join(reported).decode("latin-1").split(",") if reported else ()
    for hop, entry in enumerate(reversed(entries), 1):
        found = _bare(entry)
        if not found:
            break
        address = found
        if hop == trusted.hops or (not trusted.hops and found not in trusted):
            break
    return address[:64]


def _bare(entry: str) -> str:
    """Return an entry of ``X-Forwarded-For`` without brackets and port; empty if it is not an address."""
    text = entry.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return text if is_address(text) else ""


def is_secure(scope: Mapping[str, Any], trusted: Proxies) -> bool:
    """Return whether the client uses TLS, to the service or, as reported, to a trusted proxy."""
    if scope.get("scheme") in ("https", "wss"):
        return True
    client = scope.get("client")
    if client is not None and client[0] not in trusted:
        return False
    values = [value for name, value in scope["headers"] if name == b"x-forwarded-proto"]
    reported = outermost(b",".join(values).split(b","), trusted.hops)
    return (reported or b"").strip().lower() == b"https"


def bearer(headers: Sequence[Header]) -> str | None:
    """Return the token in ``Authorization: Bearer …``, None if there is none or several."""
    value = single(headers, b"authorization")
    if value is None:
        return None
    scheme, _, given = value.encode("latin-1").decode("utf-8", "surrogateescape").partition(" ")
    return given.strip() if scheme.lower() == "bearer" and given.strip() else None


def cookie(headers: Iterable[Header], wanted: str) -> str | None:
    """Return a cookie's value; the first if it occurs twice."""
    for name, value in headers:
        if name == b"cookie":
            for part in value.decode("latin-1").split(";"):
                key, _, given = part.strip().partition("=")
                if key == wanted and given:
                    return given
    return None


def identify(
    *, is_local: bool, address: str, token: str, has_token: bool, sign_in: str = "", trusts_local: bool = True
) -> Actor:
    """Return the actor.

    ``token``: the configured one; ``has_token``: the request has it. ``sign_in``: the valid sign-in that its
    cookie names. ``trusts_local``: our own server accepted the connection.
    """
    local = is_local and trusts_local
    via: Via = "token" if has_token else "cookie" if sign_in else "local" if local and not token else "none"
    return Actor(
        is_operator=via != "none",
        is_local=local,
        via=via,
        address=address,
        sign_in=sign_in if via == "cookie" else "",
    )


def actor_of(scope: Mapping[str, Any]) -> Actor:
    """Return the actor of an ASGI scope, as :mod:`orch.application` identified it."""
    actor: Actor = scope[ACTOR]
    return actor

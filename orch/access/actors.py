"""Who asks: decided from the connection itself, never from what the client says about itself. Pure.

Operator rights without a token belong to *local* requests alone. A request is local where all of this holds:

- the connection's own peer is on loopback, or came through a Unix socket;
- the address that is really bound is loopback, or a Unix socket;
- nothing shows that someone passed the request on: no ``Forwarded``, ``X-Forwarded-*``, ``X-Real-IP``,
  ``Via`` or one of their relatives, and not HTTP/1.0, which is what nginx speaks to what stands behind it
  where nobody has told it otherwise, and no client of today; nor ``Connection: upgrade`` without an upgrade,
  which is what it says where it was told how to pass WebSockets on;
- ``Host`` is given once and is a loopback name or the bound address, so that a page whose own name was
  pointed at 127.0.0.1 is none.

Host is the client's to choose: it can only take rights away. Where a token is configured, none of this gives
operator rights; the token does, or a cookie that was given for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from orch.access.addresses import Network, host_name, is_address, is_in, is_listed, is_loopback, is_same_host

Header = tuple[bytes, bytes]
Via = Literal["local", "token", "cookie", "none"]


class Actor(Struct, frozen=True, gc=False):
    """Who sends a request or holds a connection.

    ``is_local``: it comes from this machine, whether or not a token is asked for. ``via``: what made it an
    operator. ``address``: the client's, for logs and limits; a proxy's own account of it where the proxy is
    trusted. ``sign_in``: of a browser that signed in, which of the sign-ins it is.
    """

    is_operator: bool
    is_local: bool
    via: Via
    address: str
    sign_in: str = ""


#: Where in a scope the actor stands.
ACTOR: Final = "orch.actor"

#: What proxies, load balancers and tunnels add, names with hyphens; more of them in :func:`_is_forwarded`.
FORWARDING: Final = frozenset(
    {
        b"forwarded",
        b"via",
        b"client-ip",
        b"x-real-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"x-original-for",
        b"x-original-host",
        b"x-original-proto",
        b"x-original-url",
        b"x-original-uri",
        b"x-envoy-external-address",
        b"x-envoy-internal",
        b"x-amzn-trace-id",
        b"x-proxyuser-ip",
        b"x-scheme",
        b"true-client-ip",
        b"cdn-loop",
        b"cf-connecting-ip",
        b"cf-ray",
        b"fastly-client-ip",
        b"fly-client-ip",
    }
)
_FORWARDED: Final = b"x-forwarded"


def single(headers: Iterable[Header], wanted: bytes) -> str | None:
    """Return a header's value where it is given exactly once; names are in lower case."""
    found: str | None = None
    for name, value in headers:
        if name == wanted:
            if found is not None:
                return None
            found = value.decode("latin-1")
    return found


def host_of(headers: Iterable[Header]) -> str:
    """Return the one ``Host`` of a request; empty where there is none, or several."""
    return single(headers, b"host") or ""


def is_forwarded(headers: Iterable[Header], http_version: str = "1.1") -> bool:
    """Return whether something between client and service shows in a request."""
    if http_version == "1.0":
        return True
    announces = upgrades = False
    for name, value in headers:
        if name in FORWARDING or name.startswith(_FORWARDED):
            return True
        if b"_" in name and _is_disguised(name):
            return True
        announces = announces or (name == b"connection" and b"upgrade" in value.lower())
        upgrades = upgrades or name == b"upgrade"
    # A proxy that always says so, for the sake of WebSockets; who asks for an upgrade names it.
    return announces and not upgrades


def _is_disguised(name: bytes) -> bool:
    plain = name.replace(b"_", b"-")
    return plain in FORWARDING or plain.startswith(_FORWARDED)


def is_bound_to_loopback(server: Sequence[Any] | None) -> bool:
    """Return whether the address that was bound, ASGI's ``server``, is this machine's alone."""
    if not server:
        return False
    host, port = server[0], server[1]
    return port is None or is_loopback(host)  # without a port it is a Unix socket's path


def is_local(scope: Mapping[str, Any]) -> bool:
    """Return whether a request comes from this machine and nobody passed it on."""
    server = scope.get("server")
    if not server or not is_bound_to_loopback(server):
        return False
    client = scope.get("client")
    if client is None:
        if server[1] is not None:
            return False
    elif not is_loopback(client[0]):
        return False
    headers = scope["headers"]
    if is_forwarded(headers, scope.get("http_version", "1.1")):
        return False
    return is_local_name(host_name(host_of(headers)), server)


def is_local_name(name: str, server: Sequence[Any]) -> bool:
    """Return whether a host's name is loopback's, or the bound address."""
    return bool(name) and (is_loopback(name) or (server[1] is not None and is_same_host(name, server[0])))


def may_serve(scope: Mapping[str, Any], *, allowed: Sequence[str], token: str, trusts_local: bool) -> bool:
    """Return whether a request names a host that is this service's.

    ``allowed``: the names in the settings. While operator rights go with being local, a name that is neither
    loopback's nor in the settings is refused: it may be a foreign page's, pointed at this machine. Elsewhere
    any name will do where the settings list none. Loopback names are this service's wherever it can be
    reached by them.
    """
    server = scope.get("server")
    if not allowed and not (trusts_local and not token and is_bound_to_loopback(server)):
        return True
    name = host_name(host_of(scope["headers"]))
    if not name:
        return False
    return (server is not None and is_local_name(name, server)) or is_listed(name, allowed)


def client_address(scope: Mapping[str, Any], trusted: Sequence[Network]) -> str:
    """Return where a client is: the peer, or what trusted proxies say that theirs was.

    Of ``X-Forwarded-For`` the last entry counts that is no trusted proxy's: what stands before it is the
    client's own claim.
    """
    client = scope.get("client")
    peer = client[0] if client else "local"
    if client is not None and not is_in(peer, trusted):
        return str(peer)
    told = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    address = str(peer)
    for entry in reversed(b",".join(told).decode("latin-1").split(",") if told else ()):
        found = _bare(entry)
        if not found:
            break
        address = found
        if not is_in(found, trusted):
            break
    return address[:64]


def _bare(entry: str) -> str:
    """Return an entry of ``X-Forwarded-For`` without brackets and port; empty where it is no address."""
    text = entry.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return text if is_address(text) else ""


def is_secure(scope: Mapping[str, Any], trusted: Sequence[Network]) -> bool:
    """Return whether the client speaks TLS: to us, or to a trusted proxy that says so."""
    if scope.get("scheme") in ("https", "wss"):
        return True
    client = scope.get("client")
    if client is not None and not is_in(client[0], trusted):
        return False
    return (single(scope["headers"], b"x-forwarded-proto") or "").strip().lower() == "https"


def bearer(headers: Iterable[Header]) -> str | None:
    """Return the token in ``Authorization: Bearer …``, None where there is none or there are several."""
    value = single(headers, b"authorization")
    if value is None:
        return None
    scheme, _, given = value.partition(" ")
    return given.strip() if scheme.lower() == "bearer" and given.strip() else None


def cookie(headers: Iterable[Header], wanted: str) -> str | None:
    """Return a cookie's value; of one that is given twice the first."""
    for name, value in headers:
        if name == b"cookie":
            for part in value.decode("latin-1").split(";"):
                key, _, given = part.strip().partition("=")
                if key == wanted and given:
                    return given
    return None


def decide(
    *, is_local: bool, address: str, token: str, has_token: bool, sign_in: str = "", trusts_local: bool = True
) -> Actor:
    """Return who asks.

    ``token``: the configured one, ``has_token``: the request has it. ``sign_in``: the valid sign-in that its
    cookie names. ``trusts_local``: nobody else than our own front has accepted the connection.
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
    """Return who sends the request of an ASGI scope, as :mod:`orch.asgi` has decided it."""
    actor: Actor = scope[ACTOR]
    return actor

"""Parses and compares addresses, ``Host`` values and origins. Pure.

Only this module defines loopback. Names and origins are compared after parsing, never as text.
"""

import ipaddress
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Final, TypeVar
from urllib.parse import urlsplit

Value = TypeVar("Value")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: The default port of each scheme.
DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_LONGEST_NAME: Final = 254  # with the trailing dot of a fully qualified name


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an IP address (IPv4-mapped IPv6 as IPv4); None if ``name`` is no address."""
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def is_address(name: str) -> bool:
    """Return whether a text is an IP address."""
    return _address(name) is not None


@lru_cache(maxsize=4096)
def is_loopback(name: str) -> bool:
    """Return whether a host name or address (with or without brackets) is loopback."""
    name = name.lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name[1:-1] if name.startswith("[") and name.endswith("]") else name)
    return address is not None and address.is_loopback


@lru_cache(maxsize=4096)
def split_host(host: str) -> tuple[str, int | None] | None:
    """Return the name and the port of a ``Host`` value: ``[::1]:3000`` is ``("::1", 3000)``.

    The name is in lower case, without brackets and trailing dot. None if the value is invalid.
    """
    try:
        parts = urlsplit(f"//{host}")
        name, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not name or parts.netloc != host or parts.username is not None or parts.path:
        return None
    return (name.removesuffix("."), port) if _is_name(name) else None


def _is_name(name: str) -> bool:
    """Return whether a name is a valid host name: no label is empty or longer than DNS allows."""
    if ":" in name:
        return is_address(name)
    if len(name) > _LONGEST_NAME:
        return False
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return True


def host_name(host: str) -> str:
    """Return the name in a ``Host`` value, in lower case; empty if it is invalid."""
    read = split_host(host)
    return "" if read is None else read[0]


def is_same_host(name: str, other: str) -> bool:
    """Return whether two names, or two spellings of an address, are the same."""
    if name == other:
        return True
    address = _address(name)
    return address is not None and address == _address(other)


def is_listed(name: str, allowed: Iterable[str]) -> bool:
    """Return whether a name is in a list of names; ``*.example.org`` lists all names below that one."""
    for each in allowed:
        listed = each.lower().strip("[]").removesuffix(".")
        if listed.startswith("*."):
            if name.endswith(listed[1:]):
                return True
        elif is_same_host(name, listed):
            return True
    return False


@lru_cache(maxsize=1024)
def is_same_origin(host: str, origin: str) -> bool:
    """Return whether a page of ``origin`` was loaded from ``host`` (RFC 6454 §5).

    ``host`` has no scheme, and behind a proxy that terminates TLS it is not known here. A missing port is the
    default of the origin's scheme, in both.
    """
    try:
        parts = urlsplit(origin)
        name, port = parts.hostname, parts.port
    except ValueError:
        return False
    default = DEFAULT_PORTS.get(parts.scheme)
    if default is None or not name or "@" in parts.netloc or parts.path or parts.query or parts.fragment:
        return False
    requested = split_host(host)
    if requested is None:
        return False
    return is_same_host(name.removesuffix("."), requested[0]) and (port or default) == (
        requested[1] or default
    )


def is_in(address: str, networks: Collection[Network]) -> bool:
    """Return whether an address is in one of some networks."""
    found = _address(address)
    return found is not None and any(
        found in network for network in networks if network.version == found.version
    )


def outermost(values: Sequence[Value], hops: int) -> Value | None:
    """Return what the outermost trusted proxy has reported, of the values of a forwarding header.

    ``values``: in the order of the header, to whose end each proxy adds one, or in whose place it puts its
    own. ``hops``: how many proxies there are; 0: not known, so that a single value is believed alone.
    """
    if len(values) == 1:
        return values[0]
    return values[-hops] if 0 < hops <= len(values) else None


class Proxies:
    """Networks of trusted proxies, with a cache of lookups.

    ``hops``: how many proxies each request passes, the peer included; 0: as many as are in the networks.
    """

    REMEMBERED: Final = 4096

    def __init__(self, networks: Iterable[str] = (), hops: int = 0) -> None:
        self.hops: Final = hops
        self._networks = tuple(read_network(each) for each in networks)
        self._known: dict[str, bool] = {}

    def __contains__(self, address: str) -> bool:
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= self.REMEMBERED:
                self._known.clear()
            known = self._known[address] = is_in(address, self._networks)
        return known


def read_network(text: str) -> Network:
    """Parse ``10.0.0.0/8`` or a single address as a network. Raises ValueError if it is neither."""
    return ipaddress.ip_network(text, strict=False)


@lru_cache(maxsize=4096)
def group(address: str) -> str:
    """Return the address that limits count as one client; for IPv6 its /64, which one client owns."""
    found = _address(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return str(found) if found is not None else address

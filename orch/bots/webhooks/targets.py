"""Decides where a webhook or a calendar request may go. Pure.

A URL comes from any client that may create a bot, and the request is sent from inside of the network: without
a check it would reach what only this machine can reach (server-side request forgery). So the URL is checked
when it is stored (:func:`read_target`), and each time it is used the name is resolved once, each address is
judged (:func:`allowed_addresses`), and the connection is made to one of these: a name that resolves to
another address a moment later (DNS rebinding) gains nothing. Redirects are not followed.

IPv6: addresses outside of 2000::/3 are no public ones, which refuses IPv4-mapped addresses, NAT64, unique
local and link-local ones together; within it, tunnels that contain an IPv4 address are refused too. The lists
are IANA's special-purpose registries (RFC 6890 and its updates), written out here since what ``is_global`` of
:mod:`ipaddress` means differs between versions of Python.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import quote

import idna

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST_URL: Final = 2048

DEFAULT_PORTS: Final = {"https": 443, "http": 80}
USUAL_PORTS: Final = {"https": frozenset({443, 8443}), "http": frozenset({80, 8080})}

MOST_ADDRESSES: Final = 4
"""Addresses of a host that are tried."""

SPECIAL: Final[tuple[tuple[Network, str], ...]] = tuple(
    (ip_network(network), words)
    for network, words in (
        ("0.0.0.0/8", "an address of this machine"),
        ("10.0.0.0/8", "a private address"),
        ("100.64.0.0/10", "an address within a provider's network"),
        ("127.0.0.0/8", "a loopback address"),
        ("169.254.0.0/16", "a link-local address"),
        ("172.16.0.0/12", "a private address"),
        ("192.0.0.0/24", "a reserved address"),
        ("192.0.2.0/24", "an address for examples"),
        ("192.88.99.0/24", "a reserved address"),
        ("192.168.0.0/16", "a private address"),
        ("198.18.0.0/15", "an address for benchmarks"),
        ("198.51.100.0/24", "an address for examples"),
        ("203.0.113.0/24", "an address for examples"),
        ("224.0.0.0/4", "a multicast address"),
        ("240.0.0.0/4", "a reserved address"),
        ("::1/128", "a loopback address"),
        ("::ffff:0:0/96", "an IPv4 address within an IPv6 address"),
        ("64:ff9b::/96", "an IPv4 address within an IPv6 address"),
        ("64:ff9b:1::/48", "an IPv4 address within an IPv6 address"),
        ("fc00::/7", "a private address"),
        ("fe80::/10", "a link-local address"),
        ("ff00::/8", "a multicast address"),
        ("2001::/32", "an IPv4 address within an IPv6 address"),  # Teredo
        ("2001::/23", "a reserved address"),
        ("2001:db8::/32", "an address for examples"),
        ("2002::/16", "an IPv4 address within an IPv6 address"),  # 6to4
        ("3fff::/20", "an address for examples"),
    )
)
_PUBLIC_V6: Final = IPv6Network("2000::/3")

_SCHEME: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<rest>.*)", re.DOTALL)
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_UNSAFE: Final = re.compile(r"[\x00-\x20\x7f\\]")
_PATH_CHARACTERS: Final = "!$%&'()*+,/:;=@-._~?[]|^`{}\"<>"


class TargetError(ValueError):
    """A URL or an address that is not allowed; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class TargetRules:
    """What the settings allow.

    ``networks``: special-purpose networks that may be connected to all the same, as 10.1.0.0/16. ``http``:
    URLs without TLS. ``ports``: the only ports allowed; None: :data:`USUAL_PORTS` of the scheme.
    """

    networks: tuple[Network, ...] = ()
    http: bool = False
    ports: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in parts. ``host``: a name in ASCII and lower case, or an address; ``path`` begins with ``/``.

    ``path`` includes the query and is not shown by ``repr``, since it may be a secret.
    """

    scheme: str
    host: str
    port: int
    path: str = field(repr=False)

    @property
    def address(self) -> Address | None:
        """The host, if it is an address."""
        return _read_address(self.host)

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL, normalised."""
        return f"{self.scheme}://{self.authority}{self.path}"


def read_target(url: str, rules: TargetRules) -> Target:
    """Return the parts of a URL. TargetError: it is none, or the rules do not allow it.

    An address in the URL is judged here already; a name has to be resolved.
    """
    if len(url) > LONGEST_URL:
        raise TargetError(f"expected a URL of at most {LONGEST_URL} characters, got {len(url)}")
    expected = (
        "a URL that begins with https:// or http://" if rules.http else "a URL that begins with https://"
    )
    if _UNSAFE.search(url.strip()):
        raise TargetError(f"expected {expected}, got one with a space, a backslash or a control character")
    found = _SCHEME.fullmatch(url.strip())
    scheme = found["scheme"].lower() if found else ""
    if found is None or scheme not in DEFAULT_PORTS or not found["rest"].startswith("//"):
        raise TargetError(f"expected {expected}")
    if scheme == "http" and not rules.http:
        raise TargetError(f"expected {expected}: what is sent over http can be read on its way")
    cut = re.search(r"[/?#]", rest) if (rest := found["rest"][2:]) else None
    authority, path = (rest[: cut.start()], rest[cut.start() :]) if cut else (rest, "")
    if "@" in authority:
        raise TargetError("expected a URL without a user name or password")
    host, port = _split_port(authority, DEFAULT_PORTS[scheme])
    allowed = USUAL_PORTS[scheme] if rules.ports is None else rules.ports
    if port not in allowed:
        ports = ", ".join(map(str, sorted(allowed)))
        raise TargetError(f"expected one of the ports {ports or '(none)'}, got {port}")
    target = Target(scheme, _read_host(host), port, _read_path(path))
    if target.address is not None and (words := refusal(target.address, rules)):
        raise TargetError(f"expected a public host, got {words}")
    return target


def allowed_addresses(host: str, found: Iterable[str], rules: TargetRules) -> Sequence[str]:
    """Return the addresses of a host that may be connected to, in their order, at most MOST_ADDRESSES.

    ``found``: what the resolver returned. TargetError: there is none; why is said of the first.
    """
    allowed, refused = [], ""
    for text in dict.fromkeys(found):
        address = _read_address(text)
        words = "no address" if address is None else refusal(address, rules)
        if words:
            refused = refused or words
        else:
            allowed.append(text)
    if not allowed:
        raise TargetError(
            f"expected a public host; the name {host} leads to {refused}"
            if refused
            else f"the name {host} has no address"
        )
    return allowed[:MOST_ADDRESSES]


def refusal(address: Address, rules: TargetRules) -> str:
    """Return what kind of address it is if it may not be connected to, else ""."""
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return "an address of one network interface"
    if any(address.version == each.version and address in each for each in rules.networks):
        return ""
    for network, words in SPECIAL:
        if address.version == network.version and address in network:
            return words
    if isinstance(address, IPv6Address) and address not in _PUBLIC_V6:
        return "a reserved address"
    return ""


def _split_port(authority: str, default: int) -> tuple[str, int]:
    if authority.startswith("["):
        host, bracket, rest = authority[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")) or ":" not in host:
            raise TargetError("expected an IPv6 address in brackets")
        port = rest[1:]
    else:
        host, _, port = authority.partition(":")
    if not port:
        return host, default
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65_535:  # noqa: PLR2004 - the highest port
        raise TargetError("expected a port between 1 and 65535")
    return host, int(port)


def _read_host(host: str) -> str:
    """Return a host in one form. A name whose last label is a number is an address or refused.

    Resolvers accept 127.1, 0x7f.1 and 2130706433 as addresses; nobody means them.
    """
    if (address := _read_address(host)) is not None:
        return str(address)
    if ":" in host:
        raise TargetError("expected an IPv6 address in brackets")
    try:
        # IDNA 2008 with the mapping that browsers use: capitals, full-width letters and full stops.
        name = (
            idna.encode(host.rstrip("."), uts46=True).decode("ascii") if not host.isascii() else host.lower()
        )
    except (idna.IDNAError, UnicodeError):
        raise TargetError("expected a host name") from None
    name = name.removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(each) for each in labels):  # noqa: PLR2004 - RFC 1035
        raise TargetError("expected a host name")
    if _NUMBER.fullmatch(labels[-1]):
        raise TargetError("expected a host name or an address, got a number")
    return name


def _read_path(path: str) -> str:
    path = path.partition("#")[0]
    if not path.startswith("/"):
        path = "/" + path
    return quote(path, safe=_PATH_CHARACTERS)


def _read_address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None

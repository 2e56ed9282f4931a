"""What an instance may register, and who may change it. Pure.

A registration makes the service send requests, with what users said in them, to an address that somebody
named. So it may only name the address that it comes from, or one of networks that the settings list; as an IP
address, since a name could lead elsewhere a moment later; without a path, credentials or a query. Addresses
that are never a back end's (link-local ones, where clouds have their metadata, multicast, unspecified and
reserved ones) are refused even then, and so is this service itself, whose requests would go in a circle.

A name belongs to the address that registered it until its lease has ended: another address can neither take
it over nor remove it.
"""

from collections.abc import Collection, Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from orch.problems import ProblemError
from orch.settings import Instance
from orch.settings.addresses import BackEndAddress, read_address

KIND: Final = "registry"
"""The kind of the store's documents."""
RENEWALS: Final = 3
"""How often a lease should be renewed before it ends."""

Seconds = Annotated[float, Meta(ge=5, le=300)]
Weight = Annotated[int, Meta(ge=1, le=100)]
InstanceName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class Wanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A registration: ``url`` with an IP address, the weight, and the seconds until its lease ends."""

    url: Annotated[str, Meta(min_length=1, max_length=256)]
    weight: Weight = 1
    seconds: Seconds = 30


class Registered(Struct, frozen=True, kw_only=True):
    """A stored registration. ``registrant``: the address that it came from; times since the epoch."""

    service: str
    instance: InstanceName
    url: str
    weight: Weight
    seconds: Seconds
    registrant: str
    since: float
    expires: float


def decode(body: bytes) -> Registered | None:
    """Return a stored registration, or None if it cannot be read; the store is not only ours to write."""
    try:
        return msgspec.json.decode(body, type=Registered)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def accepted_url(url: str, registrant: str, *, networks: Iterable[str], own_ports: Collection[int]) -> str:
    """Return the URL as it is used. Raises ProblemError ``invalid_request`` or ``address_refused``.

    ``registrant``: the address that the registration comes from; ``own_ports``: where this service listens.
    """
    try:
        address = read_address(url)
    except ValueError as error:
        raise ProblemError("invalid_request", f"`url`: {error}.", path="$.url") from error
    if address.socket or address.username or address.password or address.base:
        text = "`url`: expected http://ADDRESS:PORT, without user, path or socket."
        raise ProblemError("invalid_request", text, path="$.url")
    place = _ip(address.host)
    if place is None:
        text = "`url`: expected an IP address, as a name could lead elsewhere later."
        raise ProblemError("invalid_request", text, path="$.url")
    if is_forbidden(place):
        raise _refused(f"{place} is never the address of a back end.")
    own = _ip(registrant)
    if place.is_loopback and address.port in own_ports:
        raise _refused("That is the address of this service itself.")
    if place != own and not (place.is_loopback and own is not None and own.is_loopback):
        listed = [ip_network(each) for each in networks]
        if not any(place in network for network in listed):
            raise _refused(
                f"{place} is neither the address that the registration comes from nor in one of the networks "
                "of `discovery.networks`."
            )
    return BackEndAddress(address.scheme, str(place), address.port, "").url


def is_forbidden(place: IPv4Address | IPv6Address) -> bool:
    """Return whether an address is never a back end's."""
    return (
        place.is_unspecified
        or place.is_multicast
        or place.is_link_local
        or (place.is_reserved and not place.is_loopback)
    )


def require_owner(known: Registered | None, registrant: str, *, is_operator: bool) -> None:
    """Raise ``instance_taken`` if a registration of another address holds the name."""
    if known is not None and known.registrant != registrant and not is_operator:
        raise ProblemError(
            "instance_taken",
            "Another address has registered this instance. Choose another name, or wait until it ends.",
        )


def instances_of(found: Iterable[Registered]) -> Mapping[str, tuple[Instance, ...]]:
    """Return the instances of each service, by name; of two with the same URL the first."""
    places: dict[str, dict[str, Instance]] = {}
    for each in sorted(found, key=lambda one: (one.service, one.instance)):
        places.setdefault(each.service, {}).setdefault(each.url, Instance(url=each.url, weight=each.weight))
    return {service: tuple(urls.values()) for service, urls in places.items()}


def _ip(host: str) -> IPv4Address | IPv6Address | None:
    """Return an address; one of IPv4 that is written as IPv6 counts as what it is."""
    try:
        place = ip_address(host)
    except ValueError:
        return None
    return (place.ipv4_mapped or place) if isinstance(place, IPv6Address) else place


def _refused(text: str) -> ProblemError:
    return ProblemError("address_refused", text)

"""Instances from records of DNS. Pure."""

from collections.abc import Iterable
from ipaddress import ip_address

from msgspec import Struct

from orch.settings import Instance, Service
from orch.settings.addresses import BackEndAddress, read_address


class SrvRecord(Struct, frozen=True):
    """An SRV record (RFC 2782). ``target``: a host name without the final dot; "" for "not available"."""

    priority: int
    weight: int
    port: int
    target: str


def looked_up(service: Service) -> str:
    """Return the name that is looked up for a service whose discovery is by DNS. Raises ValueError."""
    return service.discovery.name or read_address(service.url, dialect=service.dialect).host


def of_addresses(service: Service, addresses: Iterable[str]) -> tuple[Instance, ...]:
    """Return an instance for each address, with scheme, port, path and weight of the service's ``url``.

    Addresses that lead to no machine (unspecified and multicast ones) are left out.
    """
    like = read_address(service.url, dialect=service.dialect)
    found = {ip_address(each) for each in addresses}
    return tuple(
        _instance(like, str(each), like.port, service.weight)
        for each in found
        if not each.is_unspecified and not each.is_multicast
    )


def of_services(service: Service, records: Iterable[SrvRecord]) -> tuple[Instance, ...]:
    """Return an instance for each record of the lowest priority, which is the most preferred one.

    Those of other priorities are for when all of these are gone (RFC 2782), which DNS says by leaving them
    out. A record of weight 0 gets the least weight there is.
    """
    like = read_address(service.url, dialect=service.dialect)
    usable = [record for record in records if record.target and record.port]
    first = min((record.priority for record in usable), default=0)
    places: dict[tuple[str, int], int] = {}
    for record in usable:
        if record.priority == first:
            place = (record.target.lower(), record.port)
            places[place] = places.get(place, 0) + max(1, record.weight)
    return tuple(_instance(like, host, port, weight) for (host, port), weight in places.items())


def _instance(like: BackEndAddress, host: str, port: int, weight: int) -> Instance:
    address = BackEndAddress(like.scheme, host, port, like.base, like.username, like.password)
    return Instance(url=address.full, weight=weight)

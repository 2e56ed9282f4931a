"""Checks how the instances of a service are to be found. Pure."""

import ipaddress
import re
from typing import Final

from orch.settings.addresses import read_address
from orch.settings.discovery import Discovery
from orch.settings.service_structs import Service
from orch.settings.structs import Fault

_NAME: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62}\.?)+")


def find_discovery_faults(where: str, service: Service) -> list[Fault]:
    """Return the faults of ``services.NAME.discovery``, given a ``url`` that can be read."""
    found = service.discovery
    at = f"{where}.discovery"
    return _dns(at, service) + _registry(at, service) if found != Discovery() else []


def _registry(at: str, service: Service) -> list[Fault]:
    """Find networks that are none, and a registry whose instances would be sent a key."""
    faults: list[Fault] = []
    for number, network in enumerate(service.discovery.networks):
        try:
            ipaddress.ip_network(network)
        except ValueError:
            faults.append(Fault(f"{at}.networks[{number}]", "expected a network, such as 10.1.0.0/16"))
    if service.discovery.registry != "off" and (service.api_key or service.headers or service.query):
        expected = "expected off, as the service's api_key, headers and query would be sent to what registers"
        faults.append(Fault(f"{at}.registry", expected))
    return faults


def _dns(at: str, service: Service) -> list[Fault]:
    found = service.discovery
    if found.dns == "off":
        return []
    try:
        address = read_address(service.url, dialect=service.dialect)
    except ValueError:
        return []  # which is a fault of its own
    faults: list[Fault] = []
    if found.name and (not _NAME.fullmatch(found.name) or ".." in found.name):
        faults.append(
            Fault(f"{at}.name", "expected a name in DNS, such as audio.example or _http._tcp.example")
        )
    if found.dns == "srv" and not found.name:
        faults.append(
            Fault(f"{at}.name", "expected the name of SRV records, such as _http._tcp.audio.example")
        )
    if found.dns == "addresses" and address.scheme == "https":
        expected = "expected srv or off with https: certificates are for names, not for their addresses"
        faults.append(Fault(f"{at}.dns", expected))
    if found.dns == "addresses" and not found.name and (address.socket or _is_literal(address.host)):
        faults.append(Fault(f"{at}.name", "expected a name in DNS, as url has none"))
    return faults


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True

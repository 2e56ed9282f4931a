"""Checks of settings that involve several fields, once each field is valid. Pure."""

import ipaddress
import re
import unicodedata
from posixpath import normpath
from typing import Final

from orch.settings.addresses import trimmed, unusable_in_header
from orch.settings.analytics_checks import find_wording_faults
from orch.settings.back_ends import find_faults
from orch.settings.bots_checks import find_bots_faults
from orch.settings.fallback_checks import find_fallback_faults
from orch.settings.gateway_structs import Gateway
from orch.settings.hedging_checks import find_hedging_faults
from orch.settings.redis_url import read_address
from orch.settings.restrictions import given
from orch.settings.structs import Fault, Orchestration, Settings
from orch.settings.traces_checks import find_traces_faults

_LAST_PORT: Final = 65535
_SHORTEST_TOKEN: Final = 16
# No encoded characters and no dot segments: every reader understands the same path.
_PLAIN_PATH: Final = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)+/?")
# No path, no quotes, no semicolon or space: it becomes a part of the Content-Security-Policy.
_LIMIT_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_ORIGIN: Final = re.compile(
    r"https?://(?:(?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
)
_PUBLIC_URL: Final = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


def find_cross_faults(settings: Settings) -> list[Fault]:
    """Return the faults that involve several fields."""
    faults: list[Fault] = []
    for name, service in settings.services.items():
        faults += find_faults(name, service)
        urls = [instance.url for instance in service.all_instances()]
        if len(set(urls)) < len(urls):
            faults.append(Fault(f"services.{name}.instances", "expected every url once"))
    seen: set[str] = set()
    for number, route in enumerate(settings.orchestration.gateway.routes):
        where = f"orchestration.gateway.routes[{number}]"
        if route.service not in settings.services:
            known = ", ".join(settings.services)
            faults.append(
                Fault(f"{where}.service", f"expected one of {known}, got {given('', route.service)}")
            )
        if route.prefix in seen:
            faults.append(
                Fault(f"{where}.prefix", f"expected each prefix once, got {given('', route.prefix)} again")
            )
        seen.add(route.prefix)
    return (
        faults
        + _token(settings.orchestration.control_token)
        + _rate_limits(settings.orchestration.gateway)
        + find_hedging_faults(settings)
        + _registry_token(settings.orchestration)
        + find_fallback_faults(settings)
        + _public_routes(settings.orchestration.gateway)
        + _own_ports(settings)
        + _proxies(settings)
        + _tls(settings)
        + _overload(settings)
        + _public_url(settings)
        + _frame_ancestors(settings)
        + find_bots_faults(settings.orchestration.bots)
        + _bots_file(settings)
        + find_wording_faults(settings.orchestration.analytics.wording)
        + find_traces_faults(settings.orchestration.traces)
        + _deployment(settings)
    )


def _registry_token(orchestration: Orchestration) -> list[Fault]:
    """Find a registry token that could be guessed or not be sent, or that gives operator rights."""
    token = orchestration.gateway.registry_token
    where = "orchestration.gateway.registry_token"
    if not token:
        return []
    if len(token) < _SHORTEST_TOKEN or unusable_in_header(token) or token != token.strip():
        return [
            Fault(where, f"expected at least {_SHORTEST_TOKEN} characters of ASCII without blanks around")
        ]
    if token == orchestration.control_token:
        return [Fault(where, "expected another token than orchestration.control_token, which may do more")]
    return []


def _token(token: str) -> list[Fault]:
    """Find a token that no client could send."""
    where = "orchestration.control_token"
    if token and not trimmed(token):
        return [Fault(where, "expected a token, got blanks; omit it if none is wanted")]
    if any(unicodedata.category(each) == "Cc" for each in token):
        return [Fault(where, "expected a token without line breaks and other control characters inside")]
    return []


def _own_ports(settings: Settings) -> list[Fault]:
    """Find worker ports that collide or are out of range."""
    frontend = settings.orchestration.frontend
    first, last = frontend.worker_ports, frontend.worker_ports + frontend.workers - 1
    if not first or (last <= _LAST_PORT and not first <= frontend.port <= last):
        return []
    expected = f"expected {frontend.workers} ports up to {_LAST_PORT}, none of which is {frontend.port}"
    return [Fault("orchestration.frontend.worker_ports", f"{expected}; got {first} to {last}")]


def _proxies(settings: Settings) -> list[Fault]:
    """Find entries that are neither an address nor a network."""
    faults: list[Fault] = []
    for number, each in enumerate(settings.orchestration.frontend.trusted_proxies):
        try:
            ipaddress.ip_network(each, strict=False)
        except ValueError:
            where = f"orchestration.frontend.trusted_proxies[{number}]"
            faults.append(Fault(where, f"expected an address or a network, got {given(where, each)}"))
    if settings.orchestration.frontend.trusted_hops and not settings.orchestration.frontend.trusted_proxies:
        expected = "expected 0, or a network in orchestration.frontend.trusted_proxies for the last proxy"
        faults.append(Fault("orchestration.frontend.trusted_hops", expected))
    return faults


def _tls(settings: Settings) -> list[Fault]:
    """Find a certificate without a key, a key without a certificate, and unsupported protocols."""
    frontend = settings.orchestration.frontend
    if frontend.server != "hypercorn":
        for name, is_wanted in (("http2", frontend.http2), ("http3", frontend.http3)):
            if is_wanted:
                expected = (
                    "expected false; the built-in server supports only HTTP/1.1 (frontend.server: hypercorn "
                    "supports more)"
                )
                return [Fault(f"orchestration.frontend.{name}", expected)]
    if frontend.http3 and not frontend.tls_certificate:
        expected = "expected false, or a certificate: see orchestration.frontend.tls_certificate"
        return [Fault("orchestration.frontend.http3", expected)]
    if frontend.http3 and frontend.workers > 1:
        expected = "expected false, or one worker: one client's datagrams would reach several workers"
        return [Fault("orchestration.frontend.http3", expected)]
    if bool(frontend.tls_certificate) == bool(frontend.tls_key):
        return []
    there, missing = "tls_certificate", "tls_key"
    if not frontend.tls_certificate:
        there, missing = missing, there
    expected = f"expected a PEM file, as orchestration.frontend.{there} names one"
    return [Fault(f"orchestration.frontend.{missing}", expected)]


def _overload(settings: Settings) -> list[Fault]:
    """Find a refusal that would come before the connections are closed."""
    overload = settings.orchestration.overload
    if overload.refuse >= overload.no_keep_alive:
        return []
    expected = f"expected at least no_keep_alive ({overload.no_keep_alive:g}), got {overload.refuse:g}"
    return [Fault("orchestration.overload.refuse", expected)]


def _public_url(settings: Settings) -> list[Fault]:
    """Find a public URL that is not https://HOST[:PORT]."""
    url = settings.orchestration.frontend.public_url
    if not url or _PUBLIC_URL.fullmatch(url):
        return []
    where = "orchestration.frontend.public_url"
    return [Fault(where, f"expected https://HOST or https://HOST:PORT and no path, got {given(where, url)}")]


def _frame_ancestors(settings: Settings) -> list[Fault]:
    """Find origins that are not https://HOST[:PORT]; a path or ``*`` alone would embed more than is meant."""
    where = "orchestration.frontend.frame_ancestors"
    return [
        Fault(
            f"{where}[{number}]",
            "expected an origin, https://HOST or https://HOST:PORT (https://*.example.org: all names "
            f"below), and no path, got {given(where, origin)}",
        )
        for number, origin in enumerate(settings.orchestration.frontend.frame_ancestors)
        if not _ORIGIN.fullmatch(origin)
    ]


def _public_routes(gateway: Gateway) -> list[Fault]:
    where = "orchestration.gateway.public_routes"
    if gateway.public and not gateway.public_routes:
        return [Fault(where, "expected at least one path while orchestration.gateway.public is true")]
    prefixes = [route.prefix for route in gateway.routes]
    return [
        Fault(f"{where}[{number}].path", f"expected a path that begins with one of {', '.join(prefixes)}")
        for number, entry in enumerate(gateway.public_routes)
        if not _PLAIN_PATH.fullmatch(entry.path)
        or not any(
            entry.path == prefix or entry.path.startswith(prefix.rstrip("/") + "/") for prefix in prefixes
        )
    ]


def _rate_limits(gateway: Gateway) -> list[Fault]:
    """Find names that cannot be header fields or occur twice, and routes that there are not."""
    faults: list[Fault] = []
    names: set[str] = set()
    prefixes = [route.prefix for route in gateway.routes]
    for number, limit in enumerate(gateway.rate_limits):
        where = f"orchestration.gateway.rate_limits[{number}]"
        if not _LIMIT_NAME.fullmatch(limit.name):
            expected = "expected letters, digits, dots, hyphens and underscores"
            faults.append(Fault(f"{where}.name", f"{expected}, got {given('', limit.name)}"))
        if limit.name in names:
            faults.append(
                Fault(f"{where}.name", f"expected each name once, got {given('', limit.name)} again")
            )
        names.add(limit.name)
        if limit.route and limit.route not in prefixes:
            expected = f"expected the prefix of a route ({', '.join(prefixes)}), or nothing for all"
            faults.append(Fault(f"{where}.route", f"{expected}; got {given('', limit.route)}"))
    return faults


def _bots_file(settings: Settings) -> list[Fault]:
    """Find one file for both stores: each is locked by its own."""
    own, path = settings.session_management.sqlite_path, settings.orchestration.bots.sqlite_path
    if not path or normpath(path) != normpath(own):
        return []
    return [
        Fault("orchestration.bots.sqlite_path", "expected another file than session_management.sqlite_path")
    ]


def _deployment(settings: Settings) -> list[Fault]:
    faults: list[Fault] = []
    workers = settings.orchestration.frontend.workers
    try:
        read_address(settings.session_management.redis_url)
    except ValueError as error:
        faults.append(Fault("session_management.redis_url", str(error)))
    if workers > 1 and settings.session_management.persistence != "redis":
        faults.append(
            Fault(
                "orchestration.frontend.workers",
                f"expected 1, got {workers}; several share their sessions through Redis, "
                "so set session_management.persistence to redis",
            )
        )
    return faults

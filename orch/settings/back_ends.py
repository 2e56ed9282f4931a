"""Normalises and checks the settings of one back end. Pure."""

import re
from typing import Final

import msgspec

from orch.protocol.terms import (
    MOST_TERM_CHARACTERS,
    MOST_TERMS,
    MOST_TRANSLATION_CHARACTERS,
    joined,
    read_line,
)
from orch.settings.addresses import read_address, trimmed, unusable_in_header
from orch.settings.discovery_checks import find_discovery_faults
from orch.settings.probe_faults import find_probe_faults
from orch.settings.recovery_faults import find_recovery_faults
from orch.settings.restrictions import given
from orch.settings.service_structs import STREAMING_DIALECTS, Service
from orch.settings.structs import Fault

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PATH: Final = re.compile(r"/(?:[!-\"$&->@-~]|%[0-9A-Fa-f]{2})*")
# Headers that the HTTP client sets itself.
_NOT_OURS: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def normalized(service: Service) -> Service:
    """Return the service with white space stripped and addresses normalised.

    An address that cannot be read stays as it is; :func:`find_faults` says why.
    """
    return msgspec.structs.replace(
        service,
        url=_normal_url(service.url, service.dialect),
        instances=tuple(
            msgspec.structs.replace(instance, url=_normal_url(instance.url, service.dialect))
            for instance in service.instances
        ),
        model=trimmed(service.model),
        api_key=trimmed(service.api_key),
        ca_file=trimmed(service.ca_file),
        path=trimmed(service.path),
        glossary=trimmed(service.glossary),
        vocabulary=tuple(dict.fromkeys(trimmed(term) for term in service.vocabulary)),
        streaming_model=trimmed(service.streaming_model),
        headers={trimmed(name).lower(): trimmed(value) for name, value in service.headers.items()},
        query={trimmed(name): trimmed(value) for name, value in service.query.items()},
    )


def find_faults(name: str, service: Service) -> list[Fault]:
    """Return the faults in the settings of the service ``name``; none quotes a secret."""
    where = f"services.{name}"
    faults: list[Fault] = []
    for number, instance in enumerate(service.all_instances()):
        at = where if number == 0 else f"{where}.instances[{number - 1}]"
        try:
            read_address(instance.url, dialect=service.dialect)
        except ValueError as error:
            faults.append(Fault(f"{at}.url", f"{error}, got {given('services.x.url', instance.url)}"))
    if unusable_in_header(service.api_key):
        faults.append(Fault(f"{where}.api_key", _expected_in_header(service.api_key)))
    if service.streaming == "always" and service.dialect not in STREAMING_DIALECTS:
        known = " or ".join(STREAMING_DIALECTS)
        faults.append(Fault(f"{where}.streaming", f"expected auto or never, or the dialect {known}"))
    if service.streaming_protocol == "vllm" and service.dialect != "openai":
        faults.append(Fault(f"{where}.streaming_protocol", "expected openai, or the dialect openai"))
    faults += _added(where, service) + _paths(where, service) + _vocabulary(where, service)
    faults += find_discovery_faults(where, service)
    return faults + find_recovery_faults(where, service) + find_probe_faults(where, service)


def _vocabulary(where: str, service: Service) -> list[Fault]:
    """Return the faults of the names and terms, of which a prompt has room for few."""
    at, lines = f"{where}.vocabulary", service.vocabulary
    if len(lines) > MOST_TERMS:
        expected = f"expected {MOST_TERMS} terms at most, the important ones"
        return [Fault(at, f"{expected}; got {len(lines):,}")]
    terms = [read_line(line) for line in lines]
    known = [term for term in terms if term is not None]
    faults: list[Fault] = []
    if len(known) < len(terms) or "\n" in "".join(lines):
        faults.append(Fault(at, "expected terms that are not empty and have no line breaks"))
    length = len(joined(known))
    if length > MOST_TERM_CHARACTERS:
        faults.append(Fault(at, f"expected {MOST_TERM_CHARACTERS} characters at most, got {length:,}"))
    length = sum(len(each) for term in known for each in term.translations.values())
    if length > MOST_TRANSLATION_CHARACTERS:
        most = f"{MOST_TRANSLATION_CHARACTERS:,} characters of translations at most"
        faults.append(Fault(at, f"expected {most}, got {length:,}"))
    return faults


def _added(where: str, service: Service) -> list[Fault]:
    """Return the faults of the added headers and query."""
    faults: list[Fault] = []
    for header, value in service.headers.items():
        if not _TOKEN.fullmatch(header) or header in _NOT_OURS:
            faults.append(Fault(f"{where}.headers", "expected the name of a header that may be added"))
        elif unusable_in_header(value):
            faults.append(Fault(f"{where}.headers.{header}", _expected_in_header(value)))
    if "" in service.query:
        faults.append(Fault(f"{where}.query", "expected names that are not empty"))
    return faults


def _paths(where: str, service: Service) -> list[Fault]:
    faults: list[Fault] = []
    for key, path in (
        ("path", service.path),
        ("health_endpoint", service.health_endpoint),
        ("warm_up.path", service.warm_up.path),
    ):
        if path and not _is_plain(path, has_query=key == "health_endpoint"):
            expected = "expected a path such as /v1/audio/transcriptions, percent-encoded"
            faults.append(Fault(f"{where}.{key}", f"{expected}; put a query into «query»"))
    return faults


def _normal_url(url: str, dialect: str) -> str:
    """Return an address as written, if that is equivalent, so that people recognise it."""
    written = trimmed(url)
    try:
        address = read_address(written, dialect=dialect)
    except ValueError:
        return written
    if address.socket:
        return address.full
    return written if written.isascii() and read_address(written).base == address.base else address.full


def _expected_in_header(value: str) -> str:
    """Describe what is wrong with a secret, without quoting it."""
    place = next(number for number, c in enumerate(value, 1) if not " " <= c <= "~")
    kind = "a control character" if value[place - 1] < " " or value[place - 1] == "\x7f" else "outside ASCII"
    return f"expected only ASCII, as headers require; character {place} of {len(value)} is {kind}"


def _is_plain(path: str, *, has_query: bool) -> bool:
    plain, _, query = path.partition("?")
    if query and not (has_query and re.fullmatch(r"[!-~]*", query) and "#" not in query):
        return False
    segments = plain.split("/")[1:]
    return (
        bool(_PATH.fullmatch(plain))
        and not any(each in {".", ".."} for each in segments)
        and "//" not in plain
    )

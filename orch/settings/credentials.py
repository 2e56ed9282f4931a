"""The credentials of the service's own requests to a back end: key, added headers, added query. Pure."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

from orch.settings.addresses import BackEndAddress
from orch.settings.service_structs import Service

Header = tuple[bytes, bytes]


_SCHEMES: Final = {"deepgram": "Token", "deepl": "DeepL-Auth-Key"}


def own_headers(service: Service, *, sends_key: bool = True) -> tuple[Header, ...]:
    """Return the added headers, and the API key in ``Authorization`` unless one of them replaces it.

    The key is a bearer token, except where the dialect has a scheme of its own.

    ``sends_key``: False for an API that does not send the key in a header. Values that are invalid in a
    header are left out: the settings report them, and requests must not fail because of them.
    """
    added = [(name.lower(), value) for name, value in service.headers.items()]
    found = []
    if sends_key and service.api_key and not any(name == "authorization" for name, _ in added):
        found.append(("authorization", f"{_SCHEMES.get(service.dialect, 'Bearer')} {service.api_key}"))
    return tuple(_encoded([*found, *added]))


def all_headers(service: Service, address: BackEndAddress) -> tuple[Header, ...]:
    """Return all headers of a request to this address, including its user and password."""
    found = own_headers(service)
    user = address.authorization
    if user is None or any(name == b"authorization" for name, _ in found):
        return found
    return ((b"authorization", user), *found)


def with_query(service: Service, path: str) -> str:
    """Return the path with the service's added query."""
    if not service.query:
        return path
    query = "&".join(f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in service.query.items())
    return f"{path}{'&' if '?' in path else '?'}{query}"


def _encoded(headers: Iterable[tuple[str, str]]) -> Iterable[Header]:
    for name, value in headers:
        stripped = value.strip()
        if name and name.isascii() and stripped and all(" " <= character <= "~" for character in stripped):
            yield name.encode("ascii"), stripped.encode("ascii")

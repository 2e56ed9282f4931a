"""Chooses the headers of a back end's response that are forwarded to the client. Pure.

A browser reads a response as this service's own, since it comes from this service's origin. So headers that
act on an origin rather than on the response are removed: cookies, CORS, HSTS, stored data, service workers,
policies, alternative services, reports, preloading, password prompts. Headers that control a server in front
of this one (``X-Accel-Redirect``) are removed, too. Every response is then an inert document: of its declared
type, in a sandbox without an origin, readable by pages of this service only.

``Location`` and ``Content-Location`` are the back end's own, and it knows itself by the instance's address
(``Host`` says so): they are mapped back to the path under which the route is reached from outside.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

from orch.gateway.headers import Header, end_to_end
from orch.settings.addresses import UNIX, read_address

SECURITY: Final[tuple[Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"sandbox; default-src 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""Headers of every response at a path of the gateway, whether of a back end or our own."""

_ENDING: Final = frozenset(
    {
        # Set by our own server; two dates, or the back end's software, are of no use.
        b"date",
        b"server",
        b"x-powered-by",
        b"x-request-id",
        b"via",
        # State of the origin.
        b"set-cookie",
        b"set-cookie2",
        b"set-login",
        b"clear-site-data",
        b"p3p",
        b"strict-transport-security",
        b"public-key-pins",
        b"public-key-pins-report-only",
        b"expect-ct",
        b"alt-svc",
        b"alternate-protocol",
        b"service-worker-allowed",
        b"service-worker-navigation-preload",
        b"origin-agent-cluster",
        b"origin-trial",
        b"accept-ch",
        b"accept-ch-lifetime",
        b"critical-ch",
        b"activate-storage-access",
        b"observe-browsing-topics",
        # Policies: only ours hold.
        b"content-security-policy",
        b"content-security-policy-report-only",
        b"x-content-security-policy",
        b"x-webkit-csp",
        b"x-content-type-options",
        b"x-frame-options",
        b"x-xss-protection",
        b"x-dns-prefetch-control",
        b"x-permitted-cross-domain-policies",
        b"permissions-policy",
        b"permissions-policy-report-only",
        b"feature-policy",
        b"document-policy",
        b"document-policy-report-only",
        b"require-document-policy",
        b"integrity-policy",
        b"integrity-policy-report-only",
        b"referrer-policy",
        b"timing-allow-origin",
        b"supports-loading-mode",
        b"no-vary-search",
        # Navigation, loading and reports of the browser.
        b"refresh",
        b"link",
        b"speculation-rules",
        b"sourcemap",
        b"x-sourcemap",
        b"use-as-dictionary",
        b"report-to",
        b"reporting-endpoints",
        b"nel",
        b"ping-to",
        b"ping-from",
        # Control servers in front of this one.
        b"x-sendfile",
        b"x-lighttpd-send-file",
        b"x-lighttpd-send-tempfile",
        b"x-reproxy-url",
        b"surrogate-control",
        b"surrogate-key",
    }
)
_ENDING_BEGINNING: Final = (
    b"x-gateway-",
    b"access-control-",
    b"cross-origin-",
    b"attribution-reporting-",
    b"sec-",
    b"x-accel-",
)
# A browser shows a password prompt for these, in this service's name, and stores what is typed.
_ASKING: Final = (b"basic", b"digest", b"negotiate", b"ntlm")
_PLACES: Final = frozenset({b"location", b"content-location"})
_NO_TRAILERS: Final = _PLACES | {b"www-authenticate", b"x-request-id", *(name for name, _ in SECURITY)}
_PORTS: Final = {"http": 80, "https": 443}


class Place(NamedTuple):
    """Where a response comes from: ``url`` of the instance, ``target`` path of the request.

    ``outside`` maps a path of the back end (without the base in its URL) to the path under which clients
    reach it, None if they do not.
    """

    url: str
    target: str
    outside: Callable[[str], str | None]


def for_client(headers: Iterable[Header], own: Iterable[Header], place: Place | None = None) -> list[Header]:
    """Return the headers of a back end's response for the client, with the gateway's ``own``."""
    kept: list[Header] = []
    for name, value in end_to_end(headers):
        if _ends(name):
            continue
        if name in _PLACES and place is not None:
            found = moved(value.decode("latin-1"), place)
            if found is not None:
                kept.append((name, found.encode("latin-1")))
        elif name != b"www-authenticate" or not value.strip().lower().startswith(_ASKING):
            kept.append((name, value))
    kept.extend(own)
    kept.extend(SECURITY)
    return kept


def trailers_for_client(trailers: Iterable[Header]) -> list[Header]:
    """Return the trailers of a back end's response for the client.

    Those that would act as headers of the gateway, or lead anywhere, are left out.
    """
    return [
        (name, value)
        for name, value in end_to_end(trailers)
        if not _ends(name) and name not in _NO_TRAILERS and not name.startswith(b"x-gateway-")
    ]


@lru_cache(maxsize=1024)
def _ends(name: bytes) -> bool:
    return name in _ENDING or name.startswith(_ENDING_BEGINNING)


def moved(reference: str, place: Place) -> str | None:
    """Return the reference in a ``Location`` as a client of the gateway has to read it.

    One that leads to another host is left as it is. None: it leads to a part of the instance that no route
    reaches; an address inside is of no use outside.
    """
    try:
        found = urlsplit(reference)
        of_instance = urlsplit(_http_url(place.url))
        is_elsewhere = bool(found.netloc) and _authority(found) != _authority(of_instance)
        is_elsewhere = is_elsewhere or (bool(found.scheme) and found.scheme not in _PORTS)
    except ValueError:
        return None
    if is_elsewhere:
        return reference
    if not found.netloc and not found.path:
        return reference  # a query or a fragment of the same resource
    if not found.netloc and not found.path.startswith("/") and ".." not in found.path.split("/"):
        return reference  # below the same directory, inside as outside
    base = of_instance.path.rstrip("/")
    path = found.path or "/"
    if not path.startswith("/") or "/../" in path + "/" or "/./" in path + "/":
        path = urlsplit(urljoin(f"http://inside{base}{place.target.partition('?')[0]}", path)).path
    if base and not (path + "/").startswith(base + "/"):
        return None
    outside = place.outside(path[len(base) :] or "/")
    return None if outside is None else urlunsplit(("", "", outside, found.query, found.fragment))


def _http_url(url: str) -> str:
    """Return the URL under which an instance knows itself. Raises ValueError."""
    return read_address(url).url if url.startswith(UNIX) else url


def _authority(parts: SplitResult) -> tuple[str, int | None]:
    """Return host and port; a default port, of whichever scheme, is none.

    What ends TLS in front of the instance, or believes ``X-Forwarded-Proto``, writes another scheme than the
    instance's URL has.
    """
    port = parts.port
    return (parts.hostname or "").lower().rstrip("."), None if port in _PORTS.values() else port

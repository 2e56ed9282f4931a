"""Which headers of a back end's answer go on to the client. Pure.

An answer is read by a browser as this service's own: it stands at this service's origin. So whatever acts on
an origin rather than on the answer ends here: cookies, CORS, HSTS, stored data, service workers, policies,
other ways to the origin, reports, what is loaded ahead, what a browser asks a password for. What makes a
server in front of this one act (``X-Accel-Redirect``) ends here too. Every answer is then a document that can
do nothing: of its declared type, in a sandbox without an origin, read by pages of this service alone.

``Location`` and ``Content-Location`` are the back end's own, and it knows itself by the instance's address
(``Host`` says so): they are mapped back to the path under which the route is reached from outside.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

from orch.gateway.headers import Header, end_to_end

SECURITY: Final[tuple[Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"sandbox; default-src 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""What every answer at a path of the gateway carries, whoever gave it."""

_ENDING: Final = frozenset(
    {
        # What our own server says: two dates, or the back end's software, help nobody.
        b"date",
        b"server",
        b"x-powered-by",
        b"x-request-id",
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
        # Policies, which are ours to set.
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
        # Where the browser goes, what it loads, to whom it reports.
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
        # What makes a server in front of this one act.
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
# A browser answers these with a dialog for a password, in this service's name, and remembers what was typed.
_ASKING: Final = (b"basic", b"digest", b"negotiate", b"ntlm")
_PLACES: Final = frozenset({b"location", b"content-location"})
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer comes from. ``url``: the instance's, ``target``: the path it was asked for.

    ``outside`` maps a path of the back end (without the base in its URL) to the path under which clients
    reach it, None where they do not.
    """

    url: str
    target: str
    outside: Callable[[str], str | None]


def for_client(headers: Iterable[Header], own: Iterable[Header], place: Place | None = None) -> list[Header]:
    """Return the headers of a back end's answer for the client, with the gateway's ``own``."""
    kept: list[Header] = []
    for name, value in end_to_end(headers):
        if name in _ENDING or name.startswith(_ENDING_BEGINNING):
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


def moved(reference: str, place: Place) -> str | None:
    """Return the reference in a ``Location`` as a client of the gateway has to read it.

    One that leads to another host is left as it is. None: it leads to a part of the instance that no route
    reaches; an address inside is of no use outside.
    """
    try:
        found = urlsplit(reference)
        of_instance = urlsplit(place.url)
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


def _authority(parts: SplitResult) -> tuple[str, int | None]:
    """Return host and port; a default port, of whichever scheme, is none.

    What ends TLS in front of the instance, or believes ``X-Forwarded-Proto``, writes another scheme than the
    instance's URL has.
    """
    port = parts.port
    return (parts.hostname or "").lower().rstrip("."), None if port in _PORTS.values() else port

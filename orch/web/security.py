"""What every answer forbids the browser, and who may change what.

Pure: headers and settings in, a verdict out.
"""

import hmac
import ipaddress
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from orch.problems import ProblemError

# 'self' alone: no inline script or style, nothing from elsewhere. `blob:` is for recordings played back.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; img-src 'self' data:; media-src 'self' blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def host_name(host: str) -> str:
    """Return the name in a ``Host`` value: without port and brackets, in lower case."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def is_loopback(name: str) -> bool:
    """Whether a host name or address means this machine alone."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def check_origin(*, host: str, origin: str | None, fetch_site: str | None) -> None:
    """Refuse a change that another site's page asks for.

    A browser names the page's origin in every such request, and no page can forge it; what is no browser
    (curl, a program) sends none and cannot be tricked by a page.
    """
    if origin is None:
        if fetch_site in {"cross-site", "same-site"}:
            raise ProblemError("wrong_origin", "The request comes from another site's page.")
        return
    try:
        same = urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        same = False
    if not same:
        raise ProblemError(
            "wrong_origin", f"A page of {origin[:200]} may not change anything at {host[:200]}."
        )


def check_token(*, bound: str, host: str, authorization: str | None, token: str) -> None:
    """Refuse a change of the service itself without the control token, where one is needed.

    None is needed while the service listens on loopback and was asked by a loopback name: the second half
    keeps out pages whose own name was pointed at 127.0.0.1, since their origin equals the host they asked.
    """
    if is_loopback(host_name(bound)) and is_loopback(host_name(host)):
        return
    if not token:
        raise ProblemError(
            "token_required",
            "Changes from beyond this machine need a token: set orchestration.control_token "
            "(ORCH_CONTROL_TOKEN) and start the service again.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    scheme, _, given = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
        words = (
            "That is not the control token." if authorization else "Send it as Authorization: Bearer TOKEN."
        )
        raise ProblemError(
            "token_required",
            f"{words} It is orchestration.control_token, or the one written to the log at start.",
            headers={"WWW-Authenticate": "Bearer"},
        )

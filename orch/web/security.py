"""The security headers of every response, by its type. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final

# 'self' alone: no inline scripts or styles, nothing from other origins. `blob:` is for playing recordings.
_POLICY: Final = (
    "default-src 'self'; img-src 'self' data:; media-src 'self' blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors "
)

CONTENT_SECURITY_POLICY: Final = f"{_POLICY}'none'"


def embeddable_policy(origins: Iterable[str]) -> str:
    """Return the policy of a page that sites of ``origins`` may embed; without any, nobody may."""
    return _POLICY + (" ".join(origins) or "'none'")


HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

# Scripts and styles are governed by the policies of the page that loads them, except for workers, whose own
# responses count. The others are 400 bytes in each of a page's hundred files.
_OF_SUBRESOURCES: Final = frozenset({"X-Content-Type-Options", "Cross-Origin-Resource-Policy"})
_SUBRESOURCES: Final = frozenset({"text/javascript", "text/css"})
#: How the names of workers' scripts end.
_WORKER: Final = "-worker.js"


def headers_of(mimetype: str, *, path: str = "") -> Mapping[str, str]:
    """Return the security headers of a response of this type; ``path``: of its request."""
    if mimetype not in _SUBRESOURCES or path.endswith(_WORKER):
        return HEADERS
    return {name: value for name, value in HEADERS.items() if name in _OF_SUBRESOURCES}

"""The security headers of every response. Pure."""

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

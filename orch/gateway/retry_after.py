"""Reads ``Retry-After`` (RFC 9110 §10.2.3). Pure."""

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST: Final = 300.0
"""Seconds that an instance rests at most, whatever it asks for."""
STATUSES: Final = frozenset({429, 503})
"""Statuses with which an instance says that it is busy rather than broken, if it says for how long."""


def rest_of(
    status: int, headers: tuple[tuple[bytes, bytes], ...], at: float, *, longest: float = LONGEST
) -> float | None:
    """Return for how many seconds an instance wants no requests, None if it does not say so.

    ``at``: seconds since the epoch, for a date. ``longest``: the most that it gets.
    """
    if status not in STATUSES:
        return None
    text = next((value for name, value in headers if name == b"retry-after"), b"").strip().decode("latin-1")
    if text.isascii() and text.isdigit():
        return min(longest, float(text[:9]))
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    seconds = date.replace(tzinfo=date.tzinfo or UTC).timestamp() - at
    return min(longest, max(0.0, seconds))

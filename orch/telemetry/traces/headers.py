"""The ``traceparent`` of a request. Pure."""

from collections.abc import Iterable
from typing import Final

HEADER: Final = "traceparent"
NAME: Final = HEADER.encode()
LONGEST: Final = 256
"""Bytes of one; today's have 55, and those of later versions may have more."""


def traceparent_in(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the ``traceparent`` of a request; "" if it has none, several, or one that is too long.

    ``headers``: as ASGI has them, names in lower case. What is returned may be invalid.

    >>> traceparent_in([(b"host", b"a"), (b"traceparent", b"00-1-2-01")])
    '00-1-2-01'
    """
    found = [value for name, value in headers if name == NAME]
    return found[0].decode("latin-1") if len(found) == 1 and len(found[0]) <= LONGEST else ""

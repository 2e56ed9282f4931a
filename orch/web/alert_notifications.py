"""Alertmanager's notifications as requests: their path, size, and the password they come with. Pure."""

import base64
import binascii
from typing import Final

PATH: Final = "/api/alerts/webhook"

LARGEST: Final = 4 * 2**20
"""Bytes of a notification: 200 alerts with texts of 10 kB, and more of usual ones."""


def basic_password(header: str | None) -> str | None:
    """Return the password of a header ``Authorization`` with basic authentication; None: it has none.

    >>> basic_password("Basic YWxlcnRtYW5hZ2VyOnBhc3M6d29yZA==")
    'pass:word'
    """
    scheme, _, encoded = (header or "").strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        return ""
    return decoded.partition(":")[2]

"""Whether a meeting's address can be reached, before anything is started for it."""

from typing import Final
from urllib.parse import urlsplit

import trio

from orch.masking import mask_url

PATIENCE: Final = 8.0
"""Seconds for the look-up of the name and the connection."""


class UnreachableError(Exception):
    """An address cannot be reached; the text is a sentence for people."""


async def check_reachable(url: str) -> None:
    """Open a connection to the host of ``url`` and close it. UnreachableError: it is not possible."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or {"http": 80}.get(parts.scheme, 443)
    try:
        with trio.fail_after(PATIENCE):
            stream = await trio.open_tcp_stream(host, port)
            await stream.aclose()
    except trio.TooSlowError:
        raise UnreachableError(f"{mask_url(host)} did not accept a connection in {PATIENCE:g} s.") from None
    except OSError as error:
        raise UnreachableError(
            f"{mask_url(host)} cannot be reached from this machine: {error.strerror or error}."
        ) from error

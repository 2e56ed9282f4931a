"""Request ids: one word that names a request in its response, its problem document and the log. Pure.

A client, or a proxy in front, may send its own in ``X-Request-Id``; it is passed on to back ends and to the
log. Everything else gets a new one (:func:`orch.protocol.identifiers.new_request_id`).
"""

import re
from collections.abc import Callable, Iterable
from typing import Final

#: The header, in lower case as ASGI has it.
HEADER: Final = b"x-request-id"

_VALID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def request_id(headers: Iterable[tuple[bytes, bytes]], new: Callable[[], str]) -> str:
    """Return the client's id if it sends exactly one that is valid, else ``new()``.

    Valid are 1 to 128 letters, digits and ``._:-``: it is written to logs.
    """
    given = [value.decode("latin-1") for name, value in headers if name.lower() == HEADER]
    return given[0] if len(given) == 1 and _VALID.fullmatch(given[0]) else new()


def message_id(connection_id: str, number: int) -> str:
    """Return the id of a WebSocket message: the ``number``-th that the connection received."""
    return f"{connection_id}-{number}"


def instance(identity: str) -> str:
    """Return the ``instance`` member of a problem document (RFC 9457 §3.1.5): a URN of the request."""
    return f"urn:request:{identity}"

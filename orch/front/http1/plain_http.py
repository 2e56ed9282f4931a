"""The response to plain HTTP at a port that expects TLS. Pure.

The first byte tells them apart: a TLS client begins with a handshake record (22), a request with a letter.
Browsers use plain HTTP if an address is typed without ``https``; they are redirected to the same address with
it. Other requests get an error that says so.
"""

import re
from typing import Final

from orch.front.http1.error_responses import problem
from orch.front.http1.request_parser import BadRequestError, RequestHead, RequestParser
from orch.problems import ProblemError

HANDSHAKE: Final = 0x16
_HOST: Final = re.compile(rb"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_TARGET: Final = re.compile(rb"/[!-~]*")
_SAFE: Final = (b"GET", b"HEAD")

WORDS: Final = "This address requires TLS. Use https:// (wss:// for a WebSocket)."


def is_tls(first: bytes) -> bool:
    """Return whether a connection begins with TLS; also true for no bytes."""
    return not first or first[0] == HANDSHAKE


def response(received: bytes, date: bytes) -> bytes:
    """Return the complete response to the first bytes of a connection; empty if they are not HTTP."""
    if not received[:1].isalpha():
        return b""
    try:
        events = RequestParser().feed(received)
    except BadRequestError:
        events = []
    head = events[0] if events else None
    if isinstance(head, RequestHead) and head.method in _SAFE and not head.upgrade:
        hosts = [value for name, value in head.headers if name == b"host"]
        if len(hosts) == 1 and _HOST.fullmatch(hosts[0]) and _TARGET.fullmatch(head.target):
            location = b"https://" + hosts[0] + head.target
            lines = (
                b"HTTP/1.1 307 Temporary Redirect",
                b"location: " + location,
                b"content-length: 0",
                b"cache-control: no-store",
                b"date: " + date,
                b"connection: close",
                b"",
                b"",
            )
            return b"\r\n".join(lines)
    return problem(ProblemError("tls_required", WORDS), date)

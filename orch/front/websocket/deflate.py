"""Negotiation of permessage-deflate, the server's side (RFC 7692 §5 and §7.1). Pure.

Both sides compress every message by itself (no context takeover), so that an idle connection stores no
window. RFC 7692 lets a server require that whether or not the client offers it (§7.1.1). The four parameters:

- ``server_no_context_takeover``, ``client_no_context_takeover``: accepted, and always in the response.
- ``server_max_window_bits``: accepted from 9 to 15, and in the response with the same value. 8 is declined:
  zlib makes no raw deflate stream with a window of 256 bytes (``deflateInit2`` refuses windowBits -8, since
  it would use 512), and a client that asked for 256 could not read what refers further back.
- ``client_max_window_bits``: accepted with any valid value, and never in the response, which leaves the size
  to the client: we inflate with the largest window, which reads all of them. It exists only while a
  compressed message is incomplete.
"""

import re
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

NAME: Final = "permessage-deflate"
LEAST_WINDOW_BITS: Final = 9
LARGEST_WINDOW_BITS: Final = 15

_BITS: Final = re.compile(r"[89]|1[0-5]")
"""§7.1.2: "a decimal integer value without leading zeroes between 8 to 15"."""


class Deflate(Struct, frozen=True):
    """The agreed parameters.

    ``server_window_bits``: the base-2 logarithm of the window in bytes that we compress with, 9 to 15.
    ``is_limited``: the client asked for that, so the response repeats it.
    """

    server_window_bits: int = LARGEST_WINDOW_BITS
    is_limited: bool = False

    def header(self) -> bytes:
        """Return the value of Sec-WebSocket-Extensions in the response."""
        value = f"{NAME}; server_no_context_takeover; client_no_context_takeover"
        if self.is_limited:
            value += f"; server_max_window_bits={self.server_window_bits}"
        return value.encode("ascii")


def negotiate(values: Iterable[bytes]) -> Deflate | None:
    """Return the parameters of the first acceptable offer, or None: the response then names no extension.

    ``values``: those of the request's Sec-WebSocket-Extensions headers. §5.1: offers are in the client's
    order of preference. §7.1: an offer with an unknown parameter, an invalid value or a parameter that occurs
    twice is declined.
    """
    for offer in b",".join(values).decode("latin-1").split(","):
        name, *parameters = (part.strip() for part in offer.split(";"))
        if name == NAME and (agreed := _accept(parameters)) is not None:
            return agreed
    return None


def _accept(parameters: list[str]) -> Deflate | None:
    """Return what is agreed for one offer, or None to decline it."""
    pairs = [_pair(parameter) for parameter in parameters]
    offered = dict(pairs)
    if len(offered) < len(pairs):
        return None
    agreed = Deflate()
    for name, value in offered.items():
        if name in ("server_no_context_takeover", "client_no_context_takeover"):
            is_valid = value is None
        elif name == "client_max_window_bits":
            is_valid = value is None or _BITS.fullmatch(value) is not None
        elif name == "server_max_window_bits":
            is_valid = value is not None and _BITS.fullmatch(value) is not None
            if value is not None and is_valid:
                agreed = Deflate(int(value), is_limited=True)
        else:
            is_valid = False
        if not is_valid:
            return None
    return agreed if agreed.server_window_bits >= LEAST_WINDOW_BITS else None


def _pair(parameter: str) -> tuple[str, str | None]:
    """Return name and value; RFC 6455 §9.1: the value may be a quoted string, and none has no ``=``."""
    name, equals, value = (part.strip() for part in parameter.partition("="))
    if not equals:
        return name, None
    is_quoted = len(value) > 1 and value.startswith('"') and value.endswith('"')
    return name, value[1:-1] if is_quoted else value

"""The gateway's entry in ``Via``, by which it recognises a request that comes back to it. Pure.

RFC 9110 §7.6.3: each intermediary adds the protocol in which it received a message, and a name. The entries
that a client sends are passed on, as the other proxies on the way need theirs. Those of back ends are not:
they would show what stands inside.
"""

import re
from collections.abc import Iterable
from typing import Final

Header = tuple[bytes, bytes]

VIA: Final = b"via"

_SANE: Final = re.compile(rb"[\t -~]{1,1024}")
"""Entries of others; anything else is left out."""
_SEPARATORS: Final = re.compile(rb"[\s,]+")


class LoopError(Exception):
    """The request has been here before: the URL of an instance leads back to this service."""


class Hops:
    """The entries of one process. ``name``: what it calls itself, a token that no other process uses."""

    def __init__(self, name: str) -> None:
        self._name = name.encode("ascii")
        self._own: dict[str, Header] = {
            version: (VIA, f"{version} {name}".encode("ascii")) for version in ("1.0", "1.1", "2", "3")
        }
        self.of_response: Final = self._own["1.1"]
        """For a client: back ends are reached over HTTP/1.1."""

    def first(self, http_version: str) -> Header:
        """Return ``Via`` for a back end if the request has none.

        ``http_version``: the request's, as ASGI has it.
        """
        return self._own.get(http_version) or self._own["1.1"]

    def for_back_end(self, given: Iterable[Header], http_version: str) -> Header:
        """Return ``Via`` for a back end: the entries in ``given``, and ours. Raises :class:`LoopError`.

        >>> Hops("orch-1").for_back_end([(b"via", b"1.1 edge")], "2")
        (b'via', b'1.1 edge, 2 orch-1')
        """
        own = self.first(http_version)
        entries = b", ".join([value for name, value in given if name == VIA])
        if not entries:
            return own
        if self._name in _SEPARATORS.split(entries):
            raise LoopError
        return (VIA, b"%b, %b" % (entries, own[1])) if _SANE.fullmatch(entries) else own

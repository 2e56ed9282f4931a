"""A request to a URL that somebody else has chosen: as it is made, and as it was sent. Pure."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """A request; the headers that every request has are added to it."""

    method: str
    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it was sent: all headers in their order, and the address it was sent to."""

    method: str
    url: str = field(repr=False)
    address: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)

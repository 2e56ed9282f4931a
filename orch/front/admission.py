"""Which accepted connections are served. Pure.

Beyond what fits, a client gets an answer (503, ``too_many_connections``) on one of a few places that are
there for that alone, and for the few requests by which machines and operators learn how the service is;
beyond those places it is closed at once, with the same answer where it can be given without waiting. The
mutable state is the counts.
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Final

from orch.access.rate_limits import Addresses
from orch.capacity import Capacity, connections_per_address
from orch.problems import ProblemError

REFUSALS_AT_ONCE: Final = 32
"""Connections that are being told to come later; they are within the service's own reserve."""

REFUSAL_WITHIN: Final = 2.0
"""Seconds that such a connection has for its request."""

OPEN_PATHS: Final = frozenset({"/livez", "/readyz", "/api/health", "/metrics"})
"""Answered all the same: who restarts what does not answer would make things worse."""


class Place(Enum):
    """What becomes of a connection."""

    SERVED = auto()
    REFUSED = auto()
    """There is no room: it is told so."""
    REFUSED_ADDRESS = auto()
    """Its address has enough: it is told so."""
    CLOSED = auto()
    """There is no room to tell it, either."""


REFUSALS: Final[Mapping[Place, ProblemError]] = {
    Place.REFUSED: ProblemError(
        "too_many_connections", "The service has reached its connection limit. Try again soon."
    ),
    Place.REFUSED_ADDRESS: ProblemError(
        "too_many_from_address", "Your address has reached its connection limit."
    ),
}


class Admission:
    """Counts connections, in all and by address.

    ``capacity``: what fits now; ``per_address``: the setting, 0 for a share; ``is_exempt``: whether an
    address stands for many clients (this machine, a proxy that is trusted).
    """

    def __init__(
        self,
        capacity: Callable[[], Capacity],
        per_address: Callable[[], int],
        is_exempt: Callable[[str], bool],
    ) -> None:
        self._capacity = capacity
        self._per_address = per_address
        self._is_exempt = is_exempt
        self._served = 0
        self._refusing = 0
        self._addresses = Addresses()

    def __repr__(self) -> str:
        return f"<Admission {self._served} served, {self._refusing} refused now>"

    @property
    def is_full(self) -> bool:
        """Whether there is no room for anyone."""
        return self._served >= self._capacity().total

    def enter(self, host: str | None) -> Place:
        """Give a connection from ``host`` (None: a Unix socket) its place; it has to be left again."""
        capacity = self._capacity()
        place = Place.SERVED
        if self._served >= capacity.total:
            place = Place.REFUSED
        elif (
            host is not None
            and not self._is_exempt(host)
            and self._addresses.count(host) >= connections_per_address(self._per_address(), capacity)
        ):
            place = Place.REFUSED_ADDRESS
        if place is Place.SERVED:
            self._served += 1
            if host is not None:
                self._addresses.add(host)
            return place
        if self._refusing >= REFUSALS_AT_ONCE:
            return Place.CLOSED
        self._refusing += 1
        return place

    def leave(self, host: str | None, place: Place) -> None:
        """Take a connection's place back."""
        if place is Place.SERVED:
            self._served -= 1
            if host is not None:
                self._addresses.remove(host)
        elif place is not Place.CLOSED:
            self._refusing -= 1

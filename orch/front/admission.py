"""Which accepted connections are served. Pure.

Beyond the capacity, a client gets the response 503 (``too_many_connections``) on one of a few reserved
places, on which only probes and status requests are served. Beyond those places its connection is closed at
once, with the same response if that needs no waiting. The mutable state is the counts.
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Final

from orch.access.address_limits import AddressCounts
from orch.capacity import Capacity, connections_per_address
from orch.problems import ProblemError

REFUSALS_AT_ONCE: Final = 32
"""Reserved places for refusals; they are within the service's own reserve of descriptors."""

REFUSAL_WITHIN: Final = 2.0
"""Seconds that a connection on such a place has for its request."""

OPEN_PATHS: Final = frozenset({"/livez", "/readyz", "/api/health", "/metrics"})
"""Paths served there as well: a supervisor that restarts what fails its probe would make things worse."""


class Place(Enum):
    """What is done with a new connection."""

    SERVED = auto()
    REFUSED = auto()
    """The service is full: refused with a response."""
    REFUSED_ADDRESS = auto()
    """Its address has reached its limit: refused with a response."""
    CLOSED = auto()
    """The places for refusals are taken, too: closed at once."""


REFUSALS: Final[Mapping[Place, ProblemError]] = {
    Place.REFUSED: ProblemError(
        "too_many_connections", "The service has reached its connection limit. Try again soon."
    ),
    Place.REFUSED_ADDRESS: ProblemError(
        "too_many_from_address", "Your address has reached its connection limit."
    ),
}


class Admission:
    """Counts connections, in total and by address.

    ``capacity``: connections that fit now. ``per_address``: the setting; 0 means a share of the capacity.
    ``is_exempt``: whether an address stands for many clients (this machine, a trusted proxy).
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
        self._addresses = AddressCounts()

    def __repr__(self) -> str:
        return f"<Admission {self._served} served, {self._refusing} refused now>"

    @property
    def is_full(self) -> bool:
        """Whether the service has reached its connection limit."""
        return self._served >= self._capacity().total

    def enter(self, host: str | None) -> Place:
        """Return the place of a new connection from ``host`` (None: a Unix socket), until :meth:`leave`."""
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
        """Free the place of a connection."""
        if place is Place.SERVED:
            self._served -= 1
            if host is not None:
                self._addresses.remove(host)
        elif place is not Place.CLOSED:
            self._refusing -= 1

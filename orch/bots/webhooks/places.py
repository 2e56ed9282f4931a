"""How many deliveries may be on their way at once, so that a slow endpoint holds up no other. Pure.

There are places in sum, and fewer for one endpoint. An endpoint is *proven* if the last attempt to deliver to
it succeeded. One that is not, because it fails or is new, gets one place, and all of these together get half
of the sum: each of their attempts may take until it times out, and any number of them must leave room for
those that respond.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

IN_SUM: Final = 64
OF_ONE_ENDPOINT: Final = 4
OF_UNPROVEN: Final = IN_SUM // 2

REMEMBERED: Final = 512
"""Proven endpoints that are remembered; of more, the one that succeeded the longest ago is not proven."""


@dataclass(frozen=True, slots=True)
class Room:
    """What may be started: up to ``most``, none to the endpoints ``without``, and to those of ``only``.

    ``only`` is None for all.
    """

    most: int
    without: frozenset[str]
    only: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class PlacesStatistics:
    """Deliveries on their way, those of them to endpoints that are not proven, and how many endpoints are."""

    in_flight: int
    to_unproven: int
    proven_endpoints: int


class Places:
    """The places of one process. The mutable state is which endpoints have them, and which are proven."""

    def __init__(self) -> None:
        self._in_flight: dict[str, int] = {}
        self._proven: OrderedDict[str, None] = OrderedDict()

    def room(self) -> Room:
        """Return what may be started now; nothing if ``most`` is 0."""
        free = IN_SUM - sum(self._in_flight.values())
        without = frozenset(name for name, count in self._in_flight.items() if count >= self._most(name))
        if self._to_unproven() < OF_UNPROVEN:
            return Room(free, without, None)
        only = frozenset(self._proven) - without
        return Room(free if only else 0, without, only)

    def take(self, endpoint: str) -> bool:
        """Take a place; False: there is none for this endpoint."""
        room = self.room()
        if (
            room.most <= 0
            or endpoint in room.without
            or (room.only is not None and endpoint not in room.only)
        ):
            return False
        self._in_flight[endpoint] = self._in_flight.get(endpoint, 0) + 1
        return True

    def give_back(self, endpoint: str) -> None:
        """Give a place back."""
        count = self._in_flight.pop(endpoint) - 1
        if count:
            self._in_flight[endpoint] = count

    def succeeded(self, endpoint: str) -> None:
        """Note that an endpoint accepted a delivery."""
        self._proven[endpoint] = None
        self._proven.move_to_end(endpoint)
        if len(self._proven) > REMEMBERED:
            self._proven.popitem(last=False)

    def failed(self, endpoint: str) -> None:
        """Note that an attempt failed."""
        self._proven.pop(endpoint, None)

    def statistics(self) -> PlacesStatistics:
        """Return the counts."""
        return PlacesStatistics(sum(self._in_flight.values()), self._to_unproven(), len(self._proven))

    def _most(self, endpoint: str) -> int:
        return OF_ONE_ENDPOINT if endpoint in self._proven else 1

    def _to_unproven(self) -> int:
        return sum(count for endpoint, count in self._in_flight.items() if endpoint not in self._proven)

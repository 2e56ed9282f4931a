"""Instances that have left a service and still work on requests."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orch.gateway.statistics import GatewayDraining

if TYPE_CHECKING:
    from orch.gateway.instance import Instance


@dataclass(frozen=True, slots=True)
class Leaving:
    """An instance that gets no new requests. ``until``: when those that it has are ended, on Trio's clock."""

    instance: "Instance"
    until: float


class Draining:
    """The instances that have left and whose requests go on, each until its limit.

    Bounded: each has requests in progress, whose number is limited. What is ended breaks off as if the
    instance had closed its connections; a request that may be sent again goes to another instance.
    """

    def __init__(self) -> None:
        self._leaving: list[Leaving] = []

    def __iter__(self) -> Iterator[Leaving]:
        return iter(self._leaving)

    def add(self, instance: "Instance", until: float) -> None:
        """Let an instance that has left end its requests."""
        for lane in instance.lanes.values():
            lane.is_gone = True
            lane.upstream.reuses_connections = False
            lane.upstream.close_idle()
        if in_flight(instance):
            self._leaving.append(Leaving(instance, until))

    def sweep(self, now: float) -> None:
        """Forget those whose requests are over, and end those whose time is."""
        for each in self._leaving:
            if now >= each.until:
                for lane in each.instance.lanes.values():
                    lane.upstream.abort()
        self._leaving = [each for each in self._leaving if now < each.until and in_flight(each.instance)]

    def statistics(self, now: float) -> tuple[GatewayDraining, ...]:
        """Return the figures."""
        return tuple(
            GatewayDraining(
                service=each.instance.service,
                url=each.instance.shown,
                in_flight=in_flight(each.instance),
                seconds_left=max(0.0, each.until - now),
            )
            for each in self._leaving
        )


def in_flight(instance: "Instance") -> int:
    """Return the number of requests that an instance works on, and of the WebSockets that are open to it."""
    return sum(lane.in_flight + lane.sockets for lane in instance.lanes.values())

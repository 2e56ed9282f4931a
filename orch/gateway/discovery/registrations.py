"""What the store last said about registered instances. Pure.

While the store cannot be read, nobody can renew a lease either, so the last reading counts, however old. Once
it can be read again, leases have ended that could not be renewed; so what was registered stays for the length
of its lease, in which each instance that is alive renews it.
"""

from collections.abc import Iterable

from orch.gateway.discovery.registration import Registered, instances_of
from orch.gateway.statistics import GatewayDiscovery, GatewayLease
from orch.settings import Instance


class Registrations:
    """The mutable state is the last reading, when it came, and until when what is missing in it stays."""

    def __init__(self) -> None:
        self.known: tuple[Registered, ...] = ()
        self.failures = 0
        self.problem = ""
        self._read_at: float | None = None
        self._held_until = 0.0

    def read(self, now: float, found: Iterable[Registered]) -> bool:
        """Note what the store has; return whether that changes which instances there are."""
        before = instances_of(self.known)
        current = {(each.service, each.instance): each for each in found}
        if self.failures:
            self._held_until = now + max((each.seconds for each in self.known), default=0.0)
        if now < self._held_until:
            for each in self.known:
                current.setdefault((each.service, each.instance), each)
        self.known = tuple(current.values())
        self.failures, self.problem = 0, ""
        self._read_at = now
        return instances_of(self.known) != before

    def failed(self, problem: str) -> None:
        """Note that the store could not be read."""
        self.failures += 1
        self.problem = problem

    def forget(self, service: str, instance: str) -> None:
        """Drop one that has left by itself."""
        self.known = tuple(
            each for each in self.known if (each.service, each.instance) != (service, instance)
        )

    def instances(self, service: str, most: int) -> tuple[Instance, ...]:
        """Return the instances of a service, at most so many."""
        return instances_of(self.known).get(service, ())[:most]

    def statistics(
        self, service: str, now: float, *, most: int, every: float, wall: float
    ) -> GatewayDiscovery:
        """Return the figures. ``every``: seconds between two readings; ``wall``: the store's time."""
        all_of_it = instances_of(self.known).get(service, ())
        used = {each.url for each in all_of_it[:most]}
        leases = tuple(
            GatewayLease(instance=each.instance, url=each.url, seconds_left=max(0.0, each.expires - wall))
            for each in sorted(self.known, key=lambda one: one.instance)
            if each.service == service and each.url in used
        )
        age = None if self._read_at is None else now - self._read_at
        return GatewayDiscovery(
            service=service,
            source="registry",
            name="",
            instances=tuple(each.url for each in all_of_it[:most]),
            age=age,
            next_in=None if age is None else max(0.0, every - age),
            failures=self.failures,
            problem=self.problem,
            left_out=max(0, len(all_of_it) - most),
            leases=leases,
        )

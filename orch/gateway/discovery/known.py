"""What one source has found of one service: the last good answer, its age, and what is wrong since. Pure.

A failed look-up shows nothing about the instances, so it never removes one. That includes the answers "no
such name" and "no records": a mistake in a zone, or a name server that has lost it, gives the same answers as
a service that was stopped. An instance that is really gone is found dead by its health checks.
"""

from collections.abc import Sequence
from typing import Final

from orch.backoff import exponential
from orch.gateway.statistics import GatewayDiscovery
from orch.masking import mask_url
from orch.settings import Instance

SHORTEST: Final = 1.0
"""Seconds between two look-ups at least, whatever the TTL. Envoy's dns_min_refresh_rate is the same."""
LONGEST: Final = 300.0
"""Seconds between two look-ups at most: longer TTLs are for caches, and asking one of them costs little."""
LONGEST_PAUSE: Final = 30.0
"""Seconds until a failed look-up is repeated: 1, 2, 4 and so on, at most this, each with jitter."""


class Known:
    """The last good answer and the state of its look-ups.

    The mutable state is that answer, when it came and when the next look-up is due, and the failures since.
    """

    def __init__(self, name: str) -> None:
        self.name: Final = name
        self.instances: tuple[Instance, ...] | None = None
        """None before the first good answer."""
        self.failures = 0
        self.problem = ""
        self._left_out = 0
        self._answered_at = 0.0
        self._due = float("-inf")

    def is_due(self, now: float) -> bool:
        """Return whether it is time for a look-up."""
        return now >= self._due

    def answered(self, now: float, found: Sequence[Instance], ttl: float, *, most: int) -> bool:
        """Note a good answer, with at least one instance; return whether the instances have changed.

        ``ttl``: the seconds for which it may be used without asking again; ``most``: how many are used.
        """
        before = self.instances
        ordered = sorted(found, key=lambda each: each.url)
        self.instances = tuple(ordered[:most])
        self._left_out = max(0, len(ordered) - most)
        self._answered_at = now
        self._due = now + min(max(ttl, SHORTEST), LONGEST)
        self.failures, self.problem = 0, ""
        return self.instances != before

    def failed(self, now: float, problem: str, jitter: float) -> None:
        """Note a failed look-up; the answer before it stays. ``jitter``: in [0, 1)."""
        pause = exponential(SHORTEST, self.failures, longest=LONGEST_PAUSE)
        self._due = now + pause * (0.5 + jitter / 2)
        self.failures += 1
        self.problem = problem

    def statistics(self, service: str, now: float) -> GatewayDiscovery:
        """Return the figures."""
        return GatewayDiscovery(
            service=service,
            source="dns",
            name=self.name,
            instances=tuple(mask_url(each.url) for each in self.instances or ()),
            age=None if self.instances is None else now - self._answered_at,
            next_in=max(0.0, self._due - now) if self._due > float("-inf") else None,
            failures=self.failures,
            problem=self.problem,
            left_out=self._left_out,
        )

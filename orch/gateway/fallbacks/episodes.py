"""When the use of fallbacks on a route begins and ends: one episode, however many requests it has. Pure."""

from collections import Counter
from collections.abc import Collection
from typing import Final, NamedTuple

CALM: Final = 30.0
"""Seconds without a failure after which a success ends an episode, so that ups and downs are one."""


class Ended(NamedTuple):
    """An episode that is over. ``counts``: failed requests by the kind of the fallback, ``none`` included."""

    seconds: float
    counts: dict[str, int]


class _Episode:
    __slots__ = ("began", "counts", "last")

    def __init__(self, now: float) -> None:
        self.began = self.last = now
        self.counts: Counter[str] = Counter()


class Episodes:
    """The episodes of all routes. The mutable state is these, and the counts since the start."""

    def __init__(self) -> None:
        self._current: dict[str, _Episode] = {}
        self._totals: dict[str, Counter[str]] = {}

    def used(self, route: str, kind: str, now: float) -> bool:
        """Count a failed request, by the kind of its fallback; return whether an episode begins with it."""
        self._totals.setdefault(route, Counter())[kind] += 1
        episode = self._current.get(route)
        begins = episode is None
        if episode is None:
            episode = self._current[route] = _Episode(now)
        episode.last = now
        episode.counts[kind] += 1
        return begins

    def served(self, route: str, now: float) -> Ended | None:
        """Note a success of the route's own service; return the episode that it ends."""
        episode = self._current.get(route)
        if episode is None or now - episode.last < CALM:
            return None
        del self._current[route]
        return Ended(now - episode.began, dict(episode.counts))

    def retain(self, routes: Collection[str]) -> None:
        """Forget routes that have no fallbacks any more."""
        self._current = {route: each for route, each in self._current.items() if route in routes}
        self._totals = {route: each for route, each in self._totals.items() if route in routes}

    def counts(self, route: str) -> Counter[str]:
        """Return a route's failed requests since the start, by the kind of their fallback."""
        return Counter(self._totals.get(route, ()))

    def lasts(self, route: str, now: float) -> float | None:
        """Return for how many seconds a route's episode has lasted, None if there is none."""
        episode = self._current.get(route)
        return None if episode is None else now - episode.began

"""Translation routes: which engines translate, one after the other, from one language into another. Pure.

An engine translates only in some directions; two or three of them one after the other reach further: English
to Portuguese to Spanish. Each direction has a cost, an estimate of how much of the meaning it loses, and the
route between two languages is the one with the lowest sum: a good translation into a close language is better
than a poor direct one.

=====================================================  ====
a neural model                                            1
Apertium between close languages (Spanish, Portuguese)    2
Apertium between others (English, Spanish)                5
=====================================================  ====

A route has at most :data:`MOST_HOPS` hops and costs at most :data:`MOST_COST`: after two translations by
Apertium between distant languages, too little of the text is left.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from msgspec import Struct

from orch.sandbox.engines.language_pairs import Pair
from orch.speech.languages import is_same, primary

Method = Literal["neural", "rules"]
"""How an engine translates: with a neural model, or with dictionaries and rules, as Apertium does."""

NEURAL_COST: Final = 1
CLOSE_COST: Final = 2
DISTANT_COST: Final = 5

MOST_HOPS: Final = 3
MOST_COST: Final = 9

CLOSE: Final = tuple(
    frozenset(group.split())
    for group in (
        "an ast ca es fr frp gl it oc pt ro sc",
        "da nb sv",
        "be pl ru szl uk",
        "cs sk",
        "bg mk",
        "id ms",
        "hi ur",
        "af nl",
        "ar mt",
        "crh kk ky tr tt uz",
    )
)
"""Groups of languages with similar words and word order."""

UNUSABLE: Final = frozenset({"bs", "hbs", "hr", "sh", "sr"})
"""Languages whose Apertium dictionaries lose most words: "Limenka free cuti prpers?" for "Can you hear me?".

So their pairs with Macedonian, Slovene and Bulgarian, which English only reaches through them, are not used.
"""


class Hop(Struct, frozen=True):
    """One translation on a route: by which engine, and its cost."""

    engine: str
    pair: Pair
    cost: int

    def __str__(self) -> str:
        return f"{self.engine} {self.pair.source}-{self.pair.target}"


class Route(Struct, frozen=True):
    """The hops from one language to another, in order."""

    hops: tuple[Hop, ...]

    @property
    def pair(self) -> Pair:
        """The languages at both ends."""
        return Pair(self.hops[0].pair.source, self.hops[-1].pair.target)

    @property
    def via(self) -> tuple[str, ...]:
        """The languages between the ends; none if one engine translates directly."""
        return tuple(hop.pair.target for hop in self.hops[:-1])

    @property
    def cost(self) -> int:
        """The sum of the costs of the hops."""
        return sum(hop.cost for hop in self.hops)

    def __str__(self) -> str:
        return ", ".join(map(str, self.hops))


def hop(engine: str, method: Method, pair: Pair) -> Hop | None:
    """Return a direction with its cost; None if its translations are unusable, or it changes no language."""
    if is_same(pair.source, pair.target):
        return None
    if method == "neural":
        return Hop(engine, pair, NEURAL_COST)
    ends = {primary(pair.source), primary(pair.target)}
    if ends & UNUSABLE:
        return None
    return Hop(engine, pair, CLOSE_COST if any(ends <= group for group in CLOSE) else DISTANT_COST)


def routes(hops: Iterable[Hop]) -> dict[Pair, Route]:
    """Return the best route between any two languages that ``hops`` connect, by their codes.

    The best one has the lowest cost, then the fewest hops, then the first name. A variant of a region
    (``en-US``) is included only where the language itself is not, or costs more.
    """
    departures: dict[str, list[Hop]] = {}
    for one in hops:
        departures.setdefault(one.pair.source, []).append(one)
    found: dict[Pair, Route] = {}
    for source in sorted(departures):
        found |= {route.pair: route for route in _from(source, departures)}
    return found


def _from(source: str, departures: Mapping[str, list[Hop]]) -> list[Route]:
    """Return the best route to each language from ``source``, by target.

    After round ``n`` the best routes of up to ``n`` hops are known, so a hop that is added in the next round
    extends the best that exists (Bellman and Ford's algorithm, with a limit).
    """
    best: dict[str, Route] = {}
    newest = [Route((one,)) for one in departures[source]]
    for _ in range(MOST_HOPS):
        improved: dict[str, Route] = {}
        for route in newest:
            target = route.pair.target
            known = improved.get(target) or best.get(target)
            if route.cost > MOST_COST or is_same(source, target):
                continue
            if known is None or _order(route) < _order(known):
                improved[target] = route
        best |= improved
        newest = [
            Route((*route.hops, one))
            for target, route in improved.items()
            for one in departures.get(target, ())
        ]
    return [best[target] for target in sorted(best) if not _is_redundant(best[target], best)]


def _is_redundant(route: Route, best: Mapping[str, Route]) -> bool:
    """Return whether a route leads to a variant of a region, and the language itself is as cheap."""
    language, _, region = route.pair.target.partition("-")
    plain = best.get(language) if region else None
    return plain is not None and is_same(language, route.pair.target) and plain.cost <= route.cost


def _order(route: Route) -> tuple[int, int, list[str]]:
    return route.cost, len(route.hops), list(map(str, route.hops))

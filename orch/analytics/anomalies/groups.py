"""Which anomalies began together, and so have one cause. Pure.

A fault moves many figures: the requests that fail, the retries, the queue, the captions. An operator should
read of one thing. Anomalies belong together that began within minutes of each other while the first of them
lasted, and whose subjects have to do with each other: the same one, one that depends on the other, or the
whole service.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from msgspec import Struct

from orch.analytics.anomalies.anomaly import Anomaly, Kind

NEAR: Final = 900.0
"""Seconds after the first within which anomalies began together."""

FUZZY: Final = 3_600.0
"""The same for a drift, whose beginning is an estimate."""


class Group(Struct, frozen=True, kw_only=True):
    """Anomalies that began together, in the order of their beginning."""

    anomalies: tuple[Anomaly, ...]

    @property
    def identity(self) -> str:
        """The identity of the first of them."""
        return self.anomalies[0].identity

    @property
    def began(self) -> float:
        """When the first of them began."""
        return self.anomalies[0].began

    @property
    def until(self) -> float:
        """The time of the latest unusual sample of all of them."""
        return max(each.until for each in self.anomalies)

    @property
    def is_open(self) -> bool:
        """Whether one of them lasts."""
        return any(each.is_open for each in self.anomalies)

    @property
    def strength(self) -> float:
        """How far the strongest of them goes beyond its limit."""
        return max(each.strength for each in self.anomalies)


def group(anomalies: Iterable[Anomaly], are_related: Callable[[Anomaly, Anomaly], bool]) -> tuple[Group, ...]:
    """Return the groups, in the order of their beginning.

    ``are_related``: whether the series of two anomalies have to do with each other. An anomaly joins the
    group most of whose members it is related to; of equal ones, the latest.
    """
    found: list[list[Anomaly]] = []
    known: dict[tuple[str, str], bool] = {}

    def is_related(one: Anomaly, other: Anomaly) -> bool:
        pair = (one.key, other.key)
        if pair not in known:
            known[pair] = are_related(one, other)
        return known[pair]

    for anomaly in sorted(anomalies, key=lambda each: (each.began, each.key)):
        best, most = -1, 0
        for place in range(len(found) - 1, -1, -1):
            members = found[place]
            if anomaly.began - members[0].began > FUZZY:
                break  # those before it are older still
            if not _is_near(members, anomaly):
                continue
            related = sum(is_related(member, anomaly) for member in members)
            if related > most:
                best, most = place, related
        if best >= 0:
            found[best].append(anomaly)
        else:
            found.append([anomaly])
    return tuple(Group(anomalies=tuple(members)) for members in found)


def _is_near(members: Sequence[Anomaly], anomaly: Anomaly) -> bool:
    first = members[0]
    is_fuzzy = Kind.DRIFT in {first.kind, anomaly.kind}
    if anomaly.began - first.began > (FUZZY if is_fuzzy else NEAR):
        return False
    until = max(member.until for member in members)
    return anomaly.began <= until + NEAR / 3

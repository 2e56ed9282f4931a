"""Which instances of a service are in rotation, and when one leaves it or is back. Pure.

Ejections, breakers and operators have events of their own. What health checks take out, as an instance whose
process has ended, often is back before its requests could fail often enough for an ejection: without this,
nothing would show that its requests went to others, and that it returned slowly.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final


class Step(Enum):
    """What happened to an instance."""

    LEFT = auto()
    RETURNED = auto()
    """It gets slowly more requests again."""
    COMPLETED = auto()
    """Its slow start is over."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How an instance is now. ``is_usable``: by its health; ``is_slow``: it is in its slow start.

    ``is_in``: it gets requests; an operator, an ejection or a breaker may keep them away, too.
    """

    is_usable: bool
    is_slow: bool
    is_in: bool


@dataclass(frozen=True, slots=True)
class Change:
    """A step of the instance with this URL. ``others``: the URLs of those that get requests meanwhile."""

    url: str
    step: Step
    others: tuple[str, ...]


class _Place(Enum):
    NEW = auto()  # it has not been used yet, or is in its first slow start
    IN = auto()
    OUT = auto()
    RETURNING = auto()


_NEXT: Final = {
    # where it was, whether it is usable, whether it starts slowly: where it is, and what happened
    (_Place.NEW, True, False): (_Place.IN, None),
    (_Place.IN, False, False): (_Place.OUT, Step.LEFT),
    (_Place.IN, False, True): (_Place.OUT, Step.LEFT),
    (_Place.IN, True, True): (_Place.RETURNING, None),  # from an ejection, a breaker or a drain
    (_Place.OUT, True, False): (_Place.IN, Step.COMPLETED),
    (_Place.OUT, True, True): (_Place.RETURNING, Step.RETURNED),
    (_Place.RETURNING, True, False): (_Place.IN, Step.COMPLETED),
    (_Place.RETURNING, False, False): (_Place.OUT, Step.LEFT),
    (_Place.RETURNING, False, True): (_Place.OUT, Step.LEFT),
}
"""What is not listed changes nothing."""


class Rotation:
    """The instances of one service. The mutable state is where each of them is.

    >>> rotation = Rotation()
    >>> good, slow, down = Seen(True, False, True), Seen(True, True, True), Seen(False, False, False)
    >>> rotation.see({"a": good, "b": good})
    []
    >>> [(change.url, change.step.name, change.others) for change in rotation.see({"a": good, "b": down})]
    [('b', 'LEFT', ('a',))]
    >>> [(change.url, change.step.name) for change in rotation.see({"a": good, "b": slow})]
    [('b', 'RETURNED')]
    >>> [(change.url, change.step.name) for change in rotation.see({"a": good, "b": good})]
    [('b', 'COMPLETED')]
    """

    def __init__(self) -> None:
        self._places: dict[str, _Place] = {}

    def see(self, seen: Mapping[str, Seen]) -> list[Change]:
        """Note how all instances are now; return what has changed.

        A service with a single instance has no rotation: what happens to it is what its health says.
        """
        before, self._places = self._places, {}
        changes = []
        for url, each in seen.items():
            place = before.get(url, _Place.NEW)
            place, step = _NEXT.get((place, each.is_usable, each.is_slow), (place, None))
            self._places[url] = place
            if step is not None and len(seen) > 1:
                others = tuple(other for other, its in seen.items() if other != url and its.is_in)
                changes.append(Change(url, step, others))
        return changes

"""A timer wheel: thousands of deadlines, looked at only when they are due. Pure.

A heap pays for every deadline that is moved; nearly all of ours are moved before they come (each request
moves one), and none needs to be exact. So a deadline stands in the slot of its time, a slot is taken out as a
whole when its time has come, and whoever is in it says what it wants next. What is further away than the
wheel reaches stands in the last slot and is asked early; it simply says its time again.
"""

import math
from typing import Generic, TypeVar

T = TypeVar("T")


class Wheel(Generic[T]):
    """Things that want to be looked at at a time, found without looking at the others.

    ``span``: seconds of one slot, by which a deadline may be late; never is it early, but for what lies
    beyond ``span * slots``. The mutable state is the slots and the number of the last that was taken.
    """

    __slots__ = ("_slots", "_span", "_taken")

    def __init__(self, *, span: float, slots: int, now: float) -> None:
        self._span = span
        self._slots: list[set[T]] = [set() for _ in range(slots)]
        self._taken = math.floor(now / span)

    def __len__(self) -> int:
        return sum(map(len, self._slots))

    def put(self, thing: T, at: float) -> int:
        """Have ``thing`` taken at ``at``; return its slot, for :meth:`remove`."""
        number = min(max(math.ceil(at / self._span), self._taken + 1), self._taken + len(self._slots))
        slot = number % len(self._slots)
        self._slots[slot].add(thing)
        return slot

    def remove(self, thing: T, slot: int) -> None:
        """Forget ``thing``; one that has been taken already is not missed."""
        self._slots[slot].discard(thing)

    def advance(self, now: float) -> list[T]:
        """Return what has become due, in no order."""
        due: list[T] = []
        current = math.floor(now / self._span)
        for number in range(self._taken + 1, min(current, self._taken + len(self._slots)) + 1):
            slot = number % len(self._slots)
            if self._slots[slot]:
                due.extend(self._slots[slot])
                self._slots[slot] = set()
        self._taken = max(self._taken, current)
        return due

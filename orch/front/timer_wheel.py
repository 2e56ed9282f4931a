"""A timer wheel: thousands of deadlines, looked at only when they are due. Pure.

A heap costs work for every deadline that is moved. Nearly all of ours are moved before they are due (each
request moves one), and none needs to be exact. So a deadline is put into the slot of its time, and when that
time comes the whole slot is removed and its entries are returned. An entry whose deadline was moved meanwhile
is put back by its owner. A deadline beyond the wheel's reach is put into the last slot, returned early, and
put back in the same way.
"""

import math
from typing import Generic, TypeVar

T = TypeVar("T")


class TimerWheel(Generic[T]):
    """Things that want to be looked at at a time, found without looking at the others.

    ``span``: seconds of one slot, by which a deadline may be late; it is never early, except for what lies
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

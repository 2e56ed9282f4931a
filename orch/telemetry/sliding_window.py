"""What happened in the last seconds or minutes, in parts of equal length. Pure."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

Part = TypeVar("Part")


class SlidingWindow(Generic[Part]):
    """The last ``parts`` parts of time, each ``seconds`` long; what is older is forgotten part by part.

    Bounded whatever the load. A part is what ``make`` returns, filled by the owner. Moments (``now``) are of
    a monotonic clock. The mutable state is the parts, each with the number of its time.
    """

    __slots__ = ("_make", "_parts", "_seconds")

    def __init__(self, make: Callable[[], Part], *, parts: int, seconds: float) -> None:
        self._make = make
        self._seconds = seconds
        self._parts: list[tuple[int, Part] | None] = [None] * parts

    def __len__(self) -> int:
        """How many parts it has at most."""
        return len(self._parts)

    def part(self, now: float) -> Part:
        """Return the part in which ``now`` lies, the newest."""
        number = int(now // self._seconds)
        index = number % len(self._parts)
        held = self._parts[index]
        if held is None or held[0] != number:
            held = self._parts[index] = (number, self._make())
        return held[1]

    def recent(self, now: float) -> Iterator[Part]:
        """Yield the parts that are not too old, in no order."""
        yield from self.numbered(now).values()

    def numbered(self, now: float) -> dict[int, Part]:
        """Return the parts that are not too old by the numbers of their times, in no order."""
        oldest = int(now // self._seconds) - len(self._parts)
        return dict(held for held in self._parts if held is not None and held[0] > oldest)

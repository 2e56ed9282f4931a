"""How long to wait after failures: exponentially longer, up to a limit. Pure."""

from typing import Final

#: Multiplications after which the wait no longer grows: any count of failures can be calculated with.
_MOST: Final = 64


def exponential(first: float, count: int, *, longest: float, factor: float = 2.0) -> float:
    """Return ``first`` seconds, multiplied ``count`` times by ``factor``, at most ``longest``.

    Where many wait for the same thing, the caller adds jitter, so that they do not come back together.
    """
    return min(longest, first * factor ** min(max(0, count), _MOST))


class Backoff:
    """When to retry a failed request: ``first`` seconds later, then twice as long, up to ``longest``.

    The mutable state is the number of failures in a row, and until when to wait.
    """

    def __init__(self, *, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self.failures = 0
        self.until = float("-inf")

    def failed(self, now: float) -> None:
        """Note a failure: wait, longer each time."""
        self.until = now + exponential(self._first, self.failures, longest=self._longest)
        self.failures += 1

    def succeeded(self) -> None:
        """Note a success: the next failure waits the shortest time again."""
        self.failures = 0
        self.until = float("-inf")

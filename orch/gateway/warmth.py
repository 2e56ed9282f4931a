"""Whether an instance has had its warm-up request. Pure.

An instance is cold when it is new, and when it returns after it could not be used. A warm-up that fails is
repeated; after :data:`TRIES` failures the instance counts as warm all the same, since its health checks find
it well, and a wrong path in the settings must not keep it out of use.
"""

from typing import Final, Literal

TRIES: Final = 3
PAUSE: Final = 5.0
"""Seconds until a warm-up that failed is repeated."""

State = Literal["off", "cold", "warming", "warm"]


class Warmth:
    """The mutable state is whether it is warm, whether a request is on its way, and when one is due."""

    __slots__ = ("_due", "_failures", "_is_warming", "is_on", "is_warm", "problem")

    def __init__(self) -> None:
        self.is_on = False
        """Whether the settings have a warm-up."""
        self.is_warm = False
        self.problem = ""
        self._is_warming = False
        self._failures = 0
        self._due = float("-inf")

    @property
    def state(self) -> State:
        """The state in a word."""
        if not self.is_on:
            return "off"
        return "warming" if self._is_warming else "warm" if self.is_warm else "cold"

    def see(self, now: float, *, is_alive: bool, has_requests: bool, every: float) -> bool:
        """Note whether it can be used, and whether it has worked on requests lately.

        Return whether a warm-up is to begin now; then :meth:`ended` is called at its end.
        """
        if not is_alive:
            if self.is_warm:
                self._due = float("-inf")
            self.is_warm, self._failures = False, 0
            return False
        if self._is_warming or now < self._due:
            return False
        if self.is_warm and not every:
            return False
        if self.is_warm and has_requests:
            self._due = now + every
            return False
        self._is_warming = True
        return True

    def ended(self, now: float, problem: str, *, every: float) -> bool:
        """Note the end of a warm-up, "" for a good one. Return whether that has made it warm."""
        was_warm = self.is_warm
        self._is_warming = False
        self.problem = problem
        self._failures = self._failures + 1 if problem else 0
        if problem and self._failures < TRIES and not was_warm:
            self._due = now + PAUSE
            return False
        self.is_warm, self._failures = True, 0
        self._due = now + every
        return not was_warm

"""How many traces callers may have recorded: a token bucket. Pure."""


class CallersLimit:
    """Admits so many traces a second that a caller wants recorded, and as many at once.

    Anyone who may send a request can ask for it to be recorded; what that costs is bounded here. The mutable
    state is the tokens that are left, since when, and the count of those that were not admitted.
    """

    def __init__(self) -> None:
        self._tokens = 0.0
        self._at: float | None = None
        self.refused = 0

    def admits(self, now: float, per_second: float) -> bool:
        """Return whether one more may be recorded, which uses up a token."""
        most = max(1.0, per_second) if per_second else 0.0
        passed = most if self._at is None else max(0.0, now - self._at) * per_second
        self._tokens = min(most, self._tokens + passed)
        self._at = now
        if self._tokens < 1:
            self.refused += 1
            return False
        self._tokens -= 1
        return True

"""Records recurring problems, such as invalid stored data, in bounded memory. Pure."""

from typing import Final

#: Different problems remembered at a time, and so logged within one period; others are not logged.
REMEMBERED: Final = 100
#: Problems shown at a time: the newest.
SHOWN: Final = 5


class LogThrottle:
    """Decides what is logged again: the same problem once in ``every`` seconds, however often it occurs.

    The mutable state is when each problem was logged, :data:`REMEMBERED` at most.
    """

    def __init__(self, every: float) -> None:
        self._every = every
        self._logged: dict[str, float] = {}

    def is_new(self, what: str, now: float) -> bool:
        """Return whether this should be logged now."""
        self._logged = {known: at for known, at in self._logged.items() if now - at < self._every}
        if what in self._logged or len(self._logged) >= REMEMBERED:
            return False
        self._logged[what] = now
        return True

    def clear(self) -> None:
        """Forget all problems, so that each is logged again."""
        self._logged.clear()


class Damage:
    """The invalid stored data found in the last ``lasts`` seconds.

    The mutable state is the sentences and when each was noted last, :data:`SHOWN` at most.
    """

    def __init__(self, lasts: float) -> None:
        self._lasts = lasts
        self._noted: dict[str, float] = {}

    def note(self, words: str, now: float) -> None:
        """Record a sentence about invalid data."""
        self._noted.pop(words, None)
        while len(self._noted) >= SHOWN:
            del self._noted[next(iter(self._noted))]
        self._noted[words] = now

    def shown(self, now: float) -> tuple[str, ...]:
        """Return the recent sentences."""
        return tuple(words for words, at in self._noted.items() if now - at < self._lasts)


class Damper:
    """Decides which changes of state are announced: those that have lasted for ``lasts`` seconds.

    The mutable state is the last announced state, and since when the actual one differs.
    """

    def __init__(self, lasts: float, *, announced: bool) -> None:
        self._lasts = lasts
        self._announced = announced
        self._since: float | None = None

    def observe(self, state: bool, now: float) -> bool | None:  # noqa: FBT001 - it is what is observed
        """Observe the current state; return the state to announce, or None."""
        if state == self._announced:
            self._since = None
            return None
        if self._since is None:
            self._since = now
        if now - self._since < self._lasts:
            return None
        self._announced, self._since = state, None
        return state

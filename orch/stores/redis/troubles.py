"""What goes wrong with what others have written, noted without growing with it. Pure."""

from typing import Final

#: Different troubles that are remembered at a time, and so logged within one period; others are not logged.
REMEMBERED: Final = 100
#: Troubles that are shown at a time: the newest.
SHOWN: Final = 5


class Seldom:
    """Decides what is said again: the same thing once in ``every`` seconds, however often it happens.

    The mutable state is what was said when, :data:`REMEMBERED` things at most.
    """

    def __init__(self, every: float) -> None:
        self._every = every
        self._said: dict[str, float] = {}

    def is_new(self, what: str, now: float) -> bool:
        """Whether this is to be said now."""
        self._said = {known: at for known, at in self._said.items() if now - at < self._every}
        if what in self._said or len(self._said) >= REMEMBERED:
            return False
        self._said[what] = now
        return True

    def clear(self) -> None:
        """Have everything said again."""
        self._said.clear()


class Damage:
    """Stored data that cannot be worked with, until ``lasts`` seconds after that was met with last.

    The mutable state is the sentences and when each was noted last, :data:`SHOWN` at most.
    """

    def __init__(self, lasts: float) -> None:
        self._lasts = lasts
        self._noted: dict[str, float] = {}

    def note(self, words: str, now: float) -> None:
        """Take in that this was met with."""
        self._noted.pop(words, None)
        while len(self._noted) >= SHOWN:
            del self._noted[next(iter(self._noted))]
        self._noted[words] = now

    def shown(self, now: float) -> tuple[str, ...]:
        """Return what was met with lately."""
        return tuple(words for words, at in self._noted.items() if now - at < self._lasts)


class Damper:
    """Decides which changes of state are announced: those that have lasted for ``lasts`` seconds.

    The mutable state is what was announced last, and since when it is otherwise.
    """

    def __init__(self, lasts: float, *, announced: bool) -> None:
        self._lasts = lasts
        self._announced = announced
        self._since: float | None = None

    def observe(self, state: bool, now: float) -> bool | None:  # noqa: FBT001 - it is what is observed
        """Take in how it is now; return the state that is to be announced, or None."""
        if state == self._announced:
            self._since = None
            return None
        if self._since is None:
            self._since = now
        if now - self._since < self._lasts:
            return None
        self._announced, self._since = state, None
        return state

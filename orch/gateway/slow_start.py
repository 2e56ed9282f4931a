"""The share of its weight that an instance has after it returned. Pure.

An engine that comes back has empty caches, and may load its model with the first request. With its whole
weight at once it would be overloaded again. As in Envoy, its weight grows with time from a tenth to all of
it, linearly.
"""

from typing import Final

LEAST: Final = 0.1


class SlowStart:
    """Notices when an instance can be used again. The mutable state is since when, or None.

    ``is_new``: it was added while others were in use, and so begins slowly, too.
    """

    __slots__ = ("_since", "_was_usable")

    def __init__(self, now: float, *, is_new: bool) -> None:
        self._since = now if is_new else None
        self._was_usable = True

    def see(self, now: float, *, is_usable: bool) -> None:
        """Note whether it can be used now."""
        if is_usable and not self._was_usable:
            self._since = now
        self._was_usable = is_usable

    def begin(self, now: float) -> None:
        """Begin slowly now: it was warmed up."""
        self._since = now

    def share(self, now: float, seconds: float) -> float:
        """Return its share of its weight, in :data:`LEAST` to 1; it is 1 after ``seconds``."""
        if self._since is None or now >= self._since + seconds:
            return 1.0
        return max(LEAST, (now - self._since) / seconds)

    def left(self, now: float, seconds: float) -> float | None:
        """Return the seconds until it has all of its weight; None if it has."""
        if self._since is None or now >= self._since + seconds:
            return None
        return self._since + seconds - now

"""Remembers where the levels of series changed, and which series to look at next. Pure."""

from collections.abc import Collection, Iterator
from typing import Final

from orch.analytics.anomalies.changes import Change

EVERY: Final = 3_600.0
"""Seconds between two looks at a series."""


class Levels:
    """The mutable state: the changes of each series, and when it was looked at last."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[Change, ...]] = {}
        self._looked_at: dict[str, float] = {}

    def next_to_look(self, keys: Collection[str], now: float) -> str | None:
        """Return the series that should be looked at now, the one that has waited longest; None: none."""
        for gone in self._looked_at.keys() - set(keys):
            del self._looked_at[gone]
            self._found.pop(gone, None)
        if not keys:
            return None
        key = min(keys, key=lambda each: self._looked_at.get(each, float("-inf")))
        # A clock that went back is no reason to wait.
        return None if 0 <= now - self._looked_at.get(key, float("-inf")) < EVERY else key

    def looked(self, key: str, found: tuple[Change, ...], now: float) -> bool:
        """Take the changes of a series; return whether they differ from those known so far."""
        before = {each.at for each in self._found.get(key, ())}
        self._looked_at[key], self._found[key] = now, found
        return before != {each.at for each in found}

    def since(self, at: float) -> Iterator[tuple[str, Change]]:
        """Yield the changes from a moment on, with the key of their series, the newest first."""
        found = ((key, each) for key, changes in self._found.items() for each in changes if each.at >= at)
        yield from sorted(found, key=lambda each: each[1].at, reverse=True)

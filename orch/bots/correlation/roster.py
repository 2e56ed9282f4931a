"""Participants by their names: several may have the same one. Pure.

A caption has a name only. If no participant with it is known, the name itself stands for one; participants
that become known later take its place.
"""

import unicodedata
from dataclasses import dataclass
from typing import Final

from orch.bots.correlation.events import Name

LATE: Final = 5.0
"""Seconds after a participant left in which their words are still expected."""
MOST_NAMES: Final = 2_000
"""Participants that are stored; beyond, those that left first are forgotten."""

_BY_NAME: Final = "name:"


@dataclass(slots=True)
class _Entry:
    name: str
    joined: float
    left: float | None = None


def plain(name: str) -> str:
    """Return a name in Unicode's composed form, with single spaces."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def folded(name: str) -> str:
    """Return a name in one case and width: how it is found where the page writes it differently."""
    return plain(unicodedata.normalize("NFKC", name).casefold())


class Roster:
    """Who is in the meeting. Speakers are referred to by *keys*: a participant's id, or a name's own key."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._keys: dict[str, list[str]] = {}

    def update(self, participant_id: str, name: str, at: float, *, is_present: bool) -> str | None:
        """Apply a participant's name and presence. Returns the key of a mere name that is now this one's."""
        entry = self._entries.get(participant_id)
        if entry is None:
            entry = self._entries[participant_id] = _Entry(name, at)
        else:
            self._drop(participant_id, entry.name)
            entry.name = name
        entry.left = None if is_present else at
        keys = self._keys.setdefault(folded(name), [])
        keys.append(participant_id)
        mere = _BY_NAME + folded(name)
        replaced = mere if mere in self._entries else None
        if replaced is not None:
            keys.remove(mere)
            del self._entries[mere]
        self._limit()
        return replaced

    def keys(self, name: str, participant_id: str | None, at: float) -> list[str]:
        """Return the keys of those who may have spoken under a name at a time; never none."""
        if participant_id is not None and participant_id in self._entries:
            return [participant_id]
        keys = self._keys.get(folded(name), [])
        if not keys:
            mere = _BY_NAME + folded(name)
            self._entries[mere] = _Entry(name, at)
            self._keys[folded(name)] = keys = [mere]
            self._limit()
        keys = [key for key in keys if self.plain_name(key) == plain(name)] or keys
        present = [key for key in keys if self.may_speak(key, at)]
        return present or keys

    def may_speak(self, key: str, at: float) -> bool:
        """Return whether a speaker was in the meeting then."""
        entry = self._entries.get(key)
        return entry is not None and (entry.left is None or at <= entry.left + LATE)

    def name(self, key: str) -> Name | None:
        """Return a speaker's name; None if they are forgotten."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        return Name(name=entry.name, participant_id=None if key.startswith(_BY_NAME) else key)

    def plain_name(self, key: str) -> str:
        """Return a speaker's name as it is compared with others; empty if they are forgotten."""
        entry = self._entries.get(key)
        return "" if entry is None else plain(entry.name)

    def _drop(self, key: str, name: str) -> None:
        keys = self._keys[folded(name)]
        keys.remove(key)
        if not keys:
            del self._keys[folded(name)]

    def _limit(self) -> None:
        if len(self._entries) <= MOST_NAMES:
            return
        oldest = min(
            self._entries,
            key=lambda key: (
                self._entries[key].left is None,
                self._entries[key].left or 0.0,
                self._entries[key].joined,
            ),
        )
        self._drop(oldest, self._entries[oldest].name)
        del self._entries[oldest]

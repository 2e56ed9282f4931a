"""Participants' names: cleaned, and unique in a session. Pure.

A name is shown beside a caption, so it must be readable, must not rearrange the line around it, and must not
be another participant's. Two names are equal if they differ only in case, width, spaces or invisible
characters. Look-alike letters of different alphabets count as different.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Final

#: Maximum characters of a name.
NAME_LENGTH: Final = 80

#: Names of disconnected participants that stay reserved; beyond it the oldest are released.
SILENT_NAMES: Final = 1_000

#: Numbers tried behind a taken name; after that the participant's id is added.
_NUMBERS: Final = 9

#: Maximum combining marks on a letter: more would cover the lines above and below.
_MARKS: Final = 4

#: Invisible letters: fillers of Hangul and Braille, and the grapheme joiner.
_SHAPELESS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")

#: Joiners shape letters and join emoji, so they stay between two visible characters.
_JOINERS: Final = "\u200c\u200d"

_SPACES: Final = re.compile(r" +")


def clean(text: str, length: int = NAME_LENGTH) -> str:
    """Return a name in NFC without invisible and direction-changing characters; may be empty.

    ``length``: its maximum characters. Control characters and line breaks become spaces, spaces are
    collapsed.
    """
    kept: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFC", text):
        category = unicodedata.category(character)
        if category in ("Cc", "Zl", "Zp", "Zs"):
            kept.append(" ")
        elif character in _JOINERS:
            kept.append(character)
        elif category[0] != "C" and character not in _SHAPELESS:
            marks = marks + 1 if category[0] == "M" else 0
            if marks <= _MARKS:
                kept.append(character)
    joined = _without_loose_joiners(_SPACES.sub(" ", "".join(kept)).strip())
    name = joined[:length].rstrip(" " + _JOINERS)
    return name if any(unicodedata.category(each)[0] not in "MZC" for each in name) else ""


def _without_loose_joiners(text: str) -> str:
    """Drop useless joiners: at an end, beside a space or another joiner."""
    kept: list[str] = []
    for place, character in enumerate(text):
        if character in _JOINERS:
            after = text[place + 1] if place + 1 < len(text) else " "
            if not kept or kept[-1] in " " + _JOINERS or after in " " + _JOINERS:
                continue
        kept.append(character)
    return "".join(kept)


def folded(name: str) -> str:
    """Return the form in which names are compared."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(each for each in plain if unicodedata.category(each)[0] not in "CZ")


def unique(name: str, is_taken: Callable[[str], bool], otherwise: str) -> str:
    """Return the name, or ``name (2)`` and so on if it is taken; finally ``name (otherwise)``."""
    if not is_taken(name):
        return name
    for number in range(2, _NUMBERS + 1):
        numbered = _with(name, str(number))
        if not is_taken(numbered):
            return numbered
    return _with(name, otherwise)


def _with(name: str, mark: str) -> str:
    suffix = f" ({mark})"
    return name[: NAME_LENGTH - len(suffix)].rstrip() + suffix


class Names:
    """The names in one session.

    The mutable state: the names by participant, including disconnected ones, and the participants by name. It
    is bounded by the present participants and :data:`SILENT_NAMES`.
    """

    __slots__ = ("_by_id", "_by_name", "_silent")

    def __init__(self) -> None:
        self._by_id: dict[str, str] = {}
        self._by_name: dict[str, str] = {}
        self._silent: dict[str, None] = {}

    def __repr__(self) -> str:
        return f"<Names of {len(self._by_id)}, {len(self._silent)} silent>"

    def __len__(self) -> int:
        return len(self._by_id)

    def is_taken(self, name: str, participant_id: str | None = None) -> bool:
        """Return whether a name belongs to a participant other than ``participant_id``."""
        return self._by_name.get(folded(name), participant_id) != participant_id

    def take(self, participant_id: str, name: str) -> str:
        """Assign a participant a unique name as close to ``name`` as possible, and return it."""
        free = self.free(name, participant_id)
        self.hold(participant_id, free)
        return free

    def free(self, name: str, participant_id: str) -> str:
        """Return a unique name for ``participant_id``."""
        return unique(name, lambda each: self.is_taken(each, participant_id), participant_id)

    def hold(self, participant_id: str, name: str) -> None:
        """Record a participant's name, even if another has it too."""
        before = self._by_id.get(participant_id)
        self._silent.pop(participant_id, None)
        after = folded(name)
        if before == after:
            return
        self.release(participant_id)
        self._by_id[participant_id] = after
        self._by_name.setdefault(after, participant_id)

    def silence(self, participant_id: str) -> None:
        """Record that a participant's connection was lost: the name stays reserved for now."""
        if participant_id not in self._by_id:
            return
        self._silent[participant_id] = None
        if len(self._silent) > SILENT_NAMES:
            self.release(next(iter(self._silent)))

    def release(self, participant_id: str) -> None:
        """Release a participant's name."""
        name = self._by_id.pop(participant_id, None)
        self._silent.pop(participant_id, None)
        if name is not None and self._by_name.get(name) == participant_id:
            del self._by_name[name]

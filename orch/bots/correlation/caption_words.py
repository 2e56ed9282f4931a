"""The words of a caption that grows and corrects itself, and when each arrived. Pure.

Captions carry no times. A word's arrival is that of the first version that had it; a corrected word keeps the
arrival of the one it replaced. Words are grouped into *chunks* of :data:`CHUNK`, which are aligned one by
one; a chunk that has not changed for :data:`OPEN` seconds is closed and forgotten, so that a caption which
grows for an hour costs no more than a short one.
"""

import math
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Final

from orch.bots.correlation.events import Caption
from orch.bots.correlation.units import units_of

CHUNK: Final = 24
OPEN: Final = 30.0
LONGEST: Final = 4_000
"""Characters of a caption that are read, from its end; pages remove older ones themselves."""


@dataclass(slots=True)
class CaptionWord:
    """A unit of a caption, and when it arrived."""

    unit: str
    at: float


@dataclass(slots=True)
class CaptionChunk:
    """Successive words of one caption. ``is_dirty``: they have changed since they were aligned."""

    key: tuple[str, int]
    name: str
    participant_id: str | None
    words: list[CaptionWord] = field(default_factory=list)
    is_dirty: bool = True

    @property
    def last(self) -> float:
        """When the newest word arrived."""
        return max((word.at for word in self.words), default=-math.inf)

    @property
    def first(self) -> float:
        """When the oldest word arrived."""
        return min((word.at for word in self.words), default=-math.inf)


class GrowingCaption:
    """A caption in its newest version. The mutable state is its open chunks and how many words are closed."""

    def __init__(self, caption_id: str) -> None:
        self._id = caption_id
        self._name = ""
        self._participant_id: str | None = None
        self._closed = 0
        self._number = 0
        self._cut = 0
        self.updated = 0.0
        self.chunks: list[CaptionChunk] = []

    def revise(self, version: Caption) -> None:
        """Apply a version. Another name is that of the whole caption."""
        text, at, began = version.text, version.at, version.began
        self.updated = at
        if (version.name, version.participant_id) != (self._name, self._participant_id):
            self._name, self._participant_id = version.name, version.participant_id
            for chunk in self.chunks:
                chunk.name, chunk.participant_id, chunk.is_dirty = version.name, version.participant_id, True
        cut = max(0, (len(text) // (LONGEST // 2) - 1) * (LONGEST // 2))
        units = units_of(text[cut:])
        old = [word for chunk in self.chunks for word in chunk.words]
        if cut != self._cut:
            self._cut = cut
            self._closed = _shared_start([word.unit for word in old], units)
        new = units[self._closed :]
        words = _carried(old, new, at, began if self._closed == 0 and not old else None)
        self._divide(words)

    def close(self, now: float) -> list[CaptionChunk]:
        """Forget chunks that have not changed for :data:`OPEN` seconds, and return them."""
        closed = []
        while self.chunks and now - self.chunks[0].last > OPEN:
            chunk = self.chunks.pop(0)
            self._closed += len(chunk.words)
            self._number += 1
            closed.append(chunk)
        return closed

    def _divide(self, words: list[CaptionWord]) -> None:
        chunks = []
        for index, start in enumerate(range(0, len(words), CHUNK)):
            part = words[start : start + CHUNK]
            same = self.chunks[index] if index < len(self.chunks) else None
            if same is not None and [word.unit for word in same.words] == [word.unit for word in part]:
                chunks.append(same)
            else:
                key = (self._id, self._number + index)
                chunks.append(CaptionChunk(key, self._name, self._participant_id, part))
        # A version with fewer words: empty chunks take back the evidence of those that are gone.
        gone = (each.key for each in self.chunks[len(chunks) :])
        chunks += [CaptionChunk(key, self._name, self._participant_id) for key in gone]
        self.chunks = chunks


def _carried(old: list[CaptionWord], new: list[str], at: float, began: float | None) -> list[CaptionWord]:
    """Return the new version's words with the arrivals of the old one's."""
    same = 0
    while same < min(len(old), len(new)) and old[same].unit == new[same]:
        same += 1
    words = old[:same]
    rest, added = old[same:], new[same:]
    if not rest:
        if began is None or not added:
            return words + [CaptionWord(unit, at) for unit in added]
        step = (at - began) / len(added)
        return words + [CaptionWord(unit, began + step * (index + 1)) for index, unit in enumerate(added)]
    matcher = SequenceMatcher(None, [word.unit for word in rest], added, autojunk=False)
    for kind, a0, a1, b0, b1 in matcher.get_opcodes():
        if kind == "equal":
            words += rest[a0:a1]
            continue
        for index in range(b0, b1):
            replaced = a0 + (index - b0)
            if replaced < a1:
                words.append(CaptionWord(added[index], rest[replaced].at))
            elif b1 == len(added) or not words:
                words.append(CaptionWord(added[index], at))
            else:
                words.append(CaptionWord(added[index], words[-1].at))
    return words


def _shared_start(old: list[str], new: list[str]) -> int:
    """Return where the old words begin in the new ones; the end, if they do not."""
    if not old:
        return len(new)
    match = SequenceMatcher(None, old, new[-len(old) - 2 * CHUNK :], autojunk=False).find_longest_match()
    if match.size == 0:
        return max(0, len(new) - len(old))
    begin = max(0, len(new) - len(old) - 2 * CHUNK)
    return max(0, begin + match.b - match.a)

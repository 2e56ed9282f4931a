"""The transcribed words of the last minutes, in order of time, with their evidence and names. Pure."""

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from typing import Final

from orch.bots.correlation.events import Kind, Name, Source
from orch.bots.correlation.units import units_of
from orch.protocol.messages import Word

ROUNDING: Final = 1e-6
LONGEST_WORD: Final = 30.0
"""Seconds; an engine's word that is longer is taken to end then."""


@dataclass(frozen=True, slots=True)
class Support:
    """What a caption's chunk says of a word: whose it is, and how surely (0 to 1)."""

    name: str
    participant_id: str | None
    weight: float


@dataclass(slots=True, eq=False)
class LiveWord:
    """A word whose name may still change.

    ``supports``: by chunk of a caption. ``shown``: its name now, with ``shown_confidence`` as the last change
    had it. ``name``: the likeliest one. ``received``: when the segment arrived. ``is_pinned``: a person has
    named it.
    """

    segment_id: str
    index: int
    channel: str
    start: float
    end: float
    units: list[str]
    supports: dict[tuple[str, int], Support] = field(default_factory=dict)
    shown: Name | None = None
    shown_confidence: float = 0.0
    name: Name | None = None
    confidence: float = 0.0
    source: Source = "none"
    kind: Kind = "none"
    is_pinned: bool = False
    received: float = 0.0
    run: "Run | None" = None

    @property
    def middle(self) -> float:
        """The time of its middle."""
        return (self.start + self.end) / 2

    def touch(self) -> None:
        """Have its run scored again: its evidence has changed."""
        if self.run is not None:
            self.run.is_dirty = True


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """A unit of a word; ``end``: seconds, in proportion to its place in the word."""

    text: str
    end: float
    word: LiveWord


def live_words(segment_id: str, channel: str, words: tuple[Word, ...]) -> list[LiveWord]:
    """Return a segment's words; times that run backwards or are not finite numbers are mended."""
    found: list[LiveWord] = []
    before = 0.0
    for index, word in enumerate(words):
        start = word.start if 0 <= word.start < float("inf") else before
        end = word.end if start <= word.end < float("inf") else start
        end = min(end, start + LONGEST_WORD)
        before = end
        found.append(LiveWord(segment_id, index, channel, start, end, units_of(word.text)))
    return found


class Timeline:
    """All live words' units, sorted by their ends. The mutable state is the two parallel lists."""

    def __init__(self) -> None:
        self._ends: list[float] = []
        self._units: list[Unit] = []

    def __len__(self) -> int:
        return len(self._units)

    def add(self, word: LiveWord) -> None:
        """Insert a word; those of a newest segment go near the end, so this costs little."""
        count = len(word.units)
        length = word.end - word.start
        for number, text in enumerate(word.units, start=1):
            end = word.start + length * number / count
            at = bisect_right(self._ends, end)
            self._ends.insert(at, end)
            self._units.insert(at, Unit(text, end, word))

    def between(self, start: float, end: float) -> list[Unit]:
        """Return the units that end in a span."""
        return self._units[bisect_left(self._ends, start) : bisect_right(self._ends, end)]

    def forget(self, word: LiveWord) -> None:
        """Remove a word."""
        # Ends of units are computed, so they may differ from the word's in the last digit.
        at = bisect_left(self._ends, word.start - ROUNDING)
        last = bisect_right(self._ends, word.end + ROUNDING)
        kept = [
            (end, unit)
            for end, unit in zip(self._ends[at:last], self._units[at:last], strict=True)
            if unit.word is not word
        ]
        self._ends[at:last] = [end for end, _ in kept]
        self._units[at:last] = [unit for _, unit in kept]


@dataclass(slots=True, eq=False)
class Run:
    """Words of a channel without a long pause between them, in order of time.

    ``own``: how much it says by itself for each participant as the channel's usual speaker. ``rows``: the
    probabilities of each word's speakers, a column for each of ``keys`` and one for someone else; fewer rows
    than words until it is scored. ``is_whole``: none of its words is settled.
    """

    channel: str
    words: list[LiveWord] = field(default_factory=list)
    own: dict[str, float] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    rows: list[list[float]] = field(default_factory=list)
    is_dirty: bool = True
    is_whole: bool = True

    @property
    def start(self) -> float:
        """When the first word begins."""
        return self.words[0].start

    @property
    def end(self) -> float:
        """When the last word ends."""
        return max(self.words[-1].end, self.words[0].end)

    def add(self, word: LiveWord) -> None:
        """Insert a word by its start."""
        insort(self.words, word, key=lambda each: each.start)
        self.rows = []
        self.is_dirty = True

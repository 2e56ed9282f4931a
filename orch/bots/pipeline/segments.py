"""The utterances of a meeting's transcript, with their names and translations, as they are now. Pure.

A segment grows, becomes final, is translated, and gets names: all at times of their own. Here is what is
known of the newest of them; older ones are in the store.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from orch.bots.correlation.events import Change, Kind, Layout, Name, Source
from orch.bots.shown import LineShown
from orch.protocol.messages import AttributedWords, Transcript, Word
from orch.protocol.words import word_spans

MOST: Final = 4_096
"""Segments that are known: an hour of a lively meeting. Names of older ones only go to the store."""
SHOWN: Final = 100
"""Lines that are shown live."""


@dataclass(frozen=True, slots=True)
class Named:
    """The name of one word."""

    name: Name | None = None
    confidence: float = 0.0
    source: Source = "none"
    kind: Kind = "none"


NOBODY: Final = Named()


@dataclass(slots=True)
class Segment:
    """One utterance. ``start``, ``end`` and the times of words: seconds from the session's start.

    ``index``: in the store, None until it is final. ``attribution``: how often its names were published.
    ``source``: the id of its record, of a caption of the meeting. ``translated``, ``untranslated``: languages
    of which the translation is final, or will not come.
    """

    segment_id: str
    channel: str
    layout: Layout
    start: float
    end: float
    text: str = ""
    language: str | None = None
    confidence: float | None = None
    revision: int = 0
    is_final: bool = False
    index: int | None = None
    words: tuple[Word, ...] = ()
    names: list[Named] = field(default_factory=list)
    translations: dict[str, str] = field(default_factory=dict)
    translated: set[str] = field(default_factory=set)
    untranslated: set[str] = field(default_factory=set)
    source: str | None = None
    attribution: int = 0
    stored: int = 0
    """The revision of its record in the store."""

    @property
    def speaker(self) -> Named:
        """Who said most of its words; :data:`NOBODY` if nobody is known to have said half of them."""
        counts: dict[str, list[Named]] = {}
        for each in self.names:
            if each.name is not None:
                counts.setdefault(each.name.name, []).append(each)
        if not counts:
            return NOBODY
        most = max(counts.values(), key=len)
        if len(most) * 2 < len(self.names):
            return NOBODY
        ids = {each.name.participant_id for each in most if each.name is not None}
        known = ids - {None}
        name = most[0].name
        if name is not None and len(known) == 1:
            name = Name(name=name.name, participant_id=next(iter(known)))
        return Named(name, min(each.confidence for each in most), most[0].source, most[0].kind)

    def replace(self, message: Transcript, base: float) -> None:
        """Apply the next version of its text; its words and names follow."""
        self.start, self.end = base + message.start, base + message.end
        self.text, self.language, self.confidence = message.text, message.language, message.confidence
        self.revision, self.is_final = message.revision, message.final
        if message.final:
            self.translated.clear()  # those that follow are of these words
            self.untranslated.clear()

    def parts(self) -> tuple[AttributedWords, ...]:
        """Return its words by speaker, in order."""
        found: list[AttributedWords] = []
        before: Named | None = None
        for at, each in enumerate(self.names):
            if before is not None and before.name == each.name and before.source == each.source:
                last = found[-1]
                found[-1] = AttributedWords(
                    first=last.first,
                    last=at,
                    speaker=last.speaker,
                    speaker_id=last.speaker_id,
                    confidence=min(last.confidence, round(each.confidence, 3)),
                    source=last.source,
                )
            else:
                found.append(
                    AttributedWords(
                        first=at,
                        last=at,
                        speaker=None if each.name is None else each.name.name,
                        speaker_id=None if each.name is None else each.name.participant_id,
                        confidence=round(each.confidence, 3),
                        source=each.source,
                    )
                )
            before = each
        return tuple(found)

    def shown(self) -> LineShown:
        """Return it as it is shown live."""
        name = self.speaker.name
        return LineShown(
            segment=self.segment_id,
            revision=self.revision,
            is_final=self.is_final,
            text=self.text,
            start=round(self.start, 3),
            end=round(self.end, 3),
            speaker=None if name is None else name.name,
            speaker_id=None if name is None else name.participant_id,
            language=self.language,
            confidence=self.confidence,
            translations=dict(self.translations),
        )


class Segments:
    """The mutable state is the segments, :data:`MOST` at most, and the number of words with a name."""

    def __init__(self, identify: Callable[[str], str]) -> None:
        """Begin without any; ``identify`` returns the id of a speaker of whom only the name is known."""
        self._identify = identify
        self._segments: OrderedDict[str, Segment] = OrderedDict()
        self.named = 0

    def __len__(self) -> int:
        return len(self._segments)

    def get(self, segment_id: str) -> Segment | None:
        """Return a segment, or None."""
        return self._segments.get(segment_id)

    def all(self) -> tuple[Segment, ...]:
        """Return those that are known, the oldest first."""
        return tuple(self._segments.values())

    def add(self, segment: Segment) -> None:
        """Add a segment; the oldest are forgotten."""
        self._segments[segment.segment_id] = segment
        while len(self._segments) > MOST:
            self._segments.popitem(last=False)  # its named words stay counted

    def reword(self, segment: Segment, words: tuple[Word, ...]) -> None:
        """Replace a segment's words; their names are given again."""
        self.named -= sum(each.name is not None for each in segment.names)
        segment.words = words
        segment.names = [NOBODY] * len(words)

    def apply(self, change: Change) -> Segment | None:
        """Apply a change of names; return the segment, None if it is no longer known."""
        segment = self._segments.get(change.segment_id)
        if segment is None:
            return None
        name = change.new
        if name is not None and name.participant_id is None:
            name = Name(name=name.name, participant_id=self._identify(name.name))
        new = Named(name, change.confidence, change.source, change.kind)
        for at in range(max(0, change.first), min(change.last, len(segment.names) - 1) + 1):
            self.named += (new.name is not None) - (segment.names[at].name is not None)
            segment.names[at] = new
        return segment

    def newest(self) -> tuple[LineShown, ...]:
        """Return the last lines, in the order in which they were spoken."""
        last: list[Segment] = []
        for segment in reversed(self._segments.values()):
            if segment.text:
                last.append(segment)
            if len(last) == SHOWN:
                break
        return tuple(each.shown() for each in sorted(last, key=lambda each: each.start))


def timed_words(message: Transcript, base: float) -> tuple[Word, ...]:
    """Return a transcript's words with their times in the session, which begins ``base`` s before its stream.

    Engines that give no times: the words are spread over the utterance by their lengths.
    """
    if message.words:
        return tuple(
            Word(
                text=each.text,
                start=base + each.start,
                end=base + max(each.start, each.end),
                confidence=each.confidence,
            )
            for each in message.words
        )
    spans = word_spans(message.text)
    letters = [max(1, end - begin) for begin, end in spans]
    total = sum(letters)
    begin, length = base + message.start, max(0.0, message.end - message.start)
    found: list[Word] = []
    done = 0
    for (first, last), count in zip(spans, letters, strict=True):
        found.append(
            Word(
                text=message.text[first:last],
                start=begin + length * done / total,
                end=begin + length * (done + count) / total,
            )
        )
        done += count
    return tuple(found)


def changed(changes: Iterable[Change]) -> dict[str, list[Change]]:
    """Return changes by segment, in their order."""
    found: dict[str, list[Change]] = {}
    for each in changes:
        found.setdefault(each.segment_id, []).append(each)
    return found

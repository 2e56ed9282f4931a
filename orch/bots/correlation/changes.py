"""Changes of names as entries of an audit trail, and the summary of settled segments. Pure."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from orch.bots.correlation.events import Change, Correction, Name
from orch.bots.correlation.naming import REASONS
from orch.bots.correlation.words import LiveWord

MOST_SEGMENTS: Final = 16_384
"""Settled segments whose names can still be corrected: some six hours of speech."""
ALIKE: Final = 0.05
"""Confidences of neighbouring words that are reported as one, the lowest of them."""
LATE_REASON: Final = "the channel's speaker became known later"
CARRIED: Final = "the transcript was revised"


def change_of(
    word: LiveWord, new: Name | None, at: float, *, by: str | None = None, reason: str | None = None
) -> Change:
    """Show another name, or none, for a word, and return that as a change."""
    source = word.source if new is not None or word.is_pinned else "none"
    change = Change(
        at=at,
        segment_id=word.segment_id,
        first=word.index,
        last=word.index,
        old=word.shown,
        new=new,
        confidence=word.confidence,
        source=source,
        kind=word.kind if new is not None else "none",
        by=by or source,
        reason=reason or REASONS[source],
    )
    word.shown = new
    word.shown_confidence = word.confidence
    return change


def grouped(changes: Iterable[Change]) -> list[Change]:
    """Return changes with those of successive words put together where only the words differ."""
    found: list[Change] = []
    for change in changes:
        before = found[-1] if found else None
        if before is not None and before.last + 1 == change.first and _is_alike(before, change):
            low = min(before.confidence, change.confidence)
            found[-1] = msgspec.structs.replace(before, last=change.last, confidence=low)
        else:
            found.append(change)
    return found


def _is_alike(one: Change, other: Change) -> bool:
    same = msgspec.structs.replace(one, first=other.first, last=other.last, confidence=other.confidence)
    return same == other and abs(one.confidence - other.confidence) <= ALIKE


@dataclass(frozen=True, slots=True)
class _Span:
    first: int
    last: int
    name: Name | None
    is_pinned: bool


class Settled:
    """The names of settled segments, as spans of words. The oldest are forgotten beyond a number."""

    def __init__(self) -> None:
        self._segments: OrderedDict[str, list[_Span]] = OrderedDict()

    def add(self, words: list[LiveWord]) -> None:
        """Add a segment's words, in order."""
        spans: list[_Span] = []
        for word in words:
            first = word.index
            if spans and (spans[-1].name, spans[-1].is_pinned) == (word.shown, word.is_pinned):
                first = spans.pop().first
            spans.append(_Span(first, word.index, word.shown, word.is_pinned))
        self._segments[words[0].segment_id] = spans
        while len(self._segments) > MOST_SEGMENTS:
            self._segments.popitem(last=False)

    def forget(self, segment_id: str) -> None:
        """Forget a segment, of which a new version has arrived."""
        self._segments.pop(segment_id, None)

    def unnamed(self, segment_id: str) -> list[tuple[int, int]]:
        """Return the first and last words of the spans without a name."""
        return [(span.first, span.last) for span in self._segments[segment_id] if _is_open(span)]

    def name(
        self, segment_id: str, first: int, last: int, new: Name, confidence: float, at: float
    ) -> list[Change]:
        """Name words that had no name, by their channel."""
        return [
            Change(
                at=at,
                segment_id=segment_id,
                first=start,
                last=stop,
                old=None,
                new=new,
                confidence=confidence,
                source="track",
                kind="inferred",
                by="track",
                reason=LATE_REASON,
            )
            for start, stop, _ in self._replace(segment_id, first, last, new, by_person=False)
        ]

    def correct(self, event: Correction, new: Name | None) -> list[Change]:
        """Apply a person's correction; nothing, if the segment is unknown or was forgotten."""
        return [
            Change(
                at=event.at,
                segment_id=event.segment_id,
                first=start,
                last=stop,
                old=old,
                new=new,
                confidence=1.0,
                source="person",
                kind="none",
                by=f"person:{event.by}",
                reason=REASONS["person"],
            )
            for start, stop, old in self._replace(
                event.segment_id, event.first, event.last, new, by_person=True
            )
        ]

    def _replace(
        self, segment_id: str, first: int, last: int, new: Name | None, *, by_person: bool
    ) -> list[tuple[int, int, Name | None]]:
        """Give words a name; returns the spans that had other ones, with these.

        Only a person replaces a name, or names what a person has left without one.
        """
        spans: list[_Span] = []
        replaced = []
        for span in self._segments.get(segment_id, ()):
            start, stop = max(span.first, first), min(span.last, last)
            if start > stop or not (by_person or _is_open(span)):
                spans.append(span)
                continue
            replaced.append((start, stop, span.name))
            if span.first < start:
                spans.append(_Span(span.first, start - 1, span.name, span.is_pinned))
            spans.append(_Span(start, stop, new, by_person))
            if stop < span.last:
                spans.append(_Span(stop + 1, span.last, span.name, span.is_pinned))
        if replaced:
            self._segments[segment_id] = spans
        return replaced


def _is_open(span: _Span) -> bool:
    return span.name is None and not span.is_pinned

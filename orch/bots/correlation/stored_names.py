"""Changes of names as records of the store: whose words are whose, and the audit of revisions. Pure.

    names = StoredNames("session", started)
    for record in names.apply(event, correlator.feed(event)):
        await store(record)

``transcript_id`` of a segment is its ``segment_id``. A segment that has changed is stored whole, as parts of
successive words with one name; all have the same, next revision. Records have the same ids whenever the same
events are replayed.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from orch.bots.correlation.changes import CARRIED
from orch.bots.correlation.events import Change, Event, Kind, Name, Segment, Source
from orch.stores.bot_records import Correlation, CorrelationType, NameRevision

MOST_SEGMENTS: Final = 16_384
"""Segments whose parts are known; an older one that changes is stored as the changed words alone."""
_TYPES: Final[dict[Kind, CorrelationType]] = {
    "exact": "exact",
    "interpolated": "interpolated",
    "inferred": "inferred",
    "none": "inferred",
}
"""A withheld name, and a person's, are stored as inferred; ``correlation_method`` tells them apart."""


@dataclass(frozen=True, slots=True)
class _Part:
    first: int
    last: int
    name: Name | None = None
    confidence: float = 0.0
    source: Source = "none"
    kind: Kind = "none"

    def of(self, first: int, last: int) -> "_Part":
        return _Part(first, last, self.name, self.confidence, self.source, self.kind)


@dataclass(slots=True)
class _Segment:
    times: Sequence[tuple[float, float]] = ()
    parts: list[_Part] = field(default_factory=list)
    revision: int = 0
    revised: int = 0


class StoredNames:
    """Turns changes into records. The mutable state is the parts of the newest segments.

    ``started``: of the session, seconds since the epoch; ``at`` of events counts from it.
    """

    def __init__(self, session_id: str, started: float) -> None:
        self._session_id = session_id
        self._started = started
        self._segments: OrderedDict[str, _Segment] = OrderedDict()

    def apply(self, event: Event | None, changes: Iterable[Change]) -> list[Correlation | NameRevision]:
        """Return what is to store after an event; ``changes``: what the correlator returned for it."""
        found: list[Correlation | NameRevision] = []
        touched: dict[str, float] = {}
        after: list[Change] = []
        for change in changes:
            if isinstance(event, Segment) and _is_carried(change, event):
                after.append(change)
            else:
                found.append(self._revised(change))
                touched[change.segment_id] = change.at
        if isinstance(event, Segment):
            self._renew(event)
            touched[event.segment_id] = event.at
        found += [self._revised(change) for change in after]
        for segment_id, at in touched.items():
            found += self._stored(segment_id, at)
        return found

    def _renew(self, event: Segment) -> None:
        segment = self._segment(event.segment_id)
        segment.times = [(word.start, max(word.start, word.end)) for word in event.words]
        segment.parts = [_Part(0, len(event.words) - 1)] if event.words else []

    def _segment(self, segment_id: str) -> _Segment:
        segment = self._segments.setdefault(segment_id, _Segment())
        self._segments.move_to_end(segment_id)
        while len(self._segments) > MOST_SEGMENTS:
            self._segments.popitem(last=False)
        return segment

    def _revised(self, change: Change) -> NameRevision:
        """Apply a change to the parts, and return its audit."""
        segment = self._segment(change.segment_id)
        new = _Part(change.first, change.last, change.new, change.confidence, change.source, change.kind)
        old: list[float] = []
        parts: list[_Part] = []
        for part in segment.parts:
            if part.last < change.first or part.first > change.last:
                parts.append(part)
                continue
            old.append(part.confidence)
            if part.first < change.first:
                parts.append(part.of(part.first, change.first - 1))
            if part.last > change.last:
                parts.append(part.of(change.last + 1, part.last))
        segment.parts = sorted([*parts, new], key=lambda part: part.first)
        segment.revised += 1
        return NameRevision(
            revision_id=f"{change.segment_id}/{segment.revised}",
            session_id=self._session_id,
            transcript_id=change.segment_id,
            word_start=change.first,
            word_end=change.last + 1,
            method=f"{change.by}: {change.reason}",
            was_shown=change.old is not None,
            at=self._started + change.at,
            old_speaker_id=speaker_id(change.old),
            old_speaker_name=None if change.old is None else change.old.name,
            new_speaker_id=speaker_id(change.new),
            new_speaker_name=None if change.new is None else change.new.name,
            old_confidence=max(old, default=None),
            new_confidence=change.confidence,
        )

    def _stored(self, segment_id: str, at: float) -> list[Correlation]:
        segment = self._segments[segment_id]
        segment.revision += 1
        return [
            Correlation(
                session_id=self._session_id,
                inhouse_transcript_id=segment_id,
                word_start=part.first,
                word_end=part.last + 1,
                correlation_confidence=part.confidence,
                correlation_type=_TYPES[part.kind],
                correlation_method=part.source,
                start_time=min((start for start, _ in times), default=0.0),
                end_time=max((end for _, end in times), default=0.0),
                at=self._started + at,
                revision=segment.revision,
                part=number,
                speaker_id=speaker_id(part.name),
                speaker_name=None if part.name is None else part.name.name,
            )
            for number, part in enumerate(segment.parts)
            for times in [segment.times[part.first : part.last + 1]]
        ]


def speaker_id(name: Name | None) -> str | None:
    """Return the id of a speaker: the participant's, or the name itself where several have it."""
    if name is None:
        return None
    return name.participant_id if name.participant_id is not None else f"name:{name.name}"


def _is_carried(change: Change, event: Segment) -> bool:
    return change.segment_id == event.segment_id and change.reason == CARRIED

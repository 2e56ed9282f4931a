"""A meeting's words with their names and the audit trail, for exports and offline use. Pure.

A :class:`Record` grows with the meeting: live, the store is this record; offline and in exports it is built
from stored events. :func:`correlate` replays events through the same correlator as live.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from orch.bots.correlation.changes import CARRIED
from orch.bots.correlation.correlator import CorrelationStatistics, Correlator
from orch.bots.correlation.events import Change, Event, Kind, Name, Segment, Source
from orch.protocol.messages import Word


@dataclass(slots=True)
class NamedWord:
    """A word and its speaker. ``name`` is None while it is withheld."""

    word: Word
    name: Name | None = None
    confidence: float = 0.0
    source: Source = "none"
    kind: Kind = "none"


@dataclass(slots=True)
class NamedSegment:
    """A segment in its newest version."""

    segment_id: str
    channel: str
    words: list[NamedWord]


@dataclass(slots=True)
class Record:
    """Segments in order of arrival, and every change of a name, in order."""

    segments: dict[str, NamedSegment] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    statistics: CorrelationStatistics | None = None

    def apply(self, event: Event | None, changes: Iterable[Change]) -> None:
        """Apply an event and what the correlator returned for it, in the order of both.

        Changes that were due before a segment arrived concern other segments or its former version's words.
        """
        changes = list(changes)
        if isinstance(event, Segment):
            # Names of the former version are carried to the new one by changes of their own.
            own = [each for each in changes if each.segment_id == event.segment_id]
            before = [each for each in own if not _is_carried(each, event)]
            for change in before:
                self._change(change)
            self.segments[event.segment_id] = NamedSegment(
                event.segment_id, event.channel, [NamedWord(word) for word in event.words]
            )
            changes = [each for each in changes if each not in before]
            self.changes += before
        for change in changes:
            self._change(change)
        self.changes += changes

    def _change(self, change: Change) -> None:
        segment = self.segments.get(change.segment_id)
        if segment is None:
            return
        for word in segment.words[change.first : change.last + 1]:
            word.name = change.new
            word.confidence = change.confidence
            word.source = change.source
            word.kind = change.kind


def _is_carried(change: Change, event: Segment) -> bool:
    return change.at == event.at and change.old is None and change.reason == CARRIED


def correlate(events: Iterable[Event]) -> Record:
    """Return the record of stored events, which are in the order in which they were fed live."""
    correlator = Correlator()
    record = Record()
    for event in events:
        record.apply(event, correlator.feed(event))
    record.apply(None, correlator.finish())
    record.statistics = correlator.statistics()
    return record

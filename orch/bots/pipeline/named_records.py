"""The records and messages of who said a segment, under the segment's number in the store. Pure."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from orch.bots.correlation.changes import CARRIED
from orch.bots.correlation.events import Change, Name, Segment
from orch.bots.correlation.stored_names import StoredNames, speaker_id
from orch.bots.pipeline.segments import Segment as Line
from orch.protocol.messages import Attribution
from orch.stores.bot_records import Correlation, NameRevision, transcript_id

MOST: Final = 16_384
"""Segments whose number is known: as many as the correlation settles."""


class NamedRecords:
    """The mutable state is the next number, and those of the newest segments."""

    def __init__(
        self, session_id: str, started: float, next_segment: int, identify: Callable[[str], str]
    ) -> None:
        """Begin; ``identify`` returns the id of a speaker of whom only the name is known."""
        self._identify = identify
        self._session_id = session_id
        self._names = StoredNames(session_id, started)
        self._next = next_segment
        self._indices: OrderedDict[str, int] = OrderedDict()

    def index(self, line: Line) -> int:
        """Return the number of a final in the store; it gets the next one."""
        if line.index is None:
            line.index = self._indices[line.segment_id] = self._next
            self._next += 1
            while len(self._indices) > MOST:
                self._indices.popitem(last=False)
        return line.index

    def transcript_id(self, line: Line) -> str:
        """Return the id of a final in the store."""
        return transcript_id(self._session_id, "whisper_service", self.index(line))

    @staticmethod
    def is_carried(change: Change, event: Segment) -> bool:
        """Whether a change only gives a segment's new words the names of its old ones."""
        return change.segment_id == event.segment_id and change.reason == CARRIED

    def apply(
        self, line: Line, event: Segment | None, changes: Iterable[Change], *, offset: float | None
    ) -> list[Correlation | NameRevision]:
        """Return what is to store of a final's names. ``offset``: the captions' delay, if known."""
        named = self.transcript_id(line)
        return [self._renamed(each, named, offset) for each in self._names.apply(event, changes)]

    def late(self, segment_id: str, changes: Sequence[Change]) -> list[Correlation | NameRevision]:
        """Return what is to store of a segment that is known to the store alone."""
        index = self._indices.get(segment_id)
        if index is None:
            return []
        named = transcript_id(self._session_id, "whisper_service", index)
        return [self._renamed(each, named, None) for each in self._names.apply(None, changes)]

    def _renamed(
        self, record: Correlation | NameRevision, named: str, offset: float | None
    ) -> Correlation | NameRevision:
        if isinstance(record, NameRevision):
            number = record.revision_id.rpartition("/")[2]
            return msgspec.structs.replace(
                record,
                transcript_id=named,
                revision_id=f"{named}/{number}",
                old_speaker_id=self._id(record.old_speaker_id, record.old_speaker_name),
                new_speaker_id=self._id(record.new_speaker_id, record.new_speaker_name),
            )
        start = max(0.0, record.start_time)
        return msgspec.structs.replace(
            record,
            inhouse_transcript_id=named,
            timing_offset=offset,
            start_time=start,
            end_time=max(start, record.end_time),
            speaker_id=self._id(record.speaker_id, record.speaker_name),
        )

    def _id(self, speaker: str | None, name: str | None) -> str | None:
        """Return a speaker's id; one that says the name alone becomes that of a speaker with this name."""
        if name is None or speaker != speaker_id(Name(name=name)):
            return speaker
        return self._identify(name)

    def attribution(self, line: Line, *, is_revised: bool) -> Attribution:
        """Return the message of who said a final, as its next revision."""
        line.attribution += 1
        name = line.speaker.name
        return Attribution(
            timestamp=0,
            session_id=self._session_id,
            segment_id=line.segment_id,
            revision=line.attribution,
            speaker=None if name is None else name.name,
            speaker_id=None if name is None else name.participant_id,
            parts=line.parts(),
            revised=is_revised,
        )

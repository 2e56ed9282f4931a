"""What a bot has noted of a meeting, as the store has it in the end, as JSON. Pure.

Live and replayed notes of the same tape are the same bytes: times are rounded to milliseconds.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from orch.stores.bot_records import (
    Captured,
    Correlation,
    NameRevision,
    Participant,
    SessionEvent,
    Translation,
    Utterance,
)

DIGITS: Final = 3
"""Decimals of every number: milliseconds."""


class Notes:
    """Records in their newest versions. The mutable state is these."""

    def __init__(self) -> None:
        self._utterances: dict[str, Utterance] = {}
        self._translations: dict[str, Translation] = {}
        self._correlations: dict[str, dict[int, Correlation]] = {}
        self._revisions: dict[str, NameRevision] = {}
        self._participants: dict[str, Participant] = {}
        self._events: dict[str, SessionEvent] = {}

    def add(self, record: Captured) -> None:
        """Add a record; one of an older revision changes nothing. Files and consent are no notes."""
        match record:
            case Utterance():
                _newest(self._utterances, record.transcript_id, record)
            case Translation():
                _newest(self._translations, record.translation_id, record)
            case Correlation():
                self._correlate(record)
            case NameRevision():
                self._revisions[record.revision_id] = record
            case Participant():
                self._participants[record.participant_id] = record
            case SessionEvent():
                self._events[record.event_id] = record
            case _:
                pass

    def _correlate(self, record: Correlation) -> None:
        """Add a part; those of a later revision replace all of the earlier ones."""
        parts = self._correlations.setdefault(record.inhouse_transcript_id, {})
        known = max((each.revision for each in parts.values()), default=0)
        if record.revision < known:
            return
        if record.revision > known:
            parts.clear()
        parts[record.part] = record

    def as_json(self) -> bytes:
        """Return all of it, each kind in the order in which its records were first noted."""
        kinds: dict[str, Sequence[Captured]] = {
            "utterances": [*self._utterances.values()],
            "translations": [*self._translations.values()],
            "correlations": [
                parts[number] for parts in self._correlations.values() for number in sorted(parts)
            ],
            "names_revised": [*self._revisions.values()],
            "participants": [*self._participants.values()],
            "events": [*self._events.values()],
        }
        document = {name: rounded(msgspec.to_builtins(records)) for name, records in kinds.items()}
        return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def _newest(known: dict[str, Any], key: str, record: Any) -> None:
    if key not in known or record.revision >= known[key].revision:
        known[key] = record


def rounded(value: Any) -> Any:
    """Return a document with its numbers rounded; -0.0 becomes 0.0."""
    if isinstance(value, float):
        return round(value, DIGITS) + 0.0
    if isinstance(value, Mapping):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    return value

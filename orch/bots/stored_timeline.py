"""Who was in a meeting, who spoke and who presented when, from its stored events. Pure.

Each of these has a beginning and an end among the events. Where an end is missing (the bot was lost), the
span ends when the session ended, or is open while it goes on.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct, field

from orch.stores.bot_records import SessionEvent

EVENT_TYPE: Final = "participant"
MOST_SPANS: Final = 50_000

_BEGINS: Final = {"join": "present", "speech_on": "spoke", "screenshare_on": "presented"}
_ENDS: Final = {"leave": "present", "speech_off": "spoke", "screenshare_off": "presented"}

Span = tuple[float, float | None]
"""Seconds from the session's start; without an end it goes on."""


class SpeakerSpans(Struct, kw_only=True):
    """A participant, and when they were present, spoke and presented. ``seconds``: how long they spoke."""

    id: str
    name: str
    seconds: float = 0.0
    present: list[Span] = field(default_factory=list)
    spoke: list[Span] = field(default_factory=list)
    presented: list[Span] = field(default_factory=list)


class StoredTimeline:
    """Collects events in the order of their times. The mutable state is the spans, and those that are open.

    ``is_complete``: False once there were more than :data:`MOST_SPANS`.
    """

    def __init__(self, started: float) -> None:
        self._started = started
        self._speakers: dict[str, SpeakerSpans] = {}
        self._open: dict[tuple[str, str], float] = {}
        self._spans = 0
        self.is_complete = True

    def add(self, events: Iterable[SessionEvent]) -> None:
        """Apply events; those of other types are ignored."""
        for event in events:
            if event.event_type == EVENT_TYPE and event.event_subtype:
                self._apply(event, event.event_subtype)

    def _apply(self, event: SessionEvent, kind: str) -> None:
        who, name = event.event_data.get("speaker_id"), event.event_data.get("name")
        if not isinstance(who, str) or not isinstance(name, str):
            return
        speaker = self._speakers.setdefault(who, SpeakerSpans(id=who, name=name))
        speaker.name = name
        at = round(max(0.0, event.at - self._started), 3)
        if kind in _BEGINS:
            self._open.setdefault((who, _BEGINS[kind]), at)
        elif kind in _ENDS:
            self._close(speaker, _ENDS[kind], at)

    def _close(self, speaker: SpeakerSpans, what: str, at: float | None) -> None:
        begin = self._open.pop((speaker.id, what), None)
        if begin is None:
            return
        if self._spans >= MOST_SPANS:
            self.is_complete = False
            return
        self._spans += 1
        end = None if at is None else max(begin, at)
        getattr(speaker, what).append((begin, end))
        if what == "spoke" and end is not None:
            speaker.seconds = round(speaker.seconds + end - begin, 3)

    def finish(self, ended: float | None) -> tuple[SpeakerSpans, ...]:
        """Return participants, those who spoke most first. ``ended``: of the session; None: it goes on."""
        end = None if ended is None else round(max(0.0, ended - self._started), 3)
        for who, what in list(self._open):
            self._close(self._speakers[who], what, end)
        return tuple(sorted(self._speakers.values(), key=lambda each: (-each.seconds, each.name, each.id)))

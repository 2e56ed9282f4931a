"""The participants of a meeting, as a bot knows them: their names, ids, and who speaks. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from orch.bots import timeline
from orch.bots.correlation.events import Mark, Participant
from orch.bots.observations import MarksSeen, PeopleSeen
from orch.bots.shown import SpeakerShown
from orch.bots.speaker_ids import speaker_id
from orch.bots.timeline import Kind, Timeline, TimelineEvent

MOST: Final = timeline.MOST
SHOWN: Final = 200
"""Participants that are shown live, those who are there first."""
LONGEST_NAME: Final = 200


@dataclass(slots=True)
class _Known:
    """A participant. ``meeting_id``: the meeting's own, "" for a name in captions alone."""

    speaker_id: str
    name: str
    meeting_id: str = ""
    is_present: bool = False
    is_presenting: bool = False
    joined_at: float | None = None
    left_at: float | None = None
    speaks_since: float | None = None
    spoke: float = 0.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What the list of participants changed: for the correlation, and who has another name."""

    events: tuple[Participant, ...] = ()
    renamed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stored:
    """A participant as stored. Times in seconds from the session's start."""

    speaker_id: str
    name: str
    meeting_id: str
    joined_at: float | None
    left_at: float | None
    spoke: float


class People:
    """The mutable state is the participants, :data:`MOST` at most, and the timeline.

    A participant keeps the id under which it was first seen, also with another name and after a return. The
    bot itself is none of them; ``own`` are its names.
    """

    def __init__(self, own: frozenset[str]) -> None:
        self.own = set(own)
        self._timeline = Timeline()
        self._known: dict[str, _Known] = {}
        self._ids: dict[str, str] = {}
        self._lit: frozenset[str] = frozenset()
        self._checked = float("-inf")

    def __repr__(self) -> str:
        present = sum(each.is_present for each in self._known.values())
        return f"<People {present} present of {len(self._known)}>"

    # What is observed

    def saw(self, seen: PeopleSeen) -> tuple[Seen, list[TimelineEvent]]:
        """Apply the list of participants; one that cannot be read changes nothing."""
        if seen.people is None:
            return Seen(), []
        self.own.update(each.name for each in seen.people if each.is_self and each.name)
        others = {each.id: each for each in seen.people if not each.is_self}
        events: list[Participant] = []
        renamed: list[str] = []
        gone = [each for each in self._known.values() if each.is_present and each.meeting_id not in others]
        for each in gone:
            each.is_present = each.is_presenting = False
            events.append(
                Participant(at=seen.at, participant_id=each.speaker_id, name=each.name, is_present=False)
            )
        for one in others.values():
            name = one.name[:LONGEST_NAME]
            known = self._by_meeting_id(one.id, name)
            if known is None:
                continue
            is_new = not known.is_present
            if known.name != name and not is_new:
                renamed.append(known.speaker_id)
            if known.name != name or is_new:
                known.name = name
                events.append(Participant(at=seen.at, participant_id=known.speaker_id, name=name))
            known.is_present, known.is_presenting = True, one.is_presenting
        names = {
            one.id: self._known[self._ids[one.id]].name for one in others.values() if one.id in self._ids
        }
        self._timeline, found = timeline.with_participants(self._timeline, names, seen.at)
        presenting = {one.id for one in others.values() if one.is_presenting}
        self._timeline, presented = timeline.with_presenters(self._timeline, presenting, seen.at)
        return Seen(tuple(events), tuple(renamed)), self._noted([*found, *presented])

    def marked(self, seen: MarksSeen) -> tuple[list[Mark], list[TimelineEvent]]:
        """Apply which participants are marked as speaking."""
        lit = frozenset(each for each in seen.speaking if each in self._ids)
        marks = [
            Mark(at=seen.at, participant_id=self._ids[each], is_on=each in lit)
            for each in sorted(lit ^ self._lit)
            if each in self._ids
        ]
        self._lit = lit
        self._timeline, found = timeline.with_marks(self._timeline, lit, seen.at)
        return marks, self._noted(found)

    def captioned(self, name: str, words_at: tuple[float, ...], now: float) -> list[TimelineEvent]:
        """Apply when the words of a caption arrived."""
        self._timeline, found = timeline.with_caption(self._timeline, name, words_at, now)
        return self._noted(found)

    def delayed(self, seconds: float) -> None:
        """Apply by how much the captions are late, as the correlation estimates it."""
        self._timeline = Timeline(people=self._timeline.people, delay=max(0.0, seconds))

    def at(self, now: float) -> list[TimelineEvent]:
        """Apply that time has passed."""
        due = timeline.next_at(self._timeline, self._checked)
        if due is not None and due > now:
            return []
        self._checked = now
        self._timeline, found = timeline.at(self._timeline, now)
        return self._noted(found)

    def ended(self, now: float) -> list[TimelineEvent]:
        """Apply the end of the meeting, or of the bot's stay in it."""
        self._timeline, found = timeline.ended(self._timeline, now)
        self._lit = frozenset()
        noted = self._noted(found)
        for each in self._known.values():
            each.is_present = each.is_presenting = False
        return noted

    def _noted(self, events: list[TimelineEvent]) -> list[TimelineEvent]:
        """Note when participants joined, left and spoke."""
        for event in events:
            known = self._of_event(event)
            if known is None:
                continue
            if event.kind is Kind.JOIN:
                known.joined_at = event.at if known.joined_at is None else known.joined_at
                known.left_at = None
            elif event.kind is Kind.LEAVE:
                known.left_at = event.at
            elif event.kind is Kind.SPEAKING_START:
                known.speaks_since = event.at
            elif event.kind is Kind.SPEAKING_END and known.speaks_since is not None:
                known.spoke += max(0.0, event.at - known.speaks_since)
                known.speaks_since = None
        return events

    def _of_event(self, event: TimelineEvent) -> _Known | None:
        known = self._known.get(event.speaker)
        if known is None and self._has_room():
            known = self._known[event.speaker] = _Known(event.speaker, event.name)
        return known

    # Ids

    def _by_meeting_id(self, meeting_id: str, name: str) -> _Known | None:
        known = self._ids.get(meeting_id)
        if known is not None:
            return self._known[known]
        if not self._has_room():
            return None
        speaker = speaker_id(name, meeting_id)
        self._ids[meeting_id] = speaker
        found = self._known.setdefault(speaker, _Known(speaker, name))
        found.meeting_id = meeting_id
        return found

    def _has_room(self) -> bool:
        if len(self._known) < MOST:
            return True
        gone = next((each for each in self._known.values() if not each.is_present), None)
        if gone is not None:
            del self._known[gone.speaker_id]
            self._ids.pop(gone.meeting_id, None)
        return gone is not None

    def id_of(self, meeting_id: str) -> str | None:
        """Return the speaker id of a participant, by the meeting's own id."""
        return self._ids.get(meeting_id)

    def name_of(self, meeting_id: str) -> str:
        """Return the name of a participant, by the meeting's own id; "": it is not known."""
        speaker = self._ids.get(meeting_id)
        return "" if speaker is None else self._known[speaker].name

    def named(self, name: str) -> str:
        """Return the id of a speaker of whom only the name is known."""
        alike = [each for each in self._known.values() if each.name == name and each.meeting_id]
        present = [each for each in alike if each.is_present]
        found = present or alike
        return found[0].speaker_id if len(found) == 1 else speaker_id(name)

    # What is shown and stored

    def get(self, speaker: str) -> Stored | None:
        """Return what is stored about a participant."""
        known = self._known.get(speaker)
        if known is None:
            return None
        return Stored(
            speaker_id=known.speaker_id,
            name=known.name,
            meeting_id=known.meeting_id,
            joined_at=known.joined_at,
            left_at=known.left_at,
            spoke=known.spoke,
        )

    def everyone(self) -> list[Stored]:
        """Return what is stored about all of them."""
        return [found for each in self._known if (found := self.get(each)) is not None]

    @property
    def present(self) -> int:
        """How many are there."""
        return sum(each.is_present for each in self._known.values())

    def shown(self, now: float, is_bot: Callable[[str], bool]) -> tuple[SpeakerShown, ...]:
        """Return those who are there, then the others, :data:`SHOWN` at most."""
        ordered = sorted(self._known.values(), key=lambda each: not each.is_present)[:SHOWN]
        return tuple(
            SpeakerShown(
                id=each.speaker_id,
                name=each.name,
                is_present=each.is_present,
                is_speaking=each.speaks_since is not None,
                is_presenting=each.is_presenting,
                is_bot=is_bot(each.name),
                spoke=round(
                    each.spoke + (0.0 if each.speaks_since is None else max(0.0, now - each.speaks_since)), 1
                ),
            )
            for each in ordered
        )

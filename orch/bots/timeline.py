"""Who is in a meeting, who presents and who speaks when, as events. Pure.

Two signals say who speaks, and neither is enough:

- *marks*, the glow on a participant's tile: at the right time, but they flicker, and leak onto other tiles;
- *captions*: the right name, but late, and only of what was understood.

A mark counts once it has been lit for :data:`LIT` seconds, and gaps shorter than :data:`DARK` are none.
Where one participant alone is marked, that is who speaks. Where several are, those count whose captions
arrive; the others are leaks, if a caption of somebody else arrives and none of theirs does within
:data:`LATE` seconds. If no caption arrives at all, all who are marked count. A caption of someone whose tile
was not marked counts too, from its first word less the captions' usual delay.

Each function takes the timeline and an observation, and returns the timeline after it and the events that
this decided; an event's time may lie before ``now``. A start whose end has the same time was found to be a
leak. Times are seconds of the caller's clock.
"""

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from itertools import groupby
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from orch.bots.speaker_ids import speaker_id

LIT: Final = 0.3
"""Seconds that a mark must be lit."""

DARK: Final = 0.8
"""Seconds that a mark must be dark before its participant has stopped."""

LATE: Final = 4.0
"""Seconds within which a caption of what was said arrives, if there is one."""

DELAY: Final = 1.0
"""Seconds by which captions are late, where nobody has measured it."""

WORD: Final = 0.35
"""Seconds of a word."""

PAUSE: Final = 2.0
"""Seconds without a word after which one whose tile is not marked has stopped."""

AWAY: Final = 5.0
"""Seconds that a participant must be gone: lists are read while they are drawn, and people reconnect."""

MOST: Final = 1000
"""Participants that are known; the limit of the largest meetings. Others have no events."""


class Kind(StrEnum):
    """What happened."""

    JOIN = "join"
    LEAVE = "leave"
    START_PRESENTING = "start_presenting"
    STOP_PRESENTING = "stop_presenting"
    SPEAKING_START = "speaking_start"
    SPEAKING_END = "speaking_end"


_SPEAKING: Final = frozenset({Kind.SPEAKING_START, Kind.SPEAKING_END})


class TimelineEvent(Struct, frozen=True):
    """``at``: when it happened, not when it was decided. ``speaker``: an id of :func:`speaker_id`."""

    at: float
    kind: Kind
    speaker: str
    name: str


class _Person(Struct, frozen=True, kw_only=True):
    """One participant, or a name in captions that no participant has (``is_present`` is false then).

    ``lit_since``, ``dark_since``: of the mark; ``is_leak``: it is another's. ``said_from``, ``said_until``:
    from and until when they spoke, by the captions. ``speaks_since``: the time of the last
    ``speaking_start``, None if it ended; ``spoke_until``: of the last ``speaking_end``.
    """

    speaker: str
    name: str
    is_present: bool = True
    gone_since: float | None = None
    presents: bool = False
    lit_since: float | None = None
    dark_since: float | None = None
    is_leak: bool = False
    said_from: float | None = None
    said_until: float | None = None
    speaks_since: float | None = None
    spoke_until: float | None = None


class Timeline(Struct, frozen=True, kw_only=True):
    """A meeting's participants and what is known of each. ``delay``: by how much captions are late (s)."""

    people: dict[str, _Person] = {}
    delay: float = DELAY


Change = tuple[Timeline, list[TimelineEvent]]


def with_participants(timeline: Timeline, present: Mapping[str, str], now: float) -> Change:
    """Apply the list of participants: their names by the meeting's own ids.

    Who is missing has left if that is so for :data:`AWAY` seconds; the time is that of the first miss.
    """
    people = dict(timeline.people)
    events = []
    for participant, name in present.items():
        before = people.get(participant)
        if before is None and not _has_room(people):
            continue
        person = before or _Person(speaker=speaker_id(name, participant), name=name, is_present=False)
        if not person.is_present:
            events.append(TimelineEvent(now, Kind.JOIN, person.speaker, name))
        people[participant] = replace(person, name=name, is_present=True, gone_since=None)
    for participant, person in timeline.people.items():
        if person.is_present and participant not in present and person.gone_since is None:
            people[participant] = replace(person, gone_since=now)
    return _advanced(replace(timeline, people=people), now, events)


def _has_room(people: dict[str, _Person]) -> bool:
    """Make room for another participant, if need be by forgetting one who has left."""
    if len(people) < MOST:
        return True
    gone = next(
        (key for key, each in people.items() if not each.is_present and each.speaks_since is None), None
    )
    if gone is not None:
        del people[gone]
    return gone is not None


def with_presenters(timeline: Timeline, presenting: Collection[str], now: float) -> Change:
    """Apply who presents, by the meeting's own ids; those of nobody in the list are ignored."""
    events = []
    people = dict(timeline.people)
    for participant, person in timeline.people.items():
        presents = person.is_present and participant in presenting
        if presents != person.presents:
            kind = Kind.START_PRESENTING if presents else Kind.STOP_PRESENTING
            events.append(TimelineEvent(now, kind, person.speaker, person.name))
            people[participant] = replace(person, presents=presents)
    return _advanced(replace(timeline, people=people), now, events)


def with_marks(timeline: Timeline, lit: Collection[str], now: float) -> Change:
    """Apply which participants' tiles are marked as speaking (all of them, by the meeting's own ids)."""
    timeline, events = _advanced(timeline, now, [])
    people = dict(timeline.people)
    for participant, person in timeline.people.items():
        if participant in lit and person.is_present:
            is_bridged = person.lit_since is not None
            people[participant] = replace(
                person, lit_since=person.lit_since if is_bridged else now, dark_since=None
            )
        elif person.lit_since is not None and person.dark_since is None:
            people[participant] = replace(person, dark_since=now)
    return _advanced(replace(timeline, people=people), now, events)


def with_caption(timeline: Timeline, name: str, words_at: Iterable[float], now: float) -> Change:
    """Apply a new or revised utterance: its speaker's name, and when each of its words arrived.

    Where several participants have the name, it is the one whose tile is marked; if none or several are, the
    words belong to the name alone, not to one of them.
    """
    timeline, events = _advanced(timeline, now, [])
    key = _of_name(timeline, name)
    person = timeline.people.get(key) or _Person(speaker=speaker_id(name), name=name, is_present=False)
    people = dict(timeline.people)
    if key not in people and not _has_room(people):
        return timeline, events
    latest = person.said_until if person.said_until is not None else float("-inf")
    new = sorted(at - timeline.delay for at in words_at)
    new = [at for at in new if at > latest]
    if not new:
        return timeline, events
    begins = new[0] - WORD
    goes_on = person.said_until is not None and begins - person.said_until <= PAUSE
    until = new[0]
    for at in new:
        begins, goes_on = (begins, goes_on) if at - until <= PAUSE else (at - WORD, False)
        until = at
    person = replace(
        person,
        said_from=person.said_from if goes_on else begins,
        said_until=until,
        is_leak=False,
    )
    return _advanced(replace(timeline, people={**people, key: person}), now, events)


def at(timeline: Timeline, now: float) -> Change:
    """Apply that time has passed."""
    return _advanced(timeline, now, [])


def next_at(timeline: Timeline, now: float) -> float | None:
    """Return when :func:`at` may have something to decide, unless something is observed before."""
    waits = [
        each
        for person in timeline.people.values()
        for since, seconds in (
            (person.gone_since, AWAY),
            (person.dark_since, DARK),
            (person.lit_since, LIT),
            (person.lit_since, LATE),
            (person.said_until if person.speaks_since is not None else None, PAUSE + timeline.delay),
        )
        if since is not None and (each := since + seconds) > now
    ]
    return min(waits, default=None)


def ended(timeline: Timeline, now: float) -> Change:
    """Apply the end of the meeting: every participant stops speaking and presenting, and leaves."""
    timeline, events = _advanced(timeline, now, [])
    people = {}
    for participant, person in timeline.people.items():
        after, found = _left(person, now) if person.is_present else _stopped(person, now)
        people[participant] = after
        events += found
    return replace(timeline, people=people), sorted(events, key=lambda each: each.at)


def _of_name(timeline: Timeline, name: str) -> str:
    named = [key for key, person in timeline.people.items() if person.is_present and person.name == name]
    lit = [key for key in named if timeline.people[key].lit_since is not None]
    if len(named) == 1 or len(lit) == 1:
        return named[0] if len(named) == 1 else lit[0]
    return f"name\0{name}"


def _advanced(timeline: Timeline, now: float, events: list[TimelineEvent]) -> Change:
    """Decide what can be decided by now."""
    people: dict[str, _Person] = {}
    events = list(events)
    for participant, person in timeline.people.items():
        after = person
        if person.gone_since is not None and now - person.gone_since >= AWAY:
            after, found = _left(person, person.gone_since)
        else:
            after, found = _spoken(timeline, participant, now)
        events += found
        people[participant] = after
    timeline = replace(timeline, people=people)
    return timeline, sorted(events, key=lambda each: each.at)


def _left(person: _Person, when: float) -> tuple[_Person, list[TimelineEvent]]:
    person, events = _stopped(person, when)
    if person.presents:
        events.append(TimelineEvent(when, Kind.STOP_PRESENTING, person.speaker, person.name))
    events.append(TimelineEvent(when, Kind.LEAVE, person.speaker, person.name))
    return replace(person, is_present=False, gone_since=None, presents=False), events


def _stopped(person: _Person, when: float) -> tuple[_Person, list[TimelineEvent]]:
    quiet = replace(person, lit_since=None, dark_since=None, is_leak=False, said_from=None, speaks_since=None)
    if person.speaks_since is None:
        return quiet, []
    when = max(when, person.speaks_since)
    event = TimelineEvent(when, Kind.SPEAKING_END, person.speaker, person.name)
    return replace(quiet, spoke_until=when), [event]


def _spoken(timeline: Timeline, participant: str, now: float) -> tuple[_Person, list[TimelineEvent]]:
    """Return a participant after it is decided whether they speak."""
    person = timeline.people[participant]
    if person.lit_since is not None and person.dark_since is not None and now - person.dark_since >= DARK:
        return _darkened(timeline, person, now)
    if person.speaks_since is not None:
        return _speaking(timeline, participant, now)
    since = _since(timeline, participant, now)
    if since is None:
        return replace(person, is_leak=person.is_leak or _is_leak(timeline, participant, now)), []
    start = since if person.spoke_until is None else max(since, person.spoke_until)
    event = TimelineEvent(start, Kind.SPEAKING_START, person.speaker, person.name)
    return replace(person, speaks_since=start), [event]


def _speaking(timeline: Timeline, participant: str, now: float) -> tuple[_Person, list[TimelineEvent]]:
    """Return a participant who speaks after it is decided whether they still do."""
    person = timeline.people[participant]
    is_leak = person.is_leak or _is_leak(timeline, participant, now)
    person = replace(person, is_leak=is_leak)
    until = person.said_until
    is_silent = until is None or now - until - timeline.delay >= PAUSE
    if not is_silent or (person.lit_since is not None and not is_leak):
        return person, []
    if until is None:
        begun = [each.said_from for each in timeline.people.values() if each.said_from is not None]
        until = min((each for each in begun if each > (person.speaks_since or now)), default=now)
    stopped, events = _stopped(person, until)
    return replace(stopped, lit_since=person.lit_since, dark_since=person.dark_since, is_leak=is_leak), events


def _darkened(timeline: Timeline, person: _Person, now: float) -> tuple[_Person, list[TimelineEvent]]:
    """Return a participant whose mark went out: what they said long after it, by the captions, counts too."""
    when = person.dark_since if person.dark_since is not None else now
    quiet = replace(person, lit_since=None, dark_since=None, is_leak=False)
    if person.speaks_since is None:
        return quiet, []
    if person.said_until is not None and (person.is_leak or person.said_until > when + PAUSE):
        if now - person.said_until - timeline.delay < PAUSE:
            return quiet, []
        when = person.said_until
    return _stopped(quiet, when)


def _since(timeline: Timeline, participant: str, now: float) -> float | None:
    """Return since when a participant speaks, None if that is not so, or not known yet."""
    person = timeline.people[participant]
    said, until = person.said_from, person.said_until
    if said is not None and until is not None and now - until - timeline.delay < PAUSE:
        is_new = person.spoke_until is None or until - person.spoke_until > PAUSE
        if is_new and (person.lit_since is None or abs(person.lit_since - said) > PAUSE):
            return said
        if is_new:
            return person.lit_since
    if person.lit_since is None or person.is_leak or (person.dark_since or now) - person.lit_since < LIT:
        return None
    others = [
        each for key, each in timeline.people.items() if key != participant and each.lit_since is not None
    ]
    if not others:
        return person.lit_since
    return (
        person.lit_since
        if now - person.lit_since >= LATE and not _is_leak(timeline, participant, now)
        else None
    )


def _is_leak(timeline: Timeline, participant: str, now: float) -> bool:
    """Whether a mark is another's: only others have captions since it is lit, or since this one's last."""
    person = timeline.people[participant]
    since = person.lit_since
    if since is None:
        return False
    if person.said_until is not None and person.said_until > since - DELAY:
        since = person.said_until
    if now - since - (timeline.delay if since == person.said_until else 0) < LATE:
        return False
    return any(
        each.said_until is not None and each.said_until > since
        for key, each in timeline.people.items()
        if key != participant
    )


def speaking_times(events: Iterable[TimelineEvent], end: float) -> dict[str, float]:
    """Return for how many seconds each speaker spoke, until ``end``.

    Two who speak at once have both spoken; what one is said to have spoken twice counts once.
    """
    intervals: dict[str, list[tuple[float, float]]] = {}
    open_since: dict[str, float] = {}
    ordered = sorted(
        (each for each in events if each.kind in _SPEAKING), key=lambda each: (each.at, each.speaker)
    )
    for (when, speaker), tied in groupby(ordered, key=lambda each: (each.at, each.speaker)):
        kinds = [each.kind for each in tied]
        begun = kinds.count(Kind.SPEAKING_START) - kinds.count(Kind.SPEAKING_END)
        since = open_since.pop(speaker, None)
        if since is not None:
            intervals.setdefault(speaker, []).append((since, when))
        if begun + (since is not None) > 0:
            open_since[speaker] = when
    for speaker, since in open_since.items():
        intervals.setdefault(speaker, []).append((since, max(since, end)))
    return {speaker: _covered(found) for speaker, found in intervals.items()}


def _covered(intervals: list[tuple[float, float]]) -> float:
    total, until = 0.0, float("-inf")
    for start, stop in sorted(intervals):
        total += max(0.0, stop - max(start, until))
        until = max(until, stop)
    return total

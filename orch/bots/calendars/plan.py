"""Decides which bots a calendar's last reading schedules, changes and cancels. Pure.

An event is the same as long as its UID and RECURRENCE-ID are: moved, renamed or with another meeting, it
keeps its bot. What cannot be read changes nothing: neither a calendar (there is no :class:`Reading` then),
nor a series in it, nor a calendar without any event at all, as servers return for a while after a fault. A
bot whose turn has come is the service's: it leaves by the rules of its meeting, not because an event is gone.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from orch.bots.calendars.events import CalendarEvent, EventKey, Reading
from orch.bots.meeting_url import MeetingUrl

MOST_BOTS: Final = 200
"""Bots that one calendar schedules at a time; of more events, those that begin first count."""

LONGEST_LEAD: Final = 3600.0

LONGEST_TITLE: Final = 200
"""Characters of an event's title that are stored."""


@dataclass(frozen=True, slots=True)
class CalendarRules:
    """What the settings say of one calendar.

    ``name_match``: a part of the titles of its events, in any case; ``*`` stands for any text; "": all
    events. ``lead``: seconds before an event at which its bot joins.
    """

    name_match: str = ""
    lead: float = 120.0


@dataclass(frozen=True, slots=True)
class ScheduledBot:
    """A bot that this calendar has scheduled and that has not ended.

    ``is_begun``: its turn has come, so nothing is changed any more.
    """

    bot_id: str
    key: EventKey
    meeting: MeetingUrl = field(repr=False)
    join_at: float
    end: float
    title: str = field(repr=False)
    is_begun: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """A bot for an event: the meeting it joins at ``join_at`` (seconds since the epoch), the event's end."""

    key: EventKey
    meeting: MeetingUrl = field(repr=False)
    join_at: float
    end: float
    title: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Change:
    """A scheduled bot is now this one."""

    bot_id: str
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Cancel:
    """A scheduled bot is not wanted any more; ``reason`` is a sentence."""

    bot_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in this order: cancel, change, schedule. ``left_out``: events past :data:`MOST_BOTS`."""

    cancel: tuple[Cancel, ...] = ()
    change: tuple[Change, ...] = ()
    schedule: tuple[Wanted, ...] = ()
    left_out: int = 0


def plan(
    scheduled: Sequence[ScheduledBot],
    reading: Reading,
    rules: CalendarRules,
    now: float,
    *,
    taken: Collection[EventKey] = (),
) -> Plan:
    """Return what a reading changes.

    ``scheduled``: this calendar's bots that have not ended. ``taken``: events that other calendars have a bot
    for. An event in progress that was not known gets its bot at once.
    """
    if reading.count == 0:
        return Plan()
    by_key = {event.key: event for event in reading.events}
    known = {bot.key: bot for bot in scheduled}
    unreadable = {each.uid for each in reading.unreadable}
    cancel = []
    for bot in scheduled:
        if bot.is_begun or bot.key.uid in unreadable:
            continue
        if reason := _unwanted(bot, by_key.get(bot.key), reading, rules, now):
            cancel.append(Cancel(bot.bot_id, reason))
    cancelled = {each.bot_id for each in cancel}
    candidates = [
        event
        for event in reading.events
        if event.key not in taken and event.end > now and not _refusal(event, rules)
    ]
    kept = _one_for_each_meeting(candidates, known)
    for event in candidates:
        bot_or_none = known.get(event.key)
        if event not in kept and bot_or_none is not None and not bot_or_none.is_begun:
            cancel.append(Cancel(bot_or_none.bot_id, "Another event at this time has the same meeting."))
    change, schedule = [], []
    for event in kept:
        wanted = _wanted(event, rules, now)
        bot_or_none = known.get(event.key)
        if bot_or_none is None:
            schedule.append(wanted)
        elif (
            not bot_or_none.is_begun
            and bot_or_none.bot_id not in cancelled
            and _differs(bot_or_none, wanted, now)
        ):
            change.append(Change(bot_or_none.bot_id, wanted))
    room = max(0, MOST_BOTS - (len(scheduled) - len(cancel)))
    return Plan(tuple(cancel), tuple(change), tuple(schedule[:room]), max(0, len(schedule) - room))


def matches(title: str, name_match: str) -> bool:
    """Return whether a title has the parts of ``name_match``, in their order, in any case."""
    at, text = 0, title.casefold()
    for part in name_match.casefold().split("*"):
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return True


def _unwanted(
    bot: ScheduledBot, event: CalendarEvent | None, reading: Reading, rules: CalendarRules, now: float
) -> str:
    """Return why a scheduled bot is not wanted any more, or ""."""
    if event is not None:
        return _refusal(event, rules) or ("The event is over." if event.end <= now else "")
    # One that is outside of the window may still exist.
    if bot.end <= reading.window.start or bot.join_at >= reading.window.end:
        return ""
    return "The event is no longer in the calendar, or has no meeting any more."


def _refusal(event: CalendarEvent, rules: CalendarRules) -> str:
    """Return why an event gets no bot, or ""."""
    if event.is_cancelled:
        return "The event was cancelled."
    if event.is_all_day:
        return "The event has no time of day."
    if event.meeting is None:
        return "The event has no meeting that a bot can join."
    if not matches(event.title, rules.name_match):
        return "The event's title does not match name_match."
    return ""


def _one_for_each_meeting(
    events: Iterable[CalendarEvent], known: Collection[EventKey]
) -> list[CalendarEvent]:
    """Return the events without those that overlap another with the same meeting: copies of one invitation.

    One that has a bot is preferred; then the one that begins first.
    """
    kept: list[CalendarEvent] = []
    spans: dict[str, list[tuple[float, float]]] = {}
    for event in sorted(events, key=lambda each: (each.key not in known, each.start, each.key)):
        assert event.meeting is not None, "only such events are candidates"  # noqa: S101 - an invariant
        same = spans.setdefault(event.meeting.url, [])
        end = max(event.end, event.start + 1)
        if not any(event.start < other_end and start < end for start, other_end in same):
            same.append((event.start, end))
            kept.append(event)
    return sorted(kept, key=lambda each: (each.start, each.key))


def _wanted(event: CalendarEvent, rules: CalendarRules, now: float) -> Wanted:
    assert event.meeting is not None, "only such events are wanted"  # noqa: S101 - an invariant
    lead = min(max(0.0, rules.lead), LONGEST_LEAD)
    title = event.title[:LONGEST_TITLE]
    return Wanted(event.key, event.meeting, max(now, event.start - lead), event.end, title)


def _differs(bot: ScheduledBot, wanted: Wanted, now: float) -> bool:
    # A time that is past has been moved to now, at each reading again: that is no change.
    is_moved = bot.join_at != wanted.join_at and max(bot.join_at, wanted.join_at) > now
    return is_moved or (bot.meeting, bot.end, bot.title) != (wanted.meeting, wanted.end, wanted.title)

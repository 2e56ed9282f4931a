"""Which bots a calendar schedules, changes and cancels."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.bots.calendars.events import CalendarEvent, EventKey, Reading, Unreadable, Window
from orch.bots.calendars.plan import (
    MOST_BOTS,
    CalendarRules,
    Cancel,
    Change,
    Plan,
    ScheduledBot,
    Wanted,
    matches,
    plan,
)
from orch.bots.meeting_url import MeetingUrl

NOW = 1_800_000_000.0
HOUR = 3600.0
RULES = CalendarRules()
WINDOW = Window(NOW - HOUR, NOW + 14 * 24 * HOUR)


def meeting(name: str) -> MeetingUrl:
    return MeetingUrl("meet", f"https://meet.google.com/{name}")


def event(uid: str = "u", start: float = NOW + HOUR, **fields: Any) -> CalendarEvent:
    made = CalendarEvent(EventKey(uid), start, start + HOUR, "Daily", meeting(uid))
    return replace(made, **fields)


def reading(*events: CalendarEvent, unreadable: tuple[str, ...] = (), count: int | None = None) -> Reading:
    bad = tuple(Unreadable(uid, "cannot be read") for uid in unreadable)
    return Reading(WINDOW, events, bad, len(events) + len(bad) if count is None else count)


def scheduled(found: CalendarEvent, **fields: Any) -> ScheduledBot:
    """Return the bot that this event was given."""
    (wanted,) = plan([], reading(found), RULES, NOW).schedule
    bot = ScheduledBot(
        f"bot of {found.key.uid}", wanted.key, wanted.meeting, wanted.join_at, wanted.end, wanted.title
    )
    return replace(bot, **fields)


GONE = "The event is no longer in the calendar, or has no meeting any more."


def test_a_new_event_gets_a_bot_two_minutes_before() -> None:
    """And the same reading again changes nothing."""
    found = event()
    wanted = Wanted(found.key, meeting("u"), found.start - 120, found.end, "Daily")
    assert plan([], reading(found), RULES, NOW) == Plan(schedule=(wanted,))
    assert plan([scheduled(found)], reading(found), RULES, NOW + 60) == Plan()


@pytest.mark.parametrize(("lead", "before"), [(0.0, 0.0), (300.0, 300.0), (-5.0, 0.0), (1e9, 3600.0)])
def test_the_lead_is_that_of_the_settings(lead: float, before: float) -> None:
    """Within an hour."""
    found = event(start=NOW + 5 * HOUR)
    (wanted,) = plan([], reading(found), CalendarRules(lead=lead), NOW).schedule
    assert wanted.join_at == found.start - before


def test_an_event_in_progress_gets_a_bot_at_once_and_one_that_is_over_none() -> None:
    """A calendar may be added in the middle of a meeting."""
    (wanted,) = plan([], reading(event(start=NOW - HOUR / 2)), RULES, NOW).schedule
    assert wanted.join_at == NOW
    assert plan([], reading(event(start=NOW - 2 * HOUR)), RULES, NOW) == Plan()
    assert plan([], reading(event(start=NOW - HOUR)), RULES, NOW) == Plan()


def test_a_bot_whose_time_is_past_is_not_changed_at_each_reading() -> None:
    """It waits for a place; its time stays."""
    found = event(start=NOW - HOUR / 2)
    bot = scheduled(found)
    assert plan([bot], reading(found), RULES, NOW + 60) == Plan()


@pytest.mark.parametrize(
    "fields",
    [{"start": NOW + 3 * HOUR}, {"meeting": meeting("other")}, {"title": "Weekly"}, {"end": NOW + 9 * HOUR}],
)
def test_a_changed_event_keeps_its_bot(fields: dict[str, Any]) -> None:
    """Moved, renamed, longer, or with another meeting."""
    found = event()
    changed = replace(found, **fields)
    (change,) = plan([scheduled(found)], reading(changed), RULES, NOW).change
    assert change == Change(
        "bot of u",
        Wanted(changed.key, changed.meeting or meeting(""), changed.start - 120, changed.end, changed.title),
    )


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"is_cancelled": True}, "The event was cancelled."),
        ({"is_all_day": True}, "The event has no time of day."),
        ({"meeting": None}, "The event has no meeting that a bot can join."),
        ({"title": "Lunch"}, "The event's title does not match name_match."),
        ({"start": NOW - 9 * HOUR, "end": NOW - 8 * HOUR}, "The event is over."),
    ],
)
def test_an_event_that_is_not_wanted_any_more_ends_the_schedule(fields: dict[str, Any], reason: str) -> None:
    """With the reason; and without a bot it gets none."""
    found, rules = event(), CalendarRules(name_match="daily")
    changed = replace(found, **fields)
    assert plan([scheduled(found)], reading(changed), rules, NOW) == Plan(
        cancel=(Cancel("bot of u", reason),)
    )
    assert plan([], reading(changed), rules, NOW) == Plan()


def test_an_event_that_has_vanished_ends_the_schedule() -> None:
    """It was deleted, or its UID is another."""
    assert plan([scheduled(event())], reading(event("v")), RULES, NOW).cancel == (Cancel("bot of u", GONE),)


def test_a_calendar_without_any_event_changes_nothing() -> None:
    """Servers return such after a fault; a bot in an empty meeting leaves by itself."""
    assert plan([scheduled(event())], reading(), RULES, NOW) == Plan()


def test_a_calendar_without_meetings_is_not_empty() -> None:
    """It has events, so those that are missing are gone."""
    assert plan([scheduled(event())], reading(count=3), RULES, NOW).cancel == (Cancel("bot of u", GONE),)


def test_a_series_that_cannot_be_read_changes_nothing_of_its_own() -> None:
    """The others change."""
    bots = [scheduled(event("u")), scheduled(event("v"))]
    assert plan(bots, reading(unreadable=("u",)), RULES, NOW) == Plan(cancel=(Cancel("bot of v", GONE),))


@pytest.mark.parametrize("fields", [{"join_at": WINDOW.end}, {"end": WINDOW.start}])
def test_an_event_outside_of_the_window_is_not_gone(fields: dict[str, float]) -> None:
    """The reading does not say anything about it."""
    bot = scheduled(event(), **fields)
    assert plan([bot], reading(event("v")), RULES, NOW).cancel == ()


@pytest.mark.parametrize(
    "found", [reading(event("v")), reading(event(is_cancelled=True)), reading(event(start=NOW + 5))]
)
def test_a_bot_whose_turn_has_come_is_left_alone(found: Reading) -> None:
    """It is in the meeting, where people are, whatever the calendar says now."""
    made = plan([scheduled(event(), is_begun=True)], found, RULES, NOW)
    assert (made.cancel, made.change) == ((), ())


def test_an_event_of_another_calendar_gets_no_second_bot() -> None:
    """An invitation is in the calendars of all who were invited."""
    assert plan([], reading(event()), RULES, NOW, taken={EventKey("u")}) == Plan()


def test_copies_of_an_invitation_get_one_bot() -> None:
    """Two events with one meeting at the same time; one after the other they are two meetings."""
    room = meeting("room")
    first, copy = event("a", meeting=room), event("b", start=NOW + HOUR + 60, meeting=room)
    later = event("c", start=NOW + 2 * HOUR + 61, meeting=room)
    made = plan([], reading(first, copy, later), RULES, NOW)
    assert [each.key.uid for each in made.schedule] == ["a", "c"]
    # The one that has its bot keeps it.
    assert plan([scheduled(copy)], reading(first, copy), RULES, NOW) == Plan()


def test_two_bots_whose_events_have_become_one_meeting_are_one() -> None:
    """The other is cancelled, not changed."""
    a, b = event("a"), event("b", start=NOW + HOUR + 60)
    made = plan([scheduled(a), scheduled(b)], reading(a, replace(b, meeting=a.meeting)), RULES, NOW)
    assert made == Plan(cancel=(Cancel("bot of b", "Another event at this time has the same meeting."),))


def test_events_of_a_series_are_apart() -> None:
    """By their RECURRENCE-ID."""
    series = [event(key=EventKey("u", day), start=NOW + n * HOUR) for n, day in enumerate("abc", 1)]
    made = plan([], reading(*series), RULES, NOW)
    assert [each.key.recurrence_id for each in made.schedule] == ["a", "b", "c"]


def test_bots_of_one_calendar_are_bounded() -> None:
    """The first ones count; those that are cancelled make room."""
    events = [event(f"{n:03}", start=NOW + n * 60) for n in range(1, MOST_BOTS + 6)]
    made = plan([], reading(*events), RULES, NOW)
    assert [each.key.uid for each in made.schedule] == [each.key.uid for each in events[:MOST_BOTS]]
    assert made.left_out == 5
    bots = [scheduled(each) for each in events[:MOST_BOTS]]
    made = plan(bots, reading(*events[2:]), RULES, NOW)
    assert (len(made.cancel), len(made.schedule), made.left_out) == (2, 2, 3)


@pytest.mark.parametrize(
    ("title", "name_match", "does"),
    [
        ("Team Daily", "", True),
        ("Team Daily", "daily", True),
        ("Team Daily", "TEAM", True),
        ("Team Daily", "team*daily", True),
        ("Team Daily", "*daily*", True),
        ("Team Daily", "daily*team", False),
        ("Team Daily", "weekly", False),
        ("Straße", "STRASSE", True),
        ("", "x", False),
        ("", "*", True),
        ("aab", "a*ab", True),
        ("ab", "a*ab", False),
    ],
)
def test_a_title_matches_by_its_parts(title: str, name_match: str, does: bool) -> None:  # noqa: FBT001
    """In any case, with anything where the star is."""
    assert matches(title, name_match) == does


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcde"), st.integers(-3, 6), st.sampled_from(["m", "n", None]), st.booleans()
        ),
        max_size=8,
        unique_by=lambda each: each[0],
    ),
    st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=6, unique_by=lambda each: each[0]),
)
def test_a_plan_carried_out_leaves_nothing_to_do(
    events: list[tuple[str, int, str | None, bool]], bots: list[tuple[str, bool]]
) -> None:
    """The next reading of the same calendar changes nothing; no bot is both cancelled and changed."""
    found = reading(
        *(
            event(uid, NOW + hours * HOUR, meeting=meeting(room) if room else None, is_cancelled=cancelled)
            for uid, hours, room, cancelled in events
        )
    )
    known = [scheduled(event(uid), bot_id=uid, is_begun=begun) for uid, begun in bots]
    made = plan(known, found, RULES, NOW)
    gone = {each.bot_id for each in made.cancel}
    changed = {each.bot_id: each.wanted for each in made.change}
    assert not gone & set(changed)
    after = [
        replace(bot, meeting=w.meeting, join_at=w.join_at, end=w.end, title=w.title)
        if (w := changed.get(bot.bot_id))
        else bot
        for bot in known
        if bot.bot_id not in gone
    ]
    after += [
        ScheduledBot(f"new {w.key.uid}", w.key, w.meeting, w.join_at, w.end, w.title) for w in made.schedule
    ]
    assert plan(after, found, RULES, NOW) == Plan()

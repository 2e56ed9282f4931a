import doctest
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.bots import speaker_ids
from orch.bots.speaker_ids import speaker_id
from orch.bots.timeline import (
    LATE,
    MOST,
    Kind,
    Timeline,
    TimelineEvent,
    at,
    ended,
    next_at,
    speaking_times,
    with_caption,
    with_marks,
    with_participants,
    with_presenters,
)

START, END = Kind.SPEAKING_START, Kind.SPEAKING_END


class Meeting:
    """A meeting with Ann (a) and Ben (b); ``now`` runs in steps, so that what is due is decided."""

    def __init__(self, **others: str) -> None:
        self.timeline = Timeline()
        self.events: list[TimelineEvent] = []
        self.now = 0.0
        self.note(with_participants(self.timeline, {"a": "Ann", "b": "Ben", **others}, 0))
        self.events.clear()

    def note(self, change: tuple[Timeline, list[TimelineEvent]]) -> None:
        self.timeline, events = change
        self.events += events

    def until(self, now: float) -> None:
        while (due := next_at(self.timeline, self.now)) is not None and due <= now:
            self.now = due
            self.note(at(self.timeline, due))
        self.now = now

    def lit(self, now: float, *who: str) -> None:
        self.until(now)
        self.note(with_marks(self.timeline, who, now))

    def says(self, now: float, name: str, *words_at: float) -> None:
        self.until(now)
        self.note(with_caption(self.timeline, name, words_at, now))

    def spoken(self) -> list[tuple[float, Kind, str]]:
        return [(round(each.at, 2), each.kind, each.name) for each in self.events]


def test_one_marked_tile_is_who_speaks_without_its_flicker() -> None:
    meeting = Meeting()
    meeting.lit(10, "a")
    meeting.lit(11)
    meeting.lit(11.5, "a")
    meeting.lit(14)
    meeting.lit(20, "b")
    meeting.lit(20.2)
    meeting.until(30)
    assert meeting.spoken() == [(10, START, "Ann"), (14, END, "Ann")]


def test_a_mark_that_leaks_onto_another_tile_is_nobodys_speech() -> None:
    meeting = Meeting()
    meeting.lit(10, "a", "b")
    for second in range(11, 20):
        meeting.says(second + 1, "Ann", second + 1, second + 1.5)
    meeting.lit(20)
    meeting.until(40)
    assert meeting.spoken() == [(10, START, "Ann"), (20, END, "Ann")]


def test_a_leak_that_begins_when_someone_ends_does_not_extend_their_speech() -> None:
    meeting = Meeting()
    meeting.lit(10, "a")
    meeting.says(12, "Ann", 12, 13, 14)
    meeting.lit(14, "a", "b")
    for second in range(15, 30):
        meeting.says(second + 1, "Ben", second + 1)
    meeting.lit(31)
    meeting.until(50)
    assert sorted(meeting.spoken()) == [
        (10, START, "Ann"),
        (13, END, "Ann"),
        (14, START, "Ben"),
        (31, END, "Ben"),
    ]


def test_two_who_speak_at_once_have_both_spoken() -> None:
    meeting = Meeting()
    meeting.lit(10, "a")
    meeting.lit(12, "a", "b")
    for second in range(11, 18):
        meeting.says(second + 1, "Ann", second + 1)
        if second >= 13:
            meeting.says(second + 1, "Ben", second + 1)
    meeting.lit(18, "b")
    meeting.lit(20)
    meeting.until(40)
    assert sorted(meeting.spoken()) == [
        (10, START, "Ann"),
        (12, START, "Ben"),
        (18, END, "Ann"),
        (20, END, "Ben"),
    ]
    times = speaking_times(meeting.events, 40)
    assert sorted(times.values()) == pytest.approx([8, 8])


def test_without_captions_all_who_are_marked_count() -> None:
    meeting = Meeting()
    meeting.lit(10, "a", "b")
    meeting.lit(10 + LATE + 1)
    meeting.until(40)
    assert sorted(meeting.spoken()) == [
        (10, START, "Ann"),
        (10, START, "Ben"),
        (15, END, "Ann"),
        (15, END, "Ben"),
    ]


def test_captions_alone_are_speech_less_their_delay() -> None:
    meeting = Meeting()
    meeting.says(11, "Ann", 10.5, 11)
    meeting.says(12, "Ann", 10.5, 11, 11.5, 12)
    meeting.says(30, "Ann", 29.5, 30)
    meeting.until(60)
    assert meeting.spoken() == [
        (9.15, START, "Ann"),
        (11, END, "Ann"),
        (28.15, START, "Ann"),
        (29, END, "Ann"),
    ]


def test_captions_that_arrive_after_a_mark_went_out_are_not_speech_again() -> None:
    meeting = Meeting()
    meeting.lit(10, "a")
    meeting.lit(11)
    meeting.says(12.4, "Ann", 12.2, 12.4)
    meeting.until(40)
    assert meeting.spoken() == [(10, START, "Ann"), (11, END, "Ann")]


def test_participants_join_and_leave_and_a_list_that_flickers_is_no_departure() -> None:
    meeting = Meeting()
    meeting.note(with_presenters(meeting.timeline, ["a"], 1))
    meeting.note(with_participants(meeting.timeline, {"b": "Ben"}, 2))
    meeting.note(with_participants(meeting.timeline, {"a": "Ann", "b": "Ben", "c": "Cem"}, 4))
    meeting.lit(9, "a")
    meeting.note(with_participants(meeting.timeline, {"b": "Ben"}, 10))
    meeting.until(30)
    assert meeting.spoken() == [
        (1, Kind.START_PRESENTING, "Ann"),
        (4, Kind.JOIN, "Cem"),
        (9, START, "Ann"),
        (10, END, "Ann"),
        (10, Kind.STOP_PRESENTING, "Ann"),
        (10, Kind.LEAVE, "Ann"),
        (10, Kind.LEAVE, "Cem"),
    ]


def test_the_end_of_a_meeting_ends_everything() -> None:
    meeting = Meeting()
    meeting.note(with_presenters(meeting.timeline, ["b"], 1))
    meeting.lit(2, "a")
    meeting.until(5)
    meeting.note(ended(meeting.timeline, 6))
    assert meeting.spoken()[2:] == [
        (6, END, "Ann"),
        (6, Kind.LEAVE, "Ann"),
        (6, Kind.STOP_PRESENTING, "Ben"),
        (6, Kind.LEAVE, "Ben"),
    ]


def test_two_participants_of_one_name_are_told_apart_by_their_marks() -> None:
    meeting = Meeting(c="Ann")
    meeting.lit(10, "c")
    meeting.says(11.5, "Ann", 11.5)
    meeting.lit(14)
    meeting.says(30, "Ann", 30)
    meeting.until(60)
    assert meeting.events[0].speaker == meeting.events[1].speaker == speaker_id("Ann", "c")
    assert {each.speaker for each in meeting.events[2:]} == {speaker_id("Ann")}


def test_ids_do_not_collide() -> None:
    assert doctest.testmod(speaker_ids).failed == 0
    names = ["陈静", "李静", "ليلى", "ليلي", "อนันต์", "Ann", "ann b", "あん", "アン", "", "!", "Анна", "Ännä"]
    assert len({speaker_id(name) for name in names}) == len(names)
    assert speaker_id("Ann", "1") != speaker_id("Ann", "2") != speaker_id("Ann")
    assert speaker_id("\u200fANN  B") == speaker_id("ann b")


def test_participants_that_are_known_are_bounded() -> None:
    timeline = Timeline()
    for n in range(3 * MOST // 500):
        present = {f"{n}/{i}": f"Name {i}" for i in range(500)}
        timeline, _ = with_participants(timeline, present, n * 100)
        timeline, _ = at(timeline, n * 100 + 50)
    assert len(timeline.people) == MOST


def test_what_one_is_said_to_have_spoken_twice_counts_once() -> None:
    events = [
        TimelineEvent(0, START, "a", "Ann"),
        TimelineEvent(5, START, "b", "Ben"),
        TimelineEvent(6, START, "a", "Ann"),
        TimelineEvent(10, END, "a", "Ann"),
        TimelineEvent(12, END, "a", "Ann"),
        TimelineEvent(20, START, "a", "Ann"),
    ]
    assert speaking_times(events, 25) == {"a": 15, "b": 20}


def test_a_start_that_is_taken_back_counts_for_nothing() -> None:
    taken_back = [TimelineEvent(3, START, "a", "Ann"), TimelineEvent(3, END, "a", "Ann")]
    later = [TimelineEvent(5, START, "a", "Ann"), TimelineEvent(6, END, "a", "Ann")]
    assert speaking_times([*taken_back, *later], 9) == {"a": 1}
    assert speaking_times([*later, *reversed(taken_back)], 9) == {"a": 1}
    again = [TimelineEvent(6, START, "a", "Ann"), TimelineEvent(8, END, "a", "Ann")]
    assert speaking_times([*again, *later], 9) == {"a": 3}
    meanwhile = [TimelineEvent(7, END, "a", "Ann"), TimelineEvent(7, START, "a", "Ann")]
    assert speaking_times([*meanwhile, *later, *again], 9) == {"a": 3}


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 2**32))
def test_starts_and_ends_alternate_in_time_whatever_is_observed(seed: int) -> None:
    """For each speaker a start is followed by its end, neither before the other's time."""
    random = Random(seed)
    meeting = Meeting(c="Cem")
    now = 0.0
    for _ in range(120):
        now += random.choice((0.05, 0.3, 1, 3, 8))
        match random.randrange(4):
            case 0 | 1:
                meeting.lit(now, *random.sample("abc", random.randint(0, 3)))
            case 2:
                first = now - random.random() * 3
                meeting.says(now, random.choice(("Ann", "Ben", "Cem", "Dee")), first, now)
            case 3:
                present = {key: key for key in random.sample("abc", random.randint(1, 3))}
                meeting.until(now)
                meeting.note(with_participants(meeting.timeline, present, now))
    meeting.note(ended(meeting.timeline, now))
    for speaker in {each.speaker for each in meeting.events}:
        own = [each for each in meeting.events if each.speaker == speaker and each.kind in {START, END}]
        assert [each.kind for each in own] == [START, END] * (len(own) // 2)
        assert all(before.at <= after.at for before, after in pairwise(own))
        assert all(each.at <= now for each in own)

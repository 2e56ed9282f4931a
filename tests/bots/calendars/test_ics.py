"""Calendars as they are found: series and what was changed in them, time zones, files broken and hostile."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.bots.calendars.blocks import LARGEST, MOST_EVENTS, CalendarError
from orch.bots.calendars.events import CalendarEvent, EventKey, Reading, Window
from orch.bots.calendars.ics import MOST_FOUND, read_calendar
from orch.bots.meeting_url import MeetingUrl

URL = "https://meet.google.com/abc-defg-hij"
OTHER = "https://meet.google.com/zzz-zzzz-zzz"


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


WINDOW = Window(at("2026-11-29"), at("2026-12-06"))

CUSTOM = """BEGIN:VTIMEZONE
TZID:Customized Time Zone
BEGIN:STANDARD
DTSTART:16010101T020000
TZOFFSETFROM:{0}
TZOFFSETTO:{0}
END:STANDARD
END:VTIMEZONE"""


def event(*lines: str, uid: str = "u", location: str = URL) -> str:
    return "\n".join(["BEGIN:VEVENT", f"UID:{uid}", f"LOCATION:{location}", *lines, "END:VEVENT"])


def calendar(*parts: str) -> bytes:
    text = "\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//x//EN", *parts, "END:VCALENDAR", ""])
    return text.replace("\n", "\r\n").encode()


def read(*parts: str, zone: str = "UTC") -> Reading:
    return read_calendar(calendar(*parts), WINDOW, zone=zone)


def starts(reading: Reading) -> list[str]:
    assert reading.unreadable == ()
    return [datetime.fromtimestamp(each.start, UTC).strftime("%m-%d %H:%M") for each in reading.events]


def test_an_event_has_its_times_its_title_and_its_meeting() -> None:
    """Folded lines and escapes are undone; an alarm's properties are not the event's."""
    reading = read(
        event(
            "BEGIN:VALARM",
            "DTSTART:20200101T000000Z",
            "END:VALARM",
            "DTSTART:20261130T100000Z",
            "DTEND:20261130T110000Z",
            "SUMMARY:Plan\\, part one\\; and",
            "  \\n two",
        )
    )
    assert reading.events == (
        CalendarEvent(
            key=EventKey("u"),
            start=at("2026-11-30T10:00"),
            end=at("2026-11-30T11:00"),
            title="Plan, part one; and two",
            meeting=MeetingUrl("meet", URL),
        ),
    )
    assert (reading.count, reading.unreadable) == (1, ())


@pytest.mark.parametrize(
    ("line", "start"),
    [
        ("DTSTART:20261130T100000Z", "11-30 10:00"),
        ("DTSTART;TZID=Europe/Berlin:20261130T100000", "11-30 09:00"),
        ('DTSTART;TZID="Europe/Berlin":20261130T100000', "11-30 09:00"),
        ("DTSTART;TZID=W. Europe Standard Time:20261130T100000", "11-30 09:00"),
        ("DTSTART;TZID=Pacific Standard Time:20261130T100000", "11-30 18:00"),
        ("DTSTART;TZID=America/Argentina/Buenos_Aires:20261130T100000", "11-30 13:00"),
        ("DTSTART:20261130T100000", "11-30 10:00"),
        ("DTSTART;VALUE=DATE-TIME;TZID=Asia/Kolkata:20261130T100000", "11-30 04:30"),
    ],
)
def test_times_are_in_the_zone_that_they_name(line: str, start: str) -> None:
    """IANA's names and those of Windows; none: UTC, or what the caller says."""
    assert starts(read(event(line))) == [start]


def test_an_event_of_whole_days_is_called_that() -> None:
    """It begins at midnight of the calendar's zone."""
    (found,) = read(event("DTSTART;VALUE=DATE:20261130"), zone="Asia/Tokyo").events
    assert (found.is_all_day, found.start) == (True, at("2026-11-29T15:00"))


def test_times_without_a_zone_are_in_that_of_the_calendar_or_of_the_settings() -> None:
    """The calendar's own (X-WR-TIMEZONE) before the one of the settings; nonsense is neither."""
    floating = event("DTSTART:20261130T100000")
    assert starts(read("X-WR-TIMEZONE:Europe/Berlin", floating, zone="Asia/Tokyo")) == ["11-30 09:00"]
    assert starts(read(floating, zone="Asia/Tokyo")) == ["11-30 01:00"]
    assert starts(read("X-WR-TIMEZONE:Mars/Base", floating, zone="Moon")) == ["11-30 10:00"]


def test_a_zone_that_a_file_defines_is_not_that_of_another_file() -> None:
    """Both call it "Customized Time Zone"; the library by itself uses the first one for both."""
    own = event("DTSTART;TZID=Customized Time Zone:20261130T100000")
    assert starts(read(CUSTOM.format("-0400"), own)) == ["11-30 14:00"]
    assert starts(read(CUSTOM.format("+0500"), own)) == ["11-30 05:00"]


def test_an_unknown_zone_makes_an_event_unreadable_and_no_other() -> None:
    """A bot at a wrong time helps nobody."""
    reading = read(
        event("DTSTART;TZID=Mars/Base:20261130T100000", uid="a"), event("DTSTART:20261130T100000Z", uid="b")
    )
    assert [each.key.uid for each in reading.events] == ["b"]
    (unreadable,) = reading.unreadable
    assert (unreadable.uid, unreadable.reason) == ("a", "is in the time zone Mars/Base, which is not known")


def test_a_series_keeps_its_local_time_over_the_change_to_daylight_saving() -> None:
    """10:00 in Berlin is 08:00 UTC in summer and 09:00 in winter."""
    series = event("DTSTART;TZID=Europe/Berlin:20261001T100000", "RRULE:FREQ=DAILY")
    window = Window(at("2026-10-24"), at("2026-10-27"))
    assert starts(read_calendar(calendar(series), window)) == ["10-24 08:00", "10-25 09:00", "10-26 09:00"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["RRULE:FREQ=WEEKLY;BYDAY=MO,WE,SU"], ["11-29 10:00", "11-30 10:00", "12-02 10:00"]),
        (["RRULE:FREQ=DAILY;INTERVAL=3"], ["12-01 10:00", "12-04 10:00"]),
        (["RRULE:FREQ=DAILY;COUNT=30"], ["11-29 10:00", "11-30 10:00"]),
        (["RRULE:FREQ=DAILY;UNTIL=20261130T100000Z"], ["11-29 10:00", "11-30 10:00"]),
        (["RRULE:FREQ=MONTHLY;BYDAY=-1MO"], ["11-30 10:00"]),
        (["RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1"], ["12-01 10:00"]),
        (["RRULE:FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=3"], ["12-03 10:00"]),
        (["RRULE:FREQ=WEEKLY;WKST=SU;BYHOUR=10;BYMINUTE=0"], ["11-29 10:00"]),
        (["RDATE:20261202T080000Z,20261203T090000Z"], ["12-02 08:00", "12-03 09:00"]),
        (["RDATE;VALUE=PERIOD:20261202T080000Z/PT2H"], ["12-02 08:00"]),
        (
            ["RRULE:FREQ=DAILY;UNTIL=20261201T235959Z", "EXDATE:20261130T100000Z"],
            ["11-29 10:00", "12-01 10:00"],
        ),
        (["RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"], []),
    ],
)
def test_series_are_expanded_within_the_window(lines: list[str], expected: list[str]) -> None:
    """Rules, added and excluded dates."""
    assert starts(read(event("DTSTART:20261101T100000Z", "DTEND:20261101T110000Z", *lines))) == expected


def test_events_of_a_series_are_moved_and_cancelled_by_themselves() -> None:
    """Their key has the time that the rule gives them, wherever they were moved to."""
    reading = read(
        event("DTSTART:20261125T100000Z", "DURATION:PT30M", "RRULE:FREQ=DAILY;COUNT=9", "SEQUENCE:1"),
        event("RECURRENCE-ID:20261130T100000Z", "DTSTART:20261130T153000Z", "DURATION:PT1H"),
        event("RECURRENCE-ID:20261201T100000Z", "DTSTART:20261201T100000Z", "STATUS:CANCELLED"),
        event("RECURRENCE-ID:20261128T100000Z", "DTSTART:20261205T120000Z", "SUMMARY:Into the window"),
        event("RECURRENCE-ID:20261202T100000Z", "DTSTART:20261224T100000Z", "SUMMARY:Out of it"),
    )
    shown = [
        (
            each.key.recurrence_id,
            datetime.fromtimestamp(each.start, UTC).strftime("%d %H:%M"),
            each.is_cancelled,
        )
        for each in reading.events
    ]
    assert shown == [
        ("2026-11-29T10:00:00Z", "29 10:00", False),
        ("2026-11-30T10:00:00Z", "30 15:30", False),
        ("2026-12-01T10:00:00Z", "01 10:00", True),
        ("2026-12-03T10:00:00Z", "03 10:00", False),
        ("2026-11-28T10:00:00Z", "05 12:00", False),
    ]
    assert {each.key.uid for each in reading.events} == {"u"}


def test_the_key_of_an_event_that_is_not_repeated_does_not_have_its_time() -> None:
    """So that it is the same event after it was moved."""
    keys = [read(event(f"DTSTART:20261130T{hour}0000Z")).events[0].key for hour in ("10", "15")]
    assert keys == [EventKey("u"), EventKey("u")]


def test_the_meeting_of_one_event_of_a_series_may_be_another() -> None:
    """An event that was changed by itself has fields of its own."""
    reading = read(
        event("DTSTART:20261130T100000Z", "RRULE:FREQ=DAILY;COUNT=2"),
        event("RECURRENCE-ID:20261201T100000Z", "DTSTART:20261201T100000Z", location=OTHER),
    )
    assert [each.meeting and each.meeting.url for each in reading.events] == [URL, OTHER]


def test_of_two_versions_of_an_event_the_later_counts() -> None:
    """SEQUENCE grows with each change; some servers send several."""
    versions = [event(f"DTSTART:20261130T{10 + n}0000Z", f"SEQUENCE:{n}") for n in range(3)]
    assert starts(read(versions[1], versions[2], versions[0])) == ["11-30 12:00"]


def test_a_calendar_that_cancels_cancels_all_its_events() -> None:
    """METHOD:CANCEL, as in messages; one event may be cancelled by its status."""
    assert [
        each.is_cancelled for each in read("METHOD:CANCEL", event("DTSTART:20261130T100000Z")).events
    ] == [True]
    status = event("DTSTART:20261130T100000Z", "STATUS:cancelled")
    assert [each.is_cancelled for each in read(status).events] == [True]


@pytest.mark.parametrize(
    "lines",
    [
        [f"X-GOOGLE-CONFERENCE:{URL}", f"LOCATION:{OTHER}"],
        [f"CONFERENCE;VALUE=URI;FEATURE=AUDIO,VIDEO;LABEL=Join:{URL}"],
        [f"LOCATION:Room 7\\, {URL}"],
        [f"URL;VALUE=URI:{URL}"],
        [f"DESCRIPTION:Hi\\n\\nJoin: {URL}?hs=1\\nBye"],
        ["DESCRIPTION:Join: https://meet.goo", " gle.com/abc-defg-hij"],
        [f'X-ALT-DESC;FMTTYPE=text/html:<a href="{URL}">x</a>'],
        ["LOCATION:https://us02web.zoom.us/j/1", f"DESCRIPTION:or {URL}"],
    ],
)
def test_the_meeting_is_found_where_calendars_write_it(lines: list[str]) -> None:
    """The fields made for it first; a service that is not supported gives way to one that is."""
    text = "\n".join(["BEGIN:VEVENT", "UID:u", "DTSTART:20261130T100000Z", *lines, "END:VEVENT"])
    (found,) = read(text).events
    assert found.meeting == MeetingUrl("meet", URL)


def test_events_without_a_meeting_are_not_returned_but_counted() -> None:
    """So that an empty calendar differs from one without meetings."""
    reading = read(event("DTSTART:20261130T100000Z", location="Room 7"))
    assert (reading.events, reading.count) == ((), 1)
    assert read().count == 0


def test_meetings_of_other_origins_are_those_of_the_settings() -> None:
    """As those of the meeting sandbox."""
    data = calendar(event("DTSTART:20261130T100000Z", location="http://127.0.0.1:4000/m/1"))
    origins = {"http://127.0.0.1:4000": "second"}
    (found,) = read_calendar(data, WINDOW, origins=origins).events
    assert found.meeting == MeetingUrl("second", "http://127.0.0.1:4000/m/1")


START = "DTSTART:20261130T100000Z"


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "has no DTSTART"),
        (["DTSTART:garbage"], "has a DTSTART that cannot be read"),
        (["DTSTART:20261399T100000Z"], "has a DTSTART that cannot be read"),
        ([START, "EXDATE:soon", "RRULE:FREQ=DAILY"], "has a EXDATE that cannot be read"),
        ([START, "RRULE:FREQ=MINUTELY"], "more often than daily"),
        ([START, "RRULE:FREQ=SECONDLY;COUNT=99999999"], "more often than daily"),
        ([START, "RRULE:FREQ=SOMETIMES"], "more often than daily"),
        ([START, "RRULE:"], "more often than daily"),
        ([START, "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"], "not supported"),
        ([START, "RRULE:FREQ=WEEKLY;BYMONTHDAY=53"], "not supported"),
        ([START, "RRULE:FREQ=DAILY;BYMONTH=0"], "whose BYMONTH cannot be read"),
        ([START, "RRULE:FREQ=DAILY;BYHOUR=1,2,3,4"], "several times a day"),
        ([START, "RRULE:FREQ=DAILY;INTERVAL=0"], "whose INTERVAL cannot be read"),
        ([START, "RRULE:FREQ=DAILY;INTERVAL=-1"], "whose INTERVAL cannot be read"),
        ([START, "RRULE:FREQ=DAILY;COUNT=99999999999999999999"], "whose COUNT cannot be read"),
        ([START, "RRULE:FREQ=DAILY;UNTIL=never"], "cannot be read"),
    ],
)
def test_a_series_that_cannot_be_read_is_reported_and_the_others_are_read(
    lines: list[str], reason: str
) -> None:
    """None of it is guessed; nothing takes for ever."""
    reading = read(event(*lines, uid="a"), event("DTSTART:20261130T110000Z", uid="b"))
    assert [each.key.uid for each in reading.events] == ["b"]
    assert [each.uid for each in reading.unreadable] == ["a"]
    assert reason in reading.unreadable[0].reason


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no ICS file"),
        (b"\n\n", "no ICS file"),
        (b"<!doctype html><title>Sign in</title>", "no ICS file"),
        (b'{"error": "not found"}', "no ICS file"),
        (calendar(event(START))[:-20], "not complete"),
        (calendar("BEGIN:VEVENT", "UID:u"), "not complete"),
        (calendar("END:VEVENT"), "not complete"),
        (calendar("BEGIN:VEVENT", "END:VTODO"), "not complete"),
        (b"\x00" * 100, "no ICS file"),
        (b"BEGIN:VCALENDAR\r\n" + b"X:" + b"y" * LARGEST, "more than 5 MiB"),
    ],
)
def test_what_is_no_whole_calendar_is_refused(data: bytes, words: str) -> None:
    """A page to sign in, a response that was cut: they say nothing about any event."""
    with pytest.raises(CalendarError, match=words):
        read_calendar(data, WINDOW)


def test_a_calendar_may_have_a_byte_order_mark_and_lines_without_returns() -> None:
    """Several calendars may be in one file too, and text that is no UTF-8."""
    one = calendar(event(START, "SUMMARY:caf\xe9")).decode().replace("\r\n", "\n")
    other = calendar(event("DTSTART:20261130T110000Z", uid="v")).decode()
    data = b"\xef\xbb\xbf" + (one + other).encode("latin-1")
    assert starts(read_calendar(data, WINDOW)) == ["11-30 10:00", "11-30 11:00"]


def test_too_many_events_are_refused_as_a_whole() -> None:
    """A part would look as if the others were gone."""
    with pytest.raises(CalendarError, match=f"more than {MOST_EVENTS} events"):
        read("BEGIN:VEVENT\nUID:x\nEND:VEVENT\n" * MOST_EVENTS + "BEGIN:VEVENT\nEND:VEVENT")


def test_too_many_meetings_in_the_window_are_refused_as_a_whole() -> None:
    """As above."""
    dates = ",".join(
        f"20261130T{n // 60 % 24:02d}{n % 60:02d}{n // 1440:02d}Z" for n in range(MOST_FOUND + 2)
    )
    with pytest.raises(CalendarError, match=f"more than {MOST_FOUND} events"):
        read(event("DTSTART:20261130T000000Z", f"RDATE:{dates}"))


def test_the_caller_can_end_a_reading() -> None:
    """When it takes too long; then it says nothing about any event."""
    with pytest.raises(CalendarError, match="takes too long"):
        read_calendar(calendar(event(START)), WINDOW, is_over=lambda: True)


def test_old_events_are_not_decoded() -> None:
    """Of a calendar of ten years only what may matter is."""
    old = [event(f"DTSTART:20{16 + n % 10}0101T100000Z", "RDATE-LIKE:x", uid=str(n)) for n in range(2000)]
    reading = read(*old, event(START, uid="new"))
    assert [each.key.uid for each in reading.events] == ["new"]
    assert reading.count == 2001


def test_an_event_without_a_uid_cannot_be_recognised_and_is_left_out() -> None:
    """It would be another one at each reading."""
    text = f"BEGIN:VEVENT\n{START}\nLOCATION:{URL}\nEND:VEVENT"
    assert (read(text).events, read(text).count) == ((), 1)


def test_an_event_that_ends_before_it_begins_has_an_end_all_the_same() -> None:
    """Some calendars have such events."""
    (found,) = read(event(START, "DTEND:20261130T090000Z")).events
    assert found.end >= found.start


def test_only_what_overlaps_the_window_is_returned() -> None:
    """What ended when it begins, or begins when it ends, is outside."""
    assert starts(
        read(
            event("DTSTART:20261128T230000Z", "DTEND:20261129T000000Z", uid="before"),
            event("DTSTART:20261128T233000Z", "DTEND:20261129T003000Z", uid="into"),
            event("DTSTART:20261205T233000Z", "DTEND:20261206T003000Z", uid="out of"),
            event("DTSTART:20261206T000000Z", "DTEND:20261206T010000Z", uid="after"),
        )
    ) == ["11-28 23:30", "12-05 23:30"]


LINES = [
    *(
        "BEGIN:VCALENDAR",
        "END:VCALENDAR",
        "BEGIN:VEVENT",
        "END:VEVENT",
        "UID:u",
        "UID:v",
        f"URL:{URL}",
        START,
    ),
    *("DTSTART;TZID=Europe/Berlin:20261130T100000", "DTSTART;VALUE=DATE:20261130", "RRULE:FREQ=DAILY"),
    *(
        "RRULE:FREQ=DAILY;COUNT=3",
        "EXDATE:20261201T100000Z",
        "RECURRENCE-ID:20261201T100000Z",
        "DURATION:PT1H",
    ),
    *(
        "RECURRENCE-ID;RANGE=THISANDFUTURE:20261201T100000Z",
        "DURATION:-P1W",
        "STATUS:CANCELLED",
        " folded",
        ":",
    ),
    *("BEGIN:VTIMEZONE", "END:VTIMEZONE", "TZID:x", "SUMMARY", "RDATE;VALUE=DATE:20261203"),
]


@given(st.lists(st.sampled_from(LINES), max_size=25))
def test_no_order_of_lines_breaks_the_reading(lines: list[str]) -> None:
    """It is a calendar or refused; each event is in the window and ends no earlier than it begins."""
    for inner in (lines, ["BEGIN:VEVENT", "UID:u", f"URL:{URL}", *lines, "END:VEVENT"]):
        try:
            reading = read(*inner)
        except CalendarError:
            continue
        for each in reading.events:
            assert each.start <= each.end
            assert each.start < WINDOW.end

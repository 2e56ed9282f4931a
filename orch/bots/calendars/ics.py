"""Reads an ICS file (RFC 5545): the events with meetings within a window of time. Pure.

Decoding is that of icalendar, and series are expanded by recurring-ical-events: rules, added and excluded
dates, and events of a series that were moved or cancelled by themselves. What is added here:

- Each series is decoded by itself. One that cannot be read is reported as such, with its UID: nothing is
  known of it, and what was scheduled for it stays (:mod:`orch.bots.calendars.plan`). That includes a time
  zone that is neither known nor defined in the file, as a bot at a wrong time helps nobody.
- What it costs is bounded: the size, the number of events, rules that repeat more often than daily or that
  look for a day that may never come, and the time in sum.
- The meeting is looked for in the fields that calendars write it to, those made for it first.

Only one call at a time: icalendar stores the time zones of files in one place for the whole process, by their
names, and these are cleared here before each file, as two calendars may mean different things by "Customized
Time Zone".
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from orch.bots.calendars.blocks import Blocks, CalendarError, Series, read_blocks
from orch.bots.calendars.events import CalendarEvent, EventKey, Reading, Unreadable, Window
from orch.bots.meeting_url import find_meeting

MOST_FOUND: Final = 2000
"""Events within a window."""

LONGEST_TITLE: Final = 200

MEETING_FIELDS: Final = (
    "X-GOOGLE-CONFERENCE",
    "CONFERENCE",
    "LOCATION",
    "URL",
    "DESCRIPTION",
    "X-ALT-DESC",
)
"""Where a meeting is looked for, in this order."""

_FREQUENCIES: Final = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
#: Parts with which a rule may never come true; only YEARLY and MONTHLY ones find that out quickly.
_NOT_WEEKLY: Final = frozenset({"BYMONTHDAY", "BYYEARDAY", "BYWEEKNO"})
_NOT_DAILY: Final = _NOT_WEEKLY | {"BYSETPOS"}
_CLOCK_PARTS: Final = frozenset({"BYHOUR", "BYMINUTE", "BYSECOND"})
_RULE_FORMS: Final[Mapping[str, re.Pattern[str]]] = {
    "INTERVAL": re.compile(r"0*[1-9]\d{0,3}"),
    "COUNT": re.compile(r"0*[1-9]\d{0,5}"),
    "BYMONTH": re.compile(r"(?:0?[1-9]|1[0-2])(?:,(?:0?[1-9]|1[0-2])){0,11}"),
    "UNTIL": re.compile(r"\d{8}(?:T\d{6}Z?)?"),
}
_DATE: Final = re.compile(r"[;:](?:[^:]*:)?(\d{8})")
_AROUND: Final = 40 * 86_400.0
"""Seconds around a window within which an event by its first date may be part of it."""


class _SeriesError(ValueError):
    """Why a series cannot be read; completes "the event …"."""


def read_calendar(
    data: bytes,
    window: Window,
    *,
    zone: str = "UTC",
    origins: Mapping[str, str] | None = None,
    is_over: Callable[[], bool] = lambda: False,
) -> Reading:
    """Return the events of a file that overlap a window, by their start. CalendarError: it cannot be read.

    ``zone``: where times without a time zone are, if the file does not say. ``origins``: as in
    :func:`orch.bots.meeting_url.read_meeting_url`. ``is_over``: called between two series; once it returns
    true, the calendar counts as one that cannot be read.
    """
    from icalendar.timezone import tzp  # noqa: PLC0415 - 10 MiB, for those who have calendars

    tzp.use_default()
    blocks = read_blocks(data)
    place = _zone(blocks.zone) or _zone(zone) or UTC
    hosts = [_host(origin) for origin in (origins or {})]
    events: list[CalendarEvent] = []
    unreadable: list[Unreadable] = []
    for series in blocks.series.values():
        if is_over():
            raise CalendarError("takes too long to read")
        if not _may_matter(series, window, ("meet.google.com", "g.co/meet", *hosts)):
            continue
        try:
            events += _expanded(series, blocks, window, place, origins)
        except _SeriesError as error:
            unreadable.append(Unreadable(series.uid, str(error)))
        except Exception as error:  # noqa: BLE001 - the libraries raise errors of any class for odd input
            unreadable.append(Unreadable(series.uid, f"cannot be read ({type(error).__name__})"))
        if len(events) > MOST_FOUND:
            raise CalendarError(
                f"has more than {MOST_FOUND} events with meetings within the time that counts"
            )
    events.sort(key=lambda event: (event.start, event.key))
    return Reading(window, tuple(events), tuple(unreadable), blocks.count)


def _may_matter(series: Series, window: Window, hosts: tuple[str, ...]) -> bool:
    """Return whether a series has a meeting, and events that may be near the window, or cannot be read."""
    texts = (line.lower() for line in series.lines(*MEETING_FIELDS))
    if not any(host in text for text in texts for host in hosts):
        return False
    if any(True for _ in series.lines("RRULE", "RDATE")):
        return True
    starts = list(series.lines("DTSTART", "RECURRENCE-ID"))
    return not starts or any(_is_near(line, window) for line in starts)


def _is_near(line: str, window: Window) -> bool:
    found = _DATE.search(line)
    if found is None:
        return True  # it cannot be read, which must be reported
    try:
        day = datetime.strptime(found[1], "%Y%m%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return True
    return window.start - _AROUND <= day <= window.end + _AROUND


def _expanded(
    series: Series, blocks: Blocks, window: Window, place: tzinfo, origins: Mapping[str, str] | None
) -> Iterator[CalendarEvent]:
    import icalendar  # noqa: PLC0415 - as above
    import recurring_ical_events  # noqa: PLC0415 - as above

    for line in series.lines("RRULE"):
        _check_rule(line.partition(":")[2])
    zones = [
        line for name in series.zones() if (zone := blocks.zones.get(name)) for line in _zone_lines(zone)
    ]
    lines = ["BEGIN:VCALENDAR", *zones]
    for block in series.events:
        lines += ["BEGIN:VEVENT", *block, "END:VEVENT"]
    calendar = icalendar.Calendar.from_ical("\r\n".join([*lines, "END:VCALENDAR", ""]))
    components = calendar.walk("VEVENT")
    for component in components:
        _check_component(component)
    is_repeated = any("RRULE" in each or "RDATE" in each or "RECURRENCE-ID" in each for each in components)
    start, end = (datetime.fromtimestamp(at, UTC) for at in (window.start, window.end))
    # A day more on both sides: times without a zone are compared there as if they were UTC.
    day = timedelta(days=1)
    found = recurring_ical_events.of(calendar).between(start - day, end + day)
    for component in found:
        event = _event(component, series.uid, place, origins, is_repeated=is_repeated)
        if event.start < window.end and event.end > window.start:
            yield replace(event, is_cancelled=True) if blocks.is_cancellation else event


def _zone_lines(block: list[str]) -> list[str]:
    return ["BEGIN:VTIMEZONE", *block, "END:VTIMEZONE"]


def _check_rule(rule: str) -> None:
    parts = {
        name.strip().upper(): value for name, _, value in (each.partition("=") for each in rule.split(";"))
    }
    frequency = parts.get("FREQ", "").strip().upper()
    if frequency not in _FREQUENCIES:
        raise _SeriesError("repeats more often than daily, or by no rule that is known")
    for name, form in _RULE_FORMS.items():
        # With INTERVAL=0 the library searches for ever.
        if name in parts and not form.fullmatch(parts[name].strip()):
            raise _SeriesError(f"repeats by a rule whose {name} cannot be read")
    refused = {"DAILY": _NOT_DAILY, "WEEKLY": _NOT_WEEKLY}.get(frequency, frozenset())
    if refused & set(parts):
        raise _SeriesError("repeats by a rule that is not supported")
    if any("," in parts.get(name, "") for name in _CLOCK_PARTS):
        raise _SeriesError("repeats several times a day")


def _check_component(component: Any) -> None:
    """Refuse an event with a property that was left out as it cannot be decoded, or with an unknown zone."""
    if component.errors:
        name = str(component.errors[0][0])
        raise _SeriesError(f"has a {name} that cannot be read")
    if "DTSTART" not in component:
        raise _SeriesError("has no DTSTART")
    for name in ("DTSTART", "DTEND", "RECURRENCE-ID", "RDATE", "EXDATE"):
        values = component.get(name, [])
        for value in values if isinstance(values, list) else [values]:
            zone = value.params.get("TZID") if hasattr(value, "params") else None
            moments = [each.dt for each in getattr(value, "dts", [value])]
            if zone and any(isinstance(each, datetime) and each.tzinfo is None for each in moments):
                raise _SeriesError(f"is in the time zone {str(zone)[:60]}, which is not known")


def _event(
    component: Any, uid: str, place: tzinfo, origins: Mapping[str, str] | None, *, is_repeated: bool
) -> CalendarEvent:
    start = component["DTSTART"].dt
    end = component["DTEND"].dt if "DTEND" in component else start
    recurrence_id = ""
    if is_repeated:
        original = _moment(component["RECURRENCE-ID"].dt if "RECURRENCE-ID" in component else start, place)
        recurrence_id = datetime.fromtimestamp(original, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    begins = _moment(start, place)
    return CalendarEvent(
        key=EventKey(uid, recurrence_id),
        start=begins,
        end=max(begins, _moment(end, place)),
        title=" ".join(str(component.get("SUMMARY", "")).split())[:LONGEST_TITLE],
        meeting=find_meeting(_texts(component), origins),
        is_cancelled=str(component.get("STATUS", "")).strip().upper() == "CANCELLED",
        is_all_day=not isinstance(start, datetime),
    )


def _texts(component: Any) -> Iterator[str]:
    for name in MEETING_FIELDS:
        values = component.get(name, [])
        yield from (str(each) for each in (values if isinstance(values, list) else [values]))


def _moment(value: date | datetime, place: tzinfo) -> float:
    """Return seconds since the epoch; a date begins at midnight, and both without a zone are at ``place``."""
    if not isinstance(value, datetime):
        value = datetime.combine(value, time.min)
    return (value if value.tzinfo is not None else value.replace(tzinfo=place)).timestamp()


def _zone(name: str) -> tzinfo | None:
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _host(origin: str) -> str:
    return origin.partition("://")[2].rstrip("/").lower()

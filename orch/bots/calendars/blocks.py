"""Cuts an ICS file into its events and time zones, before anything is decoded. Pure.

A calendar of years has thousands of events, of which a handful matter now: those are found by their text, as
decoding all of them takes seconds. Of each event the properties that matter here are kept; attendees, alarms
and attachments are most of a file.

RFC 5545 §3.1: lines end with CRLF (some writers: LF) and continue in the next line if that begins with a
space or a tab.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

LARGEST: Final = 5 * 1024 * 1024
"""Bytes of a file."""

MOST_EVENTS: Final = 20_000

KEPT: Final = frozenset(
    {
        "UID",
        "DTSTART",
        "DTEND",
        "DURATION",
        "RRULE",
        "RDATE",
        "EXDATE",
        "RECURRENCE-ID",
        "SEQUENCE",
        "STATUS",
        "SUMMARY",
        "LOCATION",
        "DESCRIPTION",
        "URL",
        "CONFERENCE",
        "X-GOOGLE-CONFERENCE",
        "X-ALT-DESC",
    }
)

_FOLD: Final = re.compile(r"\r?\n[ \t]")
_NAME: Final = re.compile(r"([A-Za-z0-9-]+)[;:]")
_TZID: Final = re.compile(r";TZID=(\"[^\"]*\"|[^;:\"]*)", re.IGNORECASE)


class CalendarError(ValueError):
    """A file that is no calendar, or too large; the message completes "the calendar …"."""


@dataclass(slots=True)
class Series:
    """The lines of all events with one UID: the series itself, and those of its events that differ."""

    uid: str
    events: list[list[str]] = field(default_factory=list)

    def lines(self, *names: str) -> Iterator[str]:
        """Yield the lines of some properties."""
        return (line for event in self.events for line in event if _name(line) in names)

    def zones(self) -> frozenset[str]:
        """Return the time zones that its times name."""
        return frozenset(
            found[1].strip('"') for event in self.events for line in event for found in _TZID.finditer(line)
        )


@dataclass(slots=True)
class Blocks:
    """A file in parts. ``zones``: the lines of each VTIMEZONE by its TZID; ``zone``: X-WR-TIMEZONE, or ""."""

    series: dict[str, Series]
    zones: dict[str, list[str]]
    zone: str
    is_cancellation: bool
    count: int
    without_uid: int


def read_blocks(data: bytes) -> Blocks:
    """Return the parts of a file. CalendarError: it is not a whole calendar, or is too large."""
    if len(data) > LARGEST:
        raise CalendarError(f"has more than {LARGEST // 1024 // 1024} MiB")
    text = data.decode("utf-8-sig", "replace").replace("\x00", "")
    lines = [line.rstrip("\r") for line in _FOLD.sub("", text).split("\n")]
    lines = [line for line in lines if line.strip()]
    if not lines or lines[0].strip().upper() != "BEGIN:VCALENDAR":
        raise CalendarError("is no ICS file: it does not begin with BEGIN:VCALENDAR")
    if lines[-1].strip().upper() != "END:VCALENDAR":
        raise CalendarError("is not complete: it does not end with END:VCALENDAR")
    blocks = Blocks({}, {}, "", is_cancellation=False, count=0, without_uid=0)
    for path, block in _components(lines):
        match path:
            case ("VCALENDAR",):
                _read_calendar(block, blocks)
            case ("VCALENDAR", "VTIMEZONE"):
                zone = _value(block, "TZID")
                blocks.zones.setdefault(zone, block)
            case ("VCALENDAR", "VEVENT"):
                _add_event(block, blocks)
    return blocks


def _components(lines: Iterable[str]) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Yield each calendar, time zone and event, with its own lines; a time zone has those within it too.

    CalendarError: what begins does not end, or the other way round.
    """
    open_ones: list[tuple[str, list[str]]] = []
    for line in lines:
        keyword, _, rest = line.partition(":")
        name = rest.strip().upper()
        match keyword.strip().upper():
            case "BEGIN":
                open_ones.append((name, []))
            case "END":
                if not open_ones or open_ones[-1][0] != name:
                    raise CalendarError(f"is not complete: END:{name[:40]} does not match what begins")
                path = tuple(each for each, _ in open_ones)
                _, block = open_ones.pop()
                if path[1:2] == ("VTIMEZONE",) and len(path) > len(("VCALENDAR", "VTIMEZONE")):
                    open_ones[-1][1].extend([f"BEGIN:{name}", *block, f"END:{name}"])
                yield path, block
            case _ if open_ones:
                open_ones[-1][1].append(line)
    if open_ones:
        raise CalendarError(f"is not complete: {open_ones[-1][0][:40]} does not end")


def _read_calendar(block: list[str], blocks: Blocks) -> None:
    blocks.zone = blocks.zone or _value(block, "X-WR-TIMEZONE")
    blocks.is_cancellation |= _value(block, "METHOD").upper() == "CANCEL"


def _add_event(block: list[str], blocks: Blocks) -> None:
    blocks.count += 1
    if blocks.count > MOST_EVENTS:
        raise CalendarError(f"has more than {MOST_EVENTS} events")
    uid = _value(block, "UID")
    if not uid:
        blocks.without_uid += 1
        return
    kept = [line for line in block if _name(line) in KEPT]
    blocks.series.setdefault(uid, Series(uid)).events.append(kept)


def _name(line: str) -> str:
    found = _NAME.match(line)
    return found[1].upper() if found else ""


def _value(block: list[str], name: str) -> str:
    """Return the value of the first property of a name, or ""."""
    for line in block:
        if _name(line) == name:
            return line.partition(":")[2].strip()
    return ""

"""Reads a line of output of a child process as a line of the log. Pure.

The sandbox's back ends log JSON lines; put into the field of another line, they could hardly be read in a
terminal, or searched for. Other children write what they like.
"""

import logging
import re
from collections import deque
from typing import Any, Final

import msgspec
from msgspec import Struct

from orch.masking import mask_urls

LEVELS: Final = frozenset({"debug", "info", "warning", "error", "critical"})

LONGEST_NAME: Final = 40
MOST_FIELDS: Final = 20

SHOWN: Final = 300
"""Characters of a line that are shown."""

_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")

RESERVED: Final = frozenset(
    {"self", "event", "level", "logger", "timestamp", "service"}
    | {"exc_info", "exception", "stack", "stack_info"}
)
"""Names with a meaning for the logging library, and those that our own line has."""


class Entry(Struct, frozen=True):
    """A line of the log: its level, its event, and its fields."""

    level: int
    event: str
    fields: dict[str, Any]


class _Line(Struct):
    event: str
    level: str = "info"


def read_line(text: str, stream: str) -> Entry:
    """Return the child's own event where ``text`` is a JSON log line, else the event ``output`` with it."""
    try:
        known = msgspec.json.decode(text, type=_Line)
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return Entry(logging.INFO, "output", {"stream": stream, "line": text})
    if known.level not in LEVELS or not known.event:
        return Entry(logging.INFO, "output", {"stream": stream, "line": text})
    fields = {
        name: value if isinstance(value, str | int | float | bool | None) else _as_text(value)
        for name, value in list(document.items())[:MOST_FIELDS]
        if name.isidentifier()
        and len(name) <= LONGEST_NAME
        and name not in RESERVED
        and not name.startswith("_")
    }
    if "exception" in document:
        fields["traceback"] = _as_text(document["exception"])
    if "logger" in document:
        fields["part"] = str(document["logger"])
    return Entry(logging.getLevelNamesMapping()[known.level.upper()], known.event, fields)


def shown_line(entry: Entry) -> str:
    """Return an entry as one line for people, "" if there is nothing to show.

    Of a log line its event, and the end of its traceback or its error; URLs are masked, colours removed.
    """
    fields = entry.fields
    if entry.event == "output":
        text = str(fields.get("line", ""))
    else:
        cause = str(fields.get("traceback") or fields.get("error") or fields.get("reason") or "").strip()
        text = f"{entry.event}: {cause.splitlines()[-1]}" if cause else entry.event
    text = _ESCAPES.sub("", text)
    text = "".join(each if each.isprintable() else " " for each in text).strip()
    return mask_urls(text)[:SHOWN]


class Tail:
    """The last lines of a child's output, as they are shown."""

    def __init__(self, lines: int) -> None:
        self._lines: deque[str] = deque(maxlen=lines)

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines, oldest first."""
        return tuple(self._lines)

    def add(self, entry: Entry) -> None:
        """Store a line in place of the oldest one."""
        if text := shown_line(entry):
            self._lines.append(text)

    def clear(self) -> None:
        """Forget all lines: another process begins."""
        self._lines.clear()


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()

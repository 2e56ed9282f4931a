"""What a calendar's bots are as requests, and as they are stored. Pure.

A bot that a calendar has scheduled says so in its metadata, ``calendar``: its webhooks show it, and it is
found by it. The data goes with the bot's own.

An event gets one bot, also of two workers: its idempotency key is made of the event. One that has left by the
rules of its meeting is not sent again; after one that was cancelled, another one is.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from msgspec import json
from msgspec.structs import replace

from orch.bots.calendars.events import EventKey
from orch.bots.calendars.plan import ScheduledBot, Wanted
from orch.bots.ends import EndReason
from orch.bots.meeting_url import MeetingUrlError, read_meeting_url
from orch.bots.requests import BotRequest
from orch.bots.states import State
from orch.stores.bot_records import JSON, Life

FIELD: Final = "calendar"

_WAITING: Final = frozenset({State.SCHEDULED.value})


def key_for(calendar_id: str, wanted: Wanted, attempt: int) -> str:
    """Return the idempotency key of an event's bot. ``attempt``: grows with each that was cancelled."""
    parts = (calendar_id, *wanted.key, wanted.meeting.url, repr(wanted.end), str(attempt))
    return f"calendar-{sha256(json.encode(parts)).hexdigest()[:48]}"


def request_for(calendar_id: str, wanted: Wanted, key: str, now: float) -> BotRequest:
    """Return the request of an event's bot."""
    return BotRequest(
        meeting_url=wanted.meeting.url,
        start_at=wanted.join_at if wanted.join_at > now else None,
        idempotency_key=key,
        metadata=metadata_of(calendar_id, wanted),
    )


def event_of(life: Life) -> tuple[str, EventKey, float] | None:
    """Return the calendar, event and its end that a bot was for; None: for none."""
    found = life.metadata.get(FIELD)
    if not isinstance(found, Mapping):
        return None
    try:
        return str(found["id"]), EventKey(str(found["uid"]), str(found["recurrence_id"])), float(found["end"])
    except (KeyError, TypeError, ValueError):
        return None  # a requester's own metadata


def was_cancelled(life: Life) -> bool:
    """Return whether a bot was cancelled before it started."""
    return life.reason == EndReason.CANCELLED.value


def metadata_of(calendar_id: str, wanted: Wanted) -> dict[str, Any]:
    """Return the metadata of an event's bot."""
    return {
        FIELD: {
            "id": calendar_id,
            "uid": wanted.key.uid,
            "recurrence_id": wanted.key.recurrence_id,
            "title": wanted.title,
            "join_at": wanted.join_at,
            "end": wanted.end,
        }
    }


def calendar_of(life: Life) -> str | None:
    """Return the id of the calendar that has scheduled a bot; None: none has."""
    found = life.metadata.get(FIELD)
    name = found.get("id") if isinstance(found, Mapping) else None
    return name if isinstance(name, str) else None


def is_waiting(life: Life) -> bool:
    """Return whether a bot's turn has not come yet."""
    return life.state in _WAITING


def scheduled_bot(life: Life, origins: Mapping[str, str]) -> ScheduledBot | None:
    """Return a bot as the plan sees it; None: no calendar has scheduled it, or its data was deleted."""
    found = life.metadata.get(FIELD)
    if not isinstance(found, Mapping):
        return None
    try:
        return ScheduledBot(
            bot_id=life.bot_id,
            key=EventKey(str(found["uid"]), str(found["recurrence_id"])),
            meeting=read_meeting_url(life.meeting_url, origins),
            join_at=float(found["join_at"]),
            end=float(found["end"]),
            title=str(found["title"]),
            is_begun=not is_waiting(life),
        )
    except (KeyError, TypeError, ValueError, MeetingUrlError):
        return None  # a requester's own metadata, or an origin that the settings have no longer


def moved(life: Life, calendar_id: str, wanted: Wanted) -> Life:
    """Return a scheduled bot's life with the event's new time and title; the meeting is the same."""
    settings: JSON = {**life.settings, "start_at": wanted.join_at}
    metadata: JSON = {**life.metadata, **metadata_of(calendar_id, wanted)}
    return replace(life, due_at=wanted.join_at, settings=settings, metadata=metadata)

"""Whether a bot that is asked for can be stored, before anything is started for it."""

from collections.abc import Callable, Mapping
from typing import Final

from orch.bots.chromium.errors import BrowserMissingError
from orch.bots.chromium.process import installed
from orch.bots.meeting_url import MEET, MeetingUrl, MeetingUrlError, read_meeting_url
from orch.bots.requests import BotRequest
from orch.bots.runs.stored_lives import settings_of
from orch.bots.webhooks.payloads import PayloadError, read_metadata
from orch.problems import ProblemError
from orch.settings.bots import Bots
from orch.stores.bot_records import Life

FARTHEST: Final = 366 * 86_400.0
"""Seconds ahead for which a bot can be scheduled."""


def check_request(request: BotRequest, origins: Mapping[str, str], now: float) -> MeetingUrl:
    """Return the meeting of a request.

    Problems: ``bad_meeting_url``; ``invalid_request`` for metadata and times that cannot be stored.
    """
    try:
        meeting = read_meeting_url(request.meeting_url, origins)
    except MeetingUrlError as error:
        raise ProblemError("bad_meeting_url", f"meeting_url: {error}.") from error
    try:
        read_metadata(request.metadata)
    except PayloadError as error:
        raise ProblemError("invalid_request", f"{error}.") from error
    if request.start_at is not None and not 0 < request.start_at <= now + FARTHEST:
        raise ProblemError(
            "invalid_request", "start_at: expected seconds since the epoch, at most a year from now."
        )
    return meeting


def adapter_of(meeting_url: str, origins: Mapping[str, str]) -> str:
    """Return the adapter of a stored URL; "meet" if its origin is not in the settings any more."""
    try:
        return read_meeting_url(meeting_url, origins).adapter
    except MeetingUrlError:
        return MEET


def check_same(earlier: Life, request: BotRequest, meeting_url: str) -> None:
    """Raise ``idempotency_key_reused`` if an earlier request with the same key was another one.

    Of one whose data was deleted nothing is known any more, so it counts as the same.
    """
    if earlier.data_deleted_at is not None:
        return
    asked = settings_of(request)
    stored = dict(earlier.settings)
    changed_later = {"languages", "camera"}  # in the call
    same = all(stored.get(name) == value for name, value in asked.items() if name not in changed_later)
    if not same or earlier.meeting_url != meeting_url or dict(earlier.metadata) != request.metadata:
        raise ProblemError(
            "idempotency_key_reused",
            "idempotency_key: another request has used it. Use a new key, or repeat that request unchanged.",
        )


def missing_browser(settings: Bots, find: Callable[[str], str] = installed) -> str:
    """Return why no browser can be started here, as a sentence; "" if one can, or one is attached to."""
    if settings.cdp_url:
        return ""
    try:
        find(settings.chromium)
    except BrowserMissingError as error:
        return str(error)
    return ""

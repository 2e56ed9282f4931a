"""The calendars whose events get bots, over HTTP: how each is."""

from typing import Literal

from msgspec import Struct
from quart import Blueprint, Response
from quart_schema import document_response

from orch.bots.calendars.service import Calendars
from orch.settings.source import SettingsSource
from orch.web.json_api import json_response

CalendarState = Literal["connected", "failing", "unknown"]


class CalendarShown(Struct, frozen=True, kw_only=True):
    """A calendar of the settings, without its address, which is a secret. Times in seconds since the epoch.

    ``state``: ``connected``, ``failing`` with the reason, or ``unknown``: it has not been read yet, or
    another worker follows it. ``events``: of the last reading; ``unreadable``: series that cannot be read.
    """

    calendar_id: str
    state: CalendarState
    reason: str
    last_read_at: float | None
    events: int
    unreadable: int
    name_match: str
    lead: float
    zone: str


class CalendarsListed(Struct, frozen=True, kw_only=True):
    """The calendars, in the order of the settings."""

    calendars: tuple[CalendarShown, ...]


def blueprint(calendars: Calendars | None, settings: SettingsSource) -> Blueprint:
    """Return the routes."""
    api = Blueprint("calendars", __name__, url_prefix="/api/calendars")

    @api.get("")
    @document_response(CalendarsListed)
    async def listed() -> Response:
        """Return the calendars, and how each is."""
        known = {} if calendars is None else {each.calendar_id: each for each in calendars.statistics()}
        shown = []
        for each in settings.current.orchestration.bots.calendars:
            found = known.get(each.name)
            state: CalendarState = "unknown"
            if found is not None and (found.failing or found.last_read_at is not None):
                state = "failing" if found.failing else "connected"
            shown.append(
                CalendarShown(
                    calendar_id=each.name,
                    state=state,
                    reason="" if found is None else found.failing,
                    last_read_at=None if found is None else found.last_read_at,
                    events=0 if found is None else found.events,
                    unreadable=0 if found is None else found.unreadable,
                    name_match=each.name_match,
                    lead=each.lead,
                    zone=each.zone,
                )
            )
        return json_response(CalendarsListed(calendars=tuple(shown)))

    return api

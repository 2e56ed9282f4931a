"""Incidents, uptime and announcements, for operators."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct
from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response

from orch.health.incidents.records import DAY, Announcement, AnnouncementKind, Incident
from orch.health.incidents.service import IncidentService
from orch.health.incidents.uptime import Uptime, Window
from orch.problems import ProblemError
from orch.protocol.plain_text import plain_lines
from orch.settings.source import SettingsSource
from orch.web.audit import log_change
from orch.web.json_api import json_response, read_json, read_query

NOTE: Final = 2_000
POST_MORTEM: Final = 20_000
ANNOUNCEMENT: Final = 1_000


class IncidentQuery(Struct, frozen=True):
    """Which incidents to return. ``state``: open, closed or all; ``service``: "" for all."""

    state: Literal["open", "closed", "all"] = "all"
    service: str = ""
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class IncidentsListed(Struct, frozen=True, kw_only=True):
    """Incidents: open ones first, then those that began last. ``total``: how many matched."""

    now: float
    total: int
    open: int
    incidents: tuple[Incident, ...]


class NewNote(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A note on an incident, for operators."""

    text: Annotated[str, Meta(max_length=NOTE)]


class NewPostMortem(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The post-mortem of an incident, for operators; "" removes it."""

    text: Annotated[str, Meta(max_length=POST_MORTEM)]


class ServiceUptime(Struct, frozen=True, kw_only=True):
    """The uptime of a service: by window, 24h, 7d, 30d and 90d."""

    service: str
    windows: dict[str, Uptime]


class UptimeListed(Struct, frozen=True, kw_only=True):
    """The uptime of all services."""

    now: float
    services: tuple[ServiceUptime, ...]


class NewAnnouncement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An announcement on the status page. ``hours``: how long it is shown; None: until it is ended."""

    kind: AnnouncementKind
    text: Annotated[str, Meta(max_length=ANNOUNCEMENT)]
    hours: Annotated[float, Meta(gt=0, le=2_160)] | None = None


class AnnouncementShown(Struct, frozen=True, kw_only=True):
    """An announcement, and whether it is shown now."""

    announcement: Announcement
    is_current: bool


class AnnouncementsListed(Struct, frozen=True, kw_only=True):
    """The announcements of the last 90 days, the newest first. ``is_public``: the status page is on."""

    now: float
    is_public: bool
    announcements: tuple[AnnouncementShown, ...]


def blueprint(settings: SettingsSource, incidents: IncidentService) -> Blueprint:
    """Return the routes."""
    api = Blueprint("incidents", __name__, url_prefix="/api")

    @api.get("/incidents")
    @document_querystring(IncidentQuery)
    @document_response(IncidentsListed)
    async def listed() -> Response:
        """Return the incidents of the last 90 days."""
        query = read_query(IncidentQuery)
        found = incidents.incidents()
        matching = [
            each
            for each in found
            if query.state in ("all", "open" if each.is_open else "closed")
            and query.service in ("", each.service)
        ]
        return json_response(
            IncidentsListed(
                now=incidents.now(),
                total=len(matching),
                open=sum(each.is_open for each in found),
                incidents=tuple(matching[: query.limit]),
            )
        )

    @api.get("/incidents/<int:number>")
    @document_response(Incident)
    async def one(number: int) -> Response:
        """Return an incident."""
        return json_response(incidents.incident(number))

    @api.post("/incidents/<int:number>/notes")
    @document_request(NewNote)
    @document_response(Incident, 201)
    async def note(number: int) -> Response:
        """Add a note to an incident. Guests never read it."""
        text = _text((await read_json(NewNote)).text)
        incident = await incidents.add_note(number, text)
        log_change("note on incident", number=number, text=text)
        return json_response(incident, status=201)

    @api.put("/incidents/<int:number>/post-mortem")
    @document_request(NewPostMortem)
    @document_response(Incident)
    async def post_mortem(number: int) -> Response:
        """Replace the post-mortem of an incident. Guests never read it."""
        text = plain_lines((await read_json(NewPostMortem)).text).strip()
        incident = await incidents.set_post_mortem(number, text)
        log_change("post-mortem of incident", number=number, text=text)
        return json_response(incident)

    @api.get("/uptime")
    @document_response(UptimeListed)
    async def uptime() -> Response:
        """Return the uptime of each service over 24 h, 7 d, 30 d and 90 d, with its bars."""
        services = tuple(
            ServiceUptime(
                service=service,
                windows={str(window): incidents.uptime(service, window) for window in Window},
            )
            for service in incidents.services()
        )
        return json_response(UptimeListed(now=incidents.now(), services=services))

    @api.get("/status/announcements")
    @document_response(AnnouncementsListed)
    async def announcements() -> Response:
        """Return the announcements of the status page."""
        now = incidents.now()
        return json_response(
            AnnouncementsListed(
                now=now,
                is_public=settings.current.orchestration.status_page.enabled,
                announcements=tuple(
                    AnnouncementShown(announcement=each, is_current=each.is_current(now))
                    for each in incidents.announcements()
                ),
            )
        )

    @api.post("/status/announcements")
    @document_request(NewAnnouncement)
    @document_response(Announcement, 201)
    async def announce() -> Response:
        """Announce something on the status page. Anyone can read it there."""
        wanted = await read_json(NewAnnouncement)
        text = _text(wanted.text)
        until = None if wanted.hours is None else incidents.now() + wanted.hours * DAY / 24
        made = await incidents.announce(wanted.kind, text, until=until)
        log_change("announcement", number=made.number, kind=made.kind, text=text)
        return json_response(made, status=201)

    @api.delete("/status/announcements/<int:number>")
    @document_response(Announcement)
    async def end(number: int) -> Response:
        """End an announcement."""
        ended = await incidents.end_announcement(number)
        log_change("announcement ended", number=number)
        return json_response(ended)

    return api


def _text(text: str) -> str:
    """Return a text that says something. ProblemError: invalid_request.

    Control characters other than line breaks, and marks of direction, are removed.
    """
    stripped = plain_lines(text).strip()
    if not stripped:
        raise ProblemError("invalid_request", "Expected a text.", path="$.text", expected="a text")
    return stripped

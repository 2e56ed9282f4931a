"""The public status page and its badges: read-only, for anyone, off until switched on in the settings.

What is shown is put together at most every :data:`FRESH` s, and so is each badge, so that a thousand readers
cost little more than one. The page needs no JavaScript.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace
from quart import Blueprint, Response, render_template, request
from quart_schema import document_response, hide

from orch.access.actors import Actor, actor_of
from orch.health.incidents.public import (
    PublicService,
    PublicStatus,
    public_announcements,
    public_incidents,
    public_state,
    worst,
)
from orch.health.incidents.service import IncidentService
from orch.health.incidents.uptime import Window
from orch.problems import ProblemError
from orch.settings.incidents import StatusPage
from orch.settings.source import SettingsSource
from orch.web.badges import part_known, percent, state_badge, uptime_badge
from orch.web.interface import page_language
from orch.web.json_api import json_response, read_query
from orch.web.pages import Page

PAGE: Final = Page(
    name="status", path="/status", title="Status", description="How the service works now, and its uptime."
)

FRESH: Final = 10.0
"""Seconds for which what was put together is used again."""

BADGE_AGE: Final = 60
"""Seconds for which clients and proxies may store a badge."""

OWN_NAMES: Final = {"audio-service": "Speech recognition", "translation-service": "Translation"}
"""The names for guests of the services that every installation has; the page has them in each language."""


class BadgeQuery(Struct, frozen=True):
    """``uptime``: the window whose uptime the badge shows; without one it shows the state."""

    uptime: Window | None = None


class _Badge(NamedTuple):
    until: float
    body: bytes
    etag: str


class PublicStatusSource:
    """Puts together what guests read. The mutable state is the last result, and the badges (bounded)."""

    def __init__(self, settings: SettingsSource, incidents: IncidentService) -> None:
        self._settings = settings
        self._incidents = incidents
        self._status: tuple[float, StatusPage, PublicStatus] | None = None
        self._badges: dict[tuple[str, Window | None], _Badge] = {}

    def _page(self) -> StatusPage:
        """Return the page's settings. ProblemError: status_page_off."""
        page = self._settings.current.orchestration.status_page
        if not page.enabled:
            raise ProblemError(
                "status_page_off",
                "This service has no public status page.",
            )
        return page

    def status(self) -> PublicStatus:
        """Return what guests may read. ProblemError: status_page_off."""
        page = self._page()
        now = self._incidents.now()
        if self._status is not None:
            until, settings, status = self._status
            if settings is page and now < until <= now + FRESH:
                return status
        status = self._put_together(page, now)
        self._status = (now + FRESH, page, status)
        return status

    def _put_together(self, page: StatusPage, now: float) -> PublicStatus:
        names = self._names(page)
        is_open, past = public_incidents(self._incidents.incidents(), names, now)
        services = tuple(
            PublicService(
                service=service,
                name=name,
                state=public_state(
                    self._incidents.standing(service),
                    is_in_maintenance=self._incidents.is_in_maintenance(service),
                ),
                uptime={str(window): self._incidents.uptime(service, window) for window in Window},
            )
            for service, name in names.items()
        )
        return PublicStatus(
            at=now,
            title=page.title,
            state=worst(service.state for service in services),
            announcements=public_announcements(self._incidents.current_announcements()),
            incidents=is_open,
            past=past,
            services=services,
        )

    def _names(self, page: StatusPage) -> Mapping[str, str]:
        """Return the public services that exist, with their names for guests; empty: the page's own word."""
        known = self._incidents.services()
        return {
            service: name or ("" if service in OWN_NAMES else service)
            for service, name in page.services.items()
            if service in known
        }

    def badge(self, service: str, window: Window | None) -> _Badge:
        """Return the badge of a service. ProblemError: status_page_off, unknown_service."""
        names = self._names(self._page())
        if service not in names:
            self._badges.pop((service, window), None)
            raise ProblemError("unknown_service", "The status page has no service with this name.")
        now = self._incidents.now()
        found = self._badges.get((service, window))
        if found is not None and now < found.until <= now + FRESH:
            return found
        name = names[service] or OWN_NAMES[service]
        if window is None:
            state = public_state(
                self._incidents.standing(service),
                is_in_maintenance=self._incidents.is_in_maintenance(service),
            )
            body = state_badge(name, state)
        else:
            body = uptime_badge(name, self._incidents.uptime(service, window))
        etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
        made = self._badges[service, window] = _Badge(now + FRESH, body, etag)
        return made


def blueprint(source: PublicStatusSource) -> Blueprint:
    """Return the routes."""
    pages = Blueprint("status_page", __name__)
    #: The page as last rendered, by language and kind of reader: rendering takes five milliseconds.
    rendered: dict[tuple[str, Actor], tuple[PublicStatus, str]] = {}
    for name, shown in (
        ("machine_time", _machine_time),
        ("plain_time", _plain_time),
        ("plain_day", _plain_day),
    ):
        pages.add_app_template_filter(shown, name)
    pages.add_app_template_filter(percent, "percent")
    pages.add_app_template_filter(part_known, "part_known")

    @pages.get(PAGE.path)
    @hide
    async def show() -> Response:
        """Show the page."""
        status = source.status()
        reader = (page_language(), replace(actor_of(request.scope), address="", sign_in=""))
        shown, html = rendered.get(reader, (None, ""))
        if shown is not status:
            html = await render_template(PAGE.template, page=PAGE, status=status)
            rendered[reader] = (status, html)
        return Response(html, content_type="text/html; charset=utf-8")

    @pages.get("/api/status")
    @document_response(PublicStatus)
    async def status() -> Response:
        """Return what the status page shows. Anyone may read it; 404 while the page is switched off."""
        response = json_response(source.status())
        response.headers["Cache-Control"] = f"public, max-age={int(FRESH)}"
        return response

    @pages.get("/status/badge/<service>.svg")
    @hide
    async def badge(service: str) -> Response:
        """Return a badge; other sites may embed it."""
        made = source.badge(service, read_query(BadgeQuery).uptime)
        headers = {
            "Cache-Control": f"public, max-age={BADGE_AGE}",
            "Cross-Origin-Resource-Policy": "cross-origin",
            "ETag": made.etag,
        }
        if made.etag in request.headers.get("If-None-Match", ""):
            return Response(b"", status=304, headers=headers)
        return Response(made.body, content_type="image/svg+xml", headers=headers)

    return pages


def _machine_time(at: float) -> str:
    """Return a time for programs: 2026-11-29T14:30:00Z."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _plain_time(at: float) -> str:
    """Return a time for a page without JavaScript: 2026-11-29 14:30 UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _plain_day(at: float) -> str:
    """Return a day (UTC): 2026-11-29."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")

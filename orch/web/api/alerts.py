"""Alerts: Alertmanager's notifications come in, operators read and acknowledge them."""

from contextlib import AbstractContextManager
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct
from quart import Blueprint, Response, request
from quart_schema import document_querystring, document_request, document_response
from werkzeug.exceptions import RequestEntityTooLarge

from orch.access.actions import Action
from orch.access.actors import actor_of
from orch.alerts.notifications import Notification
from orch.alerts.service import AlertService
from orch.alerts.statistics import AlertShown, SourceStatistics
from orch.problems import ProblemError
from orch.protocol.plain_text import without_controls
from orch.web.alert_notifications import LARGEST, PATH, basic_password
from orch.web.audit import log_change
from orch.web.http_door import is_allowed
from orch.web.json_api import json_response, read_json, read_query
from orch.web.time_limits import STORE_SECONDS, time_limit

COMMENT: Final = 500
LONGEST: Final = 7 * 86_400.0
"""Seconds of an acknowledgement at most."""


class AlertQuery(Struct, frozen=True):
    """Which alerts to return. ``state``: ``open``: all that fire; ``severity``, ``service``: "" for all."""

    state: Literal["open", "firing", "acknowledged", "silenced", "inhibited", "resolved", "all"] = "open"
    severity: str = ""
    service: str = ""
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class AlertsListed(Struct, frozen=True, kw_only=True):
    """Alerts, those first that somebody should look at. ``total``: how many matched."""

    now: float
    total: int
    firing: dict[str, int]
    unacknowledged: int
    source: SourceStatistics
    alerts: tuple[AlertShown, ...]


class NewAcknowledgement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody takes care of an alert. ``by``: a name; "": the address that the request came from.

    ``seconds``: for how long; null: as in the settings.
    """

    by: Annotated[str, Meta(max_length=60)] = ""
    comment: Annotated[str, Meta(max_length=COMMENT)] = ""
    seconds: Annotated[float, Meta(ge=60, le=LONGEST)] | None = None


class Received(Struct, frozen=True, kw_only=True):
    """What was received: the alerts of a notification, without the one that always fires."""

    alerts: int


def blueprint(alerts: AlertService) -> Blueprint:
    """Return the routes."""
    api = Blueprint("alerts", __name__)

    @api.get("/api/alerts")
    @document_querystring(AlertQuery)
    @document_response(AlertsListed)
    async def listed() -> Response:
        """Return the alerts that fire, or those of the last 24 hours."""
        query = read_query(AlertQuery)
        matching = [
            each
            for each in alerts.alerts()
            if (query.state in ("all", each.state) or (query.state == "open" and each.ended is None))
            and query.severity in ("", each.severity)
            and query.service in ("", each.service)
        ]
        current = alerts.statistics()
        return json_response(
            AlertsListed(
                now=current.now,
                total=len(matching),
                firing=current.firing,
                unacknowledged=current.unacknowledged,
                source=current.source,
                alerts=tuple(matching[: query.limit]),
            )
        )

    @api.get("/api/alerts/<fingerprint>")
    @document_response(AlertShown)
    async def one(fingerprint: str) -> Response:
        """Return an alert."""
        return json_response(alerts.alert(fingerprint))

    @api.post("/api/alerts/<fingerprint>/acknowledgement")
    @document_request(NewAcknowledgement)
    @document_response(AlertShown, 201)
    async def acknowledge(fingerprint: str) -> Response:
        """Acknowledge an alert: it is silenced in Alertmanager for an hour, and not escalated."""
        wanted = await read_json(NewAcknowledgement, is_optional=True)
        with _limit():
            alert = await alerts.acknowledge(
                fingerprint,
                by=_who(wanted.by),
                comment=without_controls(wanted.comment).strip(),
                seconds=wanted.seconds,
            )
        log_change("alert acknowledged", alert=alert.name, fingerprint=fingerprint, comment=wanted.comment)
        return json_response(alert, status=201)

    @api.delete("/api/alerts/<fingerprint>/acknowledgement")
    @document_response(AlertShown)
    async def withdraw(fingerprint: str) -> Response:
        """Withdraw an acknowledgement, and end its silence."""
        with _limit():
            alert = await alerts.withdraw(fingerprint, by=_who(""))
        log_change("acknowledgement of alert withdrawn", alert=alert.name, fingerprint=fingerprint)
        return json_response(alert)

    @api.post(PATH)
    @document_request(Notification)
    @document_response(Received)
    async def receive() -> Response:
        """Receive a notification of Alertmanager (its webhook, version 4).

        Requires the webhook's token as the password of basic authentication, or operator rights.
        """
        if not is_allowed(request.scope, Action.CHANGE_OPERATIONS):
            password = basic_password(request.headers.get("Authorization"))
            alerts.require_token(password, actor_of(request.scope).address)
        try:
            notification = await read_json(Notification, limit=LARGEST)
        except RequestEntityTooLarge:
            alerts.count_refused("too_large")
            raise
        except ProblemError as error:
            alerts.count_refused("too_large" if error.code == "body_too_large" else "invalid")
            raise
        with _limit():
            return json_response(Received(alerts=await alerts.receive(notification)))

    return api


def _limit() -> AbstractContextManager[None]:
    detail = f"The store, or Alertmanager, did not reply within {STORE_SECONDS:g} s."
    return time_limit(STORE_SECONDS, "store_unavailable", detail)


def _who(name: str) -> str:
    """Return who sends a request, in words: the given name, or the address."""
    given = without_controls(name).strip()
    return given or f"an operator at {actor_of(request.scope).address or 'this machine'}"

"""Webhook endpoints over HTTP: registered, changed, their secrets replaced; what was sent, and again."""

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct
from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response

from orch.bots.webhooks.service import WebhookService
from orch.bots.webhooks.signature import OVERLAP
from orch.bots.webhooks.subscriptions import EndpointShown, Subscriptions
from orch.masking import mask_url
from orch.problems import ProblemError
from orch.protocol.plain_text import without_controls
from orch.stores.bot_records import WebhookAttempt, WebhookDelivery
from orch.web.audit import log_change
from orch.web.json_api import json_response, read_json, read_query
from orch.web.time_limits import store_limit

EndpointUrl = Annotated[str, Meta(min_length=1, max_length=2_048)]
Triggers = Annotated[tuple[Annotated[str, Meta(max_length=64)], ...], Meta(min_length=1, max_length=32)]
Description = Annotated[str, Meta(max_length=200)]
SecretText = Annotated[str, Meta(max_length=128)]
MOST_ATTEMPTS: Final = 100


class NewEndpoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An endpoint to register. ``secret``: "whsec_" and the base64 of 24 to 64 bytes; null: one is made."""

    url: EndpointUrl
    triggers: Triggers
    description: Description = ""
    secret: SecretText | None = None


class EndpointChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes of an endpoint; what is null stays. ``is_enabled``: false: nothing is sent there."""

    url: EndpointUrl | None = None
    triggers: Triggers | None = None
    description: Description | None = None
    is_enabled: bool | None = None


class NewSecret(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A secret in place of the current one. ``secret``: null: one is made.

    ``overlap``: seconds for which the current one signs too; 0: it has become known to others.
    """

    secret: SecretText | None = None
    overlap: Annotated[float, Meta(ge=0, le=7 * 86_400)] = OVERLAP


class EndpointsListed(Struct, frozen=True, kw_only=True):
    """All endpoints, those registered first first."""

    endpoints: tuple[EndpointShown, ...]


class DeliveriesQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``before``: the id of a delivery: those stored before it."""

    before: Annotated[str, Meta(max_length=256)] = ""
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class DeliveryShown(Struct, frozen=True, kw_only=True):
    """A delivery: ``pending``, ``delivered`` or ``failed``. Times in seconds since the epoch.

    ``attempts``: since it was stored or last sent again by hand; ``due_at``: of the next one.
    """

    delivery_id: str
    message_id: str
    endpoint_id: str
    bot_id: str | None
    calendar_id: str | None
    sequence: int
    trigger: str
    state: str
    at: float
    attempts: int
    first_at: float | None
    due_at: float | None


class DeliveriesListed(Struct, frozen=True, kw_only=True):
    """Deliveries, the newest first. ``next``: the value of ``before`` for the next page; null: no more."""

    deliveries: tuple[DeliveryShown, ...]
    next: str | None


class AttemptShown(Struct, frozen=True, kw_only=True):
    """An attempt: exactly what was sent where, and the outcome. Null: nothing was sent, or no response came.

    ``response``: the first KiB of its body. ``fault``: the kind of fault, or ""; ``reason``: a sentence.
    """

    number: int
    at: float
    duration: float
    method: str | None
    url: str | None
    address: str | None
    request_headers: tuple[tuple[str, str], ...]
    status: int | None
    response: str
    fault: str
    reason: str


class DeliveryDetails(Struct, frozen=True, kw_only=True):
    """A delivery with its body, as it is sent, and its attempts, the newest first."""

    delivery: DeliveryShown
    body: Any
    attempts: tuple[AttemptShown, ...]


def blueprint(webhooks: WebhookService | None, reason: str) -> Blueprint:
    """Return the routes. ``reason``: why there are no webhooks."""
    api = Blueprint("webhooks", __name__, url_prefix="/api/webhooks")

    def service() -> WebhookService:
        if webhooks is None:
            raise ProblemError("bots_off", reason)
        return webhooks

    _add_endpoints(api, lambda: service().subscriptions)
    _add_deliveries(api, service)
    return api


def _add_endpoints(api: Blueprint, subscriptions: Callable[[], Subscriptions]) -> None:
    @api.get("")
    @document_response(EndpointsListed)
    async def listed() -> Response:
        """Return the webhook endpoints; their secrets are never shown again."""
        with store_limit():
            return json_response(EndpointsListed(endpoints=await subscriptions().list()))

    @api.post("")
    @document_request(NewEndpoint)
    @document_response(EndpointShown, 201)
    async def create() -> Response:
        """Register an endpoint. Its ``secret`` is in this response, and in no other."""
        wanted = await read_json(NewEndpoint)
        with store_limit():
            made = await subscriptions().create(
                wanted.url,
                wanted.triggers,
                description=without_controls(wanted.description).strip(),
                secret=wanted.secret,
            )
        log_change("webhook endpoint registered", endpoint_id=made.endpoint_id, url=mask_url(made.url))
        return json_response(made, status=201, headers={"Location": f"/api/webhooks/{made.endpoint_id}"})

    @api.get("/<endpoint_id>")
    @document_response(EndpointShown)
    async def one(endpoint_id: str) -> Response:
        """Return an endpoint."""
        with store_limit():
            return json_response(await subscriptions().get(_id(endpoint_id, "unknown_endpoint")))

    @api.patch("/<endpoint_id>")
    @document_request(EndpointChange)
    @document_response(EndpointShown)
    async def change(endpoint_id: str) -> Response:
        """Change an endpoint, switch it off, or switch one on again that is disabled or rests."""
        endpoint_id = _id(endpoint_id, "unknown_endpoint")
        wanted = await read_json(EndpointChange)
        with store_limit():
            shown = await _changed(subscriptions(), endpoint_id, wanted)
        log_change("webhook endpoint changed", endpoint_id=endpoint_id)
        return json_response(shown)

    @api.post("/<endpoint_id>/rotate")
    @document_request(NewSecret)
    @document_response(EndpointShown)
    async def rotate(endpoint_id: str) -> Response:
        """Replace an endpoint's secret; the new one is in this response, and in no other."""
        endpoint_id = _id(endpoint_id, "unknown_endpoint")
        wanted = await read_json(NewSecret, is_optional=True)
        with store_limit():
            shown = await subscriptions().rotate(endpoint_id, secret=wanted.secret, overlap=wanted.overlap)
        log_change("webhook secret replaced", endpoint_id=endpoint_id)
        return json_response(shown)

    @api.delete("/<endpoint_id>")
    async def remove(endpoint_id: str) -> Response:
        """Remove an endpoint; what waits for it has failed."""
        with store_limit():
            await subscriptions().remove(_id(endpoint_id, "unknown_endpoint"))
        log_change("webhook endpoint removed", endpoint_id=endpoint_id)
        return Response(b"", status=204)


async def _changed(subscriptions: Subscriptions, endpoint_id: str, wanted: EndpointChange) -> EndpointShown:
    description = wanted.description
    shown = await subscriptions.change(
        endpoint_id,
        url=wanted.url,
        triggers=wanted.triggers,
        description=None if description is None else without_controls(description).strip(),
    )
    if wanted.is_enabled is None:
        return shown
    if wanted.is_enabled:
        return await subscriptions.enable(endpoint_id)
    return await subscriptions.disable(endpoint_id)


def _add_deliveries(api: Blueprint, service: Callable[[], WebhookService]) -> None:
    @api.get("/<endpoint_id>/deliveries")
    @document_querystring(DeliveriesQuery)
    @document_response(DeliveriesListed)
    async def deliveries(endpoint_id: str) -> Response:
        """Return what is sent to an endpoint, the newest first."""
        endpoint_id = _id(endpoint_id, "unknown_endpoint")
        query = read_query(DeliveriesQuery)
        before = _id(query.before, "unknown_delivery") if query.before else None
        subscriptions = service().subscriptions
        with store_limit():
            await subscriptions.get(endpoint_id)
            found = await subscriptions.deliveries(endpoint_id, before=before, limit=query.limit)
        more = found[-1].delivery_id if len(found) == query.limit else None
        return json_response(DeliveriesListed(deliveries=tuple(map(_delivery, found)), next=more))

    @api.get("/deliveries/<delivery_id>")
    @document_response(DeliveryDetails)
    async def delivery(delivery_id: str) -> Response:
        """Return a delivery with its body and its attempts: what was sent, where, and the outcome."""
        delivery_id = _id(delivery_id, "unknown_delivery")
        subscriptions = service().subscriptions
        with store_limit():
            found = await subscriptions.delivery(delivery_id)
            attempts = await subscriptions.attempts(delivery_id, MOST_ATTEMPTS)
        return json_response(
            DeliveryDetails(
                delivery=_delivery(found),
                body=msgspec.Raw(found.body),
                attempts=tuple(map(_attempt, attempts)),
            )
        )

    @api.post("/deliveries/<delivery_id>/redeliver")
    @document_response(DeliveryShown, 202)
    async def redeliver(delivery_id: str) -> Response:
        """Send a delivery again, whatever became of it, with the same id and body."""
        delivery_id = _id(delivery_id, "unknown_delivery")
        with store_limit():
            found = await service().redeliver(delivery_id)
        log_change("webhook sent again", delivery_id=delivery_id)
        return json_response(_delivery(found), status=202)


def _id(text: str, code: str) -> str:
    """Return an id of a path. ProblemError ``code`` where it can be none."""
    if not text.isascii() or not text.isprintable() or len(text) > 256:  # noqa: PLR2004 - two ids joined
        raise ProblemError(code, "There is nothing with this id.")
    return text


def _delivery(each: WebhookDelivery) -> DeliveryShown:
    return DeliveryShown(
        delivery_id=each.delivery_id,
        message_id=each.message_id,
        endpoint_id=each.endpoint_id,
        bot_id=each.bot_id,
        calendar_id=each.calendar_id,
        sequence=each.sequence,
        trigger=each.trigger,
        state=each.state,
        at=each.at,
        attempts=each.attempts,
        first_at=each.first_at,
        due_at=each.due_at,
    )


def _attempt(each: WebhookAttempt) -> AttemptShown:
    return AttemptShown(
        number=each.number,
        at=each.at,
        duration=each.duration,
        method=each.method,
        url=each.url,
        address=each.address,
        request_headers=each.request_headers,
        status=each.status,
        response=each.response.decode("utf-8", "replace"),
        fault=each.fault,
        reason=each.reason,
    )

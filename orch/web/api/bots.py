"""Meeting bots over HTTP: send one, list them, read one, have it leave, delete its data."""

from collections.abc import Callable
from typing import Annotated, Literal

from msgspec import Meta, Struct
from quart import Blueprint, Response, request
from quart_schema import document_querystring, document_request, document_response

from orch.bots.control import BotsControl
from orch.bots.requests import BotRequest
from orch.bots.shown import BotLive, BotsCounted, BotShown, BotsListed
from orch.bots.states import FINAL
from orch.masking import mask_url
from orch.settings.source import SettingsSource
from orch.web import bot_forms
from orch.web.audit import log_change
from orch.web.bot_forms import read_bot_id
from orch.web.json_api import json_response, read_json, read_query
from orch.web.time_limits import command_limit, deletion_limit, store_limit


class BotsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which bots to return. ``before``: the id of a bot: those requested before it."""

    state: Literal["all", "active", "ended"] = "all"
    before: Annotated[str, Meta(max_length=64)] = ""
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


def blueprint(bots: BotsControl, settings: SettingsSource, wall: Callable[[], float]) -> Blueprint:
    """Return the routes."""
    api = Blueprint("bots", __name__, url_prefix="/api/bots")

    @api.post("")
    @document_request(BotRequest)
    @document_response(BotShown, 201)
    @document_response(BotShown, 200)
    async def create() -> Response:
        """Send a bot to a meeting, now or at ``start_at``.

        With an idempotency key, in the body or in the header ``Idempotency-Key``, a repeated request returns
        the bot of the first one, with the status 200. A bot for which there is no place waits, with its
        ``position``.
        """
        wanted = await read_json(BotRequest)
        wanted = bot_forms.with_idempotency_key(wanted, request.headers.getlist("Idempotency-Key"))
        origins = settings.current.orchestration.bots.origins
        checked = bot_forms.checked_request(wanted, origins=origins, now=wall())
        with store_limit():
            bot, is_new = await bots.create(checked)
        if is_new:
            log_change("bot sent", bot_id=bot.bot_id, meeting=mask_url(checked.meeting_url))
        return json_response(
            bot, status=201 if is_new else 200, headers={"Location": f"/api/bots/{bot.bot_id}"}
        )

    @api.get("")
    @document_querystring(BotsQuery)
    @document_response(BotsListed)
    async def listed() -> Response:
        """Return bots: active ones first, then those that ended last. ``more``: there are older ones."""
        query = read_query(BotsQuery)
        before = read_bot_id(query.before) if query.before else None
        active = None if query.state == "all" else query.state == "active"
        with store_limit():
            return json_response(await bots.list(active=active, before=before, limit=query.limit))

    @api.get("/stats")
    @document_response(BotsCounted)
    async def stats() -> Response:
        """Return how many bots there are in each state, and the limits."""
        with store_limit():
            return json_response(await bots.count())

    @api.get("/<bot_id>")
    @document_response(BotLive)
    async def one(bot_id: str) -> Response:
        """Return a bot with what is live: participants, the last lines, quality of attribution."""
        with store_limit():
            return json_response(await bots.get(read_bot_id(bot_id)))

    @api.post("/<bot_id>/leave")
    @document_response(BotShown, 202)
    @document_response(BotShown, 200)
    async def leave(bot_id: str) -> Response:
        """Have a bot leave; it has ended within a minute. One that has not started is cancelled."""
        with command_limit():
            bot = await bots.leave(read_bot_id(bot_id))
        log_change("bot asked to leave", bot_id=bot.bot_id)
        return json_response(bot, status=200 if bot.state in FINAL else 202)

    @api.delete("/<bot_id>/data")
    @document_response(BotShown)
    async def delete_data(bot_id: str) -> Response:
        """Delete what a bot that has ended captured, from every table, file and log. It can be repeated."""
        with deletion_limit():
            bot = await bots.delete_data(read_bot_id(bot_id))
        log_change("bot's data deleted", bot_id=bot.bot_id)
        return json_response(bot)

    return api

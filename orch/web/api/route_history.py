"""The recent course of the gateway's routes."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from quart import Blueprint, Response
from quart_schema import document_querystring, document_response

from orch.analytics.dashboard import Dashboard
from orch.analytics.route_history import RouteHistory
from orch.cluster.survey import Survey
from orch.problems import ProblemError
from orch.web.json_api import json_response, read_query

SUBJECT = "route_history"
"""Of the surveys of other workers."""


class HistoryQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """A route by its ``prefix``, or a ``flow`` to a ``service`` over no route; ``worker`` as for the tree."""

    route: Annotated[str, Meta(max_length=2_000)] = ""
    flow: Literal["", "captions", "requests"] = ""
    service: Annotated[str, Meta(max_length=128)] = ""
    worker: Annotated[str, Meta(max_length=100)] = ""


def blueprint(dashboard: Dashboard, survey: Survey) -> Blueprint:
    """Return the route."""
    api = Blueprint("route_history", __name__, url_prefix="/api/gateway")

    @api.get("/history")
    @document_querystring(HistoryQuery)
    @document_response(RouteHistory)
    async def history() -> Response:
        """Return a route's rates and latencies of the last 180 samples; of another worker by its name."""
        asked = read_query(HistoryQuery)
        key = asked.route or f"{asked.flow} {asked.service}"
        if asked.worker in ("", survey.me.name):
            found = dashboard.route_history(key)
        else:
            reply = await survey.request(asked.worker, SUBJECT, msgspec.json.encode(key))
            found = msgspec.json.decode(reply, type=RouteHistory | None)
        if found is None:
            raise ProblemError(
                "not_found",
                "There is no history of this route (`route`), or of this flow to a service (`flow` and "
                "`service`). A route that is new has one a few seconds later.",
            )
        return json_response(found)

    return api

"""The gateway's statistics, routes and instances."""

from typing import Final
from urllib.parse import quote

from msgspec import Struct
from quart import Blueprint, Response, request
from quart_schema import document_querystring, document_response

from orch.gateway.explanation import Explanation
from orch.gateway.service import GatewayService
from orch.gateway.statistics import GatewayStatistics
from orch.problems import ProblemError
from orch.web.json_api import json_response

_SAFE: Final = "/!$&'()*+,-.:;=@_~%"


class Asked(Struct, kw_only=True):
    """The request that is explained. ``without``: the URL of an instance that is taken as absent."""

    path: str
    method: str = "GET"
    without: str = ""


def blueprint(gateway: GatewayService) -> Blueprint:
    """Return the routes."""
    api = Blueprint("gateway", __name__, url_prefix="/api/gateway")

    @api.get("/status")
    @document_response(GatewayStatistics)
    async def status() -> Response:
        """Return requests, latencies, routes and the breaker of every instance."""
        return json_response(gateway.statistics())

    @api.get("/explain")
    @document_querystring(Asked)
    @document_response(Explanation)
    async def explain() -> Response:
        """Return what would become of a request: its route, the instances, and why.

        Nothing is sent. ``without`` may be given several times.
        """
        path, method = request.args.get("path", ""), request.args.get("method", "GET").upper()
        if not path.startswith("/"):
            raise ProblemError("invalid_request", "`path` is the path of a request, such as /api/translate.")
        without = request.args.getlist("without")
        known = {instance.url for instance in gateway.statistics().instances}
        for url in without:
            if url not in known:
                raise ProblemError(
                    "invalid_request",
                    f"`without`: {url} is none of the instances: {', '.join(sorted(known))}.",
                )
        return json_response(gateway.explain(quote(path, safe=_SAFE), method, without=without))

    return api

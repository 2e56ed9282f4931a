"""The gateway's statistics, routes and instances."""

from quart import Blueprint, Response
from quart_schema import document_response

from orch.gateway.service import GatewayService
from orch.gateway.statistics import GatewayStatistics
from orch.web.json_api import json_response


def blueprint(gateway: GatewayService) -> Blueprint:
    """Return the routes."""
    api = Blueprint("gateway", __name__, url_prefix="/api/gateway")

    @api.get("/status")
    @document_response(GatewayStatistics)
    async def status() -> Response:
        """Return requests, latencies, routes and the breaker of every instance."""
        return json_response(gateway.statistics())

    return api

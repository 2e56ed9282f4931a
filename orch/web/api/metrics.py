"""Metrics: for Prometheus as text, for the Overview page as series."""

from quart import Blueprint, Response, request
from quart_schema import document_response

from orch.analytics.dashboard import Dashboard, DashboardStatistics
from orch.problems import ProblemError
from orch.settings.source import SettingsSource
from orch.telemetry.metrics import Metrics
from orch.web.json_api import json_response


def blueprint(settings: SettingsSource, metrics: Metrics, dashboard: Dashboard) -> Blueprint:
    """Return the routes."""
    api = Blueprint("metrics", __name__)

    @api.get("/metrics")
    async def exposition() -> Response:
        """Return the Prometheus exposition; 404 if monitoring is disabled."""
        if not settings.current.orchestration.monitoring.enabled:
            raise ProblemError("not_found", "orchestration.monitoring.enabled is false (METRICS_ENABLE).")
        body, content_type = await metrics.scrape(request.headers.get("Accept", ""))
        headers = {"Cache-Control": "no-store", "Vary": "Accept"}
        return Response(body, content_type=content_type, headers=headers)

    @api.get("/api/metrics/dashboard")
    @document_response(DashboardStatistics)
    async def series() -> Response:
        """Return recent figures as series, and recent events."""
        return json_response(dashboard.statistics())

    return api

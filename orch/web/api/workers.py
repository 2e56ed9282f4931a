"""The workers that share the sessions, with their state at the last heartbeat."""

from quart import Blueprint, Response
from quart_schema import document_response

from orch.cluster.survey import Survey
from orch.cluster.workers import WorkersStatistics
from orch.web.json_api import json_response


def blueprint(survey: Survey) -> Blueprint:
    """Return the routes."""
    api = Blueprint("workers", __name__, url_prefix="/api/workers")

    @api.get("")
    @document_response(WorkersStatistics)
    async def workers() -> Response:
        """Return all workers, first the one that handles the request. A single process is a list of one."""
        return json_response(survey.statistics())

    return api

"""The audio pipeline over HTTP: its parameters and presets."""

import trio
from quart import Blueprint, Response
from quart_schema import document_response

from orch.web.json_api import json_response
from orch.web.pipeline_documents import PipelineSchema, PresetsListed, pipeline_schema, presets_listed


def blueprint() -> Blueprint:
    """Return the routes."""
    api = Blueprint("pipeline", __name__, url_prefix="/api/pipeline")

    @api.get("/schema")
    @document_response(PipelineSchema)
    async def schema() -> Response:
        """Return the parameters of the audio pipeline as JSON Schema, its stages, and its rules."""
        await trio.lowlevel.checkpoint()
        return json_response(pipeline_schema())

    @api.get("/presets")
    @document_response(PresetsListed)
    async def presets() -> Response:
        """Return the presets of the audio pipeline."""
        await trio.lowlevel.checkpoint()
        return json_response(presets_listed())

    return api

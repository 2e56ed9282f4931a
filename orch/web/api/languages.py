"""The supported languages for speaking and reading."""

from quart import Blueprint, Response
from quart_schema import document_response

from orch.speech.service import LanguagesOffered, SpeechService
from orch.web.json_api import json_response


def blueprint(speech: SpeechService) -> Blueprint:
    """Return the routes."""
    api = Blueprint("languages", __name__, url_prefix="/api/languages")

    @api.get("")
    @document_response(LanguagesOffered)
    async def languages() -> Response:
        """Return the languages that the back ends support: sources, targets, and pairs."""
        return json_response(await speech.languages())

    return api

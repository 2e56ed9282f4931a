"""The API of bots as a page sees it, for tests of the page: what it requested, and what it gets."""

import io
import json
import re
from typing import Any, Final

import msgspec
from PIL import Image
from playwright.sync_api import Page, Request, Route

from orch.web.api.bot_files import BotEvidence, BotRecordings
from orch.web.bot_documents import BotEventsPage, BotTimeline, BotTranscriptPage, CorrelationsPage

LANGUAGES: Final = {
    "source": ["auto", "en", "es", "ar"],
    "targets": ["en", "es", "de", "ar"],
    "pairs": {"es": ["en", "de"], "en": ["es", "de", "ar"]},
    "errors": [],
}

OF_BOT: Final[Any] = {"bot_id": "b", "session_id": "s"}

SPOKEN: Final = 120.0
"""Seconds of every recording that a bot speaks."""

_CALL: Final = re.compile(r"^/api/bots(?:/([^/?]+)(?:/([^?]+))?)?(?:\?(.*))?$")


def picture(colour: str = "navy") -> bytes:
    """Return a picture of a camera's size."""
    file = io.BytesIO()
    Image.new("RGB", (1280, 720), colour).save(file, "PNG")
    return file.getvalue()


def _body(request: Request) -> Any:
    """Return a request's JSON; of sound its type."""
    kind = request.headers.get("content-type", "")
    return request.post_data_json if kind in ("", "application/json") else kind


class BotApi:
    """Responds to the requests of one page. ``requests`` notes the changes, as (method, path, body).

    ``answers``: the API's own struct that a GET of a part of a bot returns, by its name; ``problems``: why
    a request fails, by its last word, as (status, problem document). ``has_left``: the camera is off.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.requests: list[tuple[str, str, Any]] = []
        self.frames: list[str] = []
        self.answers: dict[str, Any] = {
            "events": BotEventsPage(**OF_BOT, events=(), next=None),
            "timeline": BotTimeline(**OF_BOT, started=0, ended=None, is_complete=True, speakers=()),
            "correlations": CorrelationsPage(**OF_BOT, quality={"words": 400, "words_named": 380}),
            "transcript": BotTranscriptPage(**OF_BOT, started=0, lines=(), next=None),
            "recording": BotRecordings(**OF_BOT, files=()),
            "evidence": BotEvidence(**OF_BOT, files=()),
        }
        self.problems: dict[str, tuple[int, dict[str, Any]]] = {}
        self.has_left = False
        self._url = url
        self._picture = picture()
        page.route("**/api/languages", lambda route: route.fulfill(json=LANGUAGES))
        page.route(re.compile(r"/api/bots"), self._respond)

    def _respond(self, route: Route) -> None:
        request = route.request
        path = request.url.removeprefix(self._url)
        found = _CALL.match(path)
        assert found is not None, path
        word = found[2] or found[1] or "bots"
        if word in self.problems:
            status, problem = self.problems[word]
            route.fulfill(status=status, body=json.dumps(problem), content_type="application/problem+json")
        elif request.method != "GET":
            self.requests.append((request.method, path, _body(request)))
            if word == "speak":
                route.fulfill(status=202, body=msgspec.json.encode({"seconds": SPOKEN}))
                return
            route.fulfill(status=201 if word == "bots" else 200, json={"bot_id": "bot-new"})
        elif word == "webcam.png":
            self.frames.append(found[3] or "")
            if self.has_left:
                route.fulfill(status=204)
            else:
                route.fulfill(body=self._picture, content_type="image/png")
        elif word in self.answers:
            route.fulfill(body=msgspec.json.encode(self.answers[word]), content_type="application/json")
        else:
            route.fulfill(status=404, json={"code": "unknown_bot", "detail": "No bot has this id."})

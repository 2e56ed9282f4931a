"""What the service measured over time: figures, series, and error budgets."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct
from quart import Blueprint, Response, request
from quart_schema import document_querystring, document_response

from orch.analytics.queries import (
    KEYS,
    LONGEST,
    POINTS,
    FiguresListed,
    SeriesAnswer,
    SeriesQuestion,
    csv_of,
)
from orch.analytics.service import AnalyticsService
from orch.cluster.survey import Survey
from orch.problems import ProblemError
from orch.web.json_api import json_response, read_query

SUBJECT: Final = "analytics"
"""Of the surveys of other workers."""


class FiguresQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Of which ``worker``, by its name; "": of the one that responds."""

    worker: Annotated[str, Meta(max_length=100)] = ""


class SeriesQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Series by their ``key``, which may be repeated, over ``seconds`` until ``until``.

    ``until``: seconds since the epoch; not given: now. ``points``: of each series, at most. ``compare``:
    seconds by which an earlier time is returned beside it. ``format``: json, or csv to save as a file.
    """

    key: Annotated[str, Meta(min_length=1, max_length=400)]
    seconds: Annotated[float, Meta(ge=60, le=LONGEST)] = 3_600.0
    until: Annotated[float, Meta(ge=0, le=1e11)] | None = None
    points: Annotated[int, Meta(ge=20, le=POINTS)] = 600
    compare: Annotated[float, Meta(ge=0, le=LONGEST)] = 0.0
    format: Literal["json", "csv"] = "json"
    worker: Annotated[str, Meta(max_length=100)] = ""


def blueprint(analytics: AnalyticsService, survey: Survey) -> Blueprint:
    """Return the routes."""
    api = Blueprint("analytics", __name__, url_prefix="/api/analytics")

    def is_here(worker: str) -> bool:
        return worker in ("", survey.me.name)

    @api.get("/figures")
    @document_querystring(FiguresQuery)
    @document_response(FiguresListed)
    async def figures() -> Response:
        """Return what is measured, the newest values, and the error budgets."""
        asked = read_query(FiguresQuery)
        if is_here(asked.worker):
            return json_response(analytics.figures())
        reply = await survey.request(asked.worker, SUBJECT, b"null")
        return json_response(msgspec.json.decode(reply, type=FiguresListed))

    @api.get("/series")
    @document_querystring(SeriesQuery)
    @document_response(SeriesAnswer)
    async def series() -> Response:
        """Return series at equal steps: 1 s for the last hour, 10 s for a day, 5 min for 30 days at best."""
        asked = read_query(SeriesQuery)
        keys = tuple(dict.fromkeys(request.args.getlist("key")))
        if len(keys) > KEYS or any(len(key) > 400 for key in keys):  # noqa: PLR2004 - as of the first one
            raise ProblemError("invalid_request", f"Expected 1 to {KEYS} keys.", path="$.key")
        question = SeriesQuestion(
            keys=keys,
            seconds=asked.seconds,
            until=asked.until,
            points=asked.points,
            compare=asked.compare,
        )
        if is_here(asked.worker):
            found = analytics.read(question)
        else:
            reply = await survey.request(asked.worker, SUBJECT, msgspec.json.encode(question))
            found = msgspec.json.decode(reply, type=SeriesAnswer)
        if not found.series:
            raise ProblemError(
                "not_found", "There is no such series. GET /api/analytics/figures lists all.", path="$.key"
            )
        if asked.format == "json":
            return json_response(found)
        response = Response(csv_of(found), content_type="text/csv; charset=utf-8")
        response.headers["Cache-Control"] = "no-store"
        response.headers["Content-Disposition"] = 'attachment; filename="series.csv"'
        return response

    return api

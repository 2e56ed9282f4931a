"""What the service measured over time: figures, series, and error budgets."""

from typing import Annotated, Final, Literal

import msgspec
import trio
from msgspec import Meta, Struct
from quart import Blueprint, Response, request
from quart_schema import document_querystring, document_response

from orch.analytics import outlook
from orch.analytics.queries import (
    KEYS,
    LONGEST,
    LONGEST_KEY,
    POINTS,
    AnomaliesListed,
    AnomaliesQuestion,
    FiguresListed,
    ForecastAnswer,
    ForecastQuestion,
    InsightsListed,
    InsightsQuestion,
    SeriesAnswer,
    SeriesQuestion,
    csv_of,
)
from orch.analytics.service import AnalyticsService
from orch.cluster.survey import Survey
from orch.problems import ProblemError
from orch.web.compression import compress
from orch.web.json_api import json_response, read_query

SUBJECT: Final = "analytics"
SERIES_SUBJECT: Final = "analytics_series"
FORECAST_SUBJECT: Final = "forecast"
"""Of the surveys of other workers."""
SERIES_WITHIN: Final = 5.0
"""Seconds that another worker may take for series."""
FORECAST_WITHIN: Final = outlook.WITHIN + 2.0
"""Seconds that another worker may take for a forecast."""


class FiguresQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Of which ``worker``, by its name; "": of the one that responds."""

    worker: Annotated[str, Meta(max_length=100)] = ""


class SeriesQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Series by their ``key``, which may be repeated, over ``seconds`` until ``until``.

    ``until``: seconds since the epoch; not given: now. ``points``: of each series, at most. ``compare``:
    seconds by which an earlier time is returned beside it. ``highs``: true for the highest value of each step
    too. ``usual``: true for what is usual for the hour and the day, and where the level changed. ``format``:
    json, or csv to save as a file.
    """

    key: Annotated[str, Meta(min_length=1, max_length=LONGEST_KEY)]
    seconds: Annotated[float, Meta(ge=60, le=LONGEST)] = 3_600.0
    until: Annotated[float, Meta(ge=0, le=1e11)] | None = None
    points: Annotated[int, Meta(ge=20, le=POINTS)] = 600
    compare: Annotated[float, Meta(ge=0, le=LONGEST)] = 0.0
    highs: bool = False
    usual: bool = False
    format: Literal["json", "csv"] = "json"
    worker: Annotated[str, Meta(max_length=100)] = ""


class AnomaliesQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Anomalies of the last ``seconds``, of the series ``key``; "": of all."""

    seconds: Annotated[float, Meta(ge=60, le=LONGEST)] = 86_400.0
    key: Annotated[str, Meta(max_length=LONGEST_KEY)] = ""
    worker: Annotated[str, Meta(max_length=100)] = ""


class ForecastQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """A series by its ``key``, for so many ``hours``: up to 6 in steps of 5 minutes, else hourly."""

    key: Annotated[str, Meta(min_length=1, max_length=LONGEST_KEY)]
    hours: Annotated[int, Meta(ge=1, le=168)] = 24
    worker: Annotated[str, Meta(max_length=100)] = ""


def blueprint(analytics: AnalyticsService, survey: Survey) -> Blueprint:
    """Return the routes."""
    api = Blueprint("analytics", __name__, url_prefix="/api/analytics")

    async def answered(
        worker: str, question: AnomaliesQuestion | InsightsQuestion | None, kind: type[Struct]
    ) -> Response:
        data = msgspec.json.encode(question)
        reply = (
            analytics.reply(data) if _is_here(survey, worker) else await survey.request(worker, SUBJECT, data)
        )
        return json_response(msgspec.json.decode(reply, type=kind))

    @api.get("/figures")
    @document_querystring(FiguresQuery)
    @document_response(FiguresListed)
    async def figures() -> Response:
        """Return what is measured, the newest values, and the error budgets."""
        return await answered(read_query(FiguresQuery).worker, None, FiguresListed)

    @api.get("/series")
    @document_querystring(SeriesQuery)
    @document_response(SeriesAnswer)
    async def series() -> Response:
        """Return series at equal steps: 1 s for the last hour, 10 s for a day, 5 min for 30 days at best."""
        asked = read_query(SeriesQuery)
        question = SeriesQuestion(
            keys=_keys(request.args.getlist("key")),
            seconds=asked.seconds,
            until=asked.until,
            points=asked.points,
            compare=asked.compare,
            highs=asked.highs,
            usual=asked.usual,
        )
        if _is_here(survey, asked.worker):
            found = await analytics.read(question)
        else:
            reply = await survey.request(
                asked.worker, SERIES_SUBJECT, msgspec.json.encode(question), within=SERIES_WITHIN
            )
            found = msgspec.json.decode(reply, type=SeriesAnswer)
        if asked.format == "json":
            response = json_response(found)
            await compress(response)
            return response
        if not found.series:
            raise ProblemError(
                "not_found", "There is no such series. GET /api/analytics/figures lists all.", path="$.key"
            )
        response = Response(
            await trio.to_thread.run_sync(csv_of, found), content_type="text/csv; charset=utf-8"
        )
        response.headers["Cache-Control"] = "no-store"
        response.headers["Content-Disposition"] = 'attachment; filename="series.csv"'
        return response

    @api.get("/anomalies")
    @document_querystring(AnomaliesQuery)
    @document_response(AnomaliesListed)
    async def anomalies() -> Response:
        """Return what was unusual, the newest first, each with the reason."""
        asked = read_query(AnomaliesQuery)
        question = AnomaliesQuestion(seconds=asked.seconds, key=asked.key)
        return await answered(asked.worker, question, AnomaliesListed)

    @api.get("/insights")
    @document_querystring(FiguresQuery)
    @document_response(InsightsListed)
    async def insights() -> Response:
        """Return what is worth an operator's look, with causes, evidence and the next step."""
        return await answered(read_query(FiguresQuery).worker, InsightsQuestion(), InsightsListed)

    _add_forecast(api, analytics, survey)
    return api


def _keys(given: list[str]) -> tuple[str, ...]:
    """Return different keys. ProblemError: invalid_request, where they are too many or one is too long."""
    keys = tuple(dict.fromkeys(given))
    if len(keys) > KEYS or any(len(key) > LONGEST_KEY for key in keys):
        raise ProblemError("invalid_request", f"Expected 1 to {KEYS} keys.", path="$.key")
    return keys


def _add_forecast(api: Blueprint, analytics: AnalyticsService, survey: Survey) -> None:
    @api.get("/forecast")
    @document_querystring(ForecastQuery)
    @document_response(ForecastAnswer)
    async def forecast() -> Response:
        """Return a forecast with 90 % intervals, and when the limit is reached, if anything says so."""
        asked = read_query(ForecastQuery)
        question = ForecastQuestion(key=asked.key, hours=asked.hours)
        if _is_here(survey, asked.worker):
            return json_response(await analytics.outlook.answer(question))
        reply = await survey.request(
            asked.worker, FORECAST_SUBJECT, msgspec.json.encode(question), within=FORECAST_WITHIN
        )
        return json_response(msgspec.json.decode(reply, type=ForecastAnswer))


def _is_here(survey: Survey, worker: str) -> bool:
    return worker in ("", survey.me.name)

"""The audio pipeline over HTTP: its parameters and presets; process, analyze and compare files."""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import IO, Any, Final

import msgspec
import trio
from msgspec import Struct
from quart import Blueprint, Response, request
from quart_schema import document_response

from orch.access.actors import actor_of
from orch.access.addresses import group
from orch.audio.parameters import GROUPS, STAGE_IDS, StageId
from orch.audio.pipeline_jobs import Emptied, Job, Measured, Outcome, Output, Variant
from orch.audio.pipeline_runs import PipelineRuns
from orch.audio.pipeline_settings import encode
from orch.gateway.flows import Flow
from orch.gateway.service import GatewayService
from orch.problems import ProblemError
from orch.protocol.messages import Language
from orch.settings.source import SettingsSource
from orch.speech.languages import AUTO
from orch.speech.service import SpeechService
from orch.speech.word_errors import WordErrors
from orch.web.json_api import json_response
from orch.web.pipeline_comparisons import Transcript, check_reference, errors_between, transcript
from orch.web.pipeline_documents import PipelineSchema, PresetsListed, pipeline_schema, presets_listed
from orch.web.pipeline_forms import Choice, Form, chosen, either, read_form, shortages
from orch.web.pipeline_places import PipelinePlaces
from orch.web.spooled_body import SpooledBody

RESPONSE_LIMIT: Final = 600.0
"""Seconds for a processed file to be sent."""


class FileRead(Struct, frozen=True, kw_only=True):
    """The file. ``sample_rate``: its own; ``pipeline_rate``: of what the pipeline was given.

    ``invalid_samples``: NaN and infinity, which became silence.
    """

    format: str
    seconds: float
    sample_rate: int
    channels: int
    pipeline_rate: int
    invalid_samples: int


class PartKept(Struct, frozen=True, kw_only=True):
    """A part of the result; it begins at ``original_start`` of the file. All in seconds.

    Time t of the result is original_start + t - start of the file.
    """

    start: float
    end: float
    original_start: float


class StageAnalysis(Struct, frozen=True, kw_only=True):
    """What left a stage. ``milliseconds``: processor time in it; None: it is off, or passes audio through."""

    stage: StageId
    is_on: bool
    milliseconds: float | None
    analysis: dict[str, Any]


class FileAnalysis(Struct, frozen=True, kw_only=True):
    """The measures of a file ``before`` and ``after`` the pipeline, and of what left each stage.

    ``parts``: what of the file is in the result. ``emptied``: why nothing is; None: something is.
    ``notice``: what was not done as the settings ask, and why.
    """

    file: FileRead
    preset: str | None
    before: dict[str, Any]
    after: dict[str, Any]
    stages: tuple[StageAnalysis, ...]
    parts: tuple[PartKept, ...]
    emptied: Emptied | None
    notice: str | None


class Side(Struct, frozen=True, kw_only=True):
    """What one of two settings made of the file. ``preset``: None: settings of one's own.

    ``parts``: what of the file is in it. ``emptied``: why nothing is; None: something is.
    ``notice``: what was not done as the settings ask, and why.
    """

    preset: str | None
    sample_rate: int
    seconds: float
    milliseconds: float
    analysis: dict[str, Any]
    transcript: Transcript
    parts: tuple[PartKept, ...]
    emptied: Emptied | None
    notice: str | None


class Comparison(Struct, frozen=True, kw_only=True):
    """Two settings side by side.

    ``differences``: the words of ``b`` against those of ``a``; None where one of them has no transcript.
    """

    file: FileRead
    before: dict[str, Any]
    a: Side
    b: Side
    differences: WordErrors | None


class PipelineRequests:
    """Runs one request each: reads its form, runs the file, and closes what it opened."""

    def __init__(self, settings: SettingsSource, runs: PipelineRuns) -> None:
        self._settings = settings
        self._runs = runs
        self._places = PipelinePlaces(lambda: settings.current.orchestration.pipeline)

    async def read(self, stack: ExitStack, *names: str) -> Form:
        """Take a place and read the request's form. Problems: those of both."""
        current = self._settings.current.orchestration
        stack.enter_context(self._places.hold(actor_of(request.scope).limit_key))
        return await read_form(
            request, stack, names, limits=current.pipeline, rate=current.speech.min_upload_rate
        )

    async def run(
        self, form: Form, choices: Sequence[tuple[Choice, IO[bytes] | None]], measured: Measured
    ) -> Outcome:
        """Run the form's file through each choice's pipeline, into its file where there is one.

        What two settings made is transcribed, and back ends accept integers: one alone may have floats.
        """
        variants = tuple(
            Variant(
                field=choice.field,
                document=encode(choice.settings),
                is_preset=choice.preset is not None,
                output=None if file is None else file.fileno(),
                is_float=len(choices) == 1,
            )
            for choice, file in choices
        )
        seconds = self._settings.current.orchestration.pipeline.max_seconds
        return await self._runs.run(form.audio, Job(seconds=seconds, variants=variants, measured=measured))


def blueprint(
    settings: SettingsSource, speech: SpeechService, gateway: GatewayService, runs: PipelineRuns
) -> Blueprint:
    """Return the routes."""
    api = Blueprint("pipeline", __name__, url_prefix="/api/pipeline")
    requests = PipelineRequests(settings, runs)

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

    @api.post("/process")
    async def process() -> Response:
        """Return the file in the form's field ``audio`` as the pipeline makes it: ``audio/wav``.

        ``preset`` or ``settings`` (an exported file) choose how; without both, the preset ``default``. From
        another machine it is for operators.
        """
        with shortages(), ExitStack() as stack:
            form = await requests.read(stack, "preset", "settings")
            output = stack.enter_context(tempfile.TemporaryFile())
            choice = chosen(form.fields)
            outcome = await requests.run(form, [(choice, output)], "nothing")
            form.audio.close()
            emptied = outcome.outputs[0].emptied
            if emptied is not None:
                raise ProblemError("nothing_left", emptied.detail, field=choice.field, path=emptied.path)
            response = Response(SpooledBody(output, stack.pop_all()), content_type="audio/wav")
        response.headers["Content-Length"] = str(outcome.outputs[0].file_bytes)
        response.headers["Cache-Control"] = "no-store"
        if outcome.outputs[0].notice is not None:
            response.headers["Orch-Notice"] = outcome.outputs[0].notice
        response.timeout = RESPONSE_LIMIT
        return response

    @api.post("/analyze")
    @document_response(FileAnalysis)
    async def analyze() -> Response:
        """Measure the file in ``audio`` before and after the pipeline, and after each of its stages.

        ``preset`` or ``settings`` (an exported file) choose how; without both, the preset ``default``. From
        another machine it is for operators.
        """
        with shortages(), ExitStack() as stack:
            form = await requests.read(stack, "preset", "settings")
            choice = chosen(form.fields)
            outcome = await requests.run(form, [(choice, None)], "stages")
        return json_response(_file_analysis(outcome, choice))

    @api.post("/compare")
    @document_response(Comparison)
    async def compare() -> Response:
        """Compare two settings, ``a`` and ``b`` (a preset's name, or an exported file), by one file.

        Both results are measured, and transcribed by the audio-service; with ``reference``, the text that is
        spoken, word errors are counted. ``language``: a code; ``auto`` without one. From another machine it
        is for operators.
        """
        with shortages(), ExitStack() as stack:
            form = await requests.read(stack, "a", "b", "reference", "language")
            language = _language(form.fields.get("language", AUTO))
            reference = check_reference(form.fields.get("reference"))
            choices = [either(field, form.fields) for field in ("a", "b")]
            files = [stack.enter_context(tempfile.TemporaryFile()) for _ in choices]
            outcome = await requests.run(form, tuple(zip(choices, files, strict=True)), "ends")
            form.audio.close()
            caller = group(actor_of(request.scope).address)
            fetch = partial(gateway.fetch, flow=Flow.REQUESTS, caller=caller)
            transcripts = [
                await transcript(
                    file,
                    output,
                    rate=outcome.sample_rate,
                    transcribe=lambda each, code: speech.transcribe_file(each, language=code, fetch=fetch),
                    language=language,
                    reference=reference,
                )
                for file, output in zip(files, outcome.outputs, strict=True)
            ]
        first, second = (
            _side(choice, output, recognised, outcome.sample_rate)
            for choice, output, recognised in zip(choices, outcome.outputs, transcripts, strict=True)
        )
        return json_response(
            Comparison(
                file=_file_read(outcome),
                before=outcome.original or {},
                a=first,
                b=second,
                differences=await errors_between(first.transcript.text, second.transcript.text),
            )
        )

    return api


def _language(code: str) -> str:
    try:
        return msgspec.convert(code, Language)
    except msgspec.ValidationError as error:
        raise ProblemError("invalid_request", str(error), path="language") from None


def _file_read(outcome: Outcome) -> FileRead:
    return FileRead(
        format=outcome.format,
        seconds=outcome.seconds,
        sample_rate=outcome.own_rate,
        channels=outcome.channels,
        pipeline_rate=outcome.sample_rate,
        invalid_samples=outcome.invalid_samples,
    )


def _file_analysis(outcome: Outcome, choice: Choice) -> FileAnalysis:
    (output,) = outcome.outputs
    original = outcome.original or {}
    analyses: dict[StageId, dict[str, Any]] = {"original": original, **output.stages}
    return FileAnalysis(
        file=_file_read(outcome),
        preset=choice.preset,
        before=original,
        after=output.stages["final"],
        stages=tuple(
            StageAnalysis(
                stage=stage,
                is_on=stage not in GROUPS or stage in output.timings_ms,
                milliseconds=output.timings_ms.get(stage),
                analysis=analyses[stage],
            )
            for stage in STAGE_IDS
        ),
        parts=_parts(output, outcome.sample_rate),
        emptied=output.emptied,
        notice=output.notice,
    )


def _parts(output: Output, rate: int) -> tuple[PartKept, ...]:
    return tuple(
        PartKept(
            start=round(start / rate, 6), end=round(end / rate, 6), original_start=round(source / rate, 6)
        )
        for start, end, source in output.parts
    )


def _side(choice: Choice, output: Output, recognised: Transcript, rate: int) -> Side:
    return Side(
        preset=choice.preset,
        sample_rate=output.sample_rate,
        seconds=output.seconds,
        milliseconds=round(sum(output.timings_ms.values()), 3),
        analysis=output.stages["final"],
        transcript=recognised,
        parts=_parts(output, rate),
        emptied=output.emptied,
        notice=output.notice,
    )

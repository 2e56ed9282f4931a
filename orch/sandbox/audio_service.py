"""An audio-service for the demo and the tests: with faster-whisper if installed, else PocketSphinx.

``python -m orch.sandbox.audio_service --port 5001``
"""

import argparse
import secrets
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Literal, get_args

import structlog
import trio
from msgspec import Struct, structs
from quart import Response
from quart_trio import QuartTrio

from orch.problems import ProblemError
from orch.sandbox.engines import whisper
from orch.sandbox.engines.recorded_speech import Segment
from orch.sandbox.engines.speakers import Identified, SpeakerCorrection, SpeakerLabels
from orch.sandbox.engines.speech import EngineFailed, SpeechEngine
from orch.sandbox.engines.speech_engines import EngineChoice, EngineOptions, load_engine
from orch.sandbox.engines.switching import EngineSwitch, Load, RunningEngine
from orch.sandbox.models.progress import Progress
from orch.sandbox.realtime.endpoint import RealtimeEndpoint
from orch.sandbox.realtime.session import DEFAULT_LIMITS as DEFAULT_REALTIME_LIMITS
from orch.sandbox.realtime.session import RealtimeLimits
from orch.sandbox.serving import add_arguments, create_app, main, usage
from orch.sandbox.spoken_language import choose_language
from orch.sandbox.uploads import DEFAULT_LIMITS, UploadLimits, decode, read_upload
from orch.web.json_api import json_response

log = structlog.get_logger("audio-service")

PORT: Final = 5001

DECODING: Final = 2
"""Recordings that are decoded at the same time, each in its own process."""

FORM_OVERHEAD: Final = 65_536
"""Bytes of a form besides the recording."""

STARTING: Final = 10.0
"""Seconds that a recording waits for an engine that is still being loaded."""

WAITING: Final = 20.0
"""Seconds that a recording waits for its turn; less than a gateway's 30 s for the complete request."""

WAITING_PER_PLACE: Final = 8
"""Recordings that may be queued for each one that is being transcribed."""

State = Literal["starting", "healthy", "degraded"]


class Health(Struct, frozen=True, kw_only=True):
    """``GET /api/health``. ``recordings``: number being transcribed or queued; ``uptime`` in seconds.

    ``sockets``: clients of ``/v1/realtime``.

    ``notice``: what people should know although it works, as a sentence: a better engine is on its way, or
    why there is none. ``download``: the progress of that engine's model.
    """

    status: State
    service: str = "audio-service"
    engine: str | None
    model: str | None
    languages: tuple[str, ...]
    uptime: float
    recordings: int
    sockets: int = 0
    detail: str = ""
    notice: str = ""
    download: Progress | None = None


class Model(Struct, frozen=True):
    """An available model."""

    name: str
    engine: str
    languages: tuple[str, ...]


class Models(Struct, frozen=True):
    """``GET /api/models``. ``diarization``: whether speakers can be distinguished."""

    models: tuple[Model, ...]
    languages: tuple[str, ...]
    diarization: bool = False


class Transcript(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``POST /api/transcribe``. Times in seconds.

    ``confidence``: the mean of the segments' confidences, weighted by their words; null if the engine has
    none. ``language_probability``: the engine's probability of the language that it detected; null if it was
    given. ``speaker``, if ``diarization`` was requested: a label that holds in the session, ``?`` if unsure,
    null where there are no words or, by ``speaker_detail``, no model. ``speaker_corrections``: earlier
    utterances with another speaker than was returned for them; repeated in each response.
    """

    text: str
    segments: tuple[Segment, ...]
    language: str
    language_probability: float | None
    confidence: float | None
    processing_time: float
    model_used: str
    session_id: str | None
    speaker: str | None = None
    speaker_corrections: tuple[SpeakerCorrection, ...] = ()
    speaker_detail: str | None = None


class AudioService:
    """The service behind the routes.

    Queued recordings are bounded in number and time; beyond the limit they are refused. The mutable state is
    the :class:`EngineSwitch`'s.
    """

    def __init__(
        self, options: EngineOptions, *, load: Load = load_engine, speakers: SpeakerLabels | None = None
    ) -> None:
        self._born = time.monotonic()
        self._engines = EngineSwitch(options, load=load)
        self._speakers = speakers or SpeakerLabels()

    async def run(self) -> None:
        """Load an engine and run it. Raises :class:`EngineFailed` when it fails; then the process ends."""
        await self._engines.run()

    def health(self) -> Health:
        """Return the health response."""
        engines = self._engines
        engine = engines.current
        status: State = "healthy"
        detail = engines.detail
        if not engines.ready.is_set():
            status, detail = "starting", "The engine is being loaded."
        elif engine is None:
            status, detail = "starting" if engines.is_awaited else "degraded", engines.notice
        return Health(
            status=status,
            engine=engine.name if engine else None,
            model=engine.model if engine else None,
            languages=engine.languages if engine else (),
            uptime=round(time.monotonic() - self._born, 1),
            recordings=engines.recordings,
            detail=detail,
            notice=engines.notice if engine else "",
            download=engines.progress,
        )

    async def models(self) -> Models:
        """Return the model that is loaded; none without an engine."""
        await self._engines.ready.wait()
        engine = self._engines.current
        if engine is None:
            return Models(models=(), languages=())
        return Models(
            (Model(engine.model, engine.name, engine.languages),),
            engine.languages,
            diarization=self._speakers.is_available,
        )

    async def loaded(self) -> SpeechEngine:
        """Return the current engine, waiting if it is being loaded.

        Problems: ``service_unavailable`` while it still is, ``engine_missing`` without one.
        """
        engines = self._engines
        with trio.move_on_after(STARTING):
            await engines.ready.wait()
        if engines.current is not None:
            return engines.current
        if engines.ready.is_set() and not engines.is_awaited:
            raise ProblemError("engine_missing", engines.notice)
        why = engines.notice if engines.ready.is_set() else "The engine is still being loaded."
        raise ProblemError("service_unavailable", why, headers={"Retry-After": "5"})

    async def transcribe(
        self,
        pcm: bytes,
        *,
        language: str,
        enable_vad: bool,
        session_id: str | None,
        diarization: bool = False,
        segment_id: str | None = None,
        prompt: str = "",
        is_interim: bool = False,
    ) -> Transcript:
        """Transcribe a recording (16 kHz, mono, 16-bit). ``language``: a code, or ``auto``.

        ``prompt``: names and terms that may be said. ``is_interim``: the speech goes on, and the text is
        replaced soon: speed matters most. ``diarization``: also identify its speaker.
        ``processing_time`` excludes waiting.
        Problems: ``unsupported_language``, ``too_many_recordings``,
        ``service_unavailable``, and those of :meth:`loaded`.
        """
        await self.loaded()
        running = self._engines.choose(session_id, language, pcm)
        if running is None:
            raise ProblemError("engine_missing", self._engines.notice)
        engine = running.engine
        spoken = choose_language(language, engine)
        async with _place(running):
            began = time.perf_counter()
            try:
                result = await engine.transcribe(
                    pcm, language=spoken, skip_silence=enable_vad, prompt=prompt, is_interim=is_interim
                )
            except EngineFailed as error:
                log.error("engine failed", engine=engine.name, reason=str(error))  # noqa: TRY400 - the engine's message has the cause, our stack does not
                raise ProblemError(
                    "service_unavailable", "The engine failed. The log has the reason."
                ) from error
            text = " ".join(segment.text for segment in result.segments if segment.text)
            spoken_by = Identified(None)
            if diarization and text:
                spoken_by = await self._speakers.identify(
                    pcm, session_id=session_id or "", segment_id=segment_id or secrets.token_hex(8)
                )
            return Transcript(
                text=text,
                segments=result.segments,
                language=result.language,
                language_probability=result.language_probability,
                confidence=_confidence(result.segments),
                processing_time=round(time.perf_counter() - began, 4),
                model_used=f"{engine.name}/{engine.model}",
                session_id=session_id,
                speaker=spoken_by.speaker,
                speaker_corrections=spoken_by.corrections,
                speaker_detail=spoken_by.detail,
            )


@asynccontextmanager
async def _place(running: RunningEngine) -> AsyncIterator[None]:
    """Wait for a place; problem ``too_many_recordings`` if too many wait, or for too long."""
    capacity = running.engine.capacity
    waiting_limit = capacity * WAITING_PER_PLACE
    busy = ProblemError(
        "too_many_recordings",
        f"{capacity} recordings are transcribed at the same time and {waiting_limit} more "
        "can be queued. Try again soon.",
        headers={"Retry-After": "2"},
    )
    if running.recordings >= capacity + waiting_limit:
        raise busy
    running.recordings += 1
    try:
        with trio.move_on_after(WAITING) as waiting:
            await running.places.acquire()
        if waiting.cancelled_caught:
            raise busy
        try:
            yield
        finally:
            running.places.release()
    finally:
        running.recordings -= 1


def _confidence(segments: tuple[Segment, ...]) -> float | None:
    """Return the mean of the segments' confidences, weighted by their number of words."""
    stated = [
        (segment.confidence, max(1, len(segment.words)))
        for segment in segments
        if segment.confidence is not None
    ]
    words = sum(weight for _, weight in stated)
    return round(sum(value * weight for value, weight in stated) / words, 6) if words else None


def create(
    service: AudioService, limits: UploadLimits = DEFAULT_LIMITS, *, sockets: Callable[[], int] = lambda: 0
) -> QuartTrio:
    """Return the application that serves ``service``. ``sockets``: the number of clients beside it."""
    app = create_app("audio-service")
    app.config.update(MAX_CONTENT_LENGTH=limits.size + FORM_OVERHEAD, BODY_TIMEOUT=60)
    decoding = trio.CapacityLimiter(DECODING)

    @app.get("/api/health")
    async def health() -> Response:
        return json_response(structs.replace(service.health(), sockets=sockets()))

    @app.get("/api/models")
    async def models() -> Response:
        return json_response(await service.models())

    @app.post("/api/transcribe")
    async def transcribe() -> Response:
        upload = await read_upload(limits)
        pcm = await decode(upload.recording, decoding, limits)
        transcript = await service.transcribe(
            pcm,
            language=upload.language,
            enable_vad=upload.enable_vad,
            session_id=upload.session_id,
            diarization=upload.diarization,
            segment_id=upload.segment_id,
            prompt=upload.prompt,
            is_interim=upload.interim,
        )
        return json_response(transcript)

    return app


def realtime(service: AudioService, limits: RealtimeLimits = DEFAULT_REALTIME_LIMITS) -> RealtimeEndpoint:
    """Return the application of ``service`` with ``/v1/realtime`` in front of it."""
    endpoint: RealtimeEndpoint
    app = create(service, sockets=lambda: endpoint.sockets)
    endpoint = RealtimeEndpoint(app, service, limits)
    return endpoint


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m orch.sandbox.audio_service",
        description="A small audio-service. Engine: faster-whisper where installed, else PocketSphinx.",
    )
    add_arguments(parser, port=PORT)
    parser.add_argument("--engine", choices=get_args(EngineChoice), default="auto", help="(default: auto)")
    parser.add_argument(
        "--model",
        default=whisper.DEFAULT_MODEL,
        help="Whisper model: name or folder (default: %(default)s)",
    )
    parser.add_argument("--no-download", action="store_true", help="use only a model that is on this machine")
    options = parser.parse_args(arguments)
    service = AudioService(
        EngineOptions(engine=options.engine, model=options.model, may_download=not options.no_download)
    )
    endpoint = realtime(service)
    return main(endpoint, service.run, usage(options, "audio-service"), drain=endpoint.drain)


if __name__ == "__main__":
    sys.exit(run())

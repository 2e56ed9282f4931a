"""An audio-service for the demo and the tests: faster-whisper where it is, else PocketSphinx.

``python -m orch.sandbox.audio_service --port 5001``
"""

import argparse
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from importlib.util import find_spec
from io import BytesIO
from typing import Final, Literal, get_args

import structlog
import trio
from msgspec import Struct
from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import RequestEntityTooLarge

from orch.audio.recordings import open_recording
from orch.audio.wav import canonical_pcm
from orch.problems import ProblemError
from orch.sandbox.engines import whisper
from orch.sandbox.engines.speech import BYTES_PER_SECOND, SAMPLE_RATE, EngineFailed, Segment, SpeechEngine
from orch.sandbox.serving import add_arguments, create_app, main, usage
from orch.speech.languages import AUTO, closest, english_name
from orch.web.json_api import answer

log = structlog.get_logger("audio-service")

PORT: Final = 5001

RECORDING_LIMIT: Final = 25 * 2**20
"""Bytes of one upload."""

LONGEST_RECORDING: Final = 1800
"""Seconds: what well-packed sound unpacks to is bounded too."""

DECODING: Final = 2
"""Recordings that are decoded at the same time, each in a process of its own."""

FORM_OVERHEAD: Final = 65_536
"""Bytes a form may have around the recording."""

STARTING: Final = 10.0
"""Seconds a recording waits for an engine that is still being loaded."""

WAITING: Final = 20.0
"""Seconds a recording waits for its turn; below the 30 s a gateway gives the whole request."""

WAITING_PER_PLACE: Final = 8
"""Recordings that may wait for each one that is being heard."""

ADVICE: Final = "Install an engine: pip install 'orchestration-service[whisper]', or pocketsphinx"

EngineChoice = Literal["auto", "whisper", "pocketsphinx"]
State = Literal["starting", "healthy", "degraded"]


class Wanted(Struct, frozen=True, kw_only=True):
    """The wanted engine. ``fetch_seconds``: time allowed to fetch a missing model."""

    engine: EngineChoice = "auto"
    model: str = whisper.DEFAULT_MODEL
    fetch_seconds: float = 60


class Health(Struct, frozen=True, kw_only=True):
    """``GET /api/health``. ``recordings``: number being transcribed or queued; ``uptime`` in seconds."""

    status: State
    service: str = "audio-service"
    engine: str | None
    model: str | None
    languages: tuple[str, ...]
    uptime: float
    recordings: int
    detail: str = ""


class Model(Struct, frozen=True):
    """An available model."""

    name: str
    engine: str
    languages: tuple[str, ...]


class Models(Struct, frozen=True):
    """``GET /api/models``."""

    models: tuple[Model, ...]
    languages: tuple[str, ...]


class Transcript(Struct, frozen=True, kw_only=True):
    """``POST /api/transcribe``. Times in seconds.

    ``confidence`` is the mean of the segments', weighted by their length: what the engine said, or null.
    ``language_probability``: how sure the engine is of a language that it detected; null where it was told.
    """

    text: str
    segments: tuple[Segment, ...]
    language: str
    language_probability: float | None
    confidence: float | None
    processing_time: float
    model_used: str
    session_id: str | None


class AudioService:
    """The service.

    The mutable state is the engine (not loaded yet, loaded, or missing) and the number of recordings here.
    Those that wait for a place are bounded in number and time; one more is refused.
    """

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._born = time.monotonic()
        self._ready = trio.Event()
        self._engine: SpeechEngine | None = None
        self._detail = ""
        self._places = trio.Semaphore(0)
        self._recordings = 0

    async def run(self) -> None:
        """Load an engine and run it. Raises :class:`EngineFailed` when it fails; then the process ends."""
        loaded = await load_engine(self._wanted)
        engine, self._detail = loaded.engine, loaded.detail
        if self._detail:
            log.warning("engine", engine=engine.name if engine else None, detail=self._detail)
        if engine is None:
            self._ready.set()
            return
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run)
            self._engine = engine
            self._places = trio.Semaphore(engine.capacity)
            self._ready.set()
            log.info("ready", engine=engine.name, model=engine.model, capacity=engine.capacity)

    def health(self) -> Health:
        """Return the health response."""
        status: State = "healthy"
        detail = ""
        if not self._ready.is_set():
            status, detail = "starting", "The engine is being loaded."
        elif self._engine is None:
            status, detail = "degraded", self._detail
        else:
            detail = self._detail
        engine = self._engine
        return Health(
            status=status,
            engine=engine.name if engine else None,
            model=engine.model if engine else None,
            languages=engine.languages if engine else (),
            uptime=round(time.monotonic() - self._born, 1),
            recordings=self._recordings,
            detail=detail,
        )

    async def models(self) -> Models:
        """Return the model that is loaded; none without an engine."""
        await self._ready.wait()
        engine = self._engine
        if engine is None:
            return Models(models=(), languages=())
        return Models((Model(engine.model, engine.name, engine.languages),), engine.languages)

    async def loaded(self) -> SpeechEngine:
        """Return the engine, waiting if it is being loaded.

        Problems: ``service_unavailable`` while it still is, ``engine_missing`` without one.
        """
        with trio.move_on_after(STARTING):
            await self._ready.wait()
        if self._engine is not None:
            return self._engine
        if self._ready.is_set():
            raise ProblemError("engine_missing", self._detail)
        raise ProblemError(
            "service_unavailable", "The engine is still being loaded.", headers={"Retry-After": "5"}
        )

    async def transcribe(
        self, pcm: bytes, *, language: str, enable_vad: bool, session_id: str | None
    ) -> Transcript:
        """Transcribe a recording (16 kHz, mono, 16-bit). ``language``: a code, or ``auto``.

        ``processing_time`` holds no waiting. Problems: ``unsupported_language``, ``too_many_recordings``,
        ``service_unavailable``, and those of :meth:`loaded`.
        """
        engine = await self.loaded()
        spoken = choose(language, engine)
        async with self._place(engine):
            began = time.perf_counter()
            try:
                heard = await engine.hear(pcm, language=spoken, skip_silence=enable_vad)
            except EngineFailed as error:
                log.error("engine failed", engine=engine.name, reason=str(error))  # noqa: TRY400 - the engine's words say it, our stack does not
                raise ProblemError(
                    "service_unavailable", "The engine failed. The log has the reason."
                ) from error
            return Transcript(
                text=" ".join(segment.text for segment in heard.segments if segment.text),
                segments=heard.segments,
                language=heard.language,
                language_probability=heard.language_probability,
                confidence=_confidence(heard.segments),
                processing_time=round(time.perf_counter() - began, 4),
                model_used=f"{engine.name}/{engine.model}",
                session_id=session_id,
            )

    @asynccontextmanager
    async def _place(self, engine: SpeechEngine) -> AsyncIterator[None]:
        """Wait for a place; problem ``too_many_recordings`` if too many wait, or for too long."""
        waiting_limit = engine.capacity * WAITING_PER_PLACE
        busy = ProblemError(
            "too_many_recordings",
            f"{engine.capacity} recordings are transcribed at the same time and {waiting_limit} more "
            "can be queued. Try again soon.",
            headers={"Retry-After": "2"},
        )
        if self._recordings >= engine.capacity + waiting_limit:
            raise busy
        self._recordings += 1
        try:
            with trio.move_on_after(WAITING) as waiting:
                await self._places.acquire()
            if waiting.cancelled_caught:
                raise busy
            try:
                yield
            finally:
                self._places.release()
        finally:
            self._recordings -= 1


class Loaded(Struct, frozen=True):
    """The available engine, or None. ``detail``: why it is not the wanted one."""

    engine: SpeechEngine | None
    detail: str = ""


async def load_engine(wanted: Wanted) -> Loaded:
    """Return the wanted engine, or the best available one."""
    detail = ""
    if wanted.engine != "pocketsphinx":
        if whisper.is_installed():
            try:
                return Loaded(await whisper.load(wanted.model, fetch_seconds=wanted.fetch_seconds))
            except whisper.ModelUnavailable as error:
                detail = f"Whisper cannot be used. {error}"
        elif wanted.engine == "whisper":
            detail = "faster-whisper is not installed: pip install 'orchestration-service[whisper]'"
    if wanted.engine != "whisper" and find_spec("pocketsphinx") is not None:
        from orch.sandbox.engines.pocketsphinx import PocketSphinx  # noqa: PLC0415 - only where it is installed

        return Loaded(
            PocketSphinx(), f"{detail} PocketSphinx is used instead: English only." if detail else ""
        )
    return Loaded(None, detail or f"No engine is installed. {ADVICE}")


def choose(language: str, engine: SpeechEngine) -> str | None:
    """Return the engine's code of a language; None: ``auto``. Problem ``unsupported_language``."""
    if language in {"", AUTO}:
        return None
    found = closest(language, engine.languages)
    if found is None:
        offered = ", ".join(english_name(code) for code in engine.languages)
        raise ProblemError(
            "unsupported_language",
            f"{engine.name} does not support {english_name(language)}. It supports: {offered}.",
            languages=list(engine.languages),
        )
    return found


def _confidence(segments: tuple[Segment, ...]) -> float | None:
    """Return the mean of the segments' confidences, weighted by their number of words."""
    stated = [
        (segment.confidence, max(1, len(segment.words)))
        for segment in segments
        if segment.confidence is not None
    ]
    words = sum(weight for _, weight in stated)
    return round(sum(value * weight for value, weight in stated) / words, 6) if words else None


class Upload(Struct, frozen=True, kw_only=True):
    """The contents of a request."""

    recording: bytes
    language: str = AUTO
    session_id: str | None = None
    enable_vad: bool = True


async def read_upload() -> Upload:
    """Read the request: a form with the file in ``audio``, or the file alone.

    Problems: ``unsupported_media_type``, ``recording_too_large``, ``empty_audio``, ``invalid_request``.
    """
    try:
        upload = await _read_body()
    except RequestEntityTooLarge:
        raise _too_large() from None
    if len(upload.recording) > RECORDING_LIMIT:
        raise _too_large()
    if not upload.recording:
        raise ProblemError("empty_audio", "The upload is empty.")
    return upload


async def _read_body() -> Upload:
    if request.mimetype == "multipart/form-data":
        form, files = await request.form, await request.files
        file = files.get("audio")
        if file is None:
            raise ProblemError(
                "invalid_request", 'The form must have the recording in the field "audio".', path="audio"
            )
        with closing(file):
            recording = file.read()
        return Upload(
            recording=recording,
            language=form.get("language", AUTO),
            session_id=form.get("session_id"),
            enable_vad=_read_flag(form.get("enable_vad", "true")),
        )
    if request.mimetype.startswith(("audio/", "video/")) or request.mimetype == "application/octet-stream":
        return Upload(
            recording=bytes(await request.body),
            language=request.args.get("language", AUTO),
            session_id=request.args.get("session_id"),
            enable_vad=_read_flag(request.args.get("enable_vad", "true")),
        )
    raise ProblemError(
        "unsupported_media_type",
        f"Send multipart/form-data, or sound with its own type, not {request.mimetype or 'no type'}.",
    )


async def decode(recording: bytes, places: trio.CapacityLimiter) -> bytes:
    """Return all of a recording as 16 kHz mono 16-bit PCM; a decoder takes one of ``places``.

    What the service in front sends is that already: a process to read it would take longer than all else but
    the engine. Problems: ``not_audio``, ``empty_audio``, ``recording_too_large`` past
    :data:`LONGEST_RECORDING`.
    """
    pcm = canonical_pcm(recording, SAMPLE_RATE)
    if pcm is not None:
        _check_length(len(pcm))
        return pcm
    decoded = bytearray()
    async with places, open_recording(BytesIO(recording), longest=LONGEST_RECORDING + 1) as opened:
        while chunk := await opened.read():
            decoded += chunk
            _check_length(len(decoded))
    return bytes(decoded)


def _check_length(size: int) -> None:
    if size > LONGEST_RECORDING * BYTES_PER_SECOND:
        raise ProblemError(
            "recording_too_large",
            f"A recording can be {LONGEST_RECORDING // 60} minutes long at most; send it in parts.",
        )


def _read_flag(text: str) -> bool:
    flags = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in flags:
        raise ProblemError(
            "invalid_request", "enable_vad must be true or false.", path="enable_vad", expected="bool"
        )
    return flags[text.lower()]


def _too_large() -> ProblemError:
    return ProblemError("recording_too_large", "The upload is larger than 25 MB.")


def create(service: AudioService) -> QuartTrio:
    """Return the application over ``service``."""
    app = create_app("audio-service")
    app.config.update(MAX_CONTENT_LENGTH=RECORDING_LIMIT + FORM_OVERHEAD, BODY_TIMEOUT=60)
    decoding = trio.CapacityLimiter(DECODING)

    @app.get("/api/health")
    async def health() -> Response:
        return answer(service.health())

    @app.get("/api/models")
    async def models() -> Response:
        return answer(await service.models())

    @app.post("/api/transcribe")
    async def transcribe() -> Response:
        upload = await read_upload()
        pcm = await decode(upload.recording, decoding)
        transcript = await service.transcribe(
            pcm, language=upload.language, enable_vad=upload.enable_vad, session_id=upload.session_id
        )
        return answer(transcript)

    return app


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m orch.sandbox.audio_service",
        description="A small audio-service. Engine: faster-whisper where installed, else PocketSphinx.",
    )
    add_arguments(parser, port=PORT)
    parser.add_argument("--engine", choices=get_args(EngineChoice), default="auto", help="(default: auto)")
    parser.add_argument(
        "--model", default=whisper.DEFAULT_MODEL, help="of Whisper: a name or a folder (default: %(default)s)"
    )
    parser.add_argument(
        "--fetch-seconds",
        type=float,
        default=60,
        help="how long a missing model may take to be fetched; 0: never",
    )
    options = parser.parse_args(arguments)
    service = AudioService(
        Wanted(engine=options.engine, model=options.model, fetch_seconds=options.fetch_seconds)
    )
    return main(create(service), service.run, usage(options))


if __name__ == "__main__":
    sys.exit(run())

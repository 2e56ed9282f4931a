"""A translation-service for the demo and the tests, with Argos Translate if installed, else Apertium.

``python -m orch.sandbox.translation_service --port 5003``
"""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Final, Literal

import structlog
import trio
from msgspec import Struct
from quart import Response
from quart_trio import QuartTrio

from orch.problems import ProblemError
from orch.sandbox.engines import apertium, argos
from orch.sandbox.engines.translation import (
    Language,
    Pair,
    TooManyWaiting,
    TranslationEngine,
    TranslationFailed,
    languages,
)
from orch.sandbox.serving import Usage, add_arguments, create_app, main, usage
from orch.speech.languages import AUTO, closest
from orch.web.json_api import json_response, read_json

log = structlog.get_logger("translation-service")

PORT: Final = 5003
LONGEST_TEXT: Final = 10_000
"""Characters; a caption has some hundreds."""


class Health(Struct, frozen=True, kw_only=True):
    """``GET /api/health``."""

    status: Literal["starting", "healthy", "degraded"]
    service: str = "translation-service"
    engine: str | None
    languages: list[str]
    uptime: float
    detail: str = ""


class Languages(Struct, frozen=True):
    """``GET /api/languages``."""

    languages: list[Language]
    pairs: tuple[Pair, ...]


class Request(Struct, frozen=True):
    """``POST /api/translate``."""

    text: str
    target_language: str
    source_language: str = AUTO


class Translation(Struct, frozen=True, kw_only=True):
    """The response. ``confidence_score`` is null: neither engine has one. ``processing_time`` in seconds."""

    translated_text: str
    source_language: str
    target_language: str
    confidence_score: float | None
    processing_time: float
    backend_used: str


class TranslationService:
    """The service. The mutable state is the engine: not searched yet, found, or missing."""

    def __init__(self) -> None:
        self._born = time.monotonic()
        self._ready = trio.Event()
        self._engine: TranslationEngine | None = None

    async def run(self) -> None:
        """Find an engine and run it."""
        engine: TranslationEngine | None = await argos.find() or await apertium.find()
        if engine is None:
            log.warning("no engine", advice=apertium.ADVICE)
            self._ready.set()
            return
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run)
            self._engine = engine
            self._ready.set()
            log.info("ready", engine=engine.name, pairs=len(engine.pairs))

    def health(self) -> Health:
        """Return the health response; degraded without an engine."""
        detail = ""
        status: Literal["starting", "healthy", "degraded"] = "healthy"
        if not self._ready.is_set():
            status = "starting"
        elif self._engine is None:
            status, detail = "degraded", f"No engine is installed. {apertium.ADVICE}"
        engine = self._engine
        return Health(
            status=status,
            engine=engine.name if engine else None,
            languages=[language.code for language in languages(engine.pairs)] if engine else [],
            uptime=round(time.monotonic() - self._born, 1),
            detail=detail,
        )

    async def languages(self) -> Languages:
        """Return the available language pairs; none without an engine."""
        await self._ready.wait()
        pairs = self._engine.pairs if self._engine else ()
        return Languages(languages=languages(pairs), pairs=pairs)

    async def translate(self, asked: Request) -> Translation:
        """Translate a text.

        Problems: ``engine_missing``, ``unsupported_language``, ``body_too_large``, ``rate_limited``.
        """
        await self._ready.wait()
        engine = self._engine
        if engine is None:
            raise ProblemError("engine_missing", apertium.ADVICE)
        _check_text(asked.text)
        pair = choose(asked.source_language, asked.target_language, engine.pairs)
        began = time.perf_counter()
        try:
            text = await engine.translate(asked.text, pair)
        except TooManyWaiting as error:
            raise ProblemError(
                "rate_limited",
                "Too many texts are queued. Try again soon.",
                headers={"Retry-After": "1"},
            ) from error
        except TranslationFailed as error:
            log.error("translation failed", engine=engine.name, reason=str(error))  # noqa: TRY400 - the engine's message has the cause, our stack does not
            raise ProblemError("service_unavailable", "The engine failed. The log has the reason.") from error
        return Translation(
            translated_text=text,
            source_language=pair.source,
            target_language=pair.target,
            confidence_score=None,
            processing_time=round(time.perf_counter() - began, 4),
            backend_used=engine.name,
        )


def choose(source: str, target: str, pairs: tuple[Pair, ...]) -> Pair:
    """Return the matching language pair: ``en-GB`` means ``en`` if only that is available.

    Problem ``unsupported_language``, which lists the available pairs.
    """
    offered = ", ".join(f"{pair.source} to {pair.target}" for pair in pairs)
    listed = [{"source": pair.source, "target": pair.target} for pair in pairs]
    if source in {"", AUTO}:
        raise ProblemError(
            "unsupported_language",
            f"source_language is required: this engine cannot detect the language. Available: {offered}.",
            pairs=listed,
        )
    found_source = closest(source, {pair.source for pair in pairs})
    found_target = closest(target, {pair.target for pair in pairs if pair.source == found_source})
    if found_source is None or found_target is None:
        raise ProblemError(
            "unsupported_language",
            f"No translation from {source!r} to {target!r} is available. Available: {offered}.",
            pairs=listed,
        )
    return Pair(found_source, found_target)


def _check_text(text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise ProblemError(
            "body_too_large", f"A text can have {LONGEST_TEXT} characters at most; this one has {len(text)}."
        )
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ProblemError("invalid_request", "The text contains a lone surrogate.", path="$.text")


def create(service: TranslationService) -> QuartTrio:
    """Return the application over ``service``."""
    app = create_app("translation-service")

    @app.get("/api/health")
    async def health() -> Response:
        return json_response(service.health())

    @app.get("/api/languages")
    async def list_languages() -> Response:
        return json_response(await service.languages())

    @app.post("/api/translate")
    async def translate() -> Response:
        return json_response(await service.translate(await read_json(Request)))

    return app


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m orch.sandbox.translation_service",
        description="A small translation-service. Engine: Argos Translate where installed, else Apertium.",
    )
    add_arguments(parser, port=PORT)
    how: Usage = usage(parser.parse_args(arguments))
    service = TranslationService()
    return main(create(service), service.run, how)


if __name__ == "__main__":
    sys.exit(run())

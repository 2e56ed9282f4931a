from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
import trio
from quart_trio.testing import TrioClient

from orch.problems import ProblemError
from orch.sandbox import translation_service
from orch.sandbox.engines import apertium, argos
from orch.sandbox.engines.translation import Pair, TooManyWaiting, TranslationFailed
from orch.sandbox.translation_service import LONGEST_TEXT, TranslationService, choose, create
from tests.fakes.engines import ScriptedTranslationEngine
from tests.fakes.running import run
from tests.fakes.sandbox import running
from tests.fakes.tools import require

MODULE = "orch.sandbox.translation_service"

Test = Callable[[TrioClient, ScriptedTranslationEngine], Awaitable[None]]


@pytest.fixture
def with_service(monkeypatch: pytest.MonkeyPatch) -> Callable[[Test], None]:
    """Run a test against the application over a scripted engine."""

    def start(test: Test) -> None:
        engine = ScriptedTranslationEngine()

        async def find() -> ScriptedTranslationEngine:
            await trio.lowlevel.checkpoint()
            return engine

        monkeypatch.setattr(argos, "find", find)

        async def main() -> None:
            service = TranslationService()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(service.run)
                await service.languages()
                await test(create(service).test_client(), engine)  # type: ignore[arg-type]  # quart-trio leaves Quart's type on test_client
                nursery.cancel_scope.cancel()

        run(main)

    return start


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
            "backend_used": "scripted",
        }

    with_service(ask)


def test_the_languages_are_those_of_the_pairs(with_service: Callable[[Test], None]) -> None:
    async def ask(client: TrioClient, _engine: ScriptedTranslationEngine) -> None:
        document = msgspec.json.decode(await (await client.get("/api/languages")).get_data(as_text=False))
        assert document["languages"] == [
            {"code": "en", "name": "English"},
            {"code": "en-US", "name": "English (US)"},
            {"code": "es", "name": "Spanish"},
        ]
        assert {"source": "en", "target": "es"} in document["pairs"]
        health = msgspec.json.decode(await (await client.get("/api/health")).get_data(as_text=False))
        assert (health["status"], health["engine"], health["languages"]) == (
            "healthy",
            "scripted",
            ["en", "en-US", "es"],
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
            assert "en to es" in document["detail"]
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
    pairs = ScriptedTranslationEngine.pairs
    assert choose("en-GB", "es-MX", pairs) == Pair("en", "es")
    assert choose("es", "en-US", pairs) == Pair("es", "en-US")
    assert choose("es", "en", pairs) == Pair("es", "en")
    with pytest.raises(ProblemError, match="cannot detect"):
        choose("", "es", pairs)


async def test_argos_comes_before_apertium(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def finder(name: str, found: object) -> Callable[[], Awaitable[object]]:
        async def find() -> object:
            asked.append(name)
            await trio.lowlevel.checkpoint()
            return found

        return find

    monkeypatch.setattr(argos, "find", finder("argos", None))
    monkeypatch.setattr(apertium, "find", finder("apertium", None))
    await translation_service.TranslationService().run()
    assert asked == ["argos", "apertium"]


@pytest.mark.real_time
@pytest.mark.sandbox
async def test_the_process_translates_both_ways() -> None:
    require("apertium")

    async with running(MODULE) as service:
        health = await service.health(until="healthy")
        assert health["engine"] == "apertium"

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
async def test_without_an_engine_the_process_says_what_to_install() -> None:
    """It responds: degraded, no languages, and a sentence with the remedy."""
    async with running(MODULE, env={"PATH": ""}) as service:
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

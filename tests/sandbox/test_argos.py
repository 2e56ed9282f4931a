import sys
import threading
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import trio

from orch.sandbox.engines import argos
from orch.sandbox.engines.argos import WAITING_LIMIT
from orch.sandbox.engines.language_pairs import Pair
from orch.sandbox.engines.translation import TooManyWaiting, TranslationFailed
from tests.fakes.running import run

pytestmark = pytest.mark.real_time

PAIR = Pair("en", "es")


class ScriptedArgos(ModuleType):
    """Stands for ``argostranslate.translate``: English to Spanish, in capitals, when ``go`` is set."""

    def __init__(self) -> None:
        super().__init__("argostranslate.translate")
        self.go = threading.Event()
        self.go.set()
        self.has_packages = True
        self.translated: list[str] = []
        self.failure: Exception | None = None

    def get_installed_languages(self) -> list[Any]:
        if not self.has_packages:
            return []
        english, spanish = SimpleNamespace(code="en"), SimpleNamespace(code="es")
        english.translations_from = [
            SimpleNamespace(from_lang=english, to_lang=english, translate=str),
            SimpleNamespace(from_lang=english, to_lang=spanish, translate=self.translate),
        ]
        spanish.translations_from = []
        return [english, spanish]

    def translate(self, text: str) -> str:
        self.go.wait()
        self.translated.append(text)
        if self.failure is not None:
            raise self.failure
        return text.upper()


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> ScriptedArgos:
    scripted = ScriptedArgos()
    monkeypatch.setattr(argos, "find_spec", lambda _name: object())
    monkeypatch.setitem(sys.modules, "argostranslate", ModuleType("argostranslate"))
    monkeypatch.setitem(sys.modules, "argostranslate.translate", scripted)
    return scripted


async def test_installed_packages_are_the_pairs(package: ScriptedArgos) -> None:
    engine = await argos.find()
    assert engine is not None
    assert engine.pairs == (PAIR,)
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        assert await engine.translate("good day", PAIR) == "GOOD DAY"
        nursery.cancel_scope.cancel()


def test_without_packages_it_is_no_engine(package: ScriptedArgos) -> None:
    package.has_packages = False
    assert run(argos.find, virtual=False) is None


def test_without_the_extra_it_is_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(argos, "find_spec", lambda _name: None)
    assert run(argos.find) is None


async def test_more_texts_than_may_wait_are_refused_and_cancelled_ones_hold_up_only_the_next(
    package: ScriptedArgos,
) -> None:
    engine = await argos.find()
    assert engine is not None
    package.go.clear()
    async with trio.open_nursery() as survey:
        for _ in range(1 + WAITING_LIMIT):
            survey.start_soon(engine.translate, "x", PAIR)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(TooManyWaiting):
            await engine.translate("x", PAIR)
        survey.cancel_scope.cancel()
    package.go.set()
    assert await engine.translate("next", PAIR) == "NEXT"


async def test_a_model_is_loaded_before_its_first_text(package: ScriptedArgos) -> None:
    engine = await argos.find()
    assert engine is not None
    await engine.prepare(PAIR)
    await engine.prepare(PAIR)
    assert package.translated == ["a"]


async def test_a_failure_of_the_library_is_an_error_with_its_reason(package: ScriptedArgos) -> None:
    package.failure = ValueError("no sentencepiece model")
    engine = await argos.find()
    assert engine is not None
    with pytest.raises(TranslationFailed, match="no sentencepiece model"):
        await engine.translate("x", PAIR)

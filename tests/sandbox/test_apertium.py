import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from orch.sandbox.engines.apertium import WAITING_LIMIT, Apertium, find, null_flushing, read_modes, used_by
from orch.sandbox.engines.language_pairs import Pair
from orch.sandbox.engines.translation import TooManyWaiting, TranslationFailed
from orch.sandbox.engines.trials import Trials
from tests.fakes.processes import children
from tests.fakes.running import run
from tests.fakes.tools import require

pytestmark = pytest.mark.real_time

ENGLISH_TO_SPANISH = Pair("en", "es")

SENTENCES = (
    "The cat is black.",
    "We bought two houses in London, and John's brother sold one.",
    "Had he married a more amiable woman he might have been made still more respectable than he was",
    "the dog",
    "¿Qué? 日本 😀",
)


def test_directions_are_read_by_the_codes_that_everyone_uses() -> None:
    """A spelling that only Apertium has a name for is not offered."""
    listed = "eng-spa spa-eng_US eng-spa-tagger frp-ita mkd-hbs_HR eng-hbs_SR nno_e-nob oci_aran-cat"
    assert read_modes(listed) == {
        Pair("mk", "hr"): "mkd-hbs_HR",
        Pair("en", "sr"): "eng-hbs_SR",
        Pair("en", "es"): "eng-spa",
        Pair("es", "en-US"): "spa-eng_US",
        Pair("frp", "it"): "frp-ita",
    }


def test_every_program_of_a_pipeline_flushes() -> None:
    mode = "lt-proc '/a b/x.bin' | apertium-tagger -g $2 '/y|z' | lt-proc $1 '/w.bin'\n"
    assert (
        null_flushing(mode) == "lt-proc -z '/a b/x.bin' | apertium-tagger -z -g '/y|z' | lt-proc -z -n /w.bin"
    )


def test_what_a_pipeline_runs_on_is_found() -> None:
    mode = "lt-proc '/a b/x.bin' | apertium-tagger -g $2 '/y|z' | lt-proc $1 '/w.bin'|/bin/cat\n"
    used = ["lt-proc", "/a b/x.bin", "apertium-tagger", "/y|z", "lt-proc", "/w.bin", "/bin/cat"]
    assert used_by(mode) == used


async def _with_engine(engine: Apertium, *texts: str) -> list[str]:
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        translated = [await engine.translate(text, ENGLISH_TO_SPANISH) for text in texts]
        nursery.cancel_scope.cancel()
    return translated


async def _found() -> Apertium:
    """Return the engine with one direction: all of them take seconds to try."""
    require("apertium")
    engine = await find()
    assert engine is not None
    engine.pairs = (ENGLISH_TO_SPANISH,)
    return engine


@pytest.mark.sandbox
async def test_the_pipeline_that_stays_translates_as_the_command_does() -> None:
    """The open pipeline gives the same translation as the command."""
    translated = await _with_engine(await _found(), *SENTENCES)
    for text, ours in zip(SENTENCES, translated, strict=True):
        theirs = await trio.run_process(
            ["apertium", "-u", "eng-spa"],
            stdin=text.encode(),
            capture_stdout=True,
            stderr=subprocess.DEVNULL,
        )
        assert ours.split() == theirs.stdout.decode().split()


@pytest.mark.sandbox
@pytest.mark.parametrize(
    "sign",
    [
        "[b]",
        "^c$",
        "d/e",
        "\\f",
        "@g",
        "<h>",
        "{i}",
        "#j",
        "*k",
        "~l",
        "m|n",
        "http://x.y/z?a=b",
        "a@b.cc",
        "\0",
    ],
)
async def test_signs_come_back_intact(sign: str) -> None:
    """Characters that are special to Apertium's programs are unchanged in the translation."""
    text = f"the {sign} dog and ({sign}) the cat {sign}."
    [translated] = await _with_engine(await _found(), text)
    assert translated.count(sign) == 3
    assert "perro" in translated


@pytest.mark.sandbox
async def test_lines_spaces_and_unknown_words_stay() -> None:
    text = "  The dog.\n\n\tFoobarish zzyzx \n"
    assert await _with_engine(await _found(), text, "", " \n") == [
        "  El perro.\n\n\tFoobarish zzyzx \n",
        "",
        " \n",
    ]


@pytest.mark.sandbox
async def test_many_texts_at_once_each_get_their_own_answer() -> None:
    """Also if one has the maximum length."""
    engine = await _found()
    answers: dict[int, str] = {}

    async def ask(number: int) -> None:
        long = "the dog sees the cat. " * (400 if number == 7 else 1)
        answers[number] = await engine.translate(f"house {number} {long}", ENGLISH_TO_SPANISH)

    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        async with trio.open_nursery() as survey:
            for number in range(20):
                survey.start_soon(ask, number)
        nursery.cancel_scope.cancel()
    assert all(f"casa {number} " in answer.lower() for number, answer in answers.items())
    assert len(answers) == 20
    assert answers[7].count("perro") == 400


@pytest.mark.sandbox
async def test_a_cancelled_text_leaves_no_program_and_no_answer_behind() -> None:
    """The next text does not get the cancelled one's translation."""
    engine = await _found()
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        await engine.translate("warm", ENGLISH_TO_SPANISH)
        [pipeline] = children(os.getpid())
        async with trio.open_nursery() as survey:
            survey.start_soon(engine.translate, "the cat sees the dog. " * 20_000, ENGLISH_TO_SPANISH)
            await trio.testing.wait_all_tasks_blocked()
            survey.cancel_scope.cancel()
        assert pipeline not in children(os.getpid())
        assert await engine.translate("The house.", ENGLISH_TO_SPANISH) == "La casa."
        nursery.cancel_scope.cancel()
    assert children(os.getpid()) == []


@pytest.mark.sandbox
async def test_a_pipeline_that_was_killed_costs_no_text() -> None:
    engine = await _found()
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        await engine.translate("warm", ENGLISH_TO_SPANISH)
        [pipeline] = children(os.getpid())
        os.killpg(pipeline, signal.SIGKILL)
        assert await engine.translate("The house.", ENGLISH_TO_SPANISH) == "La casa."
        nursery.cancel_scope.cancel()


class ScriptedApertium:
    """An ``apertium`` of a few lines of shell, with one direction. Its pipeline is ``pipeline``."""

    def __init__(self, folder: Path, *, command: str, pipeline: str) -> None:
        modes = folder / "modes"
        modes.mkdir()
        (modes / "eng-spa.mode").write_text(pipeline)
        self.program = folder / "apertium"
        self.program.write_text(f"#!/bin/sh\n{command}\n")
        self.program.chmod(stat.S_IRWXU)
        directions = {ENGLISH_TO_SPANISH: "eng-spa"}
        self.engine = Apertium(str(self.program), folder, directions, Trials())


@pytest.mark.process
def test_where_a_pipeline_cannot_stay_open_the_command_is_asked(tmp_path: Path) -> None:
    """A direction with a program without -z works, but slower."""
    scripted = ScriptedApertium(tmp_path, command="sed s/dog/perro/", pipeline="false")
    assert run(_with_engine, scripted.engine, "the dog", virtual=False) == ["the perro"]


@pytest.mark.process
async def test_a_command_that_fails_is_an_error(tmp_path: Path) -> None:
    """Its output is never used as a translation."""
    scripted = ScriptedApertium(tmp_path, command="exit 3", pipeline="false")

    with pytest.raises(TranslationFailed, match="ended with 3"):
        await scripted.engine.translate("the dog", ENGLISH_TO_SPANISH)


@pytest.mark.process
def test_an_engine_that_loses_a_number_is_asked_in_pieces(tmp_path: Path) -> None:
    """Protected parts are never lost, even if the engine drops one."""
    scripted = ScriptedApertium(tmp_path, command=r"sed 's/\[0\]//; s/dog/perro/g'", pipeline="false")
    assert run(_with_engine, scripted.engine, "a dog <b> dog", virtual=False) == ["a perro <b> perro"]


@pytest.mark.process
async def test_more_texts_than_may_wait_are_refused(tmp_path: Path) -> None:
    scripted = ScriptedApertium(tmp_path, command="cat >/dev/null; sleep 60", pipeline="false")

    async with trio.open_nursery() as survey:
        for _ in range(1 + WAITING_LIMIT):
            survey.start_soon(scripted.engine.translate, "the dog", ENGLISH_TO_SPANISH)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(TooManyWaiting):
            await scripted.engine.translate("one more", ENGLISH_TO_SPANISH)
        survey.cancel_scope.cancel()
    assert children(os.getpid()) == []


def test_without_the_program_there_is_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert run(find) is None


@pytest.mark.process
@pytest.mark.parametrize("command", ["exit 1", "cat > /dev/null; kill -9 $$"])
def test_a_direction_that_does_not_work_is_not_offered(tmp_path: Path, command: str) -> None:
    """The distribution lists modes that cannot run."""
    scripted = ScriptedApertium(tmp_path, command=command, pipeline="false")

    async def offered() -> tuple[Pair, ...]:
        async with trio.open_nursery() as nursery:
            await nursery.start(scripted.engine.run)
            nursery.cancel_scope.cancel()
        return scripted.engine.pairs

    assert run(offered, virtual=False) == ()


@pytest.mark.process
async def test_the_least_recently_used_pipeline_is_closed_and_opens_again(tmp_path: Path) -> None:
    """More directions than pipelines are open at once; each still translates, also while others open."""
    scripted = ScriptedApertium(tmp_path, command="cat", pipeline=str(echoing(tmp_path)))
    modes = {Pair("en", target): "eng-spa" for target in ("es", "pt", "fr", "it")}
    engine = Apertium(str(scripted.program), tmp_path, modes, Trials(), most_open=2)

    async def ask(pair: Pair) -> None:
        await engine.prepare(pair)
        assert await engine.translate("the dog", pair) == "the dog"

    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        for pair in (*modes, *modes):
            await ask(pair)
            assert len(children(os.getpid())) <= 2
        latest = set(children(os.getpid()))
        await ask(Pair("en", "it"))
        assert set(children(os.getpid())) == latest
        async with trio.open_nursery() as survey:
            for pair in (*modes, *modes):
                survey.start_soon(ask, pair)
        nursery.cancel_scope.cancel()
    assert children(os.getpid()) == []


@pytest.mark.process
async def test_a_direction_is_tried_once_until_a_file_that_it_uses_changes(tmp_path: Path) -> None:
    """A start with the same files does not run the command; a new dictionary or program is tried."""
    log, dictionary = tmp_path / "log", tmp_path / "eng-spa.bin"
    dictionary.touch()
    scripted = ScriptedApertium(
        tmp_path, command=f"echo tried >>{log}; cat", pipeline=f"lt-proc {dictionary}"
    )

    async def start() -> int:
        """Start as a new process does. Return how often the command has run."""
        trials = Trials(tmp_path / "trials.json")
        engine = Apertium(str(scripted.program), tmp_path, {ENGLISH_TO_SPANISH: "eng-spa"}, trials)
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run)
            nursery.cancel_scope.cancel()
        assert engine.pairs == (ENGLISH_TO_SPANISH,)
        return len(log.read_text().split())

    assert [await start(), await start()] == [1, 1]
    dictionary.write_text("new")
    assert [await start(), await start()] == [2, 2]
    scripted.program.write_text(scripted.program.read_text() + "\n")
    assert [await start(), await start()] == [3, 3]


@pytest.mark.process
async def test_a_pipeline_that_swallows_a_text_is_not_waited_for(tmp_path: Path) -> None:
    """The caller's time limit ends it; the next text gets a new pipeline."""
    scripted = ScriptedApertium(tmp_path, command="cat", pipeline=str(echoing(tmp_path)))

    async with trio.open_nursery() as nursery:
        await nursery.start(scripted.engine.run)
        await scripted.engine.prepare(ENGLISH_TO_SPANISH)
        [first] = children(os.getpid())
        with trio.move_on_after(0.5) as limit:
            await scripted.engine.translate("a trap", ENGLISH_TO_SPANISH)
        assert limit.cancelled_caught
        assert first not in children(os.getpid())
        assert await scripted.engine.translate("the dog", ENGLISH_TO_SPANISH) == "the dog"
        nursery.cancel_scope.cancel()
    assert children(os.getpid()) == []


def echoing(folder: Path) -> Path:
    """Return a program of a pipeline that writes each text as it is, but swallows those with a trap."""
    program = folder / "pipeline.py"
    program.write_text(f"#!{sys.executable}\n{SWALLOWING}")
    program.chmod(stat.S_IRWXU)
    return program


SWALLOWING = """import os
text = b""
while data := os.read(0, 65536):
    text += data
    while b"\\0" in text:
        one, _, text = text.partition(b"\\0")
        if b"trap" not in one:
            os.write(1, one + b"\\0")
"""

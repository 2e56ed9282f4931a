import math
import sys
from functools import partial

import numpy as np
import pytest
import trio

from orch.sandbox.engines import whisper
from orch.sandbox.engines.speech import Heard
from tests.fakes.engines import ScriptedWhisper
from tests.fakes.running import run

SOUND = np.full(16_000, -16_384, dtype="<i2").tobytes()


def install(monkeypatch: pytest.MonkeyPatch, package: ScriptedWhisper) -> ScriptedWhisper:
    monkeypatch.setitem(sys.modules, "faster_whisper", package)
    return package


async def _loaded() -> whisper.Whisper:
    engine = await whisper.load("base", fetch_seconds=0)
    assert engine is not None
    return engine


def test_a_model_on_the_disk_is_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    package = install(monkeypatch, ScriptedWhisper())
    engine = run(_loaded, virtual=False)
    assert package.loads == [True]
    assert (engine.name, engine.model, engine.languages) == ("faster-whisper", "base", ("en", "de", "fr"))


def test_a_model_that_is_not_there_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    package = install(monkeypatch, ScriptedWhisper(on_disk=False, can_fetch=True))
    assert run(partial(whisper.load, "base", fetch_seconds=60), virtual=False) is not None
    assert package.loads == [True, False]


def test_without_leave_to_fetch_none_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    package = install(monkeypatch, ScriptedWhisper(on_disk=False, can_fetch=True))
    assert run(partial(whisper.load, "base", fetch_seconds=0), virtual=False) is None
    assert package.loads == [True]


def test_a_fetch_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service starts with another engine rather than hang."""
    package = install(monkeypatch, ScriptedWhisper(on_disk=False, can_fetch=True, is_slow=True))
    assert run(partial(whisper.load, "base", fetch_seconds=0.01), virtual=False) is None
    package.go.release()


def test_segments_words_and_probabilities_are_the_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    package = install(monkeypatch, ScriptedWhisper())

    async def hear() -> Heard:
        package.go.release(3)
        return await (await _loaded()).hear(SOUND, language=None, skip_silence=True)

    heard = run(hear, virtual=False)
    assert heard.language == "fr"
    assert [segment.text for segment in heard.segments] == ["word0", "word1", "word2"]
    assert heard.segments[0].confidence == round(math.exp(-0.5), 6)
    word = heard.segments[2].words[0]
    assert (word.text, word.start, word.end, word.confidence) == ("word2", 2.1, 2.9, 0.5)
    assert package.options == {
        "language": None,
        "beam_size": 5,
        "word_timestamps": True,
        "vad_filter": True,
        "samples": 16_000,
        "peak": 0.5,
    }


def test_a_cancelled_recording_stops_at_the_next_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then the place is taken: the next recording must not share the cores with a dead one."""
    package = install(monkeypatch, ScriptedWhisper())

    async def cancel() -> None:
        engine = await _loaded()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(engine.hear, SOUND, language="en", skip_silence=False))
            await trio.to_thread.run_sync(package.begun.wait)
            nursery.cancel_scope.cancel()
        package.go.release(4)
        heard = await engine.hear(SOUND, language="en", skip_silence=False)
        assert len(heard.segments) == 3
        assert package.decoded == 4  # one of the cancelled recording, three of this

    run(cancel, virtual=False)

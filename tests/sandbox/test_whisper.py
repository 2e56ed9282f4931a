import sys
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest
import trio

from orch.sandbox.engines import whisper
from orch.sandbox.engines.recorded_speech import Transcription
from tests.fakes.engines import ScriptedWhisper
from tests.fakes.patience import PATIENCE
from tests.fakes.running import run

SOUND = np.full(16_000, -16_384, dtype="<i2").tobytes()


def install(monkeypatch: pytest.MonkeyPatch, package: ScriptedWhisper) -> ScriptedWhisper:
    monkeypatch.setitem(sys.modules, "faster_whisper", package)
    return package


async def _loaded() -> whisper.Whisper:
    return await whisper.load("base", fetch_seconds=0)


def test_a_model_on_the_disk_is_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    package = install(monkeypatch, ScriptedWhisper())
    engine = run(_loaded, virtual=False)
    assert package.loads == [True]
    assert (engine.name, engine.model, engine.languages) == ("faster-whisper", "base", ("en", "de", "fr"))


def test_a_model_that_is_not_there_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    package = install(monkeypatch, ScriptedWhisper(on_disk=False, can_fetch=True))
    assert run(partial(whisper.load, "base", fetch_seconds=60), virtual=False).model == "base"
    assert package.loads == [True, False]


def test_without_leave_to_fetch_none_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    package = install(monkeypatch, ScriptedWhisper(on_disk=False, can_fetch=True))
    with pytest.raises(whisper.ModelUnavailable, match="no model base"):
        run(partial(whisper.load, "base", fetch_seconds=0), virtual=False)
    assert package.loads == [True]


def test_a_fetch_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service starts with another engine instead of waiting."""
    package = install(monkeypatch, ScriptedWhisper(on_disk=False, can_fetch=True, is_slow=True))
    with pytest.raises(whisper.ModelUnavailable, match="could not be fetched"):
        run(partial(whisper.load, "base", fetch_seconds=1), virtual=False)
    package.go.release()
    # Its thread is left behind. In the next test it would find the real package, or half of it.
    assert package.fetched.wait(PATIENCE)


def test_segments_words_and_probabilities_are_the_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    package = install(monkeypatch, ScriptedWhisper())

    async def transcribe() -> Transcription:
        package.go.release(3)
        return await (await _loaded()).transcribe(SOUND, language=None, skip_silence=True)

    heard = run(transcribe, virtual=False)
    assert (heard.language, heard.language_probability) == ("fr", 0.9)
    assert [segment.text for segment in heard.segments] == ["word0", "word1", "word2"]
    assert heard.segments[0].confidence == 0.5
    word = heard.segments[2].words[0]
    assert (word.text, word.start, word.end, word.confidence) == ("word2", 2.1, 2.9, 0.5)
    assert package.options["language"] is None
    assert package.options["vad_filter"] is True
    assert (package.options["samples"], package.options["peak"]) == (16_000, 0.5)


@pytest.mark.parametrize(("is_interim", "beam"), [(False, 5), (True, 1)])
def test_speech_that_goes_on_is_decoded_with_one_hypothesis(
    monkeypatch: pytest.MonkeyPatch, *, is_interim: bool, beam: int
) -> None:
    package = install(monkeypatch, ScriptedWhisper())

    async def transcribe() -> Transcription:
        package.go.release(3)
        return await (await _loaded()).transcribe(
            SOUND, language="en", skip_silence=False, is_interim=is_interim
        )

    run(transcribe, virtual=False)
    assert package.options["beam_size"] == beam


def test_a_transcription_can_be_encoded_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's numbers are NumPy's, which cannot be encoded as JSON."""
    package = install(monkeypatch, ScriptedWhisper())

    async def transcribe() -> Transcription:
        package.go.release(3)
        return await (await _loaded()).transcribe(SOUND, language=None, skip_silence=False)

    assert b'"probability"' not in msgspec.json.encode(run(transcribe, virtual=False))


def test_a_text_that_the_engine_doubts_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text for noise, and a text that repeats itself; a low confidence of the words alone is no reason."""
    package = install(monkeypatch, ScriptedWhisper())
    package.doubts = {
        0: {"no_speech_prob": 0.7, "avg_logprob": -0.84},
        1: {"no_speech_prob": 0.1, "avg_logprob": -1.4},
        2: {"compression_ratio": 9.0},
    }
    assert [segment.text for segment in heard(package, decodings=2).segments] == ["word1"]


def heard(
    package: ScriptedWhisper, sound: bytes = SOUND, *, language: str | None = "en", decodings: int = 1
) -> Transcription:
    """Transcribe a recording with the package, which may decode it so many times."""

    async def transcribe() -> Transcription:
        package.go.release(3 * decodings)
        return await (await _loaded()).transcribe(sound, language=language, skip_silence=False)

    return run(transcribe, virtual=False)


def test_the_engine_is_asked_for_a_bounded_amount_of_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding cannot be interrupted: a second of noise must not delay everyone."""
    package = install(monkeypatch, ScriptedWhisper())
    heard(package)
    assert package.compute_type == "int8"
    assert package.options["temperature"] == (0.0,)
    assert package.options["best_of"] == 1
    assert package.options["condition_on_previous_text"] is False
    assert package.options["max_new_tokens"] < 30


def test_a_short_recording_is_encoded_in_a_short_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """One second needs 5 s of spectrogram, not the 30 that the library pads it to."""
    package = install(monkeypatch, ScriptedWhisper())
    heard(package)
    heard(package, SOUND * 40)
    assert package.encoded == [500, 3000]


def test_a_text_that_repeats_itself_is_decoded_again_in_the_whole_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A short window makes the model repeat itself now and then; no word is lost by it."""
    package = install(monkeypatch, ScriptedWhisper())
    package.loops_below = 3000
    assert [segment.text for segment in heard(package, decodings=2).segments] == ["word0", "word1", "word2"]
    assert package.encoded == [500, 3000]


def test_a_detected_language_does_not_encode_the_window_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is most of the cost of a request."""
    package = install(monkeypatch, ScriptedWhisper())
    heard(package, language=None)
    assert package.encoded == [500]


def test_a_second_decoding_does_not_detect_the_language_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It could give another language."""
    package = install(monkeypatch, ScriptedWhisper())
    package.loops_below = 3000
    transcription = heard(package, language=None, decodings=2)
    assert [options["language"] for options in package.asked] == [None, "fr"]
    assert (transcription.language, transcription.language_probability) == ("fr", 0.9)


def test_the_next_recording_begins_with_a_short_window_again(monkeypatch: pytest.MonkeyPatch) -> None:
    package = install(monkeypatch, ScriptedWhisper())

    async def transcribe() -> None:
        package.go.release(9)
        engine = await _loaded()
        package.loops_below = 3000
        await engine.transcribe(SOUND, language="en", skip_silence=False)
        package.loops_below = 0
        await engine.transcribe(SOUND, language="en", skip_silence=False)

    run(transcribe, virtual=False)
    assert package.encoded == [500, 3000, 500]


def test_a_folder_that_is_no_model_is_named(tmp_path: Path) -> None:
    missing, half = tmp_path / "nowhere", tmp_path / "half"
    half.mkdir()
    (half / "config.json").write_text("{}")
    (half / "tokenizer.json").write_text("{}")
    lacking = r"model\.bin and vocabulary\.\* missing"
    for folder, words in ((missing, "does not exist"), (half, lacking)):
        with pytest.raises(whisper.ModelUnavailable, match=words) as unavailable:
            run(partial(whisper.load, str(folder), fetch_seconds=60), virtual=False)
        assert str(folder) in str(unavailable.value)


@pytest.mark.parametrize(
    ("file", "hint"),
    [
        ("model.safetensors", "ct2-transformers-converter"),
        ("ggml-base.bin", "whisper.cpp"),
        ("base.pt", "OpenAI's own program"),
        ("snapshots/abc/model.bin", "snapshots/REVISION"),
    ],
)
def test_a_folder_with_a_model_of_another_kind_is_recognised(tmp_path: Path, file: str, hint: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).touch()
    assert hint in (whisper.missing_from(str(tmp_path)) or "")


def test_a_model_of_a_folder_is_called_by_its_last_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Clients do not see the folder's location."""
    folder = tmp_path / "small-de"
    folder.mkdir()
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
        (folder / name).touch()
    install(monkeypatch, ScriptedWhisper())
    assert run(partial(whisper.load, str(folder), fetch_seconds=0), virtual=False).model == "small-de"


@pytest.mark.real_time
async def test_a_cancelled_recording_stops_at_the_next_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then the place is occupied: the next recording must not share the cores with a cancelled one."""
    package = install(monkeypatch, ScriptedWhisper())

    engine = await _loaded()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(engine.transcribe, SOUND, language="en", skip_silence=False))
        await trio.to_thread.run_sync(package.begun.wait)
        nursery.cancel_scope.cancel()
    package.go.release(4)
    heard = await engine.transcribe(SOUND, language="en", skip_silence=False)
    assert len(heard.segments) == 3
    assert package.decoded == 4  # one of the cancelled recording, three of this

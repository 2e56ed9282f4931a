"""Whisper as its users run it: the real library and a real model."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from orch.audio.wav import wav
from orch.sandbox.engines.recorded_speech import Transcription
from orch.sandbox.engines.whisper import ModelUnavailable, Whisper, load
from tests.fakes.running import run
from tests.fakes.sandbox import pcm, recording, running
from tests.fakes.sounds import noise, pink
from tests.fakes.whisper_model import unpack

pytestmark = pytest.mark.real_time

MODULE = "orch.sandbox.audio_service"

SAID = {
    "austen-0870": (
        "and mr john dashwood had then leisure to consider how much there might be prudently in his power "
        "to do for them"
    ),
    "austen-0890": "unless to be rather cold hearted and rather selfish is to be ill disposed",
    "austen-0920": (
        "had he married a more amiable woman he might have been made still more respectable than he was"
    ),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("whisper-base"))


def words(text: str) -> list[str]:
    """Return the words without case and punctuation."""
    return "".join(letter if letter.isalpha() else " " for letter in text.lower()).split()


@pytest.mark.sandbox
async def test_speech_becomes_its_words_over_http(model: Path) -> None:
    """A model is loaded from a folder, called as the service calls it, and returned as JSON."""
    async with running(MODULE, "--engine", "whisper", "--model", str(model)) as service:
        health = await service.health(until="healthy")
        assert health["engine"] == "faster-whisper"
        assert health["model"] == model.name
        for clip, said in SAID.items():
            response = await service.client.post(
                "/api/transcribe", files={"audio": recording(clip)}, data={"language": "en"}
            )
            assert response.status_code == 200, response.text
            answer = response.json()
            assert words(answer["text"]) == words(said)
            assert 0 < answer["confidence"] <= 1
            times = [word["start"] for segment in answer["segments"] for word in segment["words"]]
            assert times == sorted(times)
            assert answer["language_probability"] is None


@pytest.mark.sandbox
def test_a_detected_language_comes_with_its_probability(model: Path) -> None:
    async def main() -> Transcription:
        engine = await load(str(model), fetch_seconds=0)
        return await engine.transcribe(pcm("austen-0920"), language=None, skip_silence=False)

    heard = run(main, virtual=False)
    assert heard.language == "en"
    assert heard.language_probability is not None
    assert 0.5 < heard.language_probability <= 1


@pytest.mark.sandbox
@pytest.mark.parametrize("language", ["en", None])
def test_a_sentence_is_encoded_once_in_a_short_window(model: Path, language: str | None) -> None:
    """The library pads each window to 30 s just before it encodes it; a release of it may do otherwise."""
    encoded: list[tuple[int, ...]] = []

    async def main() -> Transcription:
        engine = await load(str(model), fetch_seconds=0)
        encode = engine._encoder._encode

        def counted(features: np.ndarray) -> object:
            encoded.append(features.shape)
            return encode(features)

        engine._encoder._encode = counted
        return await engine.transcribe(pcm("austen-0920"), language=language, skip_silence=False)

    heard = run(main, virtual=False)
    assert words(" ".join(segment.text for segment in heard.segments)) == words(SAID["austen-0920"])
    assert encoded == [(80, 1000)]


@pytest.mark.sandbox
def test_a_prompt_neither_changes_clear_speech_nor_becomes_the_text_of_noise(model: Path) -> None:
    """With a prompt alone Whisper gives noise the prompt's words, and is sure of them."""
    prompt = "Norland Park, Barton, Willoughby, Marianne, Elinor, Fanny, Colonel Brandon"

    async def main() -> list[str]:
        engine = await load(str(model), fetch_seconds=0)
        data = [np.zeros(64_000), noise(4, -20), pink(4, -20)]
        sounds = [pcm("austen-0920"), *(sound.astype("<i2").tobytes() for sound in data)]
        found = [
            await engine.transcribe(sound, language="en", skip_silence=False, prompt=prompt)
            for sound in sounds
        ]
        return [" ".join(segment.text for segment in one.segments) for one in found]

    spoken, *unspoken = run(main, virtual=False)
    assert words(spoken) == words(SAID["austen-0920"])
    assert unspoken == ["", "", ""]


@pytest.mark.sandbox
def test_a_name_in_the_prompt_is_spelled_as_it_is_there(model: Path) -> None:
    """Without it, as most people of that name are."""

    async def main() -> list[str]:
        engine = await load(str(model), fetch_seconds=0)
        found = [
            await engine.transcribe(pcm("austen-0870"), language="en", skip_silence=False, prompt=prompt)
            for prompt in ("", "Norland, Jon Dashwoode")
        ]
        return [" ".join(segment.text for segment in one.segments) for one in found]

    without, prompted = run(main, virtual=False)
    assert "Dashwood had" in without
    assert "Dashwoode had" in prompted
    assert words(prompted.replace("Dashwoode", "Dashwood").replace("Jon", "John")) == words(
        SAID["austen-0870"]
    )


@pytest.mark.sandbox
def test_noise_is_given_no_words(model: Path) -> None:
    """Whisper produces text for any input; text of low confidence is dropped."""

    async def transcribe(engine: Whisper, sound: np.ndarray) -> str:
        data = np.clip(sound, -32768, 32767).astype("<i2").tobytes()
        heard = await engine.transcribe(data, language="en", skip_silence=False)
        return " ".join(segment.text for segment in heard.segments)

    async def main() -> list[str]:
        engine = await load(str(model), fetch_seconds=0)
        return [
            await transcribe(engine, noise(4, level, seed=seed)) for level in (-20, -40) for seed in (1, 2)
        ]

    assert run(main, virtual=False) == ["", "", "", ""]


@pytest.mark.sandbox
@pytest.mark.parametrize(
    ("file", "size"), [("model.bin", 70_000_000), ("model.bin", 0), ("tokenizer.json", 2), ("config.json", 9)]
)
def test_a_model_that_is_half_there_is_named(model: Path, tmp_path: Path, file: str, size: int) -> None:
    """Such as a copy that was interrupted."""
    for path in model.iterdir():
        if path.name == file:
            (tmp_path / file).write_bytes(path.read_bytes()[:size])
        else:
            (tmp_path / path.name).symlink_to(path)
    with pytest.raises(ModelUnavailable, match=r"damaged or incomplete\.$") as unavailable:
        run(partial(load, str(tmp_path), fetch_seconds=0), virtual=False)
    assert str(tmp_path) in str(unavailable.value)


@pytest.mark.sandbox
async def test_a_recording_of_nothing_is_an_answer(model: Path) -> None:
    async with running(MODULE, "--engine", "whisper", "--model", str(model)) as service:
        await service.health(until="healthy")
        response = await service.client.post("/api/transcribe", files={"audio": wav(bytes(32_000), 16_000)})
        assert response.status_code == 200, response.text
        assert response.json()["text"] == ""

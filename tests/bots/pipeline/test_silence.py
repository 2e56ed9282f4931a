"""Where nobody speaks, nothing is sent to the engine; what it would invent is withheld."""

from collections.abc import Callable

import numpy as np
import pytest
import trio

from orch.bots.observations import Sound, TrackBegan
from tests.fakes.pipelines_of_bots import SESSION, PipelineScene, Running
from tests.fakes.sounds import Samples, clicks, hum, noise, pcm, pink, silence, typing, voice

RATE = 16_000
SECONDS = 4
NOISES: dict[str, Callable[[float], Samples]] = {
    "digital silence": silence,
    "a quiet room": lambda seconds: noise(seconds, -62),
    "a fan": lambda seconds: pink(seconds, -35),
    "a loud hiss": lambda seconds: noise(seconds, -22),
    "mains hum": lambda seconds: hum(seconds, 50),
    "typing": lambda seconds: typing(seconds) + noise(seconds, -60),
    "clicks": lambda seconds: clicks(seconds, 0.7),
    "a hiss that comes and goes": lambda seconds: np.concatenate(
        [part for _ in range(round(seconds / 3)) for part in (noise(1.5, -30), silence(1.5))]
    ),
}
INVENTED = ("Thank you for watching!", "[Music]", "you", "Untertitel der Amara.org-Community", "♪♪")


async def listen(it: Running, samples: Samples) -> None:
    """Play sound into a pipeline, as fast as it is heard, and end it."""
    await it.pipeline.observe(TrackBegan(at=it.clock(), track="t", layout="rotating"))
    data = pcm(samples)
    for first in range(0, len(data) // 2, RATE // 10):
        await trio.sleep(0.1)
        part = data[first * 2 : first * 2 + RATE // 5]
        await it.pipeline.observe(Sound(at=it.clock(), track="t", first=first, pcm=part))
    await it.pipeline.finish()
    await it.records.writer.drain()


@pytest.mark.parametrize("sound", NOISES)
async def test_where_nobody_speaks_nothing_is_sent_to_the_engine(scene: PipelineScene, sound: str) -> None:
    scene.back_ends.hear = lambda _pcm: "There is nothing that anybody said."
    async with scene.running() as it:
        await listen(it, NOISES[sound](SECONDS))
        assert scene.back_ends.audio() == []
        assert await it.store.utterances(SESSION, "whisper_service") == ()
        assert it.pipeline.live().lines == ()


@pytest.mark.parametrize("invented", INVENTED)
async def test_what_an_engine_invents_reaches_nobody(scene: PipelineScene, invented: str) -> None:
    """Sounds like a voice pass the segmenter: a hummed note. The reader sees neither text nor translation."""
    scene.back_ends.hear = lambda _pcm: invented
    scene.back_ends.timed = lambda _pcm: []
    scene.back_ends.confidence = 0.3
    async with scene.running() as it, it.hub.connected() as reader:
        await reader.ask({"type": "join_session", "session_id": SESSION, "languages": ["fr"]})
        await listen(it, voice(1.5) / 2)
        assert scene.back_ends.audio() != []
        assert [each for each in scene.back_ends.asked if each.service == "translation-service"] == []
        assert it.pipeline.statistics().withheld != {}
        kinds = {each["type"] for each in await reader.settle()}
        assert not kinds & {"transcript", "translation"}
        assert await it.store.utterances(SESSION, "whisper_service") == ()


async def test_what_was_shown_and_turns_out_to_be_invented_is_removed(scene: PipelineScene) -> None:
    """A revision is shown at once; the final knows better."""
    texts = iter(["we all agree", "we all agree to", "Thank you for watching!"])
    last = "Thank you for watching!"
    scene.back_ends.hear = lambda _pcm: next(texts, last)
    scene.back_ends.timed = lambda _pcm: []
    async with scene.running() as it, it.hub.connected() as reader:
        await reader.ask({"type": "join_session", "session_id": SESSION})
        await listen(it, voice(4.0) / 2)
        lines = [each for each in await reader.settle() if each["type"] == "transcript"]
        assert lines[0]["text"].startswith("we all")
        assert (lines[-1]["final"], lines[-1]["text"]) == (True, "")
        assert it.pipeline.live().lines == ()
        assert await it.store.utterances(SESSION, "whisper_service") == ()


async def test_a_final_that_loses_words_is_translated_without_them(scene: PipelineScene) -> None:
    scene.back_ends.hear = lambda _pcm: "[Music] we agree (applause)"
    scene.back_ends.timed = lambda _pcm: []
    async with scene.running() as it:
        await listen(it, voice(1.5) / 2)
        stored = await it.store.utterances(SESSION, "whisper_service")
        assert [each.transcript_text for each in stored] == ["we agree"]
        translated = await it.store.translations(SESSION, "es")
        assert [each.translated_text for each in translated] == ["es: we agree"]

"""Growing speech in another language, through the whole service: real sockets, a real translation-service."""

from pathlib import Path
from typing import Any

import pytest

from tests.fakes import numbered_words
from tests.fakes.client import Client, connected
from tests.fakes.numbered_words import RATE, SENTENCE, Words, numbered_words_service
from tests.fakes.sandbox import running
from tests.fakes.service import service

pytestmark = [pytest.mark.sandbox, pytest.mark.real_time]

SAID = ["We", "saw", "the", "house,", "and", "left.", "They", "saw", "the", "tree,", "and", "slept."]
WHOLE = 0.3
"""Seconds: a shorter sound is the beginning of a word."""


def written(words: Words) -> dict[str, Any]:
    """Return what an engine writes that changes its mind about the second sentence once that is over."""
    whole = [word for word in words if word["end"] - word["start"] > WHOLE]
    numbers = [int(word["word"][1:]) for word in whole]
    is_over = len(SAID) - 1 in numbers
    texts = ["flower," if is_over and SAID[number] == "tree," else SAID[number] for number in numbers]
    confidence = 0.95 if is_over else 0.5
    timed = [
        {**word, "word": text, "probability": confidence, "confidence": confidence}
        for word, text in zip(whole, texts, strict=True)
    ]
    return {"text": " ".join(texts), "confidence": confidence, "segments": [{"words": timed}]}


def translations(client: Client, segment_id: str) -> list[dict[str, Any]]:
    """Return the translations of a line that a client has received."""
    return [m for m in client.messages if m["type"] == "translation" and m["segment_id"] == segment_id]


# Beside other tests the machine can miss the time between a clause and its final.
@pytest.mark.timed
async def test_a_reader_has_each_clause_before_its_sentence_is_over(tmp_path: Path) -> None:
    """The final continues what was shown, or says that it corrects; what is stored is the final's alone."""
    async with running("orch.sandbox.translation_service") as translator:
        await translator.health(until="healthy")
        with numbered_words_service(written) as url:
            settings = numbered_words.settings(url, translation=translator.url)
            with service("serve", tmp_path, settings=settings) as s:
                await speak_to_a_reader(s.url)
                figures = s.get("/api/metrics/dashboard").json()["speech"]
    assert figures["growing_translations"] == 2
    assert figures["growing_translations_deferred"] == 0
    assert figures["growing_limit"] == 120


async def speak_to_a_reader(url: str) -> None:
    async with connected(url) as speaker, connected(url) as reader, connected(url) as late:
        await speaker.ask("session_created", type="create_session", session_id="s")
        await reader.ask(
            "session_joined", type="join_session", session_id="s", languages=["es"], growing=True
        )
        await speaker.ask(
            "audio_started",
            type="audio_start",
            session_id="s",
            sample_rate=RATE,
            source_language="en",
            target_languages=[],
        )
        sound = numbered_words.sound(2 * SENTENCE)
        # A quarter as fast as it is spoken: a full machine must not miss the time between clause and final.
        await speaker.speak(sound[RATE * 3 : -RATE * 2], pace=0.08)
        await speaker.ask("audio_ended", type="audio_end")
        await reader.until(lambda m: m["type"] == "translation" and m.get("corrects") is True)
        await late.ask("session_joined", type="join_session", session_id="s", history=True)
        kept = [m for m in late.messages[-1]["messages"] if m["type"] == "translation"]
    first, second = reader.finals()
    assert (first["text"], second["text"]) == (" ".join(SAID[:6]), "They saw the flower, and slept.")

    growing, final = translations(reader, first["segment_id"])
    assert (growing["growing"], growing["words"]) == (True, 4)
    assert "casa" in growing["text"]
    assert reader.messages.index(growing) < reader.messages.index(first)
    assert final["text"].startswith(growing["text"])
    assert len(final["text"].split()) > len(growing["text"].split())
    assert "corrects" not in final

    growing, final = translations(reader, second["segment_id"])
    assert second["corrects"] is True
    assert reader.messages.index(growing) < reader.messages.index(second)
    assert final["corrects"] is True
    assert not final["text"].startswith(growing["text"])
    assert "growing" not in final
    assert [m["text"] for m in kept] == [
        m["text"] for m in reader.messages if m["type"] == "translation" and "growing" not in m
    ]

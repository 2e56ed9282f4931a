"""Speech through the whole service: the socket, the flow, the gateway, real engines."""

import os
import signal
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

from orch.audio.segmenter import Segmenter, Utterance
from orch.audio.silero import FRAME, Silero
from orch.audio.voice_activity import ModelActivity
from orch.audio.wav import wav
from orch.settings import Vad
from tests.fakes.client import CLIPS, Client, clip, connected
from tests.fakes.patience import PATIENCE
from tests.fakes.service import UNHURRIED, RunningService, service
from tests.fakes.waiting import wait_until

SECOND = b"\0\0" * 16_000

pytestmark = [pytest.mark.sandbox, pytest.mark.real_time]


async def healthy(client: Client) -> None:
    """Wait until both back ends are."""
    await client.ask("subscribed", type="subscribe", topic="services")
    await client.until(
        lambda m: (
            m["type"] == "update"
            and m["topic"] == "services"
            and all(s["state"] == "healthy" for s in m["data"]["services"])
        )
    )


def languages_known(s: RunningService) -> None:
    """Wait until both back ends have said which languages they offer: until then no upload is refused."""
    wait_until(lambda: not s.get("/api/languages").json()["errors"], "the back ends' languages are known")
    said = s.get("/api/languages").json()
    assert "en" in said["source"]
    assert "es" in said["targets"]


async def talk(
    client: Client, pcm: bytes, *, pace: float = 0, targets: tuple[str, ...] = ("es",), session: str = "s"
) -> None:
    """Send a clip to a session and wait until it is transcribed."""
    await client.ask(
        "audio_started",
        type="audio_start",
        session_id=session,
        sample_rate=16_000,
        source_language="en",
        target_languages=list(targets),
    )
    await client.speak(pcm, pace=pace)
    await client.ask("audio_ended", type="audio_end")


async def voice_model_loaded(s: RunningService) -> None:
    """Speak until a stream is lent a model: on a slow machine none may be loaded in time for the first."""
    missed = -1
    while s.figure("orch_speech_voice_models_missed_total") != missed:
        missed = s.figure("orch_speech_voice_models_missed_total")
        async with connected(s.url) as client:
            created = await client.ask("session_created", type="create_session")
            await talk(client, SECOND, session=created["session_id"])


async def engine_alone(s: RunningService, pcm: bytes) -> list[str]:
    """Return the words that the engine hears when it is asked about the same utterances directly.

    In a thread: the engine may take longer than the service waits for the pong of a client that is connected.
    """
    return await trio.to_thread.run_sync(_engine_alone, s, pcm)


def _engine_alone(s: RunningService, pcm: bytes) -> list[str]:
    audio = next(x for x in s.get("/api/services/status").json()["services"] if x["name"] == "audio-service")
    activity = ModelActivity(frame=FRAME, probability=Silero().probability, vad=Vad())
    segmenter = Segmenter(sample_rate=16_000, vad=Vad(), max_utterance=15, activity=activity)
    words: list[str] = []
    for event in [*segmenter.feed(pcm), *segmenter.flush()]:
        if isinstance(event, Utterance):
            answer = httpx2.post(
                audio["instances"][0]["url"] + "/api/transcribe",
                files={"audio": ("u.wav", wav(event.pcm, 16_000), "audio/wav")},
                data={"language": "en"},
                timeout=PATIENCE,
            )
            words += answer.raise_for_status().json()["text"].lower().split()
    return words


async def test_words_through_the_service_are_the_engines_own(tmp_path: Path) -> None:
    """For each clip, and whatever the size of the blocks it came in."""
    with service("demo", tmp_path, environ=UNHURRIED) as s:
        async with connected(s.url) as client:
            await healthy(client)
        await voice_model_loaded(s)
        for name in ("austen-0870", "austen-0890", "austen-0920"):
            pcm = clip(name) + SECOND
            expected = await engine_alone(s, pcm)
            assert len(expected) >= 10
            async with connected(s.url) as client:
                await client.ask("session_created", type="create_session", session_id=f"s-{name}")
                await client.ask(
                    "audio_started",
                    type="audio_start",
                    session_id=f"s-{name}",
                    sample_rate=16_000,
                    source_language="en",
                    target_languages=["es"],
                )
                await client.speak(pcm, block=998)
                await client.ask("audio_ended", type="audio_end")
                assert client.words() == expected
                assert all(m["confidence"] is None or 0 <= m["confidence"] <= 1 for m in client.finals())
                spanish = [m for m in client.messages if m["type"] == "translation"]
                assert {m["target_language"] for m in spanish} == {"es"}
                assert [m for m in spanish if not m["text"] or m["confidence"] is not None] == []
                assert len(spanish) == len(client.finals())


async def test_an_upload_in_a_language_that_nobody_offers_is_refused(tmp_path: Path) -> None:
    """422 with the offered languages, for the spoken and for the target language."""
    with service("demo", tmp_path, environ=UNHURRIED) as s:
        async with connected(s.url) as client:
            await healthy(client)
        languages_known(s)
        s.post("/api/sessions/create", json={"session_id": "s"}).raise_for_status()
        body = (CLIPS / "austen-0920.wav").read_bytes()
        for query, known in (
            ("source_language=fr&target_languages=es", "en"),
            ("source_language=en&target_languages=ja", "es"),
        ):
            answer = s.post(f"/api/sessions/s/recordings?{query}", content=body)
            assert (answer.status_code, answer.json()["code"]) == (422, "unsupported_language")
            assert known in answer.json()["detail"]


async def test_two_people_each_read_the_other_in_their_own_language(tmp_path: Path) -> None:
    """Each participant's speech reaches the other translated, at the same offsets for both."""
    with service("demo", tmp_path, environ=UNHURRIED) as s:
        async with connected(s.url) as one, connected(s.url) as two:
            await healthy(one)
            await one.ask("session_created", type="create_session", session_id="s", languages=["en"])
            await two.ask("session_joined", type="join_session", session_id="s", languages=["es"])
            await talk(one, clip("austen-0920") + SECOND, targets=())
            await two.until(lambda m: m["type"] == "translation" and m["target_language"] == "es")

            def kept(client: Client) -> list[tuple[Any, ...]]:
                return [
                    (m["offset"], m["type"], m["segment_id"], m["text"])
                    for m in client.messages
                    if "offset" in m and m["type"] in ("transcript", "translation")
                ]

            last = max(m["offset"] for m in one.messages if "offset" in m and "segment_id" in m)
            await two.until(lambda m: m.get("offset") == last)
            assert kept(one) == kept(two)
            async with connected(s.url) as late:
                joined = await late.ask("session_joined", type="join_session", session_id="s", history=True)
                late.messages += joined["messages"]
                assert kept(late) == kept(one)

            # From now on a word that was said has a translation of its own, in the next line too.
            said = next(m["text"] for m in one.messages if m["type"] == "transcript" and m["final"])
            term = {
                "text": max(said.split(), key=len).strip(",.").lower(),
                "translations": {"es": "Rose Baker"},
            }
            await two.ask("terms", type="set_terms", session_id="s", terms=[term])
            await one.until(lambda m: m["type"] == "terms" and m["terms"] == [term])
            await talk(one, clip("austen-0920") + SECOND, targets=())
            await two.until(lambda m: m["type"] == "translation" and "Rose Baker" in m["text"])


async def test_words_spoken_while_the_audio_service_is_killed_arrive_once_each(tmp_path: Path) -> None:
    """Unhealthy, recovering, healthy, in that order; a gap is marked, then filled; nothing twice."""
    with service("demo", tmp_path, environ=UNHURRIED) as s:

        def state(message: dict[str, Any]) -> str:
            return next(str(x["state"]) for x in message["data"]["services"] if x["name"] == "audio-service")

        async with connected(s.url) as client, connected(s.url) as watcher:
            await healthy(watcher)
            await voice_model_loaded(s)
            expected = await engine_alone(s, clip("austen-0920") + SECOND * 2 + clip("austen-0870") + SECOND)
            await client.ask("session_created", type="create_session", session_id="s")
            pid = next(
                x["instances"][0]["pid"]
                for x in s.get("/api/services/status").json()["services"]
                if x["name"] == "audio-service"
            )
            assert isinstance(pid, int)
            seen = len(watcher.messages)
            os.kill(pid, signal.SIGKILL)
            await talk(client, clip("austen-0920") + SECOND * 2 + clip("austen-0870") + SECOND)
            assert client.words() == expected
            segments = [m["segment_id"] for m in client.finals()]
            assert len(segments) == len(set(segments))
            await watcher.until(
                lambda m: m["type"] == "update" and state(m) == "healthy",
                start=next(
                    i
                    for i, m in enumerate(watcher.messages[seen:], seen)
                    if m["type"] == "update" and state(m) == "unhealthy"
                ),
            )
            states = [state(m) for m in watcher.messages[seen:] if m["type"] == "update"]
            order = [a for a, b in zip(states, [None, *states], strict=False) if a != b]
            assert [x for x in order if x != "healthy"][:2] == ["unhealthy", "recovering"]
            assert order[-1] == "healthy"


async def test_a_speech_back_end_that_is_away_costs_a_marked_gap_never_made_up_words(tmp_path: Path) -> None:
    """The gap names the service and the reason; no text is invented."""
    settings = """\
orchestration: {speech: {buffer_seconds: 9}}
services:
  audio-service: {url: "http://127.0.0.1:9"}
  translation-service: {url: "http://127.0.0.1:9"}
"""
    with service("serve", tmp_path, settings=settings) as s:
        async with connected(s.url) as client:
            await client.ask("session_created", type="create_session", session_id="s")
            await client.ask(
                "audio_started",
                type="audio_start",
                session_id="s",
                sample_rate=16_000,
                source_language="en",
                target_languages=["es"],
            )
            await client.speak(clip("austen-0920") + SECOND)
            gap = await client.until(lambda m: m["type"] == "transcript" and bool(m.get("error")))
            assert (gap["text"], gap["final"], gap["error"]["service"]) == ("", False, "audio-service")
            await client.ask("audio_ended", type="audio_end")
            lost = await client.until(
                lambda m: m["type"] == "transcript" and bool(m.get("error")) and m["error"]["final"]
            )
            assert lost["error"]["code"] == "speech_lost"
            assert client.finals() == []
            await trio.lowlevel.checkpoint()

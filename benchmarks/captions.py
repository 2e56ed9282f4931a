"""End of speech to final caption, beside the engine's own time, over the three clips.

    python benchmarks/captions.py [--rounds N]

Each clip is spoken in real time (20 ms blocks) into a session of a real `orch demo`; the end of speech is the
moment the last active frame of the utterance was sent. The engine's own time is that of the same samples,
posted to the same audio-service directly while nothing else is asked of it. The difference is what the
service adds.
"""

import argparse
import contextlib
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx2
import trio

sys.path.insert(0, str(Path(__file__).parents[1]))

from orch.settings import Vad
from orch.speech.segmenter import Segmenter, Utterance
from orch.speech.wav import wav
from tests.fakes.client import Client, clip, connected
from tests.fakes.service import RunningService, service

CLIPS = ("austen-0870", "austen-0890", "austen-0920")
RATE = 16_000
BLOCK = 640
SILENCE = b"\0\0" * RATE
LIMIT_MS = 150


def utterances(pcm: bytes) -> list[Utterance]:
    """Return what the segmenter makes of a clip."""
    segmenter = Segmenter(sample_rate=RATE, vad=Vad(), max_utterance=15)
    return [event for event in [*segmenter.feed(pcm), *segmenter.flush()] if isinstance(event, Utterance)]


def engine_seconds(url: str, utterance: Utterance) -> float:
    """Return the wall time of asking the engine directly."""
    began = time.perf_counter()
    httpx2.post(
        url + "/api/transcribe",
        files={"audio": ("u.wav", wav(utterance.pcm, RATE), "audio/wav")},
        data={"language": "en"},
        timeout=60,
    ).raise_for_status()
    return time.perf_counter() - began


async def speak(client: Client, name: str, pcm: bytes) -> list[tuple[float, Utterance]]:
    """Speak a clip in real time; return seconds from end of speech to final, one an utterance."""
    await client.ask("session_created", type="create_session", session_id=name)
    await client.ask(
        "audio_started",
        type="audio_start",
        session_id=name,
        sample_rate=RATE,
        source_language="en",
        target_languages=["es"],
    )
    began = trio.current_time()
    for begin in range(0, len(pcm), BLOCK):
        await trio.sleep_until(began + (begin + BLOCK) / (2 * RATE))
        await client.send_bytes(pcm[begin : begin + BLOCK])
    await client.ask("audio_ended", type="audio_end")
    arrivals = [
        (message, at)
        for message, at in zip(client.messages, client.arrivals, strict=True)
        if message["type"] == "transcript" and message["final"] and not message.get("error")
    ]
    found = []
    for utterance in utterances(pcm):
        arrived = next(
            (at for message, at in arrivals if abs(message["start"] - utterance.start / RATE) < 0.01), None
        )
        if arrived is not None:
            found.append((arrived - (began + utterance.speech_end / RATE), utterance))
    return found


async def measure(s: RunningService, rounds: int) -> None:
    """Speak every clip ``rounds`` times and print the table."""
    async with connected(s.url) as watcher:
        await watcher.ask("subscribed", type="subscribe", topic="services")
        await watcher.until(
            lambda m: m["type"] == "update" and all(x["state"] == "healthy" for x in m["data"]["services"])
        )
    services = s.get("/api/services/status").json()["services"]
    url = next(x["instances"][0]["url"] for x in services if x["name"] == "audio-service")
    rows: list[tuple[str, float, float]] = []
    for number in range(rounds):
        for name in CLIPS:
            async with connected(s.url) as client:
                for caption, utterance in await speak(client, f"{name}-{number}", clip(name) + SILENCE):
                    engine = await trio.to_thread.run_sync(engine_seconds, url, utterance)
                    rows.append((name, caption, engine))
    report(rows)


def percentile(values: list[float], share: float) -> float:
    """Return the value that ``share`` of them do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def report(rows: list[tuple[str, float, float]]) -> None:
    """Print p50 and p95 of the caption, the engine, and what the service adds."""
    print(f"{platform.platform()}, Python {platform.python_version()}, {len(rows)} utterances")
    print(f"{'':14}{'p50 ms':>10}{'p95 ms':>10}")
    columns = {
        "caption": [caption for _, caption, _ in rows],
        "engine alone": [engine for _, _, engine in rows],
        "added": [caption - engine for _, caption, engine in rows],
    }
    for label, values in columns.items():
        print(f"{label:14}{1000 * statistics.median(values):10.0f}{1000 * percentile(values, 0.95):10.0f}")
    added = 1000 * statistics.median(columns["added"])
    print(f"the service adds {added:.0f} ms at p50; the limit is {LIMIT_MS} ms")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running = stack.enter_context(service("demo", folder))
        trio.run(measure, running, options.rounds)


if __name__ == "__main__":
    main()

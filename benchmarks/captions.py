"""End of speech to final caption, beside the engine's own time, over the three clips.

    python benchmarks/captions.py [--rounds N] [--write]

Each clip is spoken in real time (20 ms blocks) into a session of a real `orch demo`; the end of speech is the
moment the last active frame of the utterance was sent. The engine's own time is that of the same samples,
posted to the same audio-service directly while nothing else is asked of it. The difference is what the
service adds.
"""

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import httpx2
import trio

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.peers import report
from orch.audio.segmenter import Segmenter, Utterance
from orch.audio.silero import FRAME, Silero
from orch.audio.voice_activity import ModelActivity
from orch.audio.wav import wav
from orch.settings import Vad
from tests.fakes.client import Client, clip, connected
from tests.fakes.service import RunningService, service

CLIPS = ("austen-0870", "austen-0890", "austen-0920")
RATE = 16_000
BLOCK = 640
SILENCE = b"\0\0" * RATE
LIMIT_MS = 150


def utterances(pcm: bytes) -> list[Utterance]:
    """Return the utterances of a clip, as the service finds them."""
    activity = ModelActivity(frame=FRAME, probability=Silero().probability, vad=Vad())
    segmenter = Segmenter(sample_rate=RATE, vad=Vad(), max_utterance=15, activity=activity)
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


async def measure(s: RunningService, rounds: int) -> list[tuple[str, float, float]]:
    """Speak every clip ``rounds`` times; return clip, seconds to the caption and the engine's own seconds."""
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
    return rows


def percentile(values: list[float], share: float) -> float:
    """Return the value that ``share`` of them do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def tell(rows: list[tuple[str, float, float]], busy: float, *, is_kept: bool) -> None:
    """Print p50 and p95 of the caption, the engine, and what the service adds; write them where asked to."""
    columns = {
        "end of speech to final caption": [caption for _, caption, _ in rows],
        "engine alone, same samples": [engine for _, _, engine in rows],
        "what the service adds": [caption - engine for _, caption, engine in rows],
    }
    shown = [
        (label, f"{1000 * statistics.median(values):,.0f}", f"{1000 * percentile(values, 0.95):,.0f}")
        for label, values in columns.items()
    ]
    added = 1000 * statistics.median(columns["what the service adds"])
    bound = report.under("what the service adds, p50", LIMIT_MS, added, " ms")
    told = [report.table(("ms", "p50", "p95"), shown), report.table(report.BOUNDS_HEAD, [bound.row()])]
    print("\n\n".join(told))
    if is_kept:
        versions = [f"{name} {version(name)}" for name in ("trio", "pocketsphinx")]
        about = f"{report.machine(busy, versions)} {len(rows)} utterances."
        report.write(f"Captions: `{report.command()}`", [about, *told])


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="put the figures into benchmarks/RESULTS.md")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model = {"ORCH_DEMO_MODEL": os.environ.get("ORCH_DEMO_MODEL", "none")}  # no download, no switch
        running = stack.enter_context(service("demo", folder, environ=model))
        rows = trio.run(measure, running, options.rounds)
    tell(rows, busy, is_kept=options.write)


if __name__ == "__main__":
    main()

"""`/livez` of one worker while streams pass through all stages of the audio pipeline.

    python benchmarks/audio_livez.py [--streams 10] [--seconds 20] [--write]

A real `orch serve`. A client process speaks in real time over as many WebSockets, each a voice with noise in
blocks of 20 ms; this process requests `/livez` every 10 ms on one connection. Measured without streams, with
streams that are not processed, and with streams that are: the round trips, how many streams were processed at
the end, and how often one went on unprocessed. Wanted: a 99th percentile under 20 ms, and none unprocessed.
On a machine of few cores the speakers and this process share them with the service.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import httpx2
import trio
from websockets.trio.client import connect

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.peers import report
from benchmarks.peers.use import quantile
from orch.audio.pipeline_settings import PipelineSettings, encode
from tests.fakes.service import RunningService, service
from tests.fakes.sounds import noise, pcm, voice

RESULTS: Final = Path(__file__).parent / "RESULTS-audio.md"
EVERY: Final = 0.01
BLOCK: Final = 0.02
RATE: Final = 16_000
SETTLES: Final = 5.0
"""Seconds of speech before the first round trip counts: processes start in them."""
WANTED: Final = 0.02


def everything_on() -> dict[str, Any]:
    """Return exported settings in which every stage works, also what is off by default."""
    settings = encode(PipelineSettings())
    settings["parameters"]["voiceEnhancement"]["normalize"] = True
    settings["parameters"]["voiceProcessing"] |= {"preservePitch": False, "pitchShiftCents": 50}
    settings["parameters"]["voiceProcessing"]["voiceIsolation"]["enabled"] = True
    return settings


async def speak(url: str, number: int, seconds: float, pipeline: object) -> None:
    """Speak in a session of one's own for so long."""
    sound = pcm(voice(5, RATE, 100 + 12 * number) * 0.5 + noise(5, -40, RATE, seed=number))
    step = round(BLOCK * RATE) * 2
    async with connect(url.replace("http", "ws") + "/ws") as socket:
        await socket.send(json.dumps({"type": "create_session", "pipeline": pipeline, "id": 1}))
        while (reply := json.loads(await socket.recv())).get("id") != 1:
            pass
        start = {"type": "audio_start", "session_id": reply["session_id"], "sample_rate": RATE}
        await socket.send(json.dumps(start))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(drain, socket)
            begun = trio.current_time() + number * BLOCK / 10
            for block in range(round(seconds / BLOCK)):
                await trio.sleep_until(begun + block * BLOCK)
                at = block * step % (len(sound) - step)
                await socket.send(sound[at - at % 2 : at - at % 2 + step])
            nursery.cancel_scope.cancel()


async def drain(socket: Any) -> None:
    """Read everything."""
    while True:
        await socket.recv()


async def speak_all(url: str, streams: int, seconds: float, kind: str) -> None:
    """Be all the speakers: in a process of their own."""
    async with trio.open_nursery() as nursery:
        for number in range(streams):
            nursery.start_soon(speak, url, number, seconds, None if kind == "none" else everything_on())


@contextmanager
def speaking(running: RunningService, streams: int, seconds: float, kind: str) -> Iterator[None]:
    """Have another process speak for the block."""
    if not streams:
        yield
        return
    arguments = ["--speak", kind, "--url", running.url, "--streams", str(streams), "--seconds", str(seconds)]
    with subprocess.Popen([sys.executable, __file__, *arguments]) as process:
        try:
            yield
        finally:
            process.kill()


def round_trips(running: RunningService, seconds: float) -> list[float]:
    """Return how long each request took, in seconds."""
    found = []
    with httpx2.Client(base_url=running.url) as client:
        client.get("/livez")
        until = perf_counter() + seconds
        while (begun := perf_counter()) < until:
            client.get("/livez").raise_for_status()
            found.append(perf_counter() - begun)
            rest = EVERY - found[-1]
            if rest > 0:
                trio.run(trio.sleep, rest)
    return found


def measure(running: RunningService, streams: int, seconds: float, kind: str) -> tuple[str, ...]:
    """Return the line of the table."""
    with speaking(running, streams, seconds + 2 * SETTLES, kind):
        trio.run(trio.sleep, SETTLES)
        taken = round_trips(running, seconds)
        processed = running.figure("orch_pipeline_streams")
        bypassed = running.figure("orch_pipeline_bypassed_total")
    way = "unprocessed" if kind == "none" else "all stages"
    return (
        f"{streams} streams, {way}" if streams else "no streams",
        str(len(taken)),
        f"{quantile(taken, 0.5) * 1000:.2f}",
        f"{quantile(taken, 0.99) * 1000:.2f}",
        f"{max(taken) * 1000:.2f}",
        str(processed),
        str(bypassed),
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--streams", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--write", action="store_true", help=f"put the figures into {RESULTS.name}")
    parser.add_argument("--speak")
    parser.add_argument("--url")
    options = parser.parse_args()
    if options.speak:
        trio.run(speak_all, options.url, options.streams, options.seconds, options.speak)
        return
    busy = os.getloadavg()[0]
    head = ("", "requests", "p50 ms", "p99 ms", "longest ms", "processed at the end", "bypassed")
    with tempfile.TemporaryDirectory() as folder, service("serve", Path(folder)) as running:
        rows = [
            measure(running, streams, options.seconds, kind)
            for streams, kind in ((0, "none"), (options.streams, "none"), (options.streams, "all"))
        ]
    told = [
        report.table(head, rows),
        f"Wanted: p99 under {WANTED * 1000:g} ms with all stages, none bypassed.",
    ]
    print("\n\n".join(told))
    if options.write:
        about = report.machine(busy, [f"{name} {version(name)}" for name in ("trio", "numpy", "scipy")])
        title = f"Probes beside live streams: `{report.command()}`"
        report.write(title, [f"{about} {options.seconds:g} s each.", *told], results=RESULTS)


if __name__ == "__main__":
    main()

"""Which concurrency limit is found for a real speech engine: the sandbox's PocketSphinx.

    python benchmarks/engine_limits.py [--seconds 15] [--clients 1 2 4 8] [--write]

The audio-service of the sandbox runs as a process of its own. So many clients as ``--clients`` says, one
number after the other, each send the next recording (1 to 6 s of a reader's speech) as soon as the last one
has its text. Between them and the engine is one of the ways of ``benchmarks/concurrency_limits.py``, which
keeps its state over all numbers of clients; a request that has no place waits in order. Shown for each number
of clients: the limit at the end, seconds of speech transcribed in a second, and the time within which 95 % of
the requests had their text, waiting included. For each way, when its limit was last changed.
"""

import argparse
import io
import os
import socket
import subprocess
import sys
import time
import wave
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from itertools import cycle
from pathlib import Path
from typing import Final

import httpx2
import trio

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.audio_mixtures import RATE, clips
from benchmarks.concurrency_limits import Envoy, Fixed, Gradient2, Limit, Ours
from benchmarks.peers import report
from orch.settings.environment import for_child

PIECES: Final = (1.0, 2.0, 3.0, 4.0, 6.0)
"""Seconds of the recordings, in turn."""

WAYS: Final[dict[str, Callable[[], Limit]]] = {
    "fixed at 1": partial(Fixed, 1),
    "fixed at 2": partial(Fixed, 2),
    "found": Ours,
    "Envoy, least 1": partial(Envoy, least=1, limit=1),
    "Gradient2, least 1": partial(Gradient2, least=1, limit=1),
    "Envoy, least 3": Envoy,
}


def recordings() -> list[tuple[float, bytes]]:
    """Return WAV files of a reader's speech with their seconds."""
    found = []
    for number, seconds in enumerate(PIECES):
        speech = clips()[number % len(clips())]
        pcm = (speech.samples[: int(seconds * RATE)] * 32767).clip(-32768, 32767).astype("<i2")
        content = io.BytesIO()
        with wave.open(content, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(pcm.tobytes())
        found.append((len(pcm) / RATE, content.getvalue()))
    return found


@dataclass
class Gate:
    """Lets as many requests through as the limit says, the others in order. The state is who waits."""

    limit: Limit
    running: int = 0
    last_change: float = 0.0
    _seen: int = field(init=False)
    _waiting: deque[trio.Event] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._seen = self.limit.places()

    async def run(self, sound: float, send: Callable[[], object]) -> None:
        """Send a request when it has a place."""
        if self.running >= self.limit.places() or self._waiting:
            turn = trio.Event()
            self._waiting.append(turn)
            self.limit.took(self.running, trio.current_time(), waits=True)
            await turn.wait()
        else:
            self.running += 1
        began = trio.current_time()
        mark = self.limit.mark(began)
        self.limit.took(self.running, began, waits=bool(self._waiting))
        await send()  # type: ignore[misc]  # a bound coroutine function
        now = trio.current_time()
        self.limit.done(now, began, sound, self.running, mark)
        self.running -= 1
        if self.limit.places() != self._seen:
            self._seen, self.last_change = self.limit.places(), now
        while self._waiting and self.running < self.limit.places():
            self.running += 1
            self._waiting.popleft().set()
        self.limit.took(self.running, now, waits=bool(self._waiting))


@dataclass
class Phase:
    """What was seen with one number of clients."""

    clients: int
    limit: int
    speech: float
    p95: float
    requests: int


async def phase(gate: Gate, client: httpx2.AsyncClient, clients: int, seconds: float) -> Phase:
    """Have so many clients send recordings for some seconds; those that have begun are completed."""
    took: list[float] = []
    done = 0.0
    files = cycle(recordings())
    began = trio.current_time()

    async def transcribe(content: bytes) -> None:
        response = await client.post("/api/transcribe", files={"audio": ("a.wav", content, "audio/wav")})
        response.raise_for_status()

    async def work() -> None:
        nonlocal done
        while trio.current_time() - began < seconds:
            sound, content = next(files)
            asked = trio.current_time()
            await gate.run(sound, partial(transcribe, content))
            took.append(trio.current_time() - asked)
            done += sound

    async with trio.open_nursery() as nursery:
        for _ in range(clients):
            nursery.start_soon(work)
    speech = done / (trio.current_time() - began)
    return Phase(
        clients,
        gate.limit.places(),
        speech,
        sorted(took)[min(len(took) - 1, int(0.95 * len(took)))],
        len(took),
    )


@contextmanager
def engine() -> Iterator[str]:
    """Run the audio-service; yield its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "orch.sandbox.audio_service", "--engine", "pocketsphinx"]
    options = ["--port", str(port), "--exit-with-stdin", "--no-download"]
    process = subprocess.Popen(
        [*command, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=for_child(os.environ),
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


async def ready(client: httpx2.AsyncClient) -> None:
    """Wait until the engine is loaded."""
    while True:
        try:
            if (await client.get("/api/health")).json()["status"] == "healthy":
                return
        except (httpx2.HTTPError, ValueError):
            pass
        await trio.sleep(0.2)


async def measure(seconds: float, clients: Sequence[int]) -> list[list[str]]:
    """Return the rows of the table."""
    rows = []
    with engine() as url:
        async with httpx2.AsyncClient(base_url=url, timeout=120) as client:
            with trio.fail_after(60):
                await ready(client)
            await phase(Gate(Fixed(1)), client, 1, 3)
            for name, make in WAYS.items():
                gate = Gate(make())
                began = trio.current_time()
                cells, requests = [name], 0
                for number in clients:
                    seen = await phase(gate, client, number, seconds)
                    requests += seen.requests
                    cells.append(f"{seen.limit}; {seen.speech:.2f}; {seen.p95:.1f} s")
                    print(name, seen, flush=True)
                changed = f"{gate.last_change - began:.0f} s" if gate.last_change else "never"
                rows.append([*cells, "—" if name.startswith("fixed") else changed, str(requests)])
    return rows


def main() -> None:
    """Measure, print, and write the results if that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15, help="for each number of clients")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    began = time.monotonic()
    rows = trio.run(partial(measure, options.seconds, options.clients))
    heads = [f"{number} clients" for number in options.clients]
    table = report.table(["limit", *heads, "last change after", "requests"], rows)
    print(table)
    if options.write:
        versions = [f"PocketSphinx {version('pocketsphinx')}"]
        report.write(
            "Limits of a real engine: which concurrency is found for PocketSphinx",
            [
                (
                    f"`{report.command()}`; {report.machine(load, versions)} "
                    f"Load average after it {os.getloadavg()[0]:.1f}; {time.monotonic() - began:.0f} s."
                ),
                (
                    "Each cell: the limit at the end, seconds of speech transcribed in a second, and the "
                    "time within which 95 % of the requests had their text."
                ),
                table,
            ],
        )


if __name__ == "__main__":
    main()

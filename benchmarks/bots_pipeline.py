"""How soon a meeting's captions are stored and read, what is made up in silence, what hours cost.

    python benchmarks/bots_pipeline.py [--hours 3] [--write]

A bot's pipeline with the hub, SQLite and the speech flow, in one process; the engine and the page are
stand-ins: observations of a scripted meeting go in, as the page's scripts send them. The first table is on
the real clock, with three people speaking at once; the others are as fast as the processor is.
"""

import argparse
import gc
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Final, TypeVar

sys.path.insert(0, str(Path(__file__).parents[1]))

import structlog
import trio
import trio.testing

from benchmarks.peers import report
from orch.bots.caption_blocks import Block
from orch.bots.observations import CaptionsSeen, PeopleSeen, Person, Sound, TrackBegan
from orch.stores.bot_records import Captured, Utterance, Written
from tests.fakes.pipelines_of_bots import SESSION, PipelineScene, Running
from tests.fakes.sounds import Samples, clicks, hum, noise, pcm, pink, silence, typing, voice

T = TypeVar("T")
RESULTS: Final = Path(__file__).with_name("RESULTS-bots.md")
RATE: Final = 16_000
NAMES: Final = ("Ana", "Ben", "Cem")
LATEST: Final = 300.0
"""Milliseconds from a caption in the page to the store and to subscribers, p95."""
SECONDS: Final = 30.0
ENGINE: Final = 0.1
"""Seconds that the stand-in for an engine takes."""
INVENTED: Final = ("Thank you for watching!", "[Music]", "you", "Bye.", "So we all agree on that.")
SOUNDS: Final[dict[str, Callable[[float], Samples]]] = {
    "digital silence": silence,
    "a quiet room, -62 dBFS": lambda seconds: noise(seconds, -62),
    "a fan, -35 dBFS": lambda seconds: pink(seconds, -35),
    "a loud hiss, -22 dBFS": lambda seconds: noise(seconds, -22),
    "mains hum": lambda seconds: hum(seconds, 50),
    "typing": lambda seconds: typing(seconds) + noise(seconds, -60),
    "clicks": lambda seconds: clicks(seconds, 0.7),
}
HOUR: Final = 3_600.0


class TimedStore:
    """Notes when each caption of the meeting was stored."""

    def __init__(self, write: Callable[..., object]) -> None:
        self._write = write
        self.stored: dict[tuple[int, str], float] = {}

    async def write(self, batch: tuple[Captured, ...], /) -> Written:
        """Store a batch."""
        written: Written = await self._write(batch)  # type: ignore[misc]
        now = time.perf_counter()
        for each in batch:
            if isinstance(each, Utterance) and each.source_type == "google_meet":
                self.stored.setdefault((each.segment_index, each.transcript_text), now)
        return written


async def latencies(folder: Path) -> dict[str, list[float]]:
    """Return milliseconds by what was waited for, on the real clock."""
    scene = PipelineScene(folder)
    scene.back_ends.audio_delay = lambda _seconds: ENGINE
    scene.back_ends.hear = lambda _sound: "we agree on it"
    scene.back_ends.timed = lambda _sound: []
    shown: dict[str, float] = {}
    read: dict[str, float] = {}
    spoken: list[float] = []
    finals: list[float] = []
    async with scene.running() as it, it.hub.connected() as reader:
        timed = TimedStore(it.store.write)
        it.records.writer._store = timed  # noqa: SLF001 - measured where it is stored
        await reader.ask({"type": "join_session", "session_id": SESSION}, "session_joined")

        async def subscribe() -> None:
            while True:
                message = await reader.hear()
                if message["type"] == "meeting_caption":
                    read.setdefault(message["text"], time.perf_counter())
                elif message["type"] == "transcript" and message["final"]:
                    finals.append(time.perf_counter())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(subscribe)
            async with trio.open_nursery() as talk:
                talk.start_soon(_captions, it, shown)
                talk.start_soon(_speech, it, spoken)
            await trio.sleep(2)
            nursery.cancel_scope.cancel()
        texts = {text: at for (_, text), at in timed.stored.items()}
    return {
        "caption in the page → stored": [1_000 * (texts[t] - at) for t, at in shown.items() if t in texts],
        "caption in the page → at a subscriber": [
            1_000 * (read[t] - at) for t, at in shown.items() if t in read
        ],
        f"last word heard → final at a subscriber, engine of {1_000 * ENGINE:.0f} ms": [
            1_000 * min(at - end for at in finals if at > end)
            for end in spoken
            if any(at > end for at in finals)
        ],
        "captions lost": [float(len(shown) - len(read))],
    }


async def _captions(it: Running, shown: dict[str, float]) -> None:
    """Three people whose captions grow by a word every 250 ms each, in blocks of twelve words."""
    people = tuple(Person(id=each, name=each) for each in NAMES)
    await it.pipeline.observe(PeopleSeen(at=it.clock(), people=people))
    await trio.sleep(2)
    words = {name: [f"{name.lower()}0"] for name in NAMES}
    block = 0
    for number in range(round(SECONDS * 4)):
        if number % 12 == 0:
            block += 1
            words = {name: [] for name in NAMES}
        for name in NAMES:
            words[name].append(f"{name.lower()}{number}")
            blocks = tuple(
                Block(f"{each}{block}", each, " ".join(said)) for each, said in words.items() if said
            )
            shown[" ".join(words[name])] = time.perf_counter()
            await it.pipeline.observe(CaptionsSeen(at=it.clock(), blocks=blocks))
            await trio.sleep(0.25 / len(NAMES))


async def _speech(it: Running, spoken: list[float]) -> None:
    """One voice: two seconds of speech, two of silence."""
    await it.pipeline.observe(TrackBegan(at=it.clock(), track="t", layout="own"))
    data = pcm(*[part for _ in range(round(SECONDS / 4)) for part in (voice(2.0) / 2, silence(2.0))])
    begun = trio.current_time()
    for first in range(0, len(data) // 2, RATE // 50):
        await trio.sleep_until(begun + (first + RATE // 50) / RATE)
        part = data[first * 2 : first * 2 + RATE // 25]
        await it.pipeline.observe(Sound(at=it.clock(), track="t", first=first, pcm=part))
        if (first + RATE // 50) % (4 * RATE) == 2 * RATE:
            spoken.append(time.perf_counter())


async def made_up(folder: Path, sound: Samples) -> tuple[int, int]:
    """Return how often the engine was asked about a minute without speech, and how many words came of it."""
    scene = PipelineScene(folder)
    asked = iter(range(10**6))
    scene.back_ends.hear = lambda _sound: INVENTED[next(asked) % len(INVENTED)]
    scene.back_ends.timed = lambda _sound: []
    async with scene.running() as it:
        await it.pipeline.observe(TrackBegan(at=0.0, track="t", layout="rotating"))
        data = pcm(sound)
        for first in range(0, len(data) // 2, RATE // 10):
            await trio.sleep(0.1)
            part = data[first * 2 : first * 2 + RATE // 5]
            await it.pipeline.observe(Sound(at=it.clock(), track="t", first=first, pcm=part))
        await it.pipeline.finish()
        words = sum(len(each.text.split()) for each in it.pipeline.live().lines)
    return len(scene.back_ends.audio()), words


async def hours(folder: Path, count: float) -> list[tuple[float, int, int]]:
    """Return processor seconds, bytes of memory and blocks of sound after each half hour of speech."""
    scene = PipelineScene(folder)
    scene.back_ends.hear = lambda _sound: "we agree on it"
    scene.back_ends.timed = lambda _sound: []
    found: list[tuple[float, int, int]] = []
    sentence = pcm(voice(2.5) / 2, silence(0.5))
    began, blocks = time.process_time(), 0
    async with scene.running() as it:
        people = tuple(Person(id=each, name=each) for each in NAMES)
        await it.pipeline.observe(PeopleSeen(at=0.0, people=people))
        await it.pipeline.observe(TrackBegan(at=0.0, track="t", layout="mixed"))
        texts: list[Block] = []
        for turn in range(round(count * HOUR / 3)):
            name = NAMES[turn % 3]
            for part in range(6):
                await trio.sleep_until(it.begun + turn * 3 + (part + 1) / 2)
                data = sentence[part * RATE : (part + 1) * RATE]
                first = round((turn * 3 + part / 2) * RATE)
                await it.pipeline.observe(Sound(at=it.clock(), track="t", first=first, pcm=data))
                blocks += 1
                said = " ".join(["we", "agree", "on", "it", "all", str(turn)][: part + 1])
                texts = [*[each for each in texts if each.key != str(turn)], Block(str(turn), name, said)][
                    -4:
                ]
                await it.pipeline.observe(CaptionsSeen(at=it.clock(), blocks=tuple(texts)))
            if (turn + 1) * 3 % (HOUR / 2) == 0:
                for known in (
                    it.records.put_at,
                    it.webhooks.sent,
                    scene.back_ends.asked,
                    it.hub.speech.opened,
                ):
                    known.clear()
                gc.collect()
                found.append((time.process_time() - began, resident(), blocks))
        statistics = it.pipeline.statistics()
        assert (statistics.failures, statistics.lost, statistics.unheard) == (0, 0, 0), statistics  # noqa: S101
    return found


def resident() -> int:
    """Return this process's memory in bytes."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _virtual(work: Callable[[], Awaitable[T]]) -> T:
    """Run on a clock that jumps."""
    return trio.run(work, clock=trio.testing.MockClock(autojump_threshold=0))


def main() -> None:
    """Print the tables; with ``--write``, also put them into RESULTS-bots.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--hours", type=float, default=1.0, help="of a meeting in which somebody always speaks"
    )
    parser.add_argument("--write", action="store_true", help="save the figures in benchmarks/RESULTS-bots.md")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        waited = trio.run(latencies, _in(folder, "live"))
        bounds = []
        for what, values in waited.items():
            if what == "captions lost":
                bounds.append(report.under(what, 1, values[0], ""))
                continue
            p95 = quantiles(values, n=20)[-1]
            said = f"{what}, p95 of {len(values)} (median {median(values):.1f} ms)"
            bounds.append(report.under(said, LATEST if "caption" in what else 1_000, p95, " ms"))
        rows = []
        for number, (sound, samples) in enumerate(SOUNDS.items()):
            minute = samples(60.0)
            asked, words = _virtual(partial(made_up, _in(folder, f"s{number}"), minute))
            rows.append((sound, str(asked), str(words)))
        bounds.append(report.under("words made up in these minutes", 1, sum(int(row[2]) for row in rows), ""))
        spent = _virtual(partial(hours, _in(folder, "h"), arguments.hours))
    tables = [
        report.table(report.BOUNDS_HEAD, [each.row() for each in bounds]),
        report.table(("a minute of", "requests to the engine", "words"), rows),
    ]
    if spent:
        seconds, memory, blocks = spent[-1]
        grown = (memory - spent[0][1]) / 2**20
        tables.append(
            report.table(
                report.BOUNDS_HEAD,
                [
                    report.under(
                        f"memory after {arguments.hours:g} h over that after half an hour", 20, grown, " MiB"
                    ).row(),
                    report.under(
                        "of a core, for a meeting in which somebody always speaks",
                        0.05,
                        seconds / (len(spent) * HOUR / 2),
                        "",
                    ).row(),
                    report.at_least("blocks of sound without a fault", 1_000, blocks, "").row(),
                ],
            )
        )
    print("\n\n".join(tables))
    if arguments.write:
        parts = [report.machine(busy, ["trio"]), *tables]
        report.write(f"Pipeline: `{report.command()}`", parts, results=RESULTS)


def _in(folder: Path, name: str) -> Path:
    found = folder / name
    found.mkdir()
    return found


if __name__ == "__main__":
    main()

"""What a bot notes of scripted meetings in a real Chromium, beside their truth, and how soon.

    python benchmarks/bots_meeting.py [--seconds 60] [--speakers 2 3 5 8] [--modes per_speaker …] [--write]

Everything is real: the service with its SQLite store, PocketSphinx as audio-service, Apertium and a neural
model as translation-service, a Chromium for each bot, meetings of the sandbox over real connections. Captions
are late by 0.3 to 3 s, a tenth of their revisions is lost, others are corrected or split; marks leak; one
turn in seven overlaps the one before. Words are scored as PocketSphinx has recognised them, by who spoke.
What is stored is read over HTTP every 40 ms, which its figure includes.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, get_args

import msgspec
import trio

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.meeting_readers import Reader, StoreReader
from benchmarks.meeting_scoring import (
    NotedWord,
    Score,
    delays,
    next_changes,
    percentile,
    score_captions,
    score_words,
)
from benchmarks.meeting_scripts import Mode, code_of, script
from benchmarks.meeting_stack import VOICES, Stack, Usage, code_in, running
from benchmarks.meeting_watcher import Watched, Watcher, watching
from benchmarks.peers import report
from orch.sandbox.meeting.clips import ClipLibrary
from orch.sandbox.meeting.truth import Truth

RESULTS: Final = Path(__file__).with_name("RESULTS-bots.md")
SPEAKERS: Final = (2, 3, 5, 8)
DELAYS: Final = (0.3, 0.8, 1.5, 3.0)
AFTER: Final = 8.0
"""Seconds from a meeting's last word until the bot leaves: the last captions and transcripts arrive."""
JOINING: Final = 60.0
BARS: Final[dict[Mode, tuple[float, float]]] = {
    "per_speaker": (0.99, 0.95),
    "rotating": (0.97, 0.85),
    "mixed": (0.97, 0.85),
}
"""Least shares of right names of those named, and of named words, with captions."""
MOST_SURE_WRONG: Final = 0.005
MOST_REVISED: Final = 0.02
CHANGE_WITHIN: Final = 3.0
MEASURED: Final = 40.0
"""Seconds over which processors are measured."""
SPEAKING: Final = 3
"""People, each with a track, in the meetings in which processors are measured."""
HEARD: Final = 0.9
"""Least share of their sound that a bot receives meanwhile; with less, less would be measured."""
HEAD: Final = (
    "channels",
    "speakers",
    "captions late by",
    "words spoken / noted",
    "right",
    "named",
    "sure but wrong",
    "revised",
    "made up",
    "caption words",
    "too many",
    "lost",
    "interface texts",
    "met",
)
COST_HEAD: Final = ("bots", "browser: cores", "MiB", "service: cores a bot", "met")


@dataclass
class Timings:
    """Seconds, of all meetings."""

    joins: list[float] = field(default_factory=list)
    subscribed: list[float] = field(default_factory=list)
    stored: list[float] = field(default_factory=list)
    seen: list[float] = field(default_factory=list)
    unseen: int = 0


async def attend(stack: Stack, text: str, timings: Timings, watcher: Watcher | None) -> tuple[Score, Truth]:
    """Send a bot to a meeting until its end; return how well it has noted it."""
    url = await stack.add_meeting(text)
    bot = await stack.send_bot(url, languages={"spoken": "en"}, name="Scribe")
    with trio.fail_after(JOINING):
        bot = await stack.until_capturing(bot["bot_id"])
    records = await stack.meeting(url, "/records")
    pressed = next(each["wall"] for each in records if each["details"].get("place") == "call")
    timings.joins.append(bot["admitted_at"] - pressed)
    truth = msgspec.convert(await stack.meeting(url, "/truth"), Truth)
    watched = Watched([], [], hasCamera=False)
    async with reading(stack, bot) as (reader, stored):
        if watcher is not None:
            await watcher.join(url, "Watcher")
        state = await stack.meeting(url)
        await trio.sleep(max(0.0, truth.seconds - state["at"]) + AFTER)
        if watcher is not None:
            watched = await watcher.read()
    await stack.leave(bot["bot_id"])
    if watcher is not None:
        shown = [(each.text, each.at) for each in watched.captions]
        timings.subscribed += delays(shown, reader.captions)
        timings.stored += delays(shown, stored.captions)
        changes = [each.at for each in watched.changes]
        first = watched.captions[0].at if watched.captions else 0.0
        waits = next_changes([at for at in reader.finals if at > first], changes, within=CHANGE_WITHIN)
        timings.seen += [each for each in waits if each < CHANGE_WITHIN]
        timings.unseen += sum(each >= CHANGE_WITHIN for each in waits)
    return await scored(stack, bot["bot_id"], truth, state["started"]), truth


@asynccontextmanager
async def reading(stack: Stack, bot: Any) -> AsyncIterator[tuple[Reader, StoreReader]]:
    """Follow a bot's session in the hub and in the store for the block."""
    async with trio.open_nursery() as nursery:
        reader, stored = Reader(), StoreReader(f"{stack.url}/api/bots/{bot['bot_id']}")
        await nursery.start(reader.run, stack.url, bot["session_id"])
        nursery.start_soon(stored.run)
        yield reader, stored
        nursery.cancel_scope.cancel()


async def scored(stack: Stack, bot_id: str, truth: Truth, started: float) -> Score:
    """Compare what is stored with the truth."""
    late = await stack.started(bot_id) - started
    words = [
        NotedWord(each.text, each.start + late, each.end + late, each.name, each.is_sure)
        for each in await stack.words(bot_id)
    ]
    score = score_words(truth, words) + score_captions(truth, await stack.captions(bot_id))
    revised, shown = await stack.revised(bot_id)
    return score + Score(revised=revised, shown=shown)


def row(mode: Mode, speakers: int, delay: float, score: Score) -> report.Row:
    """Return a line of the table."""
    right, named = BARS[mode]
    is_met = (
        score.rightness >= right
        and score.coverage >= named
        and score.wrong_for_sure < MOST_SURE_WRONG
        and score.revision <= MOST_REVISED
        and score.made_up == score.duplicates == score.interface == 0
    )
    return (
        mode.replace("_", " "),
        str(speakers),
        f"{delay:g} s",
        f"{score.spoken} / {score.noted}",
        f"{score.rightness:.1%} (≥ {right:.0%})",
        f"{score.coverage:.1%} (≥ {named:.0%})",
        f"{score.wrong_for_sure:.2%}",
        f"{score.revision:.2%}",
        str(score.made_up),
        str(score.captioned),
        str(score.duplicates),
        str(score.lost),
        str(score.interface),
        "yes" if is_met else "no",
    )


async def costs(stack: Stack, profiles: Path, count: int, *, camera: bool) -> report.Row:
    """Measure ``count`` bots at once, each in a meeting of its own whose other ends run elsewhere."""
    library = ClipLibrary(VOICES)
    wishes: dict[str, Any] = {"languages": {"spoken": "en"}, "name": "Scribe"}
    if not camera:
        wishes["camera"] = None
    idle = await _spent(stack, MEASURED / 4)
    async with watching(profiles) as other:
        bots = []
        for number in range(count):
            text = script(
                library.clips,
                speakers=SPEAKING,
                mode="per_speaker",
                seconds=MEASURED + 60 + 10 * count,
                delay=0.8,
                seed=number,
                code=code_of(9_000 + 10 * count + number + 100 * camera),
            )
            url = f"{await stack.add_meeting(text)}?far=separate"
            bots.append(await stack.send_bot(url, **wishes))
            with trio.fail_after(JOINING):
                await stack.until_capturing(bots[-1]["bot_id"])
            key = next(
                each["key"] for each in (await stack.meeting(url))["guests"] if each["place"] == "call"
            )
            await other.open_far(f"{stack.meetings}/{code_in(url)}/far?guest={key}")
        await trio.sleep(10)
        before = [(await stack.bot(each["bot_id"]))["media"]["sound"] for each in bots]
        service, browsers = await _spent(stack, MEASURED)
        after = [(await stack.bot(each["bot_id"]))["media"]["sound"] for each in bots]
        for each in bots:
            await stack.leave(each["bot_id"])
    what = f"{count}, {'with' if camera else 'without'} camera"
    heard = min(late - early for early, late in zip(before, after, strict=True)) / (SPEAKING * MEASURED)
    if heard < HEARD:
        return (f"{what}: {heard:.0%} of their sound arrived", "-", "-", "-", "not measured")
    ours = (service.cpu - idle[0].cpu * 4) / MEASURED / count
    cores, memory = browsers.cpu / MEASURED / count, browsers.memory / count / 2**20
    is_met = "" if camera else "yes" if cores <= 0.3 and memory <= 700 and ours < 0.05 else "no"
    return (
        what,
        f"{cores:.2f}" + ("" if camera else " (≤ 0.3)"),
        f"{memory:.0f}" + ("" if camera else " (≤ 700)"),
        f"{ours:.3f}" + ("" if camera else " (< 0.05)"),
        is_met,
    )


async def _spent(stack: Stack, seconds: float) -> tuple[Usage, Usage]:
    before = await trio.to_thread.run_sync(stack.usage)
    await trio.sleep(seconds)
    after = await trio.to_thread.run_sync(stack.usage)
    ours, theirs = (
        Usage(late.cpu - early.cpu, late.memory) for early, late in zip(before, after, strict=True)
    )
    return ours, theirs


def bounds(timings: Timings) -> list[report.Bound]:
    """Return the figures of time."""

    def p95(values: Sequence[float]) -> float | None:
        return 1000 * percentile(values, 0.95) if values else None

    return [
        report.under(
            f"join click → in the meeting, worst of {len(timings.joins)}", 5, max(timings.joins), " s"
        ),
        report.under(
            f"caption in the page → at subscribers, p95 of {len(timings.subscribed)}",
            300,
            p95(timings.subscribed),
            " ms",
        ),
        report.under(
            f"caption in the page → stored, p95 of {len(timings.stored)}", 300, p95(timings.stored), " ms"
        ),
        report.under(
            f"final transcript → seen in the camera by another participant, p95 of {len(timings.seen)}"
            f" ({timings.unseen} not within {CHANGE_WITHIN:g} s)",
            500,
            p95(timings.seen),
            " ms",
        ),
    ]


async def measure(options: argparse.Namespace) -> tuple[list[str], float]:
    """Measure everything; return the parts of the report, and the load before."""
    busy = os.getloadavg()[0]
    library, timings = ClipLibrary(VOICES), Timings()
    total, rows, cost_rows = Score(), [], []
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder), bots=6) as stack:
            number = 0
            for mode in options.modes:
                for speakers in options.speakers:
                    delay = DELAYS[number % len(DELAYS)]
                    number += 1
                    text = script(
                        library.clips,
                        speakers=speakers,
                        mode=mode,
                        seconds=options.seconds,
                        delay=delay,
                        seed=number,
                        code=code_of(number),
                    )
                    async with _watching(Path(folder) / "watcher", wanted=not options.unwatched) as watcher:
                        score, _ = await attend(stack, text, timings, watcher)
                    rows.append(row(mode, speakers, delay, score))
                    total += score
                    print(" | ".join(rows[-1]), flush=True)
            for count, camera in options.costs:
                cost_rows.append(await costs(stack, Path(folder) / "watcher", count, camera=camera))
                print(" | ".join(cost_rows[-1]), flush=True)
    parts = [report.table(HEAD, rows)] if rows else []
    if timings.joins:
        parts.append(report.table(report.BOUNDS_HEAD, [each.row() for each in bounds(timings)]))
    if cost_rows:
        parts.append(report.table(COST_HEAD, cost_rows))
    return parts, busy


@asynccontextmanager
async def _watching(profiles: Path, *, wanted: bool) -> AsyncIterator[Watcher | None]:
    if not wanted:
        yield None
        return
    async with watching(profiles) as watcher:
        yield watcher


def main() -> None:
    """Print the tables; with ``--write``, also put them into RESULTS-bots.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of each meeting")
    parser.add_argument("--speakers", type=int, nargs="*", default=list(SPEAKERS))
    parser.add_argument("--modes", nargs="*", choices=get_args(Mode), default=list(get_args(Mode)))
    parser.add_argument("--unwatched", action="store_true", help="without another participant: no times")
    parser.add_argument("--no-costs", action="store_true", help="do not measure processors and memory")
    parser.add_argument("--write", action="store_true", help="save the figures in benchmarks/RESULTS-bots.md")
    options = parser.parse_args()
    options.costs = [] if options.no_costs else [(1, False), (1, True), (5, False)]
    began = time.monotonic()
    parts, busy = trio.run(partial(measure, options))
    print("\n\n".join(parts))
    if options.write:
        versions = [f"{each} {version(each)}" for each in ("trio", "pillow", "pocketsphinx")]
        took = f"It took {(time.monotonic() - began) / 60:.0f} minutes."
        text = (__doc__ or "").rpartition("\n\n")[2].replace("\n", " ").strip()
        about = [report.machine(busy, versions), text, took]
        report.write(f"Meetings in Chromium: `{report.command()}`", [*about, *parts], results=RESULTS)


if __name__ == "__main__":
    main()

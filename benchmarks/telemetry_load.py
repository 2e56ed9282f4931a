"""What all telemetry costs the service under load: with it and without, in turns, through the real gateway.

    python benchmarks/telemetry_load.py [--seconds 6] [--pairs 8] [--connections 32] [--write]

Both run at the same time on one core, in front of nginx with 15 bytes of JSON; wrk loads one of them at a
time as fast as it can, in the order with, without, without, with. What counts is the processor time of a
request, which other programs of the machine change little, and the ratio within each pair of turns.

*With* is ``orch serve`` as it is, scraped every 15 s as Prometheus does (and once in each turn at least).
*Without* (``benchmarks/peers/serve_unmeasured.py``) counts no request, neither for Prometheus nor for the
pages, does not measure the event loop, samples no series, and is not scraped. Traces are off in both, as they
are without a collector. It takes 3 min.
"""

import argparse
import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from threading import Event, Thread
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
    """Requests a second, and µs of the processor for each."""

    rate: float
    cost: float


def turn(running: Running, options: argparse.Namespace) -> Turn:
    """Load one of them."""
    hammered(running.port, PATH, connections=options.connections, seconds=1)
    before = running.seconds()
    found = hammered(running.port, PATH, connections=options.connections, seconds=options.seconds)
    used = running.seconds() - before
    return Turn(found.rate, used / (found.rate * options.seconds) * 1e6)


class Scraping(Thread):
    """Scrapes a service every 15 s until :meth:`stop`; also whenever it is told to."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._url = f"http://127.0.0.1:{port}/metrics"
        self._stopped = Event()
        self.now = Event()
        self.count = 0

    def run(self) -> None:
        """Scrape."""
        with httpx2.Client(timeout=60) as client:
            while not self._stopped.is_set():
                client.get(self._url).raise_for_status()
                self.count += 1
                self.now.wait(SCRAPED_EVERY)
                self.now.clear()

    def stop(self) -> None:
        """End it."""
        self._stopped.set()
        self.now.set()
        self.join(60)


def measure(options: argparse.Namespace) -> tuple[list[tuple[Turn, Turn]], int]:
    """Return pairs of turns, with telemetry first, and how often the one with it was scraped."""
    pairs: list[tuple[Turn, Turn]] = []
    with ExitStack() as more:
        back = more.enter_context(small_back_end())
        measured = more.enter_context(proxy(WITH, back.port))
        unmeasured = more.enter_context(proxy(WITHOUT, back.port))
        scraping = Scraping(measured.port)
        scraping.start()
        more.callback(scraping.stop)
        for number in range(options.pairs):
            order = (measured, unmeasured) if number % 2 == 0 else (unmeasured, measured)
            found = {}
            for running in order:
                if running is measured:
                    scraping.now.set()
                found[running.pid] = turn(running, options)
            pairs.append((found[measured.pid], found[unmeasured.pid]))
        return pairs, scraping.count


def shown(pairs: list[tuple[Turn, Turn]], scrapes: int) -> tuple[str, str, str]:
    """Return the table, what it means, and the bound."""
    rows = [
        (str(number), *(f"{each.rate:,.0f}" for each in pair), *(f"{each.cost:.1f}" for each in pair), ratio)
        for number, pair in enumerate(pairs, 1)
        for ratio in [f"{pair[0].cost / pair[1].cost:.3f}"]
    ]
    head = ("pair", "requests/s with", "without", "µs/request with", "without", "with / without")
    ratios = sorted(one.cost / other.cost for one, other in pairs)
    more = median(one.cost - other.cost for one, other in pairs)
    middle = median(ratios)
    text = (
        f"Median of the ratios: {middle:.3f}, from {ratios[0]:.3f} to {ratios[-1]:.3f}: telemetry adds "
        f"{middle - 1:.1%} to what a request costs, {more:.1f} µs. At {RATE:,} requests a second that is "
        f"{more * RATE / 1e6:.1%} of a core. It was scraped {scrapes} times."
    )
    bound = report.under(
        "telemetry's part of the service's processor time", WANTED * 100, 100 * (1 - 1 / middle), " %"
    )
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
    parts = [about, *shown(*measure(options))]
    print("\n\n".join(parts))
    if options.write:
        report.write("Telemetry under load: `python benchmarks/telemetry_load.py --write`", parts)


if __name__ == "__main__":
    main()

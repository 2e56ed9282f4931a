"""What all telemetry costs the service under load: with it and without, in turns, through the real gateway.

    python benchmarks/telemetry_load.py [--seconds 4] [--turns 12] [--connections 32] [--write]

Both run on one core, in front of nginx with 15 bytes of JSON, and both are loaded at the same time: they
share the core in slices of milliseconds, so that whatever else the machine does slows both down alike. (One
after the other, the ratio went from 1.03 to 1.34 within one run on a shared machine; the same program twice,
at once, from 0.98 to 1.03.) Which of both is first changes each turn. What counts is processor time, that of
a request and that of a second without requests; and that of a scrape, which Prometheus makes every 15 s. From
these, and not from the rate that was reached, is what both cost at 5,000 requests a second.

*With* is ``orch serve`` as it is. *Without* (``benchmarks/peers/serve_unmeasured.py``) counts no request,
neither for Prometheus nor for the pages, does not measure the event loop, samples no series, and is not
scraped. Traces are off in both, as they are without a collector. It takes 2 min.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
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
SCRAPES: Final = 40
"""Scrapes whose processor time is far more than the system's unit for it."""
IDLE_SECONDS: Final = 20.0
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
class Cost:
    """Seconds of the processor: of an idle second, of a scrape, and of a request in each turn."""

    idle: float
    scrape: float
    requests: tuple[float, ...]

    def at(self, rate: float) -> list[float]:
        """Return the seconds of the processor in a second with so many requests, for each turn."""
        return [self.idle + rate * request + self.scrape / SCRAPED_EVERY for request in self.requests]


def _scrape(running: Running) -> float:
    """Return the seconds of the processor that a scrape costs."""
    before = running.seconds()
    with httpx2.Client(timeout=60) as client:
        for _ in range(SCRAPES):
            client.get(f"http://127.0.0.1:{running.port}/metrics").raise_for_status()
    return (running.seconds() - before) / SCRAPES


def _idle(both: Sequence[Running], seconds: float) -> list[float]:
    """Return the seconds of the processor in a second without requests, of each."""
    before = [each.seconds() for each in both]
    time.sleep(seconds)
    return [(each.seconds() - one) / seconds for each, one in zip(both, before, strict=True)]


def _turn(both: Sequence[Running], options: argparse.Namespace, idle: Sequence[float]) -> list[float]:
    """Load both at once; return the seconds of the processor for a request, of each."""
    load = partial(hammered, path=PATH, connections=options.connections, seconds=options.seconds)
    before, began = [each.seconds() for each in both], time.monotonic()
    with ThreadPoolExecutor(len(both)) as pool:
        found = list(pool.map(load, [each.port for each in both]))
    took = time.monotonic() - began
    return [
        (each.seconds() - one - without * took) / (rate.rate * options.seconds)
        for each, one, without, rate in zip(both, before, idle, found, strict=True)
    ]


def measure(options: argparse.Namespace) -> tuple[Cost, Cost]:
    """Return the cost with telemetry, and without."""
    with ExitStack() as more:
        back = more.enter_context(small_back_end())
        both = [more.enter_context(proxy(each, back.port)) for each in (WITH, WITHOUT)]
        for each in both:
            hammered(each.port, PATH, connections=options.connections, seconds=1)
        idle = _idle(both, IDLE_SECONDS)
        turns: list[list[float]] = []
        for number in range(options.turns):
            order = 1 if number % 2 == 0 else -1
            turns.append(_turn(both[::order], options, idle[::order])[::order])
        scrape = _scrape(both[0])
    with_it, without = (tuple(each) for each in zip(*turns, strict=True))
    return Cost(idle[0], scrape, with_it), Cost(idle[1], 0.0, without)


def shown(with_it: Cost, without: Cost) -> tuple[str, str, str]:
    """Return the table, what it means, and the bound."""
    costs = list(zip(with_it.at(RATE), without.at(RATE), strict=True))
    ratios = [one / other for one, other in costs]
    rows: list[report.Row] = [
        (str(number), f"{one * 1e6:.1f}", f"{other * 1e6:.1f}", f"{ratio:.3f}")
        for number, (one, other, ratio) in enumerate(
            zip(with_it.requests, without.requests, ratios, strict=True), 1
        )
    ]
    head = ("turn", "µs/request with", "without", f"with / without at {RATE:,}/s")
    middle = median(ratios)
    text = (
        f"A second without requests costs {with_it.idle * 1e3:.1f} ms with telemetry and "
        f"{without.idle * 1e3:.1f} ms without, a scrape {with_it.scrape * 1e3:.1f} ms. "
        f"At {RATE:,} requests a second the service needs {middle:.3f} times the processor time of "
        f"one without telemetry (median; {min(ratios):.3f} to {max(ratios):.3f})."
    )
    part = 100 * (1 - 1 / middle)
    bound = report.under("telemetry's part of the service's processor time", WANTED * 100, part, " %")
    return report.table(head, rows), text, report.table(report.BOUNDS_HEAD, [bound.row()])


def main() -> None:
    """Measure, print, and write the results if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--turns", type=int, default=12)
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

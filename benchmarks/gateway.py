"""The gateway beside other reverse proxies in one run: nginx, HAProxy, aiohttp, FastAPI with httpx.

    python benchmarks/gateway.py [--seconds 3] [--rounds 3] [--mebibytes 1024] [--only NAME …] [--write]

Each proxy is run alone, with one thread, on a core of its own; the back end (nginx with 15 bytes of JSON)
and wrk share the others. `orch` is the whole service as `orch serve` runs it, with everything that it
decides for a request. Proxies take turns, and the median of the turns counts: read the ratios.

- requests: wrk over 32 kept connections, as fast as it can: with the same head each time, and with a
  `traceparent` of its own in each request;
- latency: 1,000 requests a second, each timed from when it was due; what a proxy adds is its quantile less
  that of the back end asked directly. `bare Trio` reads nothing in what it forwards. The last column is for
  how long a proxy could have run while others had its core: it should be small;
- bodies: 1 GiB in each direction, and how much more memory the proxy has at most meanwhile.
"""

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peers import report
from benchmarks.peers.proxies.contenders import (
    PROXIES,
    Proxy,
    Running,
    large_back_end,
    programs_needed,
    proxy,
    small_back_end,
)
from benchmarks.peers.proxies.loads import Rate, downloaded, hammered, steady, uploaded
from benchmarks.peers.use import quantile

PATH: Final = "/api/audio/health"
DIRECT: Final = "/api/health"
UPLOAD: Final = "/api/audio/upload"
STEADY: Final = 1000
MIB: Final = 2**20
#: What takes a whole body into its memory is not asked to carry a large one.
STREAMING: Final = ("orch", "HAProxy", "nginx")
#: Requests a second, by name.
Rates = dict[str, float]
#: Milliseconds of the median and of the 99th percentile, by name, and those in a second without the core.
Added = dict[str, tuple[float, float, float]]
#: MiB a second and more MiB in memory, by direction and name.
Carried = dict[str, dict[str, tuple[float, float]]]


def measure_requests(
    chosen: tuple[Proxy, ...], options: argparse.Namespace, *, traced: bool
) -> tuple[str, Rates]:
    """Return the table of requests a second, and the medians. ``traced``: each has its own trace."""
    found: dict[str, list[Rate]] = defaultdict(list)
    cost: dict[str, list[float]] = defaultdict(list)

    def asked(port: int, path: str, seconds: float) -> Rate:
        return hammered(port, path, connections=options.connections, seconds=seconds, traced=traced)

    with small_back_end() as back:
        for _ in range(options.rounds):
            found["direct"].append(asked(back.port, DIRECT, options.seconds))
            for each in chosen:
                with proxy(each, back.port) as running:
                    asked(running.port, PATH, 1)
                    before = running.seconds()
                    turn = asked(running.port, PATH, options.seconds)
                    used = running.seconds() - before
                found[each.name].append(turn)
                cost[each.name].append(used / (turn.rate * options.seconds) * 1e6)
    rates = {name: median(each.rate for each in turns) for name, turns in found.items()}
    rows = [
        (
            name,
            f"{rates[name]:,.0f}",
            f"{median(each.p50 for each in turns):.2f}",
            f"{median(each.p99 for each in turns):.2f}",
            f"{median(cost[name]):.0f}" if name in cost else "-",
            *(f"{rates[name] / rates[peer]:.2f}" if peer in rates else "-" for peer in ("aiohttp", "nginx")),
        )
        for name, turns in found.items()
    ]
    head = (
        "own traceparent" if traced else "same head",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "processor µs/request",
        "of aiohttp",
        "of nginx",
    )
    return report.table(head, rows), rates


def measure_latency(chosen: tuple[Proxy, ...], options: argparse.Namespace) -> tuple[str, Added]:
    """Return the table of what each adds at 1,000 requests a second."""
    found: dict[str, list[tuple[float, float, float]]] = defaultdict(list)

    def asked(port: int, path: str) -> tuple[float, float]:
        taken = steady(port, path, rate=STEADY, connections=options.connections, seconds=options.seconds)
        warm = taken[len(taken) // 10 :]
        return quantile(warm, 0.5), quantile(warm, 0.99)

    with small_back_end() as back:
        for _ in range(options.rounds):
            p50, p99 = asked(back.port, DIRECT)
            found["direct"].append((p50, p99, 0.0))
            for each in chosen:
                if each.name == "FastAPI, httpx":
                    continue  # it does not reach a thousand a second
                with proxy(each, back.port) as running:
                    before = running.waited()
                    through = asked(running.port, PATH)
                    waited = (running.waited() - before) / options.seconds * 1000
                found[each.name].append((through[0] - p50, through[1] - p99, waited))
    added = {
        name: (
            median(each[0] for each in turns),
            median(each[1] for each in turns),
            median(each[2] for each in turns),
        )
        for name, turns in found.items()
    }
    rows = [(name, f"{each[0]:.2f}", f"{each[1]:.2f}", f"{each[2]:.1f}") for name, each in added.items()]
    head = (f"at {STEADY:,} requests/s", "p50 ms", "p99 ms", "without its core, ms/s")
    return report.table(head, rows), added


def measure_bodies(chosen: tuple[Proxy, ...], options: argparse.Namespace) -> tuple[str, Carried]:
    """Return the table of large bodies."""
    size = options.mebibytes * MIB
    ways: dict[str, Callable[[Running], float]] = {
        "download": lambda running: downloaded(running.port, PATH, size),
        "upload": lambda running: uploaded(running.port, UPLOAD, size),
    }
    found: Carried = {way: {} for way in ways}
    with large_back_end() as back:
        for each in chosen:
            if each.name not in STREAMING:
                continue
            with proxy(each, back.port) as running:
                downloaded(running.port, PATH, MIB)
                uploaded(running.port, UPLOAD, MIB)
                for way, carry in ways.items():
                    running.forget_memory()
                    before = running.most_memory()
                    seconds = carry(running)
                    more = (running.most_memory() - before) / MIB
                    found[way][each.name] = (options.mebibytes / seconds, more)
    rows = []
    for way, figures in found.items():
        theirs = figures.get("HAProxy")
        for name, (speed, more) in figures.items():
            of_theirs = f"{speed / theirs[0]:.2f}" if theirs else "-"
            rows.append((f"{way}, {name}", f"{speed:,.0f}", of_theirs, f"{more:.1f}"))
    head = (f"{options.mebibytes} MiB", "MiB/s", "of HAProxy", "more memory, MiB")
    return report.table(head, rows), found


def judged(found: dict[str, Rates], added: Added, carried: Carried) -> str:
    """Return the figures beside what they are held to. ``found``: requests a second, by kind of heads."""
    p50, p99, _ = added.get("orch", (None, None, None))
    bounds = [
        report.times(f"requests/s, {kind}", wanted, rates.get("orch"), rates.get(peer), peer)
        for kind, rates in found.items()
        for wanted, peer in ((1.3, "aiohttp"), (15, "FastAPI, httpx"))
    ]
    bounds += [
        report.under("added latency, p50", 0.5, p50, " ms"),
        report.under("added latency, p99", 3, p99, " ms"),
    ]
    for way, figures in carried.items():
        more = figures["orch"][1] if "orch" in figures else None
        bounds.append(report.under(f"more memory, {way}", 10, more, " MB"))
    return report.table(report.BOUNDS_HEAD, [bound.row() for bound in bounds])


def main() -> None:
    """Measure, print, and write down if that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--mebibytes", type=int, default=1024)
    parser.add_argument("--only", nargs="+", choices=[each.name for each in PROXIES])
    parser.add_argument("--write", action="store_true", help="put the figures into benchmarks/RESULTS.md")
    options = parser.parse_args()
    if missing := programs_needed():
        raise SystemExit(f"These programs are missing: {', '.join(missing)}.")
    busy = os.getloadavg()[0]
    chosen = tuple(each for each in PROXIES if options.only is None or each.name in options.only)
    requests, rates = measure_requests(chosen, options, traced=False)
    print(requests, flush=True)
    traced, traced_rates = measure_requests(chosen, options, traced=True)
    print(f"\n{traced}", flush=True)
    latency, added = measure_latency(chosen, options)
    print(f"\n{latency}", flush=True)
    bodies, carried = measure_bodies(chosen, options)
    verdicts = judged({"same head": rates, "own traceparent": traced_rates}, added, carried)
    print(f"\n{bodies}\n\n{verdicts}")
    if options.write:
        about = report.machine(busy, [each.version() for each in chosen])
        about += f" {options.connections} connections, {options.rounds} turns of {options.seconds:g} s."
        report.write(f"Gateway: `{report.command()}`", [about, requests, traced, latency, bodies, verdicts])


if __name__ == "__main__":
    main()

"""Two workers of the gateway beside one, with the same load, in turns.

    python benchmarks/workers.py [--seconds 3] [--rounds 5] [--connections 64] [--write]

`orch serve` on Redis in front of nginx with 15 bytes of JSON, asked by wrk with the same head each time. The
workers get cores of their own where there are four; where there are fewer, wrk and nginx take their share of
the same cores, and two workers cannot be twice as fast. So the processor time of a request counts, too: with
a core for each, the workers are as many times faster as they are more, divided by what a request costs more.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections import defaultdict
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peers import report
from benchmarks.peers.proxies.contenders import ORCH, Proxy, cores_of, programs_needed, proxy, small_back_end
from benchmarks.peers.proxies.loads import hammered
from benchmarks.peers.servers import redis

PATH: Final = "/api/audio/health"
COUNTS: Final = (1, 2)
WANTED: Final = 1.7


def _service(workers: int, url: str) -> Proxy:
    """Return the service with so many workers."""
    settings = ORCH.replace("orchestration:", f"orchestration:\n  frontend: {{{{workers: {workers}}}}}", 1)
    settings += f'session_management: {{{{persistence: redis, redis_url: "{url}"}}}}\n'
    argv = (sys.executable, "-m", "orch", "serve", "--port", "{port}", "--config", "{config}")
    return Proxy(f"{workers} workers", argv, settings)


def main() -> None:
    """Measure, print, and write the figures where that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--write", action="store_true", help="put the figures into benchmarks/RESULTS.md")
    options = parser.parse_args()
    missing = [*programs_needed(), *(["redis-server"] if shutil.which("redis-server") is None else [])]
    if missing:
        raise SystemExit(f"These programs are missing: {', '.join(missing)}.")
    busy = os.getloadavg()[0]
    ours, others = cores_of(max(COUNTS))
    rates: dict[int, list[float]] = defaultdict(list)
    costs: dict[int, list[float]] = defaultdict(list)
    with (
        tempfile.TemporaryDirectory(prefix="orch-bench-") as folder,
        redis(Path(folder)) as url,
        small_back_end(on=others) as back,
    ):
        for _ in range(options.rounds):
            for count in COUNTS:
                with proxy(_service(count, url), back.port, on=ours) as running:
                    ask = partial(hammered, running.port, PATH, connections=options.connections, on=others)
                    ask(seconds=1)
                    before = running.seconds()
                    turn = ask(seconds=options.seconds)
                    rates[count].append(turn.rate)
                    costs[count].append((running.seconds() - before) / (turn.rate * options.seconds) * 1e6)
    one, two = (median(rates[count]) for count in COUNTS)
    cost, cost_of_two = (median(costs[count]) for count in COUNTS)
    rows = [
        (f"{count} worker{'s' * (count > 1)}", f"{median(rates[count]):,.0f}", f"{median(costs[count]):.0f}")
        for count in COUNTS
    ]
    found = report.table(("", "requests/s", "processor µs/request"), rows)
    bounds = [
        report.times(
            "requests/s, with a core each (by processor time)", WANTED, 2 * cost, cost_of_two, "one"
        ),
        report.times(f"requests/s, on cores {ours} with the load", WANTED, two, one, "one"),
    ]
    verdicts = report.table(report.BOUNDS_HEAD, [bound.row() for bound in bounds])
    print(f"{found}\n\n{verdicts}")
    if options.write:
        about = report.machine(busy, [])
        about += f" {options.connections} connections, {options.rounds} turns of {options.seconds:g} s."
        report.write(f"Workers: `{report.command()}`", [about, found, verdicts])


if __name__ == "__main__":
    main()

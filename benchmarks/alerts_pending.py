"""How many scrapes after a fault its alert is pending, with the committed rules and intervals.

    python benchmarks/alerts_pending.py [--rounds 3] [--write]

A running service is scraped by a real Prometheus every 15 s, as `monitoring/prometheus/prometheus.yml` says,
and the rules are the committed ones. All faults are injected at once, at a random time between two scrapes;
for each, the scrapes of the service are counted that began after it, up to the evaluation by which its alert
is pending. One is the least that is possible. A round takes about a minute.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from msgspec import Struct

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peers import report
from tests.fakes.waiting import wait_until
from tests.monitoring.live.faults import SERVICE, Fault
from tests.monitoring.live.world import World, world
from tests.monitoring.rule_files import configuration

EVERY: Final = int(configuration()["global"]["scrape_interval"].removesuffix("s"))
#: By fault: what the service notices within a second, and what it exports at once.
ALERTS: Final = {
    "all instances of a back end end": "BackendAllInstancesDown",
    "more connections than the limit": "ConnectionsNearLimit",
    "the settings are broken": "ConfigReloadFailed",
}


class Pending(Struct, frozen=True):
    """Seconds and scrapes from a fault until its alert was pending; ``phase``: seconds since a scrape."""

    alert: str
    seconds: float
    scrapes: int
    phase: float


def scraped_at(running: World) -> list[float]:
    """Return when the service was scraped in the last minutes: seconds since the epoch."""
    found: list[Any] = running.watch.query('up{job="orchestration"}[5m]')
    return [float(at) for at, _ in found[0]["values"]] if found else []


def measure(running: World, faults: Sequence[Fault]) -> list[Pending]:
    """Inject the faults, heal them once their alerts are pending, and return when these were."""
    names = [ALERTS[fault.name] for fault in faults]
    wait_until(lambda: not running.watch.look().keys() & set(names), "no alert is left", every=0.5)
    time.sleep(random.uniform(0, EVERY))
    began = {}
    for fault in faults:
        fault.inject(running)
        began[ALERTS[fault.name]] = time.time()
    try:
        wait_until(lambda: set(names) <= running.watch.look().keys(), "all alerts are pending", every=0.25)
    except AssertionError:
        print("not pending:", *sorted(set(names) - running.watch.look().keys()), flush=True)
        raise
    active = {name: running.watch.active_since(name) for name in names}
    scrapes = scraped_at(running)
    for fault in faults:
        fault.heal(running)
    return [
        Pending(
            name,
            active[name] - began[name],
            sum(began[name] < at <= active[name] for at in scrapes),
            began[name] - max(at for at in scrapes if at <= began[name]),
        )
        for name in names
    ]


def main() -> None:
    """Measure, print, and write the results if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="replace the section in RESULTS.md")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    found: list[Pending] = []
    faults = [fault for fault in SERVICE if fault.name in ALERTS]
    with tempfile.TemporaryDirectory() as folder, world(Path(folder), every=EVERY, shortens=False) as running:
        wait_until(lambda: len(scraped_at(running)) > 1, "the service is scraped", every=0.5)
        for _ in range(options.rounds):
            for each in measure(running, faults):
                print(each, flush=True)
                found.append(each)
    rows = []
    for name in ALERTS.values():
        mine = [each for each in found if each.alert == name]
        counts = [each.scrapes for each in mine]
        seconds = [each.seconds for each in mine]
        shown = ", ".join(f"{counts.count(count)} × {count}" for count in sorted(set(counts)))
        rows.append((name, shown, f"{median(seconds):.1f}", f"{max(seconds):.1f}"))
    head = ("alert", f"scrapes (each {EVERY} s)", "s, median", "s, most")
    one = sum(each.scrapes <= 1 for each in found)
    text = f"{one} of {len(found)} were pending after one scrape."
    parts = [report.machine(busy, [f"a scrape each {EVERY} s"]), report.table(head, rows), text]
    print("\n\n".join(parts))
    if options.write:
        report.write("Fault to pending: `python benchmarks/alerts_pending.py --write`", parts)


if __name__ == "__main__":
    main()

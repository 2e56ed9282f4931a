"""Which alerts are seen pending, firing and resolving on a running service with the fault injected.

    python benchmarks/alerts_seen.py [--write] [--only ALERT ...]

It runs ``orch serve`` with back ends, Redis, PostgreSQL, Debian's exporters, Prometheus and Alertmanager,
and the committed rules, in which minutes are seconds (``tests/monitoring/live/watching.py``). It injects
each fault of ``tests/monitoring/live``, and with ``--write`` writes what was seen into
``benchmarks/RESULTS-alerts.md``.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.monitoring.live.faults import SERVICE, Fault
from tests.monitoring.live.seeing import Sight, see
from tests.monitoring.live.stack_faults import Stack
from tests.monitoring.live.watching import LIMITS
from tests.monitoring.live.world import World, world
from tests.monitoring.rule_files import alerts

RESULTS: Final = Path(__file__).with_name("RESULTS-alerts.md")


PAGE: Final = """\
# Alerts seen on a running service

Made with `python benchmarks/alerts_seen.py`: a real Prometheus and Alertmanager against a running
service, with each fault injected. *Seen* means: pending (where the alert waits), firing, received by
Alertmanager, and resolved after the fault had ended. Minutes of the rules are seconds here. Limits are the
committed ones, except some that nobody waits for: {limits}.

{seen} of {all} alerts were seen. Seconds are from the fault until the alert fired, and from the fault's end
until it resolved.

| alert | fault | fired | resolved |
|---|---|---|---|
{rows}

promtool alone proves the others (`tests/monitoring/cases`): {others}.
"""


def looked_at(running: World, faults: Iterable[Fault], only: Sequence[str]) -> Iterator[Sight]:
    """Inject the faults one after the other."""
    for fault in faults:
        if only and not set(only) & set(fault.alerts):
            continue
        try:
            sights = see(running, fault)
        except (AssertionError, OSError) as error:
            print(f"{fault.name}: {error!r}", flush=True)
            continue
        for sight in sights:
            print(sight, flush=True)
            yield sight


def table(sights: Sequence[Sight]) -> str:
    """Return the results as a page."""
    seen = {sight.alert: sight for sight in sights if sight.is_whole}
    rows = [
        f"| {rule.name} | {sight.fault} | {sight.fired:.1f} | {sight.resolved:.1f} |"
        for rule in alerts()
        if (sight := seen.get(rule.name)) and sight.fired is not None and sight.resolved is not None
    ]
    others = ", ".join(rule.name for rule in alerts() if rule.name not in seen)
    limits = ", ".join(f"{name} `{old}` as `{new}`" for name, (old, new) in LIMITS.items() if name in seen)
    return PAGE.format(seen=len(rows), all=len(alerts()), limits=limits, rows="\n".join(rows), others=others)


def main() -> int:
    """Look at all faults."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="write RESULTS-alerts.md")
    parser.add_argument("--only", nargs="*", default=[], help="names of alerts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # PostgreSQL does not run as root, and must reach its folder.
        Path(folder).chmod(0o755)
        with world(Path(folder)) as running:
            sights = list(looked_at(running, SERVICE, options.only))
            sights += looked_at(running, Stack(running).faults(), options.only)
    if options.write:
        RESULTS.write_text(table(sights), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Which alerts are seen pending, firing and resolving on a running service with the fault injected.

    python benchmarks/alerts_seen.py [--write] [--only ALERT ...] [--every 1]

It runs ``orch serve`` with back ends, Redis, PostgreSQL, Debian's exporters, bots in Chromium, Prometheus and
Alertmanager, and the committed rules, in which minutes are seconds (``tests/monitoring/live/watching.py``).
It injects each fault of ``tests/monitoring/live``. With ``--write`` the alerts that it looked at are replaced
in ``benchmarks/RESULTS-alerts.md`` after each fault, and the column *seen* of ``docs/runbooks/README.md`` is
renewed. ``--every 3`` is for a machine on which a scrape may take longer than a second: all ranges and times
are three times as long.

Exit code 1: an alert was not seen.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import alerts_results
from tests.monitoring.live.all_faults import AllFaults
from tests.monitoring.live.faults import Fault
from tests.monitoring.live.seeing import Sight, see
from tests.monitoring.live.watching import LIMITS
from tests.monitoring.live.world import World, world
from tests.monitoring.rule_files import alerts

ROOT: Final = Path(__file__).resolve().parents[1]
RESULTS: Final = Path(__file__).with_name("RESULTS-alerts.md")
INDEX: Final = ROOT / "docs" / "runbooks" / "README.md"


def looked_at(running: World, faults: Iterable[Fault]) -> Iterator[Sequence[Sight]]:
    """Inject the faults one after the other. If one cannot be, the error is printed."""
    for fault in faults:
        try:
            sights = see(running, fault)
        except Exception:  # noqa: BLE001 - the other faults are looked at, whatever is wrong with this one
            traceback.print_exc()
            running.calm()
            sights = [Sight(name, fault.name) for name in fault.alerts]
        for sight in sights:
            print(sight, flush=True)
        yield sights


def row(sight: Sight, every: int, day: str, commit: str) -> alerts_results.Row:
    """Return what was seen as a row."""
    pending = "-" if sight.pended is None else f"{sight.pended:.1f}"
    fired, resolved = f"{sight.fired:.1f}", f"{sight.resolved:.1f}"
    return alerts_results.Row(sight.alert, sight.fault, f"{every} s", pending, fired, resolved, day, commit)


def write(sights: Sequence[Sight], every: int) -> None:
    """Merge what was seen into the results and the index of runbooks."""
    commit = _said("git", "rev-parse", "--short=8", "HEAD")
    changed = [
        line for line in _said("git", "status", "--porcelain").splitlines() if not line.endswith(".md")
    ]
    commit += "+" if changed else ""
    day = time.strftime("%Y-%m-%d")
    known = [rule.name for rule in alerts()]
    rows = alerts_results.merged(
        alerts_results.read(RESULTS.read_text(encoding="utf-8")),
        [row(sight, every, day, commit) for sight in sights if sight.is_whole],
        looked_at={sight.alert for sight in sights},
        known=known,
    )
    RESULTS.write_text(alerts_results.page(rows, known=known, limits=LIMITS), encoding="utf-8")
    INDEX.write_text(alerts_results.index(INDEX.read_text(encoding="utf-8"), rows), encoding="utf-8")


def _said(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def main() -> int:
    """Look at all faults."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="merge into RESULTS-alerts.md")
    parser.add_argument("--only", nargs="*", default=[], help="names of alerts")
    parser.add_argument("--every", type=int, default=1, help="seconds between scrapes")
    options = parser.parse_args()
    if unknown := set(options.only) - {rule.name for rule in alerts()}:
        parser.error(f"no such alerts: {', '.join(sorted(unknown))}")
    sights: list[Sight] = []
    with tempfile.TemporaryDirectory() as folder:
        # PostgreSQL does not run as root, and must reach its folder.
        Path(folder).chmod(0o755)
        with world(Path(folder), every=options.every) as running:
            for seen in looked_at(running, AllFaults(running).wanted(frozenset(options.only))):
                sights += seen
                if options.write:
                    write(seen, options.every)
    missed = [sight.alert for sight in sights if not sight.is_whole]
    print(f"{len(sights) - len(missed)} of {len(sights)} alerts seen; not: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

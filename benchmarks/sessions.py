"""What sessions cost: made, looked up, and kept in memory, with each engine that can keep them.

    python benchmarks/sessions.py [--count 10000] [--kept 50000] [--write]

The hub runs inside its tree in a process of its own, without a front; it is asked for 100 sessions at a time.
A session counts as made once it is on disk, or in Redis. `redis-server` is started by the benchmark, and
appends to its file; where it is not installed there are no figures of it.
"""

import argparse
import gc
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import trio

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peers import report
from benchmarks.peers.servers import ROOT, Process, redis
from orch.settings.live import LiveSettings
from orch.telemetry.events import EventLog
from orch.telemetry.logs import configure
from orch.tree import running
from orch.wiring.build import build

AT_ONCE: Final = 100
PADDING: Final = "x" * 1000
"""What makes a session's ``config`` a kilobyte."""
LIMIT: Final = 300.0
"""Seconds that one engine may take in all."""
FLOORS: Final = {"embedded": (1.0, 0.1), "Redis": (3.0, 2.0)}
"""Seconds for 10,000 sessions made and looked up."""
MEMORY: Final = 200.0
"""Megabytes for 50,000 sessions of 1 KB."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one engine: seconds for ``count`` made and looked up, bytes of its process with ``kept`` more."""

    engine: str
    count: int
    kept: int
    made: float
    looked_up: float
    rss: int
    before: int

    def row(self) -> tuple[str, ...]:
        """Return the line of the table."""
        return (
            self.engine,
            f"{self.made:.2f}",
            f"{self.looked_up:.3f}",
            f"{self.rss / 1e6:.0f}",
            f"{(self.rss - self.before) / (self.count + self.kept):.0f}",
        )


async def each(work: Callable[[str], Awaitable[Any]], names: Iterable[str]) -> float:
    """Do something for all names, so many at once; return the seconds."""
    left = iter(names)
    began = time.monotonic()

    async def some() -> None:
        for name in left:
            await work(name)

    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE):
            nursery.start_soon(some)
    return time.monotonic() - began


async def measure(engine: str, overlay: dict[str, Any], count: int, kept: int) -> Figures:
    """Measure one engine in this process."""
    events = EventLog(wall=time.time)
    overlay |= {"orchestration.monitoring.enabled": False}
    configuration = LiveSettings(
        ROOT / "config" / "orchestration.yaml", {}, events=events, wall=time.time, overlay=overlay
    )
    configure("WARNING")
    parts = build(configuration, events, {})
    async with running(parts, None) as tree:
        await each(parts.hub.create_session, (f"warm-up-{n}" for n in range(AT_ONCE)))
        gc.collect()
        before = Process(os.getpid()).rss()
        names = [f"session-{number}" for number in range(count)]
        made = await each(parts.hub.create_session, names)
        looked_up = await each(parts.hub.get_session, names)
        config = {"padding": PADDING}
        await each(
            lambda name: parts.hub.create_session(name, config), (f"kept-{number}" for number in range(kept))
        )
        gc.collect()
        gc.collect()
        rss = Process(os.getpid()).rss()
        tree.stop("measured")
    return Figures(engine, count, kept, made, looked_up, rss, before)


def in_a_process(engine: str, url: str | None, options: argparse.Namespace) -> Figures:
    """Measure one engine in a process, and a folder, of its own."""
    with tempfile.TemporaryDirectory(prefix="orch-bench-") as folder:
        argv = [sys.executable, __file__, "--engine", engine, *([] if url is None else ["--url", url])]
        argv += ["--count", str(options.count), "--kept", str(options.kept)]
        done = subprocess.run(argv, cwd=folder, stdout=subprocess.PIPE, check=True, timeout=LIMIT)
    return msgspec.json.decode(done.stdout, type=Figures)


def bounds(results: list[Figures]) -> list[report.Bound]:
    """Hold each engine to what it promises; other numbers than 10,000 and 50,000 are held to their share."""
    held = []
    for figures in results:
        made, looked_up = FLOORS[figures.engine]
        share = figures.count / 10_000
        name = f"{figures.count:,} sessions, {figures.engine}"
        held.append(report.under(f"{name}: made", made * share, figures.made, " s"))
        held.append(report.under(f"{name}: looked up", looked_up * share, figures.looked_up, " s"))
        what = f"{figures.kept:,} sessions of 1 KB, {figures.engine}"
        held.append(report.under(what, MEMORY, figures.rss / 1e6, " MB"))
    return held


def compare(options: argparse.Namespace) -> None:
    """Measure each engine, tell, and write down where asked to."""
    busy = os.getloadavg()[0]
    results = [in_a_process("embedded", None, options)]
    if shutil.which("redis-server") is not None:
        with tempfile.TemporaryDirectory(prefix="orch-bench-") as folder, redis(Path(folder)) as url:
            results.append(in_a_process("Redis", url, options))
    else:
        print("redis-server is not installed: the embedded engine alone.")
    head = (
        "",
        f"{options.count:,} made, s",
        "looked up, s",
        f"{options.kept:,} of 1 KB, MB",
        "bytes/session",
    )
    told = [report.table(head, [figures.row() for figures in results])]
    told += [report.table(report.BOUNDS_HEAD, [bound.row() for bound in bounds(results)])]
    print("\n\n".join(told))
    if options.write:
        about = report.machine(busy, [f"trio {trio.__version__}"])
        report.write(f"Sessions: `{report.command()}`", [about, *told])


def main() -> None:
    """Compare the engines, or be the process that measures one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000, help="sessions made and looked up")
    parser.add_argument("--kept", type=int, default=50_000, help="sessions of 1 KB in memory")
    parser.add_argument("--write", action="store_true", help="put the figures into benchmarks/RESULTS.md")
    parser.add_argument("--engine", choices=list(FLOORS), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.engine is None:
        compare(options)
        return
    overlay = {}
    if options.url is not None:
        overlay = {
            "session_management.persistence": "redis",
            "session_management.redis_url": options.url,
        }
    figures = trio.run(measure, options.engine, overlay, options.count, options.kept)
    sys.stdout.buffer.write(msgspec.json.encode(figures))


if __name__ == "__main__":
    main()

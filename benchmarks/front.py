"""HTTP: our front beside uvicorn and Hypercorn with one application, and beside Node, in one run.

    python benchmarks/front.py [--connections 64] [--seconds 3] [--write]

Each server answers with 15 bytes of JSON on kept connections, one request at a time on each; it is a process
of its own with one thread, and so is the client. The client asks the same to the byte, as probes and whoever
polls do (our front remembers a connection's last head), and then another query each time. `orch serve`
answers `/livez` through its pages, which its users get and the others have no like of. Servers take turns,
and the best of the turns counts: on a busy machine the others say more about what else it did.
"""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peers import report
from benchmarks.peers.servers import (
    CONTENDERS,
    ROOT,
    Contender,
    Process,
    Server,
    chosen,
    install_node_peers,
    serving,
)
from benchmarks.peers.use import Use, quantile, used_by

HEAD: Final = (
    "",
    "asked",
    "requests/s",
    "p50 ms",
    "p99 ms",
    "server µs/request",
    "limit (server %, client %)",
)
WAYS: Final = ("the same", "another")
ANSWERING: Final = tuple(contender for contender in CONTENDERS if contender.answers is not None)


@dataclass(slots=True)
class Figures:
    """Of one server, asked in one way: its best turn."""

    contender: Contender
    how: str
    rate: float = 0.0
    taken: list[float] = field(default_factory=list)
    cost: float = 0.0
    use: Use | None = None

    def row(self) -> tuple[str, ...]:
        """Return the line of the table."""
        return (
            self.contender.name,
            self.how,
            f"{self.rate:,.0f}",
            f"{quantile(self.taken, 0.5) * 1000:.2f}",
            f"{quantile(self.taken, 0.99) * 1000:.2f}",
            f"{self.cost * 1e6:.0f}",
            str(self.use),
        )


def ask(server: Server, path: str, how: str, options: argparse.Namespace) -> tuple[dict[str, Any], Use]:
    """Have a client process ask for so long."""
    argv = ["-m", "benchmarks.peers.http_load", str(server.port), path]
    argv += [str(options.connections), str(options.seconds), how]
    with subprocess.Popen([sys.executable, *argv], cwd=ROOT, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None  # noqa: S101 - a pipe was asked for
            child.stdout.readline()  # it has connected
            with used_by(server, [Process(child.pid)]) as used:
                child.stdout.readline()  # it has asked
            answer = child.stdout.read()
            child.wait(timeout=60)
        finally:
            child.kill()
    if child.returncode:
        raise SystemExit("The client has failed.")
    return msgspec.json.decode(answer), used[0]


def take_turns(contenders: tuple[Contender, ...], options: argparse.Namespace) -> list[Figures]:
    """Measure each server several times, in turn."""
    results = [Figures(contender, how) for contender in contenders for how in WAYS]
    for turn in range(options.turns):
        for figures in results:
            contender = figures.contender
            print(f"{contender.name}, asked {figures.how}, turn {turn + 1}", flush=True)
            with serving(contender, connections=options.connections, heartbeat=25) as server:
                answer, use = ask(server, contender.answers or "/", figures.how, options)
            rate = answer["answers"] / answer["seconds"]
            if rate > figures.rate:
                figures.rate, figures.taken, figures.use = rate, answer["taken"], use
                figures.cost = use.server * use.seconds / answer["asked"]
    return results


def bounds(results: list[Figures]) -> list[report.Bound]:
    """Hold our front to what it promises."""
    rates = {(figures.contender.name, figures.how): figures.rate for figures in results}
    costs = {(figures.contender.name, figures.how): figures.cost for figures in results}
    held = []
    for how in WAYS:
        ours, peer = ("our front", how), ("uvicorn", how)
        what = f"requests/s, asked {how}"
        held += [
            report.times(what, 0.9, rates.get(ours), rates.get(peer), "uvicorn with httptools"),
            report.times(what, 8, rates.get(ours), rates.get(("Hypercorn, Trio", how)), "Hypercorn"),
            report.at_most_times(
                f"processor of a request, asked {how}",
                1 / 0.9,
                costs.get(ours),
                costs.get(peer),
                "uvicorn",
            ),
        ]
    return held


def main() -> None:
    """Measure, tell, and write down where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", action="append", metavar="NAME", help="measure this one; may be repeated")
    parser.add_argument("--write", action="store_true", help="put the figures into benchmarks/RESULTS.md")
    options = parser.parse_args()
    contenders = chosen(options.only, ANSWERING)
    if any(contender.is_node for contender in contenders):
        install_node_peers()
    busy, began = os.getloadavg()[0], time.monotonic()
    results = take_turns(contenders, options)
    told = [report.table(HEAD, [figures.row() for figures in results])]
    told += [report.table(report.BOUNDS_HEAD, [bound.row() for bound in bounds(results)])]
    print("\n" + "\n\n".join(told))
    print(f"\n{options.connections} connections, {time.monotonic() - began:.0f} s in all")
    if options.write:
        about = report.machine(busy, [contender.versions() for contender in contenders])
        report.write(f"HTTP: `{report.command()}`", [f"{about} {options.connections} connections.", *told])


if __name__ == "__main__":
    main()

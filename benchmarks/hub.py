"""Connections, broadcasts and echoes: the service beside its peers, one after the other in one run.

    python benchmarks/hub.py [--connections 10000] [--only NAME …] [--write]

Every server is a process of its own with one thread that serves, started anew for each of two runs:

- 100 connections, each sending 64 bytes and waiting until they have come back;
- so many connections that come, join one session and stay: how fast they come, what each costs in memory
  once garbage was collected twice, how fast one of them reaches all with 250 bytes, and what they cost while
  nothing is said but heartbeats.

`orch serve` is the service as a whole, with history on disk and presence. `our front` is its HTTP and
WebSocket server alone, with the same bare ASGI application that uvicorn and Hypercorn serve. Clients are bare
sockets in processes of their own; for each figure it is said whose processor was the limit. Absolute figures
of a small or busy machine mean little: read the ratios.
"""

import argparse
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peers import report
from benchmarks.peers.clients import ClientError, Clients, clients
from benchmarks.peers.servers import (
    CONTENDERS,
    Contender,
    Server,
    chosen,
    install_node_peers,
    raise_descriptor_limit,
    serving,
)
from benchmarks.peers.use import Use, quantile

ECHO_CONNECTIONS: Final = 100
WARM_UP: Final = 50
MESSAGE: Final = "x" * 250
QUIET: Final = 1.0
HEAD: Final = (
    "",
    "KB/connection",
    "handshakes/s",
    "joins/s",
    "deliveries/s",
    "p99 ms",
    "idle CPU %",
    "heartbeats each",
    "echoes/s",
    "p99 ms",
)
COSTS: Final = ("", "handshake", "join", "delivery", "echo")


@dataclass(slots=True)
class Figures:
    """What was measured of one server. None: it could not be, and ``failures`` says why."""

    contender: Contender
    memory: float | None = None
    handshakes: float | None = None
    joins: float | None = None
    deliveries: float | None = None
    delivery_p99: float | None = None
    idle: float | None = None
    beats: float | None = None
    echoes: float | None = None
    echo_p99: float | None = None
    uses: dict[str, tuple[Use, int]] = field(default_factory=dict)
    """What each of :data:`COSTS` used, and how many of it there were."""
    failures: list[str] = field(default_factory=list)

    def row(self) -> tuple[str, ...]:
        """Return the line of the table."""
        return (
            self.contender.name,
            _shown(self.memory, 1 / 1024, 1),
            _shown(self.handshakes),
            _shown(self.joins),
            _shown(self.deliveries),
            _shown(self.delivery_p99, 1000, 0),
            _shown(self.idle, 100, 1),
            _shown(self.beats, 1, 2),
            _shown(self.echoes),
            _shown(self.echo_p99, 1000, 1),
        )

    def costs(self) -> tuple[str, ...]:
        """Return the line of the table of costs."""
        return (self.contender.name, *(self._told(name) for name in COSTS[1:]))

    def cost(self, name: str) -> float | None:
        """Return the seconds of the server's processor that one of :data:`COSTS` took."""
        if name not in self.uses:
            return None
        use, count = self.uses[name]
        return use.server * use.seconds / count

    def _told(self, name: str) -> str:
        cost = self.cost(name)
        return "-" if cost is None else f"{cost * 1e6:.0f} µs; {self.uses[name][0]}"


def _shown(value: float | None, factor: float = 1, digits: int = 0) -> str:
    return "-" if value is None else f"{value * factor:,.{digits}f}"


def measure(contender: Contender, options: argparse.Namespace) -> Figures:
    """Measure one server. What a server cannot do is a failure of its figures, and the run goes on."""
    figures = Figures(contender)
    for run in (measure_echo, measure_connections):
        print(f"{contender.name}: {run.__name__.removeprefix('measure_')}", flush=True)
        with (
            serving(contender, connections=options.connections, heartbeat=options.heartbeat) as server,
            clients(options.clients) as load,
        ):
            try:
                run(figures, server, load, options)
            except ClientError as error:
                figures.failures.append(f"{error} {server.last_words()}".strip())
                print(f"  failed: {figures.failures[-1]}", flush=True)
    return figures


def measure_echo(figures: Figures, server: Server, load: Clients, options: argparse.Namespace) -> None:
    """Send and wait, on 100 connections at once."""
    load.open(server, ECHO_CONNECTIONS, figures.contender.dialect)
    load.join("echo", ECHO_CONNECTIONS)
    load.tell("quiet", seconds=QUIET / 2)
    load.tell("echo", seconds=options.seconds / 5)
    with load.measured(server) as used:
        answers = load.tell("echo", seconds=options.seconds)
    taken = [seconds for answer in answers for seconds in answer["taken"]]
    figures.echoes = sum(len(answer["taken"]) / answer["seconds"] for answer in answers)
    figures.echo_p99 = quantile(taken, 0.99)
    figures.uses["echo"] = used[0], len(taken)


def measure_connections(figures: Figures, server: Server, load: Clients, options: argparse.Namespace) -> None:
    """Have all come, join, be told, and be silent."""
    count, dialect = options.connections, figures.contender.dialect
    load.open(server, WARM_UP, dialect)
    load.join("warm-up", WARM_UP)
    load.broadcast("warm-up", MESSAGE, WARM_UP)
    load.tell("close")
    server.collect()
    before = server.rss()

    with load.measured(server) as used:
        figures.handshakes = count / load.open(server, count, dialect)
    figures.uses["handshake"] = used[0], count
    with load.measured(server) as used:
        figures.joins = (count - 1) / load.join("everyone", count)
    figures.uses["join"] = used[0], count
    load.tell("quiet", seconds=QUIET)
    server.collect()
    figures.memory = (server.rss() - before) / count

    load.broadcast("everyone", MESSAGE, count)
    taken: list[float] = []
    seconds = 0.0
    with load.measured(server) as used:
        for _ in range(options.rounds):
            told = load.broadcast("everyone", MESSAGE, count)
            seconds += max(told)
            taken += told
    figures.deliveries = len(taken) / seconds
    figures.delivery_p99 = quantile(taken, 0.99)
    figures.uses["delivery"] = used[0], len(taken)

    load.tell("quiet", seconds=QUIET)
    answered = load.beats()
    with load.measured(server) as used:
        time.sleep(options.heartbeat)
    figures.idle = used[0].server
    figures.beats = (load.beats() - answered) / count


def bounds(results: list[Figures]) -> list[report.Bound]:
    """Hold the service to what it promises."""
    by_name = {figures.contender.name: figures for figures in results}
    nothing = Figures(CONTENDERS[0])
    ours = by_name.get("orch serve", nothing)
    front = by_name.get("our front", nothing)
    ws, uvicorn = by_name.get("ws", nothing), by_name.get("uvicorn", nothing)
    p99 = None if ours.delivery_p99 is None else ours.delivery_p99 * 1000
    idle = None if ours.idle is None else ours.idle * 100
    memory = None if ours.memory is None else ours.memory / 1024
    return [
        report.under("memory of an idle connection in a session", 8, memory, " KB"),
        report.at_most_times("memory, beside ws", 1, ours.memory, ws.memory, "ws"),
        report.times("deliveries/s", 1.2, ours.deliveries, ws.deliveries, "ws"),
        report.at_most_times(
            "processor of a delivery", 1 / 1.2, ours.cost("delivery"), ws.cost("delivery"), "ws"
        ),
        report.under("p99 of a delivery", 200, p99, " ms"),
        report.times("echoes/s through the hub", 1, ours.echoes, uvicorn.echoes, "uvicorn"),
        report.at_most_times("processor of an echo", 1, ours.cost("echo"), uvicorn.cost("echo"), "uvicorn"),
        report.times("echoes/s, same application", 1, front.echoes, uvicorn.echoes, "uvicorn"),
        report.under("idle processor with heartbeats", 10, idle, " %"),
        report.at_least("handshakes", 2000, ours.handshakes, "/s"),
    ]


def tables(results: list[Figures]) -> list[str]:
    """Return all that is to be told."""
    told = [report.table(HEAD, [figures.row() for figures in results])]
    told += [
        "What each took of the server's processor, and whose processor was the limit (server %, client %):"
    ]
    told += [report.table(COSTS, [figures.costs() for figures in results])]
    told += [report.table(report.BOUNDS_HEAD, [bound.row() for bound in bounds(results)])]
    told += [
        f"{figures.contender.name} failed: {failure}." for figures in results for failure in figures.failures
    ]
    return told


def main() -> None:
    """Measure, tell, and write down where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=1, help="client processes")
    parser.add_argument("--seconds", type=float, default=3, help="seconds of echoes")
    parser.add_argument("--rounds", type=int, default=10, help="messages to all")
    parser.add_argument("--heartbeat", type=float, default=25, help="seconds; as many are watched idle")
    parser.add_argument("--only", action="append", metavar="NAME", help="measure this one; may be repeated")
    parser.add_argument("--write", action="store_true", help="put the figures into benchmarks/RESULTS.md")
    options = parser.parse_args()
    contenders = chosen(options.only)
    if any(contender.is_node for contender in contenders):
        install_node_peers()
    raise_descriptor_limit(options.connections)
    busy, began = os.getloadavg()[0], time.monotonic()
    results = [measure(contender, options) for contender in contenders]
    told = tables(results)
    print("\n" + "\n\n".join(told))
    print(f"\n{options.connections:,} connections, {time.monotonic() - began:.0f} s in all")
    if options.write:
        versions = [contender.versions() for contender in contenders]
        about = f"{report.machine(busy, versions)} {options.connections:,} connections in one session."
        report.write(f"Hub: `{report.command()}`", [about, *told])


if __name__ == "__main__":
    main()

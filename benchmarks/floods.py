"""Other clients' pings beside sockets that send nothing but frames which say nothing.

    python benchmarks/floods.py [--seconds 5] [--server orch|hypercorn] [--against FOLDER] [--write]

A real `orch serve`; beside 0, 1 and 10 sockets that flood it (and connect anew at once when they are closed)
one client measures the round trip of a `ping` message every 20 ms. ``--against``: another checkout, measured
first with the same clients, to see what a change has done. Read the 99th percentile; with a core for the
clients and one for the service, the rest is the machine's.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import trio
from websockets.trio.client import connect

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.peers import report
from tests.fakes.service import service
from tests.fakes.wires import HANDSHAKE, masked

TEXT, PING, PONG = 1, 9, 10
EVERY = 0.02
FLOODS = {
    "pings": masked(PING, b"") * 10_000,
    "pongs": masked(PONG, b"") * 10_000,
    "empty fragments": masked(TEXT, b"", is_last=False) + masked(0, b"", is_last=False) * 10_000,
    "empty messages": masked(TEXT, b"") * 10_000,
    "tiny requests": b"OPTIONS /livez HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1_000,
    "one-byte chunks": b"POST /api/sessions/create HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1;x\r\n \r\n" * 5_000,
}


COUNTS = (0, 1, 10)


async def flood(port: int, wire: bytes) -> None:
    """Send it for ever, on one socket after the other."""
    while True:
        try:
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                if not wire[:1].isalpha():
                    await stream.send_all(HANDSHAKE.replace(b"host: x", b"host: localhost"))
                    await stream.receive_some(4096)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(drink, stream)
                    while True:
                        await stream.send_all(wire)
        except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            await trio.sleep(0.01)


async def drink(stream: trio.SocketStream) -> None:
    """Read what comes until it ends."""
    while await stream.receive_some(65_536):
        pass
    raise trio.BrokenResourceError


async def flood_all(port: int, kind: str, sockets: int) -> None:
    """Be all the flooding clients: in a process of their own."""
    async with trio.open_nursery() as nursery:
        for _ in range(sockets):
            nursery.start_soon(flood, port, FLOODS[kind])


@contextmanager
def flooding(port: int, kind: str, sockets: int) -> Iterator[None]:
    """Have the service flooded by another process for the block."""
    if not sockets:
        yield
        return
    process = subprocess.Popen([sys.executable, __file__, "--flood", kind, str(port), str(sockets)])
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def pings(url: str, seconds: float) -> list[float]:
    """Return the round trips of `ping` messages in so many seconds, in milliseconds."""
    found = []
    async with connect(url.replace("http", "ws", 1) + "/ws", ping_interval=None) as client:
        await client.recv()
        until = trio.current_time() + seconds
        while trio.current_time() < until:
            begun = perf_counter()
            await client.send('{"type":"ping"}')
            while json.loads(await client.recv())["type"] != "pong":
                pass
            found.append(1000 * (perf_counter() - begun))
            await trio.sleep(EVERY)
    return found


async def measure(folder: Path | None, options: argparse.Namespace) -> dict[tuple[str, int], list[float]]:
    """Run one checkout's service; return the round trips beside each flood."""
    found = {}
    environ = {} if folder is None else {"PYTHONPATH": str(folder)}
    environ["ORCH_ORCHESTRATION__FRONTEND__SERVER"] = options.server
    with tempfile.TemporaryDirectory() as state:
        running = service("serve", Path(state), environ=environ)
        serving = await trio.to_thread.run_sync(running.__enter__)
        try:
            for kind in options.kinds:
                for sockets in COUNTS:
                    with flooding(serving.port, kind, sockets):
                        await trio.sleep(0.5)
                        found[kind, sockets] = sorted(await pings(serving.url, options.seconds))
        finally:
            await trio.to_thread.run_sync(running.__exit__, None, None, None)
    return found


async def compare(options: argparse.Namespace) -> None:
    """Measure, and print."""
    busy, versions = os.getloadavg()[0], [f"trio {version('trio')}"]
    checkouts = ([("before", options.against)] if options.against else []) + [("now", None)]
    rows = []
    for name, folder in checkouts:
        for (kind, sockets), trips in (await measure(folder, options)).items():
            p50, p99 = (trips[int(len(trips) * part)] for part in (0.5, 0.99))
            rows.append((name, kind, str(sockets), f"{p50:,.1f}", f"{p99:,.1f}", f"{trips[-1]:,.1f}"))
    told = report.table(("checkout", "flood of", "sockets", "ping p50, ms", "p99", "worst"), rows)
    print(told)
    if options.write:
        about = f"{report.machine(busy, versions)} {options.seconds:g} s each."
        report.write(f"Floods: `{report.command()}`", [about, told])


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--server", choices=("orch", "hypercorn"), default="orch")
    parser.add_argument("--against", type=Path, default=None)
    parser.add_argument("--kinds", nargs="*", choices=tuple(FLOODS), default=list(FLOODS))
    parser.add_argument("--write", action="store_true", help="put the figures into benchmarks/RESULTS.md")
    parser.add_argument("--flood", nargs=3, metavar=("KIND", "PORT", "SOCKETS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.flood:
        kind, port, sockets = options.flood
        trio.run(flood_all, int(port), kind, int(sockets))
    else:
        trio.run(compare, options)


if __name__ == "__main__":
    main()

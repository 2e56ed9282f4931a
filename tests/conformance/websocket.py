"""Runs the WebSocket cases of the Autobahn test suite against our front. `make conformance`.

    python tests/conformance/websocket.py [--cases 9.* 13.3.*] [--write]

kosoku (on PyPI) carries the case files and drives them over loopback; the front serves an application that
sends every message back. The process ends with 1 where a case does not pass that is not listed with its
reason in :data:`tests.conformance.verdicts.DEVIATIONS`, or where a case of ``websocket.tsv`` did not run.
``--write`` replaces that table by the results.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from subprocess import STDOUT
from typing import Any, Final

import msgspec
import trio

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from orch.front.server import Server  # noqa: E402 - found by the line above
from orch.front.websocket.limits import WebSocketLimits  # noqa: E402
from orch.front.websocket.small_frames import SmallFrameLimit  # noqa: E402
from tests.conformance import verdicts  # noqa: E402

TABLE: Final = Path(__file__).with_suffix(".tsv")
KOSOKU: Final = Path(sys.executable).with_name("kosoku")
PARALLEL: Final = 2
LIMIT: Final = 3600.0
"""Seconds for all cases; they take a few minutes on two quiet cores."""
MESSAGE_LIMIT: Final = 16 * 2**20
"""Bytes of the longest message of chapter 9. The service allows a megabyte."""
HEARTBEAT: Final = 3600.0
"""Seconds between our pings: kosoku ends a case at a ping that the case does not expect."""


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Send every message back."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] != "websocket.disconnect":
        message["type"] = "websocket.send"
        await send(message)


async def run_cases(cases: Sequence[str], folder: Path) -> dict[str, verdicts.Result]:
    """Serve, run ``cases`` (all where none are named) and return their results."""
    stopping = trio.Event()
    server = Server(
        echo,
        host="127.0.0.1",
        port=0,
        stopping=stopping,
        drain=trio.lowlevel.checkpoint,
        grace=lambda: 2.0,
        heartbeat=lambda: HEARTBEAT,
        deflate=True,
        deflate_from=0,  # kosoku cannot check uncompressed messages where compression was agreed on
        limits=WebSocketLimits(
            message=MESSAGE_LIMIT,
            small_frames=SmallFrameLimit(per_second=10**6, burst=10**9),  # chapters 9, 12: many fragments
        ),
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        command = [str(KOSOKU), "--outdir", str(folder), "--parallelism", str(PARALLEL)]
        for case in cases:
            command += ["--include", case]
        command.append(server.bound[0].replace("http", "ws", 1))
        with trio.fail_after(LIMIT):
            done = await trio.run_process(command, check=False, capture_stdout=True, stderr=STDOUT)
        stopping.set()
    index = folder / "index.json"
    if not index.exists():
        raise SystemExit(f"kosoku ended with {done.returncode} and no report:\n{done.stdout.decode()}")
    [reports] = msgspec.json.decode(index.read_bytes()).values()
    return {
        case: verdicts.Result(report["behavior"], report["behaviorClose"]) for case, report in reports.items()
    }


def main() -> int:
    """Run, print and compare; return the exit status."""
    parser = argparse.ArgumentParser(description="WebSocket conformance of our front")
    parser.add_argument("--cases", nargs="*", default=(), help="case numbers or patterns; all by default")
    parser.add_argument("--write", action="store_true", help=f"replace {TABLE.name} by the results")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = trio.run(run_cases, options.cases, Path(folder))
    expected = verdicts.read_table(TABLE.read_text()) if TABLE.exists() else {}
    if options.cases:
        expected = {case: result for case, result in expected.items() if case in found}
    print(f"kosoku {version('kosoku')}\nchapter\tcases\tpassed")
    print(*("\t".join(row) for row in verdicts.summary(found)), sep="\n")
    if options.write and not options.cases:
        TABLE.write_text(verdicts.write_table(found))
    faults = verdicts.faults(expected, found)
    print(*faults, sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

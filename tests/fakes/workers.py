"""A small service of several workers: parent and worker in one program, as ``orch serve`` is.

    python -m tests.fakes.workers COUNT SERVER

SERVER is what accepts connections, ``orch`` or ``hypercorn``.

Each worker answers every request with its place and process id. What goes wrong is told by files in the
working directory, which are looked for when a worker starts: ``broken`` has it end at once, ``stuck`` has it
block its event loop when it is asked to leave. With ``patient`` it waits for a client's first request as long
as it takes, so that a test machine that is late makes no difference.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
import trio

import orch.front.hypercorn.server
import orch.front.server
from orch.front.hypercorn.server import HypercornServer
from orch.front.listeners import listeners
from orch.front.server import Server
from orch.sockets import open_groups
from orch.supervision.restart_policy import RestartPolicy
from orch.telemetry.logs import configure
from orch.workers.lifeline import FLAG, Lifeline
from orch.workers.parent import Workers
from tests.fakes.service import RunningService

log = structlog.get_logger("worker")

GRACE: Final = 1.0
PATIENT: Final = 120.0
POLICY: Final = RestartPolicy(first=0.05, limit=3, window=60)


async def answer(place: int, restarts: int, scope: Any, receive: Any, send: Any) -> None:
    """Say who answers."""
    assert scope["type"] == "http"
    body = msgspec.json.encode({"worker": place, "pid": os.getpid(), "restarts": restarts})
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def work(lifeline: Lifeline, server: str, *, is_stuck: bool) -> None:
    """Serve as one worker until asked to leave or without a parent."""
    stopping = trio.Event()
    grace = GRACE
    if Path("patient").exists():
        grace = orch.front.server.FIRST_REQUEST = orch.front.hypercorn.server.FIRST_REQUEST = PATIENT  # type: ignore[misc]
    front = (HypercornServer if server == "hypercorn" else Server)(
        partial(answer, lifeline.place, lifeline.restarts),
        host="",
        port=0,
        stopping=stopping,
        drain=trio.lowlevel.checkpoint,
        grace=lambda: grace,
        listen=partial(listeners, lifeline.own, lifeline.of_others),
    )
    lifeline.watch(lambda _reason: stopping.set(), lambda: grace)
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async with trio.open_nursery() as obeying:
            obeying.start_soon(_end_with, stopping, signals)
            obeying.start_soon(lifeline.beat, lambda: False)
            async with trio.open_nursery() as nursery:
                await nursery.start(front.run)
                lifeline.ready(grace)
                await stopping.wait()
                if is_stuck:
                    time.sleep(60)  # noqa: ASYNC251 - an event loop that is stuck is what is tested
                lifeline.leaving(grace)
            obeying.cancel_scope.cancel()
    log.info("left")


async def _end_with(stopping: trio.Event, signals: Any) -> None:
    async for _ in signals:
        stopping.set()
        return


def main() -> int:
    """Be the parent, or the worker that the parent has started."""
    count, server, *inherited = sys.argv[1:]
    if inherited:
        assert inherited[0] == FLAG
        lifeline = Lifeline.inherit(inherited[1])
        configure("INFO", worker=lifeline.place)
        if Path("broken").exists():
            return 3
        trio.run(partial(work, lifeline, server, is_stuck=Path("stuck").exists()))
        return 0
    configure("INFO")
    groups = open_groups("127.0.0.1", 0, int(count))
    command = [sys.executable, *sys.orig_argv[1:]]
    grace = PATIENT if Path("patient").exists() else GRACE
    return trio.run(Workers(command, groups, grace=grace, policy=POLICY).run)


class RunningWorkers(RunningService):
    """The parent and what it has started; ``lines`` are the log lines of all of them."""

    def _ready(self) -> str:
        return str(self.wait_for_line("workers ready")["addresses"][0])

    def command(self, arguments: list[str]) -> list[str]:
        """Run this module."""
        return [sys.executable, "-m", "tests.fakes.workers", *arguments]

    def pids(self) -> dict[int, int]:
        """Return the process that was started last in each place."""
        return {line["worker"]: line["pid"] for line in self.lines if line.get("event") == "worker started"}


@contextmanager
def workers(count: int, folder: Path, *, server: str = "orch") -> Iterator[RunningWorkers]:
    """Run a service of ``count`` workers for the block; ``folder`` is its working directory."""
    running = RunningWorkers([str(count), server], folder, {})
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()
        else:
            running.ended()


if __name__ == "__main__":
    sys.exit(main())

"""A worker's side of the connection to its parent: inherited sockets, reports, and standard input.

The parent may be killed without having a chance to act, so a worker has to notice by itself. Its standard
input is a pipe that only the parent holds open; a thread waits there for the end, so that even a worker whose
event loop is stuck does not outlive its parent by more than its grace. (``PR_SET_PDEATHSIG`` fires when the
*thread* that started the child ends, and Trio starts processes from short-lived threads.)
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Never, Self

import msgspec
import structlog
import trio
from msgspec import Struct

from orch.sockets import open_own

log = structlog.get_logger("worker")

FLAG: Final = "--inherit"
"""The option of ``orch serve`` that makes it a worker. For the parent's use only."""
ORPHAN_MARGIN: Final = 2.0
"""Seconds after the grace period at which a worker without a parent exits in any case."""
INPUT: Final = 0
BEAT: Final = 3.0
"""Seconds between heartbeats, a fifth of the parent's time-out."""


class Inheritance(Struct, frozen=True):
    """What a worker inherits: its place, the listening sockets of all places, the pipe for reports.

    ``before``: how the previous worker of this place ended, unless it ended in order. ``restarts``: how many
    workers of this place did not.
    """

    place: int
    groups: tuple[tuple[int, ...], ...]
    report: int
    before: str = ""
    restarts: int = 0


class Report(Struct, frozen=True):
    """A line that a worker writes to its parent. ``grace``: seconds it may take to stop.

    ``state`` is ``waiting`` (for the store), ``ready``, ``alive`` or ``leaving``; others are ignored, since
    the parent may be older than the worker.
    """

    state: str
    grace: float = 0.0


def arguments(
    place: int,
    groups: Sequence[Sequence[socket.socket]],
    report: int,
    *,
    before: str = "",
    restarts: int = 0,
) -> list[str]:
    """Return the arguments that turn the parent's command line into that of a worker."""
    numbers = tuple(tuple(each.fileno() for each in group) for group in groups)
    return [FLAG, msgspec.json.encode(Inheritance(place, numbers, report, before, restarts)).decode()]


class Lifeline:
    """One worker's connection to its parent.

    ``place`` counts from 0. ``own`` and ``of_others`` are the shared listening sockets, ``at_own_port``
    that of this worker alone. ``before``: how the previous worker of this place ended, unless in order;
    ``restarts``: how many did not.
    """

    def __init__(
        self,
        place: int,
        own: tuple[socket.socket, ...],
        of_others: tuple[socket.socket, ...],
        report: int,
        *,
        before: str = "",
        restarts: int = 0,
    ) -> None:
        self.before = before
        self.restarts = restarts
        self.place = place
        self.own = own
        self.of_others = of_others
        self.at_own_port: tuple[socket.socket, ...] = ()
        self._report = report

    @classmethod
    def inherit(cls, text: str) -> Self:
        """Return the lifeline for ``text``, which the parent passed on the command line (:func:`arguments`).

        Error handling: ``msgspec.DecodeError`` and OSError if the text is not from a parent.
        """
        given = msgspec.json.decode(text, type=Inheritance)
        for number in (given.report, *(number for group in given.groups for number in group)):
            os.set_inheritable(number, False)  # noqa: FBT003 - the standard library's own signature
        groups = [tuple(_adopt(number) for number in group) for group in given.groups]
        of_others = (each for place, group in enumerate(groups) if place != given.place for each in group)
        os.set_blocking(given.report, False)
        own = groups[given.place]
        return cls(
            given.place,
            own,
            tuple(of_others),
            given.report,
            before=given.before,
            restarts=given.restarts,
        )

    def listen_at_own_port(self, port: int) -> None:
        """Listen at this worker's own port. If another program uses it, log that and go on."""
        try:
            self.at_own_port = (open_own(port),)
        except OSError as error:
            log.error("worker port not opened", port=port, reason=error.strerror)  # noqa: TRY400 - the reason is enough

    def ready(self, grace: float) -> None:
        """Report to the parent that this worker serves."""
        self._write(Report("ready", grace))

    def leaving(self, grace: float) -> None:
        """Report that this worker is stopping and how long that may take, and close its listening sockets."""
        self._write(Report("leaving", grace))
        for each in (*self.own, *self.of_others, *self.at_own_port):
            each.close()

    async def beat(self, awaits_store: Callable[[], bool]) -> Never:
        """Report every :data:`BEAT` seconds that the event loop responds, until cancelled."""
        while True:
            self._write(Report("waiting" if awaits_store() else "alive"))
            await trio.sleep(BEAT)

    def _write(self, report: Report) -> None:
        """Write one report. It is shorter than ``PIPE_BUF``, so the write is atomic."""
        try:
            os.write(self._report, msgspec.json.encode(report) + b"\n")
        except BrokenPipeError:
            log.warning(
                "parent process ended", report=report.state
            )  # the thread that reads standard input stops this worker
        except BlockingIOError:
            log.warning(
                "parent process does not read", report=report.state
            )  # the parent is suspended, and ends no worker meanwhile

    def watch(
        self,
        stop: Callable[[str], None],
        grace: Callable[[], float],
        on_served: Callable[[], None] = lambda: None,
    ) -> None:
        """Start a thread that calls ``stop`` when the parent has ended, and exits if that takes too long.

        ``on_served`` is called when the parent reports that another worker serves. Call this in the thread of
        the event loop; ``stop`` and ``on_served`` are called there.
        """
        token = trio.lowlevel.current_trio_token()

        def wait() -> None:
            try:
                while os.read(INPUT, 4096):
                    token.run_sync_soon(on_served)
                token.run_sync_soon(stop, "The parent of this worker has ended.")
            except trio.RunFinishedError:
                return
            time.sleep(grace() + ORPHAN_MARGIN)
            os._exit(1)

        threading.Thread(target=wait, name="lifeline", daemon=True).start()


def _adopt(number: int) -> socket.socket:
    """Return the socket of a descriptor; non-blocking, which all processes that share it see."""
    adopted = socket.socket(fileno=number)
    adopted.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    return adopted

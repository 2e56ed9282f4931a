"""A worker's end of what ties it to its parent: the sockets it was given, its reports, and its input.

The parent may be killed without having a chance to act, so a worker has to notice by itself. Its standard
input is a pipe that only the parent holds open; a thread waits there for the end, so that even a worker whose
event loop is stuck does not outlive its parent by more than its grace. (``PR_SET_PDEATHSIG`` fires when the
*thread* that started the child ends, and Trio starts processes from threads that come and go.)
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
"""Seconds beyond the grace after which a worker without a parent ends whatever it is doing."""
INPUT: Final = 0
BEAT: Final = 3.0
"""Seconds between beats, a fifth of what the parent waits for one."""


class Inheritance(Struct, frozen=True):
    """What the parent hands down: the place, the listening sockets of all places, where to report.

    ``before``: how the worker that was in this place has ended, where that was not in order.
    """

    place: int
    groups: tuple[tuple[int, ...], ...]
    report: int
    before: str = ""


class Report(Struct, frozen=True):
    """A line that a worker writes to its parent. ``grace``: seconds it may take to leave.

    ``state`` is ``waiting`` (for the store), ``ready``, ``alive`` or ``leaving``; others are passed over, as
    the parent may be older than the worker.
    """

    state: str
    grace: float = 0.0


def arguments(
    place: int, groups: Sequence[Sequence[socket.socket]], report: int, *, before: str = ""
) -> list[str]:
    """Return what is added to the parent's own command line to make it a worker's."""
    numbers = tuple(tuple(each.fileno() for each in group) for group in groups)
    return [FLAG, msgspec.json.encode(Inheritance(place, numbers, report, before)).decode()]


class Lifeline:
    """One worker's tie to its parent.

    ``place`` counts from 0. ``own`` and ``neighbours`` are listening for all workers; ``apart`` for this one.
    ``before``: how the worker that was here before has ended, where that was not in order.
    """

    def __init__(
        self,
        place: int,
        own: tuple[socket.socket, ...],
        neighbours: tuple[socket.socket, ...],
        report: int,
        *,
        before: str = "",
    ) -> None:
        self.before = before
        self.place = place
        self.own = own
        self.neighbours = neighbours
        self.apart: tuple[socket.socket, ...] = ()
        self._report = report

    @classmethod
    def inherit(cls, text: str) -> Self:
        """Take over what the parent has handed down as ``text`` (:func:`arguments`).

        Error handling: ``msgspec.DecodeError`` and OSError where someone else has made it up.
        """
        given = msgspec.json.decode(text, type=Inheritance)
        for number in (given.report, *(number for group in given.groups for number in group)):
            os.set_inheritable(number, False)  # noqa: FBT003 - the standard library's own signature
        groups = [tuple(_adopt(number) for number in group) for group in given.groups]
        neighbours = (each for place, group in enumerate(groups) if place != given.place for each in group)
        os.set_blocking(given.report, False)
        own = groups[given.place]
        return cls(given.place, own, tuple(neighbours), given.report, before=given.before)

    def listen_apart(self, port: int) -> None:
        """Listen at a port that is this worker's alone. Where another program has it, go on without."""
        try:
            self.apart = (open_own(port),)
        except OSError as error:
            log.error("worker port not opened", port=port, reason=error.strerror)  # noqa: TRY400 - it says all

    def ready(self, grace: float) -> None:
        """Tell the parent that this worker serves."""
        self._tell(Report("ready", grace))

    def leaving(self, grace: float) -> None:
        """Tell the parent that this worker has begun to leave, and how long it may take; listen no more."""
        self._tell(Report("leaving", grace))
        for each in (*self.own, *self.neighbours, *self.apart):
            each.close()

    async def beat(self, awaits_store: Callable[[], bool]) -> Never:
        """Report every :data:`BEAT` seconds that the event loop goes round, until cancelled."""
        while True:
            self._tell(Report("waiting" if awaits_store() else "alive"))
            await trio.sleep(BEAT)

    def _tell(self, report: Report) -> None:
        """Write one report. It is shorter than ``PIPE_BUF``, so that it is written whole or not at all."""
        try:
            os.write(self._report, msgspec.json.encode(report) + b"\n")
        except BrokenPipeError:
            log.warning(
                "parent process ended", report=report.state
            )  # the watch on the input ends this worker
        except BlockingIOError:
            log.warning(
                "parent process does not read", report=report.state
            )  # it is stopped, and judges nobody

    def watch(
        self,
        stop: Callable[[str], None],
        grace: Callable[[], float],
        on_served: Callable[[], None] = lambda: None,
    ) -> None:
        """From now on, stop in order when the parent is gone; end at once where that does not help.

        ``on_served`` is called when the parent says that another worker serves. Call this in the event loop's
        thread; ``stop`` and ``on_served`` are called there.
        """
        token = trio.lowlevel.current_trio_token()

        def wait() -> None:
            try:
                while os.read(INPUT, 4096):
                    token.run_sync_soon(on_served)
                token.run_sync_soon(stop, "The parent of this worker is gone.")
            except trio.RunFinishedError:
                return
            time.sleep(grace() + ORPHAN_MARGIN)
            os._exit(1)

        threading.Thread(target=wait, name="lifeline", daemon=True).start()


def _adopt(number: int) -> socket.socket:
    """Return the socket of a descriptor; not blocking, which is a state that all its holders share."""
    adopted = socket.socket(fileno=number)
    adopted.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    return adopted

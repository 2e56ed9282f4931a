"""The parent of several worker processes: starts, watches, replaces and rolls them.

It serves no requests itself. It opens the listening sockets and holds them open for as long as the service
runs, so that no connection is refused or reset while workers are replaced (:mod:`orch.front.listeners`).
:class:`orch.workers.rolling.Fleet` decides; this module acts.

A worker is the parent's own command line with one more option. It reports on a pipe when it is ready and when
it stops; its standard input is a pipe that the parent holds open, whose end shows that the parent has ended
(:mod:`orch.workers.lifeline`). It has a session of its own, so that Ctrl-C reaches only the parent.
"""

import os
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, Never

import msgspec
import structlog
import trio

from orch.processes import exit_words, signal_group
from orch.shortages import in_words, own_shortage
from orch.sockets import addresses
from orch.supervision.restart_policy import RestartPolicy
from orch.telemetry.boundaries import Boundary
from orch.telemetry.events import EventLog
from orch.telemetry.pulse import Pulse
from orch.workers.lifeline import Report, arguments
from orch.workers.rolling import LEAVE_MARGIN, Action, AllServing, Finish, Fleet, Kill, Log, Start, Terminate

STANDSTILL: Final = 2.0
"""Lateness of a deadline in seconds above which this process counts as having been suspended."""
READ_FIRST: Final = 1.0
"""Seconds in which workers' reports are read after that."""
SHORTAGE_PAUSE: Final = 5.0
"""Seconds until the next attempt to start a worker, after this process was out of a resource."""

log = structlog.get_logger("workers")

POLICY: Final = RestartPolicy(first=0.1)
"""The other workers serve meanwhile, with less spare capacity: the first replacement comes soon."""
LONGEST_REPORT: Final = 4096
"""Bytes of one report; longer ones are not read any further."""


OpenProcess = Callable[..., Awaitable[trio.Process]]


class Workers:
    """The processes of one service. The mutable state is the process of each worker's number.

    ``command`` is the program, to which :func:`orch.workers.lifeline.arguments` are added; ``groups`` are the
    listening sockets of each place, closed when all workers are stopped. ``environ`` is added to the
    environment. ``on_hangup`` is called when the terminal is closed, which stops all; without it, SIGHUP
    replaces them. ``open_process`` starts a process, as Trio's does.
    """

    def __init__(
        self,
        command: Sequence[str],
        groups: Sequence[Sequence[socket.socket]],
        *,
        grace: float,
        policy: RestartPolicy = POLICY,
        environ: Mapping[str, str] | None = None,
        on_ready: Callable[[], None] = lambda: None,
        on_hangup: Callable[[], None] | None = None,
        scheme: str = "http",
        open_process: OpenProcess = trio.lowlevel.open_process,
    ) -> None:
        self._command = tuple(command)
        self._groups = tuple(tuple(group) for group in groups)
        self._addresses = addresses(self._groups[0], scheme=scheme)
        self._environ = {**os.environ, **(environ or {})}
        self._on_ready = on_ready
        self._on_hangup = on_hangup
        self._open_process = open_process
        self._fleet = Fleet(len(self._groups), policy=policy, grace=grace)
        self._processes: dict[int, trio.Process] = {}
        self._early: dict[int, signal.Signals] = {}
        self._starting = 0
        self._nursery: trio.Nursery
        self._changed = trio.Event()
        self._code = 1
        self._boundary = Boundary("reports of workers")
        self._last_ends: dict[int, str] = {}
        self._restarts: Counter[int] = Counter()
        self._pulse = Pulse(events=EventLog(wall=time.time), wall=time.time)
        self._pulse.on_gap = lambda _seconds: self._fleet.was_suspended(trio.current_time())

    async def run(self) -> int:
        """Keep the workers running until a signal or the policy ends them; return the exit code.

        SIGTERM and SIGINT stop all in order, a second one at once; SIGHUP replaces all, one at a time.

        Resource handling: when this returns or raises, every worker has ended and been waited for.
        """
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await nursery.start(self._handle_signals)
            await nursery.start(self._pulse.run)
            self._carry_out(self._fleet.begin(trio.current_time()))
            nursery.start_soon(self._handle_deadlines)
        log.info("stopped", code=self._code)
        return self._code

    async def _handle_deadlines(self) -> Never:
        while True:
            self._changed = trio.Event()
            due, began = self._fleet.next_at(), trio.current_time()
            with trio.move_on_at(due):
                await self._changed.wait()
            if self._pulse.was_stopped_since(began) or trio.current_time() - due > STANDSTILL:
                self._fleet.was_suspended(trio.current_time())
                # Suspended: reports that workers sent meanwhile are read before any deadline counts.
                await trio.sleep(READ_FIRST)
            self._carry_out(self._fleet.due(trio.current_time()))

    async def _handle_signals(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as received:
            task_status.started()
            has_hung_up = False
            async for number in received:
                name = signal.Signals(number).name
                log.info("signal received", signal=name, workers=repr(self._fleet))
                now = trio.current_time()
                if number != signal.SIGHUP:
                    self._apply(self._fleet.stop(now))
                elif self._on_hangup is None:
                    self._apply(self._fleet.roll(now))
                elif not has_hung_up:
                    has_hung_up = True
                    self._on_hangup()
                    self._apply(self._fleet.stop(now))

    def _apply(self, actions: Iterable[Action]) -> None:
        """Carry out the actions that follow from an event, and recompute the next deadline."""
        self._carry_out(actions)
        self._changed.set()

    def _carry_out(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Start(worker, place):
                    self._nursery.start_soon(self._run_worker, worker, place)
                case Terminate(worker):
                    self._signal(worker, signal.SIGTERM)
                case Kill(worker, reason):
                    log.error("worker killed", reason=reason)
                    self._signal(worker, signal.SIGKILL)
                case Log(severity, text):
                    (log.error if severity == "bad" else log.info)(text)
                case AllServing(rolled=True):
                    log.info("workers replaced", workers=repr(self._fleet))
                case AllServing():
                    log.info("workers ready", addresses=self._addresses, count=len(self._groups))
                    self._on_ready()
                case Finish(code):
                    self._code = code
                    self._nursery.cancel_scope.cancel()
        if self._fleet.is_stopping:
            self._close()

    def _close(self) -> None:
        """Close the listening sockets; a process that is being started still inherits them, so not before."""
        if self._starting == 0:
            for group in self._groups:
                for each in group:
                    each.close()

    def _signal(self, worker: int, number: signal.Signals) -> None:
        process = self._processes.get(worker)
        if process is None:
            self._early[worker] = number
        elif number is signal.SIGKILL:
            signal_group(process.pid, signal.SIGKILL)
        else:
            process.send_signal(number)

    async def _run_worker(self, worker: int, place: int) -> None:
        """Run one process to its end, and report that to the fleet."""
        how = ""
        while not how:
            try:
                process, reports = await self._start(worker, place)
            except OSError as error:
                shortage = own_shortage(error, starting=True)
                if shortage is None:
                    how = f"cannot be started ({error.strerror})"
                    continue
                # It is no failure of the worker, and restarting the service would not help.
                log.warning("worker not started", worker=place, reason=in_words(shortage))
                await trio.sleep(SHORTAGE_PAUSE)
                if worker in self._early:
                    how = "was not started"
            else:
                how = await self._wait(worker, place, process, reports)
        actions = self._fleet.ended(worker, trio.current_time(), how)
        # The next worker of this place records the reason as an event.
        words = next((each.text for each in actions if isinstance(each, Log) and each.severity == "bad"), "")
        self._last_ends[place] = words
        self._restarts[place] += bool(words)
        self._apply(actions)

    async def _start(self, worker: int, place: int) -> tuple[trio.Process, trio.lowlevel.FdStream]:
        read_end, write_end = os.pipe()
        sockets = [each.fileno() for group in self._groups for each in group]
        own = arguments(
            place,
            self._groups,
            write_end,
            before=self._last_ends.pop(place, ""),
            restarts=self._restarts[place],
        )
        self._starting += 1
        try:
            # Shielded: a process that was started must be known here, so that it is waited for.
            with trio.CancelScope(shield=True):
                process = await self._open_process(
                    [*self._command, *own],
                    stdin=subprocess.PIPE,
                    pass_fds=[write_end, *sockets],
                    env=self._environ,
                    start_new_session=True,
                )
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
            self._starting -= 1
            if self._fleet.is_stopping:
                self._close()
        self._processes[worker] = process
        log.info("worker started", worker=place, pid=process.pid)
        if self._fleet.has_serving_worker():
            self._notify_served(worker)
        if (early := self._early.pop(worker, None)) is not None:
            self._signal(worker, early)
        return process, trio.lowlevel.FdStream(read_end)

    async def _wait(
        self, worker: int, place: int, process: trio.Process, reports: trio.lowlevel.FdStream
    ) -> str:
        """Wait for the process; return how it has ended, in words."""
        assert isinstance(process.stdin, trio.lowlevel.FdStream)  # noqa: S101 - opened as a pipe
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read_reports, worker, place, reports)
                await process.wait()
                nursery.cancel_scope.cancel()
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                with trio.move_on_after(self._fleet.grace + LEAVE_MARGIN, shield=True):
                    await process.wait()
            process.stdin.close()
            reports.close()
            signal_group(process.pid, signal.SIGKILL)
            del self._processes[worker]
        code = await process.wait()
        log.info("worker ended", worker=place, pid=process.pid, code=code)
        return exit_words(code)

    async def _read_reports(self, worker: int, place: int, reports: trio.lowlevel.FdStream) -> None:
        """Handle a worker's reports until its process ends."""
        unread = b""
        async for part in reports:
            *lines, unread = (unread + part).split(b"\n")
            for line in lines:
                with self._boundary.item(worker=place):
                    self._handle(worker, msgspec.json.decode(line, type=Report))
            if len(unread) > LONGEST_REPORT:
                log.error("worker report too long", worker=place)
                return

    def _handle(self, worker: int, report: Report) -> None:
        now = trio.current_time()
        match report.state:
            case "alive":
                self._fleet.beat(worker, now)
                self._changed.set()
            case "waiting":
                self._fleet.waiting(worker, now)
            case "ready":
                self._apply(self._fleet.ready(worker, now))
                for each in self._fleet.starting_workers():
                    self._notify_served(each)
            case "leaving":
                self._apply(self._fleet.leaving(worker, report.grace, now))
            case _:
                log.debug("unknown report", state=report.state)

    def _notify_served(self, worker: int) -> None:
        """Notify a worker that is not ready that another one serves, so that it need not respond early."""
        process = self._processes.get(worker)
        if process is None or not isinstance(process.stdin, trio.lowlevel.FdStream):
            return
        try:
            os.write(process.stdin.fileno(), b".")
        except (BlockingIOError, BrokenPipeError):
            log.debug("worker not reachable", worker=worker)  # it is stuck or has ended

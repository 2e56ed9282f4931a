"""The parent of several worker processes: it starts them, watches them, replaces them and rolls them.

It serves nothing itself. It opens the listening sockets and keeps them open for as long as the service runs,
so that no connection is refused or reset while workers come and go (:mod:`orch.front.listeners`). What is to
be done it asks :class:`orch.workers.rolling.Fleet`; here it is carried out.

A worker is the parent's own command line with one more option. It reports on a pipe when it is ready and when
it leaves; its standard input is a pipe that the parent holds open, by whose end it learns that the parent is
gone (:mod:`orch.workers.lifeline`). It has a session of its own, so that Ctrl-C reaches the parent alone.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from orch.workers.rolling import LEAVE_MARGIN, Action, Ask, Finish, Fleet, Kill, Say, Serving, Start

STANDSTILL: Final = 2.0
"""Seconds by which a deadline is met late from which on this process is taken to have stood still."""
READ_FIRST: Final = 1.0
"""Seconds in which workers' reports are read then."""
SHORTAGE_PAUSE: Final = 5.0
"""Seconds until a worker is started for which this process was short of something."""

log = structlog.get_logger("workers")

POLICY: Final = RestartPolicy(first=0.1)
"""The others serve meanwhile, but with less to spare: the first replacement comes soon."""
LONGEST_REPORT: Final = 4096
"""Bytes of one report; a worker that says more without an end of line is not listened to any more."""


class Workers:
    """The processes of one service. The mutable state is which process bears which number.

    ``command`` is the program that :func:`orch.workers.lifeline.arguments` are added to, ``groups`` the
    listening sockets of each place; they are closed when all are to end. ``environ`` is added to
    the environment. ``on_hangup`` is called when the terminal is closed, which ends all; without it, SIGHUP
    replaces them.
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
    ) -> None:
        self._command = tuple(command)
        self._groups = tuple(tuple(group) for group in groups)
        self._addresses = addresses(self._groups[0], scheme=scheme)
        self._environ = {**os.environ, **(environ or {})}
        self._on_ready = on_ready
        self._on_hangup = on_hangup
        self._fleet = Fleet(len(self._groups), policy=policy, grace=grace)
        self._processes: dict[int, trio.Process] = {}
        self._early: dict[int, signal.Signals] = {}
        self._beginning = 0
        self._nursery: trio.Nursery
        self._stirred = trio.Event()
        self._code = 1
        self._boundary = Boundary("reports of workers")
        self._befores: dict[int, str] = {}
        self._pulse = Pulse(events=EventLog(wall=time.time), wall=time.time)
        self._pulse.on_gap = lambda _seconds: self._fleet.stood_still(trio.current_time())

    async def run(self) -> int:
        """Keep the workers running until a signal or the policy ends them; return the exit code.

        SIGTERM and SIGINT stop all in order, a second one at once; SIGHUP replaces all, one at a time.

        Resource handling: when this returns or raises, every worker has ended and been waited for.
        """
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await nursery.start(self._obey_signals)
            await nursery.start(self._pulse.run)
            self._carry_out(self._fleet.begin(trio.current_time()))
            nursery.start_soon(self._keep_time)
        log.info("stopped", code=self._code)
        return self._code

    async def _keep_time(self) -> Never:
        while True:
            self._stirred = trio.Event()
            due, began = self._fleet.next_at(), trio.current_time()
            with trio.move_on_at(due):
                await self._stirred.wait()
            if self._pulse.was_stopped_since(began) or trio.current_time() - due > STANDSTILL:
                self._fleet.stood_still(trio.current_time())
                # This process stood still: what workers have reported meanwhile is read before any is judged.
                await trio.sleep(READ_FIRST)
            self._carry_out(self._fleet.due(trio.current_time()))

    async def _obey_signals(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as received:
            task_status.started()
            has_hung_up = False
            async for number in received:
                name = signal.Signals(number).name
                log.info("signal received", signal=name, workers=repr(self._fleet))
                now = trio.current_time()
                if number != signal.SIGHUP:
                    self._happened(self._fleet.stop(now))
                elif self._on_hangup is None:
                    self._happened(self._fleet.roll(now))
                elif not has_hung_up:
                    has_hung_up = True
                    self._on_hangup()
                    self._happened(self._fleet.stop(now))

    def _happened(self, actions: Iterable[Action]) -> None:
        """Carry out what follows from an event; what time is to bring may have changed."""
        self._carry_out(actions)
        self._stirred.set()

    def _carry_out(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Start(worker, place):
                    self._nursery.start_soon(self._run_worker, worker, place)
                case Ask(worker):
                    self._signal(worker, signal.SIGTERM)
                case Kill(worker, reason):
                    log.error("worker killed", reason=reason)
                    self._signal(worker, signal.SIGKILL)
                case Say(severity, text):
                    (log.error if severity == "bad" else log.info)(text)
                case Serving(rolled=True):
                    log.info("workers replaced", workers=repr(self._fleet))
                case Serving():
                    log.info("workers ready", addresses=self._addresses, count=len(self._groups))
                    self._on_ready()
                case Finish(code):
                    self._code = code
                    self._nursery.cancel_scope.cancel()
        if self._fleet.is_stopping:
            self._close()

    def _close(self) -> None:
        """Let no new connections in; a process that is just being made still inherits the sockets."""
        if self._beginning == 0:
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
        """Run one process to its end, and tell the fleet of it."""
        how = ""
        while not how:
            try:
                process, reports = await self._begin(worker, place)
            except OSError as error:
                shortage = own_shortage(error, starting=True)
                if shortage is None:
                    how = f"cannot be started ({error.strerror})"
                    continue
                # No failure of the worker's, and nothing that starting the service anew would mend.
                log.warning("worker not started", worker=place, reason=in_words(shortage))
                await trio.sleep(SHORTAGE_PAUSE)
                if worker in self._early:
                    how = "was not started"
            else:
                how = await self._follow(worker, place, process, reports)
        actions = self._fleet.ended(worker, trio.current_time(), how)
        # What the parent has to say of it, the next worker of this place makes an event.
        words = next((each.text for each in actions if isinstance(each, Say) and each.severity == "bad"), "")
        self._befores[place] = words
        self._happened(actions)

    async def _begin(self, worker: int, place: int) -> tuple[trio.Process, trio.lowlevel.FdStream]:
        mine, theirs = os.pipe()
        sockets = [each.fileno() for group in self._groups for each in group]
        own = arguments(place, self._groups, theirs, before=self._befores.pop(place, ""))
        self._beginning += 1
        try:
            # Shielded, since a process that nobody has been told of could not be waited for.
            with trio.CancelScope(shield=True):
                process = await trio.lowlevel.open_process(
                    [*self._command, *own],
                    stdin=subprocess.PIPE,
                    pass_fds=[theirs, *sockets],
                    env=self._environ,
                    start_new_session=True,
                )
        except BaseException:
            os.close(mine)
            raise
        finally:
            os.close(theirs)
            self._beginning -= 1
            if self._fleet.is_stopping:
                self._close()
        self._processes[worker] = process
        log.info("worker started", worker=place, pid=process.pid)
        if self._fleet.is_served():
            self._tell_served(worker)
        if (early := self._early.pop(worker, None)) is not None:
            self._signal(worker, early)
        return process, trio.lowlevel.FdStream(mine)

    async def _follow(
        self, worker: int, place: int, process: trio.Process, reports: trio.lowlevel.FdStream
    ) -> str:
        """Return how the process has ended, in words."""
        assert isinstance(process.stdin, trio.lowlevel.FdStream)  # noqa: S101 - it was asked for as a pipe
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen, worker, place, reports)
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

    async def _listen(self, worker: int, place: int, reports: trio.lowlevel.FdStream) -> None:
        """Hear what a worker reports, to the end of its process."""
        heard = b""
        async for part in reports:
            *lines, heard = (heard + part).split(b"\n")
            for line in lines:
                with self._boundary.item(worker=place):
                    self._hear(worker, msgspec.json.decode(line, type=Report))
            if len(heard) > LONGEST_REPORT:
                log.error("worker report too long", worker=place)
                return

    def _hear(self, worker: int, report: Report) -> None:
        now = trio.current_time()
        match report.state:
            case "alive":
                self._fleet.beat(worker, now)
                self._stirred.set()
            case "waiting":
                self._fleet.waiting(worker, now)
            case "ready":
                self._happened(self._fleet.ready(worker, now))
                for each in self._fleet.waiters():
                    self._tell_served(each)
            case "leaving":
                self._happened(self._fleet.leaving(worker, report.grace, now))
            case _:
                log.debug("unknown report", state=report.state)

    def _tell_served(self, worker: int) -> None:
        """Tell a worker that is not ready that another serves, and that nobody needs it to answer early."""
        process = self._processes.get(worker)
        if process is None or not isinstance(process.stdin, trio.lowlevel.FdStream):
            return
        try:
            os.write(process.stdin.fileno(), b".")
        except (BlockingIOError, BrokenPipeError):
            log.debug("worker not reachable", worker=worker)  # it is stuck or gone, and answers nobody either

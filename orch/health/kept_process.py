"""A back end that is a child process: started with the branch, and again when it ends or stops responding."""

from typing import Never

import structlog
import trio

from orch.health.recovery import RecoveryPolicy
from orch.health.restarter import Due, Observe, RecordEvent, Restarter, RunChild, not_started
from orch.health.verdict import Finding, Observation
from orch.masking import shown_command
from orch.processes import ProcessSpec, exit_words, run_child
from orch.shortages import Shortage, own_shortage

log = structlog.get_logger("health")


class KeptProcess(Restarter):
    """A child that is kept running: started with the branch, and again when it ends or stops responding."""

    is_child = True

    def __init__(
        self,
        name: str,
        spec: ProcessSpec,
        *,
        policy: RecoveryPolicy,
        observe: Observe,
        record: RecordEvent,
        run_child: RunChild = run_child,
    ) -> None:
        super().__init__(name, policy=policy, observe=observe, record=record, run_child=run_child)
        self._spec = spec
        self._pid: int | None = None
        self._child: trio.CancelScope | None = None
        self._end_asked = trio.Event()
        self._is_stopping = False
        self._is_uncounted = False

    @property
    def pid(self) -> int | None:
        """The child's process id, or None while there is none."""
        return self._pid

    @property
    def is_up(self) -> bool:
        """Whether the child is running and should be."""
        return self._pid is not None and not self._is_stopping

    @property
    def is_restartable(self) -> bool:
        """Always: it is a child process."""
        return True

    def restart(self, *, is_forced: bool = False) -> None:
        """Stop the child if it runs, and start it again."""
        super().restart(is_forced=is_forced)
        if is_forced or not self._has_work():
            self._observe(Observation(Finding.BEGUN, ("stopped, to be restarted",)))
            self._end()
        else:
            self._end_asked.set()

    def failed(self) -> None:
        """End a child that no longer responds, so that it is started again."""
        super().failed()
        if self._recovery.is_stopped or self.is_suspended:
            return
        if self._has_work():
            self._end_asked.set()
        else:
            self._end()

    def _has_work(self) -> bool:
        work = self.work()
        return bool(work.in_flight and work.makes_progress and self.policy.work_limit) and self.is_up

    def _end(self) -> None:
        if self._child is not None:
            self._is_stopping = True
            self._child.cancel()

    async def run(self) -> Never:
        """Keep the child running until cancelled, then stop it."""
        how, is_again = "started", False
        while True:
            await self._live(how, is_again=is_again)
            due = await self._next_attempt()
            self._begin(due)
            how, is_again = due.how, True

    async def _live(self, how: str, *, is_again: bool) -> None:
        """Run the child once, to its end, unless this process lacks the resources to start it."""
        self._observe(Observation(Finding.BEGUN, (f"{how}, no response yet",)))
        self._tail.clear()
        self._is_uncounted = is_again
        self._end_asked = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._end_when_asked)
            ended, shortage, code = await self._run_once()
            nursery.cancel_scope.cancel()
        if shortage is None:
            self._count_once()
        if not self._is_requested:
            log.warning("process ended", service=self.name, reason=ended)
            if shortage is not None:
                self._not_made(shortage, f"{self.name} cannot be started.")
            else:
                super().failed()
            self._observe(
                Observation(Finding.EXITED, (ended,), shortage=shortage, code=code, output=self._tail.lines)
            )

    async def _run_once(self) -> tuple[str, Shortage | None, int | None]:
        """Run the child; return how it ended, what this process was short of to start it, and its exit code.

        There is no exit code of a child that was not started, or that was ended because it did not respond.
        """
        ended = "was stopped because it did not respond"
        shortage: Shortage | None = None
        code: int | None = None
        self._child = scope = trio.CancelScope()
        with scope:
            try:
                code = await self._run_child(self._spec, on_line=self._log_line, on_started=self._started)
                ended = f"process {exit_words(code)}"
            except Exception as error:  # noqa: BLE001 - one child's boundary
                shortage = own_shortage(error, starting=True)
                ended = not_started(error, shortage, self._spec.argv[0])
            finally:
                self._child = None
                self._pid = None
                self._is_stopping = False
        return ended, shortage, code

    async def _end_when_asked(self) -> Never:
        """End the child once the requests that it has are done, unless it comes back before."""
        while True:
            await self._end_asked.wait()
            with trio.CancelScope() as scope:
                self._scope = scope
                try:
                    await self._spare(Due(0, "stopped"))
                finally:
                    self._scope = None
                    self._end_asked = trio.Event()  # what was asked for meanwhile is this
                if self._is_requested:
                    self._observe(Observation(Finding.BEGUN, ("stopped, to be restarted",)))
                if self._is_requested or self._recovery.failed_at is not None:
                    self._end()

    def _count_once(self) -> None:
        if self._is_uncounted:
            self._is_uncounted = False
            self._count()

    def _started(self, pid: int) -> None:
        self._pid = pid
        self._count_once()
        log.info("process started", service=self.name, pid=pid, argv=shown_command(self._spec.argv))
        self._verify("The process was started. Waits for a response.")
        self.on_up()

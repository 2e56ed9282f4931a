"""A back end that is a child process: started with the branch, and again when it ends or stops responding."""

from typing import Never

import structlog
import trio

from orch.health.recovery import RecoveryPolicy
from orch.health.restarter import Observe, RecordEvent, Restarter, RunChild, not_started
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
        self._scope: trio.CancelScope | None = None
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

    def restart(self) -> None:
        """Stop the child if it runs, and start it at once."""
        super().restart()
        self._observe(Observation(Finding.BEGUN, ("stopped, to be restarted",)))
        self._end()

    def failed(self) -> None:
        """End a child that no longer responds, so that it is started again."""
        super().failed()
        self._end()

    def _end(self) -> None:
        if self._scope is not None:
            self._is_stopping = True
            self._scope.cancel()

    async def run(self) -> Never:
        """Keep the child running until cancelled, then stop it."""
        how, is_again = "started", False
        while True:
            await self._live(how, is_again=is_again)
            how, is_again = await self._next_attempt(), True

    async def _live(self, how: str, *, is_again: bool) -> None:
        """Run the child once, to its end, unless this process lacks the resources to start it."""
        self._observe(Observation(Finding.BEGUN, (f"{how}, no response yet",)))
        ended = "was stopped because it did not respond"
        self._scope = scope = trio.CancelScope()
        shortage: Shortage | None = None
        self._is_uncounted = is_again
        with scope:
            try:
                code = await self._run_child(self._spec, on_line=self._log_line, on_started=self._started)
                ended = f"process {exit_words(code)}"
            except Exception as error:  # noqa: BLE001 - one child's boundary
                shortage = own_shortage(error, starting=True)
                ended = not_started(error, shortage, self._spec.argv[0])
            finally:
                self._scope = None
                self._pid = None
                self._is_stopping = False
        if shortage is None:
            self._count_once()
        if not self._is_requested:
            log.warning("process ended", service=self.name, reason=ended)
            if shortage is not None:
                self._not_made(shortage, f"{self.name} cannot be started.")
            else:
                super().failed()
            self._observe(Observation(Finding.EXITED, (ended,)))

    def _count_once(self) -> None:
        if self._is_uncounted:
            self._is_uncounted = False
            self._count()

    def _started(self, pid: int) -> None:
        self._pid = pid
        self._count_once()
        log.info("process started", service=self.name, pid=pid, argv=shown_command(self._spec.argv))
        self._verify("The process was started. Waiting for a response.")
        self.on_up()

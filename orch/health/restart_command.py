"""A back end that runs elsewhere: a command from the settings restarts it."""

from collections.abc import Callable
from typing import Never

import structlog
import trio

from orch.cluster.lease import Lease
from orch.health import recovery
from orch.health.check_response import in_words
from orch.health.health_events import Stage
from orch.health.recovery import RecoveryPolicy
from orch.health.restarter import Observe, RecordEvent, Restarter, RunChild, not_started
from orch.health.statistics import RecoveryStatistics
from orch.health.verdict import Finding, Observation
from orch.masking import shown_command
from orch.processes import ProcessSpec, exit_words, run_child
from orch.shortages import own_shortage

log = structlog.get_logger("health")


class RestartCommand(Restarter):
    """``services.X.restart_command``, run when every instance is down or an operator asks for it.

    Of several workers only the one that holds the ``lease`` runs it; a command that is running when the lease
    is lost is ended before another worker may begin. ``on_turn`` is called when this worker's turn begins.

    The command finds the service's name in ``ORCH_SERVICE``, and in ``ORCH_FENCE`` a number that grows from
    one worker's turn to the next (0: there is one worker).
    """

    def __init__(
        self,
        name: str,
        argv: Callable[[], tuple[str, ...]],
        *,
        policy: RecoveryPolicy,
        observe: Observe,
        record: RecordEvent,
        lease: Lease,
        on_turn: Callable[[], None],
        run_child: RunChild = run_child,
    ) -> None:
        super().__init__(name, policy=policy, observe=observe, record=record, run_child=run_child)
        self._argv = argv
        self._lease = lease
        self._on_turn = on_turn

    @property
    def is_restartable(self) -> bool:
        """Whether the settings have a command."""
        return bool(self._argv())

    @property
    def is_responsible(self) -> bool:
        """Whether it is for this worker to run the command."""
        return self._lease.is_held

    def statistics(self, *, is_well: bool) -> RecoveryStatistics | None:
        """Return what is being done, here or by another worker."""
        if self._lease.is_held:
            return super().statistics(is_well=is_well)
        if is_well or not self._argv():
            return None
        text = (
            "Another worker is responsible for restarting it."
            if self._lease.is_held_by_another
            else "Restart is on hold: Redis, which decides which worker restarts it, is unreachable."
        )
        return RecoveryStatistics(attempt=0, limit=self._policy.attempts, next_in=None, text=text)

    async def run(self) -> Never:
        """Run the command whenever it is due and this worker is responsible, until cancelled."""
        await self._lease.hold(self._act)

    async def _act(self, fence: int) -> Never:
        if self._lease.is_shared:
            # Another worker may have acted on what was seen before; new checks show what is left to do.
            self._recovery = recovery.taken_over(self._recovery)
            self._is_requested = False
            self._on_turn()
        while True:
            how = await self._next_attempt()
            argv = self._argv()
            if argv:
                await self._command(argv, how, fence)

    def failed(self) -> None:
        """Note that it is down; without a command nothing follows."""
        if self._argv():
            super().failed()

    async def _command(self, argv: tuple[str, ...], how: str, fence: int) -> None:
        spec = ProcessSpec(argv=argv, env={"ORCH_SERVICE": self.name, "ORCH_FENCE": str(fence)})
        fault = f"did not end within {in_words(self._policy.command_limit)}"
        log.info("restart command", service=self.name, argv=shown_command(argv))
        with trio.move_on_after(self._policy.command_limit):
            try:
                code = await self._run_child(
                    spec, on_line=self._log_line, on_started=lambda _pid: self._count(), is_command=True
                )
                fault = "" if code == 0 else exit_words(code)
            except Exception as error:  # noqa: BLE001 - one command's boundary
                shortage = own_shortage(error, starting=True)
                fault = not_started(error, shortage, argv[0])
                if shortage is not None:
                    self._not_made(shortage, f"The restart command of {self.name} cannot be started.")
                    return
        if not fault:
            self._observe(Observation(Finding.BEGUN, (f"{how}, no response yet",)))
            self._verify("The restart command ended. Waiting for a response.")
            return
        # Only an event: checks show whether the service is down, and an operator may restart a healthy one.
        self._record("bad", f"The restart command {fault}.")
        self.on_step(Stage.FAILED, self._attempt or 0, f"The restart command {fault}.")

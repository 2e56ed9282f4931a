"""A back end that runs elsewhere: a hook of the settings restarts it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Never

import structlog
import trio

from orch.cluster.lease import Lease
from orch.health import recovery
from orch.health.check_response import in_words
from orch.health.hooks.hook import Hook, HookCall, Outcome
from orch.health.recovery import RecoveryPolicy
from orch.health.restarter import Due, Observe, RecordEvent, Restarter
from orch.health.statistics import RecoveryStatistics
from orch.health.verdict import Finding, Observation

log = structlog.get_logger("health")


class HookRestarter(Restarter):
    """Runs a hook when every instance is down or an operator asks for it.

    Of several workers only the one that holds the ``lease`` does so; a hook that is running when the lease
    is lost is ended before another worker may begin. ``on_turn`` is called when this worker's turn begins.
    """

    def __init__(
        self,
        name: str,
        hook: Callable[[], Hook | None],
        *,
        policy: RecoveryPolicy,
        observe: Observe,
        record: RecordEvent,
        lease: Lease,
        on_turn: Callable[[], None],
    ) -> None:
        self._hook = hook
        super().__init__(name, policy=policy, observe=observe, record=record)
        self._lease = lease
        self._on_turn = on_turn

    @property
    def policy(self) -> RecoveryPolicy:
        """The policy, with whether there is a hook now."""
        return replace(self._policy, has_hook=self.is_restartable)

    @policy.setter
    def policy(self, policy: RecoveryPolicy) -> None:
        self._policy = policy

    @property
    def is_restartable(self) -> bool:
        """Whether the settings have a hook."""
        return self._hook() is not None

    @property
    def is_responsible(self) -> bool:
        """Whether it is for this worker to run the hook."""
        return self._lease.is_held

    def statistics(self, *, is_well: bool) -> RecoveryStatistics | None:
        """Return what is being done, here or by another worker."""
        if self._lease.is_held:
            return super().statistics(is_well=is_well)
        if is_well or not self.is_restartable:
            return None
        text = (
            "Another worker is responsible for restarting it."
            if self._lease.is_held_by_another
            else "Restart is on hold: Redis, which decides which worker restarts it, is unreachable."
        )
        return RecoveryStatistics(attempt=0, limit=self.policy.attempts, next_in=None, text=text)

    async def run(self) -> Never:
        """Run the hook whenever it is due and this worker is responsible, until cancelled."""
        await self._lease.hold(self._act)

    async def _act(self, fence: int) -> Never:
        if self._lease.is_shared:
            # Another worker may have acted on what was seen before; new checks show what is left to do.
            self._recovery = recovery.taken_over(self._recovery)
            self._is_requested = False
            self._on_turn()
        while True:
            due = await self._next_attempt()
            hook = self._hook()
            if hook is None:
                self._is_requested = False
                continue
            with trio.CancelScope() as scope:
                self._scope, self._is_acting = scope, True
                try:
                    await self._spare(due)
                    await self._call(hook, due, fence)
                finally:
                    self._scope, self._is_acting = None, False
            if scope.cancelled_caught:
                self._supersede()

    async def _call(self, hook: Hook, due: Due, fence: int) -> None:
        call = HookCall(
            service=self.name,
            attempt=due.number,
            reason=self.reason(),
            fence=fence,
            work=self.work(),
            on_line=self._log_line,
            on_begun=self._count,
        )
        self._begin(due)
        outcome = Outcome(f"did not end within {in_words(self.policy.command_limit)}")
        with trio.move_on_after(self.policy.command_limit):
            outcome = await hook(call)
        if outcome.shortage is not None:
            self._not_made(outcome.shortage, f"{hook.subject} of {self.name} cannot be started.")
            return
        if not outcome.fault:
            self._observe(Observation(Finding.BEGUN, (f"{due.how}, no response yet",)))
            self._verify(f"{hook.subject} succeeded. Waits for a response.")
            return
        # Only an event: checks show whether the service is down, and an operator may restart a healthy one.
        text = f"{hook.subject} {outcome.fault}."
        self._record("bad", text)
        self._fail_step(text)

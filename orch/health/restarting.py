"""Starting again what died: a child that is kept running, or a command that restarts what runs elsewhere.

Both wait their turn in the same way (:mod:`orch.health.recovery` decides), so that the limits are the same
whoever does the starting.
"""

from collections.abc import Callable
from typing import Final, Never

import structlog
import trio

from orch.cluster.lease import Lease
from orch.health import recovery
from orch.health.answers import in_words
from orch.health.recovery import Attempt, GiveUp, Nothing, Recovery, RecoveryPolicy, Wait
from orch.health.statistics import RecoveryStatistics
from orch.health.verdict import Observation, Seen
from orch.masking import shown_command
from orch.processes import ProcessSpec, exit_words, run_child
from orch.shortages import Shortage, own_shortage
from orch.shortages import in_words as shortage_in_words
from orch.telemetry.events import Severity

log = structlog.get_logger("health")

COMMAND_LIMIT: Final = 60.0
"""Seconds that a restart command may take; ``systemctl`` and ``docker`` give up later by themselves."""

Observe = Callable[[Observation], None]
Say = Callable[[Severity, str], None]
Short = Callable[[Shortage, str], None]
"""Is told what this process was short of, and what could not be done for it, in words."""


class Restarter:
    """Waits until something is to be started. The mutable state is what was tried and who has asked."""

    def __init__(self, name: str, *, policy: RecoveryPolicy, observe: Observe, say: Say) -> None:
        self.name = name
        self.restarts = 0
        self.on_restart: Callable[[], None] = lambda: None
        self.on_up: Callable[[], None] = lambda: None
        self._policy = policy
        self._observe = observe
        self._say = say
        self.on_shortage: Short = lambda _shortage, _what: None
        self._recovery = self._before = Recovery()
        self._is_asked_for = False
        self._wake = trio.Event()

    @property
    def pid(self) -> int | None:
        """The process, where there is one and it is ours."""
        return None

    @property
    def is_up(self) -> bool:
        """Whether there is anything to check."""
        return True

    def restart(self) -> None:
        """Start it again now, because someone asks for it: what was tried before no longer counts."""
        self._is_asked_for = True
        self._recovery = Recovery()
        self._stir()

    def trouble(self) -> None:
        """Note that it is down; an attempt follows when its time has come."""
        self._recovery = recovery.failed(self._recovery, trio.current_time())
        self._stir()

    def recovered(self) -> None:
        """Note that it is up."""
        self._recovery = recovery.recovered(self._recovery)

    def statistics(self, *, is_well: bool) -> RecoveryStatistics | None:
        """Return what is being done, or None where nothing needs to be."""
        now = trio.current_time()
        limit = self._policy.attempts
        match recovery.decide(self._recovery, self._policy, now):
            case GiveUp(attempts, until):
                text = f"{self._given_up(attempts)} The next attempt is in {in_words(until - now)}."
                return RecoveryStatistics(attempt=attempts, limit=limit, next_in=until - now, text=text)
            case Wait(until, number):
                text = f"Restarts in {in_words(until - now)}, attempt {number} of {limit}."
                return RecoveryStatistics(attempt=number, limit=limit, next_in=until - now, text=text)
            case Attempt(number):
                text = f"Is being restarted{self._which(number)}."
                return RecoveryStatistics(attempt=number or limit, limit=limit, next_in=0.0, text=text)
            case Nothing():
                made = recovery.attempts_made(self._recovery, self._policy, now)
                if is_well or not made:
                    return None
                text = f"Was restarted, attempt {made} of {limit}. Waiting for it to respond."
                return RecoveryStatistics(attempt=made, limit=limit, next_in=None, text=text)

    async def _turn(self) -> str:
        """Return when it is to be started, with the reason in words."""
        announced: float | None = None
        while True:
            if self._is_asked_for:
                self._is_asked_for = False
                self._before = self._recovery
                return "restarted"
            now = trio.current_time()
            match recovery.decide(self._recovery, self._policy, now):
                case Attempt(number):
                    self._before = self._recovery
                    self._recovery = recovery.begin(self._recovery, self._policy, now)
                    return f"restarted{self._which(number)}"
                case Wait(until, number):
                    # Where this process is short of something, that has been said already.
                    if announced != until and self._recovery.short_until <= now:
                        announced = until
                        which = f"attempt {number} of {self._policy.attempts}"
                        self._say("info", f"Restarts in {in_words(until - now)}, {which}.")
                    await self._stirred(until)
                case GiveUp(attempts, until):
                    if not self._recovery.given_up:
                        self._recovery = recovery.give_up(self._recovery, now)
                        self._say("bad", self._given_up(attempts))
                    await self._stirred(until)
                case Nothing():
                    await self._stirred()

    def _given_up(self, attempts: int) -> str:
        window, again = in_words(self._policy.window), in_words(self._policy.again)
        return (
            f"Was restarted {attempts} times within {window} and did not stay up. It is tried again "
            f"every {again}; restart it once the cause is fixed."
        )

    def _which(self, number: int) -> str:
        """Return which attempt this is, to be put behind "restarted"."""
        if number:
            return f", attempt {number} of {self._policy.attempts}"
        return f", one attempt every {in_words(self._policy.again)}"

    def _unmade(self, shortage: Shortage, what: str) -> None:
        """Note that this process itself was short of what an attempt needs: the attempt does not count."""
        now = trio.current_time()
        self._recovery = recovery.unmade(self._before, now)
        self.on_shortage(shortage, what)

    def _count(self) -> None:
        self.restarts += 1
        self.on_restart()

    def _stir(self) -> None:
        self._wake.set()
        self._wake = trio.Event()

    async def _stirred(self, until: float = float("inf")) -> None:
        with trio.move_on_at(until):
            await self._wake.wait()

    def _log_line(self, stream: str, text: str) -> None:
        if text:
            log.info("output", service=self.name, stream=stream, line=text)


class KeptProcess(Restarter):
    """A child that is kept running: started with the branch, and again when it ends or stops answering."""

    def __init__(
        self, name: str, spec: ProcessSpec, *, policy: RecoveryPolicy, observe: Observe, say: Say
    ) -> None:
        super().__init__(name, policy=policy, observe=observe, say=say)
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
        """Whether the child runs and is meant to."""
        return self._pid is not None and not self._is_stopping

    def restart(self) -> None:
        """Stop the child if it runs, and start it at once."""
        super().restart()
        self._observe(Observation(Seen.BEGUN, ("stopped, to be restarted",)))
        self._end()

    def trouble(self) -> None:
        """End a child that no longer answers, so that it is started again."""
        super().trouble()
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
            how, is_again = await self._turn(), True

    async def _live(self, how: str, *, is_again: bool) -> None:
        """Run the child once, to its end; where it cannot be started for a shortage of ours, not at all."""
        self._observe(Observation(Seen.BEGUN, (f"{how}, no answer yet",)))
        ended = "was stopped because it did not respond"
        self._scope = scope = trio.CancelScope()
        shortage: Shortage | None = None
        self._is_uncounted = is_again
        with scope:
            try:
                code = await run_child(self._spec, on_line=self._log_line, on_started=self._started)
                ended = f"process {exit_words(code)}"
            except Exception as error:  # noqa: BLE001 - one child's boundary
                shortage = own_shortage(error, starting=True)
                ended = _not_started(error, shortage, self._spec.argv[0])
            finally:
                self._scope = None
                self._pid = None
                self._is_stopping = False
        if shortage is None:
            self._count_once()
        if not self._is_asked_for:
            log.warning("process ended", service=self.name, reason=ended)
            if shortage is not None:
                self._unmade(shortage, f"{self.name} cannot be started.")
            else:
                self._recovery = recovery.failed(self._recovery, trio.current_time())
            self._observe(Observation(Seen.EXITED, (ended,)))

    def _count_once(self) -> None:
        if self._is_uncounted:
            self._is_uncounted = False
            self._count()

    def _started(self, pid: int) -> None:
        self._pid = pid
        self._count_once()
        log.info("process started", service=self.name, pid=pid, argv=shown_command(self._spec.argv))
        self.on_up()


class RestartCommand(Restarter):
    """``services.X.restart_command``, run when every instance is down or an operator asks for it.

    Of several workers only the one that holds the ``lease`` runs it; a command that is running when the lease
    is lost is ended before another worker may begin. ``taken`` is called when this worker's turn begins.

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
        say: Say,
        lease: Lease,
        taken: Callable[[], None],
    ) -> None:
        super().__init__(name, policy=policy, observe=observe, say=say)
        self._argv = argv
        self._lease = lease
        self._taken = taken

    @property
    def is_ours(self) -> bool:
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
        """Run the command whenever its turn has come and it is ours to run, until cancelled."""
        await self._lease.hold(self._act)

    async def _act(self, fence: int) -> Never:
        if self._lease.is_shared:
            # What was seen until now another worker may have met; a look shows what is left to do.
            self._recovery = recovery.taken_over(self._recovery)
            self._is_asked_for = False
            self._taken()
        while True:
            how = await self._turn()
            argv = self._argv()
            if argv:
                await self._command(argv, how, fence)

    def trouble(self) -> None:
        """Note that it is down; without a command there is nothing to be done about it."""
        if self._argv():
            super().trouble()

    async def _command(self, argv: tuple[str, ...], how: str, fence: int) -> None:
        spec = ProcessSpec(argv=argv, env={"ORCH_SERVICE": self.name, "ORCH_FENCE": str(fence)})
        fault = f"did not end within {in_words(COMMAND_LIMIT)}"
        log.info("restart command", service=self.name, argv=shown_command(argv))
        with trio.move_on_after(COMMAND_LIMIT):
            try:
                code = await run_child(
                    spec, on_line=self._log_line, on_started=lambda _pid: self._count(), is_command=True
                )
                fault = "" if code == 0 else exit_words(code)
            except Exception as error:  # noqa: BLE001 - one command's boundary
                shortage = own_shortage(error, starting=True)
                fault = _not_started(error, shortage, argv[0])
                if shortage is not None:
                    self._unmade(shortage, f"The restart command of {self.name} cannot be started.")
                    return
        if not fault:
            self._observe(Observation(Seen.BEGUN, (f"{how}, no answer yet",)))
            return
        # What that means for the service the checks will tell: an operator may restart what is well.
        self._say("bad", f"The restart command {fault}.")


def _not_started(error: Exception, shortage: Shortage | None, program: str) -> str:
    if shortage is not None:
        return f"cannot be started. {shortage_in_words(shortage)}".removesuffix(".")
    if not isinstance(error, OSError):
        log.error("cannot run a child process", program=program, exc_info=error)
    return f"cannot be started: {getattr(error, 'strerror', None) or error}: {program}"

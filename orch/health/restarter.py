"""What starts a back end again: waits for its turn, as :mod:`orch.health.recovery` decides.

The two kinds, a child process that is kept running and a command that restarts what runs elsewhere, have the
same limits and announce their attempts in the same way.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Never

import structlog
import trio

from orch.health import recovery
from orch.health.child_output import read_line
from orch.health.health_events import Stage
from orch.health.recovery import Attempt, GiveUp, Nothing, Recovery, RecoveryPolicy, Wait
from orch.health.recovery_words import attempt_in_words, describe, give_up_in_words, wait_in_words
from orch.health.statistics import RecoveryStatistics
from orch.health.verdict import WELL, Observation, State
from orch.processes import run_child
from orch.shortages import Shortage
from orch.shortages import in_words as shortage_in_words
from orch.telemetry.events import Severity

log = structlog.get_logger("health")

Observe = Callable[[Observation], None]
RecordEvent = Callable[[Severity, str], None]
OnShortage = Callable[[Shortage, str], None]
"""Called with what this process was short of, and a sentence on what could not be done."""
OnStep = Callable[[Stage, int, str], None]
"""Called with each step of a recovery: the attempt (0: outside the numbered ones), and a sentence."""
RunChild = Callable[..., Awaitable[int]]


class Restarter(ABC):
    """Starts one back end again. The mutable state is the attempts made, and whether an operator asked.

    ``observe`` is called with what is seen of the back end, ``record`` with events for operators.
    """

    is_child = False
    """Whether the first instance of the back end is a child process of ours."""

    def __init__(
        self,
        name: str,
        *,
        policy: RecoveryPolicy,
        observe: Observe,
        record: RecordEvent,
        run_child: RunChild = run_child,
    ) -> None:
        self.name = name
        self.restarts = 0
        self.on_restart: Callable[[], None] = lambda: None
        self.on_up: Callable[[], None] = lambda: None
        self.on_shortage: OnShortage = lambda _shortage, _what: None
        self.on_step: OnStep = lambda _stage, _attempt, _text: None
        self._policy = policy
        self._observe = observe
        self._record = record
        self._run_child = run_child
        self._recovery = self._before = Recovery()
        self._is_requested = False
        self._is_down = False
        self._attempt: int | None = None  # the last one since it was well
        self._wake = trio.Event()

    @property
    def pid(self) -> int | None:
        """The process id of the child, if there is one."""
        return None

    @property
    def is_up(self) -> bool:
        """Whether there is anything to check."""
        return True

    @property
    @abstractmethod
    def is_restartable(self) -> bool:
        """Whether the back end can be restarted from here at all."""

    @property
    def is_responsible(self) -> bool:
        """Whether this worker restarts the back end, and no other."""
        return True

    @abstractmethod
    async def run(self) -> Never:
        """Start the back end again whenever it is due, until cancelled."""

    def restart(self) -> None:
        """Restart it now because an operator asked: earlier attempts no longer count."""
        self._is_requested = True
        self._recovery = Recovery()
        self._notify()

    def _note_well(self, state: State) -> None:
        if self._attempt is not None:
            self.on_step(Stage.RECOVERED, self._attempt, f"Is {state} after the restart.")
        elif self._is_down:
            self.on_step(Stage.SUPERSEDED, 0, f"Is {state} without a restart.")
        self._attempt, self._is_down = None, False

    def failed(self) -> None:
        """Note that it is down; an attempt follows when it is due."""
        self._is_down = True
        self._recovery = recovery.failed(self._recovery, trio.current_time())
        self._notify()

    def update(self, state: State) -> None:
        """Note the state of what it restarts: the child, or the whole service."""
        if state in WELL:
            self._note_well(state)
            self._recovery = recovery.recovered(self._recovery)
        elif state is State.UNHEALTHY:
            self.failed()

    def statistics(self, *, is_well: bool) -> RecoveryStatistics | None:
        """Return what is being done, or None if nothing needs to be."""
        return describe(self._recovery, self._policy, trio.current_time(), is_well=is_well)

    async def _next_attempt(self) -> str:
        """Return when an attempt is due, with its reason in words; announce how long that takes."""
        announced: float | None = None
        while True:
            if self._is_requested:
                self._is_requested = False
                self._before = self._recovery
                self._begin(0, "restarted")
                return "restarted"
            now = trio.current_time()
            match recovery.decide(self._recovery, self._policy, now):
                case Attempt(number):
                    self._before = self._recovery
                    self._recovery = recovery.begin(self._recovery, self._policy, now)
                    how = f"restarted{attempt_in_words(number, self._policy)}"
                    self._begin(number, how)
                    return how
                case Wait(until) as wait:
                    # A wait for a shortage of this process has been announced as that shortage.
                    if announced != until and self._recovery.short_until <= now:
                        announced = until
                        self._record("info", wait_in_words(wait, self._policy, now))
                    await self._notified(until)
                case GiveUp(attempts, until):
                    if not self._recovery.given_up:
                        self._recovery = recovery.give_up(self._recovery, now)
                        text = give_up_in_words(attempts, self._policy)
                        self._record("bad", text)
                        self.on_step(Stage.ESCALATED, 0, text)
                    await self._notified(until)
                case Nothing():
                    await self._notified()

    def _begin(self, attempt: int, how: str) -> None:
        self._attempt = attempt
        self.on_step(Stage.HOOK, attempt, f"Is {how}.")

    def _verify(self, text: str) -> None:
        if self._attempt is not None:
            self.on_step(Stage.VERIFYING, self._attempt, text)

    def _not_made(self, shortage: Shortage, what: str) -> None:
        """Note that this process was short of something for an attempt: the attempt does not count."""
        now = trio.current_time()
        self._recovery = recovery.unmade(self._before, self._policy, now)
        self.on_shortage(shortage, what)

    def _count(self) -> None:
        self.restarts += 1
        self.on_restart()

    def _notify(self) -> None:
        self._wake.set()
        self._wake = trio.Event()

    async def _notified(self, until: float = float("inf")) -> None:
        with trio.move_on_at(until):
            await self._wake.wait()

    def _log_line(self, stream: str, text: str) -> None:
        if text:
            entry = read_line(text, stream)
            log.log(entry.level, entry.event, service=self.name, **entry.fields)


def not_started(error: Exception, shortage: Shortage | None, program: str) -> str:
    """Return why a program could not be started, without its subject."""
    if shortage is not None:
        return f"cannot be started. {shortage_in_words(shortage)}".removesuffix(".")
    if not isinstance(error, OSError):
        log.error("cannot run a child process", program=program, exc_info=error)
    return f"cannot be started: {getattr(error, 'strerror', None) or error}: {program}"

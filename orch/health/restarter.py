"""What starts a back end again: waits for its turn, as :mod:`orch.health.recovery` decides.

The two kinds, a child process that is kept running and a hook that restarts what runs elsewhere, have the
same ladder and announce their attempts in the same way.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Never

import structlog
import trio

from orch.health import recovery
from orch.health.check_response import in_words
from orch.health.child_output import Tail, read_line
from orch.health.health_events import Stage
from orch.health.recovery import Attempt, Escalate, GiveUp, Nothing, Recovery, RecoveryPolicy, Wait
from orch.health.recovery_words import (
    attempt_in_words,
    describe,
    give_up_in_words,
    no_hook_in_words,
    wait_in_words,
)
from orch.health.starts import LINES, NOT_RUN
from orch.health.statistics import RecoveryStatistics
from orch.health.verdict import WELL, Observation, State
from orch.health.words import endangered_in_words
from orch.processes import run_child
from orch.shortages import Shortage
from orch.shortages import in_words as shortage_in_words
from orch.telemetry.events import Severity
from orch.telemetry.work import IDLE, Work

log = structlog.get_logger("health")

WORK_LOOK: Final = 0.25
"""Seconds between two looks at the requests that are waited for."""

Observe = Callable[[Observation], None]
RecordEvent = Callable[[Severity, str], None]
OnShortage = Callable[[Shortage, str], None]
"""Called with what this process was short of, and a sentence on what could not be done."""
OnStep = Callable[[Stage, int, str], None]
"""Called with each step of a recovery: the attempt (0: outside the numbered ones), and a sentence."""
RunChild = Callable[..., Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Due:
    """An attempt that is due. ``number`` 0: outside the numbered ones; ``how``: "restarted, attempt 1"."""

    number: int
    how: str


class Restarter(ABC):
    """Brings one back end back. The mutable state is the attempts made, and what an operator asked for.

    ``observe`` is called with what is seen of the back end, ``record`` with events for operators, ``on_step``
    with each step. ``work`` returns the requests that a restart would end, ``on_reset`` resets connections
    and breakers and returns what it did, ``on_escalation`` is called when people are needed.

    A recovery is a cancel scope: while requests in progress are waited for, it ends if the back end comes
    back by itself; an operator can stop it at any time. A restart that has begun is completed, whatever the
    checks show meanwhile: half of one helps nobody.
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
        self.policy = policy
        self.on_restart: Callable[[], None] = lambda: None
        self.on_up: Callable[[], None] = lambda: None
        self.on_shortage: OnShortage = lambda _shortage, _what: None
        self.on_step: OnStep = lambda _stage, _attempt, _text: None
        self.on_reset: Callable[[], str] = lambda: ""
        self.on_escalation: Callable[[str], Awaitable[None]] = _nobody
        self.work: Callable[[], Work] = lambda: IDLE
        self.reason: Callable[[], str] = lambda: ""
        self.is_waiting = False
        self.is_suspended = False
        self._observe = observe
        self._record = record
        self._run_child = run_child
        self._recovery = self._before = Recovery()
        self._is_requested = False
        self._is_forced = False
        self._is_down = False
        self._is_acting = False
        self._attempt: int | None = None  # the last one since it was well
        self._scope: trio.CancelScope | None = None
        self._wake = trio.Event()
        self._tail = Tail(LINES)

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

    @property
    def is_active(self) -> bool:
        """Whether there is a recovery that :meth:`stop` would stop."""
        if self._recovery.is_stopped:
            return self._is_requested
        is_due = self._recovery.failed_at is not None
        return is_due or self._is_requested or self._scope is not None or self._attempt is not None

    @abstractmethod
    async def run(self) -> Never:
        """Start the back end again whenever it is due, until cancelled."""

    def restart(self, *, is_forced: bool = False) -> None:
        """Restart it because an operator asked: earlier attempts no longer count.

        Requests in progress are waited for, unless ``is_forced``.
        """
        self._is_requested, self._is_forced = True, is_forced
        self._recovery = Recovery()
        self._notify()

    def stop(self, why: str) -> None:
        """Stop the recovery because an operator asked; the back end is left as it is."""
        self._is_requested = self._is_forced = False
        self._recovery = recovery.stopped(self._recovery)
        self.on_step(Stage.STOPPED, self._attempt or 0, why)
        self._attempt = None
        self._cancel()
        self._notify()

    def failed(self) -> None:
        """Note that it is down; an attempt follows when it is due.

        What is seen while a restart runs shows nothing about its result; during maintenance nothing is done.
        """
        if self._is_acting or self.is_suspended:
            return
        if self._attempt is not None:
            self._fail_step("The restart did not help.")
        self._is_down = True
        self._recovery = recovery.failed(self._recovery, trio.current_time())
        if recovery.needs_reset(self._recovery):
            self._recovery = recovery.with_reset(self._recovery)
            if did := self.on_reset():
                self.on_step(Stage.RESET, 0, did)
        self._notify()

    def update(self, state: State) -> None:
        """Note the state of what it restarts: the child, or the whole service."""
        if state in WELL:
            self._note_well(state)
            self._recovery = recovery.recovered(self._recovery)
        elif state is State.UNHEALTHY:
            self.failed()

    def suspend(self) -> None:
        """Do nothing until :meth:`resume`, except what an operator asks for: maintenance has begun."""
        self.is_suspended = True
        self._recovery = recovery.recovered(self._recovery)
        self._attempt, self._is_down = None, False
        if self.is_waiting and not self._is_requested:
            self._cancel()
        self._notify()

    def resume(self) -> None:
        """Act again: maintenance is over. A child that ended meanwhile is started."""
        self.is_suspended = False
        if not self.is_up:
            self.failed()

    @property
    def attempts_left(self) -> int | None:
        """How many attempts are left before people are needed; None while there is nothing to do."""
        return recovery.attempts_left(self._recovery, self.policy, trio.current_time())

    def statistics(self, *, is_well: bool) -> RecoveryStatistics | None:
        """Return what is being done, or None if nothing needs to be."""
        described = describe(self._recovery, self.policy, trio.current_time(), is_well=is_well)
        if not self.is_waiting and not (self._is_acting and described is not None):
            return described
        attempt, next_in = (described.attempt, described.next_in) if described is not None else (0, None)
        text = "Is being restarted." if not attempt else f"Is being restarted, attempt {attempt}."
        if self.is_waiting:
            text = f"Waits for {endangered_in_words(self.name, self.work())}, before it is restarted."
        return RecoveryStatistics(attempt=attempt, limit=self.policy.attempts, next_in=next_in, text=text)

    async def _next_attempt(self) -> Due:
        """Return when an attempt is due; announce how long that takes."""
        announced: float | None = None
        while True:
            if self._is_requested:
                self._before = self._recovery
                return Due(0, "restarted")
            now = trio.current_time()
            match recovery.decide(self._recovery, self.policy, now):
                case Attempt(number):
                    self._before = self._recovery
                    self._recovery = recovery.begin(self._recovery, self.policy, now)
                    return Due(number, f"restarted{attempt_in_words(number, self.policy)}")
                case Wait(until, number) as wait:
                    # A wait for a shortage of this process has been announced as that shortage.
                    if number and announced != until and self._recovery.short_until <= now:
                        announced = until
                        self._record("info", wait_in_words(wait, self.policy, now))
                    await self._notified(until)
                case GiveUp(attempts, until):
                    if not self._recovery.given_up:
                        self._recovery = recovery.give_up(self._recovery, now)
                        await self._escalate(give_up_in_words(attempts, self.policy))
                    else:
                        await self._notified(until)
                case Escalate():
                    self._recovery = recovery.give_up(self._recovery, now)
                    await self._escalate(no_hook_in_words(self.policy))
                case Nothing():
                    await self._notified()

    async def _escalate(self, text: str) -> None:
        self._record("bad", text)
        self.on_step(Stage.ESCALATED, 0, text)
        await self.on_escalation(text)

    async def _spare(self, due: Due) -> None:
        """Wait for the requests that a restart would end, up to the limit.

        Requests that came later, or make no progress, are not waited for.
        """
        began, limit = trio.current_time(), self.policy.work_limit
        try:
            while not self._is_forced:
                now, work = trio.current_time(), self.work()
                is_older = work.oldest >= now - began
                if now - began >= limit or not (work.in_flight and work.makes_progress and is_older):
                    return
                if not self.is_waiting:
                    self.is_waiting = True
                    text = f"{endangered_in_words(self.name, work)}: waits for up to {in_words(limit)}."
                    self.on_step(Stage.WAITING, due.number, text[0].upper() + text[1:])
                    self._record("info", f"Before it is restarted: {text}")
                await self._notified(now + min(WORK_LOOK, limit))
        finally:
            self.is_waiting = False

    def _begin(self, due: Due) -> None:
        """Note that the restart begins, and which work it ends."""
        self._is_requested = self._is_forced = False
        self._attempt = due.number
        work = self.work()
        ends = f" This ends {endangered_in_words(self.name, work)}." if work.in_flight else ""
        if ends:
            self._record("warn", ends.strip())
        self.on_step(Stage.HOOK, due.number, f"Is {due.how}.{ends}")

    def _supersede(self) -> None:
        """Note that an attempt was not made, as it is up again or was stopped."""
        if not self._recovery.is_stopped:
            self._recovery = recovery.recovered(self._before)

    def _verify(self, text: str) -> None:
        if self._attempt is not None:
            self.on_step(Stage.VERIFYING, self._attempt, text)

    def _fail_step(self, text: str) -> None:
        self.on_step(Stage.FAILED, self._attempt or 0, text)
        self._attempt, self._is_down = None, True

    def _note_well(self, state: State) -> None:
        if self._attempt is not None:
            self.on_step(Stage.RECOVERED, self._attempt, f"Is {state} after the restart.")
        elif self._is_down and self.is_responsible:  # what another worker did is in its own steps
            self.on_step(Stage.SUPERSEDED, 0, f"Is {state} without a restart.")
        self._attempt, self._is_down = None, False
        if self.is_waiting and not self._is_requested:
            self._cancel()

    def _cancel(self) -> None:
        if self._scope is not None:
            self._scope.cancel()

    def _not_made(self, shortage: Shortage, what: str) -> None:
        """Note that this process was short of something for an attempt: the attempt does not count."""
        now = trio.current_time()
        self._recovery = recovery.unmade(self._before, self.policy, now)
        self._attempt = None
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
            self._tail.add(entry)
            log.log(entry.level, entry.event, service=self.name, **entry.fields)


async def _nobody(_text: str) -> None:
    await trio.lowlevel.checkpoint()


def not_started(error: Exception, shortage: Shortage | None, program: str) -> str:
    """Return why a program could not be started, without its subject."""
    if shortage is not None:
        return f"{NOT_RUN}. {shortage_in_words(shortage)}".removesuffix(".")
    if not isinstance(error, OSError):
        log.error("cannot run a child process", program=program, exc_info=error)
    return f"{NOT_RUN}: {getattr(error, 'strerror', None) or error}: {program}"

"""Starts branches in order, restarts those that fail, and stops them in reverse order.

The problem: parts of a service depend on each other, so they must start in order and stop in reverse; yet a
failing part must not end the others. A single nursery does neither: an exception in one child cancels its
siblings, and cancelling the root stops everything at once, in no order.

Here every branch has its own nursery, opened inside the one it depends on; leaving the ``async with`` blocks
stops them from the inside out. In its nursery a branch runs under :meth:`Tree.supervise`: an exception ends
one attempt, never the nursery, and the restart policy decides when the next attempt begins. A branch that
fails too often does not raise either: it sets the tree's stop event, and the blocks are left in order.

What we leave out: restarting dependants together with a branch (Erlang's ``rest_for_one``). Part objects
outlive the attempts of their branch, so dependants can keep their references.
"""

import os
import traceback
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Final, Protocol

import structlog
import trio
from msgspec import Struct

from orch.shortages import Shortage, own_shortage
from orch.supervision.restart_policy import RestartPolicy
from orch.supervision.tasks import TaskStatistics, tasks_below
from orch.telemetry.events import EventLog
from orch.telemetry.names.metric import Reading
from orch.telemetry.names.process import BRANCH_RESTARTS, BRANCH_STATE, UPTIME

log = structlog.get_logger("tree")


class State(StrEnum):
    """The state of a branch."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    BACKING_OFF = "backing_off"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class Run(Protocol):
    """The function that runs a branch: runs until cancelled, and reports when it is usable."""

    def __call__(self, *, task_status: trio.TaskStatus[None]) -> Awaitable[None]:
        """Run one attempt."""
        ...


class Queue(Struct, frozen=True, kw_only=True):
    """The length and limit of a bounded queue."""

    name: str
    fill: int
    limit: int


class Detail(Struct, frozen=True, kw_only=True):
    """A branch's description of itself: a few words, and its queues."""

    text: str = ""
    queues: tuple[Queue, ...] = ()


SHORTAGE_PAUSE: Final = 5.0
"""Seconds until the next attempt of a branch that failed because this process was out of a resource."""


class LastError(Struct, frozen=True, kw_only=True):
    """Why the last attempt ended. ``at``: seconds since the epoch."""

    type: str
    message: str
    traceback: str
    at: float


class BranchStatistics(Struct, frozen=True, kw_only=True):
    """One branch as it is now. Times in seconds, ``since`` and ``backoff_until`` since the epoch."""

    name: str
    depth: int
    state: State
    since: float
    uptime: float
    restarts: int
    restart_limit: int
    restart_window: float
    backoff_until: float | None
    last_error: LastError | None
    detail: str
    waits_for: str | None
    tasks: tuple[TaskStatistics, ...]
    queues: tuple[Queue, ...]


class TreeStatistics(Struct, frozen=True, kw_only=True):
    """The whole tree and its worker. ``worker`` counts from 0 if there are several, else it is None."""

    state: str
    pid: int
    worker: int | None
    uptime: float
    reason: str | None
    branches: tuple[BranchStatistics, ...]


class BranchEndedError(Exception):
    """A branch returned without being stopped."""


class Branch:
    """A supervised part. The mutable state is its state, its failures and the cancel scope of its attempt."""

    def __init__(
        self, name: str, run: Run, policy: RestartPolicy, depth: int, describe: Callable[[], Detail]
    ) -> None:
        self.name = name
        self.policy = policy
        self.depth = depth
        self.restarts = 0
        self.last_error: LastError | None = None
        self.state = State.WAITING
        self.since = 0.0
        self.backoff_until: float | None = None
        self.run = run
        self.describe = describe
        self.settled = trio.Event()
        self.finished = trio.Event()
        self.failures: deque[float] = deque(maxlen=policy.limit + 1)
        self.scope: trio.CancelScope | None = None
        self.is_restart_wanted = False
        self.task: trio.lowlevel.Task | None = None

    def __repr__(self) -> str:
        return f"<Branch {self.name}: {self.state}, {self.restarts} restarts>"


class _Started(trio.TaskStatus[None]):
    """Marks the branch's attempt as usable; further calls do nothing."""

    def __init__(self, on_started: Callable[[], None]) -> None:
        self._on_started = on_started

    def started(self, value: None = None) -> None:  # noqa: ARG002 - Trio's own signature
        self._on_started()


class Tree:
    """The branches of one process.

    ``stopping`` is set once: by :meth:`stop`, or, with ``is_failed``, by a branch that failed too often.
    """

    def __init__(
        self,
        *,
        events: EventLog,
        wall: Callable[[], float],
        on_change: Callable[[], None] = lambda: None,
        worker: int | None = None,
    ) -> None:
        self.worker = worker
        self._events = events
        self._wall = wall
        self._on_change = on_change
        self._branches: list[Branch] = []
        self.began = wall()
        self.stopping = trio.Event()
        self.is_failed = False
        self.reason: str | None = None

    def stop(self, reason: str) -> None:
        """Stop all branches in order. Only the first reason is recorded."""
        if not self.stopping.is_set():
            self.reason = reason
            log.info("stopping", reason=reason)
            self.stopping.set()
            self._on_change()

    def fail(self, reason: str) -> None:
        """Stop all branches in order, and make the process exit with 1."""
        if not self.stopping.is_set():
            self.is_failed = True
        self.stop(reason)

    def restart(self, name: str) -> bool:
        """Cancel a branch's attempt so that a new one begins; False if there is no such branch."""
        branch = next((branch for branch in self._branches if branch.name == name), None)
        if branch is None or branch.state in (State.STOPPED, State.FAILED, State.WAITING):
            return False
        branch.is_restart_wanted = True
        if branch.scope is not None:
            branch.scope.cancel()
        return True

    def names(self) -> tuple[str, ...]:
        """Return the branches in the order they start."""
        return tuple(branch.name for branch in self._branches)

    @asynccontextmanager
    async def supervise(
        self,
        name: str,
        run: Run,
        *,
        policy: RestartPolicy | None = None,
        grace: float = 0,
        describe: Callable[[], Detail] = Detail,
    ) -> AsyncIterator[Branch]:
        """Run a branch during the block.

        The block is entered when the branch is usable for the first time, or when the tree is stopping. After
        the block, a branch that ends by itself when the tree stops has ``grace`` seconds for it; then (with
        ``grace`` 0 at once) it is cancelled.
        """
        branch = Branch(name, run, policy or RestartPolicy(), len(self._branches), describe)
        branch.since = self._wall()
        self._branches.append(branch)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_running, branch, name=f"branch {name}")
            try:
                await _first(branch.settled.wait, self.stopping.wait)
                yield branch
            finally:
                if self.stopping.is_set():
                    with trio.move_on_after(grace, shield=True):
                        await branch.finished.wait()
                if not branch.finished.is_set():
                    self._enter(branch, State.STOPPING)
                nursery.cancel_scope.cancel()

    async def _keep_running(self, branch: Branch) -> None:
        """Run attempt after attempt until the tree stops or the policy gives up."""
        branch.task = trio.lowlevel.current_task()
        try:
            while await self._attempt(branch):
                pass
        finally:
            branch.scope = None
            self._enter(branch, State.FAILED if branch.state is State.FAILED else State.STOPPED)
            branch.settled.set()
            branch.finished.set()

    async def _attempt(self, branch: Branch) -> bool:
        """Run one attempt; return whether there should be another."""
        error: BaseException | None = None
        self._enter(branch, State.STARTING)
        branch.is_restart_wanted = False

        def usable() -> None:
            self._enter(branch, State.RUNNING)
            branch.settled.set()

        with trio.CancelScope() as branch.scope:
            try:
                await branch.run(task_status=_Started(usable))
            except* Exception as group:  # noqa: BLE001 - the boundary of a branch: the policy meets them all
                error = group
        if branch.is_restart_wanted and error is None:
            branch.restarts += 1
            self._events.record("info", branch.name, "Restarted by an operator.")
            return True
        if self.stopping.is_set():
            if error is not None:
                log.error("branch failed while stopping", branch=branch.name, exc_info=error)
            return False
        return await self._recover(branch, error or BranchEndedError(f"{branch.name} ended by itself"))

    async def _recover(self, branch: Branch, error: BaseException) -> bool:
        """Count the failure and wait as long as the policy says; False when it gives up.

        A failure caused by a shortage of this process does not count: the shortage is temporary, and ending
        the process would disconnect every client.
        """
        now = trio.current_time()
        shortage = own_shortage(error)
        is_counted = shortage in {None, Shortage.PORTS}  # "no port" may mean a foreign address: a setting
        if is_counted:
            branch.failures.append(now)
        cause = _single(error)
        branch.last_error = LastError(
            type=type(cause).__name__,
            message=str(cause),
            traceback="".join(traceback.format_exception(error)),
            at=self._wall(),
        )
        log.error("branch failed", branch=branch.name, exc_info=error)
        delay = branch.policy.delay(branch.failures, now) if is_counted else SHORTAGE_PAUSE
        if delay is None:
            branch.state = State.FAILED
            reason = (
                f"The branch {branch.name} failed more than {branch.policy.limit} times in "
                f"{branch.policy.window:g} s. Last error: {branch.last_error.type}: {cause}"
            )
            self._events.record("bad", branch.name, reason)
            self.fail(reason)
            return False
        branch.restarts += 1
        branch.backoff_until = self._wall() + delay
        self._enter(branch, State.BACKING_OFF)
        self._events.record(
            "bad", branch.name, f"Failed ({branch.last_error.type}: {cause}). Restarts in {delay:g} s."
        )
        with trio.move_on_after(delay) as branch.scope:
            await self.stopping.wait()
        branch.backoff_until = None
        return not self.stopping.is_set()

    def _enter(self, branch: Branch, state: State) -> None:
        if branch.state is not state:
            branch.state = state
            branch.since = self._wall()
            passing = state in (State.STARTING, State.STOPPING)
            (log.debug if passing else log.info)("branch", branch=branch.name, state=state)
        self._on_change()

    def states(self) -> dict[str, State]:
        """Return the branches' states in starting order; cheap enough for every probe."""
        return {branch.name: branch.state for branch in self._branches}

    def last_error(self, name: str) -> str:
        """Return why the last attempt of a branch ended; empty if none has."""
        errors = (each.last_error for each in self._branches if each.name == name)
        return next((error.message for error in errors if error is not None), "")

    def uptime(self) -> float:
        """Return the seconds since the tree was created."""
        return self._wall() - self.began

    def statistics(self) -> TreeStatistics:
        """Return the tree as it is now."""
        now = self._wall()
        return TreeStatistics(
            state="stopping" if self.stopping.is_set() else "running",
            pid=os.getpid(),
            worker=self.worker,
            uptime=self.uptime(),
            reason=self.reason,
            branches=tuple(self._branch_statistics(branch, now) for branch in self._branches),
        )

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        yield Reading(UPTIME, self.uptime())
        for branch in self._branches:
            yield Reading(BRANCH_STATE, float(branch.state is State.RUNNING), (branch.name,))
            yield Reading(BRANCH_RESTARTS, branch.restarts, (branch.name,))

    def _branch_statistics(self, branch: Branch, now: float) -> BranchStatistics:
        tasks = tuple(tasks_below(branch.task)) if branch.task is not None else ()
        detail = branch.describe()
        waits_for = None
        if branch.state is State.STARTING and tasks:
            waits_for = tasks[0].waits_for
        elif branch.state is State.WAITING:
            waits_for = "the branch before it"
        elif branch.state is State.BACKING_OFF:
            waits_for = "its next attempt"
        return BranchStatistics(
            name=branch.name,
            depth=branch.depth,
            state=branch.state,
            since=branch.since,
            uptime=now - branch.since if branch.state is State.RUNNING else 0.0,
            restarts=branch.restarts,
            restart_limit=branch.policy.limit,
            restart_window=branch.policy.window,
            backoff_until=branch.backoff_until,
            last_error=branch.last_error,
            detail=detail.text,
            waits_for=waits_for,
            tasks=tasks,
            queues=detail.queues,
        )


def together(*runs: Run) -> Run:
    """Combine several runs into one: they start in order and fail together."""

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as nursery:
            for each in runs:
                await nursery.start(each)
            task_status.started()

    return run


async def _first(*waits: Callable[[], Awaitable[None]]) -> None:
    """Return when the first of ``waits`` does."""
    async with trio.open_nursery() as nursery:

        async def one(wait: Callable[[], Awaitable[None]]) -> None:
            await wait()
            nursery.cancel_scope.cancel()

        for wait in waits:
            nursery.start_soon(one, wait)


def _single(error: BaseException) -> BaseException:
    """Return the one exception inside nested groups of one, or the group."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error

"""Branches on a virtual clock."""

import errno

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from orch.supervision.branches import Detail, Queue, State, Tree
from orch.supervision.restart_policy import RestartPolicy
from orch.telemetry.events import EventLog


class Recorder:
    """Remembers what branches did, in order."""

    def __init__(self) -> None:
        self.story: list[str] = []

    def branch(self, name: str, *, slow_stop: float = 0) -> "Recorded":
        return Recorded(self, name, slow_stop)


class Recorded:
    """A branch that runs until cancelled, or fails when told to."""

    def __init__(self, recorder: Recorder, name: str, slow_stop: float) -> None:
        self.story = recorder.story
        self.name = name
        self.slow_stop = slow_stop
        self.failure: trio.Event = trio.Event()
        self.attempts = 0

    async def __call__(self, *, task_status: trio.TaskStatus[None]) -> None:
        self.attempts += 1
        self.failure = trio.Event()
        self.story.append(f"start {self.name}")
        task_status.started()
        try:
            await self.failure.wait()
            raise ValueError(self.name)
        finally:
            with trio.move_on_after(10, shield=True):
                await trio.sleep(self.slow_stop)
            self.story.append(f"stop {self.name}")


def tree() -> Tree:
    return Tree(events=EventLog(wall=trio.current_time), wall=trio.current_time)


async def test_branches_start_in_order_and_stop_in_reverse_each_after_the_last_has_ended() -> None:
    """What depends on a store is gone before the store closes, however long it takes."""
    recorder, t = Recorder(), tree()
    async with (
        t.supervise("a", recorder.branch("a")),
        t.supervise("b", recorder.branch("b", slow_stop=3)),
        t.supervise("c", recorder.branch("c", slow_stop=5)),
    ):
        t.stop("test")
    assert recorder.story == ["start a", "start b", "start c", "stop c", "stop b", "stop a"]
    assert [b.state for b in t.statistics().branches] == [State.STOPPED] * 3


async def test_a_branch_opens_only_when_the_one_before_it_is_usable() -> None:
    """``started()`` is the gate, not the start of the task."""
    seen: list[float] = []

    async def slow(*, task_status: trio.TaskStatus[None]) -> None:
        await trio.sleep(4)
        task_status.started()
        await trio.sleep_forever()

    async def second(*, task_status: trio.TaskStatus[None]) -> None:
        seen.append(trio.current_time())
        task_status.started()
        await trio.sleep_forever()

    began = trio.current_time()
    t = tree()
    async with t.supervise("slow", slow), t.supervise("second", second):
        assert seen == [pytest.approx(began + 4)]
        t.stop("test")


async def test_a_branch_that_fails_is_restarted_with_back_off_and_the_rest_never_notice() -> None:
    """One attempt ends; nothing outside it is cancelled."""
    recorder, t = Recorder(), tree()
    outer, failing, inner = recorder.branch("outer"), recorder.branch("failing"), recorder.branch("inner")
    policy = RestartPolicy(first=1, factor=2, limit=5, window=1000)
    async with (
        t.supervise("outer", outer),
        t.supervise("failing", failing, policy=policy),
        t.supervise("inner", inner),
    ):
        for wait in (1, 2, 4):
            failing.failure.set()
            await wait_all_tasks_blocked()
            row = t.statistics().branches[1]
            assert row.state is State.BACKING_OFF
            assert row.backoff_until == pytest.approx(trio.current_time() + wait)
            assert row.last_error is not None
            assert row.last_error.type == "ValueError"
            assert "ValueError" in row.last_error.traceback
            await trio.sleep(wait + 0.1)
            assert t.statistics().branches[1].state is State.RUNNING
        assert (outer.attempts, failing.attempts, inner.attempts) == (1, 4, 1)
        assert t.statistics().branches[1].restarts == 3
        t.stop("test")


async def test_past_its_limit_a_branch_stops_the_tree_in_order_and_the_tree_is_failed() -> None:
    """The process exits 1 rather than loop for ever, and still closes everything in order."""
    recorder, t = Recorder(), tree()
    failing = recorder.branch("failing")
    async with (
        t.supervise("store", recorder.branch("store")),
        t.supervise("failing", failing, policy=RestartPolicy(first=1, limit=1, window=100)),
        t.supervise("front", recorder.branch("front")),
    ):
        failing.failure.set()
        await trio.sleep(2)
        failing.failure.set()
        await t.stopping.wait()
    assert t.is_failed
    assert t.reason is not None
    assert "failing failed more than 1 times" in t.reason
    assert recorder.story[-2:] == ["stop front", "stop store"]
    assert t.statistics().branches[1].state is State.FAILED


async def test_a_branch_that_never_gets_usable_does_not_hold_the_start_up_for_ever() -> None:
    """A store that cannot be opened stops the tree; nothing after it was started."""
    recorder, t = Recorder(), tree()

    async def broken(*, task_status: trio.TaskStatus[None]) -> None:
        raise OSError("disk full")

    async with t.supervise("store", broken, policy=RestartPolicy(first=1, limit=2, window=100)):
        assert t.stopping.is_set()
        assert recorder.story == []
    assert t.is_failed


async def test_a_branch_that_returns_unasked_has_failed() -> None:
    """A branch runs until it is told otherwise; ending quietly is a fault too."""

    async def quits(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()

    t = tree()
    async with t.supervise("quits", quits, policy=RestartPolicy(first=1, limit=0)):
        await t.stopping.wait()
    error = t.statistics().branches[0].last_error
    assert error is not None
    assert error.type == "BranchEndedError"


async def test_an_operators_restart_runs_the_branch_anew_and_counts_no_failure() -> None:
    """Restarting from the Tree page is no fault, and has no back-off."""
    recorder, t = Recorder(), tree()
    part = recorder.branch("part")
    async with t.supervise("part", part, policy=RestartPolicy(limit=0)):
        for _ in range(3):
            assert t.restart("part")
            await wait_all_tasks_blocked()
        assert part.attempts == 4
        assert not t.stopping.is_set()
        assert not t.restart("no-such-branch")
        t.stop("test")


async def test_an_operators_restart_cuts_a_back_off_short() -> None:
    """Someone who has mended the cause need not wait."""
    recorder, t = Recorder(), tree()
    part = recorder.branch("part")
    async with t.supervise("part", part, policy=RestartPolicy(first=25)):
        part.failure.set()
        await wait_all_tasks_blocked()
        before = trio.current_time()
        t.restart("part")
        await wait_all_tasks_blocked()
        assert part.attempts == 2
        assert trio.current_time() - before < 1
        t.stop("test")


async def test_the_innermost_branch_has_its_grace_and_no_more() -> None:
    """A front that will not end by itself is cancelled when the grace is over."""
    t = tree()

    async def stubborn(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await trio.sleep_forever()

    async with t.supervise("front", stubborn, grace=10):
        t.stop("test")
        began = trio.current_time()
    assert trio.current_time() - began == pytest.approx(10)


async def test_a_branch_that_finishes_within_the_grace_ends_the_wait() -> None:
    """Nobody waits for a grace that is not needed."""
    t = tree()

    async def drains(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await t.stopping.wait()
        await trio.sleep(2)

    async with t.supervise("front", drains, grace=10):
        t.stop("test")
        began = trio.current_time()
    assert trio.current_time() - began == pytest.approx(2)
    assert t.statistics().branches[0].state is State.STOPPED


async def test_cancelling_the_whole_tree_is_never_swallowed() -> None:
    """Cancelled goes on to whoever cancelled, at once."""
    recorder, t = Recorder(), tree()
    with trio.move_on_after(3) as scope:
        async with t.supervise("a", recorder.branch("a")), t.supervise("b", recorder.branch("b")):
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert recorder.story[:2] == ["start a", "start b"]
    assert sorted(recorder.story[2:]) == ["stop a", "stop b"]


async def test_the_tree_describes_its_real_tasks_and_queues() -> None:
    """What the page shows is walked, not declared."""
    t = tree()

    async def worker() -> None:
        await trio.sleep_forever()

    async def part(*, task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(worker)
            task_status.started()

    detail = Detail(text="three", queues=(Queue(name="jobs", fill=1, limit=8),))
    async with t.supervise("part", part, describe=lambda: detail):
        row = t.statistics().branches[0]
        assert (row.detail, row.queues) == ("three", detail.queues)
        assert [(task.count, task.name) for task in row.tasks] == [(3, "worker")]
        t.stop("test")


@pytest.mark.limit(300)
async def test_a_branch_that_this_process_is_too_short_of_something_for_is_tried_until_it_runs() -> None:
    """However often: ending the process would take everyone along, and starting it anew mends nothing."""
    attempts = 0

    async def short(*, task_status: trio.TaskStatus[None]) -> None:
        nonlocal attempts
        attempts += 1
        if attempts <= 20:
            raise OSError(errno.EMFILE, "Too many open files")
        task_status.started()
        await trio.sleep_forever()

    t = tree()
    async with t.supervise("short", short):
        await trio.sleep(110)
        assert attempts == 21
        assert t.statistics().branches[0].state is State.RUNNING
        assert not t.is_failed
        t.stop("The test is over.")

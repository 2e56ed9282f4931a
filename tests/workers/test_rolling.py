"""Which workers there are to be: every decision, without a process."""

from math import inf

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orch.supervision.restart_policy import RestartPolicy
from orch.workers.rolling import (
    HUNG,
    HUNG_AFTER,
    HURRY,
    LEAVE_MARGIN,
    START_LIMIT,
    TRANSITIONS,
    Action,
    AllServing,
    Finish,
    Fleet,
    Kill,
    Log,
    Phase,
    Start,
    Step,
    Terminate,
)

GRACE = 10.0
POLICY = RestartPolicy(first=1, factor=2, limit=2, window=60)


def serving(count: int) -> Fleet:
    """Return a fleet whose workers 1, 2, … serve in the places 0, 1, …."""
    fleet = Fleet(count, policy=POLICY, grace=GRACE)
    fleet.begin(0)
    for number in range(1, count + 1):
        fleet.ready(number, 0)
    return fleet


def deeds(actions: list[Action]) -> list[Action]:
    """Return the actions without those that only log."""
    return [action for action in actions if not isinstance(action, Log)]


def said(actions: list[Action]) -> str:
    return " ".join(action.text for action in actions if isinstance(action, Log))


def test_every_phase_but_serving_again_is_in_the_table() -> None:
    """A worker is ready once; whatever else happens to it has its line."""
    missing = {(phase, step) for phase in Phase for step in Step} - TRANSITIONS.keys()
    assert missing == {(Phase.SERVING, Step.READY)}


def test_a_worker_is_started_in_each_place_and_the_last_one_ready_completes_them() -> None:
    """The service is ready when all places are."""
    fleet = Fleet(2, policy=POLICY, grace=GRACE)
    assert fleet.begin(0) == [Start(1, 0), Start(2, 1)]
    assert fleet.ready(2, 1) == []
    assert fleet.ready(1, 2) == [AllServing(rolled=False)]
    assert fleet.next_at() == inf


def test_a_worker_that_dies_is_replaced_after_the_policys_delay() -> None:
    """In its own place; the others continue."""
    fleet = serving(3)
    actions = fleet.ended(2, 100, "ended by signal 9 (SIGKILL)")
    assert deeds(actions) == []
    assert said(actions) == "Worker 1 ended by signal 9 (SIGKILL). Its successor starts in 1 s."
    assert fleet.next_at() == 101
    assert fleet.due(100.9) == []
    assert fleet.due(101) == [Start(4, 1)]
    assert fleet.ready(4, 102) == []


def test_a_place_that_fails_past_the_limit_stops_all_with_code_1() -> None:
    """In order: the others are terminated, and the last one's end finishes the service."""
    fleet = serving(2)
    now = 0.0
    number = 2
    for delay in (1, 2):
        fleet.ended(number, now, "ended with code 1")
        now += delay
        (start,) = fleet.due(now)
        assert isinstance(start, Start)
        number = start.worker
    actions = fleet.ended(number, now, "ended with code 1")
    assert deeds(actions) == [Terminate(1)]
    assert "more than 2 times in 60 s" in said(actions)
    assert fleet.is_stopping
    assert fleet.ended(1, now + 1, "ended with code 0") == [Finish(1)]


def test_failures_of_different_places_are_not_added_up() -> None:
    """A machine that kills one worker each has no loop."""
    fleet = serving(4)
    for number in (1, 2, 3, 4):
        assert deeds(fleet.ended(number, 0, "ended by signal 9 (SIGKILL)")) == []
    assert fleet.due(1) == [Start(5, 0), Start(6, 1), Start(7, 2), Start(8, 3)]


def test_a_worker_that_does_not_get_ready_is_killed_and_replaced() -> None:
    """Once, and its end counts as a failure."""
    fleet = Fleet(1, policy=POLICY, grace=GRACE)
    fleet.begin(0)
    assert fleet.next_at() == START_LIMIT
    assert fleet.due(START_LIMIT) == [Kill(1, "Worker 0 was not ready in time.")]
    assert fleet.due(START_LIMIT + 1) == []
    fleet.ended(1, START_LIMIT + 1, "ended by signal 9 (SIGKILL)")
    assert fleet.due(START_LIMIT + 2) == [Start(2, 0)]


def test_a_roll_replaces_one_place_after_the_other() -> None:
    """The next is started beside the one that serves, which leaves only when the next is ready."""
    fleet = serving(2)
    assert deeds(fleet.roll(10)) == [Start(3, 0)]
    assert fleet.ready(3, 11) == [Terminate(1)]
    assert fleet.ended(1, 12, "ended with code 0") == [Start(4, 1)]
    assert fleet.ready(4, 13) == [Terminate(2)]
    assert fleet.ended(2, 14, "ended with code 0") == [AllServing(rolled=True)]
    assert not fleet.is_rolling
    assert fleet.next_at() == inf


def test_a_newcomer_that_never_becomes_ready_ends_only_the_roll() -> None:
    """Unusable settings stop no worker, and count against no limit."""
    fleet = serving(2)
    for attempt in range(3, 20):
        fleet.roll(attempt)
        actions = fleet.ended(attempt, attempt, "ended with code 2")
        assert deeds(actions) == []
        assert "running workers continue" in said(actions)
        assert not fleet.is_rolling
        assert fleet.next_at() == inf
    assert not fleet.is_stopping


def test_a_worker_that_dies_while_its_newcomer_starts_is_not_replaced_twice() -> None:
    """The newcomer takes the place, and the roll continues."""
    fleet = serving(2)
    fleet.roll(0)
    actions = fleet.ended(1, 1, "ended by signal 9 (SIGKILL)")
    assert deeds(actions) == []
    assert "Its successor is starting" in said(actions)
    assert fleet.next_at() == START_LIMIT
    assert fleet.ready(3, 2) == [Start(4, 1)]


def test_a_newcomer_that_dies_after_the_one_it_was_to_replace_is_itself_replaced() -> None:
    """The roll is given up, the place is not."""
    fleet = serving(2)
    fleet.roll(0)
    fleet.ended(1, 1, "ended by signal 9 (SIGKILL)")
    actions = fleet.ended(3, 2, "ended with code 2")
    assert "No more workers are replaced" in said(actions)
    assert fleet.due(100) == [Start(4, 0)]
    assert fleet.ready(4, 101) == []


def test_a_roll_starts_a_delayed_worker_at_once() -> None:
    """After fixing the settings, an operator need not wait for the back-off."""
    fleet = serving(1)
    fleet.ended(1, 0, "ended with code 1")
    assert deeds(fleet.roll(0.1)) == [Start(2, 0)]
    assert fleet.due(1) == []
    assert fleet.ready(2, 2) == [AllServing(rolled=True)]


def test_a_worker_still_starting_is_rolled_like_any_other() -> None:
    """That it gets ready meanwhile is not the step's end."""
    fleet = Fleet(2, policy=POLICY, grace=GRACE)
    fleet.begin(0)
    assert deeds(fleet.roll(0)) == [Start(3, 0)]
    assert fleet.ready(1, 1) == []
    assert fleet.ready(3, 2) == [Terminate(1)]
    assert fleet.ended(1, 3, "ended with code 0") == [Start(4, 1)]


def test_a_roll_during_a_roll_begins_anew_after_the_current_step() -> None:
    """What was started before the second request may not know the newest settings."""
    fleet = serving(2)
    fleet.roll(0)
    assert "replaced again" in said(fleet.roll(1))
    fleet.ready(3, 2)
    assert fleet.ended(1, 3, "ended with code 0") == [Start(4, 0)]
    fleet.ready(4, 4)
    assert fleet.ended(3, 5, "ended with code 0") == [Start(5, 1)]
    fleet.ready(5, 6)
    assert fleet.ended(2, 7, "ended with code 0") == [AllServing(rolled=True)]


def test_a_worker_that_does_not_stop_within_its_grace_is_killed() -> None:
    """Its own, where its settings have changed since the parent read them."""
    fleet = serving(2)
    assert fleet.stop(0) == [Terminate(1), Terminate(2)]
    fleet.leaving(1, 3, 1)
    assert fleet.due(1 + 3 + LEAVE_MARGIN) == [Kill(1, "Worker 0 did not leave in time.")]
    assert fleet.ended(1, 7, "ended by signal 9 (SIGKILL)") == []
    assert fleet.due(GRACE + LEAVE_MARGIN) == [Kill(2, "Worker 1 did not leave in time.")]
    assert fleet.next_at() == inf
    assert fleet.ended(2, 13, "ended by signal 9 (SIGKILL)") == [Finish(0)]


def test_a_second_stop_hurries() -> None:
    """They are terminated again, with a second left."""
    fleet = serving(2)
    fleet.stop(0)
    assert fleet.stop(1) == [Terminate(1), Terminate(2)]
    fleet.leaving(1, 100, 1.1)
    assert [type(action) for action in fleet.due(1 + HURRY)] == [Kill, Kill]
    fleet.stop(2)
    assert fleet.next_at() == inf


def test_stopping_starts_no_worker_and_terminates_newcomers_too() -> None:
    """Every worker stops: in a roll, in a back-off, while starting."""
    fleet = serving(3)
    fleet.ended(3, 0, "ended by signal 9 (SIGKILL)")
    fleet.roll(0)
    assert fleet.stop(0.5) == [Terminate(1), Terminate(2), Terminate(4)]
    assert fleet.roll(1) == []
    assert fleet.due(2) == []
    assert fleet.ready(4, 3) == []
    assert [fleet.ended(number, 4, "ended with code 0") for number in (1, 2, 4)] == [[], [], [Finish(0)]]


def test_stopping_without_workers_finishes_at_once() -> None:
    """The only worker has just died."""
    fleet = serving(1)
    fleet.ended(1, 0, "ended by signal 9 (SIGKILL)")
    assert fleet.stop(0.1) == [Finish(0)]


@pytest.mark.parametrize("happening", ["ready", "ended", "leaving"])
def test_an_unknown_worker_changes_nothing(happening: str) -> None:
    """A late word from one that has been waited for."""
    fleet = serving(1)
    before = repr(fleet)
    assert fleet.ready(9, 0) == [] if happening == "ready" else True
    assert fleet.ended(9, 0, "") == [] if happening == "ended" else True
    assert fleet.leaving(9, 1, 0) == [] if happening == "leaving" else True
    assert repr(fleet) == before


def test_a_worker_without_heartbeats_is_killed_and_replaced() -> None:
    """Its clients reconnect to another worker rather than wait for as long as it hangs."""
    fleet = serving(2)
    fleet.beat(1, 5)
    fleet.beat(2, 5)
    fleet.beat(2, 10)
    assert fleet.next_at() == 5 + HUNG_AFTER
    assert fleet.due(4.9 + HUNG_AFTER) == []
    (kill,) = fleet.due(5 + HUNG_AFTER)
    assert isinstance(kill, Kill)
    assert kill.worker == 1
    assert "has not responded" in kill.reason
    ended = fleet.ended(1, 21, "ended by signal 9 (SIGKILL)")
    assert HUNG in said(ended)
    assert deeds(fleet.due(22)) == [Start(3, 0)]


def test_a_worker_that_hangs_right_after_it_was_ready_is_noticed() -> None:
    """It has beaten while it started, so that its next beat is awaited from the moment it is ready."""
    fleet = Fleet(1, policy=POLICY, grace=GRACE)
    fleet.begin(0)
    fleet.waiting(1, 0)
    fleet.ready(1, 1)
    assert fleet.next_at() == 1 + HUNG_AFTER


def test_a_worker_that_never_sent_a_heartbeat_is_not_killed_for_it() -> None:
    """A version without heartbeats keeps serving."""
    fleet = serving(1)
    assert fleet.next_at() == inf


def test_no_worker_is_killed_for_a_time_in_which_the_parent_was_suspended() -> None:
    """A machine that was suspended kills none of its workers when it resumes."""
    fleet = serving(2)
    fleet.beat(1, 0)
    fleet.beat(2, 0)
    fleet.was_suspended(100)
    assert fleet.due(100) == []
    assert fleet.due(99.9 + HUNG_AFTER) == []
    assert len(fleet.due(100 + HUNG_AFTER)) == 2


def test_heartbeats_do_not_change_the_grace_of_a_stopping_worker() -> None:
    """Once it was terminated, only the grace counts."""
    fleet = serving(1)
    fleet.beat(1, 0)
    fleet.stop(1)
    fleet.beat(1, 2)
    assert fleet.next_at() == 1 + GRACE + LEAVE_MARGIN


def test_a_worker_that_waits_for_the_store_does_not_count_as_stuck() -> None:
    """It may wait while it reports so; a newcomer of a roll may not, since another one serves."""
    fleet = Fleet(1, policy=POLICY, grace=GRACE)
    fleet.begin(0)
    fleet.waiting(1, START_LIMIT - 1)
    assert fleet.due(START_LIMIT) == []
    assert len(fleet.due(2 * START_LIMIT - 1)) == 1
    rolled = serving(1)
    rolled.roll(0)
    rolled.waiting(2, START_LIMIT - 1)
    assert len(rolled.due(START_LIMIT)) == 1


def test_starting_and_serving_workers_are_known() -> None:
    """So that a worker responds early only if no other serves."""
    fleet = Fleet(2, policy=POLICY, grace=GRACE)
    fleet.begin(0)
    assert (fleet.has_serving_worker(), fleet.starting_workers()) == (False, [1, 2])
    fleet.ready(1, 1)
    assert (fleet.has_serving_worker(), fleet.starting_workers()) == (True, [2])


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order, the promises hold."""

    @initialize(count=st.integers(1, 4))
    def begin(self, count: int) -> None:
        self.now = 0.0
        self.count = count
        self.fleet = Fleet(count, policy=POLICY, grace=GRACE)
        self.alive: dict[int, int] = {}
        self.is_ready: set[int] = set()
        self.asked: set[int] = set()
        self.killed: set[int] = set()
        self.finished: Finish | None = None
        self.is_stopped = False
        self._do(self.fleet.begin(0))

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            assert self.finished is None
            match action:
                case Start(worker, place):
                    assert not self.is_stopped
                    assert not self.fleet.is_stopping
                    assert worker not in self.alive
                    assert 0 <= place < self.count
                    self.alive[worker] = place
                case Terminate(worker):
                    assert worker in self.alive
                    if not self.fleet.is_stopping:
                        place = self.alive[worker]
                        others = {w for w, p in self.alive.items() if p == place and w != worker}
                        assert others & self.is_ready - self.asked, "left a place without a worker"
                    self.asked.add(worker)
                case Kill(worker, _):
                    assert worker in self.alive
                    assert worker not in self.killed
                    self.killed.add(worker)
                case Finish():
                    assert not self.alive
                    self.finished = action

    @precondition(lambda self: self.finished is None and self.alive.keys() - self.is_ready)
    @rule(data=st.data())
    def becomes_ready(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.alive.keys() - self.is_ready)))
        self.is_ready.add(worker)
        self._do(self.fleet.ready(worker, self.now))

    @precondition(lambda self: self.finished is None and self.alive)
    @rule(data=st.data())
    def ends(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.alive)))
        del self.alive[worker]
        self._do(self.fleet.ended(worker, self.now, "ended"))

    @precondition(lambda self: self.finished is None and self.alive)
    @rule(data=st.data(), is_waiting=st.booleans())
    def beats(self, data: st.DataObject, *, is_waiting: bool) -> None:
        worker = data.draw(st.sampled_from(sorted(self.alive)))
        (self.fleet.waiting if is_waiting else self.fleet.beat)(worker, self.now)

    @rule(seconds=st.floats(0, 100))
    def parent_stands_still(self, seconds: float) -> None:
        self.now += seconds
        self.fleet.was_suspended(self.now)

    @rule(seconds=st.floats(0, 100))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self._do(self.fleet.due(self.now))

    @precondition(lambda self: self.finished is None)
    @rule()
    def is_rolled(self) -> None:
        self._do(self.fleet.roll(self.now))

    @precondition(lambda self: self.finished is None)
    @rule()
    def is_stopped_(self) -> None:
        self.is_stopped = True
        self._do(self.fleet.stop(self.now))

    @invariant()
    def nobody_is_forgotten(self) -> None:
        """No place is empty without a scheduled start, and there is at most one worker too many."""
        if self.finished is not None or self.fleet.is_stopping:
            return
        busy = set(self.alive.values())
        assert busy == set(range(self.count)) or self.fleet.next_at() < inf
        assert len(self.alive) <= self.count + 1

    @invariant()
    def who_was_asked_is_bounded(self) -> None:
        """Every stopping worker has a time at which it is killed."""
        if self.finished is None and (self.asked & self.alive.keys()) - self.killed:
            assert self.fleet.next_at() < inf


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)

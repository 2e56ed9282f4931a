import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from orch.gateway.breaker import TRANSITIONS, TRIALS, Breaker, BreakerPolicy, Event, Permit, State
from tests.fakes.gateway import UNHURRIED

POLICY = BreakerPolicy(threshold=5, cooldown=10)


def admitted(breaker: Breaker, now: float) -> Permit:
    permit = breaker.admit(now)
    assert permit is not None
    return permit


def state(breaker: Breaker) -> State:
    """Read it anew: mypy takes a property read before for the same one."""
    return breaker.state


def tripped(now: float = 0) -> Breaker:
    breaker = Breaker(POLICY)
    for _ in range(POLICY.threshold):
        breaker.failed(admitted(breaker, now), now)
    return breaker


def test_five_failures_in_a_row_open_it() -> None:
    """Four do not; the fifth does, and then nothing is let through."""
    breaker = Breaker(POLICY)
    for _ in range(4):
        breaker.failed(admitted(breaker, 0), 0)
        assert state(breaker) is State.CLOSED
    breaker.failed(admitted(breaker, 0), 0)
    assert state(breaker) is State.OPEN
    assert breaker.admit(9.99) is None
    assert breaker.retry_in(4) == 6


def test_a_success_between_starts_the_count_again() -> None:
    """Consecutive means consecutive."""
    breaker = Breaker(POLICY)
    for _ in range(20):
        for _ in range(4):
            breaker.failed(admitted(breaker, 0), 0)
        breaker.succeeded(admitted(breaker, 0))
    assert state(breaker) is State.CLOSED
    assert breaker.consecutive_failures == 0


def test_half_open_admits_exactly_one_request_of_a_caller() -> None:
    """The second request is refused until the first one's outcome is known."""
    breaker = tripped()
    trial = admitted(breaker, 10)
    assert state(breaker) is State.HALF_OPEN
    assert breaker.admit(10) is None
    assert breaker.admit(1000) is None
    breaker.succeeded(trial)
    assert state(breaker) is State.CLOSED
    assert breaker.admit(10) is not None


def test_half_open_admits_one_request_of_each_of_three_callers() -> None:
    """A caller whose trial takes long does not block the others."""
    breaker = tripped()
    assert breaker.admit(10, "slow") is not None
    assert breaker.admit(10, "slow") is None
    assert breaker.admit(10, "b") is not None
    third = breaker.admit(10, "c")
    assert third is not None
    assert breaker.admit(10, "d") is None
    breaker.succeeded(third)
    assert state(breaker) is State.CLOSED


def test_requests_of_one_caller_cannot_open_it() -> None:
    """Two callers neither, however often; the third that fails in a row shows that it is the instance."""
    breaker = Breaker(POLICY)
    for caller in ("a", "b"):
        for _ in range(100):
            permit = breaker.admit(0, caller)
            assert permit is not None
            breaker.failed(permit, 0, is_doubtful=True)
            assert state(breaker) is State.CLOSED
    assert breaker.consecutive_failures == 200
    permit = breaker.admit(0, "c")
    assert permit is not None
    breaker.failed(permit, 0, is_doubtful=True)
    assert state(breaker) is State.OPEN


def test_a_success_of_any_caller_resets_the_doubtful_failures() -> None:
    """Failures of many callers count only while no request succeeds."""
    breaker = Breaker(POLICY)
    for number in range(100):
        permit = breaker.admit(0, f"caller {number}")
        assert permit is not None
        breaker.failed(permit, 0, is_doubtful=True)
        if number % 2:
            breaker.succeeded(admitted(breaker, 0))
    assert state(breaker) is State.CLOSED


def test_three_callers_are_not_enough_below_the_threshold() -> None:
    """The threshold holds for doubtful failures as well."""
    breaker = Breaker(POLICY)
    for caller in "abcd":
        permit = breaker.admit(0, caller)
        assert permit is not None
        breaker.failed(permit, 0, is_doubtful=True)
    assert state(breaker) is State.CLOSED


def test_doubtful_trials_of_one_caller_do_not_keep_it_open() -> None:
    """It stays half-open for the next caller, whose success closes it; three callers open it again."""
    breaker = tripped()
    for _ in range(50):
        permit = breaker.admit(10, "bad")
        assert permit is not None
        breaker.failed(permit, 10, is_doubtful=True)
        assert state(breaker) is State.HALF_OPEN
    for caller in ("b", "c"):
        permit = breaker.admit(10, caller)
        assert permit is not None
        breaker.failed(permit, 10, is_doubtful=True)
    assert state(breaker) is State.OPEN
    permit = breaker.admit(20, "bad")
    assert permit is not None
    breaker.failed(permit, 20, is_doubtful=True)
    breaker.succeeded(admitted(breaker, 20))
    assert state(breaker) is State.CLOSED


def test_a_failed_trial_opens_it_for_a_whole_cooldown() -> None:
    """One failure is enough then."""
    breaker = tripped()
    breaker.failed(admitted(breaker, 12), 13)
    assert state(breaker) is State.OPEN
    assert breaker.retry_in(13) == 10


def test_a_trial_that_was_given_up_makes_room_for_another() -> None:
    """A client that disconnects must not block an instance for ever."""
    breaker = tripped()
    breaker.abandoned(admitted(breaker, 10))
    assert state(breaker) is State.HALF_OPEN
    assert breaker.admit(10) is not None


def test_late_outcomes_from_before_the_trip_do_not_count() -> None:
    """A late success does not close it; a late failure neither keeps it open nor uses up the trial."""
    breaker = Breaker(POLICY)
    early = [admitted(breaker, 0) for _ in range(10)]
    for permit in early[:5]:
        breaker.failed(permit, 0)
    breaker.succeeded(early[5])
    breaker.failed(early[6], 9)
    assert state(breaker) is State.OPEN
    assert breaker.retry_in(9) == 1
    trial = admitted(breaker, 10)
    breaker.failed(early[7], 10)
    breaker.abandoned(early[8])
    assert breaker.admit(10) is None
    breaker.succeeded(early[9])
    assert state(breaker) is State.HALF_OPEN
    breaker.succeeded(trial)
    assert state(breaker) is State.CLOSED


def test_a_changed_policy_holds_from_the_next_failure_on() -> None:
    """Hot reload needs no new breaker."""
    breaker = Breaker(POLICY)
    breaker.policy = BreakerPolicy(threshold=1, cooldown=3)
    breaker.failed(admitted(breaker, 0), 0)
    assert breaker.retry_in(0) == 3


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_every_pair_is_in_the_table_or_changes_nothing(state: State, event: Event) -> None:
    """An event that a state does not know raises, and the state stays."""
    breaker = Breaker(POLICY)
    breaker._state = state
    if (state, event) in TRANSITIONS:
        breaker._apply(event)
        assert breaker.state is TRANSITIONS[state, event]
    else:
        with pytest.raises(KeyError):
            breaker._apply(event)
        assert breaker.state is state
        assert breaker._generation == 0


class AnyTraffic(RuleBasedStateMachine):
    """Requests begin and end in any order while time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.breaker = Breaker(BreakerPolicy(threshold=3, cooldown=5))
        self.out: list[Permit] = []
        self.out_in_trial: list[Permit] = []

    @rule(seconds=st.floats(0, 6))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(caller=st.sampled_from("abcde"))
    def begin(self, caller: str) -> None:
        could = self.breaker.is_admitting(self.now, caller)
        permit = self.breaker.admit(self.now, caller)
        assert (permit is not None) is could
        if permit is not None:
            self.out.append(permit)
            if self.breaker.state is State.HALF_OPEN:
                self.out_in_trial.append(permit)

    @rule(data=st.data(), outcome=st.sampled_from(["succeeded", "failed", "doubtful", "abandoned"]))
    def end(self, data: st.DataObject, outcome: str) -> None:
        if not self.out:
            return
        permit = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        if permit in self.out_in_trial:
            self.out_in_trial.remove(permit)
        before = self.breaker.state
        if outcome in ("failed", "doubtful"):
            self.breaker.failed(permit, self.now, is_doubtful=outcome == "doubtful")
        elif outcome == "succeeded":
            self.breaker.succeeded(permit)
        else:
            self.breaker.abandoned(permit)
            assert self.breaker.state is before

    @invariant()
    def at_most_one_trial_a_caller_is_out(self) -> None:
        if self.breaker.state is State.HALF_OPEN:
            current = [permit for permit in self.out if permit.generation == self.breaker._generation]
            assert len(current) <= TRIALS
            assert len({permit.caller for permit in current}) == len(current)

    @invariant()
    def it_is_never_stuck(self) -> None:
        """With nothing under way, a cooldown later a request is let through."""
        if not self.out:
            assert self.breaker.is_admitting(self.now + 5) or self.breaker.state is not State.CLOSED

    def teardown(self) -> None:
        for permit in self.out:
            self.breaker.abandoned(permit)
        assert self.breaker.admit(self.now + 5) is not None


AnyTraffic.TestCase.settings = settings(UNHURRIED, max_examples=60, stateful_step_count=40)
TestAnyTraffic = AnyTraffic.TestCase

from hypothesis import given
from hypothesis import strategies as st

from orch.health.recovery import (
    Attempt,
    GiveUp,
    Nothing,
    Recovery,
    RecoveryPolicy,
    Wait,
    attempts_left,
    attempts_made,
    begin,
    decide,
    failed,
    give_up,
    recovered,
    stopped,
    unmade,
)

POLICY = RecoveryPolicy(first=1, factor=2, longest=30, attempts=5, window=300)


def test_nothing_is_done_while_nothing_is_wrong() -> None:
    """A service that is up is left alone."""
    assert decide(Recovery(), POLICY, 0) == Nothing()


def test_each_attempt_waits_twice_as_long_as_the_one_before() -> None:
    """1, 2, 4, 8 and 16 s, then it is given up."""
    recovery, now, waits = Recovery(), 0.0, []
    while not isinstance(decision := decide(recovery := failed(recovery, now), POLICY, now), GiveUp):
        assert isinstance(decision, Wait)
        waits.append(decision.until - now)
        now = decision.until
        assert decide(recovery, POLICY, now) == Attempt(len(waits))
        recovery = begin(recovery, POLICY, now)
    assert waits == [1, 2, 4, 8, 16]
    assert decision == GiveUp(5, until=now + POLICY.again)


def test_the_attempts_that_are_left_are_known() -> None:
    """Five, one fewer with each; 0 until people have helped; none are needed by what is up or was stopped."""
    recovery, now, left = Recovery(), 0.0, []
    assert attempts_left(recovery, POLICY, now) is None
    while not isinstance(decision := decide(recovery := failed(recovery, now), POLICY, now), GiveUp):
        left.append(attempts_left(recovery, POLICY, now))
        assert isinstance(decision, Wait)
        now = decision.until
        recovery = begin(recovery, POLICY, now)
    assert left == [5, 4, 3, 2, 1]
    assert attempts_left(recovery, POLICY, now) == 0
    recovery = give_up(recovery, now)
    assert attempts_left(recovery, POLICY, now + 10 * POLICY.window) == 0
    assert attempts_left(stopped(recovery), POLICY, now) is None
    assert attempts_left(recovered(recovery), POLICY, now) is None


def test_what_nothing_restarts_has_none_left_once_that_is_known() -> None:
    """After the longest wait people are needed."""
    alone = RecoveryPolicy(longest=30, has_hook=False)
    recovery = failed(Recovery(), 0)
    assert attempts_left(recovery, alone, 29) == alone.attempts
    assert attempts_left(recovery, alone, 30) == 0
    assert attempts_left(give_up(recovery, 30), alone, 500) == 0


def test_the_wait_is_bounded() -> None:
    """With many attempts allowed, none is put off for hours."""
    assert RecoveryPolicy(attempts=100).delay(50) == 30


def test_repeated_failures_do_not_delay_the_attempt() -> None:
    """Checks that go on failing must not move the moment."""
    recovery = failed(failed(Recovery(), 10), 10.9)
    assert decide(recovery, POLICY, 11) == Attempt(1)


def test_past_the_limit_it_is_tried_again_every_few_minutes_until_it_is_up() -> None:
    """Giving up is never for ever: the cause may pass by itself. Being up ends it, and all counts anew."""
    recovery = give_up(failed(Recovery(), 0), 100)
    for turn in range(1, 50):
        due = 100 + 300 * turn
        assert decide(recovery, POLICY, due - 0.1) == GiveUp(5, until=due)
        assert decide(recovery, POLICY, due) == Attempt(0)
        recovery = begin(recovery, POLICY, due)
        assert decide(recovery, POLICY, due + 299) == Nothing()
        recovery = failed(recovery, due + 1)
    assert recovered(recovery) == Recovery()


def test_an_attempt_that_fails_for_a_shortage_of_ours_does_not_count() -> None:
    """However long the shortage lasts: the next attempt is soon, and has the number of this one."""
    recovery, now = failed(Recovery(), 0.0), 1.0
    for _ in range(100):
        assert decide(recovery, POLICY, now) == Attempt(1)
        recovery = unmade(recovery, POLICY, now)
        assert decide(recovery, POLICY, now) == Wait(now + POLICY.shortage_pause, 1)
        now += POLICY.shortage_pause
    assert attempts_made(recovery, POLICY, now) == 0


def test_a_rare_attempt_that_was_not_made_is_made_soon() -> None:
    """It is not put off for as long as one that was made."""
    recovery = give_up(failed(Recovery(), 0), 0)
    assert decide(recovery, POLICY, 300) == Attempt(0)
    recovery = unmade(recovery, POLICY, 300)
    assert decide(recovery, POLICY, 300 + POLICY.shortage_pause) == Attempt(0)


def test_attempts_count_within_their_window() -> None:
    """What dies once an hour is always started again after the first wait; what dies each minute is not."""
    recovery = begin(failed(Recovery(), 0), POLICY, 1)
    assert attempts_made(recovered(recovery), POLICY, 60) == 1
    assert decide(failed(recovered(recovery), 60), POLICY, 60) == Wait(62, 2)
    assert decide(failed(recovered(recovery), 3600), POLICY, 3600) == Wait(3601, 1)


@given(
    st.lists(st.tuples(st.floats(0, 200), st.sampled_from(["fail", "up", "look"])), max_size=80),
    st.integers(1, 6),
    st.floats(10, 400),
)
def test_no_sequence_of_events_makes_more_attempts_than_allowed(
    course: list[tuple[float, str]], attempts: int, window: float
) -> None:
    """In any window there are at most so many attempts, and none without trouble before it."""
    policy = RecoveryPolicy(attempts=attempts, window=window)
    recovery, now, made, is_down = Recovery(), 0.0, [], False
    for pause, what in course:
        now += pause
        if what == "fail":
            recovery, is_down = failed(recovery, now), True
        elif what == "up":
            recovery, is_down = recovered(recovery), False
        match decide(recovery, policy, now):
            case Attempt():
                assert is_down
                made.append(now)
                recovery, is_down = begin(recovery, policy, now), False
            case Wait(until, number):
                assert until > now
                assert 1 <= number <= attempts
            case GiveUp() | Nothing():
                pass
    for first, beyond in zip(made, made[attempts:], strict=False):
        assert beyond - first >= window

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.health.verdict import (
    GOOD_CHECKS,
    MISSES,
    SLOW_CHECKS,
    START_LIMIT,
    TRANSITIONS,
    Finding,
    Member,
    Observation,
    Signal,
    State,
    Verdict,
    judge,
    judge_service,
)

GOOD = Observation(Finding.GOOD, elapsed=0.01)
SLOW = Observation(Finding.SLOW, ("responds in 2.4 s, limit 1 s",), elapsed=2.4)
IMPAIRED = Observation(Finding.IMPAIRED, ("reports degraded: Install Apertium",), elapsed=0.01)
STARTING = Observation(Finding.STARTING, ("reports starting",), elapsed=0.01)
MISSED = Observation(Finding.MISSED, ("no response in 5 s",))
REFUSED = Observation(Finding.REFUSED, ("connection refused",))
EXITED = Observation(Finding.EXITED, ("process ended by signal 9 (SIGKILL)",))
BEGUN = Observation(Finding.BEGUN, ("restarted, attempt 1 of 5, no response yet",))
BUSY = Observation(Finding.BUSY, ("busy with a request for 12 s; no response in 5 s",))
EVERYTHING = (GOOD, SLOW, IMPAIRED, STARTING, MISSED, BUSY, REFUSED, EXITED, BEGUN)


def after(observations: Sequence[Observation], *, apart: float = 1.0) -> Verdict:
    verdict = Verdict()
    for index, observation in enumerate(observations):
        verdict = judge(verdict, observation, now=index * apart, at=1000 + index * apart)
    return verdict


def test_every_state_has_a_transition_for_every_signal() -> None:
    """No combination is left to chance: the table is complete and holds nothing else."""
    assert set(TRANSITIONS) == set(itertools.product(State, Signal))


@pytest.mark.parametrize(
    ("observations", "state"),
    [
        ([], State.UNKNOWN),
        ([GOOD], State.HEALTHY),
        ([SLOW], State.HEALTHY),
        ([SLOW] * SLOW_CHECKS, State.DEGRADED),
        ([SLOW, GOOD, SLOW], State.HEALTHY),
        ([IMPAIRED], State.DEGRADED),
        ([IMPAIRED, GOOD], State.HEALTHY),
        ([BUSY], State.BUSY),
        ([GOOD, *[BUSY] * 20], State.BUSY),
        ([GOOD, BUSY, GOOD], State.HEALTHY),
        ([GOOD, BUSY, MISSED], State.DEGRADED),
        ([GOOD, BUSY, *[MISSED] * MISSES], State.UNHEALTHY),
        ([GOOD, BUSY, REFUSED], State.UNHEALTHY),
        ([REFUSED, BUSY], State.UNHEALTHY),
        ([MISSED], State.UNKNOWN),
        ([GOOD, MISSED], State.DEGRADED),
        ([GOOD, *[MISSED] * (MISSES - 1)], State.DEGRADED),
        ([GOOD, *[MISSED] * MISSES], State.UNHEALTHY),
        ([MISSED] * MISSES, State.UNHEALTHY),
        ([GOOD, MISSED, GOOD, MISSED], State.DEGRADED),
        ([GOOD, REFUSED], State.UNHEALTHY),
        ([REFUSED], State.UNHEALTHY),
        ([GOOD, EXITED], State.UNHEALTHY),
        ([GOOD, EXITED, MISSED], State.UNHEALTHY),
        ([REFUSED, GOOD], State.RECOVERING),
        ([REFUSED, IMPAIRED], State.RECOVERING),
        ([REFUSED, IMPAIRED, IMPAIRED], State.DEGRADED),
        ([REFUSED, *[GOOD] * GOOD_CHECKS], State.HEALTHY),
        ([REFUSED, GOOD, MISSED, GOOD], State.RECOVERING),
        ([REFUSED, GOOD, REFUSED], State.UNHEALTHY),
        ([BEGUN], State.UNKNOWN),
        ([BEGUN, REFUSED, REFUSED], State.UNKNOWN),
        ([BEGUN, REFUSED, GOOD], State.HEALTHY),
        ([BEGUN, IMPAIRED], State.DEGRADED),
        ([GOOD, EXITED, BEGUN], State.RECOVERING),
        ([GOOD, EXITED, BEGUN, REFUSED, MISSED, REFUSED], State.RECOVERING),
        ([GOOD, EXITED, BEGUN, REFUSED, GOOD], State.RECOVERING),
        ([GOOD, EXITED, BEGUN, REFUSED, GOOD, GOOD], State.HEALTHY),
        ([GOOD, EXITED, BEGUN, GOOD, REFUSED], State.UNHEALTHY),
        ([GOOD, EXITED, BEGUN, EXITED], State.UNHEALTHY),
        ([GOOD, BEGUN], State.RECOVERING),
        ([GOOD, STARTING], State.RECOVERING),
        ([STARTING], State.UNKNOWN),
        ([REFUSED, *[STARTING] * 100], State.RECOVERING),
    ],
)
def test_findings_in_a_row_make_the_state(observations: list[Observation], state: State) -> None:
    """The thresholds are those written down, neither one check sooner nor later."""
    assert after(observations).state is state


def test_an_instance_that_never_responds_after_its_start_is_down_at_the_limit() -> None:
    """A start that hangs does not stay "recovering" for ever."""
    begun = judge(after([GOOD, EXITED]), BEGUN, now=10, at=1010)
    waiting = judge(begun, REFUSED, now=10 + START_LIMIT - 0.1, at=1069)
    assert waiting.state is State.RECOVERING
    assert waiting.reasons == ("started, no response yet",)
    assert judge(waiting, MISSED, now=10 + START_LIMIT, at=1070).state is State.UNHEALTHY


def test_reasons_name_the_finding_and_its_count() -> None:
    """An operator reads why, and how near the limit is."""
    assert after([GOOD, MISSED, MISSED]).reasons == ("no response in 5 s (2 of 3 checks in a row)",)
    assert after([GOOD, *[MISSED] * 3]).reasons == ("no response in 5 s",)
    assert after([SLOW, SLOW]).reasons == ("responds in 2.4 s, limit 1 s",)
    assert after([REFUSED, GOOD]).reasons == ("responds again, 1 of 2 good checks",)
    assert after([IMPAIRED]).reasons == ("reports degraded: Install Apertium",)
    assert after([GOOD]).reasons == ()


def test_since_is_when_the_state_began() -> None:
    """Further checks with the same state do not change it."""
    assert after([GOOD, MISSED, MISSED]).since == 1001
    assert after([GOOD, GOOD, GOOD]).since == 1000


@pytest.mark.parametrize(
    ("observations", "usable"),
    [
        ([], True),
        ([BEGUN], False),
        ([STARTING], False),
        ([GOOD], True),
        ([GOOD, MISSED], True),
        ([REFUSED], False),
        ([GOOD, EXITED, BEGUN], False),
        ([GOOD, EXITED, BEGUN, GOOD], True),
    ],
)
def test_requests_go_to_usable_instances(observations: list[Observation], usable: bool) -> None:  # noqa: FBT001 - a column of the table above
    """Failed and starting instances get none; one that has responded after a start, or is unknown, does."""
    assert after(observations).is_usable is usable


@given(st.lists(st.sampled_from(EVERYTHING), max_size=60), st.sampled_from([0.25, 1.0, 40.0]))
def test_the_verdict_agrees_with_the_last_finding(seen: list[Observation], apart: float) -> None:
    """Whatever came before: unhealthy after an end, healthy after good checks, with reasons."""
    verdict = after(seen, apart=apart)
    if verdict.state in {State.DEGRADED, State.UNHEALTHY, State.RECOVERING}:
        assert verdict.reasons
    if seen and seen[-1] == EXITED:
        assert verdict.state is State.UNHEALTHY
        assert not verdict.is_usable
    if len(seen) >= GOOD_CHECKS + 1 and all(s is GOOD for s in seen[-GOOD_CHECKS - 1 :]):
        assert verdict.state is State.HEALTHY
    if verdict.state is State.HEALTHY:
        assert seen[-1] in {GOOD, SLOW}
        assert verdict.missed == 0


def members(*verdicts: Verdict) -> list[Member]:
    return [Member(f"http://127.0.0.1:{index}", verdict) for index, verdict in enumerate(verdicts)]


HEALTHY, DEGRADED, DOWN = after([GOOD]), after([IMPAIRED]), after([REFUSED])
STARTED, ANSWERED = after([GOOD, EXITED, BEGUN]), after([REFUSED, GOOD])
UNSEEN = Verdict()


@pytest.mark.parametrize(
    ("verdicts", "state"),
    [
        ([], State.UNKNOWN),
        ([HEALTHY], State.HEALTHY),
        ([HEALTHY, HEALTHY], State.HEALTHY),
        ([HEALTHY, DOWN], State.DEGRADED),
        ([HEALTHY, DEGRADED], State.DEGRADED),
        ([HEALTHY, STARTED], State.DEGRADED),
        ([HEALTHY, UNSEEN], State.HEALTHY),
        ([DOWN, DOWN], State.UNHEALTHY),
        ([DOWN, STARTED], State.RECOVERING),
        ([DOWN, ANSWERED], State.DEGRADED),
        ([STARTED, STARTED], State.RECOVERING),
        ([DOWN, UNSEEN], State.DEGRADED),
        ([UNSEEN, UNSEEN], State.UNKNOWN),
        ([DOWN, after([BEGUN])], State.UNHEALTHY),
    ],
)
def test_a_service_works_as_long_as_one_instance_does(verdicts: list[Verdict], state: State) -> None:
    """One of two down is degraded, not unhealthy: requests still succeed."""
    assert judge_service(members(*verdicts))[0] is state


def test_a_service_s_reason_names_the_failing_instance() -> None:
    """With several instances the reason names them; with one it is the instance's own."""
    assert judge_service(members(HEALTHY, DOWN))[1] == (
        "1 of 2 instances: http://127.0.0.1:1 is unhealthy (connection refused)"
    )
    assert judge_service(members(DOWN))[1] == "connection refused"
    assert judge_service(members(HEALTHY, HEALTHY))[1] == ""

from functools import partial
from math import inf

import pytest

from orch.health.history import STORED, Check, History, check_state, next_check
from orch.health.verdict import Finding, Observation, State, Verdict, judge


def check(at: float, state: State = State.HEALTHY, latency: float | None = 5.0) -> Check:
    return Check(at=at, state=state, latency_ms=latency)


def test_the_last_checks_are_stored() -> None:
    """The ring holds 45, the oldest go first."""
    history = History()
    for index in range(STORED + 10):
        history.add(check(index * 10.0), interval=10)
    assert [kept.at for kept in history.checks] == [index * 10.0 for index in range(10, STORED + 10)]


def test_quick_checks_with_the_same_state_are_one_bar() -> None:
    """Four checks a second in a bad moment do not push the last minutes off the page."""
    history = History()
    for index in range(40):
        history.add(check(index * 0.25, State.UNHEALTHY, None), interval=10)
    assert [kept.at for kept in history.checks] == [0.0, 5.0]
    history.add(check(10.0), interval=10)
    history.add(check(10.25, latency=7.0), interval=10)
    assert history.checks[-1] == check(10.0, latency=7.0)


def test_answered_is_the_share_of_checks_with_a_response() -> None:
    """Slow and impaired responses count; a start does not."""
    assert History().answered is None
    history = History()
    for index, state in enumerate(
        [State.HEALTHY, State.DEGRADED, State.UNHEALTHY, State.RECOVERING, State.HEALTHY]
    ):
        history.add(check(index * 10.0, state), interval=10)
    assert history.answered == pytest.approx(0.6)


def test_latencies_come_from_responses_only() -> None:
    """A missed check has no latency, rather than one of zero."""
    assert History().latency_ms is None
    assert History().p95_ms is None
    history = History()
    history.add(check(0, latency=8.0), interval=10)
    history.add(check(10, State.UNHEALTHY, None), interval=10)
    assert history.latency_ms == 8.0
    assert history.p95_ms == 8.0


GOOD = judge(Verdict(), Observation(Finding.GOOD, elapsed=0.01), now=0, at=0)
FALTERED = judge(GOOD, Observation(Finding.MISSED, ("no answer",)), now=1, at=1)
DOWN = judge(GOOD, Observation(Finding.REFUSED, ("refused",)), now=1, at=1)
STARTED = judge(DOWN, Observation(Finding.BEGUN, ("started",)), now=2, at=2)


@pytest.mark.parametrize(
    ("verdict", "in_state_for", "pause"),
    [
        (GOOD, 100, 10),
        (FALTERED, 0, 0.25),
        (STARTED, 1, 0.25),
        (STARTED, 40, 1),
        (DOWN, 1, 1),
        (DOWN, 40, 5),
    ],
)
def test_failing_instances_are_checked_more_often(
    verdict: Verdict, in_state_for: float, pause: float
) -> None:
    """Four times a second while something changes, less often the longer it lasts."""
    after = partial(next_check, verdict, in_state_for=in_state_for, noticed_for=inf, jitter=0.5)
    assert after(interval=10) == pytest.approx(pause)
    assert after(interval=0.1) == pytest.approx(0.1)


@pytest.mark.parametrize(("noticed_for", "pause"), [(0, 2), (14, 2), (15, 10)])
def test_progress_in_a_notice_is_followed(noticed_for: float, pause: float) -> None:
    """Every two seconds while the notice changes; 15 s later the checks come at the interval again."""
    assert next_check(
        GOOD, interval=10, in_state_for=100, noticed_for=noticed_for, jitter=0.5
    ) == pytest.approx(pause)


def test_jitter_spreads_checks_by_a_tenth() -> None:
    """Checks of many instances do not fall together."""
    assert next_check(GOOD, interval=10, in_state_for=0, noticed_for=inf, jitter=0) == pytest.approx(9)
    assert next_check(GOOD, interval=10, in_state_for=0, noticed_for=inf, jitter=1) == pytest.approx(11)


@pytest.mark.parametrize(
    ("seen", "verdict", "state"),
    [
        (Finding.GOOD, GOOD, State.HEALTHY),
        (Finding.SLOW, GOOD, State.DEGRADED),
        (Finding.IMPAIRED, GOOD, State.DEGRADED),
        (Finding.STARTING, STARTED, State.RECOVERING),
        (Finding.BEGUN, STARTED, State.RECOVERING),
        (Finding.REFUSED, STARTED, State.RECOVERING),
        (Finding.MISSED, FALTERED, State.UNHEALTHY),
        (Finding.EXITED, DOWN, State.UNHEALTHY),
    ],
)
def test_a_bar_shows_its_check_and_not_the_verdict(seen: Finding, verdict: Verdict, state: State) -> None:
    """A single miss is a red bar, even while the verdict waits for more of them."""
    assert check_state(seen, verdict) is state


def test_a_first_start_does_not_count_as_downtime_but_a_later_one_does() -> None:
    """A service that has just started has not been down."""
    history = History()
    shares = []
    for at, state in enumerate((State.RECOVERING, State.HEALTHY, State.RECOVERING)):
        history.add(check(at * 10.0, state), interval=10)
        shares.append(history.answered)
    assert shares == [None, 1.0, 0.5]

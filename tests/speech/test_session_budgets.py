from hypothesis import given
from hypothesis import strategies as st

from orch.speech.session_budgets import MINUTE, REPORTED_EVERY, SessionBudgets, Usage


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 40)), max_size=60),
    st.integers(1, 5),
)
def test_no_session_sends_more_in_any_minute_than_its_limit(
    requests: list[tuple[str, float]], limit: int
) -> None:
    """And none is refused that has sent fewer: compared with a list of all requests."""
    budgets = SessionBudgets()
    sent: list[tuple[str, float]] = []
    now = 0.0
    for session, pause in requests:
        now += pause
        recent = [at for each, at in sent if each == session and at > now - MINUTE]
        assert budgets.used(session, now) == len(recent)
        assert budgets.take(session, now, limit=limit) == (len(recent) < limit)
        if len(recent) < limit:
            sent.append((session, now))
        counts = [sum(each == one and at > now - MINUTE for each, at in sent) for one in "abc"]
        assert budgets.most_used(now) == max(counts)
    assert budgets.requests == len(sent)
    assert budgets.refused == len(requests) - len(sent)


def test_sessions_that_are_over_are_forgotten() -> None:
    budgets = SessionBudgets()
    for number in range(1000):
        assert budgets.take(str(number), 0.0, limit=1)
    assert budgets.take("last", MINUTE, limit=1)
    assert list(budgets._sessions) == ["last"]


def test_usage_is_reported_now_and_then_and_at_once_when_the_limit_is_reached_or_no_longer_is() -> None:
    budgets = SessionBudgets()

    def requested(now: float) -> Usage | None:
        budgets.take("s", now, limit=3)
        return budgets.report("s", now, limit=3)

    assert budgets.report("s", 0.0, limit=3) is None, "nothing was requested"
    assert requested(0.0) == Usage(1, 3, limit_reached=False)
    assert requested(1.0) is None
    assert requested(REPORTED_EVERY) == Usage(3, 3, limit_reached=False)
    assert requested(REPORTED_EVERY + 1) == Usage(3, 3, limit_reached=True)
    assert requested(REPORTED_EVERY + 9) is None, "nothing has changed"
    assert requested(MINUTE) == Usage(3, 3, limit_reached=False), "the first is a minute ago"
    assert budgets.report("other", 0.0, limit=3) is None

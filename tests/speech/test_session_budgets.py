from hypothesis import given
from hypothesis import strategies as st

from orch.speech.session_budgets import MINUTE, SessionBudgets


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
    assert list(budgets._sent) == ["last"]

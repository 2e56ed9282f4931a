"""The last good answer and its look-ups, as values of time."""

from orch.gateway.discovery.known import LONGEST, LONGEST_PAUSE, SHORTEST, Known
from orch.settings import Instance

A, B, C = (Instance(url=f"http://{name}:1") for name in "abc")


def test_the_ttl_says_when_to_look_again() -> None:
    """Not more often than each second, and not less often than every five minutes."""
    for ttl, wait in ((0, SHORTEST), (60, 60), (86_400, LONGEST)):
        known = Known("n")
        assert known.is_due(0)
        assert known.answered(100, [A], ttl, most=9)
        assert not known.is_due(100 + wait - 0.01)
        assert known.is_due(100 + wait)


def test_a_failure_changes_no_instance_and_shows_the_age() -> None:
    """However many there are: the pause grows to its limit, and the first good answer ends it."""
    known = Known("n")
    known.answered(0, [B, A], 1, most=9)
    now = 0.0
    for number in range(40):
        known.failed(now, "no such name", 1.0)
        figures = known.statistics("s", now)
        assert known.instances == (A, B)
        assert (figures.failures, figures.problem, figures.age) == (number + 1, "no such name", now)
        assert figures.next_in == min(2.0**number, LONGEST_PAUSE)
        now += figures.next_in
    assert not known.answered(now, [A, B], 5, most=9)
    figures = known.statistics("s", now)
    assert (figures.failures, figures.problem, figures.age, figures.next_in) == (0, "", 0, 5)


def test_a_failure_before_the_first_answer_has_no_age() -> None:
    known = Known("n")
    known.failed(0, "no answer", 0.0)
    figures = known.statistics("s", 0)
    assert (figures.age, figures.instances, figures.next_in) == (None, (), 0.5)


def test_instances_beyond_the_limit_are_counted() -> None:
    """The same ones are left out each time, whatever the order of the records."""
    known = Known("n")
    assert known.answered(0, [C, A, B], 1, most=2)
    assert not known.answered(0, [A, B, C], 1, most=2)
    assert known.instances == (A, B)
    assert known.statistics("s", 0).left_out == 1

"""The course of a service, from its states."""

import pytest

from orch.health.incidents.courses import FLAP_WINDOW, FLAPS, Course, Standing, follow, is_flapping
from orch.health.verdict import State


def course(*states: tuple[float, State]) -> Course:
    found = Course(since=0.0)
    for at, state in states:
        found = follow(found, state, at)
    return found


@pytest.mark.parametrize(
    ("state", "standing"),
    [
        (State.HEALTHY, Standing.UP),
        (State.BUSY, Standing.UP),
        (State.DEGRADED, Standing.DEGRADED),
        (State.UNHEALTHY, Standing.DOWN),
        (State.UNKNOWN, Standing.UNKNOWN),
    ],
)
def test_each_state_has_a_standing(state: State, standing: Standing) -> None:
    """A busy service works; of an unknown one nothing is claimed."""
    assert course((1.0, State.HEALTHY), (5.0, state)).standing is standing


def test_the_first_start_counts_as_neither_up_nor_down_and_later_ones_as_down() -> None:
    """A model that loads after the start of everything is no outage; a restart is one."""
    assert course((1.0, State.RECOVERING)).standing is Standing.UNKNOWN
    later = course((1.0, State.RECOVERING), (2.0, State.HEALTHY), (3.0, State.RECOVERING))
    assert (later.standing, later.wrong_since) == (Standing.DOWN, 3.0)


def test_trouble_lasts_from_the_first_fall_until_it_is_up() -> None:
    """Whether it is down or degraded in between; restarts of a service that is down change nothing."""
    wrong = course(
        (1.0, State.HEALTHY), (2.0, State.DEGRADED), (3.0, State.UNHEALTHY), (4.0, State.RECOVERING)
    )
    assert (wrong.since, wrong.wrong_since, wrong.falls) == (3.0, 2.0, (2.0,))
    unknown = follow(wrong, State.UNKNOWN, 5.0)
    assert (unknown.wrong_since, follow(unknown, State.UNHEALTHY, 6.0).wrong_since) == (2.0, 2.0)
    assert follow(unknown, State.HEALTHY, 7.0).wrong_since is None


def test_it_flaps_after_several_falls_within_the_window() -> None:
    """Not before, and not when they were long ago; a clock set back does no harm."""
    found = course((1.0, State.HEALTHY))
    for number in range(FLAPS):
        assert not is_flapping(found, 100.0)
        found = follow(follow(found, State.UNHEALTHY, 10.0 * number + 2), State.HEALTHY, 10.0 * number + 3)
    assert is_flapping(found, 100.0)
    assert not is_flapping(found, FLAP_WINDOW + 3)
    assert len(follow(follow(found, State.UNHEALTHY, 90.0), State.HEALTHY, 91.0).falls) == FLAPS
    assert follow(found, State.UNHEALTHY, 1.0).since == found.since

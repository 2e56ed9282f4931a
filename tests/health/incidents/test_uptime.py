"""Uptime, and its bars."""

from itertools import pairwise

import pytest

from orch.health.incidents.courses import Standing
from orch.health.incidents.uptime import (
    BARS,
    DAY,
    SLOT,
    BarState,
    Book,
    Place,
    Tally,
    Window,
    day_name,
    spread,
    tally_of,
    uptime,
)

NOW = 100.0 * DAY + 3 * SLOT + 600


def book(*parts: tuple[float, float, Tally]) -> Book:
    """Return a book in which the seconds between two times count as a tally of one second says."""
    found: dict[Place, Tally] = {}
    for start, end, each in parts:
        for place, seconds in spread("a", start, end):
            scaled = Tally(
                each.up * seconds, each.degraded * seconds, each.down * seconds, each.planned * seconds
            )
            found[place] = found.get(place, Tally()) + scaled
    return found


UP, DOWN, SLOW, PLANNED = Tally(up=1), Tally(down=1), Tally(degraded=1), Tally(planned=1)


def test_time_is_spread_over_the_slots_it_is_in() -> None:
    """Over midnight too; the seconds add up."""
    parts = list(spread("a", 2 * DAY - SLOT - 10.0, 2 * DAY + 5.0))
    assert parts == [
        (Place("a", 1, 46), 10.0),
        (Place("a", 1, 47), float(SLOT)),
        (Place("a", 2, 0), 5.0),
    ]
    assert list(spread("a", 5.0, 5.0)) == []
    assert list(spread("a", 5.0, 4.0)) == []


@pytest.mark.parametrize(
    ("standing", "tally"),
    [
        (Standing.UP, Tally(up=7)),
        (Standing.DEGRADED, Tally(degraded=7)),
        (Standing.DOWN, Tally(down=7)),
        (Standing.UNKNOWN, Tally()),
    ],
)
def test_a_standing_adds_to_its_sum_and_in_maintenance_to_what_is_planned(
    standing: Standing, tally: Tally
) -> None:
    """What is not known adds nothing."""
    assert tally_of(standing, 7, is_planned=False) == tally
    assert tally_of(standing, 7, is_planned=True) == Tally(planned=7)


def test_nothing_known_is_no_uptime_and_every_bar_is_a_gap() -> None:
    """Neither 0 % nor 100 %."""
    for window in Window:
        found = uptime({}, "a", window, NOW)
        assert (found.share, found.known, found.down) == (None, 0.0, 0.0)
        assert len(found.bars) == BARS[window]
        assert {bar.state for bar in found.bars} == {BarState.UNKNOWN}


def test_a_gap_is_neither_up_nor_down() -> None:
    """Up for an hour, a gap of an hour, down for half an hour: two thirds, of what is known."""
    end = 100.0 * DAY
    found = uptime(
        book((end - 2.5 * 3600, end - 1.5 * 3600, UP), (end - 1800, end, DOWN)), "a", Window.DAY, end
    )
    assert found.share == pytest.approx(2 / 3)
    assert found.down == 1800
    states = [bar.state for bar in found.bars[-6:]]
    assert states == [
        BarState.UP,
        BarState.UP,
        BarState.UNKNOWN,
        BarState.UNKNOWN,
        BarState.DOWN,
        BarState.UNKNOWN,
    ]


def test_bars_say_the_worst_that_matters() -> None:
    """A moment down is shown as a part, half of the time as down; planned time alone as planned."""
    start = 100.0 * DAY
    parts = (
        (start, start + 1799, UP),
        (start + 1799, start + 1800, DOWN),
        (start + 1800, start + 2700, UP),
        (start + 2700, start + 3600, DOWN),
        (start + 3600, start + 5400, PLANNED),
        (start + 5400, start + 5401, SLOW),
        (start + 5401, start + 6000, UP),
    )
    found = uptime(book(*parts), "a", Window.DAY, NOW)
    assert [bar.state for bar in found.bars[-4:]] == [
        BarState.PARTLY,
        BarState.DOWN,
        BarState.PLANNED,
        BarState.DEGRADED,
    ]
    assert found.bars[-1].end == NOW
    assert found.bars[-1].known == pytest.approx(600)


def test_a_window_has_nothing_older_and_nothing_of_another_service() -> None:
    """Bars are aligned, and cover the whole window without a hole."""
    old = book((0.0, 5.0 * DAY, DOWN))
    assert uptime(old, "a", Window.QUARTER, NOW).share is None
    assert uptime(book((99.0 * DAY, NOW, UP)), "b", Window.WEEK, NOW).share is None
    for window in Window:
        bars = uptime({}, "a", window, NOW).bars
        assert all(one.end == two.start for one, two in pairwise(bars))
        assert bars[0].start <= NOW - {"24h": 1, "7d": 7, "30d": 29, "90d": 89}[window] * DAY + 3 * 3600


def test_what_is_known_is_a_share_of_the_window() -> None:
    """All of it: 1, and maintenance is known too."""
    full = uptime(book((9.0 * DAY, NOW - 1000, UP), (NOW - 1000, NOW, PLANNED)), "a", Window.QUARTER, NOW)
    assert full.share == 1.0
    assert full.known == pytest.approx(1.0)
    assert uptime(book((NOW - DAY / 2, NOW, UP)), "a", Window.DAY, NOW).known == pytest.approx(0.5, abs=0.02)


def test_days_have_the_names_of_dates() -> None:
    """In UTC."""
    assert (day_name(0), day_name(20_786)) == ("1970-01-01", "2026-11-29")

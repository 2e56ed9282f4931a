from hypothesis import given
from hypothesis import strategies as st

from orch.telemetry.sliding_window import SlidingWindow


def test_a_part_is_shared_within_its_seconds_and_forgotten_after_the_window() -> None:
    window: SlidingWindow[list[str]] = SlidingWindow(list, parts=3, seconds=10.0)
    window.part(100.0).append("a")
    window.part(109.9).append("b")
    window.part(110.0).append("c")
    assert sorted(window.recent(129.9)) == [["a", "b"], ["c"]]
    assert list(window.recent(130.0)) == [["c"]]
    assert list(window.recent(140.0)) == []
    assert window.part(140.0) == []


@given(st.lists(st.floats(0.0, 1000.0), max_size=200), st.integers(1, 8))
def test_it_holds_what_happened_in_its_time_and_no_more(times: list[float], parts: int) -> None:
    """As a list of everything would, read the same way; with no more parts than it was made for."""
    window: SlidingWindow[list[float]] = SlidingWindow(list, parts=parts, seconds=7.0)
    now = 0.0
    seen = []
    for at in sorted(times):
        now = at
        seen.append(at)
        window.part(at).append(at)
    recent = list(window.recent(now))
    assert len(recent) <= len(window) == parts
    assert sorted(at for part in recent for at in part) == [at for at in seen if at // 7 > now // 7 - parts]

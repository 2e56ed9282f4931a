from hypothesis import given
from hypothesis import strategies as st

from orch.sandbox.engines.pipeline_limits import to_close

PIPELINES = st.dictionaries(st.integers(0, 30), st.floats(0, 1000), max_size=25)
BUSY = st.sets(st.integers(0, 30), max_size=25)


@given(PIPELINES, BUSY, st.integers(0, 12), st.floats(0, 500))
def test_only_as_many_stay_as_the_limit_and_the_busy_ones(
    last_used: dict[int, float], busy: set[int], most: int, idle: float
) -> None:
    """No busy one is closed; none that stays, if it is free, was used before one that is closed."""
    closed = to_close(last_used, busy, now=1000, most=most, idle=idle)
    stay = last_used.keys() - set(closed)
    free = stay - busy
    assert len(set(closed)) == len(closed)
    assert not set(closed) & busy
    assert len(stay) <= most or not free
    assert all(1000 - last_used[each] < idle for each in free)
    assert all(last_used[gone] <= last_used[each] for gone in closed for each in free)


def test_as_many_as_the_limit_stay_open_until_they_are_idle() -> None:
    last_used = {"en-es": 0.0, "es-fr": 5.0}
    assert to_close(last_used, (), now=9, most=2, idle=10) == []
    assert to_close(last_used, (), now=10, most=2, idle=10) == ["en-es"]
    assert to_close(last_used, (), now=9, most=1, idle=10) == ["en-es"]
    assert to_close(last_used, ["en-es"], now=9, most=1, idle=10) == ["es-fr"]

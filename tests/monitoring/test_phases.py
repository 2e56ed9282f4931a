"""Values over time in a short notation."""

import pytest

from tests.monitoring.phases import bucket_values, notation, sum_values, values


@pytest.mark.parametrize(
    ("text", "first", "expected"),
    [
        ("5x2 7x1", 0.0, [5, 5, 7, 7, 7]),
        ("5+2x3", 0.0, [5, 7, 9, 9, 9]),
        ("5-2x2 1x1", 0.0, [5, 3, 1, 1, 1]),
        ("+3x2 +0x1", 10.0, [13, 16, 16, 16, 16]),
        ("1x1 _x2 2x1", 0.0, [1, None, None, 2, 2]),
        ("1e3+1e1x2", 0.0, [1000, 1010, 1010, 1010, 1010]),
        ("-0.5x9", 0.0, [-0.5] * 5),
    ],
)
def test_phases_become_samples(text: str, first: float, expected: list[float | None]) -> None:
    """The last value is repeated; what is beyond the last look is dropped."""
    assert values(text, first, 5) == expected


def test_observations_count_in_every_bucket_from_their_value_on() -> None:
    """Buckets are cumulative; the sum grows by the values."""
    assert bucket_values("0.2@3x2 2@1x1", 1.0, 10.0, 4) == [13, 16, 16, 16]
    assert bucket_values("0.2@3x2 2@1x1", float("inf"), 10.0, 4) == [13, 16, 17, 17]
    assert sum_values("0.5@2x1 2@1x1", 0.0, 3) == [1, 3, 3]


@pytest.mark.parametrize("text", ["5", "x5", "5x", "5*2x3", "+x3", "1@x3", "5+x3"])
def test_a_misspelt_phase_is_refused(text: str) -> None:
    """A test that means something else than it says proves nothing."""
    with pytest.raises(ValueError, match="no phase"):
        values(text, 0.0, 5)


def test_equal_steps_become_one_word() -> None:
    """Of promtool's notation, in which ``1+2x3`` are four samples."""
    assert notation([1, 3, 5, 7]) == "1+2x3"
    assert notation([5, 5, 5, None, None, 0]) == "5+0x2 _x2 0"
    assert notation([1, 2, 2]) == "1+1x1 2"

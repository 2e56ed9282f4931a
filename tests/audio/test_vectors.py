"""The golden vectors are what the stages return today."""

import msgspec
import numpy as np
import pytest

from tests.audio.vectors import FOLDER, STAGES, cases, numbers, output


def test_every_stage_with_cases_has_a_file_and_the_other_way_round() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_the_file_has_the_output_of_the_stage(stage: str) -> None:
    """Otherwise: python scripts/golden_vectors.py."""
    path = FOLDER / f"{stage}.json"
    assert path.stat().st_size < 600_000
    stored = msgspec.json.decode(path.read_bytes())["cases"]
    assert [each["name"] for each in stored] == [case.name for case in cases(stage)]
    for each, case in zip(stored, cases(stage), strict=True):
        assert each["parameters"] == msgspec.to_builtins(case.parameters), case.name
        assert np.array_equal(numbers(each["input"], "<f4"), case.sound), case.name
        for name, values in output(case).items():
            kept = numbers(each[name], values.dtype.str)
            assert kept.shape == values.shape, case.name
            assert np.allclose(kept, values, atol=1e-6), case.name

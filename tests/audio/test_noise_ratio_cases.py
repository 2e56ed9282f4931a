"""The ratios in the file that the browser is tested against are what the service finds today."""

import pytest
from msgspec import json, structs

from tests.audio.noise_ratio_cases import CASES, FILE, Case, Found, found


def test_the_file_has_what_is_found() -> None:
    """Otherwise: python scripts/golden_vectors.py."""
    stored = json.decode(FILE.read_bytes(), type=list[dict[str, object]])
    assert [json.decode(json.encode(each["case"]), type=Case) for each in stored] == list(CASES)
    for each, case in zip(stored, CASES, strict=True):
        kept = json.decode(json.encode(each["found"]), type=Found)
        for name, value in structs.asdict(found(case)).items():
            expected = getattr(kept, name)
            if isinstance(value, float):
                assert abs(value - expected) < 1e-6, (case.name, name)
            else:
                assert value == expected, (case.name, name)


def test_the_cases_have_every_way_to_an_answer() -> None:
    """A ratio by the floor and by the activity, and each reason for none."""
    ratios = {case.name: found(case).snr_db for case in CASES}
    assert ratios["a room that decays"] is None
    assert ratios["a room that decays, with activity"] == pytest.approx(46, abs=0.5)
    reasons = {found(case).reason for case in CASES}
    assert reasons == {
        None,
        "less than 1 s were measured",
        "there is no noise to measure",
        "no speech is louder than the noise",
        "the noise is not stationary",
    }

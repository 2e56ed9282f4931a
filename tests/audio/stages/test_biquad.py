"""Second-order filters have the responses of their designs, whatever the blocks."""

import numpy as np
import pytest

from orch.audio.stages import biquad

RATES = [8_000, 16_000, 44_100, 48_000]


def decibels(sections: biquad.Sections, frequency: float, rate: int) -> float:
    return float(20 * np.log10(biquad.magnitude(sections, np.array([frequency]), rate)[0]))


@pytest.mark.parametrize("rate", RATES)
def test_designs_have_their_gains(rate: int) -> None:
    for design in (biquad.low_pass(1000, rate), biquad.high_pass(1000, rate)):
        assert decibels(design, 1000, rate) == pytest.approx(-3.01, abs=0.01)
    assert decibels(biquad.low_pass(1000, rate), 10, rate) == pytest.approx(0, abs=0.01)
    assert decibels(biquad.high_pass(1000, rate), 100, rate) == pytest.approx(-40, abs=1)
    assert decibels(biquad.band_pass(2000, 500, rate), 2000, rate) == pytest.approx(0, abs=0.01)
    assert decibels(biquad.peaking(2000, 500, 2, rate), 2000, rate) == pytest.approx(6.02, abs=0.01)
    assert decibels(biquad.peaking(2000, 500, 0.5, rate), 2000, rate) == pytest.approx(-6.02, abs=0.01)
    assert decibels(biquad.low_shelf(500, 2, rate), 5, rate) == pytest.approx(6.02, abs=0.05)
    assert decibels(biquad.low_shelf(500, 2, rate), 500, rate) == pytest.approx(3.01, abs=0.01)
    assert decibels(biquad.high_shelf(500, 0.5, rate), 500, rate) == pytest.approx(-3.01, abs=0.01)
    assert decibels(biquad.high_shelf(500, 0.5, rate), rate / 2.001, rate) == pytest.approx(-6.02, abs=0.05)


def test_a_frequency_above_half_the_rate_gives_a_stable_filter() -> None:
    for design in (biquad.low_pass(9000, 16_000), biquad.peaking(9000, 1000, 2, 16_000)):
        assert np.abs(np.roots(design[0, 3:])).max() < 1


def test_blocks_do_not_change_the_output_and_states_stay() -> None:
    sound = np.random.default_rng(1).standard_normal(1000)
    design = biquad.cascade(biquad.high_pass(100, 16_000), biquad.peaking(2000, 500, 2, 16_000))
    whole, _ = biquad.filtered(design, sound, biquad.at_rest(design))
    first, state = biquad.filtered(design, sound[:333], biquad.at_rest(design))
    before = state.copy()
    second, _ = biquad.filtered(design, sound[333:], state)
    assert np.array_equal(np.concatenate((first, second)), whole)
    assert np.array_equal(state, before)

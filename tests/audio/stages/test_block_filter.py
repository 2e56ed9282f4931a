"""Filtering by products of matrices is the recursion, whatever the blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.audio.loudness import k_weighting
from orch.audio.stages import biquad
from orch.audio.stages.block_filter import block_filter

SOUND = np.random.default_rng(1).standard_normal(2065)
SLOW = biquad.cascade(
    biquad.high_pass(50, 48_000),
    biquad.high_shelf(4000, 1.2, 48_000),
    biquad.peaking(2500, 200, 2, 48_000),
)


@pytest.mark.parametrize("sections", [SLOW, SLOW[:1], k_weighting(192_000), k_weighting(8000)])
def test_each_tap_is_what_the_recursion_returns(sections: biquad.Sections) -> None:
    taps = tuple(range(len(sections)))
    outs, after = block_filter(sections, taps).process(SOUND, biquad.at_rest(sections))
    block, states = SOUND, []
    for tap in taps:
        block, state = biquad.filtered(sections[tap : tap + 1], block, biquad.at_rest(sections[:1]))
        states.append(state)
        assert np.allclose(outs[tap], block, rtol=0, atol=1e-10)
    assert np.allclose(after, np.concatenate(states), rtol=0, atol=1e-10)


@given(sizes=st.lists(st.integers(0, 1100), min_size=1, max_size=6).filter(any))
@settings(deadline=None, max_examples=20)
def test_blocks_do_not_change_the_output_and_states_stay(sizes: list[int]) -> None:
    unit = block_filter(SLOW)
    (whole,), _ = unit.process(SOUND, biquad.at_rest(SLOW))
    state, parts, begin, index = biquad.at_rest(SLOW), [], 0, 0
    while begin < len(SOUND):
        before = state.copy()
        (part,), after = unit.process(SOUND[begin : begin + sizes[index % len(sizes)]], state)
        assert np.array_equal(state, before)
        parts.append(part)
        state, begin, index = after, begin + len(part), index + 1
    assert np.allclose(np.concatenate(parts), whole, rtol=0, atol=1e-10)


def test_what_fades_ends_at_nothing() -> None:
    """No number becomes so small that processors are slow with it."""
    unit = block_filter(SLOW)
    _, state = unit.process(SOUND, biquad.at_rest(SLOW))
    for _ in range(60):
        (out,), state = unit.process(np.zeros(2000), state)
    assert not state.any()
    assert not out.any()

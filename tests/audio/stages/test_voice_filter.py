"""The stage voiceFilter: its response at frequencies that the parameters name, and how it follows a voice."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from orch.audio.parameters import VoiceFilter
from orch.audio.stages.biquad import magnitude
from orch.audio.stages.stage import Block, Signal
from orch.audio.stages.voice_filter import VoiceFilterStage
from tests.audio.stages import properties
from tests.audio.vector_sounds import noisy, speech
from tests.fakes.sounds import voice

STILL = VoiceFilter(adaptive_filtering=False)
FLAT = VoiceFilter(adaptive_filtering=False, voice_band_gain=1, sibilance_boost=1)


def changed(base: VoiceFilter = FLAT, /, **changes: Any) -> VoiceFilter:
    return structs.replace(base, **changes)


def response(parameters: VoiceFilter, frequencies: list[float], rate: int = 16_000) -> Signal:
    """Return the gain in dB at frequencies, from the response to an impulse."""
    impulse = np.zeros(rate, np.float32)
    impulse[0] = 1
    found = properties.whole(VoiceFilterStage(parameters, rate), impulse).astype(np.float64)
    at = np.exp(-2j * np.pi * np.outer(frequencies, np.arange(rate)) / rate)
    return np.asarray(20 * np.log10(np.abs(at @ found)))


def db(gain: float) -> float:
    return float(20 * np.log10(gain))


@pytest.mark.parametrize("rate", properties.RATES)
@pytest.mark.parametrize(
    "parameters",
    [
        STILL,
        changed(STILL, preserve_formants=False, voice_band_gain=2),
        changed(STILL, voice_band_gain=0.5, sibilance_boost=2, sibilance_max=6500, formant3_max=3000),
    ],
)
def test_the_response_is_that_of_the_cascade(parameters: VoiceFilter, rate: int) -> None:
    frequencies = [60.0, 90, 200, 480, 1000, 2000, 3000, 3900]
    stage = VoiceFilterStage(parameters, rate)
    expected = magnitude(stage.sections(parameters.fundamental_min), np.array(frequencies), rate)
    assert response(parameters, frequencies, rate) == pytest.approx(20 * np.log10(expected), abs=0.1)


@pytest.mark.parametrize("edge", [50, 85, 200])
def test_below_the_fundamental_it_is_a_butterworth_high_pass(edge: float) -> None:
    """|H| = 1 / sqrt(1 + (tan(pi edge / fs) / tan(pi f / fs))^8)."""
    frequencies = [edge / 4, edge / 2, edge, 2 * edge, 8 * edge]
    ratios = np.tan(np.pi * edge / 16_000) / np.tan(np.pi * np.array(frequencies) / 16_000)
    expected = -10 * np.log10(1 + ratios**8)
    found = response(changed(fundamental_min=edge), frequencies)
    assert found[:2] == pytest.approx(expected[:2], abs=0.3)
    assert found[2:] == pytest.approx(expected[2:], abs=0.1)
    assert expected[2] == pytest.approx(-3.01, abs=0.01)


@pytest.mark.parametrize("gain", [0.5, 1.1, 2])
def test_one_gain_reaches_up_to_the_third_formant(gain: float) -> None:
    found = response(changed(voice_band_gain=gain, formant3_max=3000), [400.0, 800, 3000, 7900])
    assert found[:2] == pytest.approx([db(gain)] * 2, abs=0.1)
    assert found[2] == pytest.approx(db(gain) / 2, abs=0.1)
    assert found[3] == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("formant", [1, 2, 3])
@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_without_preserving_each_formant_has_a_bell_between_its_edges(formant: int, rate: int) -> None:
    """Half of the gain in dB at the edges, all of it between them; the others are narrow and far away."""
    others = {1: (300.0, 320.0), 2: (2000.0, 2020.0), 3: (5900.0, 6000.0)}
    edges = {1: (300.0, 900.0), 2: (1000.0, 2200.0), 3: (1800.0, 3600.0)}[formant]
    bands = others | {formant: edges}
    if formant == 1:
        bands[2] = (1990.0, 2010.0)
    names: dict[str, Any] = {
        f"formant{number}_{side}": value
        for number, band in bands.items()
        for side, value in zip(("min", "max"), band, strict=True)
    }
    alone = changed(preserve_formants=False, voice_band_gain=2, **names)
    low, high = edges
    stage = VoiceFilterStage(alone, rate)
    found = 20 * np.log10(
        magnitude(stage.bands[formant - 1 : formant], np.array([low, high, np.sqrt(low * high)]), rate)
    )
    assert found[:2] == pytest.approx([db(2) / 2] * 2, abs=0.01)
    assert found[2] == pytest.approx(db(2), abs=0.1)


@pytest.mark.parametrize(
    "name",
    [f"formant{number}_{side}" for number in (1, 2, 3) for side in ("min", "max")],
)
def test_each_edge_of_a_formant_moves_its_band(name: str) -> None:
    base = changed(preserve_formants=False, voice_band_gain=2)
    value = getattr(base, name)
    moved = changed(base, **{name: value * 1.25})
    frequencies = [value * 0.9, value, value * 1.1, value * 1.3]
    assert np.abs(response(base, frequencies) - response(moved, frequencies)).max() > 0.3


def test_preserving_formants_keeps_their_balance() -> None:
    """Between the middles of the three formants, one gain differs by 0.2 dB, bells that overlap by dBs."""
    middles = [450.0, 1220, 2000]
    kept = response(changed(voice_band_gain=2, formant3_max=5000), middles)
    weighted = response(changed(voice_band_gain=2, preserve_formants=False), middles)
    assert np.ptp(kept) < 0.2
    assert np.ptp(weighted) > 1


@pytest.mark.parametrize("boost", [1.2, 2])
def test_sibilance_is_boosted_between_its_edges(boost: float) -> None:
    parameters = changed(sibilance_boost=boost, sibilance_min=4000, sibilance_max=12_000)
    found = response(parameters, [1000.0, 4000, 6900, 12_000, 23_000], 48_000)
    shelves = db(boost)
    assert found[0] == pytest.approx(0, abs=0.1)
    assert found[[1, 3]] == pytest.approx([shelves / 2] * 2, abs=0.15)
    assert shelves * 0.8 < found[2] <= shelves
    assert found[4] == pytest.approx(0, abs=0.1)


def test_an_edge_above_half_the_sample_rate_is_open() -> None:
    parameters = changed(sibilance_boost=2, sibilance_min=4000, sibilance_max=8000)
    assert response(parameters, [7900.0])[0] == pytest.approx(db(2), abs=0.1)
    assert response(changed(parameters, sibilance_min=4500), [3900.0], 8_000)[0] == pytest.approx(0, abs=0.1)
    assert response(changed(voice_band_gain=2), [3900.0], 8_000)[0] == pytest.approx(db(2), abs=0.1)


def followed(frequency: float, parameters: VoiceFilter, seconds: float = 4) -> float:
    """Return the lower edge after a voice."""
    stage = VoiceFilterStage(parameters, 16_000)
    sound = (voice(seconds, frequency=frequency) / 32_768).astype(np.float32)
    _, state = stage.process(sound, stage.initial())
    return state.edge


def test_the_lower_edge_follows_the_fundamental() -> None:
    assert followed(240, VoiceFilter()) == pytest.approx(0.7 * 240, rel=0.05)
    assert followed(140, VoiceFilter()) == pytest.approx(0.7 * 140, rel=0.05)
    assert followed(95, VoiceFilter()) == 85
    assert followed(240, VoiceFilter(fundamental_max=250)) == pytest.approx(0.7 * 240, rel=0.05)
    assert followed(290, VoiceFilter(fundamental_min=50, fundamental_max=200)) < 200
    assert followed(240, STILL) == 85


def test_the_edge_comes_back_for_a_deeper_voice_sooner_than_it_rose() -> None:
    """A second speaker's fundamental is not cut for long."""
    stage = VoiceFilterStage(VoiceFilter(), 16_000)
    high, low = ((voice(4, frequency=each) / 32_768).astype(np.float32) for each in (280, 130))
    _, state = stage.process(high, stage.initial())
    assert state.edge > 180
    _, state = stage.process(low[:16_000], state)
    assert state.edge == pytest.approx(0.7 * 130, rel=0.05)


def test_noise_moves_nothing() -> None:
    stage = VoiceFilterStage(VoiceFilter(), 16_000)
    random = np.random.default_rng(5)
    _, state = stage.process(random.normal(0, 0.1, 32_000).astype(np.float32), stage.initial())
    assert state.edge == 85


def test_a_moving_edge_makes_no_click() -> None:
    """A tone stays a tone: its second difference never exceeds that of its steady part by a tenth."""
    stage = VoiceFilterStage(VoiceFilter(), 16_000)
    at = np.arange(64_000) / 16_000
    sweep = 0.2 * np.sin(2 * np.pi * (150 * at + 20 * at**2)) + 0.1 * np.sin(2 * np.pi * 40 * at)
    found, state = stage.process(sweep.astype(np.float32), stage.initial())
    assert state.edge > 150
    still, _ = VoiceFilterStage(STILL, 16_000).process(
        sweep.astype(np.float32), VoiceFilterStage(STILL, 16_000).initial()
    )
    assert (
        np.abs(np.diff(found[2000:].astype(np.float64), 2)).max()
        < 1.1 * np.abs(np.diff(still[2000:].astype(np.float64), 2)).max()
    )


@pytest.mark.parametrize("parameters", [VoiceFilter(), changed(STILL, preserve_formants=False)])
@given(sizes=st.lists(st.integers(0, 900), min_size=1, max_size=5).filter(any))
@settings(deadline=None, max_examples=15)
def test_blocks_do_not_change_the_output(parameters: VoiceFilter, sizes: list[int]) -> None:
    properties.check_blocks(VoiceFilterStage(parameters, 16_000), noisy(), sizes)


@pytest.mark.parametrize("rate", properties.RATES)
@pytest.mark.parametrize(
    "parameters", [VoiceFilter(), VoiceFilter(preserve_formants=False, voice_band_gain=2)]
)
def test_it_keeps_the_promises_of_stages(parameters: VoiceFilter, rate: int) -> None:
    stage = VoiceFilterStage(parameters, rate)
    sound = speech()
    properties.check_states(stage, sound)
    properties.check_length(stage, sound)
    properties.check_hostile(stage, rate, most=8)
    assert stage.latency == 0
    assert stage.reduction(stage.initial()) == 0
    assert abs(properties.measured_latency(stage, sound, 2000)) <= 1


def test_it_continues_with_other_parameters() -> None:
    """Edge and filters go on: what follows differs by the new gain alone, from the first sample on."""
    sound: Block = speech(0.5)
    before, after = (
        VoiceFilterStage(STILL, 16_000),
        VoiceFilterStage(changed(STILL, voice_band_gain=1.2), 16_000),
    )
    _, state = before.process(sound[:4000], before.initial())
    kept, _ = before.process(sound[4000:], state)
    found, _ = after.process(sound[4000:], after.adopted(state))
    assert np.abs(found[:200] - kept[:200]).max() < 0.2 * np.abs(kept[:400]).max()
    moved = structs.replace(VoiceFilter(), fundamental_min=120)
    assert (
        VoiceFilterStage(moved, 16_000).adopted(VoiceFilterStage(VoiceFilter(), 16_000).initial()).edge == 120
    )

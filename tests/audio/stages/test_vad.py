"""The stage vad: what it takes for speech, when, and what each of its parameters changes."""

import re
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from scipy.signal import resample_poly

from orch.audio.parameters import Vad
from orch.audio.stages import vad_model
from orch.audio.stages.stage import Activity, Block
from orch.audio.stages.vad import VadStage, VadState
from tests.audio.stages import properties
from tests.audio.vector_sounds import noisy, speech
from tests.fakes.sounds import CLIPS, Samples, clicks, clip, hum, noise, pink, silence, typing, voice


def sound(*parts: Samples) -> Block:
    """Return sounds of full scale 32768 one after the other."""
    return (np.concatenate(parts) / 32_768).astype(np.float32)


def activity(samples: Block, vad: Vad | None = None, rate: int = 16_000) -> Activity:
    """Return the activity of each sample: the delay is undone."""
    stage = VadStage(vad or Vad(), rate)
    late = stage.latency
    _, found, _ = stage.detect(np.concatenate((samples, np.zeros(late, np.float32))), stage.initial())
    return Activity(found.confidence[late:], found.speech[late:])


def seconds(found: Activity, rate: int = 16_000) -> float:
    return float(found.speech.sum() / rate)


def begins(found: Activity) -> list[int]:
    """Return the samples at which speech begins."""
    return (np.flatnonzero(np.diff(found.speech.astype(np.int8), prepend=0) > 0)).tolist()


def blockwise(stage: VadStage, samples: Block, sizes: list[int]) -> tuple[Activity, VadState]:
    state, parts, begin, index = stage.initial(), [], 0, 0
    while begin < len(samples):
        block = samples[begin : begin + sizes[index % len(sizes)]]
        _, found, state = stage.detect(block, state)
        assert len(found.confidence) == len(found.speech) == len(block)
        parts.append(found)
        begin, index = begin + len(block), index + 1
    return (
        Activity(np.concatenate([p.confidence for p in parts]), np.concatenate([p.speech for p in parts])),
        state,
    )


@pytest.mark.parametrize("name", CLIPS)
def test_a_recording_is_speech_and_the_stillness_around_it_is_not(name: str) -> None:
    found = activity(sound(noise(1, -65), clip(name), noise(2, -65, seed=2)))
    length = len(clip(name))
    inside = slice(16_000 + 8_000, 16_000 + length - 8_000)
    assert found.speech[inside].mean() > 0.9
    assert found.confidence[inside].mean() > 0.8
    assert not found.speech[:16_000].any()
    assert found.confidence[:15_000].mean() < 0.1
    assert not found.speech[-16_000:].any()


@pytest.mark.parametrize("rate", properties.RATES)
def test_a_recording_is_found_at_any_rate(rate: int) -> None:
    """What is decided at 16 kHz is decided at any rate, but for some frames at edges."""
    samples = np.concatenate((noise(1, -60), clip("austen-0870"), noise(1, -60, seed=2)))
    expected = activity(sound(samples)).speech[::160]
    common = gcd(rate, 16_000)
    found = activity(sound(resample_poly(samples, rate // common, 16_000 // common)), rate=rate)
    decided = found.speech[:: round(rate / 100)][: len(expected)]
    assert np.mean(decided == expected[: len(decided)]) > 0.95


@pytest.mark.parametrize(
    "samples",
    [noise(10, -30), pink(10, -30), hum(10, 50), typing(10), clicks(10, 0.7), silence(5)],
    ids=["white", "pink", "hum", "keys", "clicks", "nothing"],
)
def test_noise_is_not_speech(samples: Samples) -> None:
    found = activity(sound(samples))
    assert not begins(found)
    assert found.confidence[16_000:].mean() < 0.15


@pytest.mark.parametrize("ratio", [0, 10])
def test_speech_is_found_in_noise(ratio: int) -> None:
    spoken = clip("austen-0870")
    level = 20 * np.log10(np.sqrt(np.mean(spoken**2)) / 32_768) - ratio
    background = pink(4 + len(spoken) / 16_000, level)
    background[32_000 : 32_000 + len(spoken)] += spoken
    found = activity(sound(background))
    assert found.speech[32_000 + 8_000 : 32_000 + len(spoken) - 8_000].mean() > 0.85
    assert not found.speech[8_000:30_000].any()


def test_speech_begins_before_it_is_decided() -> None:
    """A voice that starts at once, after noise: nothing is cut from it, and little is before it."""
    for level in (-65, -50):
        begin = begins(activity(sound(noise(1.5, level), voice(1))))[0]
        assert -1_280 <= begin - 24_000 <= 0


def test_aggressiveness_asks_for_more_evidence() -> None:
    """In loud noise each step finds less, and begins later."""
    spoken = clip("austen-0890")
    samples = sound(pink(len(spoken) / 16_000, -27) + spoken)
    lengths = [seconds(activity(samples, Vad(aggressiveness=each))) for each in range(4)]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > lengths[3] + 0.1
    onsets = [
        begins(activity(sound(noise(1, -60), voice(1)), Vad(aggressiveness=each)))[0] for each in range(4)
    ]
    assert onsets == sorted(onsets)
    assert onsets[0] < onsets[3]


def test_nothing_under_the_energy_threshold_is_speech() -> None:
    """Above a noise that leaves the threshold as it is; in a still room it is lowered by 10 dB at most."""
    spoken = 0.1 * clip("austen-0870")
    samples = sound(noise(1, -75), spoken)
    assert seconds(activity(samples, Vad(energy_threshold=0.005))) > 4
    assert seconds(activity(samples, Vad(energy_threshold=0.1))) == 0
    loud = sound(noise(8, -45) + np.concatenate((silence(1), 0.3 * clip("austen-0870")))[:128_000])
    lengths = [seconds(activity(loud, Vad(energy_threshold=each))) for each in (0.0, 0.03, 0.2)]
    assert min(lengths[:2]) > 5
    assert lengths[1] > lengths[2] + 1


def test_confidence_does_not_depend_on_what_only_decides() -> None:
    samples = noisy()
    base = activity(samples).confidence
    for changes in ({"aggressiveness": 0}, {"min_speech_duration": 1000}, {"max_silence_duration": 2000}):
        assert np.array_equal(activity(samples, structs.replace(Vad(), **changes)).confidence, base)


def words(pause: float) -> Block:
    """Return two voices of a second with a pause between them, in faint noise."""
    samples = np.concatenate((silence(1), voice(1), silence(pause), voice(1), silence(2)))
    return sound(samples + noise(len(samples) / 16_000, -65))


def test_the_hangover_bridges_pauses_up_to_its_length() -> None:
    assert len(begins(activity(words(0.4), Vad(max_silence_duration=600)))) == 1
    assert len(begins(activity(words(0.4), Vad(max_silence_duration=200)))) == 2
    ends = [
        np.flatnonzero(activity(words(0.4), Vad(max_silence_duration=each)).speech)[-1]
        for each in (600, 1000)
    ]
    assert ends[1] - ends[0] == pytest.approx(6_400, abs=320)


def test_short_speech_has_a_short_hangover() -> None:
    """A sound of 100 ms has a share of the hangover, and all of it where speech may be that short."""

    def length(voiced: float, shortest: int) -> float:
        samples = np.concatenate((silence(1), voice(voiced), silence(2)))
        samples += noise(len(samples) / 16_000, -65)
        return seconds(activity(sound(samples), Vad(min_speech_duration=shortest, max_silence_duration=1000)))

    assert 0 < length(0.1, 1000) < 0.5
    assert length(0.1, 50) > 1
    assert length(0.1, 1000) < length(0.1, 400) < length(0.1, 50)
    assert length(0.3, 50) == pytest.approx(length(0.1, 50) + 0.2, abs=0.1)


@pytest.mark.parametrize("duration", [10, 20, 30])
def test_decisions_are_made_once_a_frame(duration: Any) -> None:
    """Speech begins and ends at whole frames, counted from the first sample; longer frames vary less."""
    found = activity(sound(noise(0.9, -60), clip("austen-0920")), Vad(frame_duration=duration))
    edges = np.flatnonzero(np.diff(found.speech.astype(np.int8)))
    assert len(edges)
    assert not ((edges + 1) % (duration * 16)).any()


def test_longer_frames_vary_less() -> None:
    samples = sound(clip("austen-0920") + noise(len(clip("austen-0920")) / 16_000, -30))
    changes = [
        np.abs(np.diff(activity(samples, Vad(frame_duration=each)).confidence[::160])).sum()
        for each in (10, 20, 30)
    ]
    assert changes == sorted(changes, reverse=True)


def test_only_fundamentals_in_the_range_are_a_voice() -> None:
    """A voice of 250 Hz is less of one where voices end at 200 Hz and begin at 150."""
    samples = sound(noise(1, -40), voice(1, frequency=250) + noise(1, -25))
    wide, narrow = (
        activity(samples, Vad(voice_freq_min=low, voice_freq_max=high)).confidence[16_000:].mean()
        for low, high in ((85, 300), (150, 200))
    )
    assert wide > narrow + 0.02


@given(sizes=st.lists(st.integers(0, 900), min_size=1, max_size=5).filter(any))
@settings(deadline=None, max_examples=20)
def test_blocks_do_not_change_the_decisions(sizes: list[int]) -> None:
    stage, samples = VadStage(Vad(), 16_000), noisy()
    properties.check_blocks(stage, samples, sizes)
    _, expected, _ = stage.detect(samples, stage.initial())
    found, _ = blockwise(stage, samples, sizes)
    assert np.allclose(found.confidence, expected.confidence, atol=1e-6)
    assert np.array_equal(found.speech, expected.speech)


def test_long_blocks_are_analysed_in_parts() -> None:
    stage, samples = VadStage(Vad(), 16_000), sound(clip("austen-0870"))
    _, expected, _ = stage.detect(samples, stage.initial())
    found, _ = blockwise(stage, samples, [480])
    assert np.allclose(found.confidence, expected.confidence, atol=1e-6)


@pytest.mark.parametrize("rate", properties.RATES)
def test_it_keeps_the_promises_of_stages(rate: int) -> None:
    stage = VadStage(Vad(), rate)
    samples = speech()
    properties.check_states(stage, samples)
    properties.check_length(stage, samples)
    properties.check_hostile(stage, rate, most=1)
    assert properties.measured_latency(stage, samples, 5000) == stage.latency == round(rate * 0.09)
    assert stage.reduction(stage.initial()) == 0
    assert np.array_equal(properties.whole(stage, samples)[stage.latency :], samples)


@pytest.mark.parametrize("rate", properties.RATES)
def test_hostile_sounds_have_a_confidence(rate: int) -> None:
    for name, samples in properties.hostile(rate).items():
        found = activity(samples, rate=rate)
        assert np.isfinite(found.confidence).all(), name
        assert 0 <= found.confidence.min() <= found.confidence.max() <= 1, name


def test_it_continues_with_other_parameters() -> None:
    """Floors and speech that has begun go on: nothing begins again."""
    before, after = VadStage(Vad(), 16_000), VadStage(Vad(aggressiveness=3, frame_duration=30), 16_000)
    samples = sound(noise(1, -60), clip("austen-0870"))
    _, first, state = before.detect(samples[:48_000], before.initial())
    _, second, _ = after.detect(samples[48_000:], after.adopted(state))
    assert first.speech[-1]
    assert second.speech[:32_000].all()
    other = VadStage(Vad(voice_freq_min=200, voice_freq_max=500), 44_100)
    _, _, state = VadStage(Vad(), 44_100).detect(samples, VadStage(Vad(), 44_100).initial())
    _, found, _ = other.detect(samples[:5_000], other.adopted(state))
    assert np.isfinite(found.confidence).all()


def test_the_browser_has_the_same_model() -> None:
    """The fit writes both files; one that was changed alone is found here."""
    script = (Path(__file__).parents[3] / "static/js/audio/kernels/vad-model.js").read_text()
    hidden = re.search(r"^export const HIDDEN = (\d+);$", script, re.MULTILINE)
    numbers = re.search(r"^export const NUMBERS = `([^`]*)`;$", script, re.MULTILINE)
    assert hidden
    assert numbers
    assert int(hidden[1]) == vad_model.HIDDEN
    assert numbers[1].split() == vad_model.NUMBERS.split()

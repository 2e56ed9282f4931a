"""The whole pipeline: lengths, times, changes without a click, and input that no stage would accept."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec import structs

from orch.audio.hosted_pipelines import pcm_of, samples_of
from orch.audio.parameters import (
    STAGE_IDS,
    ExpanderGate,
    NoiseReduction,
    Parameters,
    Resampling,
    StageId,
    VoiceEnhancement,
    VoiceFilter,
    VoiceProcessing,
)
from orch.audio.pipeline import Pipeline, sanitised
from orch.audio.pipeline_choice import for_speech
from orch.audio.pipeline_settings import ALL_STAGES, PipelineSettings
from orch.audio.presets import PRESETS
from orch.audio.segmenter import Segmenter, Utterance
from orch.audio.stages.stage import Block
from orch.audio.time_map import TimeMap
from orch.settings import Vad as SpeechVad
from tests.audio.vector_sounds import noisy, speech
from tests.fakes.sounds import pcm, silence, voice

RATE = 16_000
NOTHING: frozenset[StageId] = frozenset({"original", "decoded", "final"})
#: All that leave the number of samples as it is.
STEADY = ALL_STAGES - {"silence", "resample"}
OFF = PipelineSettings(enabled=NOTHING)


def run(pipeline: Pipeline, sound: Block, sizes: tuple[int, ...] = (320,)) -> Block:
    """Return everything that a sound becomes."""
    parts = []
    begin = index = 0
    while begin < len(sound):
        size = sizes[index % len(sizes)]
        parts.append(pipeline.process(sound[begin : begin + size]).samples)
        begin, index = begin + size, index + 1
    return np.concatenate((*parts, pipeline.flush().samples))


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_with_every_stage_off_nothing_changes(rate: int) -> None:
    """Bit for bit, and every sample where it was."""
    sound = noisy()
    assert np.array_equal(run(Pipeline(OFF, rate), sound, (77, 1, 0, 1500)), sound)


@pytest.mark.parametrize("stage", sorted(STEADY - NOTHING))
def test_the_output_of_each_stage_lies_where_its_input_was(stage: StageId) -> None:
    """Its latency is the one that it states, and is taken away; filters shift phases by less than 0.5 ms."""
    sound = speech(1.0)
    found = run(Pipeline(structs.replace(OFF, enabled=NOTHING | {stage}), RATE), sound).astype(np.float64)
    assert len(found) == len(sound)
    size = 1 << 16
    products = np.fft.irfft(np.fft.rfft(found, size) * np.conj(np.fft.rfft(sound, size)), size)
    assert (int(np.argmax(products)) + 8) % size <= 16


@given(sizes=st.lists(st.integers(0, 4096), min_size=1, max_size=5).filter(any))
@hypothesis_settings(deadline=None, max_examples=8)
def test_blocks_do_not_change_the_output(sizes: list[int]) -> None:
    sound = np.concatenate((noisy(), np.zeros(8000, np.float32), speech()))
    expected = run(Pipeline(PipelineSettings(), RATE), sound, (len(sound),))
    found = run(Pipeline(PipelineSettings(), RATE), sound, tuple(sizes))
    assert found.shape == expected.shape
    assert np.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(("rate", "target"), [(48_000, 16_000), (16_000, 48_000), (44_100, 22_050)])
def test_the_output_has_the_target_rate(rate: int, target: int) -> None:
    parameters = Parameters(resampling=Resampling(target_rate=target))  # type: ignore[arg-type]
    pipeline = Pipeline(PipelineSettings(parameters=parameters, enabled=NOTHING | {"resample"}), rate)
    assert pipeline.output_rate == target
    sound = np.zeros(rate, np.float32)
    assert len(run(pipeline, sound)) == target


def test_what_was_cut_can_be_found_again() -> None:
    """The map of the cuts leads from the output to the samples of the input."""
    pause = np.zeros(3 * RATE, np.float32)
    sound = np.concatenate((speech(1.0), pause, speech(1.0)))
    pipeline = Pipeline(structs.replace(OFF, enabled=NOTHING | {"silence"}), RATE)
    first = pipeline.process(sound)
    last = pipeline.flush()
    found = np.concatenate((first.samples, last.samples))
    cuts = first.cuts + last.cuts
    assert len(found) < len(sound) - 2 * RATE
    times = TimeMap().extended(cuts)
    for at in (1000, len(found) - 4000):
        assert found[at] == sound[round(times.input_at(at))]


def test_the_activity_belongs_to_the_samples_before_silence() -> None:
    sound = np.concatenate((np.zeros(RATE, np.float32), speech(1.0), np.zeros(RATE, np.float32)))
    pipeline = Pipeline(structs.replace(OFF, enabled=STEADY), RATE)
    parts = [pipeline.process(sound), pipeline.flush()]
    activities = [part.activity for part in parts if part.activity is not None]
    speaking = np.concatenate([activity.speech for activity in activities])
    assert len(speaking) == len(sound)
    assert not speaking[: RATE // 2].any()
    assert speaking[RATE + RATE // 2 : 2 * RATE].mean() > 0.9
    off = Pipeline(structs.replace(OFF, enabled=STEADY - {"vad"}), RATE)
    assert off.process(sound).activity is None


def test_taps_are_what_leaves_each_stage() -> None:
    sound = noisy()
    pipeline = Pipeline(structs.replace(OFF, enabled=STEADY), RATE)
    parts = [pipeline.process(sound, STAGE_IDS), pipeline.flush(STAGE_IDS)]
    taps = {stage: np.concatenate([part.taps[stage] for part in parts]) for stage in STAGE_IDS}
    assert np.array_equal(taps["original"], sound)
    assert np.array_equal(taps["vad"], taps["voiceFilter"])
    assert np.array_equal(taps["final"], np.concatenate([part.samples for part in parts]))
    assert {len(samples) for samples in taps.values()} == {len(sound)}
    assert not np.array_equal(taps["noise"], taps["vad"])


@pytest.mark.parametrize("stage", ["decoded", "voiceFilter", "noise", "voiceEnhance"])
def test_paused_at_a_stage_its_output_is_the_pipelines(stage: StageId) -> None:
    sound = noisy()
    whole = Pipeline(structs.replace(OFF, enabled=STEADY), RATE)
    tap = [whole.process(sound, {stage}).taps[stage], whole.flush({stage}).taps[stage]]
    paused = Pipeline(PipelineSettings(enabled=STEADY, paused_at=stage), RATE)
    assert np.allclose(run(paused, sound, (len(sound),)), np.concatenate(tap), atol=1e-6)


def clicks(found: Block, bound: float) -> npt.NDArray[np.int64]:
    """Return where the second difference is more than a tone of this loudness and frequency has."""
    return np.flatnonzero(np.abs(np.diff(found.astype(np.float64), 2)) > bound)


def automation(random: np.random.Generator) -> PipelineSettings:
    """Return other parameters, some stages off, at random."""
    parameters: Any = Parameters(
        voice_filter=VoiceFilter(
            voice_band_gain=random.uniform(0.5, 2),
            sibilance_boost=random.uniform(1, 2),
            fundamental_min=random.uniform(50, 190),
        ),
        noise_reduction=NoiseReduction(
            strength=random.uniform(0, 1), spectral_subtraction=bool(random.integers(2))
        ),
        voice_enhancement=VoiceEnhancement(gain=random.uniform(0.5, 2), target_peak=random.uniform(0.3, 1)),
        voice_processing=VoiceProcessing(
            expander_gate=ExpanderGate(threshold=random.uniform(-80, -20)),
        ),
    )
    enabled = frozenset(stage for stage in STEADY if stage in NOTHING or random.random() < 0.7)
    return PipelineSettings(parameters=parameters, enabled=enabled)


@pytest.mark.slow
def test_a_minute_of_changes_makes_no_click() -> None:
    """A tone of 200 Hz at -20 dB, 60 s; every 50 ms other parameters and other stages."""
    random = np.random.default_rng(4)
    at = np.arange(60 * RATE) / RATE
    tone = (0.1 * np.sin(2 * np.pi * 200 * at)).astype(np.float32)
    pipeline = Pipeline(structs.replace(OFF, enabled=STEADY), RATE)
    parts = []
    for begin in range(0, len(tone), 800):
        pipeline.change(automation(random))
        parts.append(pipeline.process(tone[begin : begin + 800]).samples)
    found = np.concatenate((*parts, pipeline.flush().samples))[RATE:-RATE]
    assert np.isfinite(found).all()
    # The tone itself, at four times its loudness, has 0.0025.
    assert not len(clicks(found, 0.01)), clicks(found, 0.01)[:5] / RATE


@pytest.mark.parametrize("name", PRESETS)
def test_odd_input_never_gives_what_is_no_number(name: str) -> None:
    """NaN, infinity, denormals, full-scale squares, in one stream."""
    random = np.random.default_rng(6)
    bad = np.array([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-40, 0], np.float32)
    sound = np.concatenate((speech(), random.choice(bad, 4000), np.full(4000, 1e-40, np.float32), speech()))
    found = run(Pipeline(PRESETS[name].settings, RATE), sound.astype(np.float32))
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= 1.01


def test_bad_samples_are_silence_and_loud_ones_bounded() -> None:
    block = np.array([np.nan, np.inf, -np.inf, 1e-40, 100, -100, 0.5], np.float32)
    assert sanitised(block).tolist() == [0, 0, 0, 0, 8, -8, 0.5]
    assert np.isnan(block[0])


def test_a_copy_continues_on_its_own() -> None:
    sound = np.concatenate((noisy(), speech()))
    pipeline = Pipeline(PipelineSettings(), RATE)
    pipeline.process(sound[:5000])
    other = pipeline.copy()
    first = np.concatenate((pipeline.process(sound[5000:]).samples, pipeline.flush().samples))
    second = np.concatenate((other.process(sound[5000:]).samples, other.flush().samples))
    assert np.array_equal(first, second)


def test_time_is_counted_by_stage() -> None:
    ticks = iter(range(10_000))
    pipeline = Pipeline(PipelineSettings(), RATE, clock=lambda: float(next(ticks)))
    pipeline.process(noisy())
    assert set(pipeline.timings_ms.values()) == {1000.0}


def test_a_voice_with_which_a_stream_begins_is_not_the_noise() -> None:
    """With preset default its utterance begins no later than 0.1 s after the one of the sound as it came."""
    sound = pcm(voice(1.5), silence(1))
    pipeline = Pipeline(for_speech(PRESETS["default"].settings), RATE)
    parts = [pipeline.process(samples_of(sound)).samples, pipeline.flush().samples]
    starts = []
    for data in (sound, pcm_of(np.concatenate(parts))):
        segmenter = Segmenter(sample_rate=RATE, vad=SpeechVad(), max_utterance=15)
        events = [*segmenter.feed(data), *segmenter.flush()]
        starts.append(next(event.start for event in events if isinstance(event, Utterance)) / RATE)
    assert starts[1] - starts[0] < 0.1

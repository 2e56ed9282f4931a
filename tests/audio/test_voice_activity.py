from collections.abc import Callable

import numpy as np
import pytest

from orch.audio.segmenter import Event, Pause, Segmenter, Utterance
from orch.audio.speech_thresholds import MODEL_THRESHOLDS, PRE_ROLL, TAIL
from orch.audio.voice_activity import Frames, ModelActivity, NoiseActivity
from orch.settings import Vad
from tests.fakes.sounds import hum, noise, pcm, silence

RATE = 16_000
FRAME = 512
SECOND = RATE / FRAME


class ScriptedModel:
    """Returns the probability of each frame's number."""

    def __init__(self, probability: Callable[[int], float]) -> None:
        self._probability = probability
        self.frames = 0

    def __call__(self, frame: Frames) -> float:
        assert frame.shape == (FRAME,)
        self.frames += 1
        return self._probability(self.frames - 1)


def activity(model: ScriptedModel, vad: Vad | None = None) -> ModelActivity:
    return ModelActivity(frame=FRAME, probability=model, vad=vad or Vad())


def segment(data: bytes, model: ScriptedModel, *, block: int = 3200) -> list[Event]:
    segmenter = Segmenter(sample_rate=RATE, vad=Vad(), max_utterance=15, activity=activity(model))
    events = [event for at in range(0, len(data), block) for event in segmenter.feed(data[at : at + block])]
    return events + segmenter.flush()


def utterances(events: list[Event]) -> list[Utterance]:
    return [event for event in events if isinstance(event, Utterance)]


@pytest.mark.parametrize(
    ("probability", "is_loud", "is_active"),
    [(0.51, True, True), (0.49, False, True), (0.36, False, True), (0.34, False, False)],
)
def test_speech_begins_at_one_probability_and_goes_on_at_a_lower_one(
    *, probability: float, is_loud: bool, is_active: bool
) -> None:
    """Otherwise each unsure frame would end the utterance."""
    (found,) = activity(ScriptedModel(lambda _: probability)).decide(np.full((1, FRAME), 0.1) * alternating())
    assert (found.is_loud, found.is_active) == (is_loud, is_active)


def alternating() -> Frames:
    """Return samples whose mean is zero and whose RMS is 1."""
    return np.resize([1.0, -1.0], FRAME)


def test_sound_that_is_too_faint_for_any_room_is_not_speech() -> None:
    """A television next door has words too; ``energy_threshold`` still sets the limit."""
    frames = np.stack([alternating() * level for level in (0.0005, 0.002, 0.004)])
    found = activity(ScriptedModel(lambda _: 0.99)).decide(frames)
    assert [(one.is_active, one.is_loud) for one in found] == [(False, False), (True, False), (True, True)]


def test_digital_silence_is_not_speech_whatever_the_settings() -> None:
    (found,) = activity(ScriptedModel(lambda _: 0.99), Vad(energy_threshold=0)).decide(np.zeros((1, FRAME)))
    assert not found.is_active


def test_the_model_is_given_every_frame() -> None:
    """It remembers the frames before: left out ones would change what it says of the next."""
    model = ScriptedModel(lambda _: 0.0)
    segment(pcm(silence(2), noise(2, -20)), model)
    assert model.frames == int(4 * SECOND)


def test_a_higher_aggressiveness_asks_for_more() -> None:
    """As it does without a model."""
    onsets = [row.onset for row in MODEL_THRESHOLDS]
    assert onsets == sorted(onsets)
    assert all(row.release < row.onset for row in MODEL_THRESHOLDS)
    found = [
        activity(ScriptedModel(lambda _: 0.45), Vad(aggressiveness=level)).decide(alternating()[None])[0]
        for level in range(4)
    ]
    assert [one.is_loud for one in found] == [True, True, False, False]


def test_an_utterance_is_what_the_model_says() -> None:
    """With its pre-roll and its tail; a hum that the model knows is not tested again."""
    data = pcm(silence(1), hum(1.6, 120), silence(1))
    events = segment(data, ScriptedModel(lambda number: 0.9 if SECOND <= number < 2.6 * SECOND else 0.1))
    (found,) = utterances(events)
    assert found.start / RATE == pytest.approx(1 - PRE_ROLL, abs=FRAME / RATE)
    assert found.end / RATE == pytest.approx(2.6 + TAIL, abs=2 * FRAME / RATE)
    assert any(isinstance(event, Pause) for event in events)


def test_noise_is_nothing_where_the_model_says_so() -> None:
    """However loud it is."""
    assert not utterances(segment(pcm(silence(1), noise(3, -10)), ScriptedModel(lambda _: 0.05)))


def test_one_sure_frame_is_no_speech() -> None:
    """``min_speech_duration`` holds for a model, too: a click that it takes for speech is none."""
    model = ScriptedModel(lambda number: 0.9 if number % 20 == 10 else 0.1)
    assert not utterances(segment(pcm(noise(4, -20)), model))


def test_block_sizes_do_not_change_the_events() -> None:
    data = pcm(silence(0.5), noise(1.5, -20), silence(1.3), noise(2, -20))

    def model() -> ScriptedModel:
        return ScriptedModel(lambda number: 0.9 if number % 60 > 20 else 0.1)

    whole = segment(data, model(), block=len(data))
    assert len(utterances(whole)) > 1
    for block in (2, 1022, 1024, 6402):
        assert segment(data, model(), block=block) == whole


def test_without_a_model_only_noise_needs_a_voice() -> None:
    """A model knows a hum from a voice by itself; the distance from the noise does not."""
    assert NoiseActivity(sample_rate=RATE, vad=Vad()).voiced > 0
    assert activity(ScriptedModel(lambda _: 0.0)).voiced == 0

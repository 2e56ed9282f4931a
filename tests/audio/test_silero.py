"""The real Silero model behind the segmenter."""

import numpy as np
import pytest

from orch.audio.segmenter import Segmenter, Utterance
from orch.audio.silero import FRAME, RATE, Silero, is_installed
from orch.audio.voice_activity import ModelActivity
from orch.settings import Vad
from tests.fakes.sounds import (
    CLIPS,
    Samples,
    clicks,
    clip,
    hum,
    noise,
    pcm,
    pink,
    silence,
    typing,
)


@pytest.fixture(scope="module")
def silero() -> Silero:
    assert is_installed()
    return Silero()


def utterances(silero: Silero, sound: Samples, *, block: int = 640) -> list[Utterance]:
    silero.reset()
    segmenter = Segmenter(
        sample_rate=RATE,
        vad=Vad(),
        max_utterance=15,
        activity=ModelActivity(frame=FRAME, probability=silero.probability, vad=Vad()),
    )
    data = pcm(sound)
    events = [event for at in range(0, len(data), block) for event in segmenter.feed(data[at : at + block])]
    return [event for event in [*events, *segmenter.flush()] if isinstance(event, Utterance)]


def chord(seconds: float) -> Samples:
    """Return three notes with harmonics that fade and begin again, as of an instrument."""
    at = np.arange(round(seconds * RATE)) / RATE
    notes: Samples = np.zeros(len(at))
    for pitch in (130.8, 164.8, 196.0):
        for harmonic in range(1, 5):
            notes += np.sin(2 * np.pi * pitch * harmonic * at) / harmonic
    return 3000 * notes * np.exp(-2 * (at % 0.75))


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("scale", [1.0, 0.2, 0.07])
def test_a_sentence_is_one_utterance(silero: Silero, name: str, scale: float) -> None:
    """Loud or quiet, from its first word to its last."""
    sound = clip(name) * scale
    (found,) = utterances(silero, np.concatenate((silence(1), sound, silence(1))))
    assert found.start / RATE < 1.2
    assert found.end / RATE > 1 + len(sound) / RATE - 0.7


@pytest.mark.parametrize(
    "sound",
    [
        silence(5),
        noise(5, -20),
        pink(5, -20),
        clicks(5, 0.2),
        typing(5),
        hum(5, 120),
        chord(5),
    ],
    ids=["silence", "hiss", "street", "clicks", "typing", "hum", "music"],
)
def test_what_is_not_speech_is_silence(silero: Silero, sound: Samples) -> None:
    """Each is loud enough to be heard over the silence around it."""
    assert not utterances(silero, np.concatenate((silence(1), sound, silence(1))))


def test_music_is_speech_without_the_model() -> None:
    """This is what the model is for: by its distance from the noise a chord is a voice."""
    segmenter = Segmenter(sample_rate=RATE, vad=Vad(), max_utterance=15)
    events = segmenter.feed(pcm(silence(1), chord(5), silence(1)))
    assert any(isinstance(event, Utterance) for event in events)


def test_block_sizes_do_not_change_the_utterances(silero: Silero) -> None:
    sound = np.concatenate((silence(0.7), clip(CLIPS[1]), silence(1)))
    assert utterances(silero, sound, block=126) == utterances(silero, sound, block=200_000)


def test_a_reset_model_remembers_nothing(silero: Silero) -> None:
    """It is used for another speaker then."""
    frame = clip(CLIPS[0])[16_000 : 16_000 + FRAME] / 32768
    silero.reset()
    first = silero.probability(frame)
    silero.probability(frame)
    silero.reset()
    assert silero.probability(frame) == first

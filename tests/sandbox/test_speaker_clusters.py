import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from orch.sandbox.engines.speaker_clusters import (
    ENOUGH,
    MOST_SPEAKERS,
    REMEMBERED,
    Embedding,
    SpeakerClusters,
)

DIMENSIONS = 16


def axis(person: int, towards: int | None = None, cosine: float = 1.0) -> Embedding:
    """Return a person's vector, or one that has ``cosine`` with it and leans towards another."""
    vector = np.zeros(DIMENSIONS)
    vector[person] = cosine
    if towards is not None:
        vector[towards] = np.sqrt(1 - cosine**2)
    return vector


def noisy(person: int, seed: int) -> Embedding:
    """Return an utterance of a person: cosine about 0.9 with their vector."""
    noise = np.random.default_rng(seed).normal(size=DIMENSIONS)
    return axis(person) + 0.45 * noise / np.linalg.norm(noise)


def test_people_are_numbered_as_they_are_first_heard() -> None:
    clusters = SpeakerClusters()
    heard = [
        clusters.identify(str(index), noisy(person, index), seconds=3)
        for index, person in enumerate([4, 4, 2, 4, 7, 2, 7])
    ]
    assert heard == [1, 1, 2, 1, 3, 2, 3]
    assert not list(clusters.corrections())


@given(st.lists(st.integers(0, MOST_SPEAKERS - 1), max_size=40), st.integers(0, 10_000))
def test_each_person_has_one_number(turns: list[int], seed: int) -> None:
    """Where voices are far apart, every utterance of a person gets that person's number, and no other."""
    clusters = SpeakerClusters()
    numbers: dict[int, int | None] = {}
    for index, person in enumerate(turns):
        number = clusters.identify(str(index), axis(person) * (1 + seed), seconds=ENOUGH)
        assert numbers.setdefault(person, number) == number
    assert sorted(number or 0 for number in numbers.values()) == list(range(1, len(numbers) + 1))


vectors = st.lists(st.floats(-1, 1, width=32), min_size=4, max_size=4).map(np.array)


@given(st.lists(st.tuples(st.integers(0, 5), vectors, st.floats(0.1, 20)), max_size=120))
def test_whatever_is_heard_memory_and_numbers_are_bounded(
    heard: list[tuple[int, Embedding, float]],
) -> None:
    """Any vectors, also zeros and repeated keys: few speakers and corrections, and none of those to '?'."""
    clusters = SpeakerClusters()
    for index, (key, vector, seconds) in enumerate(heard):
        number = clusters.identify(f"{key}-{index // 2}", vector, seconds=seconds)
        assert number is None or number >= 1
        assert clusters.speakers <= MOST_SPEAKERS
        corrected = dict(clusters.corrections())
        assert len(corrected) <= REMEMBERED
        assert all(other >= 1 for other in corrected.values())


def test_a_short_first_utterance_is_unsure_and_corrected_later() -> None:
    clusters = SpeakerClusters()
    assert clusters.identify("short", axis(1), seconds=ENOUGH / 2) is None
    assert clusters.identify("long", axis(1, 2, 0.9), seconds=3) == 1
    assert dict(clusters.corrections()) == {"short": 1}


def test_between_two_people_is_unsure() -> None:
    clusters = SpeakerClusters()
    clusters.identify("ann", axis(1), seconds=3)
    clusters.identify("bob", axis(2), seconds=3)
    assert clusters.identify("either", axis(1) + axis(2), seconds=3) is None
    assert not list(clusters.corrections())


def test_two_unsure_utterances_that_are_alike_are_a_new_person() -> None:
    """A voice that is somewhat like a known one stays unsure, until it is heard again."""
    clusters = SpeakerClusters()
    clusters.identify("ann", axis(1), seconds=3)
    assert clusters.identify("first", axis(1, 2, 0.64), seconds=3) is None
    assert clusters.identify("second", axis(1, 2, 0.64), seconds=3) == 2
    assert dict(clusters.corrections()) == {"first": 2}


def test_two_numbers_of_one_person_become_the_earlier() -> None:
    clusters = SpeakerClusters()
    clusters.identify("one", axis(1), seconds=1.5)
    assert clusters.identify("two", axis(1, 2, 0.45), seconds=1.5) == 2
    for index in range(6):  # between both: each takes the means nearer to one another
        clusters.identify(f"more {index}", axis(1, 2, 0.97 if index % 2 else 0.7), seconds=10)
    assert clusters.speakers == 1
    assert dict(clusters.corrections())["two"] == 1


def test_a_longer_recording_of_the_same_utterance_replaces_it() -> None:
    """What was heard of the shorter one leaves no trace: neither a speaker nor a weight."""
    clusters = SpeakerClusters()
    clusters.identify("ann", axis(1), seconds=3)
    assert clusters.identify("next", axis(2), seconds=1.5) == 2
    assert clusters.identify("next", axis(1), seconds=3) == 1
    assert clusters.speakers == 1
    assert clusters.identify("bob", axis(2), seconds=3) == 2


def test_the_person_after_the_last_is_unsure() -> None:
    clusters = SpeakerClusters()
    for person in range(MOST_SPEAKERS):
        assert clusters.identify(str(person), axis(person), seconds=3) == person + 1
    for again in range(3):
        assert clusters.identify(f"new {again}", axis(MOST_SPEAKERS), seconds=3) is None

"""Speakers' labels, of a scripted embedder: faults, bounds and what is forgotten."""

from collections.abc import Callable

import numpy as np
import pytest
import trio

from orch.sandbox.engines.speaker_embedding import EmbedderUnavailable, Voice
from orch.sandbox.engines.speakers import FORGOTTEN_AFTER, MOST_SESSIONS, UNSURE, Identified, SpeakerLabels

pytestmark = pytest.mark.real_time  # threads


class ScriptedEmbedder:
    """Hears a person's number in the first byte; 255: too little speech."""

    failure: Exception | None = None

    def embed(self, pcm: bytes) -> Voice | None:
        if self.failure is not None:
            raise self.failure
        if pcm[0] == 255:
            return None
        return Voice(np.eye(16)[pcm[0]], 3.0)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def labels(
    load: Callable[[], ScriptedEmbedder] = ScriptedEmbedder, clock: Clock | None = None
) -> SpeakerLabels:
    return SpeakerLabels(load=load, is_installed=lambda: True, clock=clock or Clock())


async def said(of: SpeakerLabels, person: int, segment: str, session: str = "s") -> Identified:
    return await of.identify(bytes([person]), session_id=session, segment_id=segment)


async def test_a_session_has_labels_of_its_own() -> None:
    """The number is readable; the rest keeps the numbers of two sessions, or of two processes, apart."""
    of = labels()
    first, second, again = [(await said(of, person, str(at))).speaker for at, person in enumerate([3, 5, 3])]
    assert first is not None
    assert second is not None
    assert first.startswith("1-")
    assert second == f"2-{first[2:]}"
    assert again == first
    other = (await said(of, 3, "0", session="t")).speaker
    assert other is not None
    assert other.startswith("1-")
    assert other != first


async def test_a_missing_model_is_tried_once_and_said() -> None:
    tried = []

    def load() -> ScriptedEmbedder:
        tried.append(1)
        raise EmbedderUnavailable("Speakers cannot be distinguished: install it.")

    of = labels(load)
    assert of.is_available
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(said, of, 1, "a")
    found = await said(of, 1, "a")
    assert found == Identified(None, detail="Speakers cannot be distinguished: install it.")
    assert tried == [1]
    assert not of.is_available


async def test_a_failing_model_is_said_and_the_next_utterance_tried() -> None:
    embedder = ScriptedEmbedder()
    of = labels(lambda: embedder)
    embedder.failure = RuntimeError("out of memory")
    found = await said(of, 1, "a")
    assert found.speaker is None
    assert found.detail == "The speaker model failed: RuntimeError."
    embedder.failure = None
    assert (await said(of, 1, "b")).speaker is not None


async def test_too_little_speech_is_unsure() -> None:
    assert (await said(labels(), 255, "a")).speaker == UNSURE


async def test_voices_are_forgotten_after_silence_and_beyond_the_limit() -> None:
    clock = Clock()
    of = labels(clock=clock)
    before = (await said(of, 1, "a")).speaker
    clock.now = FORGOTTEN_AFTER - 1
    assert (await said(of, 1, "b")).speaker == before
    clock.now += FORGOTTEN_AFTER
    assert (await said(of, 1, "c")).speaker != before
    for number in range(MOST_SESSIONS + 5):
        await said(of, 1, "a", session=f"s{number}")
    assert of.sessions == MOST_SESSIONS

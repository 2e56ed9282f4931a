"""Decides which utterances were spoken by the same person, as they arrive. Pure.

An utterance is a unit vector (its *embedding*); two of one voice have a cosine near 1, of two voices a low
one. Each speaker is the mean of their utterances, weighted by seconds. A new utterance belongs to the nearest
speaker if it is near (:data:`SAME`) and no other speaker is about as near (:data:`MARGIN`); it is a new
speaker's if it is far from all (:data:`OTHER`) and long enough (:data:`ENOUGH`). Everything else is unsure.

What was unsure is decided again after each utterance: the speakers' means have moved, or two unsure
utterances turn out to be one new speaker. Two speakers whose means become alike are one.

The thresholds were measured with the embedder in :mod:`~orch.sandbox.engines.speaker_embedding`
(docs/adr/0042).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt

Embedding = npt.NDArray[np.float64]

SAME: Final = 0.66
"""The cosine from which an utterance is a speaker's."""
OTHER: Final = 0.62
"""The cosine below which an utterance is nobody's yet."""
MARGIN: Final = 0.06
"""How much nearer the nearest speaker must be than the second."""
LONG: Final = 2.5
"""Seconds of speech of which both hold. Of shorter utterances less is required, see :func:`leniency`."""
ALIKE: Final = 0.78
"""The cosine from which two speakers' means are one speaker. Of two voices' means the highest is 0.6."""
ENOUGH: Final = 1.2
"""Seconds of speech that a new speaker needs; shorter utterances vary too much."""

SHORT_LENIENCY: Final = 0.1
"""The cosine that an utterance of 1.5 s or less may lack."""

MOST_SPEAKERS: Final = 8
REMEMBERED: Final = 64
"""Utterances whose speaker can still change."""


@dataclass(slots=True)
class _Speaker:
    """A speaker: the sum of their embeddings, each times its seconds."""

    number: int
    total: Embedding
    seconds: float

    @property
    def mean(self) -> Embedding:
        return self.total / max(float(np.linalg.norm(self.total)), 1e-9)


@dataclass(slots=True)
class _Utterance:
    """A remembered utterance. ``reported``: the speaker that was first returned for it."""

    key: str
    embedding: Embedding
    seconds: float
    speaker: int | None = None
    reported: int | None = None


def leniency(seconds: float) -> float:
    """Return how much lower the cosine of an utterance with its own speaker is because it is short."""
    return SHORT_LENIENCY * min(1.0, max(0.0, LONG - seconds))


class SpeakerClusters:
    """The speakers of one conversation, numbered from 1 in the order in which they were first heard.

    Bounded: :data:`MOST_SPEAKERS` speakers, :data:`REMEMBERED` utterances. The mutable state is those.
    """

    def __init__(self) -> None:
        self._speakers: list[_Speaker] = []
        self._utterances: dict[str, _Utterance] = {}
        self._numbered = 0

    def __repr__(self) -> str:
        known = ", ".join(f"{each.number}: {each.seconds:.0f} s" for each in self._speakers)
        return f"<SpeakerClusters {known or 'nobody'}; {len(self._utterances)} utterances>"

    @property
    def speakers(self) -> int:
        """How many speakers there are."""
        return len(self._speakers)

    def identify(self, key: str, embedding: Embedding, *, seconds: float) -> int | None:
        """Return the number of an utterance's speaker; None: unsure.

        ``key`` names the utterance: a longer recording of the same one replaces it. ``seconds``: of speech.
        """
        self._forget(key)
        utterance = _Utterance(key, embedding / max(float(np.linalg.norm(embedding)), 1e-9), seconds)
        self._utterances[key] = utterance
        if len(self._utterances) > REMEMBERED:
            self._utterances.pop(next(iter(self._utterances)))
        found = self._nearest(utterance)
        if found is not None:
            self._assign(utterance, found)
        elif seconds >= ENOUGH and self._is_new(utterance):
            self._add(utterance)
        self._merge()
        self._decide_again()
        utterance.reported = utterance.speaker
        return utterance.speaker

    def corrections(self) -> Iterator[tuple[str, int]]:
        """Yield the remembered utterances whose speaker is another than was first returned."""
        for each in self._utterances.values():
            if each.speaker is not None and each.speaker != each.reported:
                yield each.key, each.speaker

    def _forget(self, key: str) -> None:
        """Undo an utterance; a speaker of whom nothing remains is removed, and the number is free again."""
        utterance = self._utterances.pop(key, None)
        speaker = None if utterance is None else self._numbered_as(utterance.speaker)
        if utterance is None or speaker is None:
            return
        speaker.total = speaker.total - utterance.embedding * utterance.seconds
        speaker.seconds -= utterance.seconds
        if speaker.seconds < 1e-6:  # noqa: PLR2004 - what is left by rounding
            self._speakers.remove(speaker)
            if speaker.number == self._numbered:
                self._numbered -= 1

    def _numbered_as(self, number: int | None) -> _Speaker | None:
        return next((each for each in self._speakers if each.number == number), None)

    def _nearest(self, utterance: _Utterance) -> _Speaker | None:
        """Return the speaker of an utterance, if it is sure."""
        ranked = self._ranked(utterance)
        if not ranked or ranked[0][0] < SAME - leniency(utterance.seconds):
            return None
        if len(ranked) > 1 and ranked[0][0] - ranked[1][0] < MARGIN:
            return None
        return ranked[0][1]

    def _ranked(self, utterance: _Utterance) -> list[tuple[float, _Speaker]]:
        """Return the speakers with their cosines, the nearest first."""
        return sorted(
            ((float(each.mean @ utterance.embedding), each) for each in self._speakers),
            key=lambda pair: (-pair[0], pair[1].number),
        )

    def _is_new(self, utterance: _Utterance) -> bool:
        ranked = self._ranked(utterance)
        return len(ranked) < MOST_SPEAKERS and (
            not ranked or ranked[0][0] < OTHER - leniency(utterance.seconds)
        )

    def _assign(self, utterance: _Utterance, speaker: _Speaker) -> None:
        utterance.speaker = speaker.number
        speaker.total = speaker.total + utterance.embedding * utterance.seconds
        speaker.seconds += utterance.seconds

    def _add(self, *utterances: _Utterance) -> None:
        self._numbered += 1
        speaker = _Speaker(self._numbered, np.zeros_like(utterances[0].embedding), 0.0)
        self._speakers.append(speaker)
        for each in utterances:
            self._assign(each, speaker)

    def _merge(self) -> None:
        """Join speakers whose means are alike; the earlier number stays."""
        for one, other in combinations(tuple(self._speakers), 2):
            if one not in self._speakers or other not in self._speakers:
                continue
            if float(one.mean @ other.mean) < ALIKE:
                continue
            one.total = one.total + other.total
            one.seconds += other.seconds
            self._speakers.remove(other)
            for each in self._utterances.values():
                if each.speaker == other.number:
                    each.speaker = one.number

    def _decide_again(self) -> None:
        """Decide unsure utterances again: by the speakers' means, then by one another."""
        unsure = [each for each in self._utterances.values() if each.speaker is None]
        for each in unsure:
            found = self._nearest(each)
            if found is not None:
                self._assign(each, found)
        unsure = [each for each in unsure if each.speaker is None]
        if len(self._speakers) >= MOST_SPEAKERS:
            return
        for one, other in combinations(unsure, 2):
            alike = float(one.embedding @ other.embedding)
            if (
                alike < SAME - leniency(min(one.seconds, other.seconds))
                or one.seconds + other.seconds < ENOUGH
            ):
                continue
            if all(
                not (ranked := self._ranked(each)) or ranked[0][0] < alike - MARGIN for each in (one, other)
            ):
                self._add(one, other)
                return

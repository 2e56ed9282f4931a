"""Conversations of several recorded people, and how often their speakers are distinguished."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orch.sandbox.engines.speaker_clusters import SpeakerClusters
from orch.sandbox.engines.speaker_embedding import Voice

TURNS: Final = 16


@dataclass
class Score:
    """Utterances: right, unsure and wrong when they were said, and wrong after all corrections."""

    right: int = 0
    unsure: int = 0
    wrong: int = 0
    wrong_at_last: int = 0

    @property
    def total(self) -> int:
        return self.right + self.unsure + self.wrong


def conversation(heard: Mapping[str, Sequence[Voice]], people: int, seed: int) -> Score:
    """People take turns at random; a number belongs to the person whom it was given most often."""
    draw = random.Random(seed)
    left = {
        person: draw.sample(heard[person], len(heard[person])) for person in draw.sample(list(heard), people)
    }
    clusters = SpeakerClusters()
    said: list[str] = []
    first: dict[int, int | None] = {}
    while len(said) < TURNS and any(left.values()):
        person = draw.choice([each for each in left if left[each]])
        voice = left[person].pop()
        first[len(said)] = clusters.identify(str(len(said)), voice.embedding, seconds=voice.seconds)
        said.append(person)
    last = {**first, **{int(key): number for key, number in clusters.corrections()}}
    pairs = Counter((number, said[turn]) for turn, number in last.items() if number is not None)
    owner: dict[int, str] = {}
    for (number, person), _ in pairs.most_common():
        if number not in owner and person not in owner.values():
            owner[number] = person
    score = Score()
    for turn, label in first.items():
        if label is None:
            score.unsure += 1
        elif owner.get(label) == said[turn]:
            score.right += 1
        else:
            score.wrong += 1
        later = last[turn]
        score.wrong_at_last += later is not None and owner.get(later) != said[turn]
    return score

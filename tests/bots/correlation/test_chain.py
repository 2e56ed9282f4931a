import math
import random
from itertools import product

import pytest

from orch.bots.correlation.chain import posteriors


def enumerated(prior: list[float], evidence: list[list[float]], switches: list[float]) -> list[list[float]]:
    """Return the probabilities by summing over all sequences of speakers."""
    count = len(prior)
    sums = [[0.0] * count for _ in evidence]
    for path in product(range(count), repeat=len(evidence)):
        chance = prior[path[0]] * math.exp(evidence[0][path[0]])
        for index in range(1, len(path)):
            stays = (1 - switches[index - 1]) * (path[index] == path[index - 1])
            chance *= stays + switches[index - 1] * prior[path[index]]
            chance *= math.exp(evidence[index][path[index]])
        for index, state in enumerate(path):
            sums[index][state] += chance
    return [[each / sum(row) for each in row] for row in sums]


@pytest.mark.parametrize("seed", range(5))
def test_the_probabilities_are_those_of_all_sequences(seed: int) -> None:
    """The quick way gives what the sum over all sequences gives."""
    dice = random.Random(seed)
    prior = [0.5, 0.3, 0.2]
    evidence = [[dice.uniform(-3, 3) for _ in prior] for _ in range(5)]
    switches = [dice.uniform(0.001, 0.9) for _ in range(4)]
    found = posteriors(prior, evidence, switches)
    for row, wanted in zip(found, enumerated(prior, evidence, switches), strict=True):
        assert row == pytest.approx(wanted)


def test_a_word_without_evidence_has_its_neighbours_speaker() -> None:
    """Unless a change is likely."""
    evidence = [[4.0, 0.0], [0.0, 0.0], [4.0, 0.0]]
    assert posteriors([0.5, 0.5], evidence, [0.01, 0.01])[1][0] > 0.99
    assert posteriors([0.5, 0.5], evidence, [1.0, 1.0])[1][0] == pytest.approx(0.5)


def test_extreme_evidence_is_no_error() -> None:
    """Neither overflow nor a division by zero."""
    found = posteriors([0.5, 0.5], [[1e6, -1e6], [-1e6, 1e6]], [0.0])
    assert all(math.isfinite(each) for row in found for each in row)
    assert posteriors([1.0], [], []) == []
    assert posteriors([1.0], [[0.0]], []) == [[1.0]]

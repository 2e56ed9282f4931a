"""Who speaks each word of a run: forward and backward probabilities of a hidden Markov chain. Pure.

The hidden state of a word is its speaker. From one word to the next the speaker stays, except with a small
probability ``switch`` that depends on the pause; then any speaker follows, by the run's prior:

    P(next) = (1 - switch) · [same] + switch · prior

Because of this form a step costs one operation a speaker, not one a pair of speakers.
"""

import math
from collections.abc import Sequence

LEAST: float = 1e-12


def posteriors(
    prior: Sequence[float], evidence: Sequence[Sequence[float]], switches: Sequence[float]
) -> list[list[float]]:
    """Return each word's probabilities of the speakers, which sum to 1.

    ``prior``: of the speakers, sums to 1. ``evidence``: a row for each word, the log likelihoods of its
    signals if each of them speaks. ``switches``: between each two words; one fewer than words.
    """
    likelihoods = [_likelihoods(row) for row in evidence]
    forward: list[list[float]] = []
    current = list(prior)
    for index, row in enumerate(likelihoods):
        if index:
            switch = switches[index - 1]
            current = [
                (1 - switch) * each + switch * before for each, before in zip(current, prior, strict=True)
            ]
        current = _normal([each * likely for each, likely in zip(current, row, strict=True)], prior)
        forward.append(current)
    backward = [1.0] * len(prior)
    found = [forward[-1]] if forward else []
    for index in range(len(likelihoods) - 1, 0, -1):
        switch = switches[index - 1]
        ahead = [each * likely for each, likely in zip(backward, likelihoods[index], strict=True)]
        mixed = sum(each * before for each, before in zip(ahead, prior, strict=True))
        backward = [(1 - switch) * each + switch * mixed for each in ahead]
        most = max(backward)
        backward = [each / most for each in backward]
        both = [one * other for one, other in zip(forward[index - 1], backward, strict=True)]
        found.append(_normal(both, prior))
    return found[::-1]


def _likelihoods(row: Sequence[float]) -> list[float]:
    most = max(row)
    return [max(LEAST, math.exp(each - most)) for each in row]


def _normal(values: list[float], otherwise: Sequence[float]) -> list[float]:
    total = sum(values)
    return [each / total for each in values] if total > 0 else list(otherwise)

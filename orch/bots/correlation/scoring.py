"""Weighs the signals of a run of words: who may have spoken each of them, how probably. Pure.

The log likelihoods of independent signals add up: captions with the same words, speaking marks, and who is
known to speak on another channel at that moment (nobody speaks on two). Besides the participants there is
*someone else*, so that a run without evidence has no name rather than a bad one.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orch.bots.correlation.chain import posteriors
from orch.bots.correlation.channels import MOST_OF_RUN, Channel
from orch.bots.correlation.events import Layout
from orch.bots.correlation.roster import Roster
from orch.bots.correlation.signals import SpeakingMarks
from orch.bots.correlation.words import LiveWord, Run

CAPTION: Final = 2.4
"""Log likelihood ratio of a word that a caption surely has."""
MARKED_PER_SECOND: Final = 1.0
"""How many independent observations a second of marks is: they last, so the next instant proves little."""
SOMEONE_ELSE: Final = 0.2
OWNER: Final = 0.998
ON_ANOTHER: Final = 0.97
"""How impossible it is to speak on two channels at once, if the other one is sure."""
MOST_CANDIDATES: Final = 16

#: Probability that another speaker follows, by the pause before the word (seconds, at most).
SWITCHES: Final[dict[Layout, tuple[tuple[float, float], ...]]] = {
    "own": ((math.inf, 1e-5),),
    "rotating": ((0.3, 0.002), (0.6, 0.02), (1.0, 0.12), (math.inf, 0.4)),
    "mixed": ((-0.02, 0.3), (0.1, 0.04), (0.4, 0.12), (0.8, 0.3), (math.inf, 0.6)),
}
HOLD: Final = 0.35
"""Seconds of silence without which a rotating channel is not given to someone else."""


@dataclass(slots=True)
class Scorer:
    """Scores runs by what the correlator knows. ``others``: the runs of other channels in a span."""

    roster: Roster
    marks: SpeakingMarks
    others: Callable[[Run], Iterable[Run]]

    def score(self, run: Run, channel: Channel) -> None:
        """Set the run's probabilities, and what it says of its channel's speaker."""
        usual = channel.usual(run)
        owner = channel.owner(run.start)
        supported = [self._supported(word) for word in run.words]
        keys = self._candidates(run, supported, usual, owner)
        own_rows = [
            [each.get(key, 0.0) + self._marked(key, word) for key in keys]
            for word, each in zip(run.words, supported, strict=True)
        ]
        run.own = _own(keys, own_rows)
        prior = _prior(keys, usual, owner)
        taken = self._taken(run, channel)
        evidence = [
            [
                value + math.log(1 - ON_ANOTHER * busy.get(key, 0.0))
                for key, value in zip(keys, row, strict=True)
            ]
            + [0.0]
            for row, busy in zip(own_rows, taken, strict=True)
        ]
        run.keys = keys
        run.rows = posteriors(prior, evidence, _switches(run, channel))

    def _supported(self, word: LiveWord) -> dict[str, float]:
        found: dict[str, float] = {}
        for support in word.supports.values():
            value = CAPTION * support.weight
            for key in self.roster.keys(support.name, support.participant_id, word.start):
                found[key] = max(found.get(key, 0.0), value)
        return found

    def _marked(self, key: str, word: LiveWord) -> float:
        share = min(1.0, MARKED_PER_SECOND * (word.end - word.start + 0.08))
        return share * self.marks.evidence(key, word.start, word.end)

    def _candidates(
        self,
        run: Run,
        supported: Sequence[Mapping[str, float]],
        usual: Mapping[str, float],
        owner: str | None,
    ) -> tuple[str, ...]:
        weights: dict[str, float] = {key: 100.0 * share for key, share in usual.items()}
        for each in supported:
            for key, value in each.items():
                weights[key] = weights.get(key, 0.0) + value
        for key in self.marks.known():
            lit = self.marks.lit(key, run.start, run.end)
            if lit > 0:
                weights[key] = weights.get(key, 0.0) + lit
        if owner is not None:
            weights[owner] = 1_000.0
        found = [key for key in weights if self.roster.may_speak(key, run.start)]
        found.sort(key=lambda key: (-weights[key], key))
        return tuple(sorted(found[:MOST_CANDIDATES]))

    def _taken(self, run: Run, channel: Channel) -> list[dict[str, float]]:
        """Return, for each word, how probably each speaker is speaking on another channel at that moment."""
        found: list[dict[str, float]] = [{} for _ in run.words]
        if channel.layout == "mixed":
            return found
        for other in self.others(run):
            if len(other.rows) != len(other.words):
                continue
            starts = [word.start for word in other.words]
            for word, busy in zip(run.words, found, strict=True):
                at = bisect_right(starts, word.middle) - 1
                if at < 0 or other.words[at].end + 0.1 < word.middle:
                    continue
                for key, share in zip(other.keys, other.rows[at], strict=False):
                    busy[key] = max(busy.get(key, 0.0), share)
        return found


def _own(keys: Sequence[str], rows: Sequence[Sequence[float]]) -> dict[str, float]:
    """Return what a run says of each speaker by its own evidence: log odds, within bounds."""
    sums = [sum(row[column] for row in rows) for column in range(len(keys))]
    found = {}
    for column, key in enumerate(keys):
        best = max((each for index, each in enumerate(sums) if index != column), default=0.0)
        found[key] = min(max(sums[column] - max(best, 0.0), -MOST_OF_RUN), MOST_OF_RUN)
    return found


def _prior(keys: Sequence[str], usual: Mapping[str, float], owner: str | None) -> list[float]:
    """Return the probabilities before any evidence of the run, someone else's last."""
    count = len(keys)
    if owner is not None and owner in keys:
        rest = (1 - OWNER) / max(1, count)
        return [OWNER if key == owner else rest for key in keys] + [rest]
    if not usual:
        return [(1 - SOMEONE_ELSE) / max(1, count)] * count + [SOMEONE_ELSE if count else 1.0]
    known = sum(usual.get(key, 0.0) for key in keys)
    rest = max(1e-4, 1 - known)
    unknown = max(1, sum(key not in usual for key in keys))
    shares = [usual[key] if key in usual else (1 - SOMEONE_ELSE) * rest / unknown for key in keys]
    shares.append(SOMEONE_ELSE * rest)
    total = sum(shares)
    return [share / total for share in shares]


def _switches(run: Run, channel: Channel) -> list[float]:
    table = SWITCHES[channel.layout]
    found = []
    latest = run.words[0].end
    for word in run.words[1:]:
        gap = word.start - latest
        if channel.layout == "rotating" and gap > HOLD:
            silence = channel.levels.silence(latest - 0.1, word.start + 0.1)
            if silence is not None:
                gap = silence
        found.append(next(chance for most, chance in table if gap <= most))
        latest = max(latest, word.end) if channel.layout != "mixed" else word.end
    return found

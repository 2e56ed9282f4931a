"""What is known of one channel of audio: its runs of words, its silences, and who usually speaks on it. Pure.

On a channel that belongs to one participant for good, every run of words is evidence of who that is. A single
run counts for little, since a mark may be missing and another one lit in its place; several runs that agree
name the channel, and with it words that had no evidence of their own, also earlier ones.
"""

import math
from collections import deque
from typing import Final

from orch.bots.correlation.events import Layout
from orch.bots.correlation.signals import ChannelLevels
from orch.bots.correlation.words import LiveWord, Run

MOST_OF_RUN: Final = 3.0
"""The log odds that one run counts at most as evidence of the channel's speaker."""
MOST_KNOWN: Final = 40.0
DOUBT: Final = 0.002
"""Probability that a channel's words are someone else's, however sure its speaker is."""
MOST_SPEAKERS: Final = 64
"""Of whom there is evidence on one channel."""
MOST_PENDING: Final = 4_096
LONGEST_RUN: Final = 120
RUN_GAPS: Final[dict[Layout, float]] = {"own": 3.0, "rotating": 1.6, "mixed": 1.6}
"""Seconds of pause after which a new run begins: then nothing is concluded from the words before."""


class Channel:
    """One channel. The mutable state is its live runs and the evidence of those that are settled.

    ``pending``: settled words without a name, as segment, first and last word; they are named once the
    channel's speaker is known. The oldest are given up beyond :data:`MOST_PENDING`.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout: Layout = layout
        self.runs: list[Run] = []
        self.levels = ChannelLevels()
        self.pending: deque[tuple[str, int, int]] = deque(maxlen=MOST_PENDING)
        self.owners: deque[tuple[float, str | None]] = deque(maxlen=64)
        self._settled: dict[str, float] = {}

    def add(self, word: LiveWord) -> Run:
        """Add a word to the run that it continues, or to a new one."""
        gap = RUN_GAPS[self.layout]
        for run in reversed(self.runs):
            if run.start - gap <= word.start <= run.end + gap and len(run.words) < LONGEST_RUN:
                run.add(word)
                return run
            if word.start > run.end + gap:
                break
        run = Run(word.channel, [word])
        self.runs.append(run)
        if len(self.runs) > 1 and self.runs[-2].start > run.start:
            self.runs.sort(key=lambda each: each.start)
        return run

    def owner(self, at: float) -> str | None:
        """Return whom the page showed as the channel's owner at a time."""
        found: str | None = None
        for since, participant_id in self.owners:
            if since <= at + 1.0:
                found = participant_id
        return found

    def usual(self, without: Run | None = None) -> dict[str, float]:
        """Return the probability of each speaker to be the channel's, from all runs or all other ones.

        Empty unless the channel belongs to one participant.
        """
        if self.layout != "own":
            return {}
        sums = dict(self._settled)
        for run in self.runs:
            if run is not without and run.own:
                _add(sums, run.own)
        if not sums:
            return {}
        most = max(sums.values())
        # The 1 is someone of whom there is no evidence at all.
        shares = {key: math.exp(value - most) for key, value in sums.items()}
        total = sum(shares.values()) + math.exp(-most)
        return {key: (1 - DOUBT) * share / total for key, share in shares.items()}

    def settle(self, run: Run) -> None:
        """Add the evidence of a run that will not change any more."""
        if run.own and self.layout == "own":
            _add(self._settled, run.own)
            most = max(self._settled.values())
            if most > MOST_KNOWN:
                self._settled = {key: value - most + MOST_KNOWN for key, value in self._settled.items()}
            if len(self._settled) > MOST_SPEAKERS:
                del self._settled[min(self._settled, key=lambda key: self._settled[key])]

    def rename(self, old: str, new: str) -> None:
        """Count the evidence of one speaker for another, whom they turned out to be."""
        for sums in (self._settled, *(run.own for run in self.runs)):
            if old in sums:
                sums[new] = sums.get(new, 0.0) + sums.pop(old)


def _add(sums: dict[str, float], own: dict[str, float]) -> None:
    """Add a run's evidence; speakers that it does not mention have its lowest."""
    least = min(0.0, *own.values())
    for key in sums:
        if key not in own:
            sums[key] += least
    for key, value in own.items():
        sums[key] = sums.get(key, 0.0) + value

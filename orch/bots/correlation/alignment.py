"""Aligns a caption's words with transcribed words: a sparse, local alignment with times. Pure.

Only pairs of equal units (or equal stems) count, and only where the caption's word arrived about as late as
captions do. Of these pairs the chain with the highest score is chosen in which both sides go forward:

    score = Σ weight · closeness + bonus for neighbours - penalty for skipped words of the caption

Words of other speakers may stand between, as when people speak at once on one channel: skipping transcribed
words costs nothing. Before the delay is known, any delay up to :data:`MOST_DELAY` is accepted, but
it must be about the same for the chain's words.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from orch.bots.correlation.caption_words import CaptionWord
from orch.bots.correlation.offsets import OffsetEstimate
from orch.bots.correlation.units import STEMMED, stem_of, weight_of
from orch.bots.correlation.words import LiveWord, Unit

LEAST_DELAY: Final = -1.0
MOST_DELAY: Final = 8.0
SLACK: Final = 1.2
"""Seconds around the known delay in which a pair is accepted, besides four spreads."""
NEIGHBOUR: Final = 0.4
SKIPPED: Final = 0.06
WOBBLE: Final = 1.6
"""Seconds by which the delays of two successive pairs may differ."""
REACH: Final = 8
"""Words of the caption that may be skipped between two pairs."""
MOST_PAIRS: Final = 240

LEAST_SHARE: Final = 0.45
"""Share of the caption's weight that must be matched; of short captions :data:`SHORT_SHARE`."""
SHORT_SHARE: Final = 0.75
SHORT: Final = 2.5
LEAST_SCORE: Final = 0.7
LEAST_SCORE_UNKNOWN: Final = 3.0
"""The same while the delay is unknown: a caption must then have several telling words."""
HALF: Final = 1.0
"""The score at which a match is half sure."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A matched unit of the caption. ``is_telling``: it may be used to estimate the delay."""

    word: LiveWord
    end: float
    arrived: float
    is_telling: bool


@dataclass(frozen=True, slots=True)
class Alignment:
    """The pairs, and how sure it is that they belong together, 0 to 1."""

    pairs: tuple[Pair, ...]
    reliability: float


NOTHING: Final = Alignment((), 0.0)


@dataclass(slots=True)
class _Candidate:
    caption: int
    position: int
    score: float
    delay: float
    is_exact: bool
    best: float = 0.0
    before: int = -1


def align(words: Sequence[CaptionWord], units: Sequence[Unit], delay: OffsetEstimate) -> Alignment:
    """Align a caption's words with units in order of time."""
    if not words or not units:
        return NOTHING
    candidates = _candidates(words, units, delay)
    if not candidates:
        return NOTHING
    chain = _best_chain(candidates, units)
    total = sum(weight_of(word.unit) for word in words)
    matched = sum(weight_of(words[each.caption].unit) * (1.0 if each.is_exact else STEMMED) for each in chain)
    share = matched / total
    score = chain[-1].best
    least = LEAST_SCORE if delay.is_known else LEAST_SCORE_UNKNOWN
    if score < least or share < (SHORT_SHARE if total < SHORT else LEAST_SHARE):
        return NOTHING
    reliability = score / (score + HALF) * min(1.0, share / 0.7)
    pairs = [
        Pair(
            word=units[each.position].word,
            end=units[each.position].end,
            arrived=words[each.caption].at,
            is_telling=each.is_exact and score >= LEAST_SCORE_UNKNOWN and share >= LEAST_SHARE,
        )
        for each in chain
    ]
    return Alignment(tuple(pairs), reliability)


def _candidates(
    words: Sequence[CaptionWord], units: Sequence[Unit], delay: OffsetEstimate
) -> list[_Candidate]:
    exact: dict[str, list[int]] = {}
    stems: dict[str, list[int]] = {}
    for position, unit in enumerate(units):
        exact.setdefault(unit.text, []).append(position)
        stem = stem_of(unit.text)
        if stem is not None:
            stems.setdefault(stem, []).append(position)
    scale = 2 * delay.spread + 0.3
    window = 4 * delay.spread + SLACK
    found: list[_Candidate] = []
    for index, word in enumerate(words):
        weight = weight_of(word.unit)
        same = exact.get(word.unit, ())
        stem = stem_of(word.unit)
        alike = [each for each in stems.get(stem, ()) if units[each].text != word.unit] if stem else []
        for position in (*same, *alike):
            end = units[position].end
            late = word.at - end
            if delay.is_known:
                expected = delay.offset + delay.drift * (end - delay.time)
                off = abs(late - expected)
                if off > window:
                    continue
                closeness = 1 / (1 + (off / scale) ** 2 / 2)
            elif LEAST_DELAY <= late <= MOST_DELAY:
                closeness = 1.0
            else:
                continue
            is_exact = units[position].text == word.unit
            score = weight * closeness * (1.0 if is_exact else STEMMED)
            found.append(_Candidate(index, position, score, late, is_exact))
    if len(found) > MOST_PAIRS:
        found = sorted(found, key=lambda each: -each.score)[:MOST_PAIRS]
    return sorted(found, key=lambda each: (each.caption, each.position))


def _best_chain(candidates: list[_Candidate], units: Sequence[Unit]) -> list[_Candidate]:
    """Return the chain with the highest score; ``best`` of its last pair is that score."""
    captions = [each.caption for each in candidates]
    for index, each in enumerate(candidates):
        best, before = 0.0, -1
        first = bisect_left(captions, each.caption - REACH)
        for earlier in range(first, index):
            other = candidates[earlier]
            if other.caption >= each.caption or other.position >= each.position:
                continue
            if abs(other.delay - each.delay) > WOBBLE:
                continue
            skipped = each.caption - other.caption - 1
            value = other.best - SKIPPED * skipped
            if skipped == 0 and _are_neighbours(units, other.position, each.position):
                value += NEIGHBOUR * min(1.0, other.score + each.score)
            if value > best:
                best, before = value, earlier
        each.best = best + each.score
        each.before = before
    at = max(range(len(candidates)), key=lambda index: candidates[index].best)
    chain = []
    while at >= 0:
        chain.append(candidates[at])
        at = candidates[at].before
    return chain[::-1]


def _are_neighbours(units: Sequence[Unit], one: int, other: int) -> bool:
    """Return whether no unit of the same channel is between two units of one channel."""
    channel = units[one].word.channel
    if units[other].word.channel != channel:
        return False
    return all(units[between].word.channel != channel for between in range(one + 1, other))

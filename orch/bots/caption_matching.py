"""Which utterance each block of a page belongs to. Pure.

A block's key helps, but is no proof: a page that is drawn again has new keys, a list that reuses its elements
gives a key to the next block, and one that counts them gives each key to another block whenever the first
scrolls away. So keys and texts are both evidence (:func:`evidence`), and the blocks are matched as a whole,
in the page's order: the best set of pairs in which no two cross.

The order is evidence too. Where someone says "yes", another speaks, and the first says "yes" again, the
second "yes" is below what was said after the first, so it is a new one.
"""

from collections.abc import Callable, Sequence
from enum import Enum, auto
from itertools import pairwise
from typing import Final

from msgspec import Struct

from orch.bots.caption_blocks import Block
from orch.bots.caption_texts import REPLACED, Comparison, Text, compare

SETTLED: Final = 4.0
"""Seconds without a change after which an utterance is final."""

RETURNS: Final = 5.0
"""Seconds within which a block that vanished may return by itself, even a short one."""

ENOUGH: Final = 4.0
"""Words in common that are no chance."""

_SOME: Final = 3.0
"""Words in common that hardly are."""

_SIMILAR: Final = 0.8
"""Share of equal words of a text that was corrected while its block was given another key."""

_CORRECTED: Final = 0.3
"""Share of equal words of a text that was corrected in its block."""

_HALF: Final = 0.5
"""The same for one whose speaker was corrected at once."""

_COMPARED: Final = 300
"""Pairs of texts that are compared word by word at one look; beyond them, those that begin alike."""

_STEP: Final = 100
"""What one of evidence is worth in words in common."""

_STRONG: Final = 85 * _STEP
"""Evidence from which a block may have changed its place on the page."""

_LIKELY: Final = 50 * _STEP
"""Evidence from which a pair with one key needs no comparison with others."""

_NEAREST: Final = 16
"""Utterances before those that a row of blocks would fill, which are looked at too."""

_Pair = tuple[int, int]
"""An utterance's and a block's place."""


class Spoken(Struct, frozen=True, kw_only=True):
    """An utterance as the page's tracker knows it.

    ``hidden``: words at its beginning that belong to the one before, which became too long. ``key``: of
    its block, as long as no other has it; ``is_visible``: the page shows it, else ``seen``: until when.
    ``shown``: words of ``text`` up to which the page shows it; ``shown_since``: since when it shows less than
    all. ``is_sure``: the block belongs to it beyond doubt; one whose text is only the beginning of what is
    known may turn out to be another's. ``is_rest``: it is what was split off the one before.
    ``is_closed``: it is complete, because it became too long.
    """

    number: int
    speaker: str
    text: Text
    started: float
    updated: float
    seen: float
    shown: int
    shown_since: float
    key: str = ""
    hidden: int = 0
    is_visible: bool = True
    is_sure: bool = True
    is_rest: bool = False
    is_closed: bool = False
    is_final: bool = False


class Match(Struct, frozen=True):
    """A block (its place) that belongs to an utterance (its place), and how their texts compare.

    ``is_sure``: it does beyond doubt.
    """

    block: int
    utterance: int
    found: Comparison
    is_sure: bool


class Redrawing(Enum):
    """Whether the page was drawn again: it has none of the keys that it had before.

    A page that showed one block may have been drawn again, or its one place has another block now.
    """

    NO = auto()
    OF_ONE = auto()
    YES = auto()


def evidence(
    spoken: Spoken, block: Block, found: Comparison, now: float, redrawn: Redrawing, *, is_last: bool = True
) -> int:
    """Return how much speaks for a block being this utterance's, 0 for nothing.

    ``is_last``: of the page; only there is something new. After a page was drawn again, what it showed until
    then may be longer or corrected, as with the same key.
    """
    if block.key and block.key == spoken.key:
        return _of_same_key(spoken, block, found, now)
    stayed = spoken.is_visible and (
        redrawn is Redrawing.YES
        or (
            redrawn is Redrawing.OF_ONE
            and found.common > 1
            and found.share >= _HALF
            and now - spoken.updated <= SETTLED
        )
    )
    if block.speaker != spoken.speaker:
        return _of_other_name(spoken, found, now, stayed=stayed)
    exact = _of_exact(spoken, found, now, stayed=stayed, is_last=is_last) if found.is_exact else 0
    if exact:
        return exact
    if stayed and found.share >= _CORRECTED:
        return 43 if found.is_aligned else 25
    is_near = spoken.is_visible or now - spoken.seen <= RETURNS
    if is_near and found.common >= ENOUGH and found.share >= _SIMILAR:
        return 30
    return 1 if stayed and _is_young(spoken, now) else 0


def _of_exact(spoken: Spoken, found: Comparison, now: float, *, stayed: bool, is_last: bool) -> int:
    """Return the evidence of a text that has no other word where both have words."""
    is_near = spoken.is_visible or now - spoken.seen <= RETURNS
    if found.is_equal:
        near, far = 95, 60
    elif not found.is_aligned:
        goes_on = stayed or not (is_last or now - spoken.updated > SETTLED)
        near, far = (42 if goes_on or found.common >= _SOME else 0), 35
    elif found.is_shorter:
        near, far = 45, 40
    else:
        is_growing = stayed or now - spoken.updated <= SETTLED
        near, far = (85 if is_growing or found.common >= ENOUGH else 0), 40
    is_known = found.common >= ENOUGH or (found.is_equal and not is_last)
    return near if is_near else far if is_known else 0


def _of_other_name(spoken: Spoken, found: Comparison, now: float, *, stayed: bool) -> int:
    """Return the evidence of a block whose key and name are others: the meeting corrected the speaker."""
    if found.is_exact and found.is_aligned and found.common >= ENOUGH:
        return 20 if spoken.is_visible or now - spoken.seen <= RETURNS else 0
    is_likely = (found.is_exact and found.is_aligned) or (found.common > 1 and found.share >= _HALF)
    return 15 if stayed and is_likely else 0


def _of_same_key(spoken: Spoken, block: Block, found: Comparison, now: float) -> int:
    is_same = block.speaker == spoken.speaker
    if found.is_exact:
        return 100 if is_same and found.is_equal else 90 if is_same else 88
    if not spoken.is_sure:
        return 0
    is_near = spoken.is_visible or now - spoken.seen <= RETURNS
    if not is_same:
        is_likely = found.common >= _SOME or (is_near and (found.common > 1 or _is_young(spoken, now)))
        return 50 if found.share >= _HALF and is_likely else 0
    return 60 if is_near and (_is_young(spoken, now) or found.share >= _CORRECTED) else 0


def _is_young(spoken: Spoken, now: float) -> bool:
    """Whether an utterance is so short and new that all its words may still be corrected."""
    return len(spoken.text) <= ENOUGH and now - spoken.updated <= SETTLED


class _Table:
    """The blocks of a page and the utterances they may belong to; each pair is compared once at most."""

    def __init__(
        self, recent: Sequence[Spoken], blocks: Sequence[Block], texts: Sequence[Text], now: float
    ) -> None:
        self.recent, self.blocks, self.texts, self.now = recent, blocks, texts, now
        self._found: dict[_Pair, Comparison | None] = {}
        keys = {spoken.key for spoken in recent if spoken.is_visible and spoken.key}
        self._redrawn = (
            Redrawing.YES
            if not keys
            else Redrawing.NO
            if not keys.isdisjoint(block.key for block in blocks)
            else Redrawing.YES
            if len(keys) > 1
            else Redrawing.OF_ONE
        )
        self._left = _COMPARED
        self._words = [frozenset(text.keys) for text in texts]

    def found(self, pair: _Pair) -> Comparison | None:
        """Return how the texts of an utterance and a block compare; None for those that cannot be one."""
        if pair not in self._found:
            self._found[pair] = self._compared(*pair)
        return self._found[pair]

    def _compared(self, i: int, j: int) -> Comparison | None:
        spoken, block = self.recent[i], self.blocks[j]
        is_same = block.speaker == spoken.speaker
        has_key = block.key and block.key == spoken.key
        stays = has_key or (self._redrawn is not Redrawing.NO and spoken.is_visible)
        if spoken.is_closed or not (stays or is_same or len(self.texts[j]) >= _SOME):
            return None
        stays_same = stays and is_same
        if not has_key:
            keys, known = self.texts[j].keys, spoken.text.keys
            shared = len(self._words[j].intersection(known))
            enough = 1 if stays_same else min(_SOME, len(self._words[j]), len(known))
            if shared < enough and keys[0] not in known[-len(keys) :]:
                return REPLACED if stays_same else None
            if self._left <= 0 and keys[0] != known[0]:
                return None
            self._left -= 1
        found = compare(spoken.text.keys, self.texts[j].keys)
        return REPLACED if found is None and stays_same else found

    def evidence(self, pair: _Pair) -> int:
        """Return how much speaks for a pair; of two that are alike, the one with more words in common."""
        i, j = pair
        found = self.found(pair)
        if found is None:
            return 0
        is_last = j == len(self.blocks) - 1
        found_evidence = evidence(
            self.recent[i], self.blocks[j], found, self.now, self._redrawn, is_last=is_last
        )
        return found_evidence and found_evidence * _STEP + min(int(found.common), _STEP - 1)

    def is_sure(self, pair: _Pair) -> bool:
        """Return whether a pair is more than the beginning of a text, which may be another's."""
        i, j = pair
        spoken, found = self.recent[i], self.found(pair)
        has_key = self.blocks[j].key and self.blocks[j].key == spoken.key
        stayed = self._redrawn is Redrawing.YES and spoken.is_visible
        return spoken.is_sure if has_key or stayed else not (found and found.is_shorter)


def has_counted_keys(recent: Sequence[Spoken], blocks: Sequence[Block], texts: Sequence[Text]) -> bool:
    """Return whether a key moved from one text to another that the page still shows: keys are no evidence."""
    by_key = {spoken.key: spoken for spoken in recent if spoken.key and spoken.is_visible}
    by_text = {
        (spoken.speaker, spoken.text.keys): spoken
        for spoken in recent
        if spoken.key and spoken.is_visible and len(spoken.text) >= _SOME
    }
    for block, text in zip(blocks, texts, strict=True):
        owner, other = by_key.get(block.key), by_text.get((block.speaker, text.keys))
        if owner and other and owner.number != other.number:
            return True
    return False


def match(
    recent: Sequence[Spoken], blocks: Sequence[Block], texts: Sequence[Text], now: float
) -> list[Match]:
    """Return the pairs of blocks and utterances that belong together, in the order of the blocks.

    Those whose key and text say the same are found first, else those with equal texts; only what is between
    them is compared pair by pair.
    """
    table = _Table(recent, blocks, texts, now)
    anchors = _of_keys(table) or _of_equal_texts(table)
    pairs = list(anchors)
    before_i = before_j = -1
    for i, j in [*anchors, (len(recent), len(blocks))]:
        between = range(before_j + 1, j)
        nearest = range(max(before_i + 1, i - len(between) - _NEAREST), i)
        pairs += _best(nearest, between, table.evidence)
        before_i, before_j = i, j
    pairs += _moved(table, pairs)
    return [
        Match(j, i, found, table.is_sure((i, j)))
        for i, j in sorted(pairs, key=lambda pair: pair[1])
        if (found := table.found((i, j))) is not None
    ]


def _of_keys(table: _Table) -> list[_Pair]:
    """Return the pairs with one key, if they are credible as a whole: all have reasons, and no two cross."""
    places = {spoken.key: i for i, spoken in enumerate(table.recent) if spoken.key}
    pairs = [(places[block.key], j) for j, block in enumerate(table.blocks) if block.key in places]
    crosses = any(before[0] >= after[0] for before, after in pairwise(pairs))
    return [] if crosses or any(table.evidence(pair) < _LIKELY for pair in pairs) else pairs


def _of_equal_texts(table: _Table) -> list[_Pair]:
    spoken = [(each.speaker, each.text.keys) for each in table.recent]
    shown = [(block.speaker, text.keys) for block, text in zip(table.blocks, table.texts, strict=True)]
    return _best(
        range(len(spoken)),
        range(len(shown)),
        lambda pair: table.evidence(pair) if spoken[pair[0]] == shown[pair[1]] else 0,
    )


def _best(utterances: Sequence[int], blocks: Sequence[int], value: Callable[[_Pair], int]) -> list[_Pair]:
    """Return the pairs of the highest value in total of which no two cross, as late as possible."""
    totals = [[0] * (len(blocks) + 1) for _ in range(len(utterances) + 1)]
    for row, i in enumerate(utterances):
        for column, j in enumerate(blocks):
            worth = value((i, j))
            totals[row + 1][column + 1] = max(
                totals[row][column + 1],
                totals[row + 1][column],
                totals[row][column] + worth if worth else 0,
            )
    pairs: list[_Pair] = []
    row, column = len(utterances), len(blocks)
    while row and column:
        pair = (utterances[row - 1], blocks[column - 1])
        worth = value(pair)
        if worth and totals[row][column] == totals[row - 1][column - 1] + worth:
            pairs.append(pair)
            row, column = row - 1, column - 1
        elif totals[row][column] == totals[row][column - 1]:
            column -= 1
        else:
            row -= 1
    return pairs[::-1]


def _moved(table: _Table, pairs: Sequence[_Pair]) -> list[_Pair]:
    """Return further pairs that cross others: the page put a block in another place.

    A block without a key that vouches for it must be long enough: a short one is something said again.
    """
    utterances, blocks = {i for i, _ in pairs}, {j for _, j in pairs}
    found: list[_Pair] = []
    for j, block in enumerate(table.blocks):
        if j in blocks:
            continue
        for i, spoken in enumerate(table.recent):
            compared = table.found((i, j)) if i not in utterances else None
            if compared is None or table.evidence((i, j)) < _STRONG:
                continue
            has_key = bool(block.key) and block.key == spoken.key and block.speaker == spoken.speaker
            if compared.is_exact and (has_key or (compared.is_equal and compared.common >= ENOUGH)):
                found.append((i, j))
                utterances.add(i)
                break
    return found

"""What one caption's text is to another: the same, a longer or an older state, a correction. Pure.

A page shows a *window* of what a speaker says: the beginning may have scrolled away, the end may not be there
yet, words may be corrected in between. :func:`compare` finds where the window lies; :func:`merge` puts the
words together, each once, and each with the time at which it was first seen.
"""

from collections import Counter, deque
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import pairwise, takewhile
from typing import Final

from msgspec import Struct

from orch.bots.caption_words import join_words, split_words, weight, word_keys

_SEARCHED: Final = 40
"""Words of a window, from its first on, that vote for where it lies."""

_SLACK: Final = 6
"""Words before that place at which a corrected window may begin."""

_OFTEN: Final = 50
"""Places of one word that are looked at: the last ones."""

_CORRECTED: Final = 250_000
"""Product of the lengths of two pieces beyond which they are not compared word by word: the newer counts."""


class Text(Struct, frozen=True):
    """Words, the keys they are compared by, and when each was first seen (seconds, the caller's clock)."""

    words: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    times: tuple[float, ...] = ()

    def __len__(self) -> int:
        """Return the number of words."""
        return len(self.words)

    def __str__(self) -> str:
        """Return it as a person reads it."""
        return "".join(self.words).strip()

    def part(self, start: int, end: int | None = None) -> "Text":
        """Return the words from ``start`` to before ``end``."""
        return Text(
            join_words([self.words[start:end]]),
            self.keys[start:end],
            self.times[start:end],
        )


def new_text(text: str, now: float) -> Text:
    """Return a clean text of which all words were first seen now."""
    words, keys = _split(text)
    return Text(words, keys, (now,) * len(words))


@lru_cache(maxsize=128)
def _split(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    words = split_words(text)
    return tuple(words), word_keys(words)


def join_texts(parts: Sequence[Text]) -> Text:
    """Return several texts as one."""
    return Text(
        join_words([part.words for part in parts]),
        tuple(key for part in parts for key in part.keys),
        tuple(time for part in parts for time in part.times),
    )


class Comparison(Struct, frozen=True, kw_only=True):
    """Where a window lies in a text.

    ``start``: the word of the text that the window begins at; ``lead``: words of the window before the text's
    first. ``pairs``: equal words, as ``(word of the text, word of the window, how many)`` in both's order.
    ``common``: their weight; ``share``: of the shorter of the parts that face each other, how much is equal.
    ``is_exact``: all of it is.
    """

    start: int
    lead: int
    pairs: tuple[tuple[int, int, int], ...]
    common: float
    share: float
    is_exact: bool
    is_longer: bool
    is_shorter: bool

    @property
    def is_equal(self) -> bool:
        """Whether the window is the whole text."""
        return self.is_exact and not (self.start or self.lead or self.is_longer or self.is_shorter)

    @property
    def is_aligned(self) -> bool:
        """Whether both begin with the same word."""
        return self.start == 0 and self.lead == 0


def compare(old: Sequence[str], new: Sequence[str]) -> Comparison | None:
    """Return what the window ``new`` is to the text ``old`` (both as keys), None if they share nothing."""
    prefix = _prefix(old, new)
    if prefix == min(len(old), len(new)):
        return _comparison(old, new, 0) if prefix else None
    aligned = _comparison(old, new, 0)
    offset = _offset(old, new)
    if not offset:
        return aligned
    offsets = [offset] if offset < 0 else [offset, max(0, offset - _SLACK)]
    found = [each for each in (aligned, *(_comparison(old, new, each) for each in offsets)) if each]
    return max(
        found, key=lambda each: (each.is_exact, each.common - _removed(each), each.start == 0), default=None
    )


def _removed(found: Comparison) -> int:
    """Return how many words of the text the window would take back between words that it shows."""
    return sum(
        max(0, (after[0] - before[0]) - (after[1] - before[1])) for before, after in pairwise(found.pairs)
    )


REPLACED: Final = Comparison(
    start=0, lead=0, pairs=((0, 0, 0),), common=0, share=0, is_exact=False, is_longer=True, is_shorter=False
)
"""What a text is that replaces another as a whole."""


def _prefix(old: Sequence[str], new: Sequence[str]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))


def _offset(old: Sequence[str], new: Sequence[str]) -> int:
    """Return which word of ``old`` the window begins at; negative: which of the window ``old`` begins at.

    Each word that both have votes for the distance between its places.
    """
    votes = _votes(old, new[:_SEARCHED]) + Counter(
        {-offset: count for offset, count in _votes(new, old[:_SEARCHED]).items()}
    )
    return max(votes, key=lambda offset: (votes[offset], offset), default=0)


def _votes(text: Sequence[str], window: Sequence[str]) -> Counter[int]:
    wanted = set(window)
    places: dict[str, deque[int]] = {key: deque(maxlen=_OFTEN) for key in wanted}
    for place, key in enumerate(text):
        if key in wanted:
            places[key].append(place)
    return Counter(place - position for position, key in enumerate(window) for place in places[key])


def _comparison(old: Sequence[str], new: Sequence[str], offset: int) -> Comparison | None:
    start, lead = max(offset, 0), max(-offset, 0)
    pairs = tuple(
        (start + i, lead + j, count)
        for i, j, count in _equal_rows(tuple(old[start:]), tuple(new[lead:]))
        if count
    )
    matched = sum(count for *_, count in pairs)
    if not matched:
        return None
    first_old, first_new, _ = pairs[0]
    last_old, last_new, count = pairs[-1]
    start, lead = max(0, first_old - first_new), max(0, first_new - first_old)
    length = min(len(old) - start, len(new) - lead)
    return Comparison(
        start=start,
        lead=lead,
        pairs=pairs,
        common=sum(weight(new[j : j + n]) for _, j, n in pairs),
        share=min(1.0, matched / length),
        is_exact=matched == length and len(pairs) == 1,
        is_longer=last_new + count < len(new),
        is_shorter=last_new + count == len(new) and last_old + count < len(old),
    )


def _equal_rows(old: tuple[str, ...], new: tuple[str, ...]) -> list[tuple[int, int, int]]:
    """Return the rows of equal words: those at the beginning and end directly, those between by difflib."""
    prefix = _prefix(old, new)
    rest_old, rest_new = old[prefix:], new[prefix:]
    rows = [(0, 0, prefix)]
    if not rest_old or not rest_new:
        return rows
    suffix = _prefix(rest_old[::-1], rest_new[::-1])
    inner_old, inner_new = rest_old[: len(rest_old) - suffix], rest_new[: len(rest_new) - suffix]
    if len(inner_old) * len(inner_new) <= _CORRECTED:
        matcher = SequenceMatcher(None, inner_old, inner_new, autojunk=False)
        rows += [(prefix + i, prefix + j, count) for i, j, count in matcher.get_matching_blocks()]
    return [*rows, (len(old) - suffix, len(new) - suffix, suffix)]


def merge(old: Text, new: Text, found: Comparison) -> Text:
    """Return the words of ``old`` and of its window ``new``, each once.

    What scrolled away stays. Where the window corrects words, its words count; a window that ends within the
    text is an older state of it, and the words after it stay.
    """
    last_old, last_new, count = found.pairs[-1]
    tail = old.part(last_old + count) if last_new + count == len(new) else Text()
    if found.is_exact and found.is_shorter:
        window = join_texts([new.part(0, found.lead), old.part(found.start, last_old + count)])
    else:
        window = retimed(old, new, found)
    return join_texts([old.part(0, found.start), window, tail])


def retimed(old: Text, new: Text, found: Comparison) -> Text:
    """Return the window with the times at which its words were first seen.

    A corrected word has the time of the one it replaces.
    """
    times = list(new.times)
    done_old, done_new = found.start, 0
    for i, j, count in found.pairs:
        for position in range(done_new, j):
            corrected = done_old + position - done_new
            times[position] = old.times[min(corrected, i)]
        times[j : j + count] = old.times[i : i + count]
        done_old, done_new = i + count, j + count
    for position in range(done_new, len(times)):
        corrected = done_old + position - done_new
        times[position] = old.times[corrected] if corrected < len(old) else times[position]
    return Text(new.words, new.keys, tuple(times))

"""What of a growing utterance is settled, and what may still change, from successive hypotheses. Pure.

An engine transcribes a growing utterance again and again, and changes its mind about the newest words. The
naive policies are to show each hypothesis as it is (readers see words that are taken back), or only what two
of them agree on (readers wait a second longer for each word). So both are published:

- *Settled* is the beginning on which two successive hypotheses agree, up to the last word that ended
  :data:`SETTLING` before the end of the sound. Words are compared by their letters; punctuation, capitals
  and spaces may still change. Settled words stay for as long as the utterance grows.
- *Growing* is what the newest hypothesis has after them, without words that end in the newest
  :data:`CUT` (they may be cut by the end of the sound), without an engine's marks of a cut, and without words
  in which it repeats itself: many engines loop when the sound ends in the middle of a phrase.

The final has all of the sound, but is one more opinion only: it keeps the settled words, except where it is
surer of its own (the mean probability of the words there), and then it says that it corrects. A final
without words, or in another language, replaces everything.

An utterance that is cut for its length is published up to the cut, while readers see more of it than that:
:func:`split_at_cut` divides what they see between it and the next one, by its words where possible.

Nothing here trusts an engine: hypotheses may have no times, wrong times, no probabilities, other words each
time or another language. Settled words are only ever added to.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Final

from orch.speech.hypotheses import (
    HypothesisWord,
    finished,
    hypothesis_words,
    text_of,
    timed_words,
    without_cut_marks,
)
from orch.speech.languages import is_near
from orch.speech.results import TranscribedWord, Transcription

#: A word that ends this close to the end of the sound may be cut, in seconds.
CUT: Final = 0.2
#: A word is settled if it ended this long before the end of the sound, in seconds.
SETTLING: Final = 0.25

#: Settled words that the final lacks are kept from this mean probability on.
KEPT: Final = 0.5

#: So many words that were said just before, within :data:`REACH` words, are an engine's loop until it repeats
#: itself in the next hypothesis too.
REPEATED: Final = 3
REACH: Final = 16

TAIL: Final = 8  # settled words that are looked for in a hypothesis that begins differently
AHEAD: Final = 40  # words beyond their number in which they are looked for
MOST_COMPARED: Final = 250_000  # pairs of words of two texts; above that they are not compared


@dataclass(frozen=True, slots=True)
class Agreement:
    """What readers see of a growing utterance: ``settled`` words, then ``growing`` ones.

    ``rest``: all that the newest hypothesis has after the settled words, shown or not; the next one is
    compared with it. ``language``: that of the hypotheses so far. ``seconds``: how much sound they had.
    """

    settled: tuple[HypothesisWord, ...] = ()
    growing: tuple[HypothesisWord, ...] = ()
    rest: tuple[HypothesisWord, ...] = ()
    language: str | None = None
    seconds: float = 0.0

    @property
    def shown(self) -> tuple[HypothesisWord, ...]:
        """The words that readers see."""
        return self.settled + self.growing

    @property
    def text(self) -> str:
        """The text that readers see."""
        return text_of(self.shown)

    @property
    def words(self) -> tuple[TranscribedWord, ...]:
        """The engine's words with their times, as far as readers see them."""
        return timed_words(self.shown)

    def revised(self, transcription: Transcription, *, seconds: float) -> "Agreement":
        """Return the state after another hypothesis, of the utterance's first ``seconds``."""
        if self.settled and _is_other_language(self.language, transcription.language):
            return self  # its words continue none of the settled ones; the final decides
        plain = replace(transcription, text=without_cut_marks(transcription.text))
        words = hypothesis_words(plain, seconds=seconds)
        if not words:
            return self  # nothing is no better opinion than something
        begin = _end_of(self.settled, words)
        rest = words[begin:]
        ended = max(0, finished(words, seconds=seconds, margin=SETTLING) - begin)
        is_comparable = not _is_other_language(self.language, transcription.language)
        agreed = min(ended, _common(self.rest, rest)[1]) if is_comparable else 0
        settled = _rendered(self.settled, words[:begin]) + rest[:agreed]
        rest = rest[agreed:]
        held = max(0, finished(words, seconds=seconds, margin=CUT) - begin - agreed)
        growing = rest[: min(held, _before_loop(words, begin + agreed) - begin - agreed)]
        if not settled and not growing:
            growing = self.growing  # all of the words are too new
        return Agreement(
            settled=settled,
            growing=growing,
            rest=rest,
            language=transcription.language or self.language,
            seconds=seconds,
        )


@dataclass(frozen=True, slots=True)
class AgreedFinal:
    """A final text. ``corrects``: it changes words that were settled."""

    transcription: Transcription
    corrects: bool = False


def final_of(agreement: Agreement, transcription: Transcription, *, seconds: float) -> AgreedFinal:
    """Return the final of an utterance of ``seconds``: its transcription, with settled words kept in it."""
    settled = agreement.settled
    words = hypothesis_words(transcription, seconds=seconds)
    matched, _ = _common(settled, words)
    if matched == len(settled):
        return AgreedFinal(transcription)
    is_replaced = not words or _is_other_language(agreement.language, transcription.language)
    if is_replaced or len(settled) * len(words) > MOST_COMPARED:
        return AgreedFinal(transcription, corrects=True)
    end = _end_of(settled, words)
    head, kept, corrects = _merged(settled, words[:end], transcription.confidence)
    if not kept:
        return AgreedFinal(transcription, corrects)
    merged = (*head, *words[end:])
    return AgreedFinal(replace(transcription, text=text_of(merged), words=timed_words(merged)), corrects)


def split_at_cut(
    agreement: Agreement, transcription: Transcription | None, *, at: float
) -> tuple[Agreement, Agreement]:
    """Divide what readers see at a cut ``at`` seconds: the part before it, and the part after it.

    ``transcription``: that of the sound up to the cut, if there is one. Times of the second part count from
    the cut.
    """
    shown = agreement.shown
    end = _end_at(shown, at, agreement.seconds)
    if transcription is not None:
        words = hypothesis_words(transcription, seconds=at)
        found = _found_end(words, shown) if words else None
        end = end if found is None else found
    count = min(end, len(agreement.settled))
    before = replace(agreement, settled=shown[:count], growing=shown[count:end], rest=())
    moved = tuple(_earlier(word, at) for word in shown[end:])
    first = len(agreement.settled) - count
    after = Agreement(
        settled=moved[:first],
        growing=moved[first:],
        rest=moved[first:],
        language=agreement.language,
        seconds=max(0.0, agreement.seconds - at),
    )
    return before, after


def _common(one: Sequence[HypothesisWord], other: Sequence[HypothesisWord]) -> tuple[int, int]:
    """Return how many words of each have the same letters from the beginning.

    "ill-disposed" and "ill disposed" have: a prefix ends where a word ends in both.
    """
    matched = (0, 0)
    i = j = 0
    left = right = ""
    while True:
        if left == right:
            matched = (i, j)
            left = right = ""
            if i == len(one) or j == len(other):
                break
            left, right = one[i].letters, other[j].letters
            i, j = i + 1, j + 1
        elif left.startswith(right) and j < len(other):
            right += other[j].letters
            j += 1
        elif right.startswith(left) and i < len(one):
            left += one[i].letters
            i += 1
        else:
            break
    # What follows without letters belongs to what is before it.
    i, j = matched
    while i < len(one) and not one[i].letters:
        i += 1
    while j < len(other) and not other[j].letters:
        j += 1
    return i, j


def _before_loop(words: Sequence[HypothesisWord], begin: int) -> int:
    """Return where words from ``begin`` on start to repeat what is just before them; else their number."""
    letters = [word.letters for word in words]
    for at in range(max(begin, REPEATED), len(letters) - REPEATED + 1):
        run = letters[at : at + REPEATED]
        starts = range(max(0, at - REACH), at - REPEATED + 1)
        if all(run) and any(letters[start : start + REPEATED] == run for start in starts):
            return at
    return len(letters)


def _end_of(known: Sequence[HypothesisWord], words: Sequence[HypothesisWord]) -> int:
    """Return where ``known`` words end in a text that begins with them, or with something like them."""
    matched, end = _common(known, words)
    if matched == len(known):
        return end
    found = _found_end(known, words)
    if found is not None:
        return found
    latest = known[-1].end
    if latest is not None and any(word.start is not None for word in words):
        return next(
            (at for at, word in enumerate(words) if word.start is not None and word.start >= latest - 0.1),
            len(words),
        )
    return min(len(known), len(words))


def _found_end(known: Sequence[HypothesisWord], words: Sequence[HypothesisWord]) -> int | None:
    """Return where the last of the ``known`` words end in another text, or None if they are not in it.

    The text's stretch that is most like them counts (fewest words replaced, added and left out); of equal
    ones, that nearest to where it should be.
    """
    matched, end = _common(known, words)
    if matched == len(known):
        return end
    tail = [word.letters for word in known if word.letters][-TAIL:]
    others = [word.letters for word in words[: len(known) + AHEAD]]
    if not tail:
        return None
    costs = [0] * (len(others) + 1)
    for row, letters in enumerate(tail, start=1):
        before, costs = costs, [row]
        for column, other in enumerate(others, start=1):
            costs.append(
                min(before[column - 1] + (letters != other), before[column] + 1, costs[column - 1] + 1)
            )
    best = min(range(len(costs)), key=lambda column: (costs[column], abs(column - len(known))))
    return best if costs[best] * 2 <= len(tail) and best > 0 else None


def _end_at(words: Sequence[HypothesisWord], at: float, seconds: float) -> int:
    """Return how many words were said before ``at``, of words said within ``seconds``."""
    total = sum(len(word.letters) for word in words)
    said = 0
    for index, word in enumerate(words):
        said += len(word.letters)
        if word.start is not None and word.end is not None:
            middle = (word.start + word.end) / 2
        elif word.end is not None:
            middle = word.end
        else:
            middle = seconds * (said - len(word.letters) / 2) / max(1, total)
        if middle >= at:
            return index
    return len(words)


def _earlier(word: HypothesisWord, by: float) -> HypothesisWord:
    """Return a word with its times counted from ``by`` seconds on."""
    return replace(
        word,
        start=None if word.start is None else max(0.0, word.start - by),
        end=None if word.end is None else max(0.0, word.end - by),
        timed=tuple(
            replace(timed, start=max(0.0, timed.start - by), end=max(0.0, timed.end - by))
            for timed in word.timed
        ),
    )


def _rendered(
    settled: Sequence[HypothesisWord], newer: Sequence[HypothesisWord]
) -> tuple[HypothesisWord, ...]:
    """Return the settled words with a newer hypothesis's punctuation, capitals and times where it has them.

    Up to the first that it has not.
    """
    rendered = list(settled)
    for at, (old, new) in enumerate(zip(settled, newer, strict=False)):
        if old.letters != new.letters:
            break
        rendered[at] = new
    return tuple(rendered)


def _merged(
    settled: Sequence[HypothesisWord], words: Sequence[HypothesisWord], overall: float | None
) -> tuple[list[HypothesisWord], bool, bool]:
    """Return a final's words with the settled ones where it is less sure of its own.

    Also whether any were kept, and whether any were changed. ``overall``: the final's confidence where its
    words have none.
    """
    merged: list[HypothesisWord] = []
    kept = corrects = False
    blocks = SequenceMatcher(
        None, [word.letters for word in settled], [word.letters for word in words], autojunk=False
    ).get_opcodes()
    for kind, i1, i2, j1, j2 in blocks:
        old, new = settled[i1:i2], words[j1:j2]
        if kind in ("equal", "insert") or _letters(old) == _letters(new):
            merged += new
        elif _is_surer(old, new, overall):
            merged += new
            corrects = True
        else:
            merged += old
            kept = True
    return merged, kept, corrects


def _is_surer(old: Sequence[HypothesisWord], new: Sequence[HypothesisWord], overall: float | None) -> bool:
    """Return whether new words are more probable than old ones; without any, if the old are unlikely."""
    before = _mean(old)
    if not new:
        return before is not None and before < KEPT
    now = _mean(new)
    now = overall if now is None else now
    return now is not None and (before is None or now > before)


def _mean(words: Sequence[HypothesisWord]) -> float | None:
    known = [word.confidence for word in words if word.confidence is not None]
    return sum(known) / len(known) if known else None


def _letters(words: Sequence[HypothesisWord]) -> str:
    return "".join(word.letters for word in words)


def _is_other_language(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and not is_near(one, other)

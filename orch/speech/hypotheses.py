"""The words of a hypothesis: what an engine recognised in the first seconds of an utterance. Pure.

A *hypothesis* is a transcription of an utterance that still grows. Its text is split into words
(:mod:`orch.protocol.words`), and the engine's times are matched to them by their letters: engines list words
with other punctuation, other spaces and sometimes other words than their text has. Times are optional, and
wrong ones must do no harm:

- a word without a time of its own ends where the next one with a time begins;
- times are ignored as a whole if one begins after the sound has ended, or if they run backwards;
- never more than :data:`MOST_HELD` words are taken to be unfinished, however late they are said to end.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from orch.protocol.words import is_unspaced, word_spans
from orch.speech.results import TranscribedWord, Transcription

#: At most so many words are unfinished at the end of the sound: nobody says more of them in half a second.
MOST_HELD: Final = 3
MOST_HELD_UNSPACED: Final = 6  # a word of these scripts is a single character
#: So many are taken to be unfinished where their times are unknown.
HELD_UNTIMED: Final = 1
HELD_UNTIMED_UNSPACED: Final = 2

OVERSHOOT: Final = 0.5  # s that a time may lie behind the sound's end, or before the word before it
NEAR: Final = 40  # letters between the place where a word is expected in the text, and where it is found

_ELLIPSES: Final = ("...", "…")
_HYPHENS: Final = ("-", "\u2010", "\u2013", "\u2014")  # hyphens, en and em dash


@dataclass(frozen=True, slots=True)
class HypothesisWord:
    """A word of a hypothesis.

    ``is_apart``: there is a space before it. ``letters``: its letters, digits and marks in one case, by which
    words are compared. ``start``, ``end``: seconds from the utterance's beginning, or None.
    ``confidence``: the engine's, or None. ``timed``: the engine's words that it consists of.
    """

    text: str
    is_apart: bool
    letters: str
    start: float | None = None
    end: float | None = None
    confidence: float | None = None
    timed: tuple[TranscribedWord, ...] = ()


def letters_of(text: str) -> str:
    """Return a text's letters, digits and marks, in one case and form."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    if folded.isascii():
        return "".join(filter(str.isalnum, folded))
    return "".join(character for character in folded if unicodedata.category(character)[0] in "LNM")


def text_of(words: Sequence[HypothesisWord]) -> str:
    """Return words, perhaps of several hypotheses, as one text that has the same words."""
    text = ""
    before: HypothesisWord | None = None
    for word in words:
        is_apart = before is not None and (word.is_apart or not _may_touch(before, word))
        text += f" {word.text}" if is_apart else word.text
        before = word
    return text


def _may_touch(one: HypothesisWord, other: HypothesisWord) -> bool:
    """Return whether two words are still two without a space between them."""
    texts = (one.text, other.text)
    if not all(any(map(str.isalnum, text)) for text in texts):
        return False
    return any(character.isalnum() and is_unspaced(character) for text in texts for character in text)


def timed_words(words: Sequence[HypothesisWord]) -> tuple[TranscribedWord, ...]:
    """Return the engine's words with their times, each once."""
    return tuple(dict.fromkeys(timed for word in words for timed in word.timed))


def hypothesis_words(transcription: Transcription, *, seconds: float) -> tuple[HypothesisWord, ...]:
    """Return the words of a transcription of ``seconds`` of sound, with times as far as they are credible."""
    text = transcription.text
    spans = word_spans(text)
    words = [
        HypothesisWord(
            text=text[begin:end],
            is_apart=begin > 0 and text[begin - 1].isspace(),
            letters=letters_of(text[begin:end]),
        )
        for begin, end in spans
    ]
    if not _is_credible(transcription.words, seconds):
        return tuple(words)
    return _with_times(words, transcription.words)


def without_cut_marks(text: str) -> str:
    """Return the text without the marks of a cut at its end.

    An ellipsis is only a mark; a word that ends in a hyphen ("how-") was cut, and is left out.
    """
    text = text.rstrip()
    while True:
        if text.endswith(_ELLIPSES):
            text = text.rstrip(".…").rstrip()
        elif text.endswith(_HYPHENS):
            text = text[: word_spans(text)[-1][0]].rstrip()
        else:
            return text


def finished(words: Sequence[HypothesisWord], *, seconds: float, margin: float) -> int:
    """Return how many words end at least ``margin`` before the end of ``seconds`` of sound.

    Where no times are known, all but the last one (or two characters) do.
    """
    unspaced = bool(words) and any(is_unspaced(character) for character in words[-1].letters)
    if all(word.end is None for word in words):
        return max(0, len(words) - (HELD_UNTIMED_UNSPACED if unspaced else HELD_UNTIMED))
    least = max(0, len(words) - (MOST_HELD_UNSPACED if unspaced else MOST_HELD))
    count = len(words)
    while count > least:
        end = words[count - 1].end
        # The last words may have no time: they are as new as can be.
        if end is not None and end <= seconds - margin:
            break
        count -= 1
    return count


def _is_credible(words: Sequence[TranscribedWord], seconds: float) -> bool:
    latest = 0.0
    for word in words:
        if word.start > seconds + OVERSHOOT or word.start < latest - OVERSHOOT or word.end < word.start:
            return False
        latest = max(latest, word.start)
    return True


def _with_times(
    words: Sequence[HypothesisWord], timed: Sequence[TranscribedWord]
) -> tuple[HypothesisWord, ...]:
    """Match the engine's words to those of its text, by letters, in order."""
    ends: list[int] = []  # of each word, in the letters of the whole text
    for word in words:
        ends.append((ends[-1] if ends else 0) + len(word.letters))
    letters = "".join(word.letters for word in words)
    found: list[list[TranscribedWord]] = [[] for _ in words]
    at = index = 0
    for each in timed:
        own = letters_of(each.text)
        place = letters.find(own, at, at + NEAR + len(own)) if own else -1
        if place < 0:
            continue
        at = place + len(own)
        while ends[index] <= place:
            index += 1
        last = index
        found[last].append(each)
        while ends[last] < at:
            last += 1
            found[last].append(each)
    known = [_timed(word, own) for word, own in zip(words, found, strict=True)]
    # A word without a time ends where the next one that has a time begins.
    limit: float | None = None
    for place in range(len(known) - 1, -1, -1):
        if known[place].end is None and limit is not None:
            known[place] = replace(known[place], end=limit)
        elif known[place].start is not None:
            limit = known[place].start
    return tuple(known)


def _timed(word: HypothesisWord, timed: Sequence[TranscribedWord]) -> HypothesisWord:
    if not timed:
        return word
    sure = [each.confidence for each in timed if each.confidence is not None]
    return replace(
        word,
        start=timed[0].start,
        end=max(each.end for each in timed),
        confidence=sum(sure) / len(sure) if sure else None,
        timed=tuple(timed),
    )

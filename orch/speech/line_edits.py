"""Corrects and deletes lines of a transcript: the next version of a stored final. Pure.

An edited line is a ``transcript`` like any other final: a higher ``revision`` of its segment, stored after
it. So whatever reads a history in order has the newest version, and needs to know nothing of edits.
"""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final

import msgspec
from msgspec import UNSET

from orch.protocol.messages import Transcript, Word
from orch.protocol.words import word_spans
from orch.speech.lines import flat

MOST_COMPARED: Final = 250_000  # pairs of words of two texts; above that the times of all are estimated


def corrected(line: Transcript, text: str) -> Transcript:
    """Return a line with another text, on one row. Raises ValueError if that has no characters."""
    text = flat(text)
    if not text:
        raise ValueError("the text is empty")
    return msgspec.structs.replace(
        line,
        revision=line.revision + 1,
        final=True,
        text=text,
        words=tuple(_timed(line.words, text)),
        confidence=None,
        error=None,
        corrects=UNSET,
        edited="corrected",
        offset=UNSET,
    )


def deleted(line: Transcript) -> Transcript:
    """Return a line without its text."""
    return msgspec.structs.replace(
        line,
        revision=line.revision + 1,
        final=True,
        text="",
        words=(),
        confidence=None,
        error=None,
        corrects=UNSET,
        edited="deleted",
        offset=UNSET,
    )


def is_editable(line: Transcript) -> bool:
    """Return whether a line may be corrected or deleted: nothing newer of its segment will be published."""
    if line.edited == "deleted":
        return False
    return line.error.final if line.error is not None else line.final and bool(line.text.strip())


def _timed(words: Sequence[Word], text: str) -> Iterator[Word]:
    """Yield the words of a corrected text with the times of those that were there before.

    Unchanged words keep their confidence too. The others share the time of those they replace, by their
    letters; added ones have none of their own. Nothing, if the line had no words.
    """
    if not words:
        return
    new = [text[begin:end] for begin, end in word_spans(text)]
    before = [word.text.strip().casefold() for word in words]
    after = [word.casefold() for word in new]
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    is_long = len(before) * len(after) > MOST_COMPARED
    blocks = [("replace", 0, len(before), 0, len(after))] if is_long else matcher.get_opcodes()
    for kind, first, last, start, stop in blocks:
        if kind == "equal":
            for word, own in zip(words[first:last], new[start:stop], strict=True):
                yield msgspec.structs.replace(word, text=own)
            continue
        begin = words[first].start if first < len(words) else words[-1].end
        end = words[last - 1].end if last > first else begin
        yield from _spread(new[start:stop], begin, end)


def _spread(texts: Sequence[str], begin: float, end: float) -> Iterator[Word]:
    """Yield words that follow one another between two times, each for its share of the letters."""
    total = sum(map(len, texts))
    said = 0
    for text in texts:
        start = begin + (end - begin) * said / total
        said += len(text)
        yield Word(text=text, start=round(start, 3), end=round(begin + (end - begin) * said / total, 3))

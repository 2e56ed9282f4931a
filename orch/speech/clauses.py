"""Which part of a growing line is translated while its speaker still speaks. Pure.

A translation of each revision would be rewritten with each word; one of the final alone comes seconds late.
So settled words are translated clause by clause: each once, and what readers see of it stays.

:mod:`orch.speech.clause_ends` decides where a clause may end. With the final the rest is translated. If the
final has other words where a clause was, or is in another language, all of it is translated again, and the
message says so (``corrects``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from orch.protocol.words import is_unspaced, word_spans
from orch.speech.clause_ends import clause_end
from orch.speech.hypotheses import letters_of
from orch.speech.languages import is_near
from orch.speech.results import TranslatedText


@dataclass(frozen=True, slots=True)
class Clause:
    """A text to translate, and how many words of its line are translated with it."""

    text: str
    words: int


@dataclass(frozen=True, slots=True)
class Remainder:
    """What of a final is still to translate. ``follows``: it continues the translation that readers have."""

    text: str
    follows: bool


@dataclass(frozen=True, slots=True)
class GrowingTranslation:
    """The translation of a line's beginning into one language.

    ``text``: what readers have, of the first ``words`` words of the line, whose letters are ``source``.
    ``language``: the one that was spoken. ``confidence``: the lowest of its clauses, None if one has none.
    """

    text: str = ""
    words: int = 0
    source: str = ""
    language: str | None = None
    confidence: float | None = None

    def next_clause(self, line: str, settled: int, *, language: str | None = None) -> Clause | None:
        """Return what can be translated of a line with ``settled`` words; None if that is nothing yet.

        ``language``: the one that is spoken, if it is known.
        """
        spans = word_spans(line)
        settled = min(settled, len(spans))
        if settled <= self.words or letters_of(line[: _end(spans, self.words)]) != self.source:
            return None
        words = [line[begin:end] for begin, end in spans]
        end = clause_end(words, begin=self.words, settled=settled, language=language)
        if end is None:
            return None
        return Clause(line[spans[self.words][0] : spans[end - 1][1]], end)

    def with_clause(
        self, clause: Clause, line: str, translated: str, *, language: str | None, confidence: float | None
    ) -> "GrowingTranslation":
        """Return the translation with one more clause of ``line``."""
        return GrowingTranslation(
            text=joined(self.text, translated),
            words=clause.words,
            source=letters_of(line[: _end(word_spans(line), clause.words)]),
            language=language,
            confidence=self._lowest(confidence),
        )

    def completed(self, rest: TranslatedText) -> TranslatedText:
        """Return the translation of a final whose remainder was translated to ``rest``."""
        if not self.words:
            return rest
        return replace(rest, text=joined(self.text, rest.text), confidence=self._lowest(rest.confidence))

    def remainder(self, final: str, language: str | None) -> Remainder:
        """Return what is still to translate of a final in ``language``: its rest, or all of it."""
        if not self.words:
            return Remainder(final, follows=True)
        is_other = language is not None and self.language is not None and not is_near(language, self.language)
        end = None if is_other else _end_of_letters(final, self.source, self.words)
        if end is None:
            return Remainder(final, follows=False)
        rest = final[end:].strip()
        return Remainder(rest if letters_of(rest) else "", follows=True)

    def _lowest(self, confidence: float | None) -> float | None:
        if not self.words or confidence is None:
            return confidence
        return None if self.confidence is None else min(self.confidence, confidence)


def joined(one: str, other: str) -> str:
    """Return two parts of a translation as one text; scripts without spaces have none between them."""
    one, other = one.rstrip(), other.lstrip()
    if not one or not other:
        return one or other
    last = next((character for character in reversed(one) if character.isalnum()), one[-1])
    return one + other if is_unspaced(last) and is_unspaced(other[0]) else f"{one} {other}"


def _end(spans: Sequence[tuple[int, int]], words: int) -> int:
    return spans[words - 1][1] if words else 0


def _end_of_letters(text: str, letters: str, words: int) -> int | None:
    """Return where the words end whose letters are ``letters``; None if the text begins with others.

    They are ``words`` words if none was divided or joined since.
    """
    spans = word_spans(text)
    end = _end(spans, min(words, len(spans)))
    if letters_of(text[:end]) == letters:
        return end
    found = ""
    for begin, end in spans:
        found += letters_of(text[begin:end])
        if found == letters:
            return end
        if not letters.startswith(found):
            return None
    return None

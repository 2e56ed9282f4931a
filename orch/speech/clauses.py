"""Which part of a growing line is translated while its speaker still speaks. Pure.

A translation of each revision would be rewritten with each word; one of the final alone comes seconds late.
So settled words are translated clause by clause: each once, and what readers see of it stays.

:mod:`orch.speech.clause_ends` decides where a clause may end. With the final the rest is translated. If the
final has other words where a clause was, that clause and all after it are translated again; if it is in
another language, everything is. The message says so (``corrects``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

from orch.protocol.words import is_unspaced, word_spans
from orch.speech.clause_ends import clause_end
from orch.speech.hypotheses import letters_of
from orch.speech.languages import is_near
from orch.speech.results import TranslatedText


@dataclass(frozen=True, slots=True)
class TranslatedClause:
    """The translation of a clause with these ``letters``, and its confidence, if there is one."""

    letters: str
    text: str
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class GrowingTranslation:
    """The translation of a line's beginning into one language: what readers have of it.

    ``language``: the one that was spoken.
    """

    clauses: tuple[TranslatedClause, ...] = ()
    language: str | None = None

    @property
    def text(self) -> str:
        """The translation."""
        return reduce(joined, (clause.text for clause in self.clauses), "")

    @property
    def confidence(self) -> float | None:
        """The lowest of the clauses; None if one has none."""
        each = [clause.confidence for clause in self.clauses]
        known = [confidence for confidence in each if confidence is not None]
        return min(known) if known and len(known) == len(each) else None

    def words(self, line: str) -> int | None:
        """Return how many words of a line it translates; None if the line begins with others."""
        ends = _clause_ends(line, self.clauses)
        if len(ends) < len(self.clauses):
            return None
        return ends[-1] if ends else 0

    def next_clause(
        self, line: str, settled: int, *, language: str | None = None, is_paused: bool = False
    ) -> str | None:
        """Return what can be translated of a line with ``settled`` words; None if that is nothing yet.

        ``language``: the one that is spoken, if known. ``is_paused``: the speaker has paused after the line.
        """
        begin = self.words(line)
        if begin is None:
            return None
        spans = word_spans(line)
        words = [line[first:last] for first, last in spans]
        end = clause_end(words, begin=begin, settled=settled, language=language, is_paused=is_paused)
        return None if end is None else line[spans[begin][0] : spans[end - 1][1]]

    def with_clause(
        self, clause: str, translated: str, *, language: str | None, confidence: float | None
    ) -> "GrowingTranslation":
        """Return the translation with one more clause."""
        added = TranslatedClause(letters_of(clause), translated, confidence)
        return GrowingTranslation((*self.clauses, added), language)

    def kept(self, text: str, language: str | None) -> "GrowingTranslation":
        """Return the clauses with which a text in ``language`` begins."""
        if language is not None and self.language is not None and not is_near(language, self.language):
            return GrowingTranslation(language=language)
        count = len(_clause_ends(text, self.clauses))
        return replace(self, clauses=self.clauses[:count])

    def after(self, kept: "GrowingTranslation") -> "GrowingTranslation":
        """Return the clauses that follow those that were kept."""
        return replace(self, clauses=self.clauses[len(kept.clauses) :])

    def rest(self, final: str) -> str:
        """Return what is still to translate of a final that begins with its clauses; "" without letters."""
        ends = _clause_ends(final, self.clauses)
        if not ends:
            return final
        rest = final[word_spans(final)[ends[-1] - 1][1] :].strip()
        return rest if letters_of(rest) else ""

    def completed(self, rest: TranslatedText) -> TranslatedText:
        """Return the translation of a final whose :meth:`rest` was translated to ``rest``."""
        if not self.clauses:
            return rest
        last = TranslatedClause("", rest.text, rest.confidence)
        whole = replace(self, clauses=(*self.clauses, last))
        return replace(rest, text=whole.text, confidence=whole.confidence)


def joined(one: str, other: str) -> str:
    """Return two parts of a translation as one text; scripts without spaces have none between them."""
    one, other = one.rstrip(), other.lstrip()
    if not one or not other:
        return one or other
    last = next((character for character in reversed(one) if character.isalnum()), one[-1])
    return one + other if is_unspaced(last) and is_unspaced(other[0]) else f"{one} {other}"


def _clause_ends(text: str, clauses: Sequence[TranslatedClause]) -> list[int]:
    """Return after how many words of a text each of the clauses ends with which it begins.

    Compared are letters: a word may have been divided or joined since. Punctuation alone belongs to the word
    before it.
    """
    ends: list[int] = []
    wanted = found = ""
    each = [letters_of(text[begin:end]) for begin, end in word_spans(text)]
    at = 0
    for clause in clauses:
        wanted += clause.letters
        while at < len(each) and (len(found) < len(wanted) or not each[at]):
            found += each[at]
            at += 1
        if found != wanted:
            return ends
        ends.append(at)
    return ends

"""Names and terms: which are sent on, where a text has them, how they survive a translation. Pure.

Terms are found in the whole text, longest first, at the borders of words. A term with a capital letter is
found as it is written, or all in capitals: "Rose" is not in "a rose". One without is found in any case. A
border is between two characters of which one is no letter, digit or mark, or belongs to a script without
spaces between words. Endings are not known: "Norlands" is another word.

For a translation, each is replaced by a *mark*: a private character that the text does not have, which
engines copy. Afterwards each mark is replaced by the term, or by its given translation.
"""

import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Final

from msgspec import Struct

from orch.protocol.terms import ANY, MOST_TERMS, Term, Terms, read_line
from orch.protocol.words import is_unspaced
from orch.settings import Service
from orch.speech.languages import closest

MOST_MATCHES: Final = 500
"""Terms that are replaced in one text; a caption has some hundred characters."""

LOOP: Final = 3
"""How often a text of nothing but terms has one of them, from which an engine repeats itself."""

_PRIVATE: Final = (0xE000, 0xF8FF)


class Match(Struct, frozen=True):
    """A term in a text, from ``begin`` to ``end``, and what its translation has in its place."""

    begin: int
    end: int
    translated: str


class MarkedText(Struct, frozen=True):
    """A text with marks. ``translated``: by mark, what is in its place in the translation."""

    text: str
    translated: dict[str, str]


def merged(*lists: Iterable[Term], most: int = MOST_TERMS, characters: int | None = None) -> Terms:
    """Return the terms of several lists, each once, those of the first list first.

    ``characters``: of all texts together at most; a term that does not fit is left out, the others follow.
    """
    found: dict[str, Term] = {}
    length = 0
    for term in (term for terms in lists for term in terms):
        if len(found) >= most:
            break
        longer = length + len(term.text) + (2 if found else 0)
        if term.text not in found and (characters is None or longer <= characters):
            found[term.text] = term
            length = longer
    return tuple(found.values())


def own_terms(service: Service) -> Terms:
    """Return the terms that the settings of a service have."""
    return tuple(term for line in service.vocabulary if (term := read_line(line)) is not None)


def mentioned(text: str, terms: Iterable[Term]) -> Terms:
    """Return the terms that a text may have: in any case, also within a word."""
    folded = " ".join(text.casefold().split())
    return tuple(term for term in terms if term.text.casefold() in folded)


def translation_of(term: Term, target: str) -> str | None:
    """Return a term's given translation; "": it stays as it is; None: it has none into this language."""
    if not term.translations:
        return ""
    known = [language for language in term.translations if language != ANY]
    language = closest(target, known)
    return term.translations.get(ANY if language is None else language)


def matches(text: str, terms: Iterable[Term], target: str) -> tuple[Match, ...]:
    """Return the terms in a text that stay, or have a translation into ``target``; none overlap."""
    searches: dict[str, list[tuple[re.Pattern[str], Term, str]]] = {}
    for term in sorted(terms, key=lambda term: -len(term.text)):
        given = translation_of(term, target)
        if given is not None:
            for pattern in _patterns(term.text):
                searches.setdefault(term.text[0].lower()[:1], []).append((pattern, term, given))
    found: list[Match] = []
    at = 0
    while searches and at < len(text) and len(found) < MOST_MATCHES:
        one = _match(text, at, searches.get(text[at].lower()[:1], ())) if _is_border(text, at) else None
        if one is not None:
            found.append(one)
        at = at + 1 if one is None else one.end
    return tuple(found)


def _patterns(text: str) -> list[re.Pattern[str]]:
    """Return how a term may be written."""

    def spaced(written: str, flags: int = 0) -> re.Pattern[str]:
        return re.compile(r"\s+".join(re.escape(part) for part in written.split()), flags)

    if text == text.lower():
        return [spaced(text, re.IGNORECASE)]
    return [spaced(text), *([spaced(text.upper())] if text != text.upper() else [])]


def _match(text: str, at: int, searches: Sequence[tuple[re.Pattern[str], Term, str]]) -> Match | None:
    for pattern, term, given in searches:
        found = pattern.match(text, at)
        if found is not None and _is_border(text, found.end()):
            return Match(at, found.end(), _in_case_of(found[0], term.text, given) if given else found[0])
    return None


def _in_case_of(found: str, term: str, given: str) -> str:
    """Return a translation with a capital, if the term has one only where it was found."""
    if found[0].isupper() and not term[0].isupper():
        return given[0].upper() + given[1:]
    return given


def _is_border(text: str, at: int) -> bool:
    if at <= 0 or at >= len(text):
        return True
    before, after = text[at - 1], text[at]
    if unicodedata.category(after)[0] == "M":
        return False
    if not (_is_in_word(before) and _is_in_word(after)):
        return True
    return is_unspaced(before) or is_unspaced(after)


def _is_in_word(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character)[0] == "M"


def marked(text: str, found: Sequence[Match]) -> MarkedText:
    """Return a text with a mark in place of each term; terms without a mark left for them stay."""
    used = set(text)
    free = (chr(code) for code in range(_PRIVATE[0], _PRIVATE[1] + 1) if chr(code) not in used)
    translated: dict[str, str] = {}
    parts: list[str] = []
    end = 0
    for match, mark in zip(found, free, strict=False):
        parts += (text[end : match.begin], mark)
        translated[mark] = match.translated
        end = match.end
    return MarkedText("".join((*parts, text[end:])), translated)


def restored(translation: str, marks: MarkedText) -> str | None:
    """Return a translation with the terms in place of their marks; None if a mark is missing or twice."""
    counts = Counter(character for character in translation if character in marks.translated)
    if len(counts) != len(marks.translated) or counts.total() != len(marks.translated):
        return None
    return "".join(marks.translated.get(character, character) for character in translation)


def pieces(marks: MarkedText) -> list[str]:
    """Return the text between the marks: one piece more than marks."""
    if not marks.translated:
        return [marks.text]
    return re.split("[" + "".join(marks.translated) + "]", marks.text)


def rejoined(translated: Sequence[str], marks: MarkedText) -> str:
    """Return the translations of the :func:`pieces`, with the terms between them."""
    between = marks.translated.values()
    return "".join(text + term for text, term in zip_longest(translated, between, fillvalue=""))


def is_echo(text: str, terms: Iterable[Term]) -> bool:
    """Return whether a text has nothing but terms: an engine may repeat its prompt, where nobody speaks."""
    found = _only_terms(text, terms)
    return found is not None


def is_loop(text: str, terms: Iterable[Term]) -> bool:
    """Return whether a text has nothing but terms, and one of them again and again."""
    found = _only_terms(text, terms)
    return found is not None and max(Counter(found).values()) >= LOOP


def _only_terms(text: str, terms: Iterable[Term]) -> list[str] | None:
    """Return the terms that a text consists of; None if it has other words, or none."""
    folded = " ".join(text.casefold().split())
    names = [Term(" ".join(term.text.casefold().split())) for term in terms]
    found = matches(folded, names, "")
    starts = [match.begin for match in found]
    for place, character in enumerate(folded):
        at = bisect_right(starts, place) - 1
        is_term = at >= 0 and place < found[at].end
        if character.isalnum() and not is_term:
            return None
    return [match.translated for match in found] or None

"""The names and terms of a session: their form, their limits, and how a line of text states one. Pure.

A *term* is a name that stays as it is in every language ("Norland"), or a word with given translations
("chair" is "Vorsitz" in German). In a line of text, as in the settings and on the page: ``Norland``,
``chair = Vorsitz`` (in every language), ``chair = de: Vorsitz; fr: présidence``. The same in JavaScript:
``static/js/models/terms.js``; one file of examples tests both.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from orch.protocol.plain_text import JOINERS, without_controls

MOST_TERMS: Final = 100
MOST_TERM_CHARACTERS: Final = 600
"""Of all terms, with ", " between them: Whisper's decoder has room for 223 tokens of a prompt."""
MOST_TRANSLATION_CHARACTERS: Final = 6_000
"""Of all translations of a session's terms."""

ANY: Final = "*"
"""The language of a translation that is used in every language that has none of its own."""

_CODE: Final = re.compile(r"[A-Za-z0-9_-]{2,35}")
_SPACES: Final = re.compile(r"\s+")
_LANGUAGE: Final = r"[a-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*"
_BETWEEN: Final = re.compile(rf"\s*[;,؛،]\s*(?={_LANGUAGE}\s*:)")
_LABELLED: Final = re.compile(rf"({_LANGUAGE})\s*:\s*(.*)", re.DOTALL)


class Term(Struct, frozen=True, omit_defaults=True):
    """A name or a term. ``translations``: by language, or under :data:`ANY`; none: it stays as it is."""

    text: str
    translations: dict[str, str] = {}


Terms = tuple[Term, ...]


class TermsError(ValueError):
    """Terms that cannot be used. ``path``: which; the message says why, and begins with it."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


def cleaned(terms: Iterable[Term], *, path: str = "$.terms") -> Terms:
    """Return terms in NFC, with single spaces, each once, without invisible characters.

    ``path``: how errors name them. Raises TermsError: too many, too long, or one that is no term.
    """
    listed = tuple(terms)
    if len(listed) > MOST_TERMS:
        raise TermsError(
            path,
            f"{len(listed):,} terms; a session can have {MOST_TERMS} at most: send the important ones. "
            "Nothing was changed.",
        )
    found: dict[str, Term] = {}
    for number, term in enumerate(listed):
        one = _cleaned(term, f"{path}[{number}]")
        known = found.get(one.text)
        # The same term again adds the languages that it did not have.
        found[one.text] = one if known is None else Term(one.text, one.translations | known.translations)
    together = tuple(found.values())
    length = len(joined(together))
    if length > MOST_TERM_CHARACTERS:
        raise TermsError(
            path,
            f"{length:,} characters in all terms; they can have {MOST_TERM_CHARACTERS} together: send the "
            "important ones. Nothing was changed.",
        )
    length = sum(len(each) for term in together for each in term.translations.values())
    if length > MOST_TRANSLATION_CHARACTERS:
        raise TermsError(
            path,
            f"{length:,} characters in all translations; they can have {MOST_TRANSLATION_CHARACTERS:,} "
            "together. Nothing was changed.",
        )
    return together


def joined(terms: Sequence[Term]) -> str:
    """Return the texts of terms as one text.

    >>> joined([Term("Norland"), Term("Elinor")])
    'Norland, Elinor'
    """
    return ", ".join(term.text for term in terms)


def read_line(line: str) -> Term | None:
    """Return the term that a line of text states; None if it states none.

    >>> read_line("chair = de: Vorsitz; fr: présidence").translations
    {'de': 'Vorsitz', 'fr': 'présidence'}
    """
    text, _, given = (plain(part) for part in line.partition("="))
    if not _is_word(text):
        return None
    translations: dict[str, str] = {}
    for part in _BETWEEN.split(given):
        labelled = _LABELLED.fullmatch(part)
        language, translated = labelled.groups() if labelled else (ANY, part)
        if translated.strip():
            translations.setdefault(language, translated.strip())
    return Term(text, translations)


def plain(text: str) -> str:
    """Return a text in NFC with single spaces, without control, private and direction characters."""
    spaced = _SPACES.sub(" ", unicodedata.normalize("NFC", text))
    return without_controls(spaced).strip(" " + JOINERS)


def _cleaned(term: Term, path: str) -> Term:
    text = plain(term.text)
    if not _is_word(text):
        raise TermsError(f"{path}.text", "Expected a name or a word.")
    if "=" in text:
        raise TermsError(f"{path}.text", "A term has no equals sign: that is between it and its translation.")
    translations: dict[str, str] = {}
    for language, given in term.translations.items():
        translated = plain(given)
        if language != ANY and not _CODE.fullmatch(language):
            raise TermsError(f"{path}.translations", f"Expected codes of languages or {ANY}.")
        if translated:
            translations[language] = translated
    return Term(text, translations)


def _is_word(text: str) -> bool:
    return any(character.isalnum() for character in text)

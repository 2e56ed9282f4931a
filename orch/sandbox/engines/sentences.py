"""Prepares a text for a small neural model: short sentences, in the characters that the model knows. Pure.

Such a model is trained on single sentences. Of a longer text it drops most: 5,700 characters become 430. So a
text is divided into sentences, and a long sentence, as speech without punctuation is, into parts.

It has hardly seen text in capitals: "HELLO WORLD" stays as it is. Such a sentence is sent in small letters.

Unknown characters are dropped too, or change their neighbours ("Łukasz" becomes '"ukasz'). So a word that
cannot be written with the known ones is protected, as names and addresses are.
"""

import re
import unicodedata
from typing import Final

MOST_WORDS: Final = 50
"""Words of one part. The models translate 80 without a loss."""

_SPACE_AND_WORD: Final = re.compile(r"(\s*)(\S+)")
_WORD: Final = re.compile(r"\S+")
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_SENTENCE_END: Final = re.compile(r"[.!?\u2026][\"'\u201d\u2019\u00bb)\]]*\Z")
_ABBREVIATION: Final = re.compile(
    r"\W*(?:[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|St|Sr|Sra|Jr|Gen|No|vs|etc|p\.ex|(?:[A-Za-z]\.)+[A-Za-z])\.\Z"
)
_CLAUSE_END: Final = re.compile(r"[,;:\u2013\u2014]\Z")

_REPLACEMENTS: Final = {
    **dict.fromkeys(map(ord, "\u201c\u201d\u201e\u00ab\u00bb"), '"'),
    **dict.fromkeys(map(ord, "\u2018\u2019\u201a\u00b4"), "'"),
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212"), "-"),
    **dict.fromkeys(map(ord, "\u00bf\u00a1"), ""),
    ord("\u2026"): "...",
}
"""Quotation marks, dashes, and marks that only Spanish has."""


def divided(text: str) -> list[str]:
    """Return the lines and sentences of a text, long ones in parts. Joined, they are the text.

    The space between two parts is at the beginning of the second one.
    """
    parts: list[str] = []
    words: list[str] = []
    end = 0
    for found in _SPACE_AND_WORD.finditer(text):
        if "\n" in found[1]:
            parts += _cut(words)
            words = []
        words.append(found[0])
        end = found.end()
        if _ends_sentence(found[2]):
            parts += _cut(words)
            words = []
    parts += _cut(words)
    if text[end:]:
        parts.append(text[end:])
    return parts


def _ends_sentence(word: str) -> bool:
    return bool(_SENTENCE_END.search(word)) and not _ABBREVIATION.match(word)


def _cut(words: list[str]) -> list[str]:
    """Return a sentence in parts of :data:`MOST_WORDS` at most, cut after a comma of their second half."""
    parts = []
    while len(words) > MOST_WORDS:
        commas = [
            index + 1 for index in range(MOST_WORDS // 2, MOST_WORDS) if _CLAUSE_END.search(words[index])
        ]
        place = commas[-1] if commas else MOST_WORDS
        parts.append("".join(words[:place]))
        words = words[place:]
    return [*parts, "".join(words)] if words else parts


def simplified(text: str, alphabet: frozenset[str]) -> str:
    """Return a text in which marks and accents outside ``alphabet`` are its nearest characters.

    A capital that is not in it becomes a small letter ("Às" to "às"). An accent that no letter of it has is
    left out in words that begin with a small letter ("naïve" to "naive"); in others, which may be names, it
    stays, so they can be protected.
    """
    return _WORD.sub(lambda word: _simplified_word(word[0], alphabet), text.translate(_REPLACEMENTS))


def is_in_capitals(text: str) -> bool:
    """Return whether a sentence is written in capitals: two words at least, each letter of them.

    A word alone may be an abbreviation ("USA").
    """
    words = [letters for letters in _LETTERS.findall(text) if len(letters) > 1]
    return len(words) > 1 and text == text.upper() and text != text.lower()


def without_capitals(text: str) -> str:
    """Return a sentence in capitals as it is usually written; "I" stays, names do not."""
    lowered = _LETTERS.sub(lambda word: word[0] if word[0] == "I" else word[0].lower(), text)
    return _LETTERS.sub(lambda word: word[0][0].upper() + word[0][1:], lowered, count=1)


def _simplified_word(word: str, alphabet: frozenset[str]) -> str:
    if alphabet.issuperset(word):
        return word
    lowered = "".join(character if character in alphabet else character.lower() for character in word)
    if alphabet.issuperset(lowered):
        return lowered
    first = next((character for character in word if character.isalpha()), "")
    if not first.islower():
        return word
    bare = "".join(
        character if character in alphabet else unicodedata.normalize("NFD", character)[0]
        for character in word
    )
    return bare if alphabet.issuperset(bare) else word

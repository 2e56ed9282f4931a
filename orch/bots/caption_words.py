"""The words of a caption in any script, and texts put together from them. Pure.

Captions are compared word by word, without case, punctuation and formatting characters, because a meeting
adds and changes these while a text grows. Chinese, Japanese, Thai, Lao, Khmer and Burmese are written without
blanks: there a word is one letter with its marks, which needs no dictionary and is enough to compare texts.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final

import regex

_UNSPACED: Final = (
    r"[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\u30fc\p{Script=Thai}\p{Script=Lao}"
    r"\p{Script=Khmer}\p{Script=Myanmar}]"
)
_WORD: Final = regex.compile(
    rf"(?:(?=[\p{{L}}\p{{Nl}}]){_UNSPACED})[\p{{M}}\u200c\u200d]*"
    rf"|(?:(?!{_UNSPACED})[\p{{L}}\p{{N}}][\p{{M}}\u200c\u200d]*)"
    rf"(?:(?:['\u2019`\u02bc]|(?<=\p{{N}})[.,:](?=\p{{N}}))?(?!{_UNSPACED})[\p{{L}}\p{{N}}][\p{{M}}\u200c\u200d]*)*"
)
_OPENING: Final = regex.compile(r"[\p{Ps}\p{Pi}¿¡]+\Z")
_UNSPACED_END: Final = regex.compile(rf"{_UNSPACED}[\p{{M}}\p{{P}}]*\Z")
_UNSPACED_START: Final = regex.compile(_UNSPACED)
_UNSPACED_WORD: Final = regex.compile(rf"{_UNSPACED}[\p{{M}}\u200c\u200d]*")
_FORMATTING: Final = regex.compile(r"[\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]+")
_JOINERS: Final = {
    ord("\u200c"): None,
    ord("\u200d"): None,
    ord("ـ"): None,
    ord("\u2019"): "'",
    ord("\u02bc"): "'",
}


def clean(text: str) -> str:
    """Return a text without directional and invisible characters, and with single blanks."""
    return " ".join(_FORMATTING.sub("", text).split())


def split_words(text: str) -> list[str]:
    """Split a clean text into its words, each with the blanks and punctuation around it.

    ``"".join`` of them is the text. A text without a letter or digit has none.

    >>> split_words("Well, (I) think… 你好。世界")
    ['Well,', ' (I)', ' think…', ' 你', '好。', '世', '界']
    """
    found = list(_WORD.finditer(text))
    cuts = [0]
    for before, word in pairwise(found):
        between = text[before.end() : word.start()]
        opening = _OPENING.search(between)
        opens = opening.start() if opening else len(between)
        blank = between.find(" ")
        cuts.append(before.end() + (blank if blank >= 0 else opens))
    return [text[start:end] for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True)] if found else []


@lru_cache(maxsize=4096)
def word_key(word: str) -> str:
    """Return what a word is compared by: two spellings of one word have the same.

    >>> word_key(" “Think!”"), word_key("think")
    ('think', 'think')
    """
    found = _WORD.search(word)
    plain = unicodedata.normalize("NFKC", found[0] if found else word)
    return plain.translate(_JOINERS).casefold()


def word_keys(words: Iterable[str]) -> tuple[str, ...]:
    """Return the keys of words."""
    return tuple(map(word_key, words))


def weight(keys: Sequence[str]) -> float:
    """Return how much evidence words are that two texts are the same: a letter of Chinese is half a word."""
    return sum(0.5 if _UNSPACED_WORD.fullmatch(key) else 1.0 for key in keys)


def join_words(parts: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Put together the words of several texts, with blanks where their script has them.

    >>> "".join(join_words([["I"], ["think"]])), "".join(join_words([["你"], ["好"]]))
    ('I think', '你好')
    """
    whole: list[str] = []
    for part in parts:
        for position, word in enumerate(part):
            if position or not whole:
                whole.append(word if whole else word.lstrip())
            elif word[:1].isspace() or (_UNSPACED_END.search(whole[-1]) and _UNSPACED_START.match(word)):
                whole.append(word)
            else:
                whole.append(f" {word}")
    return tuple(whole)

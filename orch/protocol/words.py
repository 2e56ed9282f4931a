"""Splits a caption's text into the words that ``settled`` of a transcript counts. Pure.

A *word* is a run of characters without white space. Within it, each letter or digit of a script that is
written without spaces (:data:`UNSPACED`: Thai, Lao, Tibetan, Burmese, Khmer, Chinese, Japanese) is a word of
its own, together with the marks and punctuation that follow it; and a letter or digit of another script after
such a letter begins a word. Punctuation at the beginning belongs to the word that follows it.

``"Hello, world!"`` has two words, ``"東京へ行く。"`` five, ``"iPhoneを買う"`` four.

The same in JavaScript: ``static/js/models/words.js``; one file of examples tests both.
"""

from typing import Final

#: Code points of scripts without spaces between words: first and last of each range.
UNSPACED: Final = (
    (0x0E00, 0x109F),  # Thai, Lao, Tibetan, Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x312F),  # radicals, kana, bopomofo
    (0x31F0, 0x31FF),  # kana
    (0x3400, 0x4DBF),  # Chinese characters
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9D),  # kana of half width
    (0x1B000, 0x1B16F),
    (0x20000, 0x3FFFF),
)


def is_unspaced(character: str) -> bool:
    """Return whether a character belongs to a script without spaces between words."""
    code = ord(character)
    return code >= UNSPACED[0][0] and any(first <= code <= last for first, last in UNSPACED)


def word_spans(text: str) -> list[tuple[int, int]]:
    """Return where each word of a text begins and ends."""
    spans: list[tuple[int, int]] = []
    begin: int | None = None
    before: bool | None = None  # of the word's last letter: whether its script has no spaces
    for at, character in enumerate(text):
        if character.isspace():
            if begin is not None:
                spans.append((begin, at))
            begin = before = None
            continue
        if character.isalnum():
            unspaced = is_unspaced(character)
            if begin is not None and before is not None and (unspaced or before):
                spans.append((begin, at))
                begin = at
            before = unspaced
        if begin is None:
            begin = at
    if begin is not None:
        spans.append((begin, len(text)))
    return spans


def settled_part(text: str, settled: int) -> tuple[str, str]:
    """Return the first ``settled`` words of a text, and the rest with the space before it."""
    if settled <= 0:
        return "", text
    spans = word_spans(text)
    end = spans[min(settled, len(spans)) - 1][1] if spans else 0
    return text[:end], text[end:]

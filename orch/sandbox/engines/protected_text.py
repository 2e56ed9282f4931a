r"""Protects URLs, mark-up, line breaks and symbols from translation.

Apertium's tools use a stream format in which ``[ ] { } ^ $ / \ @ < >`` are special, and ``~ * #`` at some
stages; escaped characters come through, but their neighbours change: ``@g`` becomes ``@G``, ``~l`` becomes
``l``, ``a=b`` becomes ``un=b``. Text in square brackets is a *superblank*, which no stage reads. So each
token that is not a plain word is replaced by a superblank with its number, and restored afterwards. The
result must contain every number once; otherwise the pieces between the tokens are translated separately.

A neural model copies ``[0]`` as well, mostly, so it gets the same text.

Pure: text in, text out.
"""

import re
from collections.abc import Callable
from itertools import zip_longest
from typing import Final

from msgspec import Struct

END: Final = ".[]"
"""Appended to a text, so that the tagger, which waits for the end of a sentence, flushes it; then removed."""

# One character that is not sent to the engine. Control characters included; they delimit texts in the pipe.
_SPECIAL: Final = r"\[\]{}^$/\\@<>~*#|&%=_+`\x00-\x1f\x7f-\x9f\ue000-\uf8ff"
# These characters surround words that are translated: [laughter], *really*, 50%, $5.
_AROUND: Final = r"\[\]{}<>*~|%$`"

# Mark-up of captions and of web pages, which may stand in the middle of a word; <laughter> is none.
_TAG: Final = (
    r"</?(?:a|b|br|c|em|font|i|lang|mark|p|rt|ruby|s|small|span|strong|sub|sup|u|v)(?![\w-])[^<>\n]{0,200}>"
)
# The marks of names and terms (orch/speech/terms.py), which may stand beside a letter too.
_MARK: Final = "[\ue000-\uf8ff]"
_PIECE: Final = re.compile(rf"{_TAG}|{_MARK}| (?! )(?<!  )|\s+|(?:(?!{_TAG}|{_MARK})\S)+", re.IGNORECASE)
_IS_TAG: Final = re.compile(_TAG, re.IGNORECASE)
_WRAPPED: Final = re.compile(rf"([{_AROUND}]*)(.*?)([{_AROUND}]*)([.,;:!?…)\"'\u2019”»]*)\Z", re.DOTALL)
_IS_SPECIAL: Final = re.compile(rf"[{_SPECIAL}]|\w\w\.\w\w")
_NUMBER: Final = re.compile(r"\[(\d+)\]")
_EXTRA_SPACES: Final = re.compile(r"  +")


class Protected(Struct, frozen=True):
    """A text for the engine. ``kept[n]`` is the original of ``[n]``."""

    text: str
    kept: tuple[str, ...]


def _any_word(_word: str) -> bool:
    return True


def protect(text: str, is_readable: Callable[[str], bool] = _any_word) -> Protected:
    """Replace tokens that are not plain words by numbered superblanks. Single spaces and punctuation stay.

    So are words that are not ``is_readable``: those with characters that the engine does not know.
    """
    kept: list[str] = []
    out: list[str] = []

    def keep(piece: str) -> None:
        if piece:
            out.append(f"[{len(kept)}]")
            kept.append(piece)

    def is_special(word: str) -> bool:
        return _IS_SPECIAL.search(word) is not None or not is_readable(word)

    for piece in _PIECE.findall(text):
        if piece == " " or not (piece.isspace() or is_special(piece)):
            out.append(piece)
            continue
        is_whole = piece.isspace() or _IS_TAG.fullmatch(piece)
        wrapped = None if is_whole else _WRAPPED.match(piece)
        if wrapped is None:
            keep(piece)
            continue
        before, core, after, closing = wrapped.groups()
        if core and not is_special(core):
            keep(before)
            out.append(core)
            keep(after)
        else:
            keep(before + core + after)
        out.append(closing)
    return Protected("".join(out), tuple(kept))


def restore(translated: str, kept: tuple[str, ...]) -> str | None:
    """Restore the protected parts; None if a number is missing, duplicated or unknown.

    A word that is dropped in translation leaves two spaces ("Tuvo  casó"), which become one. Multiple spaces
    of the text itself are protected parts.
    """
    numbers = sorted(int(number) for number in _NUMBER.findall(translated))
    plain = _NUMBER.sub("", translated)
    if numbers != list(range(len(kept))) or "[" in plain or "]" in plain:
        return None
    return _NUMBER.sub(lambda found: kept[int(found[1])], _EXTRA_SPACES.sub(" ", translated))


def pieces(protected: Protected) -> list[str]:
    """Return the text between the numbers: one piece more than numbers."""
    return _NUMBER.split(protected.text)[::2]


def join(translated: list[str], protected: Protected) -> str:
    """Join the separately translated :func:`pieces` with the protected parts between them."""
    numbers = [int(number) for number in _NUMBER.findall(protected.text)]
    kept = [protected.kept[number] for number in numbers]
    return "".join(text + between for text, between in zip_longest(translated, kept, fillvalue=""))

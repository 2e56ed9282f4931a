r"""Protects URLs, mark-up, line breaks and symbols from translation by Apertium.

Apertium's tools speak a stream format in which ``[ ] { } ^ $ / \ @ < >`` mean something, and give others
(``~ * #``) a meaning at some stage; escaping them gets the characters through, but not whole: ``@g`` comes
back as ``@G``, ``~l`` as ``l``, ``a=b`` as ``un=b``. What stands in square brackets is a *superblank*, which
no stage looks into. So each token that is no plain word becomes a superblank that holds only its number, and
is put back afterwards. What comes back is checked: every number once. Should one be lost, the text is
translated in the pieces between them.

Pure: text in, text out.
"""

import re
from itertools import zip_longest
from typing import Final

from msgspec import Struct

END: Final = ".[]"
"""Ends a text, so that the tagger, which waits for the end of a sentence, gives it out. Taken off again."""

# One character that is not handed to the engine. Control characters are; they delimit texts in the pipe.
_SPECIAL: Final = r"\[\]{}^$/\\@<>~*#|&%=_+`\x00-\x1f\x7f-\x9f\ue000-\uf8ff"
# These stand around words that are to be translated: [laughter], *really*, 50%, $5.
_AROUND: Final = r"\[\]{}<>*~|%$`"

_PIECE: Final = re.compile(r" (?! )(?<!  )|\s+|\S+")
_WRAPPED: Final = re.compile(rf"([{_AROUND}]*)(.*?)([{_AROUND}]*)([.,;:!?…)\"'\u2019”»]*)\Z", re.DOTALL)
_IS_SPECIAL: Final = re.compile(rf"[{_SPECIAL}]|\w\w\.\w\w")
_NUMBER: Final = re.compile(r"\[(\d+)\]")
_EXTRA_SPACES: Final = re.compile(r"  +")


class Protected(Struct, frozen=True):
    """A text for the engine. ``kept[n]`` stands where ``[n]`` does."""

    text: str
    kept: tuple[str, ...]


def protect(text: str) -> Protected:
    """Replace what is no plain word by numbered superblanks. Single spaces and punctuation stay."""
    kept: list[str] = []
    out: list[str] = []

    def keep(piece: str) -> None:
        if piece:
            out.append(f"[{len(kept)}]")
            kept.append(piece)

    for piece in _PIECE.findall(text):
        if piece == " " or not (piece.isspace() or _IS_SPECIAL.search(piece)):
            out.append(piece)
            continue
        wrapped = None if piece.isspace() else _WRAPPED.match(piece)
        if wrapped is None:
            keep(piece)
            continue
        before, core, after, closing = wrapped.groups()
        if core and not _IS_SPECIAL.search(core):
            keep(before)
            out.append(core)
            keep(after)
        else:
            keep(before + core + after)
        out.append(closing)
    return Protected("".join(out), tuple(kept))


def restore(translated: str, kept: tuple[str, ...]) -> str | None:
    """Restore the protected parts; None if a number is missing, duplicated or unknown.

    Words that the language drops leave their spaces behind ("Tuvo  casó"); several become one. Those of the
    text itself were kept.
    """
    numbers = sorted(int(number) for number in _NUMBER.findall(translated))
    plain = _NUMBER.sub("", translated)
    if numbers != list(range(len(kept))) or "[" in plain or "]" in plain:
        return None
    return _NUMBER.sub(lambda found: kept[int(found[1])], _EXTRA_SPACES.sub(" ", translated))


def pieces(protected: Protected) -> list[str]:
    """Return the text between the numbers: one piece more than there are numbers."""
    return _NUMBER.split(protected.text)[::2]


def join(translated: list[str], protected: Protected) -> str:
    """Return the separately translated :func:`pieces` with what was kept between them."""
    numbers = [int(number) for number in _NUMBER.findall(protected.text)]
    kept = [protected.kept[number] for number in numbers]
    return "".join(text + between for text, between in zip_longest(translated, kept, fillvalue=""))

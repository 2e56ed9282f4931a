"""Joins pieces of text as their script writes them. Pure."""

from collections.abc import Iterable
from typing import Final

FIRST_CJK: Final = "\u2e80"


def joined_text(parts: Iterable[str]) -> str:
    """Return words or segments as one text.

    Most engines begin each with the blank that belongs before it; one is added elsewhere, except in scripts
    without blanks.

    >>> joined_text(["Good", "morning."]), joined_text(["你好", "世界"])
    ('Good morning.', '你好世界')
    """
    whole = ""
    for part in parts:
        is_apart = not whole or not part or whole[-1].isspace() or part[0].isspace()
        is_without_blanks = is_apart or (whole[-1] >= FIRST_CJK and part[0] >= FIRST_CJK)
        whole += part if is_without_blanks else f" {part}"
    return whole

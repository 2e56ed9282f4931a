"""Text that people have typed, without what is no text. Pure."""

import unicodedata
from typing import Final

JOINERS: Final = "\u200c\u200d"
"""Zero-width characters that Persian, Indic scripts and emoji are written with."""


def without_controls(text: str) -> str:
    """Return a text without control, private and direction characters, and half surrogates.

    A mark of direction ("override") can make a text read as another one.
    """
    return "".join(each for each in text if each in JOINERS or unicodedata.category(each)[0] != "C")


def plain_lines(text: str) -> str:
    r"""Return a text of several lines, each ended by ``\n`` alone; tabs are spaces.

    >>> plain_lines("up\r\nagain\x07\tat \u202e12:00")
    'up\nagain at 12:00'
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ").split("\n")
    return "\n".join(without_controls(line) for line in lines)

"""The names of classes in the pages of a meeting, which change with a seed. Pure.

A meeting's page is rebuilt every few weeks, and its classes then have other names: what finds things by them
no longer does.
"""

import random
import re
from typing import Final

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CLASS: Final = re.compile(r"\.x-([a-z][a-z-]*)")


def class_name(plain: str, seed: int) -> str:
    """Return the name of a class. Seed 0 leaves it as it is; any other gives six letters without meaning."""
    if seed == 0:
        return plain
    draw = random.Random(f"{seed}/class/{plain}")
    return "".join(draw.choice(_LETTERS) for _ in range(6))


def named_classes(style: str, seed: int) -> tuple[str, dict[str, str]]:
    """Return a style sheet with the names of its classes replaced, and the names by their plain ones.

    In the sheet a class that is renamed is written ``.x-tile``; its plain name is ``tile``.
    """
    names = {plain: class_name(plain, seed) for plain in sorted(set(_CLASS.findall(style)))}
    return _CLASS.sub(lambda match: f".{names[match[1]]}", style), names

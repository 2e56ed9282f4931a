"""Makes received text fit to be drawn. Pure."""

import unicodedata
from typing import Final

import regex

from orch.speech.rows import clusters

LONGEST_TEXT: Final = 1000
"""Characters of a caption, the last ones: more than the largest picture can show."""
LONGEST_NAME: Final = 100
_MARKS: Final = 6
"""Marks on one letter that are drawn: Vietnamese and Tibetan need up to four; dozens would cover others."""

# Not drawn and not wanted: control characters, invisible formatting other than joiners, variation selectors
# and the tags of flags. Embedding and override characters could make a name read as another.
_UNWANTED: Final = regex.compile(r"[\p{Cc}\p{Cs}\p{Co}\p{Cn}]|(?![\u200c\u200d\U000e0020-\U000e007f])\p{Cf}")
_VISIBLE: Final = regex.compile(r"[^\p{Default_Ignorable_Code_Point}\p{Z}]")
_SPACE: Final = regex.compile(r"[\s\u2800\u3164\u115f\u1160\uffa0]+")
_STACKED: Final = regex.compile(rf"(\p{{M}}{{{_MARKS}}})\p{{M}}+")


def cleaned(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return text in one row of visible characters, composed (NFC), the last ``longest`` at most.

    What is cut off at the start is replaced by an ellipsis. Invisible characters, and those that change the
    direction of others, are removed; so many marks on one letter that they would cover other rows, too.
    """
    # Bounded before anything that takes longer for longer text.
    given = text[-4 * longest :]
    composed = unicodedata.normalize("NFC", _UNWANTED.sub("", _SPACE.sub(" ", given)))
    kept = _STACKED.sub(r"\1", composed).strip()
    if not _VISIBLE.search(kept):
        return ""
    if len(kept) <= longest and len(given) == len(text):
        return kept
    found = clusters(kept[-longest:])
    # The first may be the rest of a cut cluster.
    return "…" + "".join(found[1:]).lstrip()


def cleaned_name(name: str) -> str:
    """Return a name in one row of visible characters, the first :data:`LONGEST_NAME` at most."""
    kept = cleaned(name[: 2 * LONGEST_NAME], 2 * LONGEST_NAME)
    return kept if len(kept) <= LONGEST_NAME else "".join(clusters(kept[:LONGEST_NAME])[:-1]) + "…"

"""Ids of the people in a meeting, the same in every list of one meeting. Pure."""

import unicodedata
from hashlib import blake2b
from typing import Final

import regex

from orch.bots.caption_words import clean

_NOT_LATIN: Final = regex.compile(r"[^a-z0-9]+")
_LONGEST: Final = 24
"""Letters of the readable part."""


def speaker_id(name: str, participant: str = "") -> str:
    """Return an id for a participant: letters of the name, and a digest that makes it unique.

    ``participant``: the meeting's own id of the participant, where there is one; then two people of one name
    have two ids, and one who changes the name keeps the digest. Otherwise the digest is of the name, whatever
    its script; names that differ only in case, in blanks or in how letters are composed are one.

    >>> speaker_id("Zoë Adams"), speaker_id("陈静"), speaker_id("李静")
    ('zoe-adams-d4ac9eabea', 'speaker-2ecac71914', 'speaker-fd242cd923')
    """
    plain = unicodedata.normalize("NFC", clean(name)).casefold()
    source = f"participant\0{participant}" if participant else f"name\0{plain}"
    digest = blake2b(source.encode(), digest_size=5).hexdigest()
    latin = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
    readable = _NOT_LATIN.sub("-", latin).strip("-")[:_LONGEST].strip("-") or "speaker"
    return f"{readable}-{digest}"

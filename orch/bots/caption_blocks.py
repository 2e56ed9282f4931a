"""What is observed of a meeting's captions, and the utterances that come of it. Pure."""

from collections.abc import Collection, Sequence
from typing import Final, Literal

from msgspec import Struct

from orch.bots.caption_words import clean
from orch.bots.interface_texts import is_own, spoken_text

LONGEST: Final = 20_000
"""Characters of a block or message, of those at its end, that are looked at."""

LONGEST_NAME: Final = 200
"""Characters of a speaker's name, and of the ids of messages, that are looked at."""

CONSIDERED: Final = 48
"""Blocks at the page's end that are looked at. Those before them have been, when they were at the end."""


class Block(Struct, frozen=True):
    """One block of captions as the page shows it.

    ``key``: the same as long as the page keeps the element; empty where that is not known. The place in the
    list is no key.
    """

    key: str
    speaker: str
    text: str


class Message(Struct, frozen=True, kw_only=True):
    """One caption from the meeting's data channel: the whole text so far of the message ``id``.

    ``device``: whose; ``speaker``: that device's name as far as it is known, or empty. A higher ``version``
    replaces a lower one; without versions (all 0) the later message counts.
    """

    device: str
    id: str
    text: str
    version: int = 0
    speaker: str = ""
    language: str | None = None


Source = Literal["page", "channel"]


class Utterance(Struct, frozen=True, kw_only=True):
    """What one speaker said in one go, as known at ``revision``.

    ``number``: counts from 1, in the order of arrival. ``started``, ``updated``: arrival of its first word
    and of the last change of its words, in seconds of the caller's clock: later than the speech by the
    caption's own delay.
    ``words_at``: arrival of each word of :func:`orch.bots.caption_words.split_words`. ``is_final``: it has
    not changed for a while; it may still be revised. ``text`` is empty where all its words turned out to
    belong to another utterance.
    """

    number: int
    revision: int
    speaker: str
    text: str
    started: float
    updated: float
    words_at: tuple[float, ...]
    source: Source
    is_final: bool = False
    language: str | None = None


def spoken_blocks(blocks: Sequence[Block], own: Collection[str] = ()) -> tuple[Block, ...]:
    """Return the last blocks that are speech of others, with clean names and texts; each key once.

    ``own``: the bot's names, and what the page calls it (:data:`orch.bots.interface_texts.SELF_NAMES`).
    """
    found: list[Block] = []
    keys: set[str] = set()
    for block in blocks[-CONSIDERED:]:
        speaker = clean(block.speaker[:LONGEST_NAME])
        text = spoken_text(block.text[-LONGEST:])
        if not speaker or not text or text == speaker or is_own(speaker, own):
            continue
        key = "" if block.key in keys else block.key
        keys.add(key)
        found.append(Block(key, speaker, text))
    return tuple(found)

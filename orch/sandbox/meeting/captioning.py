"""The captions of utterances as a meeting shows them: late, growing, corrected, split, lost. Pure.

A caption block grows by revisions, each with all its text so far: the "staircase" that a reader of captions
has to make one utterance of. What is drawn by chance depends on the seed and the utterance alone, so that
changing one utterance changes no other's.
"""

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct, structs

from orch.sandbox.meeting.script import Captions
from orch.sandbox.meeting.speech_times import SpokenWord, Utterance

_SHOWN_WRONG: Final = 2
"""Words after which a wrong word is corrected, at the latest with the final revision."""

_STOP: Final = "."
_NO_SPACES: Final = ("zh", "ja")
_STOPS: Final = {"zh": "。", "ja": "。", "ar": "."}


class Revision(Struct, frozen=True, kw_only=True):
    """A revision of a caption block. ``at``: seconds from the start; ``text``: all of the block.

    name: the participant's id under whose name it is shown. utterances: the numbers of those in the block.
    is_lost: it never arrives.
    """

    at: float
    block: int
    revision: int
    who: str
    text: str
    utterances: tuple[int, ...]
    is_final: bool
    is_lost: bool = False


class _Piece(Struct, frozen=True, kw_only=True):
    """A part of an utterance that stands in one block."""

    utterance: Utterance
    words: tuple[SpokenWord, ...]
    who: str
    delay: float
    is_first: bool
    is_last: bool


class _Block(Struct, kw_only=True):
    """A block that is growing: what earlier utterances left in it."""

    number: int
    who: str
    revision: int = 0
    text: str = ""
    last: float = 0.0
    utterances: tuple[int, ...] = ()
    spoken_until: float = 0.0


def revisions(
    spoken: Sequence[Utterance], how: Captions, *, seed: int, language: str, participants: Sequence[str]
) -> tuple[Revision, ...]:
    """Return all revisions, in the order of their times; within a block times rise strictly.

    ``spoken``: in the order of their beginnings. Lost revisions are among them, marked.
    """
    vocabulary = sorted({word.word for each in spoken for word in each.words})
    found: list[Revision] = []
    blocks = 0
    current: _Block | None = None
    for utterance in spoken:
        draw = random.Random(f"{seed}/captions/{utterance.number}")
        if not utterance.words or draw.random() < how.utterances_lost:
            continue
        for piece in _pieces(utterance, how, draw, participants):
            if current is None or not _continues(current, piece, how):
                current = _Block(number=blocks, who=piece.who)
                blocks += 1
            found += _grown(current, piece, how, draw, vocabulary, language)
    drift = 1 + how.drift_ppm * 1e-6
    drifted = [structs.replace(each, at=round(each.at * drift, 6)) for each in found]
    return tuple(sorted(drifted, key=lambda each: (each.at, each.block, each.revision)))


def _pieces(
    utterance: Utterance, how: Captions, draw: random.Random, participants: Sequence[str]
) -> list[_Piece]:
    """Cut an utterance where its captions begin a new block."""
    words = utterance.words
    delay = max(0.0, how.delay + draw.uniform(-how.jitter, how.jitter))
    who = utterance.who
    others = [each for each in participants if each != who]
    if draw.random() < how.wrong_speaker and others:
        who = draw.choice(others)
    cuts = {0, len(words)}
    if draw.random() < how.splits and len(words) > 1:
        cuts.add(draw.randrange(1, len(words)))
    edges = sorted(cuts)
    ranges: list[tuple[int, int]] = []
    for begin, end in pairwise(edges):
        step = how.longest or end - begin
        ranges += [(place, min(end, place + step)) for place in range(begin, end, step)]
    return [
        _Piece(
            utterance=utterance,
            words=words[begin:end],
            who=who,
            delay=delay,
            is_first=begin == 0,
            is_last=end == len(words),
        )
        for begin, end in ranges
    ]


def _continues(block: _Block, piece: _Piece, how: Captions) -> bool:
    """Whether a piece goes on in the last block: its speaker's, soon enough, and nobody spoke between."""
    if not piece.is_first or block.who != piece.who or how.continues_within <= 0:
        return False
    length = len(block.text.split()) + len(piece.words)
    return piece.utterance.begin - block.spoken_until <= how.continues_within and (
        how.longest == 0 or length <= how.longest
    )


def _grown(
    block: _Block,
    piece: _Piece,
    how: Captions,
    draw: random.Random,
    vocabulary: Sequence[str],
    language: str,
) -> list[Revision]:
    """Return the revisions with which a piece is added to a block, and apply them to it."""
    words = piece.words
    wrong = _wrong_words(words, how, draw, vocabulary)
    block.utterances = (*block.utterances, piece.utterance.number)
    earlier = block.text
    found: list[Revision] = []
    shown = ""
    at = words[0].end + piece.delay
    finish = words[-1].end + piece.delay + how.settles
    while at < finish:
        ready = sum(word.end + piece.delay <= at + 1e-9 for word in words)
        text = _joined(earlier, _shown(words[:ready], wrong), language)
        if ready and text != shown:
            found.append(_next(block, max(at, block.last + 0.001), text, how, draw, is_final=False))
            shown = text
        at += how.interval
    sentence = _sentence([word.word for word in words], how, language, piece)
    found.append(
        _next(
            block,
            max(finish, block.last + 0.001),
            _joined(earlier, sentence, language),
            how,
            draw,
            is_final=True,
        )
    )
    block.text = found[-1].text
    block.spoken_until = piece.utterance.end
    return found


def _next(
    block: _Block, at: float, text: str, how: Captions, draw: random.Random, *, is_final: bool
) -> Revision:
    made = Revision(
        at=round(at, 6),
        block=block.number,
        revision=block.revision,
        who=block.who,
        text=text,
        utterances=block.utterances,
        is_final=is_final,
        is_lost=draw.random() < how.loss,
    )
    block.revision += 1
    block.last = made.at
    return made


def _wrong_words(
    words: Sequence[SpokenWord], how: Captions, draw: random.Random, vocabulary: Sequence[str]
) -> dict[int, str]:
    """Return what is shown first in place of some words, by their index."""
    found = {}
    for index, word in enumerate(words):
        others = [each for each in vocabulary if each.lower() != word.word.lower()]
        if draw.random() < how.corrections and others:
            found[index] = draw.choice(others)
    return found


def _shown(words: Sequence[SpokenWord], wrong: dict[int, str]) -> list[str]:
    """Return the words of a revision; one that was wrong stays so until more words follow it."""
    return [
        wrong[index] if index in wrong and len(words) - index <= _SHOWN_WRONG else word.word
        for index, word in enumerate(words)
    ]


def _sentence(words: list[str], how: Captions, language: str, piece: _Piece) -> list[str]:
    """Return the words of a final revision: a sentence, if captions have punctuation."""
    if not how.punctuated:
        return words
    made = list(words)
    if piece.is_first:
        made[0] = made[0][:1].upper() + made[0][1:]
    if piece.is_last and made[-1][-1:].isalnum():
        made[-1] += _STOPS.get(language.partition("-")[0], _STOP)
    return made


def _joined(earlier: str, words: list[str], language: str) -> str:
    space = "" if language.partition("-")[0] in _NO_SPACES else " "
    return space.join(part for part in (earlier, space.join(words)) if part)

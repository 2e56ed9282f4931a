"""The captions of the last minutes, aligned with the transcript again whenever either has changed. Pure.

An alignment leaves its support in the words (:class:`orch.bots.correlation.words.Support`) and samples of the
captions' delay. A chunk's support is replaced when it is aligned again, and stays when the chunk is closed. A
caption without a name, as the page shows it for a moment, gives samples only.
"""

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import msgspec

from orch.bots.correlation.alignment import LEAST_DELAY, MOST_DELAY, NOTHING, Alignment, align
from orch.bots.correlation.caption_words import CaptionChunk, GrowingCaption
from orch.bots.correlation.events import Caption
from orch.bots.correlation.offsets import ClockOffset
from orch.bots.correlation.roster import plain
from orch.bots.correlation.words import LiveWord, Support, Timeline, Unit

EXPECTED_DELAY: Final = 1.5
EXPECTED_SPREAD: Final = 0.8
AROUND: Final = 4.0
"""Seconds around the known delay in which the transcript is looked through."""
MOST_CAPTIONS: Final = 256
"""Beyond, the oldest are forgotten."""
IDLE: Final = 600.0
"""Seconds after which a caption that does not change is forgotten; its next version would be a new one."""


class CaptionMatches:
    """Aligns captions with a timeline. The mutable state is the captions and what their chunks support."""

    def __init__(self, timeline: Timeline) -> None:
        self.delay = ClockOffset(expected=EXPECTED_DELAY, spread=EXPECTED_SPREAD)
        self.newest = -math.inf
        self._timeline = timeline
        self._captions: OrderedDict[str, GrowingCaption] = OrderedDict()
        self._open: dict[str, GrowingCaption] = {}
        self._supported: dict[tuple[str, int], list[LiveWord]] = {}
        self._sampled: dict[tuple[str, int], set[tuple[str, int]]] = {}

    @property
    def is_open(self) -> bool:
        """Whether any caption may still be aligned."""
        return bool(self._open)

    def size(self) -> int:
        """Return how many captions, chunks and supported words are stored."""
        return len(self._captions) + len(self._sampled) + sum(map(len, self._supported.values()))

    def revise(self, version: Caption) -> None:
        """Apply a caption's newest version."""
        self.newest = max(self.newest, version.at)
        caption = self._captions.get(version.caption_id)
        if caption is None:
            caption = self._captions[version.caption_id] = GrowingCaption(version.caption_id)
        caption.revise(version)
        self._captions.move_to_end(version.caption_id)
        self._open[version.caption_id] = caption
        while self._is_one_too_many(version.at):
            oldest_id, oldest = self._captions.popitem(last=False)
            self._open.pop(oldest_id, None)
            self._close(oldest.chunks)

    def _is_one_too_many(self, now: float) -> bool:
        oldest = next(iter(self._captions.values()))
        return len(self._captions) > MOST_CAPTIONS or now - oldest.updated > IDLE

    def expect(self, words: Sequence[LiveWord]) -> None:
        """Align captions again that may have these new words."""
        start = min(word.start for word in words)
        end = max(word.end for word in words)
        for caption in self._open.values():
            for chunk in caption.chunks:
                if chunk.first - MOST_DELAY <= end and chunk.last - LEAST_DELAY >= start:
                    chunk.is_dirty = True

    def advance(self, now: float) -> None:
        """Align what has changed, and close old chunks."""
        for caption_id, caption in list(self._open.items()):
            for chunk in caption.chunks:
                if chunk.is_dirty:
                    self._align(chunk)
            self._close(caption.close(now))
            if not caption.chunks:
                del self._open[caption_id]

    def _align(self, chunk: CaptionChunk) -> None:
        chunk.is_dirty = False
        found = self._found(chunk)
        for word in self._supported.pop(chunk.key, ()):
            word.supports.pop(chunk.key, None)
            word.touch()
        support = Support(chunk.name, chunk.participant_id, found.reliability)
        sampled = self._sampled.setdefault(chunk.key, set())
        for pair in found.pairs:
            word = pair.word
            if plain(chunk.name):
                word.supports[chunk.key] = support
                word.touch()
            if pair.is_telling and (word.segment_id, word.index) not in sampled:
                sampled.add((word.segment_id, word.index))
                self.delay.add(pair.end, pair.arrived - pair.end)
        self._supported[chunk.key] = [pair.word for pair in found.pairs]

    def _found(self, chunk: CaptionChunk) -> Alignment:
        """Align a chunk around the known delay; where that finds nothing, anywhere, as if it were unknown.

        So a delay that has changed is found again: those matches need several telling words, and become the
        newest samples.
        """
        if not chunk.words:
            return NOTHING
        estimate = self.delay.estimate
        if estimate.is_known:
            near = self._between(chunk, estimate.offset - AROUND, estimate.offset + AROUND)
            found = align(chunk.words, near, estimate)
            if found.pairs:
                return found
        unknown = msgspec.structs.replace(estimate, is_known=False)
        return align(chunk.words, self._between(chunk, LEAST_DELAY, MOST_DELAY), unknown)

    def _between(self, chunk: CaptionChunk, least: float, most: float) -> list[Unit]:
        return self._timeline.between(chunk.first - most, chunk.last - least)

    def _close(self, chunks: Sequence[CaptionChunk]) -> None:
        for chunk in chunks:
            self._supported.pop(chunk.key, None)
            self._sampled.pop(chunk.key, None)

"""Words of captions that arrived while a bot was not to listen: they are not in what it stores. Pure.

A page goes on to show captions while the bot is paused, or before it is allowed to capture, and shows those
words together with later ones. So the page is followed all the time, and of each utterance only the words
are used that arrived while the bot listened.
"""

from typing import Final

from msgspec.structs import replace

from orch.bots.caption_blocks import Utterance
from orch.bots.caption_words import split_words

LATE: Final = 1.5
"""Seconds by which captions are taken to be late while that is not known: words that arrive so soon after a
pause were spoken in it."""
MOST: Final = 256
"""Pauses that are known; of more, the oldest two become one, and what was said between them is not used."""


class Pauses:
    """The mutable state is the pauses: from and until when; the last one may still go on."""

    def __init__(self, since: float | None) -> None:
        """``since``: from when on the bot does not listen; None: it listens."""
        self._spans: list[tuple[float, float]] = []
        if since is not None:
            self.begin(since)

    @property
    def is_paused(self) -> bool:
        """Whether the bot does not listen now."""
        return bool(self._spans) and self._spans[-1][1] == float("inf")

    def begin(self, now: float) -> None:
        """Note that the bot does not listen from now on."""
        if not self.is_paused:
            self._spans.append((now, float("inf")))
        if len(self._spans) > MOST:
            self._spans[:2] = [(self._spans[0][0], self._spans[1][1])]

    def end(self, now: float, *, late: float = LATE) -> None:
        """Note that the bot listens from now on; captions are ``late`` seconds late."""
        if self.is_paused:
            self._spans[-1] = (self._spans[-1][0], now + late)

    def heard(self, utterance: Utterance) -> Utterance:
        """Return an utterance without the words of pauses; without any, its text is empty."""
        if not any(map(self._is_in_pause, utterance.words_at)):
            return utterance
        words = split_words(utterance.text)
        if len(words) != len(utterance.words_at):
            return replace(utterance, text="", words_at=())
        kept = [
            (word, at)
            for word, at in zip(words, utterance.words_at, strict=True)
            if not self._is_in_pause(at)
        ]
        return replace(
            utterance,
            text="".join(word for word, _ in kept).strip(),
            words_at=tuple(at for _, at in kept),
            started=kept[0][1] if kept else utterance.started,
        )

    def _is_in_pause(self, at: float) -> bool:
        return any(begin <= at < end for begin, end in self._spans)

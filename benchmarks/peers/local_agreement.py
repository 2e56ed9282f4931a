"""LocalAgreement-2, the published policy of whisper_streaming, written anew in short. Pure.

Macháček, Dabre, Bojar: *Turning Whisper into Real-Time Transcription System* (IJCNLP-AACL 2023, system
demonstrations, arXiv:2307.14743), with the defaults of its program ``whisper_online.py``
(github.com/ufal/whisper_streaming):

- Sound is added to a buffer, a second or more at a time, and the whole buffer is transcribed each time.
- Words on which two successive transcriptions agree, from the first unconfirmed one on, are *confirmed*: they
  are shown and never change. Before, words at the transcription's beginning that end the confirmed text
  (up to 5) are dropped.
- A buffer of more than 15 s is cut at the end of the last of Whisper's segments that lies before the end of
  the confirmed text, the last segment excepted.
- The confirmed text that was cut off, 200 characters of it, is the prompt.
- At the end of the sound the unconfirmed words are shown, too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

RATE: Final = 16_000
CHUNK: Final = 1.0
"""Seconds of sound that are waited for between two transcriptions."""
LONGEST: Final = 15.0
"""Seconds of a buffer above which it is cut."""
PROMPT: Final = 200
"""Characters."""
REPEATED: Final = 5
"""Words at the beginning of a transcription that are compared with the end of the confirmed ones."""
SLACK: Final = 0.1
"""Seconds by which a word may begin before the end of the confirmed ones."""
NEAR: Final = 1.0
"""Seconds from the end of the confirmed ones within which a transcription may begin with some of them."""


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word with the space before it, and its seconds."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A transcription of the buffer: its words, and the ends of Whisper's segments, in its seconds."""

    words: tuple[HeardWord, ...]
    segment_ends: tuple[float, ...]


#: Transcribes samples (full scale 1) after a prompt.
TranscribeBuffer = Callable[[Samples, str], Hypothesis]


class LocalAgreement:
    """Confirms words of one stream. The mutable state is the buffer, its offset, and the words so far."""

    def __init__(self, transcribe: TranscribeBuffer) -> None:
        self._transcribe = transcribe
        self._buffer: Samples = np.zeros(0, dtype=np.float32)
        self._offset = 0.0
        self.confirmed: list[HeardWord] = []
        self._unconfirmed: list[HeardWord] = []

    def add(self, sound: Samples) -> list[HeardWord]:
        """Add sound and transcribe the buffer; return the words that this confirms."""
        self._buffer = np.append(self._buffer, sound)
        found = self._transcribe(self._buffer, self._prompt())
        words = self._new(found.words)
        agreed = 0
        for word, before in zip(words, self._unconfirmed, strict=False):
            if word.text != before.text:
                break
            agreed += 1
        self.confirmed += words[:agreed]
        self._unconfirmed = words[agreed:]
        if len(self._buffer) > LONGEST * RATE:
            self._cut(found.segment_ends)
        return words[:agreed]

    def finish(self) -> list[HeardWord]:
        """Confirm the words that are left, and return them: the sound is over."""
        rest, self._unconfirmed = self._unconfirmed, []
        self.confirmed += rest
        return rest

    def _new(self, words: Sequence[HeardWord]) -> list[HeardWord]:
        """Return the words of a transcription that come after the confirmed ones."""
        until = self.confirmed[-1].end if self.confirmed else 0.0
        placed = [HeardWord(word.start + self._offset, word.end + self._offset, word.text) for word in words]
        new = [word for word in placed if word.start > until - SLACK]
        if not new or abs(new[0].start - until) >= NEAR:
            return new
        # The program forgets the confirmed words that were cut off with their sound.
        known = [word.text for word in self.confirmed if word.end > self._offset]
        for count in range(1, min(len(known), len(new), REPEATED) + 1):
            if known[-count:] == [word.text for word in new[:count]]:
                return new[count:]
        return new

    def _prompt(self) -> str:
        """Return the end of the confirmed text that is not in the buffer any more."""
        taken: list[str] = []
        length = 0
        for word in reversed([word for word in self.confirmed if word.end <= self._offset]):
            if length >= PROMPT:
                break
            taken.append(word.text)
            length += len(word.text) + 1
        return "".join(reversed(taken))

    def _cut(self, segment_ends: Sequence[float]) -> None:
        """Cut the buffer at the end of a segment whose words are confirmed."""
        until = self.confirmed[-1].end if self.confirmed else 0.0
        ends = [end for end in segment_ends[:-1] if end + self._offset <= until]
        if ends:
            self._buffer = self._buffer[int(ends[-1] * RATE) :]
            self._offset += ends[-1]

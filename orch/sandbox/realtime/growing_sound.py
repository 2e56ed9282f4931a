"""Which sound of a growing utterance is transcribed next. Pure.

The engines transcribe whole recordings; vLLM's protocol streams. So a *window*, the end of the sound, is
transcribed again each time it has grown: by :data:`STEP`, and by a third of it, since a long one costs more.
What two of these hypotheses agree on is sent. The window begins later as soon as words in it are settled
(:meth:`GrowingSound.forget`). A window in which nothing settles, or an engine that is slower than the sound
comes, ends it at :data:`LONGEST`: it is cut in its quietest place and the first part transcribed for good.

Which steps there are depends on the sound alone, as long as less than :data:`LONGEST` is stored: not on how
it was divided into messages, and not on the speed of the network. So two clients that send the same sound
are sent the same deltas.
"""

from typing import Final, Literal

from msgspec import Struct

from orch.sandbox.engines.recorded_speech import BYTES_PER_SECOND, SAMPLE_RATE, cut

STEP: Final = 1.0
"""Seconds by which a window grows at least between two hypotheses."""
GROWTH: Final = 1 / 3
"""Of the window, by which it grows at least."""
LONGEST: Final = 15.0
"""Seconds of a window at most."""

Kind = Literal["hypothesis", "piece", "last"]


class Step(Struct, frozen=True):
    """Sound to transcribe, from the window's beginning.

    ``kind``: ``hypothesis`` if more of it follows, ``piece`` if the window begins after it from now on,
    ``last`` if it is the end of the utterance.
    """

    pcm: bytes
    kind: Kind

    @property
    def seconds(self) -> float:
        """The length."""
        return len(self.pcm) / BYTES_PER_SECOND


class GrowingSound:
    """The sound of one utterance.

    The mutable state is the window (16-bit PCM, 16 kHz, mono), how many seconds of it the newest hypothesis
    had, and whether the sound is complete.
    """

    def __init__(self) -> None:
        self._window = bytearray()
        self._position = 0.0
        self.is_complete = False
        self._is_over = False

    @property
    def seconds(self) -> float:
        """The length of the window."""
        return len(self._window) / BYTES_PER_SECOND

    def append(self, pcm: bytes) -> None:
        """Add sound. After :meth:`complete` it is dropped, as vLLM does until ``transcription.done``."""
        if not self.is_complete:
            self._window += pcm

    def complete(self) -> None:
        """Note that the utterance's sound has ended."""
        self.is_complete = True

    def next_step(self) -> Step | None:
        """Return what to transcribe now, or None if there is nothing until more sound arrives.

        After the step ``last`` there is none.
        """
        if self._is_over:
            return None
        limit = int(LONGEST * SAMPLE_RATE) * 2
        if len(self._window) > limit:
            # One sample more than the limit: then there are two pieces, of which the first is used.
            _, end = cut(bytes(self._window[: limit + 2]), longest=LONGEST)[0]
            return self._without(end, "piece")
        until = self._position + max(STEP, self._position * GROWTH)
        if self.seconds >= until:
            self._position = until
            return Step(bytes(self._window[: int(until * SAMPLE_RATE) * 2]), "hypothesis")
        if self.is_complete:
            self._is_over = True
            return self._without(len(self._window), "last")
        return None

    def forget(self, seconds: float) -> None:
        """Let the window begin so much later."""
        self._without(int(seconds * SAMPLE_RATE) * 2, "piece")

    def _without(self, size: int, kind: Kind) -> Step:
        step = Step(bytes(self._window[:size]), kind)
        del self._window[:size]
        self._position = max(0.0, self._position - step.seconds)
        return step

"""Publishes the captions of one stream: revisions, finals, and gaps where there is no text."""

from collections.abc import Callable
from dataclasses import replace

import trio

from orch.audio.resampling import BACK_END_RATE
from orch.problems import ProblemError
from orch.protocol.messages import Transcript
from orch.speech.captions import Origin, Segment, gap, transcript
from orch.speech.output import CaptionOutput
from orch.speech.requests import AUDIO
from orch.speech.results import Transcription
from orch.speech.revisions import is_language_guess, stable_part
from orch.speech.statistics import SpeechCounters


class CaptionPublisher:
    """Makes messages of transcriptions and publishes them. ``origin`` may change: the speaker's name.

    The mutable state is the language last recognised, and how much speech had words and how much was lost.
    """

    def __init__(
        self,
        *,
        origin: Origin,
        output: CaptionOutput,
        wall: Callable[[], float],
        counters: SpeechCounters,
        buffer_seconds: float,
    ) -> None:
        self.origin = origin
        self._output = output
        self._wall = wall
        self._counters = counters
        self._buffer_seconds = buffer_seconds
        self._language: str | None = None
        self.lost_seconds = 0.0
        self.speech_seconds = 0.0

    def with_known_language(self, transcription: Transcription, *, seconds: float) -> Transcription:
        """Replace a language that is a guess by the one recognised before; None if there was none.

        ``seconds``: how much sound was transcribed.
        """
        if not self._is_guess(transcription, seconds):
            self._language = transcription.language or self._language
            return transcription
        doubtful = None if transcription.language_probability is not None else transcription.language
        return replace(transcription, language=self._language or doubtful)

    def send_revision(self, segment: Segment, transcription: Transcription, *, end: int) -> None:
        """Send the text so far, up to sample ``end``, if it differs from what readers see.

        Nothing is sent while the language is a guess: the words would be another language's.
        """
        seconds = (end - segment.start) / BACK_END_RATE
        if self._is_guess(transcription, seconds):
            return
        shown = stable_part(transcription, seconds=seconds)
        if shown.text and shown.text != segment.shown:
            self._output.send(
                transcript(self.origin, segment, shown, end=end, is_final=False, timestamp=self._timestamp())
            )

    async def publish_final(self, segment: Segment, *, is_live: bool) -> Transcript | None:
        """Publish the whole utterance; return it where it has words.

        An utterance without words (noise) is published only to remove what readers see of it. ``is_live``:
        its delay counts in the statistics.
        """
        transcription = segment.transcription
        assert transcription is not None, segment  # noqa: S101 - only what is transcribed is published
        self._counters.doubted(transcription.doubted)
        if not (transcription.text or segment.is_shown):
            return None
        final = transcript(
            self.origin,
            segment,
            transcription,
            end=segment.end,
            is_final=True,
            timestamp=self._timestamp(),
        )
        await self._output.publish(final)
        if not transcription.text:
            return None
        self.speech_seconds += segment.seconds
        now = trio.current_time()
        self._counters.final(now, now - segment.arrived_at if is_live else None)
        return final

    async def publish_gap(self, segment: Segment, error: ProblemError) -> None:
        """Publish that an utterance is not transcribed yet, and why."""
        await self._output.publish(
            gap(self.origin, segment, error, is_final=False, timestamp=self._timestamp())
        )

    async def publish_loss(self, segment: Segment, *, is_late: bool) -> None:
        """Publish that an utterance will not be transcribed. ``is_late``: the buffer ran out."""
        error = segment.error
        if is_late or error is None:
            reason = f" {error.detail}" if error is not None else ""
            error = ProblemError(
                "speech_lost",
                f"{segment.seconds:.1f} s of speech could not be transcribed: {AUDIO} did not do it within "
                f"{self._buffer_seconds:g} s.{reason}",
                service=AUDIO,
            )
        await self._output.publish(
            gap(self.origin, segment, error, is_final=True, timestamp=self._timestamp())
        )
        self.lost_seconds += segment.seconds
        self._counters.lost(trio.current_time(), segment.seconds)

    def _is_guess(self, transcription: Transcription, seconds: float) -> bool:
        return is_language_guess(transcription, asked=self.origin.source_language, seconds=seconds)

    def _timestamp(self) -> int:
        return int(self._wall() * 1000)

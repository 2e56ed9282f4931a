"""Publishes the captions of one stream: revisions, finals, and gaps where there is no text."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import trio

from orch.audio.resampling import BACK_END_RATE
from orch.problems import ProblemError
from orch.protocol.messages import SpeakerIdentified, Transcript
from orch.speech.agreement import final_of, split_at_cut
from orch.speech.captions import Origin, Segment, gap, segment_id, transcript
from orch.speech.output import CaptionOutput
from orch.speech.requests import AUDIO
from orch.speech.results import Transcription
from orch.speech.statistics import SpeechCounters
from orch.speech.stream_language import StreamLanguage
from orch.speech.stream_trace import StreamTrace

SPEAKERS_REMEMBERED: Final = 128
"""Utterances of a stream whose speaker can still be corrected."""


@dataclass(frozen=True, slots=True)
class PublishedFinal:
    """What was published: the final, if it has words, and the first revision of the line that continues it.

    ``carried``: with the words that readers saw after the cut, if there are any.
    """

    final: Transcript | None
    carried: Transcript | None


class CaptionPublisher:
    """Makes messages of transcriptions and publishes them. ``origin`` may change: the speaker's name.

    The mutable state is the stream's language, how much speech had words and how much was lost, and the
    published labels of speakers.
    """

    def __init__(
        self,
        *,
        origin: Origin,
        output: CaptionOutput,
        wall: Callable[[], float],
        counters: SpeechCounters,
        buffer_seconds: float,
        trace: StreamTrace,
    ) -> None:
        self.origin = origin
        self._trace = trace
        self._output = output
        self._wall = wall
        self._counters = counters
        self._buffer_seconds = buffer_seconds
        self._language = StreamLanguage(origin.source_language)
        self._speakers: dict[str, str] = {}
        self.lost_seconds = 0.0
        self.speech_seconds = 0.0

    def language_to_request(self, *, is_revision: bool) -> str:
        """Return the language for the next request: a code, or ``auto``."""
        return self._language.to_request(is_revision=is_revision)

    def with_known_language(
        self, transcription: Transcription, *, requested: str, seconds: float
    ) -> tuple[Transcription, bool]:
        """Replace a language that is a guess by the stream's; return also whether it was none.

        ``requested``: the language that was requested; ``seconds``: how much sound was transcribed.
        """
        language = self._language
        is_sure = language.is_sure(transcription, requested=requested, seconds=seconds)
        self._language = language.recognised(
            transcription, requested=requested, seconds=seconds, is_final=False
        )
        return language.corrected(transcription, requested=requested, seconds=seconds), is_sure

    def segment_id(self, segment: Segment) -> str:
        """Return the name of an utterance in messages."""
        return segment_id(self.origin, segment.number)

    def send_revision(self, segment: Segment, transcription: Transcription, *, end: int) -> Transcript | None:
        """Send the text so far, up to sample ``end``, and return it, if it differs from what readers see."""
        seconds = (end - segment.start) / BACK_END_RATE
        segment.agreement = segment.agreement.revised(transcription, seconds=seconds)
        return self._send_agreed(segment, transcription, end=end)

    def _send_agreed(self, segment: Segment, transcription: Transcription, *, end: int) -> Transcript | None:
        agreement = segment.agreement
        text, settled = agreement.text, len(agreement.settled)
        if not text or (text, settled) == (segment.shown, segment.shown_settled):
            return None
        revision = transcript(
            self.origin,
            segment,
            replace(transcription, text=text, words=agreement.words),
            end=end,
            is_final=False,
            settled=settled,
            timestamp=self._timestamp(),
        )
        self._output.send(revision)
        return revision

    async def publish_final(
        self, segment: Segment, following: Segment | None, *, is_live: bool
    ) -> PublishedFinal:
        """Publish the whole utterance.

        An utterance without words (noise) is published only to remove what readers see of it. ``following``:
        the utterance that continues one that was cut, which then gets the words after the cut. ``is_live``:
        its delay counts in the statistics.
        """
        assert segment.transcription is not None, segment  # noqa: S101 - only what is transcribed is published
        self._divide(segment, following)
        transcription, corrects = self._final_of(segment, segment.transcription)
        self._counters.doubted(transcription.doubted)
        self._counters.engine.recognised(transcription)
        self._language = self._language.recognised(
            transcription,
            requested=self.language_to_request(is_revision=False),
            seconds=segment.seconds,
            is_final=True,
        )
        if not (transcription.text or segment.is_shown):
            return PublishedFinal(None, self._send_carried(following))
        final = transcript(
            self.origin,
            segment,
            transcription,
            end=segment.end,
            is_final=True,
            timestamp=self._timestamp(),
            corrects=corrects,
        )
        with self._trace.publishing(segment.number):
            await self._output.publish(final)
        carried = self._send_carried(following)
        await self._publish_speakers(final, transcription)
        if not transcription.text:
            return PublishedFinal(None, carried)
        self.speech_seconds += segment.seconds
        now = trio.current_time()
        latency = now - segment.arrived_at if is_live else None
        self._counters.final(now, latency, self._trace.id_of(segment.number))
        return PublishedFinal(final, carried)

    async def _publish_speakers(self, final: Transcript, transcription: Transcription) -> None:
        """Publish which earlier utterances of this stream have another speaker than their lines say."""
        if transcription.speaker is not None:
            self._speakers[final.segment_id] = transcription.speaker
            if len(self._speakers) > SPEAKERS_REMEMBERED:
                del self._speakers[next(iter(self._speakers))]
        for segment, label in transcription.speaker_corrections:
            if self._speakers.get(segment, label) == label:
                continue
            self._speakers[segment] = label
            await self._output.publish(
                SpeakerIdentified(
                    timestamp=self._timestamp(),
                    session_id=self.origin.session_id,
                    segment_id=segment,
                    speaker_label=label,
                )
            )

    async def publish_gap(self, segment: Segment, following: Segment | None, error: ProblemError) -> None:
        """Publish that an utterance is not transcribed yet, and why."""
        self._divide(segment, following)
        await self._output.publish(
            gap(self.origin, segment, error, is_final=False, timestamp=self._timestamp())
        )
        self._send_carried(following)

    async def publish_loss(self, segment: Segment, following: Segment | None, *, is_late: bool) -> None:
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
        self._divide(segment, following)
        await self._output.publish(
            gap(self.origin, segment, error, is_final=True, timestamp=self._timestamp())
        )
        self._send_carried(following)
        self.lost_seconds += segment.seconds
        self._counters.lost(trio.current_time(), segment.seconds)

    def _final_of(self, segment: Segment, transcription: Transcription) -> tuple[Transcription, bool]:
        """Return the final's transcription with settled words kept, and whether it changes any."""
        final = final_of(segment.agreement, transcription, seconds=segment.seconds)
        return final.transcription, final.corrects

    def _divide(self, segment: Segment, following: Segment | None) -> None:
        """Give the words that readers see after a cut to the utterance that continues; once."""
        if following is None or segment.is_carried:
            return
        segment.is_carried = True
        segment.agreement, following.agreement = split_at_cut(
            segment.agreement, segment.transcription, at=segment.seconds
        )

    def _send_carried(self, following: Segment | None) -> Transcript | None:
        """Send the words that an utterance has from the one before the cut, unless its own are due now.

        Return the revision with them, if one was sent.
        """
        if following is None or following.revision or following.transcription is not None:
            return None
        agreement = following.agreement
        end = following.start + round(agreement.seconds * BACK_END_RATE)
        return self._send_agreed(following, Transcription(text="", language=agreement.language), end=end)

    def _timestamp(self) -> int:
        return int(self._wall() * 1000)

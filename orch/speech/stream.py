"""One speaker's sound, on its way to captions.

``feed`` only queues. ``run`` processes the queue in one task (resampler, segmenter), whose events go into the
backlog, and in another does what the backlog decides: one request at a time, finals published in the order
they were spoken.

Where the time goes between the last word and its caption: the segmenter waits 100 ms, then the utterance as
it will be is transcribed (Pause). While the engine works, the rest of the hangover passes; at its end no
further request is needed: the response, there already or still to come, is the final.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Never

import trio

from orch.audio.resampling import BACK_END_RATE
from orch.audio.segmenter import Event, Pause, Resumed, SpeechStarted, Utterance
from orch.problems import ProblemError
from orch.protocol.messages import AudioStatus
from orch.settings import Speech as SpeechSettings
from orch.speech.backends import AUDIO, TRANSLATION, is_transient, is_unanswered
from orch.speech.backlog import (
    Backlog,
    Finished,
    GiveUp,
    MarkGap,
    Publish,
    Speculation,
    Transcribe,
    Wait,
)
from orch.speech.caption_publisher import CaptionPublisher
from orch.speech.captions import Origin, Segment
from orch.speech.output import CaptionOutput
from orch.speech.request_queue import QueuedRequest, Requester, RequestQueue
from orch.speech.results import Transcription
from orch.speech.sound_queue import Gap, SoundEnded, SoundQueue
from orch.speech.statistics import SpeechCounters
from orch.speech.status import StatusPublisher
from orch.speech.transcriber import Transcriber
from orch.speech.translations import Translations
from orch.speech.translator import Translator

PACED_STEP: Final = 0.2  # s of a recording queued at a time
PACED_WAITING: Final = 2  # utterances: one being transcribed, and the next, so that the engine never idles


@dataclass(slots=True)
class _Request:
    """The request under way: the utterance, and up to which sample."""

    number: int
    end: int
    scope: trio.CancelScope
    queued: QueuedRequest


class SpeechStream:
    """Accepts one speaker's sound until ``end``; ``run`` publishes its captions.

    Resource handling: ``run`` is called once; when it ends, for whatever reason, nothing is left open.

    Error handling: what back ends do wrong becomes marked gaps. What ``publish`` raises leaves ``run`` (in
    an exception group, as nurseries raise it).

    Bounded: :data:`~orch.speech.sound_queue.QUEUED` seconds of unprocessed sound (then ``feed`` processes the
    oldest itself), ``buffer_seconds`` of speech that waits (then the oldest is given up and marked as lost),
    the utterance that is being spoken, and the translations' own bound.
    """

    def __init__(
        self,
        *,
        origin: Origin,
        sample_rate: int,
        settings: SpeechSettings,
        transcriber: Transcriber,
        translator: Translator,
        output: CaptionOutput,
        wall: Callable[[], float],
        counters: SpeechCounters,
        queue: RequestQueue,
        requester: Requester,
    ) -> None:
        self._sample_rate = sample_rate
        self._settings = settings
        self._transcriber = transcriber
        self._counters = counters
        self._request_queue = queue
        self._requester = requester
        self._sound = SoundQueue(
            sample_rate=sample_rate, vad=settings.vad, max_utterance=settings.max_utterance
        )
        self._backlog = Backlog(
            revision_interval=settings.revision_interval, buffer_seconds=settings.buffer_seconds
        )
        self._captions = CaptionPublisher(
            origin=origin,
            output=output,
            wall=wall,
            counters=counters,
            buffer_seconds=settings.buffer_seconds,
        )
        self._translations = Translations(
            translator=translator,
            output=output,
            wall=wall,
            buffer_seconds=settings.buffer_seconds,
            changed=self._wake,
        )
        # The mutable state: utterances that are not published yet, by number; the one that is being spoken;
        # the request under way; and events that are set when something has changed.
        self._segments: dict[int, Segment] = {}
        self._spoken: Segment | None = None
        self._count = 0
        self._revised_at = -1  # the sample up to which sound was processed at the last revision
        self._request: _Request | None = None
        self._arrived = trio.Event()
        self._woken = trio.Event()
        self._room = trio.Event()
        self._status = StatusPublisher(self._status_now, output=output, wall=wall)
        self._has_ended = False
        self._is_over = False

    def __repr__(self) -> str:
        return f"<SpeechStream {self.stream_id} {self.seconds:.1f} s {self._backlog!r}>"

    @property
    def stream_id(self) -> str:
        """What every ``segment_id`` begins with."""
        return self._captions.origin.stream_id

    @property
    def seconds(self) -> float:
        """How much sound was processed."""
        return self._sound.position / BACK_END_RATE

    @property
    def received_seconds(self) -> float:
        """How much has arrived, at the stream's own rate: exact to the sample."""
        return self._sound.received_seconds

    @property
    def queued_seconds(self) -> float:
        """How much sound has arrived and is not processed yet."""
        return self._sound.queued_seconds

    @property
    def is_speaking(self) -> bool:
        """Whether an utterance is being spoken."""
        return self._sound.is_speaking

    @property
    def settled_seconds(self) -> float:
        """Where the first utterance begins that is not published yet, nor given up."""
        first = next(iter(self._segments.values()), None)
        settled = self._sound.settled if first is None else first.start
        return min(settled / BACK_END_RATE, self.received_seconds)

    @property
    def waiting_seconds(self) -> float:
        """How much speech has ended and is not transcribed yet."""
        return self._backlog.waiting_seconds

    @property
    def waits_since(self) -> float | None:
        """When the last speech of the oldest waiting utterance arrived; None where nothing live waits."""
        oldest = self._backlog.oldest if self._backlog.revises else None
        return None if oldest is None else self._segments[oldest].arrived_at

    @property
    def revisions(self) -> int:
        """How many revisions were requested."""
        return self._backlog.revisions

    @property
    def revisions_dropped(self) -> int:
        """How many revisions were due and not requested, or cancelled."""
        return self._backlog.revisions_dropped

    @property
    def lost_seconds(self) -> float:
        """How much speech was given up."""
        return self._captions.lost_seconds

    @property
    def speech_seconds(self) -> float:
        """How much speech had words."""
        return self._captions.speech_seconds

    # Sound comes in.

    def feed(self, pcm: bytes) -> None:
        """Queue samples: 16-bit little-endian mono at the stream's rate. Never waits.

        Overflow rule: where the queue is full, the oldest sound is processed here, before the sender can
        send more; nothing is dropped.

        ProblemError: ``odd_byte_count``; ``audio_not_started`` after ``end``. Neither changes anything.
        """
        if self._has_ended:
            raise ProblemError(
                "audio_not_started", "This stream has ended. Send audio_start to begin another."
            )
        if len(pcm) % 2:
            raise ProblemError(
                "odd_byte_count", f"Audio is 16-bit: {len(pcm)} bytes are not a whole number of samples."
            )
        self._sound.add(pcm, trio.current_time())
        self._sound_added()

    def skip(self, seconds: float, error: ProblemError) -> None:
        """Count speech that did not arrive and never will: it becomes a gap with ``error``, in its place."""
        if self._has_ended or seconds <= 0:
            return
        self._sound.add_gap(seconds, error, trio.current_time())
        self._sound_added()

    def rename(self, speaker: str | None) -> None:
        """Change the speaker's name in what is published from now on."""
        self._captions.origin = replace(self._captions.origin, speaker=speaker)

    def acknowledge(self) -> None:
        """Send the speaker how much has arrived, now."""
        self._status.acknowledge()

    def shed(self, seconds: float) -> None:
        """Give up that much of what waits, the oldest first."""
        self._drop_audio(self._backlog.overflow(max(0.0, self.waiting_seconds - seconds)))
        self._wake()

    async def feed_paced(self, pcm: bytes) -> None:
        """Queue samples of a recording, no faster than they are transcribed: two utterances wait at most.

        From the first call on the stream has no revisions: they would be of the past at once.
        BrokenResourceError: ``run`` has ended.
        """
        self._backlog.revises = False
        step = round(PACED_STEP * self._sample_rate) * 2
        for begin in range(0, max(1, len(pcm)), step):
            while not self._is_over and self._is_full():
                self._room = trio.Event()
                await self._room.wait()
            if self._is_over:
                raise trio.BrokenResourceError("the stream is not transcribed any more")
            self.feed(pcm[begin : begin + step])
            await trio.lowlevel.checkpoint()

    def end(self) -> None:
        """Accept no more sound; ``run`` ends once all of it is transcribed or given up."""
        if self._has_ended:
            return
        self._has_ended = True
        self._sound.add_end(trio.current_time())
        self._sound_added()

    def release(self) -> float:
        """End the stream before the utterance that is being spoken; return the seconds that it then has.

        The rest is for another stream, to which the speaker sends it again. What readers see of it here is
        removed. What is queued is processed first: it may hold the end of an utterance, or a gap.
        """
        if self._has_ended:
            return self.received_seconds
        self._has_ended = True
        while self._sound:
            self._process_next()
        spoken = self._spoken
        at = self._sound.drop_current()
        if spoken is not None:
            self._spoken = None
            spoken.end, spoken.transcription = at, Transcription(text="")
            spoken.speculated = spoken.pause = None
            now = trio.current_time()
            self._cancel_request_at(
                self._backlog.ended(spoken.number, seconds=0.0, now=now, speculation="done")
            )
        self._backlog.stream_ended()
        self._wake()
        return self.received_seconds

    def _is_full(self) -> bool:
        """Whether a recording must wait before more of it is queued."""
        return bool(self._sound) or self._backlog.waiting >= PACED_WAITING or self._translations.is_crowded

    def _sound_added(self) -> None:
        while self._sound.is_full:
            self._process_next()
        self._arrived.set()

    # Sound is processed.

    async def _process_sound(self) -> Never:
        """Process what is queued as soon as it is there; other tasks run between two blocks."""
        while True:
            await self._arrived.wait()
            self._arrived = trio.Event()
            while self._sound:
                self._process_next()
                if self._sound:
                    await trio.lowlevel.checkpoint()

    def _process_next(self) -> None:
        now = trio.current_time()
        self._backlog.flows(now)
        for event in self._sound.process_next():
            self._apply(event, now)
        self._wake()

    def _apply(self, event: Event | Gap | SoundEnded, now: float) -> None:
        """Enter an event of the sound into the backlog."""
        match event:
            case SpeechStarted():
                self._spoken = self._new_segment(event.start)
                self._backlog.started(self._count, now)
            case Gap():
                self._new_segment(event.start, end=event.end, error=event.error)
                self._backlog.gone(self._count, now)
            case SoundEnded():
                self._backlog.stream_ended()
            case Pause() if self._spoken is not None:
                self._spoken.pause = (event.end, event.pcm)
                self._cancel_request_at(self._backlog.paused(self._spoken.number, now))
            case Resumed() if self._spoken is not None:
                self._spoken.pause = None
                self._backlog.resumed(now)
                self._keep_request()
            case Utterance() if self._spoken is not None:
                spoken, self._spoken = self._spoken, None
                self._complete(spoken, event, now)

    def _new_segment(self, start: int, *, end: int = 0, error: ProblemError | None = None) -> Segment:
        self._count += 1
        segment = self._segments[self._count] = Segment(number=self._count, start=start, end=end, error=error)
        return segment

    def _complete(self, segment: Segment, utterance: Utterance, now: float) -> None:
        segment.end = utterance.end
        segment.pcm = utterance.pcm
        segment.is_cut = utterance.cut
        segment.arrived_at = self._sound.arrived_at(utterance.speech_end)
        request = self._request
        speculation: Speculation = "none"
        if segment.speculated is not None and segment.speculated[0] == segment.end:
            segment.transcription = segment.speculated[1]
            speculation = "done"
        elif (
            request is not None
            and not request.scope.cancel_called
            and (request.number, request.end) == (segment.number, segment.end)
        ):
            speculation = "under way"
            self._request_queue.promote(request.queued)
        segment.speculated = segment.pause = None
        self._cancel_request_at(
            self._backlog.ended(segment.number, seconds=segment.seconds, now=now, speculation=speculation)
        )
        self._drop_audio(self._backlog.overflow())
        self._counters.utterance(trio.current_time())
        self._counters.limit_waiting(self._settings.max_waiting_seconds)

    def _drop_audio(self, numbers: list[int]) -> None:
        """Free the audio of utterances that are given up."""
        for number in numbers:
            self._segments[number].pcm = b""

    def _cancel_request_at(self, at: float | None) -> None:
        """Cancel the request under way at that time (None: not at all), if it takes so long."""
        if self._request is not None and at is not None:
            self._request.scope.deadline = at

    def _keep_request(self) -> None:
        """Let the request under way take its time after all, unless it is cancelled already."""
        if self._request is not None:
            self._request.scope.deadline = math.inf

    def _wake(self) -> None:
        self._woken.set()
        self._status.touch()
        if not self._is_full():
            self._room.set()

    # Captions go out.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Transcribe the stream until it has ended and nothing waits."""
        with self._counters.open(self):
            try:
                task_status.started()
                async with trio.open_nursery() as background:
                    background.start_soon(self._status.run)
                    background.start_soon(self._process_sound)
                    async with trio.open_nursery() as nursery:
                        await self._transcribe_all(nursery)
                    background.cancel_scope.cancel()
                self._status.publish_change()
            finally:
                self._has_ended = self._is_over = True
                self._sound.clear()
                self._room.set()

    async def _transcribe_all(self, nursery: trio.Nursery) -> None:
        while True:
            decision = self._backlog.next(trio.current_time())
            match decision:
                case Finished():
                    return
                case Wait():
                    self._woken = trio.Event()
                    with trio.move_on_at(math.inf if decision.until is None else decision.until):
                        await self._woken.wait()
                case Transcribe():
                    if decision.kind == "revision" and self._sound.position == self._revised_at:
                        self._backlog.stalled()
                        continue
                    await self._transcribe(decision)
                case Publish():
                    await self._publish_final(decision.number, nursery)
                case MarkGap():
                    segment = self._segments[decision.number]
                    await self._captions.publish_gap(segment, segment.error or self._latest_error())
                    self._backlog.marked(decision.number)
                case GiveUp():
                    segment = self._segments[decision.number]
                    await self._captions.publish_loss(segment, is_late=decision.reason == "late")
                    self._backlog.given_up(decision.number)
                    self._forget(decision.number)
            self._status.touch()

    async def _transcribe(self, decision: Transcribe) -> None:
        """Send one request to the back end and note its outcome."""
        segment = self._segments[decision.number]
        end, pcm = self._extent(decision, segment)
        transcription: Transcription | None = None
        error: ProblemError | None = None
        self._backlog.request_queued(decision, trio.current_time(), seconds=len(pcm) / 2 / BACK_END_RATE)
        if decision.kind == "revision":
            self._revised_at = self._sound.position
        queued = QueuedRequest(self._requester, is_final=decision.kind == "final")
        with trio.CancelScope() as scope:
            self._request = _Request(decision.number, end, scope, queued)
            try:
                async with self._request_queue.slot(queued):
                    self._backlog.request_sent(trio.current_time())
                    transcription = await self._transcriber.transcribe(
                        pcm,
                        sample_rate=BACK_END_RATE,
                        language=self._captions.origin.source_language,
                        session_id=self._captions.origin.session_id,
                    )
            except ProblemError as caught:
                error = caught
            finally:
                self._request = None
        now = trio.current_time()
        if transcription is not None:
            transcription = self._captions.with_known_language(
                transcription, seconds=len(pcm) / 2 / BACK_END_RATE
            )
            under_way = self._backlog.under_way
            self._backlog.succeeded(now)
            if under_way is not None and under_way.kind == "final":
                segment.transcription = transcription
            elif not scope.cancel_called:
                segment.speculated = (end, transcription)
                self._captions.send_revision(segment, transcription, end=end)
        elif error is None or scope.cancel_called:
            self._backlog.cancelled(now)
        else:
            segment.error = error
            if is_transient(error):
                self._backlog.failed(now, unanswered=is_unanswered(error))
            else:
                self._backlog.refused(now)

    def _extent(self, decision: Transcribe, segment: Segment) -> tuple[int, bytes]:
        """Return what to send: the sample it ends at, and the audio."""
        if decision.kind == "final":
            return segment.end, segment.pcm
        if decision.kind == "speculation" and segment.pause is not None:
            return segment.pause
        growing = self._sound.growing()
        assert growing is not None, self  # noqa: S101 - the backlog requests revisions while someone speaks
        return growing[1], growing[2]

    async def _publish_final(self, number: int, nursery: trio.Nursery) -> None:
        segment = self._segments[number]
        is_live = self._backlog.revises and not segment.is_cut
        final = await self._captions.publish_final(segment, is_live=is_live)
        if final is not None:
            self._translations.start(nursery, final)
        self._backlog.published(number)
        self._forget(number)

    def _latest_error(self) -> ProblemError:
        """Return the error that put the back end on hold: that of the oldest utterance that has one."""
        for segment in self._segments.values():
            if segment.error is not None:
                return segment.error
        return ProblemError("service_unavailable", f"{AUDIO} is not answering.", service=AUDIO)

    def _forget(self, number: int) -> None:
        del self._segments[number]
        self._wake()

    def _status_now(self) -> AudioStatus:
        if self._backlog.is_failing:
            waiting_for = AUDIO
        elif self._translations.is_failing:
            waiting_for = TRANSLATION
        else:
            waiting_for = None
        return AudioStatus(
            timestamp=0,
            session_id=self._captions.origin.session_id,
            stream_id=self.stream_id,
            waiting_seconds=round(self.waiting_seconds, 1),
            revisions_dropped=self.revisions_dropped,
            speaking=self.is_speaking,
            waiting_for=waiting_for,
            received_seconds=round(self.received_seconds, 6),
            settled_seconds=round(self.settled_seconds, 6),
        )

"""Transcribes one speaker's audio into captions.

``feed`` only queues. ``run`` processes the queue in one task (resampler, segmenter), whose events go into the
backlog, and in another does what the backlog decides: one request at a time, finals published in the order
they were spoken.

Where the time goes between the last word and its caption: the segmenter waits 100 ms, then the utterance as
it will be is transcribed (Pause). While the engine works, the rest of the hangover passes; at its end no
further request is needed: the response, there already or still to come, is the final.
"""

import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Final, Literal, Never

import trio
from msgspec import UNSET, UnsetType

from orch.audio.live_pipeline import PATIENCE
from orch.audio.pipeline_choice import for_speech
from orch.audio.pipeline_settings import PipelineSettings
from orch.audio.resampling import BACK_END_RATE
from orch.audio.segmenter import Utterance
from orch.audio.voice_activity import VoiceActivity
from orch.problems import ProblemError
from orch.protocol.messages import AudioStatus
from orch.settings import Speech as SpeechSettings
from orch.speech.backlog import Finished, GiveUp, MarkGap, Publish, Transcribe, Wait
from orch.speech.caption_publisher import CaptionPublisher
from orch.speech.captions import Origin, segment_id
from orch.speech.dialects.live import Sound
from orch.speech.growing_translations import GrowingTranslations
from orch.speech.live_transcriber import LiveRequest
from orch.speech.output import CaptionOutput
from orch.speech.request_queue import QueuedRequest, Requester, RequestQueue
from orch.speech.requests import AUDIO, TRANSLATION
from orch.speech.results import Transcription
from orch.speech.session_budgets import Usage
from orch.speech.sound_queue import SoundQueue
from orch.speech.statistics import SpeechCounters
from orch.speech.status import StatusPublisher
from orch.speech.stream_sound import Pipelines, StreamSound
from orch.speech.stream_trace import StreamTrace
from orch.speech.transcriber import Transcriber
from orch.speech.translation_counters import TranslationCounters
from orch.speech.translations import Translations
from orch.speech.translator import Translator
from orch.speech.utterances import (
    CancelRequest,
    KeepRequest,
    PromoteRequest,
    TranscriptionRequest,
    Utterances,
)

RECORDING_PATIENCE: Final = 20.0  # s for its pipeline: nobody waits for its words
PACED_STEP: Final = 0.2  # s of a recording queued at a time
PACED_WAITING: Final = 2  # utterances: one being transcribed, and the next, so that the engine never idles


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """The request in progress: its cancel scope, and its place in the queue."""

    scope: trio.CancelScope
    queued: QueuedRequest


class SpeechStream:
    """Accepts one speaker's sound until ``end``; ``run`` publishes its captions.

    Resource handling: ``run`` is called once; when it ends, for whatever reason, nothing is left open. From
    its beginning to its end it holds what ``voice_activity`` yields, which decides what is speech (None: the
    distance from the noise does). Sound is queued while ``run`` waits for it.

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
        translation_counters: TranslationCounters,
        queue: RequestQueue,
        requester: Requester,
        shortest_interval: float,
        may_translate_growing: Callable[[], bool] = lambda: False,
        growing_usage: Callable[[], Usage | None] = lambda: None,
        voice_activity: Callable[[], AbstractAsyncContextManager[VoiceActivity | None]] = nullcontext,
        pipelines: Pipelines | None = None,
        trace: StreamTrace | None = None,
    ) -> None:
        self._trace = trace or StreamTrace(origin)
        self._sample_rate = sample_rate
        self._settings = settings
        self._identifies_speakers = settings.diarization and origin.diarization
        self._transcriber = transcriber
        self._live = transcriber.live(origin.source_language, diarizes=self._identifies_speakers)
        self._counters = counters
        self._request_queue = queue
        self._requester = requester
        self._voice_activity = voice_activity
        self._sound = SoundQueue(
            sample_rate=sample_rate,
            vad=settings.vad,
            max_utterance=settings.max_utterance,
        )
        self._processing = StreamSound(
            self._sound,
            pipelines=pipelines,
            changed=self._sound_moved,
            patience=RECORDING_PATIENCE if origin.is_recording else PATIENCE,
        )
        self._utterances = Utterances(
            self._sound,
            revision_interval=settings.revision_interval,
            shortest_interval=shortest_interval,
            buffer_seconds=settings.buffer_seconds,
        )
        self._output = output
        self._captions = CaptionPublisher(
            origin=origin,
            output=output,
            wall=wall,
            counters=counters,
            buffer_seconds=settings.buffer_seconds,
            trace=self._trace,
        )
        self._translations = Translations(
            translator=translator,
            output=output,
            wall=wall,
            buffer_seconds=settings.buffer_seconds,
            changed=self._wake,
            counters=translation_counters,
            tracer=self._trace.tracer,
        )
        self._growing = GrowingTranslations(
            translator=translator,
            output=output,
            wall=wall,
            is_wanted=self._translations.is_wanted,
            may_send=lambda: not self._translations.is_failing and may_translate_growing(),
            usage=growing_usage,
            tracer=self._trace.tracer,
        )
        # The mutable state, besides that of the parts above: the request under way, and events that are set
        # when something has changed.
        self._under_way: _UnderWay | None = None
        self._arrived = trio.Event()
        self._woken = trio.Event()
        self._room = trio.Event()
        self._status = StatusPublisher(self._status_now, output=output, wall=wall)
        self._has_ended = False
        self._is_over = False

    def __repr__(self) -> str:
        return f"<SpeechStream {self.stream_id} {self.seconds:.1f} s {self._utterances!r}>"

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
        return self._sound.queued_seconds + self._processing.owed_seconds

    @property
    def is_crowded(self) -> bool:
        """Whether more sound waits for a pipeline than should: its sender should wait a moment."""
        return self._sound.is_full

    @property
    def is_speaking(self) -> bool:
        """Whether an utterance is being spoken."""
        return self._sound.is_speaking

    @property
    def settled_seconds(self) -> float:
        """Where the first utterance begins that is not published yet, nor given up."""
        return min(self._utterances.settled / BACK_END_RATE, self.received_seconds)

    @property
    def waiting_seconds(self) -> float:
        """How much speech has ended and is not transcribed yet."""
        return self._utterances.waiting_seconds

    @property
    def waits_since(self) -> float | None:
        """When the last speech of the oldest waiting utterance arrived; None where nothing live waits."""
        return self._utterances.waits_since

    @property
    def revisions(self) -> int:
        """How many revisions were requested."""
        return self._utterances.revisions

    @property
    def revisions_dropped(self) -> int:
        """How many revisions were due and not requested, or cancelled."""
        return self._utterances.revisions_dropped

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
        """Queue samples, 16-bit little-endian mono at the stream's rate, without waiting.

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
        """Insert a gap with ``error`` for speech that was lost on its way."""
        if self._has_ended or seconds <= 0:
            return
        self._sound.add_gap(seconds, error, trio.current_time())
        self._sound_added()

    def process_with(self, pipeline: PipelineSettings | None) -> None:
        """Let the sound that is not processed yet pass through a pipeline, or through none.

        Also while somebody speaks, without a click. Its stages ``silence`` and ``resample`` are left out: see
        :func:`~orch.audio.pipeline_choice.for_speech`.
        """
        self._processing.want(None if pipeline is None else for_speech(pipeline))

    def rename(self, speaker: str | None) -> None:
        """Change the speaker's name in what is published from now on."""
        self._captions.origin = replace(self._captions.origin, speaker=speaker)

    def acknowledge(self) -> None:
        """Send the speaker how much has arrived, now."""
        self._status.acknowledge()

    def shed(self, seconds: float) -> None:
        """Give up ``seconds`` of waiting speech, the oldest first."""
        self._utterances.shed(seconds)
        self._wake()

    async def feed_paced(self, pcm: bytes) -> None:
        """Queue samples of a recording, no faster than they are transcribed: two utterances wait at most.

        From the first call on the stream has no revisions: they would be of the past at once.
        BrokenResourceError: ``run`` has ended.
        """
        self._utterances.revises = False
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
        self._processing.bypass(None, trio.current_time())
        while self._process_next():
            pass
        self._change_request(self._utterances.release(trio.current_time()))
        self._wake()
        return self.received_seconds

    def _is_full(self) -> bool:
        """Whether a recording must wait before more of it is queued."""
        return bool(self._sound) or self._utterances.waiting >= PACED_WAITING or self._translations.is_crowded

    def _sound_added(self) -> None:
        while self._sound.is_full and self._process_next():
            pass
        if self._processing.has_overflowed:
            self._processing.bypass("It is too slow.", trio.current_time(), was_late=True)
        self._arrived.set()

    def _sound_moved(self) -> None:
        self._arrived.set()

    # Sound is processed.

    async def _process_sound(self) -> Never:
        """Process what is queued as soon as it is there; other tasks run between two blocks."""
        while True:
            due = self._processing.due
            with trio.move_on_at(math.inf if due is None else due):
                await self._arrived.wait()
            self._arrived = trio.Event()
            while self._process_next():
                await trio.lowlevel.checkpoint()

    def _process_next(self) -> bool:
        """Process the oldest block, or move it to the pipeline; False: there is nothing to do now."""
        now = trio.current_time()
        events = self._processing.step(now)
        if events is None:
            return False
        self._utterances.sound_arrived(now)
        for event in events:
            is_end = isinstance(event, Utterance)
            under_way = self._under_way
            # Reading it cancels a scope that is due, so only here: a pause may be resumed in the same block.
            is_cancelled = is_end and under_way is not None and under_way.scope.cancel_called
            self._change_request(self._utterances.apply(event, now, is_cancelled=is_cancelled))
            self._trace.heard(event, self._utterances.latest, self._sound)
            if is_end:
                self._counters.utterance(trio.current_time())
                self._counters.limit_waiting(self._settings.max_waiting_seconds)
        self._wake()
        return True

    def _change_request(self, change: CancelRequest | KeepRequest | PromoteRequest | None) -> None:
        if self._under_way is None:
            return
        match change:
            case CancelRequest():
                self._under_way.scope.deadline = change.at
            case KeepRequest():
                self._under_way.scope.deadline = math.inf  # one that is cancelled already stays so
            case PromoteRequest():
                self._request_queue.promote(self._under_way.queued)

    def _wake(self) -> None:
        self._woken.set()
        self._status.touch()
        if not self._is_full():
            self._room.set()

    # Captions go out.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Transcribe the stream until it has ended and nothing waits."""
        with self._counters.open(self), self._trace.open(self._sound):
            try:
                task_status.started()
                async with self._voice_activity() as activity, trio.open_nursery() as background:
                    if activity is not None:
                        self._sound.segment_with(activity)
                    background.start_soon(self._status.run)
                    background.start_soon(self._process_sound)
                    await background.start(self._live.run)
                    async with trio.open_nursery() as nursery:
                        await self._transcribe_all(nursery)
                        self._growing.close()
                    background.cancel_scope.cancel()
                self._status.publish_change()
            finally:
                self._has_ended = self._is_over = True
                self._processing.clear()
                self._room.set()

    async def _transcribe_all(self, nursery: trio.Nursery) -> None:
        while True:
            decision = self._utterances.next(trio.current_time())
            match decision:
                case Finished():
                    return
                case Wait():
                    self._woken = trio.Event()
                    with trio.move_on_at(math.inf if decision.until is None else decision.until):
                        await self._woken.wait()
                case Transcribe():
                    await self._transcribe(decision, nursery)
                case Publish():
                    await self._publish_final(decision.number, nursery)
                case MarkGap():
                    segment = self._utterances[decision.number]
                    following = self._utterances.following(decision.number)
                    error = segment.error or self._utterances.latest_error
                    await self._captions.publish_gap(segment, following, error)
                    self._utterances.marked(decision.number)
                case GiveUp():
                    segment = self._utterances[decision.number]
                    following = self._utterances.following(decision.number)
                    self._growing.finish(self._captions.segment_id(segment))
                    await self._captions.publish_loss(segment, following, is_late=decision.reason == "late")
                    self._utterances.given_up(decision.number)
                    self._trace.finish(decision.number, "lost")
                    self._wake()
            self._status.touch()

    async def _transcribe(self, decision: Transcribe, nursery: trio.Nursery) -> None:
        """Send one request to the back end and note its outcome."""
        is_live = self._is_live()
        request = self._utterances.request_queued(decision, trio.current_time(), is_live=is_live)
        transcription: Transcription | None = None
        error: ProblemError | None = None
        queued = QueuedRequest(
            self._requester,
            is_final=request.is_final,
            is_recording=self._captions.origin.is_recording,
        )
        language = self._captions.language_to_request(is_revision=request.is_revision)
        with trio.CancelScope() as scope, self._trace.request(request, language) as span:
            self._under_way = _UnderWay(scope, queued)
            try:
                async with self._request_queue.slot(queued):
                    sent_at = trio.current_time()
                    self._utterances.request_sent(sent_at)
                    if span is not None:
                        span.event("sent")
                    parent = self._trace.parent_of(request.number) if span is None else span.traceparent
                    transcription = await self._request(request, language, parent)
                    if not (request.is_revision or request.is_live):  # of a socket, sound is sent as it comes
                        took = trio.current_time() - sent_at
                        self._counters.engine.responded(audio=request.seconds, took=took)
            except ProblemError as caught:
                error = caught
                if span is not None:
                    span.failed(caught.code)
            finally:
                self._under_way = None
        now = trio.current_time()
        if transcription is not None:
            transcription = self._utterances.whole(request, transcription)
            transcription, is_language_sure = self._captions.with_known_language(
                transcription, requested=language, seconds=request.seconds
            )
            shown = self._utterances.succeeded(transcription, now, is_cancelled=scope.cancel_called)
            # A socket's model for several languages does not take one for another, as Whisper does.
            if shown is not None and (is_language_sure or is_live):
                revision = self._captions.send_revision(shown, transcription, end=request.end)
                if revision is not None:
                    self._growing.revised(nursery, revision, self._trace.parent_of(shown.number))
        elif error is None or scope.cancel_called:
            self._utterances.cancelled(now)
        else:
            self._utterances.failed(error, now)

    def _is_live(self) -> bool:
        """Whether the next request goes over the socket: not for a recording, which is no live speech."""
        is_recording = not self._utterances.revises or self._captions.origin.is_recording
        return not is_recording and self._transcriber.is_streaming

    async def _request(self, request: TranscriptionRequest, language: str, trace: str) -> Transcription:
        """Return the response. ``trace``: the ``traceparent`` of what it belongs to; "": not recorded."""
        # An utterance keeps the terms that it began with: revisions with others would differ.
        segment = self._utterances[request.number]
        terms = segment.terms = self._output.terms() if segment.terms is None else segment.terms
        if request.is_live:
            start = request.end - len(request.pcm) // 2
            sound = Sound(start, request.end, request.pcm)
            live = LiveRequest(request.number, sound, request.is_final, terms, trace)
            return await self._live.transcribe(live)
        return await self._transcriber.transcribe(
            request.pcm,
            sample_rate=BACK_END_RATE,
            language=language,
            session_id=self._captions.origin.session_id,
            segment_id=self._segment_to_identify(request),
            is_interim=request.is_revision,
            is_recording=self._captions.origin.is_recording,
            terms=terms,
            trace=trace,
        )

    def _segment_to_identify(self, request: TranscriptionRequest) -> str | None:
        """Return the name of an utterance that may be over, if several people speak; else None."""
        if not self._identifies_speakers or request.is_revision:
            return None
        return segment_id(self._captions.origin, request.number)

    async def _publish_final(self, number: int, nursery: trio.Nursery) -> None:
        segment = self._utterances[number]
        is_live = self._utterances.revises and not segment.is_cut
        following = self._utterances.following(number)
        growing = self._growing.finish(self._captions.segment_id(segment))
        published = await self._captions.publish_final(segment, following, is_live=is_live)
        carried_trace = self._trace.parent_of(number + 1)
        if published.final is not None:
            growing = self._growing.carry(published.final, published.carried, growing, carried_trace)
            self._translations.start(nursery, published.final, growing, self._trace.parent_of(number))
        if published.carried is not None:
            self._growing.revised(nursery, published.carried, carried_trace)
        self._utterances.published(number)
        self._trace.finish(number, "empty" if published.final is None else "final")
        self._wake()

    def _pipeline_state(self) -> Literal["on", "bypassed"] | UnsetType:
        if self._processing.is_bypassed:
            return "bypassed"
        return "on" if self._processing.is_processed else UNSET

    def _status_now(self) -> AudioStatus:
        if self._utterances.is_failing:
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
            pipeline=self._pipeline_state(),
        )

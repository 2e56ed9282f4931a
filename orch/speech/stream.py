"""One speaker's sound, on its way to captions.

``feed`` is synchronous: samples go through resampler and segmenter at once, and what they say goes into the
backlog. ``run`` does what the backlog decides, one request at a time, and publishes finals in the order
they were spoken.

Where the time goes between the last word and its caption: the segmenter waits 100 ms, then the utterance as
it will be is asked for (Pause). While the engine works, the rest of the hangover passes; at its end nothing
is left to ask: the answer, there already or still to come, is the final.
"""

import math
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import Final

import trio

from orch.audio.resampling import BACK_END_RATE, Resampler
from orch.audio.segmenter import Event, Pause, Resumed, Segmenter, SpeechStarted, Utterance
from orch.problems import ProblemError
from orch.protocol.messages import AudioStatus, Transcript, Translation
from orch.settings import Speech as SpeechSettings
from orch.speech.backends import AUDIO, TRANSLATION, is_transient, is_unanswered
from orch.speech.backlog import Ask, Backlog, Finished, GiveUp, Guessed, MarkGap, Publish, Wait
from orch.speech.captions import Origin, Segment, gap, transcript
from orch.speech.request_queue import QueuedRequest, Requester, RequestQueue
from orch.speech.results import Transcription
from orch.speech.revisions import is_language_guess, stable_part
from orch.speech.statistics import SpeechCounters
from orch.speech.status import StatusPublisher
from orch.speech.transcriber import Transcriber
from orch.speech.translations import Translations
from orch.speech.translator import Translator

PACED_STEP: Final = 0.2  # s of a recording taken at a time
PACED_WAITING: Final = 2  # utterances: one that is asked, and the next, so that the engine never idles
ARRIVALS_KEPT: Final = 4.0  # s; more than the longest hangover

Publisher = Callable[[Transcript | Translation], Awaitable[object]]
Teller = Callable[[Transcript | AudioStatus], object]


@dataclass(slots=True)
class _Request:
    """What is asked: up to which sample of which utterance."""

    number: int
    end: int
    scope: trio.CancelScope
    queued: QueuedRequest


class SpeechStream:
    """Takes one speaker's sound until ``end``; ``run`` gives it as captions.

    Resource handling: ``run`` is called once; when it ends, for whatever reason, nothing is left open.

    Error handling: what back ends do wrong becomes marked gaps. What ``publish`` raises, leaves ``run`` (in
    an exception group, as it comes out of nurseries).

    Bounded: ``buffer_seconds`` of speech that waits (then the oldest is given up and marked as lost), one
    utterance that is being spoken, and the translations' own bound.
    """

    def __init__(
        self,
        *,
        origin: Origin,
        sample_rate: int,
        settings: SpeechSettings,
        transcriber: Transcriber,
        translator: Translator,
        targets: Callable[[], Collection[str]],
        publish: Publisher,
        tell: Teller,
        acknowledge: Callable[[AudioStatus], object],
        wall: Callable[[], float],
        counters: SpeechCounters,
        queue: RequestQueue,
        requester: Requester,
    ) -> None:
        self.origin = origin
        self._sample_rate = sample_rate
        self._settings = settings
        self._transcriber = transcriber
        self._publish = publish
        self._tell = tell
        self._wall = wall
        self._counters = counters
        self._queue = queue
        self._requester = requester
        self._resampler = Resampler(source=sample_rate)
        self._segmenter = Segmenter(
            sample_rate=BACK_END_RATE, vad=settings.vad, max_utterance=settings.max_utterance
        )
        self._backlog = Backlog(
            revision_interval=settings.revision_interval, buffer_seconds=settings.buffer_seconds
        )
        self._translations = Translations(
            translator=translator,
            targets=targets,
            publish=publish,
            wall=wall,
            buffer_seconds=settings.buffer_seconds,
            changed=self._wake,
        )
        # The mutable state: utterances that are not published yet, by number; the one that is being spoken;
        # what is asked; when which sample arrived; and events that are set when something has changed.
        self._segments: dict[int, Segment] = {}
        self._spoken: Segment | None = None
        self._count = 0
        self._received = 0  # samples at the stream's own rate
        self._language: str | None = None  # what was spoken, as far as it is known
        self._revised_at = -1  # the segmenter's position at the last revision
        self._request: _Request | None = None
        self._arrivals: deque[tuple[int, float]] = deque()
        self._woken = trio.Event()
        self._room = trio.Event()
        self._status = StatusPublisher(self._status_now, tell=tell, acknowledge=acknowledge, wall=wall)
        self._has_ended = False
        self._is_over = False
        self.lost_seconds = 0.0
        self.speech_seconds = 0.0

    def __repr__(self) -> str:
        return f"<SpeechStream {self.origin.stream_id} {self.seconds:.1f} s {self._backlog!r}>"

    @property
    def stream_id(self) -> str:
        """What every ``segment_id`` begins with."""
        return self.origin.stream_id

    @property
    def seconds(self) -> float:
        """How much was heard."""
        return self._segmenter.position / BACK_END_RATE

    @property
    def received_seconds(self) -> float:
        """How much has arrived, at the stream's own rate: exact to the sample."""
        return self._received / self._sample_rate

    @property
    def is_speaking(self) -> bool:
        """Whether an utterance is being spoken."""
        return self._segmenter.speaking_since is not None

    @property
    def settled_seconds(self) -> float:
        """Where the first utterance begins that is not published yet, nor given up."""
        first = next(iter(self._segments.values()), None)
        settled = self._segmenter.settled if first is None else first.start
        return min(settled / BACK_END_RATE, self.received_seconds)

    @property
    def waiting_seconds(self) -> float:
        """How much speech has ended and is not written down yet."""
        return self._backlog.waiting_seconds

    @property
    def waits_since(self) -> float | None:
        """When the last speech had arrived of what has waited longest; None where nothing live waits."""
        oldest = self._backlog.oldest if self._backlog.revises else None
        return None if oldest is None else self._segments[oldest].heard_at

    @property
    def revisions(self) -> int:
        """How many revisions were asked for."""
        return self._backlog.revisions

    @property
    def revisions_dropped(self) -> int:
        """How many revisions were due and not sent, or taken back."""
        return self._backlog.revisions_dropped

    # Sound comes in.

    def feed(self, pcm: bytes) -> None:
        """Take samples: 16-bit little-endian mono at the stream's rate. Never waits.

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
        self._received += len(pcm) // 2
        self._take(self._resampler.feed(pcm))

    def skip(self, seconds: float, error: ProblemError) -> None:
        """Count speech that did not arrive and never will: it becomes a gap with ``error``, in its place."""
        if self._has_ended or seconds <= 0:
            return
        now = trio.current_time()
        self._take(self._resampler.flush())
        for event in self._segmenter.flush():
            self._note(event, now)
        self._resampler = Resampler(source=self._sample_rate)
        self._received += round(seconds * self._sample_rate)
        start = self._segmenter.position
        end = round(self._received / self._sample_rate * BACK_END_RATE)
        self._segmenter.skip(end - start)
        self._arrivals.append((end, now))
        self._count += 1
        self._segments[self._count] = Segment(number=self._count, start=start, end=end, error=error)
        self._backlog.gone(self._count, now)
        self._wake()

    def rename(self, speaker: str | None) -> None:
        """Have what is published from now on carry another name."""
        self.origin = replace(self.origin, speaker=speaker)

    def acknowledge(self) -> None:
        """Send the speaker how much has arrived, now."""
        self._status.acknowledge()

    def shed(self, seconds: float) -> None:
        """Give up that much of what waits, the oldest first."""
        self._give_back(self._backlog.overflow(max(0.0, self.waiting_seconds - seconds)))
        self._wake()

    async def feed_paced(self, pcm: bytes) -> None:
        """Take samples of a recording, no faster than they are written down: two utterances wait at most.

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
                raise trio.BrokenResourceError("nobody writes this stream down any more")
            self.feed(pcm[begin : begin + step])
            await trio.lowlevel.checkpoint()

    def end(self) -> None:
        """Say that no more sound comes; ``run`` ends once all is written down or given up."""
        if self._has_ended:
            return
        self._has_ended = True
        self._take(self._resampler.flush())
        now = trio.current_time()
        for event in self._segmenter.flush():
            self._note(event, now)
        self._backlog.stream_ended()
        self._wake()

    def release(self) -> float:
        """End the stream before the utterance that is being spoken; return the seconds that it then has.

        The rest is for another stream, to which the speaker sends it again. What readers were shown of it
        here is taken back.
        """
        if self._has_ended:
            return self.received_seconds
        self._has_ended = True
        spoken = self._spoken
        at = self._segmenter.drop()
        if spoken is not None:
            self._spoken = None
            spoken.end, spoken.heard = at, Transcription(text="")
            spoken.guess = spoken.pause = None
            now = trio.current_time()
            self._take_back(self._backlog.ended(spoken.number, seconds=0.0, now=now, guessed="known"))
        self._received = min(self._received, int(at * self._sample_rate / BACK_END_RATE))
        self._backlog.stream_ended()
        self._wake()
        return self.received_seconds

    def _is_full(self) -> bool:
        return self._backlog.waiting >= PACED_WAITING or self._translations.is_crowded

    def _take(self, pcm: bytes) -> None:
        now = trio.current_time()
        self._backlog.flows(now)
        events = self._segmenter.feed(pcm)
        position = self._segmenter.position
        self._arrivals.append((position, now))
        while len(self._arrivals) > 1 and self._arrivals[1][0] < position - ARRIVALS_KEPT * BACK_END_RATE:
            self._arrivals.popleft()
        for event in events:
            self._note(event, now)
        self._wake()

    def _note(self, event: Event, now: float) -> None:
        """Bring what the segmenter says into the backlog."""
        if isinstance(event, SpeechStarted):
            self._count += 1
            self._spoken = self._segments[self._count] = Segment(number=self._count, start=event.start)
            self._backlog.started(self._count, now)
            return
        spoken = self._spoken
        if spoken is None:
            return
        if isinstance(event, Pause):
            spoken.pause = (event.end, event.pcm)
            self._take_back(self._backlog.paused(spoken.number, now))
        elif isinstance(event, Resumed):
            spoken.pause = None
            self._backlog.resumed(now)
            self._keep()
        elif isinstance(event, Utterance):
            self._spoken = None
            self._complete(spoken, event, now)

    def _complete(self, segment: Segment, utterance: Utterance, now: float) -> None:
        segment.end = utterance.end
        segment.pcm = utterance.pcm
        segment.is_cut = utterance.cut
        segment.heard_at = self._arrived(utterance.speech_end)
        request = self._request
        guessed: Guessed = "no"
        if segment.guess is not None and segment.guess[0] == segment.end:
            segment.heard = segment.guess[1]
            guessed = "known"
        elif (
            request is not None
            and not request.scope.cancel_called
            and (request.number, request.end) == (segment.number, segment.end)
        ):
            guessed = "asked"
            self._queue.promote(request.queued)
        segment.guess = segment.pause = None
        self._take_back(
            self._backlog.ended(segment.number, seconds=segment.seconds, now=now, guessed=guessed)
        )
        self._give_back(self._backlog.overflow())
        self._counters.spoken(trio.current_time())
        self._counters.bound(self._settings.max_waiting_seconds)

    def _give_back(self, numbers: list[int]) -> None:
        """Let go of the audio of utterances that are given up."""
        for number in numbers:
            self._segments[number].pcm = b""

    def _arrived(self, sample: int) -> float:
        """Return when a sample arrived."""
        for position, at in self._arrivals:
            if position >= sample:
                return at
        return self._arrivals[-1][1]

    def _take_back(self, at: float | None) -> None:
        """Cancel what is under way at that time, if it takes so long."""
        if self._request is not None and at is not None:
            self._request.scope.deadline = at

    def _keep(self) -> None:
        """Let what is under way take its time after all, unless it is cancelled already."""
        if self._request is not None:
            self._request.scope.deadline = math.inf

    def _wake(self) -> None:
        self._woken.set()
        self._status.touch()
        if not self._is_full():
            self._room.set()

    # Captions go out.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write the stream down until it has ended and nothing waits."""
        with self._counters.open(self):
            try:
                task_status.started()
                async with trio.open_nursery() as background:
                    background.start_soon(self._status.run)
                    async with trio.open_nursery() as nursery:
                        await self._write_down(nursery)
                    background.cancel_scope.cancel()
                self._status.publish_change()
            finally:
                self._has_ended = self._is_over = True
                self._room.set()

    async def _write_down(self, nursery: trio.Nursery) -> None:
        while True:
            decision = self._backlog.next(trio.current_time())
            match decision:
                case Finished():
                    return
                case Wait():
                    self._woken = trio.Event()
                    with trio.move_on_at(math.inf if decision.until is None else decision.until):
                        await self._woken.wait()
                case Ask():
                    if decision.kind == "revision" and self._segmenter.position == self._revised_at:
                        self._backlog.stalled()
                        continue
                    await self._ask(decision)
                case Publish():
                    await self._publish_final(decision.number, nursery)
                case MarkGap():
                    await self._mark_gap(decision.number)
                case GiveUp():
                    await self._give_up(decision)
            self._status.touch()

    async def _ask(self, ask: Ask) -> None:
        """Ask the back end; note how it went."""
        segment = self._segments[ask.number]
        end, pcm = self._extent(ask, segment)
        heard: Transcription | None = None
        error: ProblemError | None = None
        self._backlog.asked(ask, trio.current_time(), seconds=len(pcm) / 2 / BACK_END_RATE)
        if ask.kind == "revision":
            self._revised_at = self._segmenter.position
        queued = QueuedRequest(self._requester, is_final=ask.kind == "final")
        with trio.CancelScope() as scope:
            self._request = _Request(ask.number, end, scope, queued)
            try:
                async with self._queue.slot(queued):
                    self._backlog.begun(trio.current_time())
                    heard = await self._transcriber.transcribe(
                        pcm,
                        sample_rate=BACK_END_RATE,
                        language=self.origin.source_language,
                        session_id=self.origin.session_id,
                    )
            except ProblemError as caught:
                error = caught
            finally:
                self._request = None
        now = trio.current_time()
        if heard is not None:
            heard = self._with_known_language(heard, seconds=len(pcm) / 2 / BACK_END_RATE)
            under_way = self._backlog.under_way
            self._backlog.answered(now)
            if under_way is not None and under_way.kind == "final":
                segment.heard = heard
            elif not scope.cancel_called:
                segment.guess = (end, heard)
                self._show(segment, heard, end)
        elif error is None or scope.cancel_called:
            self._backlog.cancelled(now)
        else:
            segment.error = error
            if is_transient(error):
                self._backlog.failed(now, away=is_unanswered(error))
            else:
                self._backlog.refused(now)

    def _extent(self, ask: Ask, segment: Segment) -> tuple[int, bytes]:
        """Return what to send: the end's sample, and the audio."""
        if ask.kind == "final":
            return segment.end, segment.pcm
        if ask.kind == "speculation" and segment.pause is not None:
            return segment.pause
        growing = self._segmenter.growing()
        assert growing is not None, self  # noqa: S101 - the backlog asks for revisions while someone speaks
        return growing[1], growing[2]

    def _show(self, segment: Segment, heard: Transcription, end: int) -> None:
        """Tell a revision, if it has anything new to say.

        Nothing is shown while it is a guess which language is spoken: the words of another are none of it.
        """
        seconds = (end - segment.start) / BACK_END_RATE
        if is_language_guess(heard, asked=self.origin.source_language, seconds=seconds):
            return
        shown = stable_part(heard, seconds=seconds)
        if shown.text and shown.text != segment.shown:
            self._tell(
                transcript(self.origin, segment, shown, end=end, is_final=False, timestamp=self._timestamp())
            )

    def _with_known_language(self, heard: Transcription, *, seconds: float) -> Transcription:
        """Return an answer whose language, where it is a guess, is what was spoken before, or unknown."""
        if not is_language_guess(heard, asked=self.origin.source_language, seconds=seconds):
            self._language = heard.language or self._language
            return heard
        doubtful = None if heard.language_probability is not None else heard.language
        return replace(heard, language=self._language or doubtful)

    async def _publish_final(self, number: int, nursery: trio.Nursery) -> None:
        segment = self._segments[number]
        heard = segment.heard
        assert heard is not None, self  # noqa: S101 - the backlog publishes what is answered
        self._counters.doubted(heard.doubted)
        # Nothing was said after all (noise): readers are told only if they have something to remove.
        if heard.text or segment.is_shown:
            final = transcript(
                self.origin, segment, heard, end=segment.end, is_final=True, timestamp=self._timestamp()
            )
            await self._publish(final)
            if heard.text:
                self.speech_seconds += segment.seconds
                self._translations.start(nursery, final)
                is_live = self._backlog.revises and not segment.is_cut
                now = trio.current_time()
                self._counters.written(now, now - segment.heard_at if is_live else None)
        self._backlog.published(number)
        self._forget(number)

    async def _mark_gap(self, number: int) -> None:
        segment = self._segments[number]
        error = segment.error or self._latest_error()
        await self._publish(gap(self.origin, segment, error, is_final=False, timestamp=self._timestamp()))
        self._backlog.marked(number)

    def _latest_error(self) -> ProblemError:
        """Return why the back end is not asked: what those before met."""
        for segment in self._segments.values():
            if segment.error is not None:
                return segment.error
        return ProblemError("service_unavailable", f"{AUDIO} is not responding.", service=AUDIO)

    async def _give_up(self, decision: GiveUp) -> None:
        segment = self._segments[decision.number]
        error = segment.error
        if decision.reason == "late" or error is None:
            why = f" {error.detail}" if error is not None else ""
            error = ProblemError(
                "speech_lost",
                f"{segment.seconds:.1f} s of speech could not be transcribed: {AUDIO} did not do it "
                f"within {self._settings.buffer_seconds:g} s.{why}",
                service=AUDIO,
            )
        await self._publish(gap(self.origin, segment, error, is_final=True, timestamp=self._timestamp()))
        self.lost_seconds += segment.seconds
        self._counters.lost(trio.current_time(), segment.seconds)
        self._backlog.given_up(decision.number)
        self._forget(decision.number)

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
            session_id=self.origin.session_id,
            stream_id=self.origin.stream_id,
            waiting_seconds=round(self.waiting_seconds, 1),
            revisions_dropped=self.revisions_dropped,
            speaking=self.is_speaking,
            waiting_for=waiting_for,
            received_seconds=round(self.received_seconds, 6),
            settled_seconds=round(self.settled_seconds, 6),
        )

    def _timestamp(self) -> int:
        return int(self._wall() * 1000)

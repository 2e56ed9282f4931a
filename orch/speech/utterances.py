"""The utterances of one stream, from their first sound until they are published or given up. Pure.

This is the one owner of what a stream knows: an utterance is entered into the segments (its sound, its text,
what readers see of it) and into the backlog (what is requested next) together, and removed from both
together. The stream carries out what :meth:`Utterances.next` decides and reports every outcome here.
"""

from dataclasses import dataclass

from orch.audio.resampling import BACK_END_RATE
from orch.audio.segmenter import Event, Pause, Resumed, SpeechStarted, Utterance
from orch.problems import ProblemError
from orch.speech.backlog import Backlog, Decision, Kind, Speculation, Transcribe
from orch.speech.captions import Segment
from orch.speech.request_errors import is_transient, is_unanswered
from orch.speech.requests import AUDIO
from orch.speech.results import Transcription
from orch.speech.revision_window import WHOLE, RevisionWindow
from orch.speech.sound_queue import Gap, SoundEnded, SoundQueue


@dataclass(frozen=True, slots=True)
class TranscriptionRequest:
    """What to transcribe: of an utterance, its audio up to sample ``end``.

    ``is_live``: it is transcribed over a socket, whose text so far may lack the newest sound. ``window``:
    where its audio begins in the utterance.
    """

    number: int
    end: int
    pcm: bytes
    kind: Kind
    is_live: bool = False
    window: RevisionWindow = WHOLE

    @property
    def is_final(self) -> bool:
        """Whether it is the whole of an utterance that has ended."""
        return self.kind == "final"

    @property
    def is_partial(self) -> bool:
        """Whether its text may lack some of the utterance's sound, so that it can never become a final."""
        return (self.is_live and not self.is_final) or self.window.count > 0

    @property
    def is_revision(self) -> bool:
        """Whether it is the beginning of an utterance that is still spoken."""
        return self.kind == "revision"

    @property
    def seconds(self) -> float:
        """How much audio it is."""
        return len(self.pcm) / 2 / BACK_END_RATE


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """The request under way is of no use any more: cancel it, if it takes until ``at``."""

    at: float


@dataclass(frozen=True, slots=True)
class KeepRequest:
    """The request under way is of use after all."""


@dataclass(frozen=True, slots=True)
class PromoteRequest:
    """The request under way has turned out to be about the whole utterance: readers wait for it."""


RequestChange = CancelRequest | KeepRequest | PromoteRequest


class Utterances:
    """The utterances that have begun and are not published or given up. Times are of one monotonic clock.

    Bounded: the audio of ``buffer_seconds`` of speech that waits, and the current utterance, which the
    segmenter bounds.

    The mutable state is the segments by number, the backlog, the current utterance, the request under way,
    and how much sound had been processed at the last revision.
    """

    def __init__(
        self,
        sound: SoundQueue,
        *,
        revision_interval: float,
        shortest_interval: float,
        buffer_seconds: float,
    ) -> None:
        self._sound = sound
        self._backlog = Backlog(
            revision_interval=revision_interval,
            shortest_interval=shortest_interval,
            buffer_seconds=buffer_seconds,
        )
        self._segments: dict[int, Segment] = {}
        self._spoken: Segment | None = None
        self._count = 0
        self._request: TranscriptionRequest | None = None
        self._revised_at = -1

    def __repr__(self) -> str:
        return f"<Utterances {list(self._segments)} {self._backlog!r}>"

    def __len__(self) -> int:
        """How many have begun and are not published or given up."""
        return len(self._segments)

    @property
    def latest(self) -> int:
        """The number of the one that began last; 0: none has."""
        return self._count

    def __getitem__(self, number: int) -> Segment:
        """Return one of them."""
        return self._segments[number]

    def following(self, number: int) -> Segment | None:
        """Return the utterance that continues this one, if it was cut."""
        return self._segments.get(number + 1) if self._segments[number].is_cut else None

    @property
    def revises(self) -> bool:
        """Whether revisions are requested while someone speaks: not for a recording."""
        return self._backlog.revises

    @revises.setter
    def revises(self, revises: bool) -> None:
        self._backlog.revises = revises

    @property
    def revisions(self) -> int:
        """How many revisions were requested."""
        return self._backlog.revisions

    @property
    def revisions_dropped(self) -> int:
        """How many revisions were due and not requested, or cancelled."""
        return self._backlog.revisions_dropped

    @property
    def is_failing(self) -> bool:
        """Whether the last request failed."""
        return self._backlog.is_failing

    @property
    def waiting(self) -> int:
        """How many have ended and are not transcribed yet."""
        return self._backlog.waiting

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
    def settled(self) -> int:
        """The sample before which everything is published or given up."""
        first = next(iter(self._segments.values()), None)
        return self._sound.settled if first is None else first.start

    @property
    def audio_bytes(self) -> int:
        """How much audio is held for requests."""
        return sum(len(segment.pcm) for segment in self._segments.values())

    @property
    def latest_error(self) -> ProblemError:
        """What put the back end on hold: the error of the oldest utterance that has one."""
        for segment in self._segments.values():
            if segment.error is not None:
                return segment.error
        return ProblemError("service_unavailable", f"{AUDIO} is not answering.", service=AUDIO)

    # Sound.

    def sound_arrived(self, now: float) -> None:
        """Note that sound has arrived: a revision has something new to transcribe."""
        self._backlog.flows(now)

    def apply(
        self, event: Event | Gap | SoundEnded, now: float, *, is_cancelled: bool = False
    ) -> RequestChange | None:
        """Enter an event of the sound; return what becomes of the request under way, if anything.

        ``is_cancelled``: whether that request is being cancelled already.
        """
        match event:
            case SpeechStarted():
                self._spoken = self._add(event.start)
                self._backlog.started(self._count, now)
            case Gap():
                self._add(event.start, end=event.end, error=event.error)
                self._backlog.gone(self._count, now)
            case SoundEnded():
                self._backlog.stream_ended()
            case Pause() if self._spoken is not None:
                self._spoken.pause = (event.end, event.pcm)
                return _cancel(self._backlog.paused(self._spoken.number, now))
            case Resumed() if self._spoken is not None:
                self._spoken.pause = None
                self._backlog.resumed(now)
                return KeepRequest()
            case Utterance() if self._spoken is not None:
                return self._complete(event, now, is_cancelled=is_cancelled)
        return None

    def _add(self, start: int, *, end: int = 0, error: ProblemError | None = None) -> Segment:
        self._count += 1
        segment = self._segments[self._count] = Segment(number=self._count, start=start, end=end, error=error)
        return segment

    def _complete(self, utterance: Utterance, now: float, *, is_cancelled: bool) -> RequestChange | None:
        segment, self._spoken = self._spoken, None
        assert segment is not None, self  # noqa: S101 - checked by the caller
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
            and not (is_cancelled or request.is_partial)
            and (request.number, request.end) == (segment.number, segment.end)
        ):
            speculation = "under way"
        segment.speculated = segment.pause = None
        cancel_at = self._backlog.ended(
            segment.number, seconds=segment.seconds, now=now, speculation=speculation
        )
        self._drop_audio(self._backlog.overflow())
        return PromoteRequest() if speculation == "under way" else _cancel(cancel_at)

    def release(self, now: float) -> RequestChange | None:
        """End the sound before the current utterance, which another stream will have.

        What readers see of it is removed, as of one without words. The sound queue must be empty.
        """
        spoken, self._spoken = self._spoken, None
        at = self._sound.drop_current()
        change = None
        if spoken is not None:
            spoken.end, spoken.transcription = at, Transcription(text="")
            spoken.speculated = spoken.pause = None
            change = _cancel(self._backlog.ended(spoken.number, seconds=0.0, now=now, speculation="done"))
        self._backlog.stream_ended()
        return change

    def shed(self, seconds: float) -> None:
        """Give up that much of what waits, the oldest first."""
        self._drop_audio(self._backlog.overflow(max(0.0, self.waiting_seconds - seconds)))

    def _drop_audio(self, numbers: list[int]) -> None:
        """Free the audio of utterances that are given up."""
        for number in numbers:
            self._segments[number].pcm = b""

    # Decisions and their outcomes.

    def next(self, now: float) -> Decision:
        """Return what to do now. No request may be under way."""
        decision = self._backlog.next(now)
        if (
            isinstance(decision, Transcribe)
            and decision.kind == "revision"
            and self._sound.position == self._revised_at
        ):
            self._backlog.stalled()  # it would be the same as the last one
            return self._backlog.next(now)
        return decision

    def request_queued(
        self, decision: Transcribe, now: float, *, is_live: bool = False
    ) -> TranscriptionRequest:
        """Note that a request waits for its turn at the back end; return it. ``is_live``: over a socket."""
        end, pcm = self._extent(decision)
        window = WHOLE
        if decision.kind == "revision" and not is_live:
            segment = self._segments[decision.number]
            seconds = len(pcm) / 2 / BACK_END_RATE
            window = segment.window = segment.window.moved(segment.agreement, seconds=seconds)
            pcm = pcm[round(window.seconds * BACK_END_RATE) * 2 :]
        self._request = TranscriptionRequest(decision.number, end, pcm, decision.kind, is_live, window)
        self._backlog.request_queued(decision, now, seconds=self._request.seconds)
        if decision.kind == "revision":
            self._revised_at = self._sound.position
        return self._request

    def request_sent(self, now: float) -> None:
        """Note that the request is sent."""
        self._backlog.request_sent(now)

    def whole(self, request: TranscriptionRequest, transcription: Transcription) -> Transcription:
        """Return a request's transcription as that of the utterance from its beginning."""
        segment = self._segments[request.number]
        seconds = (request.end - segment.start) / BACK_END_RATE
        return request.window.joined(segment.agreement, transcription, seconds=seconds)

    def succeeded(self, transcription: Transcription, now: float, *, is_cancelled: bool) -> Segment | None:
        """Note the response to the request under way; return the utterance, if readers should see it so far.

        Of a request that was cancelled a response that came all the same is not shown: a newer one is due.
        """
        request, segment = self._finish_request()
        decision = self._backlog.under_way  # what the request is for by now
        self._backlog.succeeded(now)
        if decision is not None and decision.kind == "final":
            segment.transcription = transcription
            return None
        if is_cancelled:
            return None
        if not request.is_partial:
            segment.speculated = (request.end, transcription)
        return segment

    def failed(self, error: ProblemError, now: float) -> None:
        """Note that the request under way failed."""
        _, segment = self._finish_request()
        segment.error = error
        if is_transient(error):
            self._backlog.failed(now, unanswered=is_unanswered(error))
        else:
            self._backlog.refused(now)

    def cancelled(self, now: float) -> None:
        """Note that the request under way was cancelled."""
        self._finish_request()
        self._backlog.cancelled(now)

    def marked(self, number: int) -> None:
        """Note that the gap of an utterance without text is published."""
        self._backlog.marked(number)

    def published(self, number: int) -> None:
        """Note that an utterance's final is published."""
        self._backlog.published(number)
        del self._segments[number]

    def given_up(self, number: int) -> None:
        """Note that an utterance's gap is published as final."""
        self._backlog.given_up(number)
        del self._segments[number]

    def _finish_request(self) -> tuple[TranscriptionRequest, Segment]:
        request, self._request = self._request, None
        assert request is not None, self  # noqa: S101 - what is responded to was requested
        return request, self._segments[request.number]

    def _extent(self, decision: Transcribe) -> tuple[int, bytes]:
        """Return what to send: the sample it ends at, and the audio."""
        segment = self._segments[decision.number]
        if decision.kind == "final":
            return segment.end, segment.pcm
        if decision.kind == "speculation" and segment.pause is not None:
            return segment.pause
        growing = self._sound.growing()
        assert growing is not None, self  # noqa: S101 - revisions are requested while someone speaks
        return growing[1], growing[2]


def _cancel(at: float | None) -> CancelRequest | None:
    return None if at is None else CancelRequest(at)

"""The spans of one stream of speech.

    speech.stream                from the begin of the stream until all of it is transcribed
    └─ speech.utterance          from the begin of its speech until its final caption is published
       ├─ speech.transcription   one request: a revision, a speculation or the final, its wait included
       │  └─ the gateway's spans of the tries
       ├─ speech.publish         until the caption is stored and queued for its readers
       └─ speech.translation     into one language, until it is published
          ├─ the gateway's spans of the tries
          └─ speech.publish

Attributes are numbers, identifiers and codes of languages: never what was said, nor the name of who said it.

Bounded: a stream may go on for hours, and a trace is stored and shown as a whole. So the utterances after the
first :data:`UTTERANCES` begin traces of their own, which are linked to the stream's span; whether they are
recorded is decided for each.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final, Literal

from structlog.contextvars import bound_contextvars

from orch.audio.resampling import BACK_END_RATE
from orch.audio.segmenter import Event, SpeechStarted, Utterance
from orch.speech.captions import Origin
from orch.speech.requests import AUDIO
from orch.speech.sound_queue import Gap, SoundEnded, SoundQueue
from orch.speech.utterances import TranscriptionRequest
from orch.telemetry.traces import OFF, Span, Tracer
from orch.telemetry.traces.children import child

UTTERANCES: Final = 200
"""Utterances of a stream that are in its own trace: about half an hour of speech, and some 2,000 spans."""

Outcome = Literal["final", "empty", "lost"]


class StreamTrace:
    """Begins and ends a stream's spans; does nothing with tracing off, and for a stream that is not recorded.

    ``parent``: the ``traceparent`` of what the stream was opened by; "": nothing. ``links``: of what it
    belongs to without being a part of it.

    The mutable state is the stream's span, those of the utterances in progress, and how many there were.
    """

    def __init__(
        self, origin: Origin, tracer: Tracer = OFF, *, parent: str = "", links: Sequence[str] = ()
    ) -> None:
        self.tracer: Final = tracer
        self._origin = origin
        self._parent = parent or None
        self._links = links
        self._span: Span | None = None
        self._utterances: dict[int, Span] = {}
        self._count = 0

    def __repr__(self) -> str:
        state = "not recorded" if self._span is None else self._span.traceparent
        return f"<StreamTrace {state}, {len(self._utterances)} utterances in progress>"

    @contextmanager
    def open(self, sound: SoundQueue) -> Iterator[None]:
        """Record the stream during the block. Lines that are logged in it have the id of its trace."""
        is_remote = not (self._origin.is_recording or self._links)
        span = self.tracer.start(
            "speech.stream",
            kind="server" if is_remote else "internal",
            parent=self._parent,
            links=self._links,
        )
        if span is None:
            yield
            return
        self._identify(span)
        span.set("orch.speech.source", "recording" if self._origin.is_recording else "live")
        span.set("orch.speech.language", self._origin.source_language)
        if self._origin.is_synthetic:
            span.set("orch.synthetic", value=True)
        self._span = span
        with span, bound_contextvars(trace_id=span.trace_id):
            try:
                yield
            finally:
                self._span = None
                span.set("orch.speech.seconds", round(sound.received_seconds, 3))
                span.set("orch.speech.utterances", self._count)
                for each in self._utterances.values():
                    each.set("orch.cancelled", value=True)
                    each.end()
                self._utterances.clear()

    def _identify(self, span: Span) -> None:
        span.set("orch.session_id", self._origin.session_id)
        span.set("orch.stream_id", self._origin.stream_id)

    # Utterances.

    def heard(self, event: Event | Gap | SoundEnded, number: int, sound: SoundQueue) -> None:
        """Record that an utterance has begun or ended. ``number``: of the one that began last."""
        if self._span is None:
            return
        match event:
            case SpeechStarted():
                self._begin(self._span, number, sound.arrived_at(event.start))
            case Utterance() if (span := self._utterances.get(number)) is not None:
                span.set("orch.speech.seconds", round((event.end - event.start) / BACK_END_RATE, 3))
                span.event("speech ended")
                if event.cut:
                    span.set("orch.speech.cut", value=True)

    def _begin(self, stream: Span, number: int, began: float) -> None:
        self._count += 1
        is_inside = self._count <= UTTERANCES
        span = self.tracer.start(
            "speech.utterance",
            parent=stream.traceparent if is_inside else None,
            started_at=began,
            links=() if is_inside else (stream.traceparent,),
        )
        if span is not None:
            self._identify(span)
            span.set("orch.speech.utterance", number)
            self._utterances[number] = span

    def finish(self, number: int, outcome: Outcome) -> None:
        """End an utterance: its final is published, it had no words, or it is lost."""
        span = self._utterances.pop(number, None)
        if span is None:
            return
        span.set("orch.speech.outcome", outcome)
        if outcome == "lost":
            span.failed("speech_lost")
        span.end()

    def parent_of(self, number: int) -> str:
        """Return the ``traceparent`` of an utterance in progress; "": it is not recorded."""
        span = self._utterances.get(number)
        return "" if span is None else span.traceparent

    def id_of(self, number: int) -> str:
        """Return the id of the trace of an utterance in progress; "": it is not recorded."""
        span = self._utterances.get(number)
        return "" if span is None else span.trace_id

    # Within an utterance.

    def request(
        self, request: TranscriptionRequest, language: str
    ) -> AbstractContextManager[Span | None, bool | None]:
        """Record a request for a transcription during the block.

        Over a socket sound is sent as it comes: there only the wait for the whole text is recorded.
        """
        parent = self._utterances.get(request.number)
        if parent is None or (request.is_live and not request.is_final):
            return nullcontext()
        # Over HTTP the gateway's own spans are those of a client.
        kind: Literal["client", "internal"] = "client" if request.is_live else "internal"
        span = self.tracer.start("speech.transcription", kind=kind, parent=parent.traceparent)
        if span is None:
            return nullcontext()
        span.set("orch.service", AUDIO)
        span.set("orch.speech.request", request.kind)
        span.set("orch.speech.seconds", round(request.seconds, 3))
        span.set("orch.speech.language", language)
        return span

    def publishing(self, number: int) -> AbstractContextManager[Span | None, bool | None]:
        """Record during the block that a caption is stored and sent to its readers."""
        return child(self.tracer, "speech.publish", self.parent_of(number))

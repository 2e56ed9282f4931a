"""Speech streams, and the languages that the back ends offer."""

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, Protocol

import msgspec
import trio
from msgspec import Struct

from orch.audio.pipeline_settings import PipelineSettings
from orch.audio.resampling import check_rate
from orch.audio.voice_activity import ModelActivity, VoiceActivity
from orch.problems import ProblemError
from orch.protocol.messages import CaptionError, Transcript
from orch.settings import Vad
from orch.settings.source import SettingsSource
from orch.speech.captions import Origin, caption_error
from orch.speech.languages import AUTO, closest, is_near
from orch.speech.output import CaptionOutput
from orch.speech.readings import of_back_end, readings
from orch.speech.request_queue import Requester, RequestQueue
from orch.speech.requests import AUDIO, TRANSLATION, Fetch
from orch.speech.results import Transcription
from orch.speech.session_budgets import SessionBudgets, Usage
from orch.speech.statistics import SpeechCounters, SpeechStatistics
from orch.speech.stream import SpeechStream
from orch.speech.stream_sound import Pipelines
from orch.speech.stream_trace import StreamTrace
from orch.speech.transcriber import AudioFile, Transcriber
from orch.speech.transcription_responses import OF_RECORDINGS
from orch.speech.translation_counters import TranslationCounters
from orch.speech.translations import Translations
from orch.speech.translator import Pairs, Translator
from orch.speech.voice_models import VoiceModels
from orch.telemetry.names.metric import Distribution, Reading
from orch.telemetry.traces import OFF, Tracer

__all__ = ["LanguagesOffered", "SpeechService", "SpeechStatistics", "SpeechStream"]

LANGUAGES_FRESH: Final = 60.0  # s; a model or a pair is installed less often than that
LANGUAGES_RETRY: Final = 5.0  # s after a failure
SHORTEST_INTERVAL: Final = 0.5  # s between two revisions, from a back end that is not paid


class LanguagesOffered(Struct, frozen=True, kw_only=True):
    """The languages that the back ends offer.

    ``source``: can be transcribed; ``targets``: can be translated into; ``pairs``: from which into which;
    ``via``: by source and target, the languages that a text is translated into on the way, if any.
    ``growing_limit``: how many requests a minute a session may send to translate lines that still grow; 0:
    they are not translated.
    ``any_source``, ``any_target``: the back end's dialect cannot list languages, any may be tried.
    ``errors``: back ends that did not respond, and why; their languages here are those last listed, or none.
    ``diarization``: the speakers at one microphone can be distinguished.
    """

    source: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    pairs: dict[str, tuple[str, ...]] = {}
    via: dict[str, dict[str, tuple[str, ...]]] = {}
    any_source: bool = False
    any_target: bool = False
    growing_limit: int = 0
    errors: tuple[CaptionError, ...] = ()
    diarization: bool = False


class Concurrency(Protocol):
    """Returns how many requests a service's instances do at a time, None if that is not limited."""

    def __call__(self, service: str, *, wanted: int) -> int | None:
        """``wanted``: how many would be sent."""


def _not_limited(service: str, *, wanted: int) -> None:
    del service, wanted


class SpeechService:
    """Creates a :class:`SpeechStream` for each speaker, and lists the languages on offer.

    ``voices``: models that decide what is speech, where there are any. ``pipelines``: processes that run
    pipelines; without them all speech goes on unprocessed. ``concurrency``: how many requests the instances
    of a service do at a time, as the gateway knows it.

    The mutable state is the counters (those of test speech apart), the request queue, the sessions' budgets
    for growing lines, and the languages that the back ends last listed.
    """

    def __init__(
        self,
        *,
        transcriber: Transcriber,
        translator: Translator,
        settings: SettingsSource,
        wall: Callable[[], float],
        clock: Callable[[], float] = trio.current_time,
        voices: VoiceModels | None = None,
        pipelines: Pipelines | None = None,
        concurrency: Concurrency = _not_limited,
        tracer: Tracer = OFF,
    ) -> None:
        self._tracer = tracer
        self._voices = voices
        self._pipelines = pipelines
        self._concurrency = concurrency
        self._transcriber = transcriber
        self._translator = translator
        self._settings = settings
        self._wall = wall
        self._clock = clock
        self._counters = SpeechCounters()
        self._synthetic_counters = SpeechCounters()
        self._translation_counters = TranslationCounters()
        self._growing = SessionBudgets()
        self._queue = RequestQueue(self._places)
        self._listing = trio.Lock()
        self._offered = LanguagesOffered()
        self._listed_by: object = None
        self._good_until = float("-inf")

    def stream(
        self,
        origin: Origin,
        *,
        sample_rate: int,
        output: CaptionOutput,
        address: str = "",
        pipeline: PipelineSettings | None = None,
        trace: str = "",
        links: Sequence[str] = (),
    ) -> SpeechStream:
        """Return a stream; its ``run`` publishes the captions to ``output``.

        ``address``: under which its requests are counted where many wait. ``pipeline``: what its sound passes
        through (:meth:`SpeechStream.process_with` changes it). ``trace``: the ``traceparent`` of what it is
        opened by (:meth:`admitted`), "": of nothing; ``links``: of what it belongs to.

        ProblemError ``unsupported_sample_rate``; ``unsupported_language`` where the back end has listed
        its languages in the last minute, and this is none of them.
        """
        check_rate(sample_rate)
        self._check_language(origin.source_language)
        settings = self._settings.current.orchestration.speech
        stream = SpeechStream(
            origin=origin,
            sample_rate=sample_rate,
            settings=settings,
            transcriber=self._transcriber,
            translator=self._translator,
            output=output,
            wall=self._wall,
            counters=self._synthetic_counters if origin.is_synthetic else self._counters,
            translation_counters=self._translation_counters,
            queue=self._queue,
            requester=Requester(address=address, session_id=origin.session_id, stream_id=origin.stream_id),
            voice_activity=partial(self._voice_activity, settings.vad),
            shortest_interval=self._shortest_interval(),
            may_translate_growing=partial(self._may_translate_growing, origin.session_id),
            growing_usage=partial(self._growing_usage, origin.session_id),
            pipelines=self._pipelines,
            trace=StreamTrace(origin, self._tracer, parent=trace, links=links),
        )
        stream.process_with(pipeline)
        return stream

    def admitted(self, traceparent: str) -> str:
        """Return a client's ``traceparent`` as the parent of a stream; "": without one.

        See :meth:`orch.telemetry.traces.Tracer.admit`.
        """
        return traceparent and self._tracer.admit(traceparent)

    async def translate_line(self, final: Transcript, output: CaptionOutput) -> None:
        """Translate a final that was edited into every language that ``output`` reads; return when done."""
        translations = Translations(
            translator=self._translator,
            output=output,
            wall=self._wall,
            buffer_seconds=self._settings.current.orchestration.speech.buffer_seconds,
            changed=lambda: None,
            counters=self._translation_counters,
        )
        async with trio.open_nursery() as nursery:
            translations.start(nursery, final)

    async def transcribe_file(self, file: AudioFile, *, language: str, fetch: Fetch) -> Transcription:
        """Transcribe a file on behalf of a client, through ``fetch``. ProblemError as the transcriber's."""
        return await self._transcriber.transcribe_file(
            file, language=language, session_id="", limits=OF_RECORDINGS, fetch=fetch
        )

    @asynccontextmanager
    async def _voice_activity(self, vad: Vad) -> AsyncIterator[VoiceActivity | None]:
        """Yield what decides which of a stream's sound is speech; None: its distance from the noise."""
        voices = self._voices
        if voices is None or vad.model == "none":
            yield None
            return
        async with voices.lend() as model:
            if model is None:
                yield None
            else:
                yield ModelActivity(frame=voices.frame, probability=model.probability, vad=vad)

    @property
    def growing_limit(self) -> int:
        """How many requests a minute a session may send to translate growing lines; 0: it is off."""
        settings = self._settings.current
        speech, service = settings.orchestration.speech, settings.services.get(TRANSLATION)
        is_on = speech.translate_growing == "on"
        if speech.translate_growing == "auto":
            is_on = service is not None and not service.is_paid
        return speech.growing_translations_per_minute if is_on else 0

    def _may_translate_growing(self, session_id: str) -> bool:
        """Return whether a session may send another request for a growing line, and count it."""
        limit = self.growing_limit
        return limit > 0 and self._growing.take(session_id, self._clock(), limit=limit)

    def _growing_usage(self, session_id: str) -> Usage | None:
        """Return how many such requests a session has sent, if its participants should be told now."""
        return self._growing.report(session_id, self._clock(), limit=self.growing_limit)

    def _shortest_interval(self) -> float:
        """Return how often a fast engine may be sent a revision, in seconds."""
        settings = self._settings.current
        service = settings.services.get(AUDIO)
        # A socket's vendor is paid for sound, not for requests.
        is_paid = service is not None and service.is_paid and not service.is_streaming
        return settings.orchestration.speech.revision_interval if is_paid else SHORTEST_INTERVAL

    def _places(self) -> int:
        """Return how many requests the audio-service is sent at once."""
        settings = self._settings.current
        service = settings.services.get(AUDIO)
        if service is not None and service.is_streaming:
            return settings.orchestration.speech.max_streams  # each has a socket of its own
        instances = 1 if service is None else 1 + len(service.instances)
        most = settings.orchestration.speech.concurrent_requests * instances
        limit = None if service is None else self._concurrency(AUDIO, wanted=min(most, self._queue.wanted))
        return most if limit is None else max(1, min(most, limit))

    async def languages(self) -> LanguagesOffered:
        """Return the offered languages; the back ends are queried at most once a minute."""
        offered = await self._fresh()
        return msgspec.structs.replace(offered, growing_limit=self.growing_limit)

    async def _fresh(self) -> LanguagesOffered:
        async with self._listing:
            services = self._settings.current.services
            back_ends = (services.get(AUDIO), services.get(TRANSLATION))
            if back_ends != self._listed_by:
                # Other back ends: the former ones' languages do not apply.
                self._offered = LanguagesOffered()
            elif trio.current_time() < self._good_until:
                return self._offered
            offered = await self._list()
            self._offered = offered
            self._listed_by = back_ends
            fresh = LANGUAGES_RETRY if offered.errors else LANGUAGES_FRESH
            self._good_until = trio.current_time() + fresh
            return offered

    def expire_languages(self) -> None:
        """Query the back ends again for their languages at the next request: an engine has changed."""
        self._good_until = trio.current_time()

    async def require(self, source: str, targets: Collection[str]) -> None:
        """Raise ``unsupported_language`` for a language that the back ends do not offer.

        Where a back end cannot list its languages, none is refused.
        """
        offered = await self.languages()
        self._check_language(source)
        if offered.any_target or any(error.service == TRANSLATION for error in offered.errors):
            return
        for target in targets:
            if not is_near(target, source) and closest(target, offered.targets) is None:
                known = ", ".join(offered.targets)
                raise ProblemError(
                    "unsupported_language",
                    f"{TRANSLATION} does not support {target!r}. It supports: {known}.",
                    service=TRANSLATION,
                )

    def statistics(self) -> SpeechStatistics:
        """Return the figures of all streams."""
        each = (self._transcriber.back_end.statistics(), self._translator.back_end.statistics())
        asked = tuple(one for one in each if one.answered or one.refused)
        return msgspec.structs.replace(
            self._counters.statistics(self._clock()),
            growing_translations=self._growing.requests,
            growing_translations_deferred=self._growing.refused,
            growing_translations_per_minute=self._growing.most_used(self._clock()),
            growing_limit=self.growing_limit,
            back_ends=asked,
            voice_models=None if self._voices is None else self._voices.statistics(),
            pipelines=None if self._pipelines is None else self._pipelines.statistics(),
        )

    def readings(self) -> Iterator[Reading | Distribution]:
        """Yield what Prometheus reads."""
        yield from readings(self.statistics(), self._counters, self._settings.current.orchestration.speech)
        yield from self._translation_counters.readings()
        for back_end in (self._transcriber.back_end, self._translator.back_end):
            yield from of_back_end(back_end.statistics())

    def follow_refusals(self, on_refusal: Callable[[str, str | None], None]) -> None:
        """Call ``on_refusal`` when a back end begins to refuse all requests, and when that ends.

        With its name, and with a description or None.
        """
        self._transcriber.back_end.on_refusal = on_refusal
        self._translator.back_end.on_refusal = on_refusal

    def _check_language(self, language: str) -> None:
        offered = self._offered
        if language == AUTO or not offered.source or trio.current_time() >= self._good_until:
            return
        if any(error.service == AUDIO for error in offered.errors):
            return
        if closest(language, offered.source) is None:
            known = ", ".join(offered.source)
            raise ProblemError(
                "unsupported_language",
                f"{AUDIO} does not support {language!r}. It supports: {known}.",
                service=AUDIO,
            )

    async def _list(self) -> LanguagesOffered:
        """Request the languages of both back ends at once."""
        errors: list[CaptionError] = []
        source: tuple[str, ...] | None = self._offered.source
        pairs: Pairs | None = Pairs(self._offered.pairs, self._offered.via)

        async def list_source() -> None:
            nonlocal source
            try:
                source = await self._transcriber.languages()
            except ProblemError as error:
                errors.append(caption_error(error, service=AUDIO, is_final=False))

        async def list_pairs() -> None:
            nonlocal pairs
            try:
                pairs = await self._translator.languages()
            except ProblemError as error:
                errors.append(caption_error(error, service=TRANSLATION, is_final=False))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(list_source)
            nursery.start_soon(list_pairs)
        may_diarize = self._settings.current.orchestration.speech.diarization
        return LanguagesOffered(
            source=source or (),
            targets=() if pairs is None else pairs.all_targets(),
            pairs={} if pairs is None else pairs.targets,
            via={} if pairs is None else pairs.via,
            any_source=source is None,
            any_target=pairs is None,
            errors=tuple(sorted(errors, key=lambda error: error.service)),
            diarization=may_diarize and self._transcriber.diarizes,
        )

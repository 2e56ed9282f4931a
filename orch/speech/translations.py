"""Translates the finals of one stream into every language that participants read."""

from collections.abc import Callable, Mapping
from typing import Final

import trio

from orch.backoff import Backoff
from orch.problems import ProblemError
from orch.protocol.messages import Transcript
from orch.speech.backlog import FIRST_RETRY, LONGEST_RETRY
from orch.speech.captions import translation, translation_gap
from orch.speech.clauses import GrowingTranslation
from orch.speech.languages import AUTO, is_near, is_same
from orch.speech.output import CaptionOutput
from orch.speech.request_errors import is_transient, is_unanswered
from orch.speech.requests import TRANSLATION
from orch.speech.results import TranslatedText
from orch.speech.translation_counters import PairCounters, TranslationCounters
from orch.speech.translator import Translator
from orch.telemetry.traces import OFF, Span, Tracer
from orch.telemetry.traces.children import child

AT_ONCE: Final = 8  # requests of one stream at a time: a final in eight languages
MOST: Final = 256  # a minute of short utterances, each in eight languages
CROWDED: Final = 64


class Translations:
    """The translations of one stream in progress.

    A failed translation is marked once and tried again until ``buffer_seconds`` have passed; then it is
    marked as given up. While the back end does not respond, no request is sent before the next retry is due,
    however many wait.

    Bounded: with :data:`MOST` in progress, a further one is given up at once; recordings are read
    no faster than :data:`CROWDED` allows.
    """

    def __init__(
        self,
        *,
        translator: Translator,
        output: CaptionOutput,
        wall: Callable[[], float],
        buffer_seconds: float,
        changed: Callable[[], None],
        counters: TranslationCounters,
        tracer: Tracer = OFF,
    ) -> None:
        self._translator = translator
        self._tracer = tracer
        self._counters = counters
        self._output = output
        self._wall = wall
        self._buffer = buffer_seconds
        self._changed = changed
        self._limit = trio.CapacityLimiter(AT_ONCE)
        self._backoff = Backoff(first=FIRST_RETRY, longest=LONGEST_RETRY)
        self.under_way = 0

    @property
    def is_failing(self) -> bool:
        """Whether the last request had no response."""
        return self._backoff.failures > 0

    @property
    def is_crowded(self) -> bool:
        """Whether a recording should wait before more of it is transcribed."""
        return self.under_way >= CROWDED

    def start(
        self,
        nursery: trio.Nursery,
        final: Transcript,
        growing: Mapping[str, GrowingTranslation] | None = None,
        trace: str = "",
    ) -> None:
        """Translate a final into every language that is read now, but its own.

        ``growing``: by language, what readers have of it already; only the rest is translated. ``trace``: the
        ``traceparent`` of its utterance; "": not recorded.
        """
        for target in sorted(set(self._output.languages())):
            if self.is_wanted(final.language, target):
                if self.under_way < MOST:
                    self.under_way += 1
                    nursery.start_soon(self._translate, final, target, (growing or {}).get(target), trace)
                else:
                    nursery.start_soon(self._turn_away, final, target)

    def is_wanted(self, spoken: str | None, target: str) -> bool:
        """Return whether a reader needs a translation, if only into their own script."""
        if spoken is None or not is_near(spoken, target):
            return True
        return not is_same(spoken, target) and self._translator.knows_scripts(spoken, target)

    async def _turn_away(self, final: Transcript, target: str) -> None:
        pair = self._counters.of(final.language, target)
        pair.requests += 1
        pair.failures += 1
        error = ProblemError(
            "service_unavailable",
            f"{TRANSLATION} is too far behind: {MOST} translations are queued.",
            service=TRANSLATION,
        )
        await self._output.publish(
            translation_gap(final, target, error, is_final=True, timestamp=self._timestamp())
        )

    async def _translate(
        self, final: Transcript, target: str, growing: GrowingTranslation | None, trace: str
    ) -> None:
        try:
            with child(self._tracer, "speech.translation", trace) as span:
                if span is not None:
                    span.set("orch.speech.language", final.language or AUTO)
                    span.set("orch.speech.target_language", target)
                await self._try(final, target, growing or GrowingTranslation(), span)
        finally:
            self.under_way -= 1
            self._changed()

    async def _try(
        self, final: Transcript, target: str, growing: GrowingTranslation, span: Span | None
    ) -> None:
        """Send requests until one succeeds, is refused, or no time is left.

        What readers have of the translation is kept, up to where the final has other words.
        """
        begun = trio.current_time()
        pair = self._counters.of(final.language, target)
        trace, trace_id = ("", "") if span is None else (span.traceparent, span.trace_id)
        kept = growing.kept(final.text, final.language)
        if not kept.rest(final.text):
            known = TranslatedText(kept.text, confidence=kept.confidence)
            await self._publish(final, target, growing, known, trace)
            pair.published(trio.current_time() - begun, trace_id)
            return
        deadline = begun + self._buffer
        # Of unusable responses: other translations need not wait for those.
        own = Backoff(first=FIRST_RETRY, longest=LONGEST_RETRY)
        is_marked = False
        while True:
            await trio.sleep_until(self._backoff.until)
            async with self._limit:
                if self._backoff.until > trio.current_time():
                    continue  # another found the back end away while this one waited for its turn
                error = await self._ask(final, target, growing, kept, own, pair, trace)
            if error is None:
                pair.published(trio.current_time() - begun, trace_id)
                return
            if span is not None:
                span.event("failed", {"error.type": error.code})
            wakes = max(own.until, self._backoff.until)
            is_final = not is_transient(error) or wakes > deadline
            if is_final or not is_marked:
                await self._output.publish(
                    translation_gap(final, target, error, is_final=is_final, timestamp=self._timestamp())
                )
                is_marked = True
            if is_final:
                if span is not None:
                    span.failed(error.code)
                return
            await trio.sleep_until(wakes)

    async def _ask(
        self,
        final: Transcript,
        target: str,
        growing: GrowingTranslation,
        kept: GrowingTranslation,
        own: Backoff,
        pair: PairCounters,
        trace: str,
    ) -> ProblemError | None:
        """Send one request for what is not ``kept``; publish its translation, or return the error."""
        pair.requests += 1
        try:
            translated = await self._translator.translate(
                kept.rest(final.text),
                source=final.language or AUTO,
                target=target,
                session_id=final.session_id,
                terms=self._output.terms(),
                is_recording=final.recording is True,
                trace=trace,
            )
        except ProblemError as error:
            pair.failures += 1
            now = trio.current_time()
            if not is_transient(error):
                self._backoff.succeeded()
            elif not is_unanswered(error):
                own.failed(now)
            elif now >= self._backoff.until:
                # Of several that failed together, one counts.
                self._backoff.failed(now)
            self._changed()
            return error
        self._backoff.succeeded()
        await self._publish(final, target, growing, kept.completed(translated), trace)
        return None

    async def _publish(
        self,
        final: Transcript,
        target: str,
        growing: GrowingTranslation,
        translated: TranslatedText,
        trace: str,
    ) -> None:
        """Publish the translation of a final; if it does not continue what readers have, it says so."""
        corrects = not translated.text.startswith(growing.text)
        message = translation(final, target, translated, corrects=corrects, timestamp=self._timestamp())
        with child(self._tracer, "speech.publish", trace):
            await self._output.publish(message)

    def _timestamp(self) -> int:
        return int(self._wall() * 1000)

"""Translates the settled clauses of growing lines into the languages in which readers want them at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import trio

from orch.backoff import Backoff
from orch.problems import ProblemError
from orch.protocol.messages import Transcript, TranslationUsage
from orch.speech.backlog import FIRST_RETRY, LONGEST_RETRY
from orch.speech.captions import growing_translation
from orch.speech.clauses import GrowingTranslation
from orch.speech.languages import AUTO
from orch.speech.output import CaptionOutput
from orch.speech.request_errors import is_transient
from orch.speech.session_budgets import Usage
from orch.speech.translator import Translator
from orch.telemetry.traces import OFF, Tracer
from orch.telemetry.traces.children import child

AT_ONCE: Final = 8
"""Requests of one stream at a time; further clauses wait for the next revision."""

PAUSE: Final = 0.4
"""Seconds without words at the end of a line's sound: its speaker has paused, perhaps after a clause."""

TRIES: Final = 3
"""Requests of a line that fail before no other is sent for it."""


@dataclass(slots=True)
class _Line:
    """A growing line in one language: the newest revision, what is translated of it, and its request.

    ``trace``: the ``traceparent`` of its utterance; "": not recorded.
    """

    newest: Transcript
    trace: str = ""
    translation: GrowingTranslation = field(default_factory=GrowingTranslation)
    scope: trio.CancelScope | None = None
    is_given_up: bool = False
    backoff: Backoff = field(default_factory=lambda: Backoff(first=FIRST_RETRY, longest=LONGEST_RETRY))

    @property
    def may_begin(self) -> bool:
        """Whether a request may be sent: none is under way, and the last one that failed was a while ago."""
        return self.scope is None and not self.is_given_up and trio.current_time() >= self.backoff.until


class GrowingTranslations:
    """The translations of one stream's growing lines, one request for each line and language at a time.

    ``is_wanted``: whether a language is another one than the spoken. ``may_send``: whether the settings and
    the session's budget allow a request, which is then counted. ``usage``: how many there were, if the
    session's participants should be sent that now. A clause whose request failed is requested again
    with a later revision, :data:`TRIES` times for a line; the final is translated anyway, and its error is
    published.

    The mutable state is the lines that grow, by segment and language.
    """

    def __init__(
        self,
        *,
        translator: Translator,
        output: CaptionOutput,
        wall: Callable[[], float],
        is_wanted: Callable[[str | None, str], bool],
        may_send: Callable[[], bool],
        usage: Callable[[], Usage | None] = lambda: None,
        tracer: Tracer = OFF,
    ) -> None:
        self._translator = translator
        self._tracer = tracer
        self._output = output
        self._wall = wall
        self._is_wanted = is_wanted
        self._may_send = may_send
        self._usage = usage
        self._lines: dict[tuple[str, str], _Line] = {}

    def revised(self, nursery: trio.Nursery, revision: Transcript, trace: str = "") -> None:
        """Translate what is settled of a revision, without waiting.

        ``trace``: the ``traceparent`` of its utterance; "": not recorded.
        """
        for target in sorted(set(self._output.growing_languages())):
            if not self._is_wanted(revision.language, target):
                continue
            line = self._lines.setdefault((revision.segment_id, target), _Line(revision, trace))
            line.newest = revision
            if line.may_begin:
                under_way = sum(each.scope is not None for each in self._lines.values())
                clause = self._next(line)
                if clause is not None and under_way < AT_ONCE and self._takes(revision):
                    line.scope = trio.CancelScope()
                    nursery.start_soon(self._translate, line, target, clause)

    def finish(self, segment_id: str) -> dict[str, GrowingTranslation]:
        """End a line, and return what readers have of it, by language."""
        ended = {key: line for key, line in self._lines.items() if key[0] == segment_id}
        for key, line in ended.items():
            del self._lines[key]
            if line.scope is not None:
                line.scope.cancel()
        return {key[1]: line.translation for key, line in ended.items() if line.translation.clauses}

    def carry(
        self,
        final: Transcript,
        carried: Transcript | None,
        growing: Mapping[str, GrowingTranslation],
        trace: str = "",
    ) -> dict[str, GrowingTranslation]:
        """Move the clauses that were said after a cut to the line that continues, and send them for it.

        ``carried``: that line's first revision, with the words after the cut, if there are any.
        ``growing``: what readers have of the line whose ``final`` is published; returned is the part of it
        that stays there. ``trace``: as of :meth:`revised`, of the line that continues.
        """
        left: dict[str, GrowingTranslation] = {}
        for target, translation in growing.items():
            left[target] = translation
            kept = translation.kept(final.text, final.language)
            after = translation.after(kept)
            moved = GrowingTranslation() if carried is None else after.kept(carried.text, carried.language)
            if carried is not None and moved.clauses:
                line = self._lines[carried.segment_id, target] = _Line(carried, trace, moved)
                self._send(line, target)
                if moved == after:
                    left[target] = kept
        return left

    def close(self) -> None:
        """End all lines: the stream is over."""
        for segment_id in {key[0] for key in self._lines}:
            self.finish(segment_id)

    def _next(self, line: _Line) -> str | None:
        newest = line.newest
        if not isinstance(newest.settled, int):
            return None
        is_paused = bool(newest.words) and newest.end - newest.words[-1].end >= PAUSE
        return line.translation.next_clause(
            newest.text, newest.settled, language=newest.language, is_paused=is_paused
        )

    async def _translate(self, line: _Line, target: str, clause: str) -> None:
        """Translate a clause, and those that were settled meanwhile."""
        assert line.scope is not None  # noqa: S101 - set by the caller
        with line.scope, child(self._tracer, "speech.translation", line.trace) as span:
            if span is not None:
                span.set("orch.speech.language", line.newest.language or AUTO)
                span.set("orch.speech.target_language", target)
                span.set("orch.speech.growing", value=True)
            trace = "" if span is None else span.traceparent
            following: str | None = clause
            while following is not None:
                following = await self._translate_clause(line, target, following, trace)
        line.scope = None

    async def _translate_clause(self, line: _Line, target: str, clause: str, trace: str) -> str | None:
        """Translate and send one clause; return the next one if there is one already."""
        revision = line.newest
        try:
            translated = await self._translator.translate(
                clause,
                source=revision.language or AUTO,
                target=target,
                session_id=revision.session_id,
                terms=self._output.terms(),
                trace=trace,
            )
        except ProblemError as error:
            # The final's request has the error for readers and for the log.
            line.backoff.failed(trio.current_time())
            line.is_given_up = not is_transient(error) or line.backoff.failures >= TRIES
            return None
        line.backoff.succeeded()
        if line.scope is None or line.scope.cancel_called:
            return None  # the final has come; it is translated without this clause
        line.translation = line.translation.with_clause(
            clause, translated.text, language=revision.language, confidence=translated.confidence
        )
        self._send(line, target)
        following = self._next(line)
        return following if following is not None and self._takes(revision) else None

    def _takes(self, revision: Transcript) -> bool:
        """Return whether a request may be sent, which is then counted. Send the session its usage if due."""
        may_send = self._may_send()
        usage = self._usage()
        if usage is not None:
            self._output.send(
                TranslationUsage(
                    timestamp=int(self._wall() * 1000),
                    session_id=revision.session_id,
                    used=usage.used,
                    limit=usage.limit,
                    limit_reached=usage.limit_reached,
                )
            )
        return may_send

    def _send(self, line: _Line, target: str) -> None:
        """Send what is translated of a line."""
        words = line.translation.words(line.newest.text)
        if words is not None:
            timestamp = int(self._wall() * 1000)
            self._output.send(
                growing_translation(line.newest, target, line.translation, words=words, timestamp=timestamp)
            )

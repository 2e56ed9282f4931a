"""Transcripts of bots as files: read from the store, written in a thread, one at a time."""

import tempfile
from contextlib import ExitStack
from typing import IO, Final

import trio
from quart import Response

from orch.bots import stored_transcript
from orch.bots.stored_transcript import LinePart
from orch.problems import ProblemError
from orch.speech.exports import FORMATS, Choice
from orch.speech.lines import Line, SessionTranscript
from orch.stores import bot_records as records
from orch.stores.bot_records import SourceType
from orch.web import bot_records
from orch.web.bot_records import Captured
from orch.web.spooled_body import SpooledBody
from orch.web.transcripts import Pauses
from orch.web.turns import WAIT_LIMIT, Turns

MOST_LINES: Final = 100_000
"""Lines of a file: more than a day of a lively meeting. What is later is left out."""
RESPONSE_LIMIT: Final = 600.0


class BotTranscripts:
    """Makes the files. Their content waits on the disk for its client, not in memory."""

    def __init__(self) -> None:
        self._turns = Turns(_busy)

    async def response(self, found: Captured, source: SourceType, kind: str, choice: Choice) -> Response:
        """Return a file, a ``kind`` of :data:`orch.speech.exports.FORMATS`.

        Problems: ``store_unavailable``, ``overloaded``.
        """
        form = FORMATS[kind]
        with ExitStack() as stack:
            file = stack.enter_context(tempfile.TemporaryFile())
            async with self._turns.take():
                lines, is_complete = await _lines(found, source, choice.languages)
                transcript = SessionTranscript(
                    found.session_id, lines, round(found.started * 1000), found.session.meeting_title or ""
                )
                size = await trio.to_thread.run_sync(_write, transcript, kind, choice, file)
            response = Response(SpooledBody(file, stack.pop_all()), content_type=form.media_type)
        response.headers.update(
            {
                "Cache-Control": "no-store",
                "Content-Disposition": f'attachment; filename="bot-{found.life.bot_id}.{form.extension}"',
                "Content-Length": str(size),
                "X-Transcript-Complete": str(is_complete).lower(),
            }
        )
        response.timeout = RESPONSE_LIMIT
        return response


def _write(transcript: SessionTranscript, kind: str, choice: Choice, file: IO[bytes]) -> int:
    written = FORMATS[kind].write(transcript, choice, Pauses())
    return file.write(written.encode("utf-8", "replace") if isinstance(written, str) else written)


async def _lines(
    found: Captured, source: SourceType, languages: tuple[str, ...]
) -> tuple[tuple[Line, ...], bool]:
    """Return the lines by time, and whether they are all."""
    parts = await _parts(found) if source == "whisper_service" and not languages else {}
    translations = await _translations(found, languages)
    started = round(found.started * 1000)
    lines: list[Line] = []
    async for page in bot_records.every_utterance(found, source, most=MOST_LINES):
        for each in page:
            if each.transcript_text.strip():
                lines += stored_transcript.lines_of(
                    each,
                    parts.get(each.transcript_id, ()),
                    started=started,
                    translations=translations.get(each.transcript_id),
                )
    is_complete = len(lines) < MOST_LINES
    return tuple(sorted(lines[:MOST_LINES], key=lambda line: line.start)), is_complete


async def _parts(found: Captured) -> dict[str, tuple[LinePart, ...]]:
    """Return the parts of each utterance; of one speaker, they say nothing more than the utterance."""
    stored: list[records.Correlation] = []

    async def read(*, after: records.Correlation | None, limit: int) -> tuple[records.Correlation, ...]:
        return await found.store.correlations(found.session_id, after=after, limit=limit)

    async for page in bot_records.every(read, most=MOST_LINES):
        stored += page
    # For a long meeting it takes some tenths of a second.
    return await trio.to_thread.run_sync(stored_transcript.by_utterance, stored)


async def _translations(
    found: Captured, languages: tuple[str, ...]
) -> dict[str, dict[str, records.Translation]]:
    """Return the translations of each utterance, by language."""
    translations: dict[str, dict[str, records.Translation]] = {}
    for language in languages:

        async def read(
            *, after: records.Translation | None, limit: int, language: str = language
        ) -> tuple[records.Translation, ...]:
            return await found.store.translations(found.session_id, language, after=after, limit=limit)

        async for page in bot_records.every(read, most=MOST_LINES):
            for each in page:
                translations.setdefault(each.source_transcript_id, {})[language] = each
    return translations


def _busy() -> ProblemError:
    return ProblemError(
        "overloaded",
        "Too many transcripts are being prepared. Try again in a moment.",
        headers={"Retry-After": str(round(WAIT_LIMIT / 4))},
    )

"""The transcripts of bots and their translations, over HTTP."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct
from quart import Blueprint, Response
from quart_schema import document_querystring, document_response

from orch.bots.stored_transcript import LinePart, by_utterance
from orch.protocol.messages import Language
from orch.speech.exports import Choice
from orch.stores import bot_records as records
from orch.stores.bot_records import SourceType
from orch.web import bot_records
from orch.web.api.sessions import codes
from orch.web.bot_documents import BotTranscriptPage, TranslationsPage, transcript_line, translated_line
from orch.web.bot_records import BotRecords, Captured, Cursor, Limit
from orch.web.bot_transcripts import BotTranscripts
from orch.web.cursors import write_cursor
from orch.web.json_api import json_response, read_query
from orch.web.time_limits import store_limit

MARGIN: Final = 10.0
"""Seconds by which the times of parts and translations may differ from those of their utterance."""

SOURCES: Final[dict[str, SourceType]] = {"speech": "whisper_service", "captions": "google_meet"}


class BotTranscriptQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The form of a transcript, and where it comes from: ``speech`` (transcribed) or the meeting's captions.

    ``languages``: translations, codes separated by commas. Of ``json``: ``after``, the index of a line, and
    ``limit``. Of files: ``original``: false for translations alone.
    """

    format: Literal["json", "txt", "srt", "vtt"] = "json"
    source: Literal["speech", "captions"] = "speech"
    after: Annotated[int, Meta(ge=-1, le=2**31)] = -1
    limit: Limit = 100
    languages: Annotated[str, Meta(max_length=1_200)] = ""
    original: bool = True


class TranslationsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Into which language; ``after``: the value of ``next``."""

    language: Language
    after: Cursor = ""
    limit: Limit = 100


def blueprint(bots: BotRecords) -> Blueprint:
    """Return the routes."""
    api = Blueprint("bot_transcripts", __name__, url_prefix="/api/bots")
    transcripts = BotTranscripts()

    @api.get("/<bot_id>/transcript")
    @document_querystring(BotTranscriptQuery)
    @document_response(BotTranscriptPage)
    async def transcript(bot_id: str) -> Response:
        """Return the transcript: a page of it as JSON, or all of it as a file (txt, srt, vtt).

        ``X-Transcript-Complete`` of a file is ``false`` if it was too long.
        """
        query = read_query(BotTranscriptQuery)
        languages = codes(query.languages, path="languages")
        found = await bots.find(bot_id)
        source = SOURCES[query.source]
        if query.format != "json":
            choice = Choice(original=query.original, languages=languages)
            return await transcripts.response(found, source, query.format, choice)
        with store_limit():
            page = await found.store.utterances(
                found.session_id, source, after=query.after, limit=query.limit
            )
        parts = await _parts_of(found, page) if source == "whisper_service" else {}
        translated = {code: await _translations_of(found, page, code) for code in languages}
        return json_response(
            BotTranscriptPage(
                bot_id=bot_id,
                session_id=found.session_id,
                started=found.session.start_time,
                lines=tuple(
                    transcript_line(
                        each,
                        parts.get(each.transcript_id, ()),
                        {
                            code: texts[each.transcript_id]
                            for code, texts in translated.items()
                            if each.transcript_id in texts
                        },
                    )
                    for each in page
                ),
                next=page[-1].segment_index if len(page) == query.limit else None,
            )
        )

    @api.get("/<bot_id>/translations")
    @document_querystring(TranslationsQuery)
    @document_response(TranslationsPage)
    async def translations(bot_id: str) -> Response:
        """Return translations into a language, by time."""
        query = read_query(TranslationsQuery)
        after = bot_records.after_translation(query.after)
        found = await bots.find(bot_id)
        with store_limit():
            page = await found.store.translations(
                found.session_id, query.language, after=after, limit=query.limit
            )
        return json_response(
            TranslationsPage(
                bot_id=bot_id,
                session_id=found.session_id,
                language=query.language,
                lines=tuple(map(translated_line, page)),
                next=write_cursor(page[-1].start_time, page[-1].translation_id)
                if len(page) == query.limit
                else None,
            )
        )

    return api


async def _parts_of(found: Captured, page: Sequence[records.Utterance]) -> dict[str, tuple[LinePart, ...]]:
    """Return the parts of some utterances. The store has them by time, so those of others are skipped."""
    if not page:
        return {}
    wanted = {each.transcript_id for each in page}
    first = min(each.start_time for each in page)
    last = max(each.end_time for each in page)
    stored: list[records.Correlation] = []

    async def read(*, after: records.Correlation | None, limit: int) -> tuple[records.Correlation, ...]:
        return await found.store.correlations(found.session_id, after=after, limit=limit)

    # Times of parts are those of words, which an engine may place slightly outside of the utterance.
    begin = bot_records.correlation_at(max(0.0, first - MARGIN), "", 0)
    async for pages in bot_records.every(read, begin, until=lambda each: each.start_time > last + MARGIN):
        stored += (each for each in pages if each.inhouse_transcript_id in wanted)
    return by_utterance(stored)


async def _translations_of(
    found: Captured, page: Sequence[records.Utterance], language: str
) -> dict[str, str]:
    """Return the translations of some utterances, which the store has by time."""
    if not page:
        return {}
    wanted = {each.transcript_id for each in page}
    last = max(each.start_time for each in page)

    async def read(*, after: records.Translation | None, limit: int) -> tuple[records.Translation, ...]:
        return await found.store.translations(found.session_id, language, after=after, limit=limit)

    texts: dict[str, str] = {}
    begin = bot_records.translation_at(max(0.0, min(each.start_time for each in page) - MARGIN), "", language)
    async for pages in bot_records.every(read, begin, until=lambda each: each.start_time > last + MARGIN):
        texts |= {
            each.source_transcript_id: each.translated_text
            for each in pages
            if each.source_transcript_id in wanted
        }
    return texts

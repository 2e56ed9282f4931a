"""What meeting bots captured besides the transcript, over HTTP: timeline, correlations, events."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct
from quart import Blueprint, Response
from quart_schema import document_querystring, document_response

from orch.bots.stored_timeline import StoredTimeline
from orch.stores import bot_records as records
from orch.web import bot_records
from orch.web.bot_documents import (
    BotEventsPage,
    BotTimeline,
    CorrelationsPage,
    NameChange,
    NamedWords,
    bot_event,
    consent_entry,
    name_change,
    named_words,
)
from orch.web.bot_records import BotRecords, Captured, Cursor, Limit
from orch.web.cursors import write_cursor
from orch.web.json_api import json_response, read_query
from orch.web.time_limits import store_limit

MOST_EVENTS_READ: Final = 20_000
"""Events that are looked at for a page of one type."""


class CorrelationsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which list: ``names`` (as they are now) or ``revisions`` (each change of a name)."""

    list: Literal["names", "revisions"] = "names"
    after: Cursor = ""
    limit: Limit = 100


class EventsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events: ``type``: "" for all. ``after``: the value of ``next``, with the same ``order``."""

    type: Annotated[str, Meta(max_length=64)] = ""
    order: Literal["newest", "oldest"] = "newest"
    after: Cursor = ""
    limit: Limit = 100


def blueprint(bots: BotRecords) -> Blueprint:
    """Return the routes."""
    api = Blueprint("bot_results", __name__, url_prefix="/api/bots")

    @api.get("/<bot_id>/timeline")
    @document_response(BotTimeline)
    async def timeline(bot_id: str) -> Response:
        """Return who was in the meeting, who spoke and who presented when."""
        found = await bots.find(bot_id)
        collected = StoredTimeline(found.started)

        async def page(*, after: records.SessionEvent | None, limit: int) -> tuple[records.SessionEvent, ...]:
            return await found.store.events(found.session_id, after=after, limit=limit)

        async for events in bot_records.every(page):
            collected.add(events)
        ended = found.session.end_time or found.life.ended_at
        speakers = collected.finish(ended)
        return json_response(
            BotTimeline(
                bot_id=bot_id,
                session_id=found.session_id,
                started=found.session.start_time,
                ended=ended,
                is_complete=collected.is_complete,
                speakers=speakers,
            )
        )

    @api.get("/<bot_id>/correlations")
    @document_querystring(CorrelationsQuery)
    @document_response(CorrelationsPage)
    async def correlations(bot_id: str) -> Response:
        """Return whose words are whose, or the audit of names that were revised, and how good they are."""
        query = read_query(CorrelationsQuery)
        return json_response(await _correlations(bots, bot_id, query))

    @api.get("/<bot_id>/events")
    @document_querystring(EventsQuery)
    @document_response(BotEventsPage)
    async def events(bot_id: str) -> Response:
        """Return what happened to the bot and in the meeting, and the consent log with the first page."""
        query = read_query(EventsQuery)
        after = bot_records.after_event(query.after)
        found = await bots.find(bot_id)
        return json_response(await _events(found, query, after))

    return api


async def _correlations(bots: BotRecords, bot_id: str, query: CorrelationsQuery) -> CorrelationsPage:
    names: tuple[NamedWords, ...] = ()
    revisions: tuple[NameChange, ...] = ()
    cursor: str | None = None
    if query.list == "names":
        after = bot_records.after_correlation(query.after)
        found = await bots.find(bot_id)
        with store_limit():
            page = await found.store.correlations(found.session_id, after=after, limit=query.limit)
        names = tuple(map(named_words, page))
        if len(page) == query.limit:
            cursor = write_cursor(page[-1].start_time, page[-1].correlation_id)
    else:
        last = bot_records.after_revision(query.after)
        found = await bots.find(bot_id)
        with store_limit():
            changes = await found.store.names_revised(found.session_id, after=last, limit=query.limit)
        revisions = tuple(map(name_change, changes))
        if len(changes) == query.limit:
            cursor = write_cursor(changes[-1].at, changes[-1].revision_id)
    with store_limit():
        rows = await found.store.view("correlation_effectiveness", found.session_id)
    quality = {name: value for name, value in (rows[0] if rows else {}).items() if name != "session_id"}
    return CorrelationsPage(
        bot_id=bot_id,
        session_id=found.session_id,
        quality=quality,
        names=names,
        revisions=revisions,
        next=cursor,
    )


async def _events(found: Captured, query: EventsQuery, after: records.SessionEvent | None) -> BotEventsPage:
    is_first = after is None
    events: list[records.SessionEvent] = []
    looked_at, has_more = 0, True
    while has_more and len(events) < query.limit and looked_at < MOST_EVENTS_READ:
        size = query.limit if not query.type else bot_records.PAGE
        with store_limit():
            page = await found.store.events(
                found.session_id, after=after, limit=size, newest_first=query.order == "newest"
            )
        looked_at += len(page)
        has_more = len(page) == size
        for each in page:
            after = each
            if query.type in ("", each.event_type):
                events.append(each)
                if len(events) == query.limit:
                    has_more = True
                    break
    consents: tuple[records.Consent, ...] = ()
    if is_first:
        with store_limit():
            consents = await found.store.consents(found.session_id)
    return BotEventsPage(
        bot_id=found.life.bot_id,
        session_id=found.session_id,
        events=tuple(map(bot_event, events)),
        next=write_cursor(after.at, after.event_id) if has_more and after is not None else None,
        consents=tuple(map(consent_entry, consents)),
    )

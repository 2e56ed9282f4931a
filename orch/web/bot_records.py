"""Reads what bots captured from their store, page by page, for the API."""

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Final, Protocol, TypeVar

from msgspec import Meta, Struct

from orch.problems import ProblemError
from orch.stores import bot_records as records
from orch.stores.bot_records import BotSession, Life, RefusedRecordError, SourceType
from orch.stores.bot_store import BotStore
from orch.web.bot_forms import read_bot_id
from orch.web.cursors import read_cursor
from orch.web.time_limits import store_limit

PAGE: Final = 500
"""Records that are read at a time where all of them are needed."""
R = TypeVar("R", bound=Struct)

Limit = Annotated[int, Meta(ge=1, le=500)]
Cursor = Annotated[str, Meta(max_length=1_024)]


class NextPage(Protocol[R]):
    """Reads a page after a record."""

    async def __call__(self, *, after: R | None, limit: int) -> tuple[R, ...]:
        """Return up to ``limit`` records."""
        ...


class Captured(Struct, frozen=True):
    """A bot with its session, and the store that has what it captured."""

    life: Life
    session: BotSession
    store: BotStore

    @property
    def session_id(self) -> str:
        """The session's id."""
        return self.life.session_id

    @property
    def started(self) -> float:
        """When the session started, seconds since the epoch; before that, when the bot was requested."""
        start = self.session.start_time
        return self.life.requested_at if start is None else start


class BotRecords:
    """What bots captured. ``store`` returns where it is; None where there is no such store (``reason``)."""

    def __init__(self, store: Callable[[], BotStore | None], reason: str) -> None:
        self._store = store
        self._reason = reason

    def store(self) -> BotStore:
        """Return the store. ProblemError ``bots_off`` if there is none."""
        store = self._store()
        if store is None:
            raise ProblemError("bots_off", self._reason)
        return store

    async def find(self, bot_id: str) -> Captured:
        """Return a bot. Problems: ``unknown_bot``, ``bot_data_deleted``, ``store_unavailable``."""
        store = self.store()
        with store_limit():
            life = await store.life(read_bot_id(bot_id))
            if life is None:
                raise ProblemError("unknown_bot", f"No bot has the id {bot_id}.")
            session = None if life.data_deleted_at else await store.session(life.session_id)
        if session is None:
            raise ProblemError("bot_data_deleted", f"What the bot {bot_id} captured has been deleted.")
        return Captured(life, session, store)


async def every(
    read: NextPage[R],
    after: R | None = None,
    *,
    until: Callable[[R], bool] = lambda _: False,
    most: int | None = None,
) -> AsyncIterator[tuple[R, ...]]:
    """Yield all records in pages, until the last one of a page is where to stop, or there were ``most``.

    It ends by itself; do not leave the loop early. ProblemError ``store_unavailable``.
    """
    count = 0
    while True:
        with store_limit():
            page = await read(after=after, limit=PAGE)
        if page:
            yield page
        count += len(page)
        if len(page) < PAGE or until(page[-1]) or (most is not None and count >= most):
            return
        after = page[-1]


async def every_utterance(
    found: Captured, source: SourceType, *, most: int
) -> AsyncIterator[tuple[records.Utterance, ...]]:
    """Yield the utterances of a source by their index, as :func:`every` does."""

    async def read(*, after: records.Utterance | None, limit: int) -> tuple[records.Utterance, ...]:
        index = -1 if after is None else after.segment_index
        return await found.store.utterances(found.session_id, source, after=index, limit=limit)

    async for page in every(read, most=most):
        yield page


# The last record of a page, as far as the store needs it, from its cursor.


def after_translation(cursor: str) -> records.Translation | None:
    """Return the translation that a cursor names."""
    if not cursor:
        return None
    at, key = read_cursor(cursor, float)
    source, _, language = key.rpartition("/")
    return _record(lambda: translation_at(at, source, language))


def translation_at(at: float, transcript_id: str, language: str) -> records.Translation:
    """Return a translation that stands at a place of the store's order."""
    return records.Translation(
        session_id="",
        source_transcript_id=transcript_id,
        translated_text="",
        target_language=language,
        start_time=at,
        end_time=at,
        at=0,
    )


def after_correlation(cursor: str) -> records.Correlation | None:
    """Return the correlation that a cursor names."""
    if not cursor:
        return None
    at, key = read_cursor(cursor, float)
    transcript, _, part = key.rpartition("/")
    number = int(part) if part.isascii() and part.isdecimal() and len(part) < 9 else 0  # noqa: PLR2004
    return _record(lambda: correlation_at(at, transcript, number))


def correlation_at(at: float, transcript_id: str, part: int) -> records.Correlation:
    """Return a correlation that stands at a place of the store's order."""
    return records.Correlation(
        session_id="",
        inhouse_transcript_id=transcript_id,
        word_start=0,
        word_end=0,
        correlation_confidence=0,
        correlation_type="inferred",
        correlation_method="",
        start_time=at,
        end_time=at,
        at=0,
        part=part,
    )


def after_revision(cursor: str) -> records.NameRevision | None:
    """Return the change of a name that a cursor names."""
    if not cursor:
        return None
    at, key = read_cursor(cursor, float)
    return _record(
        lambda: records.NameRevision(
            revision_id=key,
            session_id="",
            transcript_id="",
            word_start=0,
            word_end=0,
            method="",
            was_shown=False,
            at=at,
        )
    )


def after_event(cursor: str) -> records.SessionEvent | None:
    """Return the event that a cursor names."""
    if not cursor:
        return None
    at, key = read_cursor(cursor, float)
    return _record(
        lambda: records.SessionEvent(event_id=key, session_id="", event_type="", at=at, source_component="")
    )


def _record(make: Callable[[], R]) -> R:
    try:
        return make()
    except RefusedRecordError as error:
        raise ProblemError(
            "invalid_request", f"after is no cursor: {error}.", path="after", expected="the value of next"
        ) from None

"""Scripts that read what was captured, page by page. Pure."""

from typing import Any, TypeVar

from msgspec import Struct

from orch.stores.bot_records import BotSession, SessionStatistics, SourceType, Translation, Utterance
from orch.stores.bot_scripts.requests import Query, Script, marks
from orch.stores.bot_scripts.tables import SESSIONS, STATISTICS, TRANSLATIONS, UTTERANCES, Table

R = TypeVar("R", bound=Struct)


def session(session_id: str) -> Script[BotSession | None]:
    """Return a session."""
    rows = yield Query(SESSIONS.select("WHERE session_id = $1"), (session_id,))
    return SESSIONS.read(rows[0]) if rows else None


def statistics(session_id: str) -> Script[SessionStatistics | None]:
    """Return a session's figures, once they were computed."""
    rows = yield Query(STATISTICS.select("WHERE session_id = $1"), (session_id,))
    return STATISTICS.read(rows[0]) if rows else None


def page(
    table: Table[R],
    session_id: str,
    order: tuple[str, str],
    after: R | None,
    limit: int,
    *,
    is_descending: bool = False,
) -> Script[tuple[R, ...]]:
    """Return rows of a session in an order, ``limit`` at most, after the last one of the page before.

    ``order``: two columns; the second one is unique.
    """
    first, second = order
    beyond, way = ("<", " DESC") if is_descending else (">", "")
    condition, values = "", [session_id, limit]
    if after is not None:
        condition = f" AND ({first}, {second}) {beyond} ($3, $4)"
        values += [_value(table, after, first), _value(table, after, second)]
    rows = yield Query(
        table.select(f"WHERE session_id = $1{condition} ORDER BY {first}{way}, {second}{way} LIMIT $2"),
        tuple(values),
    )
    return table.read_all(rows)


def _value(table: Table[R], record: R, column: str) -> Any:
    return getattr(record, "at" if column == table.read_at else column)


def utterances(session_id: str, source: SourceType, after: int, limit: int) -> Script[tuple[Utterance, ...]]:
    """Return the utterances of a source with an index above ``after``, by their index."""
    rows = yield Query(
        UTTERANCES.select(
            "WHERE session_id = $1 AND source_type = $2 AND segment_index > $3"
            " ORDER BY segment_index LIMIT $4"
        ),
        (session_id, source, after, limit),
    )
    return UTTERANCES.read_all(rows)


def next_segment(session_id: str, source: SourceType) -> Script[int]:
    """Return the index after the highest one of a source: where a bot that joins again goes on."""
    rows = yield Query(
        "SELECT coalesce(max(segment_index), -1) + 1 FROM bot_sessions.transcripts"
        " WHERE session_id = $1 AND source_type = $2",
        (session_id, source),
    )
    return int(rows[0][0])


def translations(
    session_id: str, language: str, after: Translation | None, limit: int
) -> Script[tuple[Translation, ...]]:
    """Return the translations of a session into a language, by time."""
    condition, values = "", [session_id, language, limit]
    if after is not None:
        condition = " AND (start_time, translation_id) > ($4, $5)"
        values += [after.start_time, after.translation_id]
    rows = yield Query(
        TRANSLATIONS.select(
            f"WHERE session_id = $1 AND target_language = $2{condition}"
            " ORDER BY start_time, translation_id LIMIT $3"
        ),
        tuple(values),
    )
    return TRANSLATIONS.read_all(rows)


def view(name: str, columns: tuple[str, ...], session_id: str) -> Script[tuple[dict[str, Any], ...]]:
    """Return the rows of a view for a session, as mappings."""
    rows = yield Query(
        f"SELECT {', '.join(columns)} FROM bot_sessions.{name} WHERE session_id = {marks(1)}",  # noqa: S608 - constants
        (session_id,),
    )
    return tuple(dict(zip(columns, row, strict=True)) for row in rows)

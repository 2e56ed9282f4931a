"""Selects the connections that operators see: on each worker, then merged from all of them. Pure.

There may be tens of thousands of connections. Each worker passes over its own once, counts them by activity,
and replies with the first matches in the requested order; the requester merges the replies. So a query costs
each worker one pass, and the network some hundred lines.
"""

import heapq
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any, Final, Literal, Protocol

import msgspec
from msgspec import Meta, Struct

from orch.cluster.workers import Worker
from orch.websocket.statistics import (
    ACTIVITIES,
    CONNECTIONS_LISTED,
    SESSIONS_LISTED,
    SESSIONS_NAMED,
    Activity,
    Bounded,
    ConnectionsStatistics,
    ConnectionSummary,
    ConnectionsWorker,
    SessionLine,
)

#: The share of the outbox limit above which a client counts as behind.
BEHIND: Final = 0.05

Sort = Literal["since", "who", "doing", "session", "received", "sent", "queued_bytes"]


class ConnectionQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A filter, an order and a limit for connections.

    ``find``: every word of it occurs in the id, address, name, program or a session of the connection;
    ``doing``, ``worker``: only those; empty: any.
    """

    find: Annotated[str, Meta(max_length=200)] = ""
    doing: Literal["", "speaking", "listening", "behind", "idle", "closing"] = ""
    worker: Annotated[str, Meta(max_length=100)] = ""
    sort: Sort = "since"
    order: Literal["ascending", "descending"] = "descending"
    limit: Annotated[int, Meta(ge=0, le=CONNECTIONS_LISTED)] = CONNECTIONS_LISTED

    @property
    def is_plain(self) -> bool:
        """Whether it is the default query: the newest connections."""
        return not self.find and not self.doing and self.sort == "since" and self.order == "descending"


NEWEST: Final = ConnectionQuery()
TOTALS_ONLY: Final = ConnectionQuery(limit=0)
"""The query for totals without single connections."""


class ListedMember(Protocol):
    """A participant of a session, as far as it is shown."""

    name: str


class ListedConnection(Protocol):
    """A connection, as far as it is shown."""

    connection_id: str
    agent: str | None
    since: float
    sent: int
    received: int
    stream_id: str | None

    @property
    def members(self) -> Mapping[str, ListedMember]:
        """Its participants, by session."""

    @property
    def address(self) -> str:
        """The client's address."""

    @property
    def is_closing(self) -> bool:
        """Whether nothing more will be sent to it."""

    @property
    def queued_bytes(self) -> int:
        """The bytes queued for it."""


class ConnectionSelection(Struct, frozen=True):
    """One worker's counts by activity, the number of matches, and the first of them."""

    doings: dict[Activity, int]
    matching: int
    connections: tuple[ConnectionSummary, ...]


def activity(connection: ListedConnection, behind_from: float) -> Activity:
    """Return the activity of a connection; ``behind_from``: the queued bytes above which it is behind."""
    if connection.is_closing:
        return "closing"
    if connection.queued_bytes > behind_from:
        return "behind"
    if connection.stream_id is not None:
        return "speaking"
    return "listening" if connection.members else "idle"


def select(
    connections: Collection[ListedConnection],
    query: ConnectionQuery,
    *,
    newest_first: Iterable[ListedConnection],
    limit: int,
    worker: str,
) -> ConnectionSelection:
    """Select among ``connections`` of ``worker``; ``limit``: the maximum of bytes queued for one."""
    behind_from = limit * BEHIND
    doings: dict[Activity, int] = dict.fromkeys(ACTIVITIES, 0)
    for connection in connections:
        doings[activity(connection, behind_from)] += 1
    if query.worker and query.worker != worker:
        return ConnectionSelection(doings, 0, ())
    if query.is_plain:
        first: Iterable[ListedConnection] = islice(newest_first, query.limit)
        matching = len(connections)
    else:
        wanted = query.find.lower().split()
        found = [
            connection
            for connection in newest_first
            if (not query.doing or activity(connection, behind_from) == query.doing)
            and (not wanted or _has_all(connection, wanted))
        ]
        matching = len(found)
        pick = heapq.nlargest if query.order == "descending" else heapq.nsmallest
        key = _KEYS[query.sort]
        first = pick(query.limit, found, key=lambda each: key(each, behind_from))
    return ConnectionSelection(doings, matching, tuple(_line(each, behind_from, worker) for each in first))


_KEYS: Final[Mapping[str, Callable[[ListedConnection, float], Any]]] = {
    "since": lambda each, _: each.since,
    "who": lambda each, _: (_name(each) or each.address).lower(),
    "doing": activity,
    "session": lambda each, _: next(iter(each.members), ""),
    "received": lambda each, _: each.received,
    "sent": lambda each, _: each.sent,
    "queued_bytes": lambda each, _: each.queued_bytes,
}

_LINE_KEYS: Final[Mapping[str, Callable[[ConnectionSummary], Any]]] = {
    "since": lambda line: line.since,
    "who": lambda line: (line.name or line.address).lower(),
    "doing": lambda line: line.doing,
    "session": lambda line: line.sessions[0] if line.sessions else "",
    "received": lambda line: line.received,
    "sent": lambda line: line.sent,
    "queued_bytes": lambda line: line.queued_bytes,
}
"""The same, of what is shown of a connection."""


def _has_all(connection: ListedConnection, words: Sequence[str]) -> bool:
    named = (member.name for member in connection.members.values())
    parts = (
        connection.connection_id,
        connection.address,
        connection.agent or "",
        *connection.members,
        *named,
    )
    text = "\0".join(parts).lower()
    return all(word in text for word in words)


def _name(connection: ListedConnection) -> str | None:
    return next((member.name for member in connection.members.values()), None)


def _line(connection: ListedConnection, behind_from: float, worker: str) -> ConnectionSummary:
    return ConnectionSummary(
        connection_id=connection.connection_id,
        address=connection.address,
        state="closing" if connection.is_closing else "open",
        since=connection.since,
        doing=activity(connection, behind_from),
        sessions=tuple(islice(connection.members, SESSIONS_NAMED)),
        session_count=len(connection.members),
        name=_name(connection),
        queued_bytes=connection.queued_bytes,
        sent=connection.sent,
        received=connection.received,
        streaming=connection.stream_id is not None,
        agent=connection.agent,
        worker=worker,
    )


def merge(
    here: ConnectionsStatistics,
    there: Sequence[tuple[Worker, ConnectionsStatistics]],
    *,
    me: Worker,
    missing: Sequence[Worker] = (),
    query: ConnectionQuery = NEWEST,
    pending: bool = False,
) -> ConnectionsStatistics:
    """Merge the replies of all workers. Shared values are taken from this worker's, ``here``."""
    parts = [here, *(part for _, part in there)]
    lines = [line for part in parts for line in part.connections]
    if len(parts) > 1:
        lines.sort(key=_LINE_KEYS[query.sort], reverse=query.order == "descending")
    problems: dict[str, int] = {}
    for part in parts:
        for code, count in part.problems.items():
            problems[code] = problems.get(code, 0) + count
    return msgspec.structs.replace(
        here,
        **{name: sum(getattr(part, name) for part in parts) for name in _SUMMED},
        problems=problems,
        sums=_sums(parts),
        doings={word: sum(part.doings.get(word, 0) for part in parts) for word in ACTIVITIES},
        connections=tuple(lines[: query.limit]),
        session_list=_sessions(parts),
        workers=(
            ConnectionsWorker(worker=me, here=True, answered=True, active=here.active),
            *(
                ConnectionsWorker(worker=each, here=False, answered=True, active=part.active)
                for each, part in there
            ),
            *(ConnectionsWorker(worker=each, here=False, answered=False, active=None) for each in missing),
        ),
        pending=pending,
    )


_SUMMED: Final = (
    "active",
    "total",
    "limit",
    "evicted",
    "messages_in",
    "messages_out",
    "messages_in_per_second",
    "messages_out_per_second",
    "queued_bytes",
    "matching",
)


def _sums(parts: Sequence[ConnectionsStatistics]) -> tuple[Bounded, ...]:
    """Return the totals over all workers; a total that another version does not report is left out."""
    found: dict[str, Bounded] = {}
    for each in (each for part in parts for each in part.sums):
        known = found.get(each.name)
        if known is None:
            found[each.name] = each
        elif not each.is_shared:
            found[each.name] = msgspec.structs.replace(
                known, taken=known.taken + each.taken, limit=known.limit + each.limit
            )
    return tuple(found.values())


def _sessions(parts: Sequence[ConnectionsStatistics]) -> tuple[SessionLine, ...]:
    """Return the sessions in use, most recently used first; the same session on several workers is one."""
    found: dict[str, SessionLine] = {}
    for part in parts:
        for line in part.session_list:
            known = found.get(line.session_id)
            found[line.session_id] = line if known is None else _one(known, line)
    if len(parts) == 1:
        return parts[0].session_list
    latest = sorted(found.values(), key=lambda line: line.last_active, reverse=True)
    return tuple(latest[:SESSIONS_LISTED])


def _one(known: SessionLine, line: SessionLine) -> SessionLine:
    return SessionLine(
        session_id=known.session_id,
        participants=known.participants + line.participants,
        offset=max(known.offset, line.offset),
        created=min(known.created, line.created),
        last_active=max(known.last_active, line.last_active),
        streams=known.streams + line.streams,
        speaking=known.speaking + line.speaking,
        title=known.title or line.title,
    )

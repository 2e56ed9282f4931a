"""Which connections are shown: chosen on each worker, put together from all."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from orch.cluster.workers import Worker
from orch.websocket.connections.connection_query import (
    NEWEST,
    ConnectionQuery,
    ConnectionSelection,
    merge,
    select,
)
from orch.websocket.statistics import ConnectionsStatistics

OUTBOX = 1_000_000


@dataclass
class FakeConnection:
    """A connection, as far as it is shown."""

    connection_id: str
    since: float
    address: str = "192.0.2.1:5"
    agent: str | None = "Firefox/140"
    sent: int = 0
    received: int = 0
    stream_id: str | None = None
    members: dict[str, Any] = field(default_factory=dict)
    is_closing: bool = False
    queued_bytes: int = 0


def named(**sessions: str) -> dict[str, Any]:
    """Return who someone is, by session."""
    return {session: SimpleNamespace(name=name) for session, name in sessions.items()}


def chosen(connections: list[FakeConnection], me: str = "w", /, **query: Any) -> ConnectionSelection:
    """Choose among connections, given oldest first as the hub has them."""
    return select(
        connections, ConnectionQuery(**query), newest_first=reversed(connections), limit=OUTBOX, worker=me
    )


def names(found: ConnectionSelection | ConnectionsStatistics) -> list[str]:
    """Return who was chosen."""
    return [line.connection_id for line in found.connections]


CROWD = [
    FakeConnection("a", 1, members=named(s1="Ana"), sent=5),
    FakeConnection("b", 2, queued_bytes=60_000, received=9),
    FakeConnection("c", 3, members=named(s1="Mei"), stream_id="x"),
    FakeConnection("d", 4, is_closing=True, queued_bytes=70_000),
    FakeConnection("e", 5, agent=None, members=named(s2="ana")),
]


def test_the_newest_are_listed_and_all_are_counted() -> None:
    """However few lines are wanted."""
    found = chosen(CROWD, limit=2)
    assert names(found) == ["e", "d"]
    assert found.matching == 5
    assert found.doings == {"speaking": 1, "listening": 2, "behind": 1, "idle": 0, "closing": 1}


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"find": "ANA"}, ["e", "a"]),
        ({"find": "ana firefox"}, ["a"]),
        ({"find": "s1"}, ["c", "a"]),
        ({"doing": "behind"}, ["b"]),
        ({"doing": "listening", "find": "mei"}, []),
        ({"sort": "sent", "limit": 1}, ["a"]),
        ({"sort": "received", "limit": 1}, ["b"]),
        ({"sort": "queued_bytes", "limit": 2}, ["d", "b"]),
        ({"sort": "since", "order": "ascending", "limit": 2}, ["a", "b"]),
        ({"sort": "who", "order": "ascending", "find": "a", "doing": "listening"}, ["e", "a"]),
        ({"worker": "w", "limit": 1}, ["e"]),
        ({"worker": "another"}, []),
    ],
)
def test_what_is_asked_for_is_found_in_the_order_that_is_asked_for(
    query: dict[str, Any], wanted: list[str]
) -> None:
    """Every word somewhere in the line; equal ones newest first."""
    assert names(chosen(CROWD, **query)) == wanted


def test_a_line_names_the_first_sessions_and_counts_all() -> None:
    """One client in thousands of sessions does not make the list long."""
    sessions = named(**{f"s{number}": "Ana" for number in range(60)})
    (line,) = chosen([FakeConnection("a", 1, members=sessions)]).connections
    assert (len(line.sessions), line.session_count) == (8, 60)


def part(connections: list[FakeConnection], worker: str, **more: Any) -> ConnectionsStatistics:
    """Return what a worker answers."""
    query = more.pop("query", NEWEST)
    found = chosen(connections, worker, **msgspec.to_builtins(query))
    figures = {
        "active": len(connections),
        "total": 10,
        "limit": 100,
        "sessions": 7,
        "evicted": 1,
        "messages_in": 2,
        "messages_out": 3,
        "messages_in_per_second": 0.5,
        "messages_out_per_second": 1.5,
        "queued_bytes": 0,
        "outbox_limit": OUTBOX,
        "problems": {"rate_limited": 1},
        "doings": found.doings,
        "matching": found.matching,
        "connections": found.connections,
        "session_list": (),
    }
    return msgspec.convert(msgspec.to_builtins(figures) | more, ConnectionsStatistics)


@pytest.mark.parametrize(
    "query", [NEWEST, ConnectionQuery(sort="queued_bytes", limit=2), ConnectionQuery(find="ana", limit=1)]
)
def test_what_several_workers_answer_is_what_one_would(query: ConnectionQuery) -> None:
    """The same lines in the same order, however the connections are spread."""
    here, there = part(CROWD[::2], "a", query=query), part(CROWD[1::2], "b", query=query)
    whole = merge(here, [(Worker(name="b"), there)], me=Worker(name="a"), query=query)
    alone = part(CROWD, "a", query=query)
    assert sorted(names(whole)) == sorted(names(alone))
    assert (whole.active, whole.matching, whole.doings) == (alone.active, alone.matching, alone.doings)
    assert (whole.limit, whole.sessions, whole.problems) == (200, 7, {"rate_limited": 2})
    assert {line.worker for line in whole.connections} <= {"a", "b"}


def test_a_worker_that_did_not_answer_is_there_and_counts_nothing() -> None:
    """It is named, and what is known of it is that nothing is."""
    silent = Worker(name="b", place=1, host="x", pid=2)
    whole = merge(part(CROWD, "a"), [], me=Worker(name="a"), missing=[silent])
    assert [(each.worker.name, each.answered, each.active) for each in whole.workers] == [
        ("a", True, 5),
        ("b", False, None),
    ]


def test_a_session_that_several_workers_have_is_one() -> None:
    """Those in it are counted together; what was said last is the furthest."""
    line = {"session_id": "s", "participants": 2, "offset": 5, "created": 1, "last_active": 9}
    line |= {"streams": 1, "speaking": 1}
    here = part([], "a", session_list=[line])
    there = part([], "b", session_list=[line | {"offset": 6, "participants": 3, "last_active": 8}])
    (session,) = merge(here, [(Worker(name="b"), there)], me=Worker(name="a")).session_list
    assert (session.participants, session.offset, session.last_active) == (5, 6, 9)
    assert (session.streams, session.speaking) == (2, 2)

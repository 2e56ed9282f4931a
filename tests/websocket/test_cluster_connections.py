"""The connections of all workers are asked for when someone looks, and only then."""

from collections.abc import Callable

import msgspec
import pytest
import trio
import trio.testing

from orch.cluster.survey import Survey
from orch.websocket.cluster.cluster_connections import LOOK_EVERY, STALE, ClusterConnections
from orch.websocket.connections.connection_query import ConnectionQuery
from orch.websocket.statistics import ConnectionsStatistics
from tests.fakes.survey import Wire
from tests.websocket.test_connection_query import CROWD, FakeConnection, names, part


def pool_of(
    survey: Survey, connections: list[FakeConnection], touch: Callable[[], None] = lambda: None
) -> ClusterConnections:
    """Return the pool of a worker that has these connections."""

    def own(query: ConnectionQuery) -> ConnectionsStatistics:
        return part(connections, survey.me.name, query=query)

    return ClusterConnections(survey=survey, own=own, touch=touch)


@pytest.mark.limit(600)
async def test_others_are_asked_only_while_someone_looks() -> None:
    """At once for the first look, then every two seconds, and no more once nobody looks."""
    wire = Wire()
    told: list[int] = []
    pool = pool_of(wire.worker("w0", 0), CROWD[:2], lambda: told.append(1))
    pool_of(wire.worker("w1", 1), CROWD[2:])
    async with trio.open_nursery() as nursery:
        await nursery.start(pool.run)
        await trio.sleep(60)
        assert wire.asked == []
        first = pool.latest()
        assert (first.pending, first.active) == (True, 2)
        await trio.testing.wait_all_tasks_blocked()
        assert wire.asked == ["connections"]
        assert told == [1]
        seen = pool.latest()
        assert (seen.pending, seen.active, len(seen.workers)) == (False, 5, 2)
        for _ in range(10):
            await trio.sleep(1)
            pool.latest()
        assert 3 <= len(wire.asked) <= 1 + 10 / LOOK_EVERY
        await trio.sleep(60)
        looked = len(wire.asked)
        await trio.sleep(60)
        assert len(wire.asked) == looked
        assert pool.latest().pending  # what was seen so long ago is not shown
        assert STALE < 60
        nursery.cancel_scope.cancel()


async def test_one_process_shows_its_own_at_once() -> None:
    """Nobody is waited for who cannot be there."""
    pool = pool_of(Survey(host="x", pid=1), CROWD)
    for seen in (pool.latest(), await pool.look()):
        assert (seen.pending, seen.active, names(seen)) == (False, 5, ["e", "d", "c", "b", "a"])
    assert names(await pool.look(ConnectionQuery(find="ana", limit=1))) == ["e"]


async def test_a_worker_that_is_silent_or_of_another_version_counts_as_missing() -> None:
    """Whoever looks is told of those that answer all the same."""
    wire = Wire()
    pool = pool_of(wire.worker("w0", 0), CROWD)
    old = wire.worker("w1", 1)
    old.register("connections", lambda _: msgspec.json.encode({"active": 3}))
    seen = await pool.look()
    assert (seen.active, [each.answered for each in seen.workers]) == (5, [True, False])
    wire.silent = {"w1"}
    seen = await pool.look()
    assert (seen.active, [each.worker.name for each in seen.workers]) == (5, ["w0", "w1"])


async def test_an_answer_fits_whatever_clients_call_themselves() -> None:
    """Lines are left out where the names in them are long; they are counted all the same."""
    wire = Wire()
    pool = pool_of(wire.worker("w0", 0), [])
    long = [FakeConnection(str(number), number, agent="x" * 10_000) for number in range(500)]
    pool_of(wire.worker("w1", 1), long)
    seen = await pool.look()
    assert 0 < len(seen.connections) < 500
    assert (seen.active, seen.matching) == (500, 500)
    assert seen.connections[0].connection_id == "499"

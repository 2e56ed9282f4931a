"""Keys that were flushed or evicted, and servers that lost acknowledged messages."""

from pathlib import Path

import pytest
import trio

from orch.problems import ProblemError
from orch.stores.history import Limits
from orch.stores.redis.times import RedisTimes
from tests.fakes.redis import RedisServer, redis_server
from tests.fakes.redis_workers import workers
from tests.fakes.stores import PARTICIPANT, append, record

pytestmark = pytest.mark.real_time


@pytest.fixture
def redis(lone_redis: RedisServer) -> RedisServer:
    """Return an empty server."""
    assert lone_redis.ask("FLUSHALL") == b"+OK\r\n"
    return lone_redis


async def test_a_flushed_session_is_reported_when_it_is_used(redis: RedisServer) -> None:
    """As soon as anyone says something there, or notes that it is in use."""
    async with workers(redis.url) as (a, b):
        for name in ("s", "t"):
            await a.store.create(record(name))
            await a.cluster.follow(name)
        redis.ask("FLUSHALL")
        with pytest.raises(ProblemError) as caught:
            await append(a.store, "s")
        assert caught.value.code == "unknown_session"
        await a.until_gone()
        assert a.gone == ["s"]
        await a.store.touch(["t"], 99.0)
        while a.gone != ["s", "t"]:
            await a.changed.wait()
        assert b.gone == []


async def test_a_flushed_session_is_reported_also_if_nobody_uses_it(redis: RedisServer) -> None:
    """Also when nobody says anything; of another session of its name they hear nothing."""
    async with workers(redis.url, times=RedisTimes(audit_every=0.2)) as (a, b):
        await a.store.create(record())
        await b.cluster.follow("s")
        for _ in range(3):
            await append(a.store)
        await b.until_heard(3)
        redis.ask("FLUSHALL")
        await a.store.create(record(epoch="another"))
        await append(a.store)
        await b.until_gone()
        assert b.offsets == [1, 2, 3]
        again = await b.cluster.follow("s")
        assert again is not None
        assert (again.epoch, again.offset) == ("another", 1)


async def test_sessions_created_after_a_flush_keep_their_epochs(redis: RedisServer) -> None:
    """It is the same server all along, though it was made to forget that as well."""
    async with workers(redis.url, 1, times=RedisTimes(probe_every=0.05)) as (a,):
        redis.ask("FLUSHALL")
        await a.store.create(record())
        while redis.ask("EXISTS", "orch:server_run") != b":1\r\n":  # noqa: ASYNC110 - nobody is told
            await trio.sleep(0.02)
        redis.ask("CLIENT", "KILL", "TYPE", "normal")
        while not a.store.statistics().reconnects:  # noqa: ASYNC110 - nobody is told
            await trio.sleep(0.02)
        assert await a.store.load("s") == record()


async def test_a_session_continues_after_its_history_was_evicted(redis: RedisServer) -> None:
    """Its offsets go on; what is kept is what came since, all of it that the limits allow."""
    few = Limits(messages=3, seconds=1e9)

    async with workers(redis.url, 1) as (a,):
        await a.store.create(record())
        for _ in range(3):
            await append(a.store, limits=few)
        redis.ask("DEL", "orch:{s}:history")
        kept: list[list[int]] = []
        for _ in range(4):
            await append(a.store, limits=few)
            kept.append([message.offset for message in await a.store.read("s", after=0, until=99)])
        assert kept == [[4], [4, 5], [4, 5, 6], [5, 6, 7]]


async def test_an_evicted_session_leaves_nothing_to_the_next_of_its_name(redis: RedisServer) -> None:
    """Neither its messages nor those who might return to it."""
    async with workers(redis.url, 1) as (a,):
        await a.store.create(record(), PARTICIPANT)
        for _ in range(3):
            await append(a.store)
        redis.ask("DEL", "orch:{s}")
        assert await a.store.create(record(epoch="another"))
        assert await a.store.participant("s", PARTICIPANT.participant_id) is None
        assert await append(a.store) == 1
        assert [message.offset for message in await a.store.read("s", after=0, until=99)] == [1]


async def test_an_evicted_index_is_restored_with_use(redis: RedisServer) -> None:
    """Sessions are listed and swept again once someone has noted that they are in use."""
    async with workers(redis.url, 1) as (a,):
        await a.store.create(record())
        redis.ask("DEL", "orch:sessions")
        assert await a.store.count() == 0
        await a.store.touch(["s", "none"], 20.0)
        assert [each.session_id for each in await a.store.newest(9)] == ["s"]


async def test_publications_of_another_database_are_not_received(redis: RedisServer) -> None:
    """Two services may share a server: pub/sub ignores the database, so the channel names have it."""
    async with workers(redis.url + "/1") as (one, mate), workers(redis.url, 1) as (other,):
        for worker in (one, other):
            await worker.store.create(record())
        for worker in (mate, other):
            await worker.cluster.follow("s")
            worker.events.reply = lambda _: b"here"
        await append(one.store, body=b'{"n":1}')
        one.cluster.publish("s", b"passing")
        await mate.until_heard(1)
        while not mate.told:
            await mate.changed.wait()
        answers = await one.cluster.survey(b"?", within=5.0)
        assert (list(answers.replies), answers.missing) == ([mate.cluster.worker], frozenset())
        assert await append(other.store, body=b'{"n":2}') == 1
        assert [message.frame for message in other.heard] == [b'{"n":2,"offset":1}']
        assert other.told == []


async def test_an_offset_that_the_server_has_lost_is_not_given_again(
    redis: RedisServer,
) -> None:
    """It would be kept and acknowledged, and everyone here would take it for what they have heard already."""
    async with workers(redis.url, 1) as (a,):
        await a.store.create(record())
        await a.cluster.follow("s")
        for _ in range(10):
            await append(a.store)
        redis.ask("HSET", "orch:{s}", "offset", "7")
        for offset in (8, 9, 10):
            redis.ask("XDEL", "orch:{s}:history", f"{offset}-0")
        assert await append(a.store, body=b'{"new":1}') == 11
        assert a.heard[-1].frame == b'{"new":1,"offset":11}'
        kept = await a.store.read("s", after=0, until=99)
        assert [message.offset for message in kept] == [11]
        # Another session of the name knows nothing of those offsets.
        await a.store.delete(["s"])
        await a.store.create(record(epoch="another"))
        assert await append(a.store) == 1


@pytest.mark.process
async def test_epochs_are_renewed_when_a_replica_takes_over(tmp_path: Path) -> None:
    """What had not reached it is lost, though it keeps a log: no recovery pretends otherwise."""
    with redis_server(tmp_path / "first") as first, redis_server(tmp_path / "second") as second:
        async with workers(first.url, 1) as (a,):
            await a.store.create(record())
            second.ask("REPLICAOF", "127.0.0.1", str(first.port))
            while second.ask("EXISTS", "orch:{s}") != b":1\r\n":  # noqa: ASYNC110 - nobody is told
                await trio.sleep(0.02)
            second.ask("REPLICAOF", "NO", "ONE")
        async with workers(second.url) as (b, c):
            renewed = await b.store.load("s")
            assert renewed is not None
            assert renewed.epoch != record().epoch
            # Each worker sees that it is another server; one of them saw to it.
            assert await c.store.load("s") == renewed
        async with workers(second.url, 1) as (b,):
            assert await b.store.load("s") == renewed

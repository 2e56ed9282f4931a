"""Data that others write to the server or publish there does no harm beyond the key it is in."""

import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from orch.problems import ProblemError
from orch.stores.records import StoredSettings
from orch.stores.redis.keys import channel, keys
from tests.fakes.patience import PATIENCE
from tests.fakes.redis import RedisServer
from tests.fakes.redis_workers import workers
from tests.fakes.stores import PARTICIPANT, append, record

pytestmark = pytest.mark.real_time


def _flushed(server: RedisServer) -> RedisServer:
    assert server.ask("FLUSHALL") == b"+OK\r\n"
    return server


def _publish(server: RedisServer, data: str) -> None:
    server.ask("SPUBLISH", channel("s").decode(), data)


@pytest.mark.process
@pytest.mark.parametrize(
    "data",
    [
        'A99999999999999999999\n[1]\n{"offset":99999999999999999999}',
        'A9007199254740993\n[1]\n{"offset":9007199254740993}',
        'A100000\n[1]\n{"a":1,"offset":100000}',
        'A-5\n[1]\n{"offset":-5}',
        'A4\n[1]\n{"a":"forged","offset":4}',
        "A4\n[1]\n{}",
        "A4\n" + "[" * 20_000 + "\n{}",
        "A\n\n",
        "T\n",
        "Enobody\nanother",
        "",
    ],
)
async def test_foreign_publications_on_a_sessions_channel_do_no_harm(
    lone_redis: RedisServer, data: str
) -> None:
    """The history stays, nobody is sent away, and the next message gets the next offset and is delivered."""
    server = _flushed(lone_redis)
    async with workers(server.url) as (a, b):
        await a.store.create(record())
        for worker in (a, b):
            await worker.cluster.follow("s")
        for _ in range(3):
            await append(a.store)
        _publish(server, data)
        await trio.sleep(0.2)
        assert await append(a.store, body=b'{"a":4}') == 4
        assert await append(b.store, body=b'{"a":5}') == 5
        kept = await b.store.read("s", after=0, until=9)
        assert [each.offset for each in kept] == [1, 2, 3, 4, 5]
        assert kept[3].frame == b'{"a":4,"offset":4}'
        with trio.fail_after(PATIENCE):
            await b.until_heard(5)
        assert b.offsets == [1, 2, 3, 4, 5]
        assert (a.gone, b.gone) == ([], [])


Ask = Callable[[Any], Awaitable[Any]]

SPOILED = [
    pytest.param(("HSET", keys("bad").session, "offset", "abc"), lambda s: s.load("bad"), id="offset"),
    pytest.param(("HSET", keys("bad").session, "offset", "-1"), lambda s: s.load("bad"), id="negative"),
    pytest.param(("HSET", keys("bad").session, "offset", "9" * 30), lambda s: s.load("bad"), id="huge"),
    pytest.param(("HSET", keys("bad").session, "created", "nan"), lambda s: s.load("bad"), id="nan"),
    pytest.param(("HSET", keys("bad").session, "epoch", b"\xff"), lambda s: s.load("bad"), id="epoch"),
    pytest.param(("HSET", keys("bad").session, "terms", "[1"), lambda s: s.load("bad"), id="terms"),
    pytest.param(
        ("HSET", keys("bad").participants, "p", '["A","newrole",[],"",1]'),
        lambda s: s.participant("bad", "p"),
        id="role",
    ),
    pytest.param(
        ("HSET", keys("bad").participants, "p", "[" * 100_000), lambda s: s.participant("bad", "p"), id="deep"
    ),
    pytest.param(("SET", keys("bad").session, "x"), lambda s: s.load("bad"), id="session of another type"),
    pytest.param(("SET", keys("bad").history, "x"), lambda s: append(s, "bad"), id="history of another type"),
    pytest.param(("HSET", "orch:settings", "revision", "abc"), lambda s: s.cluster.settings(), id="revision"),
    pytest.param(
        ("SET", "orch:settings", "x"), lambda s: s.cluster.settings(), id="settings of another type"
    ),
    pytest.param(("SET", "orch:sessions", "x"), lambda s: s.count(), id="index of another type"),
]


@pytest.mark.parametrize(("command", "ask"), SPOILED)
async def test_invalid_data_fails_only_the_operations_that_read_it(
    lone_redis: RedisServer, command: tuple[str | bytes, ...], ask: Ask
) -> None:
    """The error names the key and says who has to act; others in the same batch are served meanwhile."""
    server = _flushed(lone_redis)
    async with workers(server.url, 1) as (a,):
        await a.store.create(record("bad"), PARTICIPANT)
        await a.store.create(record("good"), PARTICIPANT)
        key = command[1] if isinstance(command[1], str) else command[1].decode()
        if command[0] == "SET":
            _say(server, "DEL", key)
        _say(server, *command)
        failed: list[ProblemError] = []

        async def try_it() -> None:
            with pytest.raises(ProblemError) as caught:
                await ask(a.store)
            failed.append(caught.value)

        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(try_it)
                    nursery.start_soon(append, a.store, "good")
        for problem in failed:
            assert key in problem.detail
            assert "operator" in problem.detail
            assert "again soon" not in problem.detail
        assert [each.offset for each in await a.store.read("good", after=0, until=9)] == [1, 2, 3]
        assert a.store.statistics().reconnects == 0
        status = a.store.status()
        assert status.state == "healthy"
        assert any(key in each for each in status.cautions)
    _flushed(lone_redis)


async def test_an_invalid_session_hides_no_other(lone_redis: RedisServer) -> None:
    """Lists, sweeps and signs of life go on with the others; a participant of another version is skipped."""
    server = _flushed(lone_redis)
    async with workers(server.url, 1) as (a,):
        for name in ("one", "two", "three"):
            await a.store.create(record(name), PARTICIPANT)
        _say(server, "HSET", keys("two").session, "offset", "abc")
        _say(server, "ZADD", "orch:sessions", "10", b"\xff\xfe")
        _say(server, "HSET", keys("one").participants, "new", '["A","newrole",[],"",1]')
        _say(server, "SET", keys("four").session, "x")
        _say(server, "ZADD", "orch:sessions", "10", "four")
        assert {each.session_id for each in await a.store.newest(10)} == {"one", "three"}
        await a.store.touch(["one", "two", "three", "four"], 50.0)
        assert await a.store.trim_participants("one", frozenset(), 60.0) == 0
        found = await a.store.load("one")
        assert found is not None
        assert found.last_active == 50.0
        assert set(await a.store.delete(["one", "two", "three", "four"])) == {"one", "two", "three"}
    _flushed(lone_redis)


async def test_a_foreign_subscriber_does_not_stop_the_store(lone_redis: RedisServer) -> None:
    """Its name need not be text."""
    server = _flushed(lone_redis)
    async with workers(server.url) as (a, b):
        b.events.reply = lambda question: question
        stream = await trio.open_tcp_stream("127.0.0.1", server.port)
        name = b"orch:worker:\xff\xfe"
        await stream.send_all(b"*2\r\n$9\r\nSUBSCRIBE\r\n$%d\r\n%s\r\n" % (len(name), name))
        await stream.receive_some()
        asked = await a.cluster.survey(b"?", within=60)
        assert (dict(asked.replies), asked.missing) == ({b.cluster.worker: b"?"}, frozenset())
        await stream.aclose()


@pytest.mark.parametrize("head", [b"?\xff \xff", b"?9 nobody", b"!1", b"", b"?"])
async def test_foreign_publications_on_the_workers_channel_do_no_harm(
    lone_redis: RedisServer, head: bytes
) -> None:
    """Questions and answers go on."""
    server = _flushed(lone_redis)
    async with workers(server.url) as (a, b):
        b.events.reply = lambda question: question
        assert await a.cluster.store_settings(0, StoredSettings(1, b"{}"))
        _say(server, "PUBLISH", "orch:control", head + b"\nsettings\n[9,{}]")
        _say(server, "PUBLISH", "orch:worker:" + a.cluster.worker, head + b"\n\xff")
        asked = await a.cluster.survey(b"?", within=60)
        assert dict(asked.replies) == {b.cluster.worker: b"?"}
        assert await b.cluster.settings() == StoredSettings(1, b"{}")


def _say(server: RedisServer, *words: str | bytes) -> None:
    data = [word.encode() if isinstance(word, str) else word for word in words]
    said = b"*%d\r\n" % len(data) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in data)

    with socket.create_connection(("127.0.0.1", server.port), timeout=180) as connection:
        connection.sendall(said)
        assert not connection.recv(65536).startswith(b"-")


async def test_a_subscriber_that_never_replies_is_soon_not_waited_for(lone_redis: RedisServer) -> None:
    """It is named as missing each time, and costs two questions their whole time, not every one."""
    server = _flushed(lone_redis)
    async with workers(server.url) as (a, b):
        b.events.reply = lambda question: question
        stream = await trio.open_tcp_stream("127.0.0.1", server.port)
        await stream.send_all(b"SUBSCRIBE orch:worker:nobody\r\n")
        await stream.receive_some()
        for _ in range(2):
            await a.cluster.survey(b"?", within=2)  # enough for the one that does answer
        with trio.fail_after(PATIENCE):
            asked = await a.cluster.survey(b"?", within=600)
        assert asked.missing == {"nobody"}
        await stream.aclose()

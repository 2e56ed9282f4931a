"""The server goes away, comes back, hangs, or comes back with less."""

from pathlib import Path

import pytest
import trio
import trio.lowlevel
from msgspec.structs import replace

from orch.problems import ProblemError
from orch.stores.history import Limits
from orch.stores.redis.pipeline import QUEUE_LIMITS
from orch.stores.redis.store import RedisStore
from tests.fakes.patience import PATIENCE
from tests.fakes.redis import redis_server
from tests.fakes.redis_workers import Worker, workers
from tests.fakes.stores import LIMITS, append, record, running

pytestmark = [pytest.mark.process, pytest.mark.real_time]

FEW = Limits(messages=3, seconds=1e9)


class Talk:
    """Several who append, one message after the other; ``given`` is what was acknowledged."""

    def __init__(self, worker: Worker, count: int) -> None:
        self.given: dict[int, bytes] = {}
        self.done = 0
        self.halfway = trio.Event()
        self._worker = worker
        self._count = count

    async def run(self, speaker: int) -> None:
        """Say what there is to say."""
        for number in range(self._count):
            body = b'{"by":%d,"n":%d}' % (speaker, number)
            offset = await append(self._worker.store, body=body, limits=Limits(100_000, 1e9))
            assert offset not in self.given
            self.given[offset] = body
            if number == self._count // 2:
                self.halfway.set()

    async def check(self, listeners: list[Worker]) -> None:
        """All that was acknowledged is kept, and was heard everywhere, once and in order."""
        last = max(self.given)
        kept = await self._worker.store.read("s", after=0, until=last)
        frames = {message.offset: message.frame for message in kept}
        assert list(frames) == list(range(1, last + 1))
        for offset, body in self.given.items():
            assert frames[offset] == body[:-1] + b',"offset":%d}' % offset
        for listener in listeners:
            await listener.until_heard(last)
            assert listener.offsets == list(range(1, last + 1))


async def test_redis_killed_and_started_again_under_load_loses_nothing(tmp_path: Path) -> None:
    """Senders wait; acknowledged messages are stored, and followers miss nothing."""
    with redis_server(tmp_path) as server:
        async with workers(server.url) as (a, b):
            states = a.events.connections
            states.clear()
            await a.store.create(record())
            for worker in (a, b):
                await worker.cluster.follow("s")
            talk = Talk(a, 100)
            async with trio.open_nursery() as nursery:
                for speaker in range(10):
                    nursery.start_soon(talk.run, speaker)
                await talk.halfway.wait()
                server.kill()
                while not states:
                    await trio.lowlevel.checkpoint()
                assert a.store.statistics().state == "connecting"
                await trio.to_thread.run_sync(server.start)
            await talk.check([a, b])
            assert len(talk.given) == 1000
            assert states == [False, True]
            assert a.store.statistics().reconnects == 1


async def test_redis_that_hangs_for_seconds_loses_nothing(tmp_path: Path) -> None:
    """A suspended process keeps its connections open: callers wait, none is refused."""
    with redis_server(tmp_path) as server:
        async with workers(server.url) as (a, b):
            await a.store.create(record())
            await b.cluster.follow("s")
            talk = Talk(a, 100)
            async with trio.open_nursery() as nursery:
                for speaker in range(10):
                    nursery.start_soon(talk.run, speaker)
                await talk.halfway.wait()
                server.pause()
                await trio.sleep(3)
                server.resume()
            await talk.check([b])
            assert len(talk.given) == 1000
            assert a.store.statistics().failures == 0


async def test_a_server_that_stays_away_refuses_in_time_and_is_found_again(tmp_path: Path) -> None:
    """Nobody waits longer than ``patience``; the statistics name the trouble, without the password."""
    with redis_server(tmp_path) as server:
        async with workers(server.url, 1, limits=replace(QUEUE_LIMITS, patience=0.3)) as (a,):
            await a.store.create(record())
            server.kill()
            for _ in range(3):
                with pytest.raises(ProblemError) as caught:
                    await append(a.store)
                assert caught.value.code == "store_unavailable"
            statistics = a.store.statistics()
            assert (statistics.state, statistics.open, statistics.waiting) == ("connecting", False, 0)
            assert statistics.failures >= 3
            assert server.url in (statistics.last_error or "")
            a.events.connections.clear()
            await trio.to_thread.run_sync(server.start)
            while not a.events.connections:
                await a.changed.wait()
            # What was refused was not kept behind its sender's back.
            assert await append(a.store) == 1


async def test_a_store_started_before_its_server_waits_for_it(tmp_path: Path) -> None:
    """Started together, in whatever order, they find each other."""
    with redis_server(tmp_path) as server:
        server.kill()

        store = RedisStore(server.url)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, server.start)
            with trio.fail_after(PATIENCE):
                await nursery.start(store.run)
            assert await store.create(record())
            nursery.cancel_scope.cancel()


async def test_a_wrong_password_is_reported_but_not_shown(tmp_path: Path) -> None:
    """The operator reads what is wrong, in the statistics and the log."""
    with redis_server(tmp_path, "--requirepass", "right") as server:
        store = RedisStore(server.url.replace("//", "//:wrong-secret@"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.run)
            while (last_error := store.statistics().last_error) is None:  # noqa: ASYNC110 - nobody is told
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        assert "user or password is wrong" in last_error
        assert "wrong-secret" not in last_error


async def test_epochs_are_renewed_when_a_server_without_append_only_file_restarts(tmp_path: Path) -> None:
    """It came back with less than it had answered: no recovery pretends otherwise, and members are let go."""
    with redis_server(tmp_path, "--appendonly", "no") as server:
        async with workers(server.url, 1) as (a,):
            await a.store.create(record())
            await a.store.create(record("t"))
            await a.cluster.follow("s")
            assert await append(a.store) == 1
            assert server.ask("SAVE") == b"+OK\r\n"
            assert await append(a.store) == 2
            server.kill()
            await trio.to_thread.run_sync(server.start)
            await a.until_gone()
            assert a.gone == ["s"]
            for name in ("s", "t"):
                session = await a.store.load(name)
                assert session is not None
                assert session.epoch != "e"


async def test_an_offset_that_was_given_is_never_given_again(tmp_path: Path) -> None:
    """Where the server has forgotten the newest messages and someone here has heard them, it is told."""
    with redis_server(tmp_path) as server:
        a, b = Worker(server.url), Worker(server.url)
        async with running(a.store):
            await a.store.create(record())
            async with running(b.store):
                await b.cluster.follow("s")
                for _ in range(10):
                    await append(a.store)
                await b.until_heard(10)
            server.ask("HSET", "orch:{s}", "offset", "7")
            async with running(b.store):
                while (await a.store.load("s") or record()).offset < 10:  # noqa: ASYNC110 - it is not told
                    await trio.sleep(0.01)
                assert await append(a.store) == 11
                await b.until_heard(11)
                assert b.offsets == list(range(1, 12))
                assert [each.offset for each in await a.store.read("s", after=0, until=99)] == [11]


async def test_a_restarted_store_catches_up(tmp_path: Path) -> None:
    """What was said while the store of this worker did not run is told of when it does."""
    with redis_server(tmp_path) as server:
        a, b = Worker(server.url), Worker(server.url)
        async with running(a.store):
            await a.store.create(record())
            async with running(b.store):
                await b.cluster.follow("s")
                await append(a.store)
                await b.until_heard(1)
            for _ in range(10):
                await append(a.store, limits=LIMITS)
            async with running(b.store):
                await b.until_heard(11)
                assert b.offsets == list(range(1, 12))


async def test_a_session_is_lost_if_missed_messages_are_no_longer_stored(tmp_path: Path) -> None:
    """Members on this worker must join anew, and see that there is a gap."""
    with redis_server(tmp_path) as server:
        a, b = Worker(server.url), Worker(server.url)
        async with running(a.store):
            await a.store.create(record())
            async with running(b.store):
                await b.cluster.follow("s")
            for _ in range(10):
                await append(a.store, limits=FEW)
            async with running(b.store):
                await b.until_gone()
                assert b.gone == ["s"]
                assert b.offsets == []
                again = await b.cluster.follow("s")
                assert again is not None
                assert again.offset == 10


async def test_flushed_scripts_are_loaded_again(tmp_path: Path) -> None:
    """``SCRIPT FLUSH`` by an operator costs a reconnect, no request."""
    with redis_server(tmp_path) as server:
        async with workers(server.url, 1) as (a,):
            await a.store.create(record())
            assert server.ask("SCRIPT", "FLUSH") == b"+OK\r\n"
            assert await append(a.store) == 1
            assert a.store.statistics().reconnects == 1


async def test_a_full_server_refuses_writes_only(tmp_path: Path) -> None:
    """Out of memory is said at once, and what is kept can be read."""
    with redis_server(tmp_path) as server:
        async with workers(server.url, 1) as (a,):
            await a.store.create(record())
            assert await append(a.store) == 1
            server.ask("CONFIG", "SET", "maxmemory", "1mb")
            with pytest.raises(ProblemError) as caught:
                await append(a.store)
            assert caught.value.code == "store_unavailable"
            assert len(await a.store.read("s", after=0, until=9)) == 1
            server.ask("CONFIG", "SET", "maxmemory", "0")
            assert await append(a.store) == 2

"""A slow or stalled server, changed settings and a differing clock are reported soon."""

import time
from pathlib import Path

import pytest
import trio

from orch.stores.redis.diagnosis import clock_caution
from orch.stores.redis.store import RedisStore
from orch.stores.redis.times import RedisTimes
from orch.stores.redis.troubles import Damage, Damper, LogThrottle
from tests.fakes.patience import PATIENCE
from tests.fakes.redis import RedisServer, redis_server
from tests.fakes.redis_workers import workers
from tests.fakes.stores import append, record, running

pytestmark = pytest.mark.real_time


def test_short_changes_of_state_are_not_announced() -> None:
    """A path that flaps is told of once at most."""
    damper = Damper(1.0, announced=True)
    assert [damper.observe(step % 2 == 0, step / 10) for step in range(81)] == [None] * 81
    assert [damper.observe(step < 0, 10 + step / 2) for step in range(4)] == [None, None, False, None]
    assert [damper.observe(step >= 0, 20 + step / 2) for step in range(4)] == [None, None, True, None]


def test_remembered_problems_are_bounded() -> None:
    """However many different ones there are, and however often each happens."""
    seldom, damage = LogThrottle(60), Damage(60)
    assert sum(seldom.is_new(str(number), 0) for number in range(10_000)) == 100
    assert not seldom.is_new("5", 1)
    assert seldom.is_new("5", 61)
    for number in range(100):
        damage.note(str(number), 0)
    assert damage.shown(1) == ("95", "96", "97", "98", "99")
    assert damage.shown(61) == ()


def test_differing_clocks_are_reported() -> None:
    """Beyond two seconds, either way."""
    assert clock_caution(1.9) == clock_caution(-1.9) == ()
    assert "120 s ahead" in clock_caution(120)[0]
    assert "5 s behind" in clock_caution(-5)[0]


@pytest.mark.process
async def test_a_stalled_server_is_reported_before_anything_is_refused(tmp_path: Path) -> None:
    """Health says so within seconds, it is announced, and both end when it answers; nothing is lost."""
    with redis_server(tmp_path) as server:
        async with workers(server.url, 1) as (a,):
            await a.store.create(record())
            server.pause()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(append, a.store)
                with trio.fail_after(PATIENCE):
                    while not a.events.statuses:
                        await a.changed.wait()
                status = a.store.status()
                assert (a.events.healthy, status.state) == ([False], "degraded")
                assert "No reply" in status.reason
                server.resume()
            with trio.fail_after(PATIENCE):
                while len(a.events.statuses) < 2:
                    await a.changed.wait()
            assert a.events.healthy == [False, True]
            assert a.store.statistics().failures == 0


@pytest.mark.process
async def test_warnings_are_updated_while_running(tmp_path: Path) -> None:
    """What an operator changes while the service runs is said, and what was put right is not any more."""
    with redis_server(tmp_path) as server:
        async with workers(server.url, 1, times=RedisTimes(inspect_every=0.1)) as (a,):
            assert a.store.status().cautions == ()
            server.ask("CONFIG", "SET", "maxmemory", "100mb")
            server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
            with trio.fail_after(PATIENCE):
                while not a.store.status().cautions:  # noqa: ASYNC110 - it is read, not told
                    await trio.sleep(0.05)
            assert "allkeys-lru" in a.store.status().cautions[0]
            server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
            with trio.fail_after(PATIENCE):
                while a.store.status().cautions:  # noqa: ASYNC110 - the same
                    await trio.sleep(0.05)


async def test_a_worker_uses_the_servers_clock(lone_redis: RedisServer) -> None:
    """It says so, and does not have a session look used later than it was."""
    assert lone_redis.ask("FLUSHALL") == b"+OK\r\n"

    store = RedisStore(lone_redis.url, wall=lambda: time.time() + 120)
    async with running(store):
        assert abs(store.wall() - time.time()) < 1
        assert any("120 s ahead" in each for each in store.status().cautions)
        await store.create(record())
        await append(store, at=time.time() + 120)
        found = await store.load("s")
        assert found is not None
        assert abs(found.last_active - time.time()) < 5

"""Leases on a real server: one holder at a time."""

import pytest
import trio

from orch.cluster.lease_state import LeaseTimes
from tests.fakes.leases import Actor
from tests.fakes.redis import RedisServer
from tests.fakes.redis_workers import workers

pytestmark = pytest.mark.real_time


async def test_a_lease_has_one_holder_until_it_expires(redis_address: str, shared_redis: RedisServer) -> None:
    """Taken, renewed and given back by its holder alone; each new holder's fence is higher."""
    async with workers(redis_address) as (a, b):
        first = await a.cluster.acquire_lease("work", "a", 60)
        assert first is not None
        assert await a.cluster.acquire_lease("work", "a", 60) == first
        assert await b.cluster.acquire_lease("work", "b", 60) is None
        assert await b.cluster.acquire_lease("other", "b", 60) is not None
        await b.cluster.release_lease("work", "b")
        assert await b.cluster.acquire_lease("work", "b", 60) is None
        await a.cluster.release_lease("work", "a")
        second = await b.cluster.acquire_lease("work", "b", 0.05)
        assert second is not None
        assert second > first
        while (third := await a.cluster.acquire_lease("work", "a", 60)) is None:  # noqa: ASYNC110 - nobody is told
            await trio.sleep(0.01)
        assert third > second
        shared_redis.ask("FLUSHALL")
        fourth = await b.cluster.acquire_lease("work", "b", 60)
        assert fourth is not None
        assert fourth > third


async def test_one_of_many_holders_acts_at_a_time(redis_address: str, shared_redis: RedisServer) -> None:
    """Also while connections are cut: nobody begins before the one before has ended."""
    log: list[tuple[str, str, int]] = []
    terms = LeaseTimes(lasts=20, margin=8, renew_every=0.05, ask_every=0.02)
    async with workers(redis_address, 3) as found, trio.open_nursery() as nursery:
        actors = [Actor(name, worker.cluster, terms, log) for name, worker in zip("abc", found, strict=True)]
        for actor in actors:
            nursery.start_soon(actor.run)
        left = list(actors)
        while left:
            while not any(actor.acting.is_set() for actor in left):  # noqa: ASYNC110 - whoever it is
                await trio.sleep(0.01)
            await trio.to_thread.run_sync(shared_redis.ask, "CLIENT", "KILL", "TYPE", "normal")
            one = next(actor for actor in left if actor.acting.is_set())
            left.remove(one)
            one.end()
    assert [what for _, what, _ in log] == ["begins", "ends"] * 3
    assert [who for who, _, _ in log[::2]] == [who for who, _, _ in log[1::2]]
    fences = [fence for _, _, fence in log[::2]]
    assert fences == sorted(set(fences))


async def test_the_fence_of_an_unused_lease_expires(redis_address: str, shared_redis: RedisServer) -> None:
    """A back end that was removed leaves nothing behind for good."""
    async with workers(redis_address, 1) as (a,):
        assert await a.cluster.acquire_lease("removed", "a", 60) is not None
        found = await trio.to_thread.run_sync(shared_redis.ask, "KEYS", "*lease*fence*")
        names = [line for line in found.split(b"\r\n") if b"removed" in line]
        assert names
        for name in names:
            left = await trio.to_thread.run_sync(shared_redis.ask, "TTL", name.decode())
            assert 0 < int(left[1:]) <= 86_400

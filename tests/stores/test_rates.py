"""Token buckets that workers share, in a real Redis."""

import pytest
import trio

from orch.gateway.rate_limits.buckets import levels
from orch.gateway.rate_limits.policies import Taking
from orch.settings import RateLimit
from orch.stores.redis.store import RedisStore
from tests.fakes.stores import running

pytestmark = pytest.mark.real_time


async def test_two_workers_take_from_the_same_bucket(redis_address: str) -> None:
    """Twenty requests at once at both: as many are let through as the bucket holds."""
    limit = RateLimit(name="five", requests=5, window=3600)
    other = RateLimit(name="many", requests=1000, window=3600)
    takings = [Taking(limit, "a"), Taking(other, "a")]
    buckets = [("five:a", 5, 3600), ("many:a", 1000, 3600)]
    one, two = RedisStore(redis_address), RedisStore(redis_address)
    allowed: list[bool] = []
    async with running(one), running(two):

        async def ask(store: RedisStore) -> None:
            found, _ = levels(takings, await store.rates.take_tokens(buckets))
            allowed.append(not any(level.wait for level in found))

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(ask, one)
                nursery.start_soon(ask, two)
        assert sorted(allowed) == [False] * 15 + [True] * 5
        _, many = await one.rates.take_tokens(buckets)
        assert many == pytest.approx(5 * 3.6, abs=2), "what was refused has taken nothing"
        assert await two.rates.take_tokens([("five:b", 5, 3600)]) == (0.0,)

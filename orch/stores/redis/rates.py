"""Token buckets that workers share, in Redis."""

from collections.abc import Sequence

from orch.stores.redis.pipeline import Pipeline
from orch.stores.redis.rate_commands import RateCommands


class RedisRates:
    """See :class:`orch.stores.protocols.RateStore`."""

    def __init__(self, commands: RateCommands, pipeline: Pipeline) -> None:
        self._commands = commands
        self._pipeline = pipeline

    async def take_tokens(self, buckets: Sequence[tuple[str, int, int]]) -> tuple[float, ...]:
        """Take a token of each bucket, or of none; return the seconds in which each was full before."""
        return await self._pipeline.execute(self._commands.take(buckets))

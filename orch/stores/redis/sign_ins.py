"""Operators' sign-ins in Redis."""

from orch.stores.redis.calls import ServerCommands
from orch.stores.redis.pipeline import Pipeline


class RedisSignIns:
    """See :class:`orch.stores.protocols.SignInStore`."""

    def __init__(self, commands: ServerCommands, pipeline: Pipeline) -> None:
        self._commands = commands
        self._pipeline = pipeline

    async def store_sign_in(self, name: str, *, now: float, seconds: float) -> None:
        """Store an operator's sign-in for this many seconds, by the server's clock."""
        del now
        await self._pipeline.execute(self._commands.store_sign_in(name, seconds))

    async def extend_sign_in(self, name: str, *, now: float, seconds: float) -> bool:
        """Extend a sign-in by this many seconds; False if it does not exist."""
        del now
        return await self._pipeline.execute(self._commands.extend_sign_in(name, seconds))

    async def delete_sign_in(self, name: str) -> None:
        """End a sign-in."""
        await self._pipeline.execute(self._commands.delete_sign_in(name))

"""The codes that sessions are joined with, in Redis."""

from orch.protocol.session_keys import Right
from orch.stores.records import JoinCode
from orch.stores.redis.join_code_commands import JoinCodeCommands
from orch.stores.redis.pipeline import Pipeline


class RedisJoinCodes:
    """See :class:`orch.stores.protocols.JoinCodeStore`. Codes expire by the server's clock."""

    def __init__(self, commands: JoinCodeCommands, pipeline: Pipeline) -> None:
        self._commands = commands
        self._pipeline = pipeline

    async def store_code(self, code: JoinCode, *, now: float) -> bool:
        """Store a code in place of the session's earlier one for this right; False: it is in use."""
        milliseconds = max(int((code.expires - now) * 1000), 1)
        earlier = (await self._pipeline.execute(self._commands.current(code.session_id))).get(code.right)
        # A worker that is killed between these leaves a code that is not valid, and expires.
        if not await self._pipeline.execute(self._commands.reserve(code, milliseconds)):
            return False
        await self._pipeline.execute(self._commands.make_valid(code, milliseconds))
        if earlier is not None:
            await self._pipeline.execute(self._commands.forget([earlier]))
        return True

    async def code(self, code: str, *, now: float) -> JoinCode | None:
        """Return a code that is valid, or None."""
        found = await self._pipeline.execute(self._commands.find(code))
        if found is None or found.expires <= now:
            return None
        current = await self._pipeline.execute(self._commands.current(found.session_id))
        return found if current.get(found.right) == code else None

    async def codes_of(self, session_id: str, *, now: float) -> tuple[JoinCode, ...]:
        """Return the codes of a session."""
        current = await self._pipeline.execute(self._commands.current(session_id))
        found = [await self._pipeline.execute(self._commands.find(code)) for code in current.values()]
        return tuple(each for each in found if each is not None and each.expires > now)

    async def delete_code(self, session_id: str, right: Right) -> bool:
        """Delete a session's code for a right; False: it has none."""
        code = (await self._pipeline.execute(self._commands.current(session_id))).get(right)
        is_deleted = await self._pipeline.execute(self._commands.invalidate(session_id, right))
        if code is not None:
            await self._pipeline.execute(self._commands.forget([code]))
        return is_deleted

    async def count_codes(self, *, now: float) -> int:
        """Return the number of codes; some of them may be of sessions that have ended."""
        return await self._pipeline.execute(self._commands.count(now))

    async def begin_guess(self, digest: bytes, *, most: int, seconds: float, now: float) -> bool:
        """Count a code that is about to be looked up; False: too many different ones were."""
        del now
        return await self._pipeline.execute(self._commands.begin_guess(digest, most, int(seconds * 1000)))

    async def end_guess(self, digest: bytes) -> None:
        """Take a code back that was counted."""
        await self._pipeline.execute(self._commands.end_guess(digest))

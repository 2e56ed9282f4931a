"""What workers share in Redis besides sessions: settings, leases, and messages between workers."""

from collections.abc import Callable

from orch.problems import ProblemError
from orch.stores.records import SessionRecord, StoredSettings, SurveyReplies
from orch.stores.redis.commands import SessionCommands
from orch.stores.redis.feed import Feed
from orch.stores.redis.pipeline import Pipeline


class RedisCluster:
    """See :class:`orch.stores.protocols.ClusterStore`.

    ``is_open`` returns whether the server accepts writes; ``token`` a new token for a write that must not be
    done twice.
    """

    def __init__(
        self,
        commands: SessionCommands,
        pipeline: Pipeline,
        feed: Feed,
        *,
        worker: str,
        is_open: Callable[[], bool],
        token: Callable[[], str],
    ) -> None:
        self.worker = worker
        self._commands = commands
        self._pipeline = pipeline
        self._feed = feed
        self._is_open = is_open
        self._token = token

    async def follow(self, session_id: str) -> SessionRecord | None:
        """Load a session and follow it: later messages are delivered. None if it does not exist."""
        return await self._feed.follow(session_id)

    async def wait_for(self, session_id: str, offset: int) -> None:
        """Wait until all messages up to ``offset`` are delivered, or are known not to exist."""
        await self._feed.wait_for(session_id, offset)

    def publish(self, session_id: str, payload: bytes) -> None:
        """Publish a transient message to the other workers that follow the session; it may be lost."""
        self._pipeline.offer(self._commands.publish_to_session(session_id, payload))

    async def publish_counted(self, session_id: str, payload: bytes) -> int:
        """Publish a message to the other workers that follow the session; return their number."""
        receivers = await self._pipeline.execute(self._commands.publish_to_session(session_id, payload))
        return max(receivers - 1, 0)

    async def acquire_lease(self, name: str, holder: str, seconds: float) -> int | None:
        """Acquire or renew a lease; return its fence, or None if another worker holds it."""
        return await self._pipeline.execute(self._commands.acquire_lease(name, holder, int(seconds * 1000)))

    async def release_lease(self, name: str, holder: str) -> None:
        """Release a lease, if ``holder`` holds it."""
        await self._pipeline.execute(self._commands.release_lease(name, holder))

    async def settings(self) -> StoredSettings:
        """Return the operators' changes at run time."""
        return await self._pipeline.execute(self._commands.settings())

    async def store_settings(self, known: int, kept: StoredSettings) -> bool:
        """Store the operators' changes, if the stored revision is still ``known``."""
        return await self._pipeline.execute(self._commands.store_settings(known, kept, token=self._token()))

    async def survey(self, payload: bytes, *, within: float, only: str | None = None) -> SurveyReplies:
        """Survey all other workers, or only one; return the replies of the first ``within`` seconds."""
        if not self._is_open():
            raise ProblemError("store_unavailable", "The other workers cannot be reached right now.")
        return await self._feed.surveys.send(payload, within=within, only=only)

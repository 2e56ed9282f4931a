"""What several workers share in Redis beside the sessions: settings, leases, and messages to each other."""

from collections.abc import Callable

from orch.problems import ProblemError
from orch.stores.records import Answers, SessionRecord, StoredSettings
from orch.stores.redis.commands import SessionCommands
from orch.stores.redis.feed import Feed
from orch.stores.redis.pipeline import Pipeline


class RedisCluster:
    """See :class:`orch.stores.protocols.ClusterStore`.

    ``is_open`` returns whether the server takes writes; ``token`` a new token for a write that must not be
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
        """Return the session and pass on what is appended to it from there on, or None."""
        return await self._feed.follow(session_id)

    async def wait_for(self, session_id: str, offset: int) -> None:
        """Return once all up to ``offset`` was told of, or it is sure that there is no such message."""
        await self._feed.wait_for(session_id, offset)

    def publish(self, session_id: str, payload: bytes) -> None:
        """Tell the other workers with someone in the session something passing; it may be lost."""
        self._pipeline.offer(self._commands.tell(session_id, payload))

    async def publish_counted(self, session_id: str, payload: bytes) -> int:
        """Tell the other workers that follow the session something; return how many of them there are."""
        return max(await self._pipeline.execute(self._commands.tell(session_id, payload)) - 1, 0)

    async def acquire_lease(self, name: str, holder: str, seconds: float) -> int | None:
        """Take or renew a lease; return the fence, or None: another has it."""
        return await self._pipeline.execute(self._commands.acquire_lease(name, holder, int(seconds * 1000)))

    async def release_lease(self, name: str, holder: str) -> None:
        """Give a lease back, if it is the holder's."""
        await self._pipeline.execute(self._commands.release_lease(name, holder))

    async def settings(self) -> StoredSettings:
        """Return what operators have changed while the service runs."""
        return await self._pipeline.execute(self._commands.settings())

    async def store_settings(self, known: int, kept: StoredSettings) -> bool:
        """Keep what operators have changed, where its revision is still the one that is ``known``."""
        return await self._pipeline.execute(self._commands.store_settings(known, kept, token=self._token()))

    async def survey(self, payload: bytes, *, within: float, only: str | None = None) -> Answers:
        """Ask all other workers, or only one; return what was answered within that many seconds."""
        if not self._is_open():
            raise ProblemError("store_unavailable", "The other workers cannot be reached right now.")
        return await self._feed.asking.ask(payload, within=within, only=only)

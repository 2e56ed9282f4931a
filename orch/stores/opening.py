"""Opens the store that the settings name."""

from pathlib import Path
from typing import TYPE_CHECKING

from orch.settings.source import SettingsSource
from orch.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from orch.stores.redis.store import RedisStore


def open_store(source: SettingsSource) -> "SqliteStore | RedisStore":
    """Return the store of sessions, not running yet. Which one it is changes at a restart alone."""
    settings = source.current.session_management
    if settings.persistence == "sqlite":
        return SqliteStore(Path(settings.sqlite_path))

    # A service of one process does without what its client for Redis weighs.
    from orch.stores.redis.store import RedisStore  # noqa: PLC0415 - see above

    def lifetime() -> float:
        # The sweep ends sessions that are idle. This is for those that no worker is left to sweep.
        current = source.current
        interval = current.session_management.cleanup_interval
        return 2 * (current.orchestration.websocket.session_timeout + interval) + 60

    return RedisStore(settings.redis_url, lifetime=lifetime)

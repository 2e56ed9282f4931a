"""Opens the store that the settings name, and says what it offers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Final, Protocol

import trio

from orch.settings.source import SettingsSource
from orch.stores.bot_store import BotStore
from orch.stores.postgres.address import server_of
from orch.stores.protocols import (
    ClusterStore,
    DocumentStore,
    JoinCodeStore,
    RateStore,
    SessionStore,
    SignInStore,
    StoreEvents,
)
from orch.stores.sqlite.bots import SqliteBots, beside
from orch.stores.sqlite.store import SqliteStore
from orch.stores.status import Load, StoreStatus
from orch.telemetry.names.metric import Distribution, Reading


class EngineStatistics(Protocol):
    """The figures of every engine: queued operations, the limit of the queue, and its state as a sentence."""

    @property
    def waiting(self) -> int:
        """Operations in the queue."""

    @property
    def limit(self) -> int:
        """The capacity of the queue."""

    @property
    def summary(self) -> str:
        """The engine and its state, in a few words."""


class StoreEngine(Protocol):
    """The part of a store that runs it, whatever is stored in it."""

    def register(self, events: StoreEvents) -> None:
        """Register the handler of events: one, before the store runs."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until cancelled; usable once started. May be run again."""

    def status(self) -> StoreStatus:
        """Return the status as sentences."""

    def statistics(self) -> EngineStatistics:
        """Return the figures."""

    def readings(self) -> Iterator[Reading | Distribution]:
        """Yield what Prometheus reads."""


class BotEngine(Protocol):
    """The engine that stores bot sessions."""

    @property
    def store(self) -> BotStore:
        """The store on it."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until cancelled; started after the first attempt, whatever its outcome. May be run again."""

    def status(self) -> StoreStatus:
        """Return the status as sentences."""

    def load(self) -> Load:
        """Return what of it is in use."""

    def readings(self) -> Iterator[Reading | Distribution]:
        """Yield what Prometheus reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """What the chosen engines offer.

    ``cluster``, ``rates``: what several workers share; None in a service of one process. ``bot_engine``: None
    where bot sessions cannot be stored, for the reason ``without_bots``. ``wall``: the clock, in seconds
    since the epoch, that ages of sessions are computed with; workers that share a store share its clock.

    Startup order: the stores are opened, then the handler of their events is built and registered
    (:class:`orch.websocket.store_events.StoreEventHandler`), then ``engine`` runs. Nothing can be stored
    before, so no event is missed.
    """

    engine: StoreEngine
    sessions: SessionStore
    sign_ins: SignInStore
    join_codes: JoinCodeStore
    documents: DocumentStore
    bot_engine: BotEngine | None = None
    without_bots: str = ""
    rates: RateStore | None = None
    cluster: ClusterStore | None = None
    wall: Callable[[], float] = time

    @property
    def bots(self) -> BotStore | None:
        """The store of bot sessions, if there is one."""
        return None if self.bot_engine is None else self.bot_engine.store


WITHOUT_BOTS: Final = (
    "Bots need PostgreSQL where sessions are in Redis, since several workers may share them: set "
    "orchestration.bots.postgres_url."
)


def open_stores(source: SettingsSource) -> Stores:
    """Return the stores, not running yet. Changing the engine requires a restart of the service."""
    settings = source.current.session_management
    bot_engine = _open_bots(source)
    if settings.persistence == "sqlite":
        file = SqliteStore(Path(settings.sqlite_path))
        return Stores(
            engine=file,
            sessions=file,
            sign_ins=file.sign_ins,
            join_codes=file.join_codes,
            documents=file.documents,
            bot_engine=bot_engine,
        )

    # Imported only if used: the Redis client takes memory.
    from orch.stores.redis.store import RedisStore  # noqa: PLC0415 - see above

    def lifetime() -> float:
        # The sweep ends idle sessions; this expiry is for sessions that no worker is left to sweep.
        current = source.current
        interval = current.session_management.cleanup_interval
        return 2 * (current.orchestration.websocket.kept_seconds + interval) + 60

    server = RedisStore(settings.redis_url, lifetime=lifetime)
    return Stores(
        engine=server,
        sessions=server,
        sign_ins=server.sign_ins,
        join_codes=server.join_codes,
        documents=server.documents,
        rates=server.rates,
        cluster=server.cluster,
        bot_engine=bot_engine,
        without_bots="" if bot_engine else WITHOUT_BOTS,
        wall=server.wall,
    )


def _open_bots(source: SettingsSource) -> BotEngine | None:
    """Return the engine of bot sessions, not running yet; None: there is none that workers can share."""
    bots, management = source.current.orchestration.bots, source.current.session_management
    if bots.postgres_url:
        # Imported only if used: asyncpg and its loop take memory.
        from orch.stores.postgres.bots import PostgresBots  # noqa: PLC0415 - see above

        return PostgresBots(bots.postgres_url)
    if management.persistence != "sqlite":
        return None
    return SqliteBots(_bots_file(source), most=lambda: source.current.orchestration.bots.max_bytes)


def bot_store_place(source: SettingsSource) -> str:
    """Return where bot sessions are stored: the file, or the server and its database, without passwords."""
    url = source.current.orchestration.bots.postgres_url
    return server_of(url) if url else str(_bots_file(source).resolve())


def _bots_file(source: SettingsSource) -> Path:
    bots, management = source.current.orchestration.bots, source.current.session_management
    return Path(bots.sqlite_path) if bots.sqlite_path else beside(Path(management.sqlite_path))

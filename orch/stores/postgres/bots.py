"""Runs the scripts of bot sessions on PostgreSQL."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from math import inf
from time import time
from typing import Any, Final, TypeVar

import asyncpg
import structlog
import trio
from msgspec import Struct

from orch.problems import ProblemError
from orch.stores.bot_records import RefusedRecordError
from orch.stores.bot_scripts.requests import Lock, Many, Request, Row, Script
from orch.stores.bot_store import BotStore, Purpose
from orch.stores.postgres.address import server_of
from orch.stores.postgres.connections import Connections, open_connections
from orch.stores.postgres.diagnosis import CLOSING, RETRIED, Trouble, reason, refused, trouble_of
from orch.stores.postgres.migrations import migrations
from orch.stores.status import Load, StoreStatus, bot_readings
from orch.telemetry.histogram import Histogram
from orch.telemetry.names.metric import Distribution, Reading
from orch.telemetry.names.stores import STORE_SECONDS

T = TypeVar("T")

SIZE: Final = 8
"""Connections of one worker."""

ATTEMPTS: Final = 5
"""Times that a script is run when other transactions are in the way."""

PROBE_EVERY: Final = 5.0
RETRY_EVERY: Final = 1.0
"""Seconds between probes of a server that is reachable, and of one that is not."""

PROBE_WITHIN: Final = 5.0
"""Seconds for a probe. One that waits for its turn longer, while the server serves others, says nothing."""

MIGRATE_WITHIN: Final = 60.0

ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What asyncpg raises. A time-out of a connection attempt is an OSError."""

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('orch ' || $1, 0))"

_log = structlog.get_logger(__name__)


class PostgresStatistics(Struct, frozen=True):
    """Figures. ``reason``: why nothing can be stored, for operators; empty if it can be."""

    server: str
    size: int
    busy: int
    waiting: int
    scripts: int
    failures: int
    retries: int
    reason: str


class PostgresBots:
    """See :class:`orch.stores.bot_store.ScriptEngine`; ``store`` is the store of bot sessions on it.

    The mutable state is the pool while :meth:`run` runs, whether the server can be reached, when it last
    responded to a script, and counters.

    Error handling: once the server cannot be reached, calls fail at once with ``store_unavailable``, while
    :meth:`run` probes it; so what bots capture is spooled without delay. A server that is away when the
    service starts, or one that lets nobody in, is probed in the same way, and :meth:`statistics` says why.
    """

    def __init__(self, address: str, *, size: int = SIZE, wall: Callable[[], float] = time) -> None:
        self._address = address
        self._size = size
        self._wall = wall
        self._since: float | None = None
        self._where = server_of(address)
        self._connections: Connections | None = None
        self._reason = f"PostgreSQL at {self._where} is not connected yet."
        self._trouble: Trouble | None = Trouble.AWAY
        self._suspect = trio.Event()
        self._responded_at = -inf
        self._scripts = self._failures = self._retries = 0
        self._seconds = Histogram(STORE_SECONDS.buckets)
        self.store = BotStore(self)

    def __repr__(self) -> str:
        return f"<PostgresBots at {self._where}, {self._trouble or 'healthy'}>"

    def statistics(self) -> PostgresStatistics:
        """Return the figures."""
        pool = self._connections
        return PostgresStatistics(
            server=self._where,
            size=self._size,
            busy=pool.busy if pool else 0,
            waiting=pool.waiting if pool else 0,
            scripts=self._scripts,
            failures=self._failures,
            retries=self._retries,
            reason=self._reason if self._trouble else "",
        )

    def load(self) -> Load:
        """Return how many connections are busy."""
        pool = self._connections
        return Load(what="connections", fill=pool.busy if pool else 0, limit=self._size)

    def status(self) -> StoreStatus:
        """Return its status as sentences."""
        return StoreStatus(
            engine="postgres",
            state="healthy" if self._trouble is None else "degraded",
            reason="" if self._trouble is None else self._reason,
            since=self._since,
            cautions=(),
            brief="" if self._trouble is None else f"PostgreSQL ({self._trouble})",
        )

    def readings(self) -> Iterator[Reading | Distribution]:
        """Yield what Prometheus reads."""
        found = self.statistics()
        yield from bot_readings(
            self.status(),
            waiting=found.waiting,
            failures=found.failures,
            used_bytes=None,
            seconds=self._seconds,
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Connect, migrate the schema and probe the server until cancelled; may be run again.

        Started after the first attempt, whatever its outcome.
        """
        try:
            async with open_connections(self._address, self._size) as pool:
                is_started = is_migrated = False
                while True:
                    is_migrated = await self._attempt(pool, is_migrated=is_migrated)
                    if not is_started:
                        task_status.started()
                        is_started = True
                    await self._pause()
        finally:
            self._connections = None
            self._trouble, self._reason = Trouble.AWAY, f"PostgreSQL at {self._where} was closed."

    async def _pause(self) -> None:
        """Wait until the server should be probed again."""
        if self._trouble is not None:
            await trio.sleep(RETRY_EVERY)
            return
        self._suspect = trio.Event()
        with trio.move_on_after(PROBE_EVERY):
            await self._suspect.wait()

    async def _attempt(self, pool: Connections, *, is_migrated: bool) -> bool:
        """Migrate the schema, or probe the server; return whether the schema is migrated."""
        try:
            with trio.fail_after(PROBE_WITHIN if is_migrated else MIGRATE_WITHIN):
                if self._trouble is not None:
                    await pool.expire()
                await pool.run(_probe if is_migrated else _migrate)
        except (*ERRORS, trio.TooSlowError) as error:
            if isinstance(error, trio.TooSlowError) and self._is_busy():
                return is_migrated
            trouble = _judge(error)
            self._note(trouble, error)
            return is_migrated and trouble is not Trouble.SCHEMA
        if self._trouble is not None:
            _log.info("PostgreSQL connected", server=self._where)
        self._trouble, self._reason, self._since = None, "", None
        self._connections = pool
        return True

    def _is_busy(self) -> bool:
        """Whether a probe that got no turn is no sign of trouble: the server responds to others."""
        return self._trouble is None and trio.current_time() - self._responded_at < PROBE_WITHIN

    def _note(self, trouble: Trouble, error: BaseException) -> None:
        words = reason(trouble, str(error) or type(error).__name__, self._where)
        if words != self._reason:
            _log.error("PostgreSQL degraded", server=self._where, trouble=str(trouble), reason=words)
        if self._since is None:
            self._since = self._wall()
        self._trouble, self._reason = trouble, words

    async def perform(self, start: Callable[[], Script[T]], purpose: Purpose, *, size: int = 0) -> T:  # noqa: ARG002 - callers wait for a connection, whatever they bring
        """Run a script in a transaction, again if other transactions were in the way."""
        self._scripts += 1
        begun = trio.current_time()
        try:
            return await self._perform(start, purpose)
        finally:
            self._seconds.observe(trio.current_time() - begun)

    async def _perform(self, start: Callable[[], Script[T]], purpose: Purpose) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            pool = self._connections
            if pool is None or self._trouble in CLOSING:
                self._failures += 1
                raise ProblemError("store_unavailable", refused(self._trouble or Trouble.AWAY))
            try:
                result = await pool.run(_job(start, purpose))
            except ERRORS as error:
                trouble = _judge(error)
                if trouble not in CLOSING:
                    self._responded_at = trio.current_time()
                if trouble in RETRIED and attempt < ATTEMPTS:
                    self._retries += 1
                    continue
                self._failures += 1
                raise self._failed(trouble, error) from error
            self._responded_at = trio.current_time()
            return result
        raise AssertionError("unreachable")

    def _failed(self, trouble: Trouble, error: BaseException) -> Exception:
        """Return what a caller gets; a server that cannot be reached is probed from now on."""
        if trouble is Trouble.REFUSED:
            return RefusedRecordError(str(error))
        if trouble in CLOSING and self._trouble is None:
            self._note(trouble, error)
            self._suspect.set()
        elif trouble not in CLOSING:
            words = reason(trouble, str(error), self._where)
            _log.error("statement failed", trouble=str(trouble), reason=words)
        return ProblemError("store_unavailable", refused(trouble))


def _judge(error: BaseException) -> Trouble:
    """Return what an error means."""
    if isinstance(error, asyncpg.PostgresError):
        return trouble_of(error.sqlstate)
    if isinstance(error, asyncpg.ClientConfigurationError):
        return Trouble.FORBIDDEN
    if isinstance(error, UnusableError):
        return error.trouble
    if isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError):
        return Trouble.REFUSED  # a value that has no place in its column's type
    return Trouble.AWAY


def _job(start: Callable[[], Script[T]], purpose: Purpose) -> Callable[[Any], Awaitable[T]]:
    async def job(connection: Any) -> T:
        if purpose is Purpose.READ:
            return await run_script(connection, start())
        async with connection.transaction():
            return await run_script(connection, start())

    return job


async def run_script(connection: Any, script: Script[T]) -> T:
    """Run a script to its end on an asyncpg connection. For asyncio's side."""
    try:
        request = next(script)
        while True:
            request = script.send(await _rows(connection, request))
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        script.close()


async def _rows(connection: Any, request: Request) -> Sequence[Row]:
    match request:
        case Lock(name):
            await connection.execute(_LOCK, name)
            return ()
        case Many(sql, rows):
            await connection.executemany(sql, rows)
            return ()
        case _:
            found: Sequence[Row] = await connection.fetch(request.sql, *request.values)
            return found


class UnusableError(asyncpg.InterfaceError):  # type: ignore[misc]  # asyncpg has no types
    """The server can be reached, and nothing can be stored on it."""

    def __init__(self, trouble: Trouble, said: str) -> None:
        super().__init__(said)
        self.trouble = trouble


async def _probe(connection: Any) -> None:
    await connection.fetchval("SELECT max(version) FROM bot_sessions.schema_migrations")
    if await connection.fetchval("SHOW transaction_read_only") == "on":
        raise UnusableError(Trouble.READ_ONLY, "it accepts no writes")


async def _migrate(connection: Any) -> None:
    """Run the migrations that the database lacks, each once, whichever worker comes first."""
    steps = migrations()
    async with connection.transaction():
        await connection.execute(_LOCK, "migrations")
        exists = await connection.fetchval("SELECT to_regclass('bot_sessions.schema_migrations')::text")
        version = 0
        if exists:
            version = await connection.fetchval(
                "SELECT coalesce(max(version), 0) FROM bot_sessions.schema_migrations"
            )
        if version > steps[-1].version:
            said = f"its schema is of a newer version of this program ({version}, known {steps[-1].version})"
            raise UnusableError(Trouble.NEWER, said)
        for step in steps:
            if step.version > version:
                await connection.execute(step.whole)
    await _probe(connection)


@asynccontextmanager
async def running(engine: PostgresBots) -> AsyncIterator[BotStore]:
    """Run an engine for the block."""
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        yield engine.store
        nursery.cancel_scope.cancel()

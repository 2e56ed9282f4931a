"""Bot sessions in a SQLite file of their own.

Not in the file of sessions: what bots capture would fill the quota of sessions, their writes would be in the
way of captions, and a deletion without traces closes the file for a moment.
"""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from time import time
from typing import Final, Never, TypeVar

import structlog
import trio
from msgspec import Struct

from orch.problems import ProblemError
from orch.stores.bot_records import RefusedRecordError
from orch.stores.bot_scripts.requests import Lock, Many, Request, Row, Script, for_sqlite
from orch.stores.bot_store import BotStore, Purpose
from orch.stores.operations import QueueLimits
from orch.stores.sqlite.database import StoreError, migrations
from orch.stores.sqlite.file import QUEUE_LIMITS, Offload, SqliteFile
from orch.stores.sqlite.open_file import Contents
from orch.stores.sqlite.statements import used_bytes
from orch.stores.status import Load, StoreStatus, bot_readings
from orch.telemetry.boundaries import Boundary
from orch.telemetry.names.metric import Distribution, Reading

T = TypeVar("T")

OPENED_AGAIN_AFTER: Final = 5.0
"""Seconds until a file that cannot be used is opened again."""

MEASURE_EVERY: Final = 30.0
"""Seconds between measurements of the file."""

FREE_BYTES: Final = 4 * 2**20
"""Free bytes in the file from which on they are released to the disk."""

_log = structlog.get_logger(__name__)


class BotFileStatistics(Struct, frozen=True, kw_only=True):
    """Figures. ``used_bytes``: as measured last; ``limit_bytes``: from which on no bot can begin."""

    path: str
    waiting: int
    limit: int
    failures: int
    used_bytes: int
    limit_bytes: int


class SqliteBots:
    """See :class:`orch.stores.bot_store.ScriptEngine`; ``store`` is the store of bot sessions in the file.

    Transactions run one by one, in the file's thread. After a script that erases, unused parts of the file
    are overwritten, and its write-ahead log is emptied. ``most``: bytes of the file from which on no bot can
    begin; those that run go on.

    Error handling: a file that cannot be used (damaged, in use by another process) is opened again every
    :data:`OPENED_AGAIN_AFTER`; meanwhile operations fail with ``store_unavailable``, and :meth:`status` says
    why. Sessions are not affected.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        most: Callable[[], int],
        offload: Offload = trio.to_thread.run_sync,
        boot: str | None = None,
        wall: Callable[[], float] = time,
        limits: QueueLimits = QUEUE_LIMITS,
    ) -> None:
        contents = Contents(migrations=migrations("bot_schema"), after_loss=lambda _database: None)
        self.file = SqliteFile(path, contents, offload=offload, boot=boot, wall=wall, limits=limits)
        self.store = BotStore(self)
        self._most = most
        self._used = 0
        self._reason = ""

    def __repr__(self) -> str:
        return f"<SqliteBots in {self.file}>"

    async def perform(self, start: Callable[[], Script[T]], purpose: Purpose, *, size: int = 0) -> T:
        """Run a script in the next transaction."""

        def work(database: sqlite3.Connection) -> T:
            if purpose is Purpose.BEGIN:
                self._require_room(database)
            return run_script(database, start())

        try:
            return await self.file.execute(
                work,
                size=size,
                adds=purpose in (Purpose.ADD, Purpose.BEGIN),
                frees=purpose in (Purpose.CHANGE, Purpose.ERASE),
                erases=purpose is Purpose.ERASE,
            )
        except ProblemError as problem:
            if isinstance(problem.__cause__, sqlite3.IntegrityError):
                raise RefusedRecordError(str(problem.__cause__)) from problem
            raise

    def _require_room(self, database: sqlite3.Connection) -> None:
        """Raise ``store_full`` if the file has its largest size. In the thread."""
        used, _ = used_bytes(database)
        if used >= self._most():
            raise ProblemError(
                "store_full",
                f"A bot cannot be stored: bot sessions use {used / 2**20:,.0f} of "
                f"{self._most() / 2**20:,.0f} MiB (orchestration.bots.max_bytes). Delete the data of bots "
                "that have ended, or store it for fewer days (orchestration.bots.keep_days).",
            )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Keep the file open until cancelled; may be run again. Started after the first attempt."""
        first = _FirstOnly(task_status)
        while True:
            try:
                async with trio.open_nursery() as nursery:
                    await nursery.start(self.file.run)
                    self._reason = ""
                    first.started()
                    nursery.start_soon(self._measure)
            except* StoreError as group:
                self._reason = str(_first(group))
                _log.error("store of bots cannot be used", reason=self._reason)
            first.started()
            await trio.sleep(OPENED_AGAIN_AFTER)

    async def _measure(self) -> Never:
        boundary = self.file.boundaries[0]
        while True:
            with boundary.item(step="measure"):
                await self._measure_once()
            await trio.sleep(MEASURE_EVERY)

    async def _measure_once(self) -> None:
        try:
            self._used, free = await self.file.execute(used_bytes)
        except ProblemError:
            return  # its status says why
        if free >= FREE_BYTES:
            self.file.reclaim()

    @property
    def boundaries(self) -> tuple[Boundary, ...]:
        """The loops that continue after one of their items failed."""
        return self.file.boundaries

    def statistics(self) -> BotFileStatistics:
        """Return the figures."""
        file = self.file.statistics()
        return BotFileStatistics(
            path=file.path,
            waiting=file.waiting,
            limit=file.limit,
            failures=file.failures,
            used_bytes=self._used,
            limit_bytes=self._most(),
        )

    def load(self) -> Load:
        """Return the queue."""
        file = self.file.statistics()
        return Load(what="operations", fill=file.waiting, limit=file.limit)

    def status(self) -> StoreStatus:
        """Return its status as sentences."""
        return self.file.status()

    def readings(self) -> Iterator[Reading | Distribution]:
        """Yield what Prometheus reads."""
        file = self.file.statistics()
        yield from bot_readings(
            self.status(),
            waiting=file.waiting,
            failures=file.failures,
            used_bytes=self._used,
            seconds=self.file.seconds,
        )


class _FirstOnly(trio.TaskStatus[None]):
    """Reports the first start only."""

    def __init__(self, task_status: trio.TaskStatus[None]) -> None:
        self._task_status = task_status
        self._is_started = False

    def started(self, value: None = None) -> None:
        if not self._is_started:
            self._is_started = True
            self._task_status.started(value)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def run_script(database: sqlite3.Connection, script: Script[T]) -> T:
    """Run a script to its end, inside a transaction of the caller's."""
    try:
        request = next(script)
        while True:
            request = script.send(_rows(database, request))
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        script.close()


def _rows(database: sqlite3.Connection, request: Request) -> list[Row]:
    match request:
        case Lock():
            return []  # there is one writer
        case Many(sql, rows):
            database.executemany(for_sqlite(sql), rows)
            return []
        case _:
            return database.execute(for_sqlite(request.sql), request.values).fetchall()


def beside(path: Path) -> Path:
    """Return the path of the file of bots beside that of sessions: ``sessions-bots.sqlite3``."""
    return path.with_name(f"{path.stem}-bots{path.suffix}")

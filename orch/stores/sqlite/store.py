"""The SQLite store, for a service that runs as a single process."""

from collections.abc import Callable, Iterator
from pathlib import Path
from time import time

import trio

from orch.stores.operations import QueueLimits
from orch.stores.protocols import StoreEvents
from orch.stores.sqlite import statements
from orch.stores.sqlite.database import migrations
from orch.stores.sqlite.documents import SqliteDocuments
from orch.stores.sqlite.file import QUEUE_LIMITS, FileStatistics, Offload, SqliteFile
from orch.stores.sqlite.join_codes import SqliteJoinCodes
from orch.stores.sqlite.open_file import Contents
from orch.stores.sqlite.sessions import SqliteSessions
from orch.stores.sqlite.sign_ins import SqliteSignIns
from orch.stores.status import StoreStatus
from orch.telemetry.boundaries import Boundary
from orch.telemetry.names.metric import Distribution, Reading


class SqliteStore(SqliteSessions):
    """Sessions in the file at ``path``, with their join codes, and operators' sign-ins beside them."""

    def __init__(
        self,
        path: Path | str,
        *,
        offload: Offload = trio.to_thread.run_sync,
        boot: str | None = None,
        wall: Callable[[], float] = time,
        limits: QueueLimits = QUEUE_LIMITS,
    ) -> None:
        # Where messages may be missing, no client must recover: each session gets a new epoch.
        contents = Contents(migrations=migrations(), after_loss=statements.renew_epochs)
        super().__init__(SqliteFile(path, contents, offload=offload, boot=boot, wall=wall, limits=limits))
        self.sign_ins = SqliteSignIns(self.file)
        self.join_codes = SqliteJoinCodes(self.file)
        self.documents = SqliteDocuments(self.file)

    def __repr__(self) -> str:
        return f"<SqliteStore in {self.file}>"

    @property
    def boundaries(self) -> tuple[Boundary, ...]:
        """The loops that continue after one of their items failed."""
        return self.file.boundaries

    def register(self, events: StoreEvents) -> None:
        """Register the handler of events: one, before the store runs."""
        self.events = self.file.events = events

    def readings(self) -> Iterator[Reading | Distribution]:
        """Yield what Prometheus reads."""
        yield from self.file.readings()

    def statistics(self) -> FileStatistics:
        """Return the file's figures."""
        return self.file.statistics()

    def status(self) -> StoreStatus:
        """Return the store's status as sentences; failures of its branch are shown by the tree."""
        return self.file.status()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Open the file and commit what is queued, until cancelled; see :meth:`SqliteFile.run`."""
        await self.file.run(task_status=task_status)

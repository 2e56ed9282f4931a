"""Deletes what of the bots is older than ``keep_days`` says, and the files whose rows were deleted.

The rows go first, in one transaction with a note of their files; a file whose note is left after a crash is
deleted at the next look. A file that cannot be deleted keeps its note and is tried again. Files that never
had a row, since the process was killed before, are deleted too (:mod:`orch.bots.orphans`).
"""

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Never, Protocol

import structlog
import trio
from msgspec import Struct

from orch.bots.orphan_sweep import OrphanSweep
from orch.bots.retention import cutoffs, next_look
from orch.problems import ProblemError
from orch.settings.source import SettingsSource
from orch.stores.bot_records import Prunable
from orch.stores.bot_store import BotStore
from orch.stores.spool import remove_rejected
from orch.telemetry.boundaries import Boundary
from orch.telemetry.names import bots as names
from orch.telemetry.names.metric import Reading

BATCH: Final = 200
"""Rows deleted in one transaction: others wait for it."""

FILES_AT_ONCE: Final = 500

ORPHAN: Final = "orphan"
"""The kind of a file that no row named, among what was deleted."""

_log = structlog.get_logger("bots")


class InThread(Protocol):
    """Runs a function that blocks: ``trio.to_thread.run_sync``."""

    def __call__(self, work: Callable[..., Any], /, *args: Any) -> Awaitable[Any]:
        """Run ``work(*args)``."""


class PruningStatistics(Struct, frozen=True, kw_only=True):
    """What was deleted since the start, by kind, and files; ``stuck``: files that could not be, at last.

    ``orphans``: files that no row named.
    """

    deleted: dict[str, int]
    files: int
    orphans: int
    stuck: int


class Pruning:
    """The deletion of one worker's store. Any worker deletes for all; they take turns in the store.

    The mutable state is the counts, and whether the last look succeeded. ``remove_files`` may be called at
    any time, as after a bot's data was deleted.
    """

    def __init__(
        self,
        store: BotStore,
        settings: SettingsSource,
        *,
        wall: Callable[[], float] = time.time,
        in_thread: InThread = trio.to_thread.run_sync,
    ) -> None:
        self._store = store
        self._settings = settings
        self._wall = wall
        self._in_thread = in_thread
        self._deleted = {str(kind): 0 for kind in Prunable}
        self._files = self._orphans = self._stuck = 0
        self._has_looked = False
        self._orphan_sweep = OrphanSweep(store, settings, wall=wall, in_thread=in_thread)
        self._one_at_a_time = trio.Lock()
        self._boundary = Boundary("deletion of bots")

    def statistics(self) -> PruningStatistics:
        """Return the counts."""
        return PruningStatistics(
            deleted=dict(self._deleted), files=self._files, orphans=self._orphans, stuck=self._stuck
        )

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        for kind, count in self._deleted.items():
            yield Reading(names.BOT_PRUNED, count, (kind,))
        yield Reading(names.BOT_PRUNED, self._orphans, (ORPHAN,))
        yield Reading(names.BOT_FILES_STUCK, self._stuck)
        yield from self._boundary.readings()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Look for what is too old until cancelled."""
        task_status.started()
        while True:
            has_failed = True
            with self._boundary.item(step="prune"):
                has_failed = not await self._look()
            await trio.sleep(next_look(has_failed=has_failed))

    async def _look(self) -> bool:
        has_looked, self._has_looked = self._has_looked, False
        try:
            if has_looked:
                # Only after an hour in which the store was there: rows that waited for it are stored by now.
                self._orphans += await self._orphan_sweep.sweep()
            await self.prune()
            await self.remove_files()
            await self._remove_rejected()
            self._has_looked = True
        except ProblemError as problem:
            _log.debug("bots' data not pruned", reason=problem.detail)  # the store's status says why
            return False
        return True

    async def prune(self) -> None:
        """Delete what is too old. ProblemError: the store is away."""
        now = self._wall()
        for kind, before in cutoffs(self._settings.current.orchestration.bots.keep_days, now):
            total = 0
            while (count := await self._store.prune(kind, before=before, now=now, limit=BATCH)) > 0:
                total += count
                if count < BATCH:
                    break
            if total:
                self._deleted[kind] += total
                _log.info("bots' data pruned", kind=str(kind), count=total)

    async def _remove_rejected(self) -> None:
        """Delete old lines that no store accepts, as transcripts are deleted."""
        bots = self._settings.current.orchestration.bots
        before = dict(cutoffs(bots.keep_days, self._wall())).get(Prunable.TRANSCRIPT)
        if before is None:
            return
        try:
            removed = await self._in_thread(remove_rejected, Path(bots.spool), before)
        except OSError as error:
            _log.error("rejected records not deleted", folder=bots.spool, reason=str(error))
            return
        if removed:
            _log.info("files of rejected records deleted", count=removed)

    async def remove_files(self) -> int:
        """Delete the files whose rows were deleted; return how many. ProblemError: the store is away."""
        async with self._one_at_a_time:
            removed = 0
            while paths := await self._store.files_to_delete(FILES_AT_ONCE):
                gone, stuck = await self._in_thread(_remove, paths)
                if gone:
                    await self._store.files_deleted(gone)
                removed += len(gone)
                self._files += len(gone)
                self._stuck = len(stuck)
                for path, reason in stuck[:1]:
                    _log.error("files not deleted", count=len(stuck), first=path, reason=reason)
                if not gone or len(paths) < FILES_AT_ONCE:
                    break
            else:
                self._stuck = 0
            return removed


def _remove(paths: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Delete files and the folders that become empty; return those that are gone, and the others with why."""
    gone, stuck = [], []
    for text in paths:
        path = Path(text)
        try:
            path.unlink(missing_ok=True)
        except (OSError, ValueError) as error:
            stuck.append((text, str(error)))
            continue
        gone.append(text)
        with suppress(OSError):  # other files are in it
            path.parent.rmdir()
    return gone, stuck

"""Stores series in the service's store, and restores them after a restart.

Each chunk is a document, with the name of its resolution and its number. The open chunks are written again
each :data:`EVERY` seconds and when the service stops; a killed process loses what came after that. Under
Redis, each worker of each machine has its own documents.

Error handling: while the store is away, nothing is lost but time: chunks are written when it is back, as long
as the rings have them. A document that cannot be read is logged and left out.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, Never

import structlog
import trio

from orch.analytics.ring import Chunk, Resolution
from orch.analytics.series import Figure, Series
from orch.analytics.stored_chunks import UnreadableChunkError, pack, unpack
from orch.problems import ProblemError
from orch.stores.protocols import DocumentStore
from orch.stores.records import Document
from orch.telemetry.boundaries import Boundary

EVERY: Final = 300.0
"""Seconds between two writes of the chunks that are open."""
AGAIN: Final = 15.0
"""Seconds until the next attempt after a failure of the store."""
LAST: Final = 3.0
"""Seconds that the last write may take when the service stops."""
WITHIN: Final = 30.0
"""Seconds that one document may take."""

Offload = Callable[..., Awaitable[Any]]

_log = structlog.get_logger("analytics")


class Archive:
    """The stored chunks of one process's series.

    ``owner``: the process among those that share the store, the same after its restart. ``now``: the time of
    the series. ``offload`` runs a function in a thread. The mutable state: the revision of each document, and
    which chunks are stored as sealed.
    """

    def __init__(
        self,
        series: Series,
        store: DocumentStore,
        *,
        owner: str,
        now: Callable[[], float],
        offload: Offload = trio.to_thread.run_sync,
    ) -> None:
        self._series = series
        self._store = store
        self._owner = owner
        self._now = now
        self._offload = offload
        self._revisions: dict[tuple[str, int], int] = {}
        self._sealed: set[tuple[str, int]] = set()
        self._is_restored = False
        self.boundary = Boundary("analytics store")

    @property
    def is_restored(self) -> bool:
        """Whether the series of earlier runs were read."""
        return self._is_restored

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Restore, then store until cancelled, and once more then."""
        task_status.started()
        try:
            while True:
                is_done = False
                with self.boundary.item():
                    is_done = await self._step()
                await trio.sleep(EVERY if is_done else AGAIN)
        finally:
            with trio.move_on_after(LAST, shield=True), self.boundary.item(step="last"):
                if self._is_restored:
                    await self._flush_all()

    async def _step(self) -> bool:
        """Return whether everything that is due was done."""
        try:
            if not self._is_restored:
                await self._restore()
                self._is_restored = True
                return True
            await self._flush_all()
        except (ProblemError, trio.TooSlowError) as error:
            # The store itself shows and logs that it is away.
            _log.debug("series wait for the store", reason=str(error))
            return False
        return True

    def _kind(self, resolution: Resolution) -> str:
        return f"series-{resolution.name}-{self._owner}"

    # --- reading --------------------------------------------------------------------------------------------

    async def _restore(self) -> None:
        for ring in self._series.rings:
            resolution = ring.resolution
            with trio.fail_after(WITHIN):
                found = await self._store.documents(self._kind(resolution), now=self._now())
            for document in sorted(found, key=lambda each: each.name, reverse=True):
                await self._restore_one(resolution, document)

    async def _restore_one(self, resolution: Resolution, document: Document) -> None:
        try:
            figures, chunk = await self._offload(unpack, document.body, resolution)
        except UnreadableChunkError as error:
            _log.warning("stored series not readable", name=document.name, reason=str(error))
            return
        if document.name != _name(chunk.number):
            _log.warning("stored series not readable", name=document.name, reason=f"number {chunk.number}")
            return
        self._revisions[resolution.name, chunk.number] = document.revision
        self._series.restore(resolution.name, figures, chunk, now=self._now())
        # Each chunk takes milliseconds: requests are served in between.
        await trio.lowlevel.checkpoint()

    # --- writing --------------------------------------------------------------------------------------------

    async def _flush_all(self) -> None:
        for ring in self._series.rings:
            numbers = ring.chunk_numbers()
            known = {(ring.resolution.name, number) for number in numbers}
            others = {key for key in self._revisions if key[0] == ring.resolution.name} - known
            for key in others:
                self._revisions.pop(key, None)
                self._sealed.discard(key)
            for number in numbers:
                if (ring.resolution.name, number) not in self._sealed:
                    await self._flush(ring.resolution, number, is_open=number == numbers[-1])

    async def _flush(self, resolution: Resolution, number: int, *, is_open: bool) -> None:
        for _ in range(2):
            found = self._series.chunk(resolution.name, number)
            if found is None or not found[0]:
                return
            with trio.fail_after(WITHIN):
                if await self._write(resolution, *found):
                    if not is_open:
                        self._sealed.add((resolution.name, number))
                    return
                # Another process has stored it under the same name: the one before this, which was ending.
                await self._merge(resolution, number)
        _log.warning("series not stored, another process stores them", kind=self._kind(resolution))

    async def _write(self, resolution: Resolution, figures: tuple[Figure, ...], chunk: Chunk) -> bool:
        body = await self._offload(pack, figures, chunk)
        key = (resolution.name, chunk.number)
        document = Document(
            kind=self._kind(resolution),
            name=_name(chunk.number),
            revision=self._revisions.get(key, 0) + 1,
            expires=float((chunk.number + 2) * resolution.chunk * resolution.step + resolution.seconds),
            body=body,
        )
        if not await self._store.store_document(document, now=self._now()):
            return False
        self._revisions[key] = document.revision
        return True

    async def _merge(self, resolution: Resolution, number: int) -> None:
        for document in await self._store.documents(self._kind(resolution), now=self._now()):
            if document.name == _name(number):
                self._revisions[resolution.name, number] = document.revision
                await self._restore_one(resolution, document)


def _name(number: int) -> str:
    return f"{number:010d}"

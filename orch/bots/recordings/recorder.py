"""Records what a bot hears, beside its work: a slow or full disk never holds up the bot.

    takes = Takes(session_id, folder, audio="both", kind="flac", key=key)
    recorder = Recorder(takes, session_id, put=writer.put)
    await nursery.start(recorder.run)
    recorder.hear(observation)     # sound, tracks, owners, people; anything else is ignored
    await recorder.finish()

Each file has a row from its begin on, with the status ``recording``, so that it is known and deleted with the
rest whatever happens to the process; the row is replaced every :data:`PROGRESS` s and at the end.
"""

import time
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import structlog
import trio
from msgspec import Struct
from msgspec.structs import replace

from orch.bots.observations import Observation, OwnerSeen, PeopleSeen, Sound, TrackBegan, TrackEnded
from orch.bots.recordings.encoding import RATE
from orch.bots.recordings.names import SEALED
from orch.bots.recordings.takes import Dropped, Take, Takes
from orch.stores.bot_records import AudioFile, Captured, SessionEvent
from orch.stores.bot_store import BotStore

PENDING: Final = 8 * 2**20
"""Bytes of sound that may wait for the disk: some 40 s of six voices."""

BLOCK: Final = 2**18
"""Bytes from which on they are written at once."""

EVERY: Final = 1.0
"""Seconds between two writes, at most."""

PROGRESS: Final = 30.0
WRITTEN_WITHIN: Final = 10.0
"""Seconds that a write may take before the bot goes on without it; the thread goes on too."""

ENDING: Final = 15.0
"""Seconds in which the files are closed when the recorder is cancelled."""

_HEARD: Final = (Sound, TrackBegan, TrackEnded, OwnerSeen, PeopleSeen)

InThread = Callable[..., Awaitable[Any]]
Put = Callable[[Captured], Awaitable[None]]

_log = structlog.get_logger("bots")


class RecorderStatistics(Struct, frozen=True):
    """``waiting``: bytes that wait for the disk; ``dropped``: seconds that did not fit.

    ``fault``: why no file can be begun.
    """

    files: int
    waiting: int
    dropped: float
    fault: str = ""


class Recorder:
    """Records one bot's meeting. The mutable state is what waits, and the files (:class:`Takes`).

    Overflow: sound that arrives while :data:`PENDING` bytes wait is dropped; it is silence in the files,
    which are ``incomplete`` and say how much is missing.
    """

    def __init__(
        self,
        takes: Takes,
        session_id: str,
        *,
        put: Put,
        wall: Callable[[], float] = time.time,
        in_thread: InThread = trio.to_thread.run_sync,
        pending: int = PENDING,
    ) -> None:
        self._takes = takes
        self._session_id = session_id
        self._put = put
        self._wall = wall
        self._run_sync = in_thread
        self._pending = pending
        self._thread = trio.CapacityLimiter(1)
        self._waiting: deque[Observation | Dropped] = deque()
        self._bytes = 0
        self._dropped: dict[str, int] = {}
        self._dropped_samples = 0
        self._files = self._faults = 0
        self._wake = trio.Event()
        self._is_closed = False
        self._said = ""
        self._over = trio.Event()

    def hear(self, observation: Observation) -> None:
        """Record an observation; never waits."""
        if self._is_closed or not isinstance(observation, _HEARD):
            return
        if isinstance(observation, Sound):
            size = len(observation.pcm)
            if self._bytes + size > self._pending:
                samples = size // 2
                self._dropped[observation.track] = self._dropped.get(observation.track, 0) + samples
                self._dropped_samples += samples
                return
            self._bytes += size
            if self._bytes >= BLOCK:
                self._wake.set()
        self._waiting.append(observation)

    def close(self) -> None:
        """Record no more; :meth:`run` writes what waits, closes the files and returns."""
        self._is_closed = True
        self._wake.set()

    async def finish(self) -> None:
        """Close, and wait until the files are closed. :meth:`run` must be running."""
        self.close()
        await self._over.wait()

    def statistics(self) -> RecorderStatistics:
        """Return the figures."""
        return RecorderStatistics(
            files=self._files,
            waiting=self._bytes,
            dropped=self._dropped_samples / RATE,
            fault=self._takes.fault,
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write until :meth:`close`, or until cancelled.

        Resource handling: the files are closed when this returns, if the disk takes what waits within
        :data:`ENDING` s after a cancel.
        """
        task_status.started()
        shown_at = trio.current_time()
        try:
            while not self._is_closed:
                with trio.move_on_after(EVERY):
                    await self._wake.wait()
                self._wake = trio.Event()
                await self._write()
                if trio.current_time() - shown_at >= PROGRESS:
                    shown_at = trio.current_time()
                    await self._store(list(self._takes.open_files()))
        finally:
            with trio.move_on_after(ENDING, shield=True) as ending:
                await self._write()
                await self._in_thread(self._takes.finish)
                await self._store(self._takes.changed())
                await self._say_fault()
            if ending.cancelled_caught:
                _log.error("recording not finished in time", session_id=self._session_id)
            self._over.set()

    async def _write(self) -> None:
        if not self._waiting and not self._dropped:
            return
        batch, self._waiting, self._bytes = list(self._waiting), deque(), 0
        batch += [Dropped(track, samples) for track, samples in self._dropped.items()]
        self._dropped = {}
        # Shielded: what was taken from the queue is written.
        with trio.move_on_after(WRITTEN_WITHIN, shield=True):
            await self._in_thread(partial(self._takes.apply, batch))
        await self._store(self._takes.changed())
        await self._say_fault()

    async def _say_fault(self) -> None:
        """Store an event where no file can be begun, once for each reason."""
        fault = self._takes.fault
        if fault and fault != self._said:
            self._faults += 1
            _log.warning("nothing can be recorded", session_id=self._session_id, reason=fault)
            await self._put(self._event(f"fault/{self._faults}", "impossible", {"reason": fault}))
        self._said = fault

    async def _in_thread(self, work: Callable[[], None]) -> None:
        """Run in a thread, one at a time; a disk that hangs is left to its thread."""
        await self._run_sync(work, limiter=self._thread, abandon_on_cancel=True)

    async def _store(self, takes: list[Take]) -> None:
        for take in takes:
            if take.status == "recording" and not take.samples:
                self._files += 1
            await self._put(self._row(take))
            if take.status == "incomplete":
                _log.warning("recording incomplete", session_id=self._session_id, reason=take.reason)
                self._said = take.reason
                data = {"file_name": take.name, "reason": take.reason}
                await self._put(self._event(f"{take.number:03}", "incomplete", data))

    def _row(self, take: Take) -> AudioFile:
        seconds = take.samples / RATE
        metadata: dict[str, Any] = {
            "kind": take.kind,
            "lost_seconds": round(take.lost / RATE, 3),
            "encrypted": take.path.endswith(SEALED),
        }
        texts = {
            "track": take.track,
            "speaker_id": take.participant_id,
            "speaker_name": take.participant_name,
            "reason": take.reason,
        }
        metadata |= {name: text for name, text in texts.items() if text}
        return AudioFile(
            file_id=f"{self._session_id}-{take.number:03}",
            session_id=self._session_id,
            file_path=take.path,
            file_name=take.name,
            file_size=take.size,
            file_format=take.name.rpartition(".")[2],
            duration_seconds=seconds,
            sample_rate=RATE,
            channels=1,
            chunk_start_time=take.start,
            chunk_end_time=take.start + seconds,
            file_hash=take.digest,
            at=self._wall(),
            processing_status=take.status,
            metadata=metadata,
        )

    def _event(self, number: str, subtype: str, data: dict[str, str]) -> SessionEvent:
        return SessionEvent(
            event_id=f"{self._session_id}/recording/{number}",
            session_id=self._session_id,
            event_type="recording",
            event_subtype=subtype,
            event_data=data,
            at=self._wall(),
            source_component="recorder",
            severity="warning",
        )


async def settle(store: BotStore, put: Put, session_id: str, *, wall: Callable[[], float] = time.time) -> int:
    """Mark the files as incomplete that a process left open which was killed; return how many.

    Call it when a session has ended, after its recorder. ProblemError: the store is away.
    """
    left, last = 0, None
    while page := await store.audio_files(session_id, after=last):
        for row in page:
            if row.processing_status == "recording":
                reason = "The process that recorded it was ended."
                metadata = {**row.metadata, "reason": reason}
                await put(replace(row, processing_status="incomplete", metadata=metadata, at=wall()))
                left += 1
        last = page[-1]
    return left

"""What is recorded of a bot's session beside its transcript: sound, and its raw signals on a tape.

Both have rows among the session's audio files, and are deleted with them.
"""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import structlog
import trio

from orch.bots.observations import Observation, OwnerSeen, PeopleSeen, SoundObservation
from orch.bots.recordings.files import create, digest
from orch.bots.recordings.names import SEALED, folder_name
from orch.bots.recordings.recorder import Recorder
from orch.bots.recordings.takes import Takes
from orch.bots.requests import BotRequest
from orch.bots.tapes.lines import Line
from orch.bots.tapes.recorder import TapeRecorder
from orch.settings.bots import read_recording_key
from orch.settings.source import SettingsSource
from orch.stores.bot_records import AudioFile, Captured

TAPE: Final = "jsonl.gz"
"""``file_format`` of a tape."""

ENDING: Final = 10.0
"""Seconds in which the row of a tape is completed."""

_RATE: Final = 16_000

_log = structlog.get_logger("bots")

Put = Callable[[Captured], Awaitable[None]]


class Recordings:
    """Makes what records sessions, as the settings say now. ``put``: stores rows."""

    def __init__(self, settings: SettingsSource, put: Put, *, wall: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._put = put
        self._wall = wall

    def __call__(self, session_id: str, request: BotRequest, run: str) -> "SessionRecording":
        """Return what records a session; nothing runs yet. ``run``: which run of the pipeline this is."""
        bots = self._settings.current.orchestration.bots
        wanted = request.recording
        folder, key = Path(bots.recordings), read_recording_key(bots.recording_key)
        sound = tape = None
        if wanted.audio != "none":
            takes = Takes(session_id, folder, audio=wanted.audio, kind=wanted.format, key=key)
            sound = Recorder(takes, session_id, put=self._put, wall=self._wall)
        if wanted.signals:
            tape = Tape(session_id, run, folder, key, put=self._put, wall=self._wall)
        return SessionRecording(sound, tape)


class SessionRecording:
    """What records a session: its sound, its signals, both or nothing."""

    def __init__(self, sound: Recorder | None, tape: "Tape | None") -> None:
        self._sound = sound
        self._tape = tape

    @property
    def sink(self) -> Callable[[SoundObservation], Awaitable[None]] | None:
        """Receives the sound that is captured; None: it is not recorded."""
        return None if self._sound is None else self._hear

    @property
    def put(self) -> Callable[[Line], None] | None:
        """Receives the raw signals; None: they are not recorded."""
        return None if self._tape is None else self._tape.recorder.put

    async def _hear(self, seen: SoundObservation) -> None:
        if self._sound is not None:
            self._sound.hear(seen)

    def observe(self, seen: Observation) -> None:
        """Note whose tracks they are, for the names of the files."""
        if self._sound is not None and isinstance(seen, OwnerSeen | PeopleSeen):
            self._sound.hear(seen)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Record until :meth:`finish` or cancelled."""
        async with trio.open_nursery() as nursery:
            if self._sound is not None:
                await nursery.start(self._sound.run)
            if self._tape is not None:
                await nursery.start(self._tape.run)
            task_status.started()

    def close(self) -> None:
        """Record no more; :meth:`run` returns once the files are closed."""
        if self._sound is not None:
            self._sound.close()
        if self._tape is not None:
            self._tape.recorder.close()

    async def finish_sound(self) -> None:
        """Close the files of sound, and wait until their rows are on their way to the store."""
        if self._sound is not None:
            await self._sound.finish()

    async def finish(self) -> None:
        """Close the files, and wait until their rows are on their way to the store."""
        self.close()
        if self._sound is not None:
            await self._sound.finish()
        if self._tape is not None:
            await self._tape.over.wait()


class Tape:
    """A tape, its file and its row."""

    def __init__(
        self,
        session_id: str,
        run: str,
        folder: Path,
        key: bytes | None,
        *,
        put: Put,
        wall: Callable[[], float],
        in_thread: Callable[..., Awaitable[Any]] = trio.to_thread.run_sync,
    ) -> None:
        self._session_id = session_id
        self._name = f"signals-{run}.{TAPE}"
        stored = self._name + (SEALED if key else "")
        self._path = folder.absolute() / folder_name(session_id) / stored
        self._put = put
        self._wall = wall
        self._in_thread = in_thread
        self._id = f"{session_id}-signals-{run}"
        self._key = key
        self._fault = ""
        self.recorder = TapeRecorder(self._opened, in_thread=in_thread)
        self.over = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Record until the recorder is closed, or until cancelled."""
        task_status.started()
        try:
            await self._put(self._row("recording"))
            await self.recorder.run()
        finally:
            with trio.move_on_after(ENDING, shield=True):
                await self._end()
            self.over.set()

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """Open the file for the block. In a thread. One that cannot be finished is kept as it is."""
        output = create(self._path, self._key)
        try:
            yield output
        finally:
            try:
                output.close()
            except OSError as error:
                self._fault = error.strerror or str(error)

    async def _end(self) -> None:
        found = self.recorder.statistics()
        fault = found.fault or self._fault
        reason = f"The tape has ended: {fault}." if fault else ""
        if not reason and found.missed:
            reason = f"{found.missed} lines are missing: the disk was too slow."
        size, hashed = 0, ""
        try:
            size, hashed = await self._in_thread(digest, self._path)
        except OSError as error:
            reason = reason or f"The file is gone: {error.strerror}."
        if reason:
            _log.warning("tape incomplete", session_id=self._session_id, reason=reason)
        await self._put(self._row("incomplete" if reason else "complete", size, hashed, reason))

    def _row(self, status: str, size: int = 0, hashed: str = "", reason: str = "") -> AudioFile:
        metadata: dict[str, Any] = {"kind": "signals", "encrypted": self._key is not None}
        if reason:
            metadata["reason"] = reason
        return AudioFile(
            file_id=self._id,
            session_id=self._session_id,
            file_path=str(self._path),
            file_name=self._name,
            file_size=size,
            file_format=TAPE,
            duration_seconds=0.0,
            sample_rate=_RATE,
            channels=1,
            chunk_start_time=0.0,
            chunk_end_time=0.0,
            file_hash=hashed,
            at=self._wall(),
            processing_status=status,
            metadata=metadata,
        )

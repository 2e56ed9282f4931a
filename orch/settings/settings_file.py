"""The settings file: found, read, and followed until it has settled."""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Never

import structlog
import trio
import watchfiles

from orch.package_files import resource
from orch.settings import Fault, SettingsError
from orch.settings.settling import Look, Missing, Seen, Settling, Step, consider
from orch.telemetry.boundaries import Boundary

log = structlog.get_logger("configuration")

FILE_NAME: Final = "orchestration.yaml"

#: Bytes that a settings file can have.
LARGEST: Final = 4 * 1024 * 1024

#: Seconds between looks at a file whose changes the system does not report (network mounts, links).
LOOK_EVERY: Final = 5.0

#: Seconds of continuous change from which on that is reported.
RESTLESS: Final = 10.0


def find_file(given: str | None, environ: Mapping[str, str]) -> Path:
    """Return the settings file: as given, from ``ORCH_CONFIG``, in ``./config/``, or the packaged one."""
    named = given or environ.get("ORCH_CONFIG")
    if named:
        return Path(named)
    here = Path("config") / FILE_NAME
    return here if here.is_file() else resource("config") / FILE_NAME


def read_file(path: Path) -> str:
    """Return the file's text. Raises SettingsError if it cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise SettingsError([Fault(str(path), f"expected a readable file: {error.strerror}")]) from error
    return as_text(path, content)


def as_text(path: Path, content: bytes) -> str:
    """Return the content as text. Raises SettingsError if it is none, or too long."""
    if len(content) > LARGEST:
        raise SettingsError([Fault(str(path), f"expected {LARGEST:,} bytes at most")])
    try:
        return content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise SettingsError([Fault(str(path), f"expected UTF-8 text: {error}")]) from error


def look_at(path: Path) -> tuple[Seen, bytes]:
    """Return the file as it is now, and its content. One that changes meanwhile is unlike any other look."""
    try:
        if not path.is_file():
            path.stat()  # raises the reason why not
            return Missing("it is not a regular file"), b""
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
            state = os.fstat(file.fileno())
    except OSError as error:
        return Missing(error.strerror or "it cannot be read"), b""
    look = Look(
        device=state.st_dev,
        inode=state.st_ino,
        size=state.st_size,
        modified_ns=state.st_mtime_ns,
        inode_changed_ns=state.st_ctime_ns,
        digest=hashlib.sha256(content).digest(),
    )
    return look, content


class FollowedFile:
    """Calls ``read`` with the content whenever the file has changed and settled.

    ``read`` receives whether somebody asked for it (SIGHUP); ``lost`` receives the reason if there is no file
    any more, and ``restless`` whether the file has been changing for :data:`RESTLESS` seconds. The mutable
    state is what is known of the file (:class:`Settling`).
    """

    def __init__(
        self,
        path: Path,
        *,
        read: Callable[[bytes, bool], None],
        lost: Callable[[str], None],
        restless: Callable[[bool], None],
        look: Callable[[Path], tuple[Seen, bytes]] = look_at,
    ) -> None:
        self._path = path
        self._read = read
        self._lost = lost
        self._restless = restless
        self._look = look
        self._state = Settling(settled=look(path)[0])
        # A pipe (``--config <(…)``) is read once, to its end.
        self._is_pipe = path.exists() and not path.is_file()
        self._is_restless = False
        self._lock = trio.Lock()
        self._noticed = trio.Event()
        self._requested = trio.Event()
        self.boundary = Boundary("settings file")

    def request(self) -> None:
        """Have the file read as soon as it has settled, even if it has not changed."""
        self._requested.set()

    async def settle(self, *, is_requested: bool = False) -> None:
        """Look at the file until it has settled; read it if it has changed, or if that is requested."""
        async with self._lock:
            while True:
                now = trio.current_time()
                seen, content = self._look(self._path)
                self._state, step, pause = consider(self._state, seen, now, is_requested=is_requested)
                if step is Step.WAIT:
                    self._tell_restless(is_it=now - self._state.changing_since >= RESTLESS)
                    await trio.sleep(pause)
                    continue
                self._tell_restless(is_it=False)
                if step is Step.READ:
                    self._read(content, is_requested)
                elif step is Step.GIVE_UP and isinstance(seen, Missing):
                    self._lost(seen.reason)
                return

    async def serve_requests(self) -> Never:
        """Read the file whenever that is requested, until cancelled."""
        while True:
            await self._requested.wait()
            self._requested = trio.Event()
            with self.boundary.item(path=str(self._path)):
                await self.settle(is_requested=True)

    async def watch(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Follow the file until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._notice)
            task_status.started()
            while True:
                if not self._is_pipe:
                    with self.boundary.item(path=str(self._path)):
                        await self.settle()
                with trio.move_on_after(LOOK_EVERY):
                    await self._noticed.wait()
                self._noticed = trio.Event()

    def _tell_restless(self, *, is_it: bool) -> None:
        if is_it != self._is_restless:
            self._is_restless = is_it
            self._restless(is_it)

    async def _notice(self) -> None:
        """Set ``_noticed`` at each change of the file's folders, until cancelled.

        Folders, since editors replace files and orchestrators replace links. The system limits how many
        folders can be watched; without, there is the look every :data:`LOOK_EVERY` seconds.
        """
        stop = trio.Event()

        async def stop_when_cancelled() -> None:
            # The watcher's thread cannot be cancelled; it checks this event at every step.
            try:
                await trio.sleep_forever()
            finally:
                stop.set()

        folders = {self._path.absolute().parent, self._path.resolve().parent}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stop_when_cancelled)
            try:
                async for _ in watchfiles.awatch(
                    *folders, recursive=False, step=50, debounce=200, stop_event=stop
                ):
                    self._noticed.set()
            except OSError as error:
                log.warning("settings file not watched", reason=str(error), looks_every=LOOK_EVERY)

"""Tries translation directions before they are offered, and remembers those that passed in a file."""

import os
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog
import trio

from orch.sandbox.engines.passed_trials import FileState, decode, encode, key, location

log = structlog.get_logger("trials")

DISK_SECONDS: Final = 2.0
"""Seconds for reading or writing the file, which takes less than a millisecond."""


class Trials:
    """Runs trials, except those that were passed before with the same files.

    The mutable state is the entries of the file, None until it was read, and whether some are not stored yet.
    Without ``path`` nothing is stored. A file that cannot be used costs the time of the trials, nothing else.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._passed: dict[str, str] | None = None
        self._is_stored = True
        self._lock = trio.Lock()

    async def passes(self, name: str, files: Iterable[Path], attempt: Callable[[], Awaitable[bool]]) -> bool:
        """Return whether a direction works: it passed before, or ``attempt`` returns True now.

        ``files``: what the direction runs on; it is tried again when one of them has changed.
        """
        if self._path is None:
            return await attempt()
        passed = await self._entries(self._path)
        entry = await trio.to_thread.run_sync(lambda: key(name, map(_state, files)))
        if entry in passed:
            return True
        if not await attempt():
            return False
        passed[entry] = name
        self._is_stored = False
        return True

    async def store(self) -> None:
        """Write the file, if there is something new."""
        if self._path is None or self._passed is None or self._is_stored:
            return
        self._is_stored = True
        with trio.move_on_after(DISK_SECONDS) as limit:
            await trio.to_thread.run_sync(_write, self._path, encode(self._passed), abandon_on_cancel=True)
        if limit.cancelled_caught:
            log.warning("trials not stored", path=str(self._path), reason=f"{DISK_SECONDS:g} s passed")

    async def _entries(self, path: Path) -> dict[str, str]:
        async with self._lock:
            if self._passed is None:
                found: dict[str, str] = {}
                with trio.move_on_after(DISK_SECONDS) as limit:
                    found = await trio.to_thread.run_sync(_read, path, abandon_on_cancel=True)
                if limit.cancelled_caught:
                    log.warning("stored trials not used", path=str(path), reason=f"{DISK_SECONDS:g} s passed")
                self._passed = found
            return self._passed


def own_trials() -> Trials:
    """Return the trials with the demo's file; without a file for a user who has no home."""
    try:
        home = Path.home()
    except RuntimeError as error:
        log.info("trials not stored", reason=str(error))
        return Trials()
    return Trials(location(os.environ, home))


def _state(path: Path) -> FileState:
    try:
        found = path.stat()
    except OSError:
        return FileState(str(path), None, None)
    return FileState(str(path), found.st_mtime_ns, found.st_size)


def _read(path: Path) -> dict[str, str]:
    try:
        return decode(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        log.warning("stored trials not used", path=str(path), reason=str(error))
        return {}


def _write(path: Path, data: bytes) -> None:
    """Replace the file at once: another process may read it, or replace it too."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(temporary, path)  # noqa: PTH105 - the names are strings
    except OSError as error:
        log.warning("trials not stored", path=str(path), reason=str(error))
        if temporary is not None:
            with suppress(OSError):  # named above
                Path(temporary).unlink()

"""Deletes files of the bots that no row names: the disk's side of :mod:`orch.bots.orphans`.

Nothing is deleted while captured records wait in a spool on this machine: the row of a file may be among
them. Links are not followed below the two folders; they are listed and changed relative to open folders, so
that no folder on the way can become a link meanwhile.
"""

import os
import re
import stat
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, Final

import structlog

from orch.bots.orphans import FOLDERS_AT_ONCE, OLD_ENOUGH, FoundFile, next_folders, orphans
from orch.bots.recordings.names import is_recorded
from orch.bots.runs.evidence_files import is_evidence
from orch.settings.source import SettingsSource
from orch.stores.bot_store import BotStore
from orch.stores.spool import SUFFIX

MOST_FOLDERS: Final = 200_000
MOST_FILES: Final = 10_000
"""Files that are compared in one session's folder."""

_SESSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", re.ASCII)
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_log = structlog.get_logger("bots")


class OrphanSweep:
    """The sweep of one worker. The mutable state is the folder at which each of the two goes on."""

    def __init__(
        self,
        store: BotStore,
        settings: SettingsSource,
        *,
        wall: Callable[[], float],
        in_thread: Callable[..., Awaitable[Any]],
    ) -> None:
        self._store = store
        self._settings = settings
        self._wall = wall
        self._in_thread = in_thread
        self._after: dict[str, str] = {}

    async def sweep(self) -> int:
        """Delete what no row names; return how many files. ProblemError: the store is away."""
        bots = self._settings.current.orchestration.bots
        if await self._in_thread(_is_spooled, Path(bots.spool)):
            return 0
        return await self._sweep(Path(bots.recordings), is_recorded) + await self._sweep(
            Path(bots.evidence), is_evidence
        )

    async def _sweep(self, root: Path, is_ours: Callable[[str], bool]) -> int:
        before = self._wall() - OLD_ENOUGH
        folders = next_folders(await self._in_thread(_folders, root), self._after.get(str(root), ""))
        removed = 0
        for first in range(0, len(folders), FOLDERS_AT_ONCE):
            part = folders[first : first + FOLDERS_AT_ONCE]
            found: list[FoundFile] = await self._in_thread(_files, root, part, is_ours, before)
            if found:
                sessions = sorted({each.session_id for each in found})
                named = await self._store.files_of_ended(sessions, before=before)
                if orphaned := orphans(found, named, before=before):
                    removed += await self._in_thread(_remove, root, orphaned)
            self._after[str(root)] = part[-1]
        if removed:
            _log.warning("files that no row names deleted", folder=str(root), count=removed)
        return removed


def _is_spooled(folder: Path) -> bool:
    """Whether records wait in a spool there, of any process and store; also if that is not known."""
    try:
        return any(path.stat().st_size > 0 for path in folder.rglob(f"*{SUFFIX}"))
    except FileNotFoundError:
        return True  # another worker has just adopted it
    except OSError as error:
        _log.error("spools cannot be listed", folder=str(folder), reason=str(error))
        return True


def _folders(root: Path) -> list[str]:
    """Return the folders of sessions; none where the folder is not there or cannot be read."""
    try:
        with os.scandir(root) as entries:
            return [
                each.name
                for each in islice(entries, MOST_FOLDERS)
                if _SESSION.fullmatch(each.name) and each.is_dir(follow_symlinks=False)
            ]
    except FileNotFoundError:
        return []
    except OSError as error:
        _log.error("folder cannot be listed", folder=str(root), reason=str(error))
        return []


def _files(
    root: Path, folders: Sequence[str], is_ours: Callable[[str], bool], before: float
) -> list[FoundFile]:
    """Return the service's own files in the folders that were not written to since ``before``."""
    found = []
    for folder in folders:
        try:
            with _opened(root, folder) as (_, inner), os.scandir(inner) as entries:
                for entry in islice(entries, MOST_FILES):
                    written = _written(entry.name, inner) if is_ours(entry.name) else None
                    if written is not None and written < before:
                        found.append(FoundFile(folder, entry.name, written))
        except FileNotFoundError:
            continue  # another worker has just deleted it
        except OSError as error:
            _log.warning("folder not compared with the store", folder=str(root / folder), reason=str(error))
    return found


def _remove(root: Path, files: Sequence[FoundFile]) -> int:
    """Delete files as they were found, and the folders that become empty; return how many files."""
    removed = 0
    for file in files:
        try:
            with _opened(root, file.session_id) as (outer, inner):
                if _written(file.name, inner) != file.written:
                    continue  # it was written to meanwhile
                os.unlink(file.name, dir_fd=inner)
                removed += 1
                with suppress(OSError):  # other files are in it
                    os.rmdir(file.session_id, dir_fd=outer)
        except OSError as error:
            where = str(root / file.session_id / file.name)
            _log.error("file that no row names not deleted", path=where, reason=str(error))
    return removed


@contextmanager
def _opened(root: Path, folder: str) -> Iterator[tuple[int, int]]:
    """Open the folder of a session, which is no link, and the one that it is in."""
    outer = os.open(root, _FOLDER)
    try:
        inner = os.open(folder, _FOLDER | os.O_NOFOLLOW, dir_fd=outer)
        try:
            yield outer, inner
        finally:
            os.close(inner)
    finally:
        os.close(outer)


def _written(name: str, folder: int) -> float | None:
    """Return when a regular file was written to; None: it is something else, as a link."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return found.st_mtime if stat.S_ISREG(found.st_mode) else None

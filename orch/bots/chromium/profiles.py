"""Profile folders of browsers: created for one bot, removed with it, and reaped after a dead owner.

Each profile is a folder ``NAME`` with a lock file ``NAME.lock`` beside it. The lock (``flock``) is held by
the service and by the browser's guard; the kernel releases it when both have ended, so a profile whose lock
is free belongs to nobody. Process ids, which are reused, decide nothing.
"""

import errno
import fcntl
import os
import re
import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from orch.bots.chromium.errors import BrowserNotStartedError
from orch.shortages import Shortage

LEAST_FREE: Final = 256 * 1024 * 1024
"""Bytes that must be free where profiles are. A fresh profile has about 20 MB; with --disable-dev-shm-usage
shared memory is there too, and Chromium is killed by SIGBUS when it cannot grow."""

LARGEST_TEMPLATE: Final = 512 * 1024 * 1024
"""Bytes of a signed-in profile without its caches."""

NOT_COPIED: Final = frozenset(
    {
        "Cache",
        "Code Cache",
        "GPUCache",
        "DawnCache",
        "DawnGraphiteCache",
        "DawnWebGPUCache",
        "GrShaderCache",
        "ShaderCache",
        "GraphiteDawnCache",
        "Crash Reports",
        "BrowserMetrics",
        "component_crx_cache",
        "extensions_crx_cache",
        "SingletonLock",
        "SingletonCookie",
        "SingletonSocket",
        "DevToolsActivePort",
        "lockfile",
    }
)
"""What is not taken from a template: caches, and the marks of the browser that uses it."""

LONGEST_HOME: Final = 56
"""Characters of the path of temporary files. Chromium creates a socket below it, whose path may have 107, and
aborts without a word if it is longer."""

_SUFFIX: Final = ".lock"
_NAME: Final = re.compile(r"[0-9a-f]{16}")


class Profile(Struct, frozen=True):
    """A profile in use.

    ``home``: where HOME and TMPDIR of the browser point, so that all it writes ends with the profile: a
    folder in ``path``, or a short link to it.
    """

    path: Path
    lock: int
    home: Path

    @property
    def data(self) -> Path:
        """Chromium's ``--user-data-dir``."""
        return self.path / "data"


class Profiles:
    """The profiles under one folder. All methods block for the time of their disk operations."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    @contextmanager
    def create(self, template: Path | None = None) -> Iterator[Profile]:
        """Create a profile, empty or as a copy of ``template``, for the length of the block.

        The copy is used, never the template: several bots share one signed-in profile, and no crash harms it.

        Error handling: BrowserNotStartedError if the disk has less than :data:`LEAST_FREE`, or the template
        is missing, unreadable or too large; OSError otherwise. At the end, what remains of the folder is
        removed.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        free = shutil.disk_usage(self.folder).free
        if free < LEAST_FREE:
            raise BrowserNotStartedError(
                f"A browser needs {LEAST_FREE >> 20} MiB for its profile, and {self.folder} has"
                f" {free >> 20} MiB free. Free space there, or point bots.profiles to another disk.",
                shortage=Shortage.DISK,
            )
        path = self.folder / secrets.token_hex(8)
        lock = _locked(path)
        try:
            path.mkdir(mode=0o700)
            (path / "home").mkdir(mode=0o700)
            profile = Profile(path, lock, _short(path / "home"))
            if template is None:
                profile.data.mkdir(mode=0o700)
            else:
                _copy(template, profile.data)
            yield profile
        finally:
            if path.exists():  # the guard was killed, or has never been started
                kill_users(path)
            _discard(path)
            os.close(lock)

    def reap(self) -> tuple[str, ...]:
        """Remove the profiles whose owners have ended, with the browsers that still use them; return which.

        Safe beside other services that use the same folder; files with other names than ours are left alone.
        """
        removed = []
        for lock in sorted(self.folder.glob("*" + _SUFFIX)):
            path = lock.with_suffix("")
            if not _NAME.fullmatch(path.name):
                continue
            try:
                number = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                continue  # its owner has just removed it
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            else:
                kill_users(path)
                _discard(path)
                removed.append(path.name)
            finally:
                os.close(number)
        return tuple(removed)


def _locked(path: Path) -> int:
    """Create a profile's lock file and return it, locked.

    Another service may find the file between its creation and its lock, and remove it; then there is another
    try.
    """
    while True:
        number = os.open(path.with_suffix(_SUFFIX), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.stat(path.with_suffix(_SUFFIX)).st_ino == os.fstat(number).st_ino:  # noqa: PTH116
                return number
        except (BlockingIOError, FileNotFoundError):
            pass  # it is being reaped
        except BaseException:
            os.close(number)
            raise
        os.close(number)


def _short(home: Path) -> Path:
    """Return the folder, or a link to it if its path is too long for Chromium."""
    if len(os.fsencode(home)) <= LONGEST_HOME:
        return home
    link = link_of(home.parent)
    if len(os.fsencode(link)) > LONGEST_HOME:
        raise BrowserNotStartedError(
            f"The path of temporary files, {link.parent}, is too long for Chromium: set TMPDIR to a shorter"
            " one."
        )
    link.symlink_to(home)
    return link


def link_of(path: Path) -> Path:
    """Return where the short link of a profile is, if it has one."""
    return Path(tempfile.gettempdir()) / f"orch-{path.name}"


def _discard(path: Path) -> None:
    """Remove a profile, then its lock file; what cannot be removed stays for the next reaping."""
    link_of(path).unlink(missing_ok=True)
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        pass
    except OSError:
        return
    path.with_suffix(_SUFFIX).unlink(missing_ok=True)


def _copy(template: Path, target: Path) -> None:
    """Copy a signed-in profile without its caches."""
    if not (template / "Local State").is_file():
        raise BrowserNotStartedError(
            f"bots.profile_dir: {template} is no Chromium profile (it has no file “Local State”)."
            " Start Chromium once with --user-data-dir and --password-store=basic, and sign in there."
        )
    size = 0
    for folder, folders, files in os.walk(template):
        folders[:] = [each for each in folders if each not in NOT_COPIED]
        for each in files:
            size += (Path(folder) / each).lstat().st_size
        if size > LARGEST_TEMPLATE:
            raise BrowserNotStartedError(
                f"bots.profile_dir: {template} has more than {LARGEST_TEMPLATE >> 20} MiB without its caches."
            )
    shutil.copytree(template, target, symlinks=True, ignore=lambda _folder, names: NOT_COPIED & set(names))


def kill_users(path: Path) -> list[int]:
    """Kill the processes that were started for a profile, as their command lines show; return which.

    Needed only after the guard was killed. Processes of other users are left alone.
    """
    mark = f"={path}{os.sep}".encode()
    killed = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark in entry.read_bytes() and entry.stat().st_uid == os.getuid():
                os.kill(int(entry.parent.name), signal.SIGKILL)
                killed.append(int(entry.parent.name))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ESRCH, errno.EACCES, errno.EPERM):
                raise
    return killed

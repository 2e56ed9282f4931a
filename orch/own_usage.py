"""How much memory and how many descriptors this process may use, and does.

Memory: cgroups. The limit of a group holds for the groups below it together, so each group from this
process's own up to the root is looked at, and the one that is fullest counts. In a container the root is
usually the container's own group, whatever the path of the process says; where the path is not there, only
the root is. In version 2 the limit is the lower of ``memory.max`` and ``memory.high``, from which on the
kernel slows a group down until it needs less: it never gets to ``memory.max`` then. Swap does not count: a
group that needs it is slow long before it is full. In version 1, also beside a version 2 without memory
(systemd's hybrid), it is ``memory.limit_in_bytes``.

What counts as used is the group's memory without the page cache that the kernel gives back first
(``inactive_file``), as in Kubernetes' working set; that is read only where it can matter, since the kernel
adds it up for the purpose.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from orch.overload import Use

GROUPS: Final = Path("/sys/fs/cgroup")
OWN: Final = Path("/proc/self/cgroup")
FILES: Final = Path("/proc/self/fd")
CLOSER: Final = 0.9
"""The share from which on the page cache is looked at."""
UNLIMITED: Final = 2**60
"""Version 1 has the largest number that it can count for "no limit", a little below 2**63."""


class _Files(NamedTuple):
    """The names of the files of one version."""

    limits: tuple[str, ...]
    used: str
    cache: str


_VERSION_2: Final = _Files(("memory.max", "memory.high"), "memory.current", "inactive_file")
_VERSION_1: Final = _Files(("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_inactive_file")


def memory(groups: Path = GROUPS, own: Path = OWN) -> Use | None:
    """Return the use of the group that has least memory left; None without a limit, or without cgroups."""
    uses = [use for folder, files in _folders(groups, own) if (use := _use(folder, files)) is not None]
    return max(uses, key=lambda use: use.share, default=None)


def descriptors(limit: int, spare: int, files: Path = FILES) -> Use | None:
    """Return the use of the limit of open files; None where the system does not say.

    From Linux 6.2 on the size of the folder is the number of files; before, they are listed.
    """
    try:
        return Use(files.stat().st_size or sum(1 for _ in files.iterdir()), limit, spare)
    except OSError:  # no /proc, or no descriptor left to list it with
        return None


def _folders(groups: Path, own: Path) -> Iterator[tuple[Path, _Files]]:
    """Yield the folders of this process's groups up to the roots."""
    try:
        lines = own.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            root, files = groups, _VERSION_2
        elif "memory" in controllers.split(","):
            root, files = groups / "memory", _VERSION_1
        else:
            continue
        yield root, files
        folder = root
        for name in path.split("/"):
            if name and name != "..":  # a group outside of what this container sees
                folder /= name
                yield folder, files


def _use(folder: Path, files: _Files) -> Use | None:
    used = _number(folder / files.used)
    limits = [limit for name in files.limits if (limit := _number(folder / name)) is not None]
    limit = min(limits, default=UNLIMITED)
    if limit >= UNLIMITED or used is None:
        return None
    if used >= CLOSER * limit:
        used -= min(used, _cache(folder / "memory.stat", files.cache))
    return Use(used, limit)


def _number(file: Path) -> int | None:
    """Return the number in a file; None if there is none (``max``: no limit)."""
    try:
        text = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return int(text) if text.isdigit() else None


def _cache(file: Path, wanted: str) -> int:
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return 0
    for line in lines:
        name, _, value = line.partition(" ")
        if name == wanted and value.isdigit():
            return int(value)
    return 0

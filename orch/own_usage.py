"""How much memory and how many descriptors this process may use, and does.

Memory: cgroup v2. The limit of a group holds for the groups below it together, so each group from this
process's own up to the root is looked at, and the one that is fullest counts. What counts as used is
``memory.current`` without the page cache that the kernel gives back first (``inactive_file``), as in
Kubernetes' working set; that is read only where it can matter, since the kernel adds it up for the purpose.
"""

from pathlib import Path
from typing import Final

from orch.overload import Use

GROUPS: Final = Path("/sys/fs/cgroup")
OWN: Final = Path("/proc/self/cgroup")
FILES: Final = Path("/proc/self/fd")
CLOSER: Final = 0.9
"""The share from which on the page cache is looked at."""


def memory(groups: Path = GROUPS, own: Path = OWN) -> Use | None:
    """Return the use of the group that has least memory left; None without a limit, or without cgroup v2."""
    uses = [use for folder in _folders(groups, own) if (use := _use(folder)) is not None]
    return max(uses, key=lambda use: use.share, default=None)


def descriptors(limit: int, spare: int, files: Path = FILES) -> Use | None:
    """Return the use of the limit of open files; None where the system does not say.

    From Linux 6.2 on the size of the folder is the number of files; before, they are listed.
    """
    try:
        return Use(files.stat().st_size or sum(1 for _ in files.iterdir()), limit, spare)
    except OSError:  # no /proc, or no descriptor left to list it with
        return None


def _folders(groups: Path, own: Path) -> list[Path]:
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    path = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), None)
    if path is None:
        return []
    folder = groups / path
    return [folder, *(each for each in folder.parents if each.is_relative_to(groups))]


def _use(folder: Path) -> Use | None:
    limit, used = _number(folder / "memory.max"), _number(folder / "memory.current")
    if limit is None or used is None:
        return None
    if used >= CLOSER * limit:
        used -= min(used, _cache(folder / "memory.stat"))
    return Use(used, limit)


def _number(file: Path) -> int | None:
    """Return the number in a file; None if there is none (``max``: no limit)."""
    try:
        text = file.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _cache(file: Path) -> int:
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    for line in lines:
        name, _, value = line.partition(" ")
        if name == "inactive_file" and value.isdigit():
            return int(value)
    return 0

"""What this process uses, and what it is: the metrics that are read from the system at each scrape."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

from msgspec import Struct

from orch.overload import Use
from orch.telemetry.names import process as names
from orch.telemetry.names.metric import Reading

PROC: Final = Path("/proc")
SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - the kernel's place for it, no file of ours

_START_FIELD: Final = 19  # of the fields after the name in /proc/PID/stat; 22 in all (proc_pid_stat(5))
_RESIDENT_FIELD: Final = 1  # of /proc/PID/statm


class WorkerIdentity(Struct, frozen=True):
    """Which worker this is: its name in the cluster, its number, and how often its process was replaced."""

    name: str
    number: int = 0
    restarts: int = 0


def installed_version() -> str:
    """Return the installed distribution's version; a bare checkout has none."""
    try:
        return metadata.version("orchestration-service")
    except metadata.PackageNotFoundError:
        return "0+checkout"


class ProcessReadings:
    """Reads what this process uses. Without /proc, most of it is absent.

    ``files``: the open files and their limit, as far as they are known. The state is what cannot change.
    """

    def __init__(
        self,
        identity: WorkerIdentity,
        *,
        files: Callable[[], Use | None],
        cpu: Callable[[], float] = time.process_time,
        proc: Path = PROC,
        shared_memory: Path = SHARED_MEMORY,
    ) -> None:
        self._identity = identity
        self._files = files
        self._cpu = cpu
        self._own = proc / "self"
        self._shared_memory = shared_memory
        self._version = installed_version()
        self._started_at = _started_at(proc)

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        identity = self._identity
        python = ".".join(map(str, sys.version_info[:3]))
        yield Reading(names.BUILD_INFO, 1, (self._version, python))
        yield Reading(names.WORKER_INFO, 1, (identity.name, str(identity.number)))
        yield Reading(names.WORKER_RESTARTS, identity.restarts)
        yield Reading(names.CPU, self._cpu())
        if self._started_at is not None:
            yield Reading(names.STARTED_AT, self._started_at)
        files = self._files()
        if files is not None:
            yield Reading(names.OPEN_FILES, files.used)
            yield Reading(names.MOST_FILES, files.limit)
        yield from self._of_memory()

    def _of_memory(self) -> Iterator[Reading]:
        try:
            sizes = (self._own / "statm").read_text(encoding="ascii").split()
            page = os.sysconf("SC_PAGE_SIZE")
            yield Reading(names.VIRTUAL, int(sizes[0]) * page)
            yield Reading(names.RESIDENT, int(sizes[_RESIDENT_FIELD]) * page)
        except (OSError, ValueError, IndexError):
            pass  # no /proc, or no descriptor left to read it with: absent, which alerts on it show
        try:
            space = os.statvfs(self._shared_memory)
        except OSError:
            return
        yield Reading(names.SHM_FREE, space.f_bavail * space.f_frsize)
        yield Reading(names.SHM_SIZE, space.f_blocks * space.f_frsize)


def _started_at(proc: Path) -> float | None:
    """Return when this process started, in seconds since the epoch; None if the system does not say."""
    try:
        fields = (proc / "self" / "stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
        lines = (proc / "stat").read_text(encoding="ascii").splitlines()
        booted = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
        return booted + int(fields[_START_FIELD]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, StopIteration):
        return None

"""Limits of the child processes that decode and process audio: memory, processor time, descriptors, files."""

import os
import resource
from typing import Final

#: Environment variable: whether the processes give way to the service, or have the same priority.
PRIORITY: Final = "ORCH_AUDIO_PRIORITY"
PRIORITIES: Final = ("lower", "same")
_NICENESS: Final = 10


def give_way(niceness: int) -> None:
    """Lower the priority of the calling process, unless the environment says otherwise."""
    if os.environ.get(PRIORITY) != "same":
        os.nice(niceness)


def bound(*, memory: int, cpu_seconds: int, descriptors: int, file_bytes: int = 0) -> None:
    """Limit the calling process, irrevocably; ``memory``: bytes beyond what is mapped already."""
    give_way(_NICENESS)
    mapped = _mapped()
    for kind, soft, hard in (
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_FSIZE, file_bytes, file_bytes),
        (resource.RLIMIT_NOFILE, descriptors, descriptors),
        (resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 1),
        (resource.RLIMIT_AS, mapped + memory, mapped + memory),
    ):
        present = resource.getrlimit(kind)[1]
        if present != resource.RLIM_INFINITY:
            soft, hard = min(soft, present), min(hard, present)  # noqa: PLW2901 - a limit of the system is kept
        resource.setrlimit(kind, (soft, hard))


def _mapped() -> int:
    """Return the bytes of address space in use: the libraries, mostly."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - one line of the kernel's
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:  # no /proc: no Linux
        return 1 << 30


def most_memory() -> int:
    """Return the most bytes of memory that the calling process has had in use; 0 where that is not known.

    ``ru_maxrss`` begins with what the parent had in use when it started this process; ``VmHWM`` does not.
    """
    try:
        with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123 - lines of the kernel's
            line = next(each for each in file if each.startswith("VmHWM:"))
    except (OSError, StopIteration):  # no Linux
        return 0
    return int(line.split()[1]) * 1024

"""A process that is out of file descriptors."""

import os
import resource
from pathlib import Path


def take_all(held: list[int]) -> None:
    """Add all descriptors that this process has left, a few by now, to ``held``."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(each.name) for each in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 8, hard))
    while True:
        try:
            held.append(os.dup(0))
        except OSError:
            return

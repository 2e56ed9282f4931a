"""Locks that all test processes on this machine share."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(name: str, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock for the block: alone, or ``shared`` with other processes that share it."""
    path = Path(tempfile.gettempdir()) / f"orch-tests-{os.getuid()}-{name}"
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield

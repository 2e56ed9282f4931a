"""When the service's state was last backed up: the time of a file that a backup touches at its end."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from orch.telemetry.names import stores as names
from orch.telemetry.names.metric import Reading

FILE: Final = "last-backup"
"""Beside the SQLite file of the sessions, which may be the only file there: with Redis it is not used."""


def backed_up_at(sqlite_path: str) -> float:
    """Return the time of the last backup in seconds since the epoch; 0 if none is known."""
    try:
        return Path(sqlite_path).with_name(FILE).stat().st_mtime
    except OSError:  # there is none, or it cannot be looked at: nothing says that there was a backup
        return 0.0


def readings(sqlite_path: str) -> Iterator[Reading]:
    """Yield the metric."""
    yield Reading(names.BACKUP_AT, backed_up_at(sqlite_path))

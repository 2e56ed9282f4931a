import os
from pathlib import Path

from orch.stores.backups import FILE, backed_up_at, readings


def test_the_time_of_a_backup_is_that_of_its_file(tmp_path: Path) -> None:
    """It is beside the file of the sessions, also where that is not used."""
    path = str(tmp_path / "sessions.sqlite3")
    assert backed_up_at(path) == 0
    (tmp_path / FILE).touch()
    os.utime(tmp_path / FILE, (1_700_000_000, 1_700_000_000))
    assert backed_up_at(path) == 1_700_000_000
    [reading] = readings(path)
    assert (reading.name.name, reading.value) == ("orch_backup_last_success_timestamp_seconds", 1_700_000_000)


def test_what_cannot_be_looked_at_is_no_backup(tmp_path: Path) -> None:
    """The alert fires, rather than having no series."""
    (tmp_path / "file").touch()
    assert backed_up_at(str(tmp_path / "file" / "sessions.sqlite3")) == 0
    assert backed_up_at(str(tmp_path / "missing" / "sessions.sqlite3")) == 0

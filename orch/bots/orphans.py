"""Decides which files of the bots no row names, and that may be deleted. Pure.

A process that is killed between creating a file and storing its row leaves a file that nothing else would
ever delete. What is not certain to be such a file stays:

- only names that this service gives its files, in the folder of one session;
- only of sessions that the store knows, and whose bot ended a day ago, on whichever worker: another store, as
  an empty one by mistake, knows none of them;
- only files that nobody has written to for a day;
- a row counts by the name of its file, whatever path of the folder it has: the folder may have been moved.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Final

from msgspec import Struct

OLD_ENOUGH: Final = 86_400.0
"""Seconds since the end of the bot, and since the file was written to."""

FOLDERS_AT_ONCE: Final = 100
"""Folders of sessions that are compared with one request to the store."""

FOLDERS_A_LOOK: Final = 5_000
"""Folders of sessions that one look compares, in each of the two folders; the next one goes on after them."""


class FoundFile(Struct, frozen=True, order=True):
    """A file on the disk: the folder of its session, its name, and when it was written to."""

    session_id: str
    name: str
    written: float


def orphans(
    files: Iterable[FoundFile], named: Mapping[str, Sequence[str]], *, before: float
) -> tuple[FoundFile, ...]:
    """Return the files that no row names.

    ``named``: the paths of the rows, of those sessions whose bots ended ``before``; files of others stay.
    """
    names = {session_id: {PurePath(path).name for path in paths} for session_id, paths in named.items()}
    return tuple(
        file
        for file in files
        if file.written < before and file.session_id in names and file.name not in names[file.session_id]
    )


def next_folders(folders: Iterable[str], after: str) -> tuple[str, ...]:
    """Return the folders that are compared now: those after ``after`` by name, then from the first on."""
    ordered = sorted(folders)
    later = [each for each in ordered if each > after]
    earlier = [each for each in ordered if each <= after]
    return tuple((later + earlier)[:FOLDERS_A_LOOK])

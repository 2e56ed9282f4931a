"""The requests of a script, and the statement texts of both engines. Pure."""

import re
from collections.abc import Generator, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeVar

T = TypeVar("T")
Row = Sequence[Any]


class Query(NamedTuple):
    """One statement; the script is sent its rows."""

    sql: str
    values: tuple[Any, ...] = ()


class Many(NamedTuple):
    """One statement for several rows of values; the script is sent no rows."""

    sql: str
    rows: Sequence[tuple[Any, ...]]


class Lock(NamedTuple):
    """Wait until no other transaction holds the lock of this name; it is released with the transaction."""

    name: str


Request = Query | Many | Lock
Script = Generator[Request, Sequence[Row], T]

_TABLE: Final = re.compile(r"\bbot_sessions\.(\w+)")
_PARAMETER: Final = re.compile(r"\$(\d+)")
_ROW_LOCK: Final = re.compile(r"\s+FOR (?:KEY SHARE|SHARE|UPDATE)$")


@lru_cache(maxsize=512)
def for_sqlite(sql: str) -> str:
    """Return a statement as SQLite has it: tables with the prefix ``bot_``, no locks of rows, ``?1``."""
    return _ROW_LOCK.sub("", _PARAMETER.sub(r"?\1", _TABLE.sub(r"bot_\1", sql)))


def marks(count: int, first: int = 1) -> str:
    """Return ``count`` parameters, separated by commas: ``$1, $2``."""
    return ", ".join(f"${number}" for number in range(first, first + count))

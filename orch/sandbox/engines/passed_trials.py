"""Which translation directions have passed their trial, as a file's contents and as a set of keys. Pure.

A trial costs 0.1 to 0.3 s of processor time, and there are 24 directions. So a direction that passed once is
not tried again while the files that it runs on stay the same. A direction that failed is tried at each start:
the machine may have been busy.

The contents are a JSON object: ``version``, and ``passed``, from key to the direction's name.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

VERSION: Final = 1
"""Increased when a trial changes, so that each direction is tried again."""

MOST: Final = 500
"""Entries in the file; the oldest are removed. Each installed version of a pair leaves two."""


class FileState(Struct, frozen=True):
    """What is compared of a file: its modification time in ns and its size; None if it does not exist."""

    path: str
    modified: int | None
    size: int | None


class _Contents(Struct, frozen=True):
    version: int
    passed: dict[str, str]


def location(environ: Mapping[str, str], home: Path) -> Path:
    """Return the path of the file, in the cache of the demo."""
    cache = Path(environ.get("XDG_CACHE_HOME") or home / ".cache")
    return cache / "orchestration-service" / "translation-trials.json"


def key(name: str, files: Iterable[FileState]) -> str:
    """Return a direction's key: a hash of its name and of the state of its files."""
    return hashlib.sha256(
        msgspec.json.encode([name, sorted(map(msgspec.to_builtins, files), key=repr)])
    ).hexdigest()


def decode(data: bytes) -> dict[str, str]:
    """Return the entries; none of another version. Raises ``ValueError`` if the contents are damaged."""
    try:
        contents = msgspec.json.decode(data, type=_Contents)
    except msgspec.DecodeError as error:  # also a ValidationError
        raise ValueError(str(error)) from error
    return contents.passed if contents.version == VERSION else {}


def encode(passed: Mapping[str, str]) -> bytes:
    """Return the contents with the newest :data:`MOST` entries."""
    newest = dict(list(passed.items())[-MOST:])
    return msgspec.json.format(msgspec.json.encode(_Contents(VERSION, newest)), indent=1)

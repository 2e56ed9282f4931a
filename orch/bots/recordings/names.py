"""The names of recorded files. Pure."""

import re
import unicodedata
from hashlib import sha256
from typing import Final

_SAFE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_LONGEST: Final = 40

SEALED: Final = ".enc"
"""What the name of an encrypted file ends with on the disk."""

_RECORDED: Final = re.compile(
    r"(?:\d{3,6}-(?:mixed|speaker|channel|meeting)(?:-[a-z0-9][a-z0-9-]{0,39})?\.(?:flac|wav)"
    r"|signals-[A-Za-z0-9]{1,64}\.jsonl\.gz)(?:\.enc)?",
    re.ASCII,
)


def folder_name(session_id: str) -> str:
    """Return the name of a session's folder: its id, or a digest of one that is no safe name."""
    if _SAFE_ID.fullmatch(session_id):
        return session_id
    return "session-" + sha256(session_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def readable(name: str) -> str:
    """Return the letters and digits of a participant's name that every file system takes; "" if none.

    >>> readable("Zoë  O'Neill")
    'zoe-o-neill'
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST].rstrip("-")


def file_name(number: int, kind: str, name: str, suffix: str) -> str:
    """Return the name of a file: ``003-speaker-anna.flac``, ``001-mixed.flac``."""
    said = readable(name)
    return f"{number:03}-{kind}{'-' if said else ''}{said}.{suffix}"


def is_recorded(name: str) -> bool:
    """Whether this is the name of a file of sound or of a tape on the disk.

    >>> is_recorded("002-speaker-anna.flac.enc"), is_recorded("holiday.flac")
    (True, False)
    """
    return _RECORDED.fullmatch(name) is not None

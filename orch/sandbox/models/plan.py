"""Decides what of a model is missing, what to request next, and what a response is worth. Pure.

A file is received into ``NAME.part`` and renamed when its hash is right: a file without that ending is
complete. A download that was cut off is continued where it ended. Nothing is believed that the hub says
about a file but the bytes themselves; its headers only show early that the response is of no use.
"""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from msgspec import Struct

from orch.sandbox.models.catalog import Model, ModelFile

PART: Final = ".part"
"""The ending of a file that is not complete."""

PAUSES: Final = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0)
"""Seconds before the next attempt after the first failure in a row, the second …; the last one stays."""

REFUSED_PAUSE: Final = 300.0
"""Seconds before the next attempt where the response itself was wrong: a network's sign-in page may end."""

DISK_PAUSE: Final = 60.0
"""Seconds before the next attempt where the disk was full or cannot be written."""

RESERVE: Final = 64 * 2**20
"""Bytes that a download leaves free on the disk: sessions are stored there too."""

_RANGE: Final = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15}|\*)")
_LENGTH: Final = re.compile(r"[0-9]{1,15}")


class Kind(StrEnum):
    """Why an attempt ended without the file."""

    UNREACHABLE = "unreachable"  # no response, or one that broke off: try again soon
    REFUSED = "refused"  # a response that will likely be the same next time
    DISK = "disk"  # it is full, or cannot be written


class FetchError(Exception):
    """An attempt failed. The text is a sentence; ``retry_after``: seconds that the hub asked for."""

    def __init__(self, kind: Kind, text: str, *, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.kind = kind
        self.retry_after = retry_after


class Next(Struct, frozen=True):
    """The next request: ``file``, from byte ``offset``."""

    file: ModelFile
    offset: int

    @property
    def is_received(self) -> bool:
        """Whether all bytes are on the disk already, so that only the hash has to be checked."""
        return self.offset == self.file.size

    @property
    def headers(self) -> dict[str, str]:
        """The request's headers. Uncompressed: a part of a compressed response cannot be continued."""
        headers = {"Accept-Encoding": "identity"}
        return headers | {"Range": f"bytes={self.offset}-"} if self.offset else headers


def next_request(model: Model, sizes: Mapping[str, int]) -> Next | None:
    """Return the next request; None if the model is complete.

    ``sizes``: bytes of the files in the folder by name, of complete and of ``.part`` files. A part that is
    longer than its file belongs to another one, and is requested from the start.
    """
    for file in model.files:
        if sizes.get(file.name) == file.size:
            continue
        part = sizes.get(file.name + PART, 0)
        return Next(file, part if part <= file.size else 0)
    return None


def received(model: Model, sizes: Mapping[str, int]) -> int:
    """Return how many bytes of the model are on the disk."""
    total = 0
    for file in model.files:
        is_complete = sizes.get(file.name) == file.size
        total += file.size if is_complete else min(sizes.get(file.name + PART, 0), file.size)
    return total


def start_of_body(wanted: Next, status: int, headers: Mapping[str, str], *, hub: str) -> int:
    """Return the byte at which the response's body begins: ``wanted.offset``, or 0 for the whole file.

    ``headers``: with lower-case names. Raises :class:`FetchError`.
    """
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        raise FetchError(Kind.REFUSED, "The proxy requires a name and a password (HTTPS_PROXY).")
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        seconds = _seconds(headers.get("retry-after", ""))
        raise FetchError(Kind.UNREACHABLE, f"{hub} responds {status}.", retry_after=seconds)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise FetchError(Kind.UNREACHABLE, f"{hub} responds {status}.")
    if status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        raise FetchError(Kind.REFUSED, f"{hub} responds {status} for {wanted.file.name}.")
    if headers.get("content-type", "").split(";")[0].strip().lower() == "text/html":
        raise FetchError(
            Kind.REFUSED,
            f"{hub} sent a web page instead of {wanted.file.name}: perhaps the sign-in page of this network.",
        )
    start, size = _extent(wanted, status, headers, hub=hub)
    if size is not None and size != wanted.file.size:
        raise FetchError(
            Kind.REFUSED,
            f"{hub} has another {wanted.file.name}: {size} bytes instead of {wanted.file.size}.",
        )
    return start


def _extent(wanted: Next, status: int, headers: Mapping[str, str], *, hub: str) -> tuple[int, int | None]:
    """Return where the body begins, and the size of the whole file if the response has it."""
    if status == HTTPStatus.OK:
        length = headers.get("content-length", "")
        return 0, int(length) if _LENGTH.fullmatch(length) else None
    found = _RANGE.fullmatch(headers.get("content-range", "").strip())
    if found is None or int(found[1]) != wanted.offset:
        raise FetchError(Kind.UNREACHABLE, f"{hub} sent another part of {wanted.file.name} than requested.")
    return wanted.offset, None if found[3] == "*" else int(found[3])


def check_length(file: ModelFile, length: int, *, hub: str, is_end: bool) -> None:
    """Check how many bytes were received. :class:`FetchError`: too many, or too few at the end."""
    if length > file.size:
        raise FetchError(Kind.REFUSED, f"{hub} sent more than the {file.size} bytes of {file.name}.")
    if is_end and length < file.size:
        raise FetchError(Kind.UNREACHABLE, f"{hub} broke off after {length} of {file.size} bytes.")


def check_hash(file: ModelFile, sha256: str, *, hub: str, is_continued: bool) -> None:
    """Check a complete file. Raises :class:`FetchError`.

    If only its end is from this hub (``is_continued``), the part before may be what is wrong: then the whole
    file is requested soon.
    """
    if sha256 != file.sha256:
        raise FetchError(
            Kind.UNREACHABLE if is_continued else Kind.REFUSED,
            f"{hub} sent another {file.name} than the published one: its SHA-256 is {sha256[:12]}… "
            f"instead of {file.sha256[:12]}….",
        )


def check_space(missing: int, free: int) -> None:
    """Check that the disk has room for ``missing`` bytes. Raises :class:`FetchError`."""
    if free < missing + RESERVE:
        raise FetchError(
            Kind.DISK,
            f"The disk has {megabytes(free)} MB free, and {megabytes(missing + RESERVE)} MB are necessary.",
        )


def pause(error: FetchError, failures: int) -> float:
    """Return the seconds before the next attempt. ``failures``: in a row, this one included."""
    if error.kind is Kind.DISK:
        return DISK_PAUSE
    if error.kind is Kind.REFUSED:
        return REFUSED_PAUSE
    usual = PAUSES[min(max(failures, 1), len(PAUSES)) - 1]
    return usual if error.retry_after is None else min(max(usual, error.retry_after), PAUSES[-1])


def _seconds(text: str) -> float | None:
    """Return the seconds of a Retry-After header; None for a date or anything else."""
    return float(text) if text.strip().isdecimal() else None


def megabytes(size: int) -> int:
    """Return a size in megabytes, as download pages state it; never "0" of something."""
    return max(1, round(size / 1_000_000)) if size else 0


def in_words(model: Model, done: int) -> str:
    """Return the progress of a download: "62 of 148 MB"."""
    return f"{megabytes(done)} of {megabytes(model.size)} MB"


def lacking(model: Model, sizes: Mapping[str, int]) -> Sequence[str]:
    """Return the files that a folder lacks, or has in another size."""
    return [file.name for file in model.files if sizes.get(file.name) != file.size]

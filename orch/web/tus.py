"""The tus 1.0.0 protocol for resumable uploads: reads a request's headers and checks its limits. Pure.

A client creates an upload of a known length, sends it in pieces, and after a lost connection requests how
much has arrived (https://tus.io/protocols/resumable-upload). The extensions creation, termination and
expiration are supported. Checksums are left out: TLS has them.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

from msgspec import Struct

from orch.problems import ProblemError
from orch.settings.structs import Speech
from orch.web.shares import Shares

VERSION: Final = "1.0.0"
EXTENSIONS: Final = "creation,termination,expiration"
CONTENT_TYPE: Final = "application/offset+octet-stream"

PIECE: Final = 8 * 2**20
"""Bytes of one piece at most: the server framework buffers what the disk has not taken yet."""

LIFETIME: Final = 24 * 3600.0
"""Seconds after its last byte for which an upload is stored."""

RESERVE: Final = 256 * 2**20
"""Bytes of the disk that uploads leave free: sessions are stored there too."""

MEGABYTE: Final = 2**20

_NUMBER: Final = re.compile(r"[0-9]{1,15}")


class Held(Struct, frozen=True, kw_only=True):
    """An upload as the limits count it. ``length``: bytes that it will have."""

    session_id: str
    address: str
    length: int


def check_version(version: str | None) -> None:
    """Check ``Tus-Resumable``. ProblemError ``unsupported_tus_version``."""
    if version != VERSION:
        raise ProblemError(
            "unsupported_tus_version",
            f"Send Tus-Resumable: {VERSION}" + (f", not {version}." if version else "."),
            headers={"Tus-Version": VERSION},
        )


def read_length(text: str | None, *, limit: int) -> int:
    """Return the length of a new upload.

    Problems: ``invalid_request``, ``recording_too_large``, ``empty_audio``.
    """
    if text is None or _NUMBER.fullmatch(text) is None:
        raise ProblemError(
            "invalid_request", "Send the file's size in bytes as Upload-Length.", path="Upload-Length"
        )
    length = int(text)
    if length > limit:
        raise ProblemError("recording_too_large", f"A recording can have {limit // MEGABYTE} MB at most.")
    if length == 0:
        raise ProblemError("empty_audio", "The file is empty.")
    return length


def read_offset(text: str | None, content_type: str) -> int:
    """Return where a piece begins. ProblemError ``invalid_request``, ``unsupported_media_type``."""
    if content_type != CONTENT_TYPE:
        raise ProblemError("unsupported_media_type", f"Send a piece as {CONTENT_TYPE}.")
    if text is None or _NUMBER.fullmatch(text) is None:
        raise ProblemError(
            "invalid_request", "Send the byte where the piece begins as Upload-Offset.", path="Upload-Offset"
        )
    return int(text)


def check_offset(offset: int, stored: int) -> None:
    """Check that a piece begins where the stored bytes end. ProblemError ``wrong_offset``."""
    if offset != stored:
        raise ProblemError(
            "wrong_offset",
            f"{stored} bytes are stored, so the next piece begins there, not at {offset}.",
            headers=offset_headers(stored),
        )


def check_room(stored: int, piece: int, length: int) -> None:
    """Check that a piece does not go beyond the announced length. ProblemError ``recording_too_large``."""
    if stored + piece > length:
        raise ProblemError(
            "recording_too_large", f"The upload was announced with {length} bytes, and this is more."
        )


def check_limits(held: Sequence[Held], new: Held, *, free: int, speech: Speech) -> None:
    """Check that an upload may begin. ``held``: those that are not complete; ``free``: bytes of the disk.

    Problems: ``too_many_uploads``, ``own_shortage``.
    """
    later = "Wait until one is complete, or cancel one."
    Shares(
        total=4 * speech.concurrent_recordings,
        of_session=2 * speech.max_recordings_per_session,
        of_address=2 * speech.max_recordings_per_address,
        problem="too_many_uploads",
        things="uploads",
        state="are not complete",
        later=later,
    ).check(held, new)
    share = speech.uploads_bytes // 2
    if sum(each.length for each in held if each.address == new.address) + new.length > share:
        raise ProblemError(
            "too_many_uploads",
            f"Uploads from your address can have {share // MEGABYTE} MB together, which is the limit. "
            f"{later}",
        )
    if sum(each.length for each in held) + new.length > speech.uploads_bytes:
        raise ProblemError(
            "too_many_uploads",
            f"Uploads can have {speech.uploads_bytes // MEGABYTE} MB together, which is the limit. {later}",
        )
    if free < new.length + RESERVE:
        raise ProblemError(
            "own_shortage",
            f"The recording cannot be stored: the service's disk has {free // MEGABYTE} MB free, and "
            f"{(new.length + RESERVE) // MEGABYTE} MB are necessary.",
        )


def is_expired(written_at: float, now: float) -> bool:
    """Return whether an upload is removed. ``written_at``: when its last byte arrived; epoch seconds."""
    return now - written_at > LIFETIME


def capability_headers(limit: int) -> dict[str, str]:
    """Return the headers that describe the server."""
    return {
        "Tus-Resumable": VERSION,
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(limit),
    }


def offset_headers(
    offset: int, length: int | None = None, *, written_at: float | None = None
) -> dict[str, str]:
    """Return the headers about an upload's progress; ``Upload-Expires`` from when it was written."""
    headers = {"Tus-Resumable": VERSION, "Upload-Offset": str(offset), "Cache-Control": "no-store"}
    if length is not None:
        headers["Upload-Length"] = str(length)
    if written_at is not None:
        expires = datetime.fromtimestamp(written_at + LIFETIME, UTC)
        headers["Upload-Expires"] = format_datetime(expires, usegmt=True)
    return headers

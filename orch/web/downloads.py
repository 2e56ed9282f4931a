"""Files of the disk as responses: opened safely, whole or in part, with a safe name and type."""

import os
import re
import stat
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self
from urllib.parse import quote

import trio
from quart import Request, Response
from quart.wrappers.response import ResponseBody

from orch.problems import ProblemError
from orch.protocol.plain_text import without_controls
from orch.web.byte_ranges import ByteRange, UnsatisfiableError, read_range

PIECE: Final = 1 << 16
RESPONSE_LIMIT: Final = 3_600.0
"""Seconds for a file to be sent; a client that stops reading is disconnected much earlier."""
MOST: Final = 64
"""Files that are being sent at a time, per worker."""

_UNSAFE: Final = re.compile(r'[/\\:*?"<>|%;\s]+')


def attachment(name: str) -> str:
    """Return ``Content-Disposition`` for a file (RFC 6266): its name, and one in ASCII for older clients.

    Characters that no file system has in names are replaced, also at its beginning.
    """
    safe = _UNSAFE.sub("-", without_controls(name)).strip("-.")[-150:] or "file"
    plain = safe.encode("ascii", "ignore").decode().lstrip("-.") or "file"
    encoded = "" if safe.isascii() else f"; filename*=UTF-8''{quote(safe, safe='')}"
    return f'attachment; filename="{plain}"{encoded}'


class Readable(Protocol):
    """An open file. ``size``: of its content, which may be encrypted on the disk."""

    @property
    def size(self) -> int:
        """Bytes of the content."""
        ...

    def read(self, offset: int, most: int) -> bytes:
        """Return up to ``most`` bytes from ``offset`` on; blocks."""
        ...

    def close(self) -> None:
        """Close the file. It may be called again."""
        ...


class PlainFile:
    """A file that is as it is on the disk."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._is_open = True

    @property
    def size(self) -> int:
        """Its size now."""
        return os.fstat(self._descriptor).st_size

    def read(self, offset: int, most: int) -> bytes:
        """Return up to ``most`` bytes from ``offset`` on."""
        return os.pread(self._descriptor, most, offset)

    def close(self) -> None:
        """Close it."""
        if self._is_open:
            self._is_open = False
            os.close(self._descriptor)


def open_below(folder: Path, path: Path) -> int:
    """Return the descriptor of a regular file below ``folder``; blocks.

    Links are not followed at its end, and lead to no other folder on the way: a path comes from a database.

    Error handling: ProblemError ``unknown_file`` where there is no such file, or it is elsewhere.
    """
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(folder.resolve(strict=True)):
            raise unknown_file()
        descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError):
        raise unknown_file() from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise unknown_file()
    return descriptor


def unknown_file() -> ProblemError:
    """Return the problem of a file that is not there."""
    return ProblemError("unknown_file", "The file is not there. It may have been deleted.")


class Downloads:
    """The files that are being sent. The mutable state is how many, :data:`MOST` at most."""

    def __init__(self) -> None:
        self._open = 0

    def __len__(self) -> int:
        return self._open

    async def respond(
        self,
        request: Request,
        opening: Callable[[], Readable],
        *,
        content_type: str,
        etag: str | None,
        headers: Mapping[str, str],
    ) -> Response:
        """Return a file, or the part of it that the request wants.

        ``opening`` opens it, in a thread. ``etag``: of its content; None: it changes.

        Problems: those of ``opening``; ``overloaded``.
        """
        if self._open >= MOST:
            raise ProblemError(
                "overloaded",
                f"{MOST} files are being sent. Try again in a moment.",
                headers={"Retry-After": "5"},
            )
        common = {
            **headers,
            "Accept-Ranges": "bytes",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            **({} if etag is None else {"ETag": f'"{etag}"'}),
        }
        self._open += 1  # before it is opened, which takes a while: others come meanwhile
        try:
            file = await trio.to_thread.run_sync(opening)
        except BaseException:
            self._closed()
            raise
        body = _FileBody(file, self._closed)
        try:
            size = file.size
            wanted = request.headers.get("Range")
            if "If-Range" in request.headers and request.headers["If-Range"].strip() != common.get("ETag"):
                wanted = None  # it was of another content, or the date of one
            try:
                part = read_range(wanted, size)
            except UnsatisfiableError:
                body.close()
                unsatisfiable = {**common, "Content-Range": f"bytes */{size}"}
                return Response(b"", status=416, content_type=content_type, headers=unsatisfiable)
            response = Response(b"", content_type=content_type, headers=common)
            if part is not None:
                response.status_code = 206
                response.headers["Content-Range"] = part.of(size)
            body.part = part or ByteRange(0, size)
        except BaseException:
            body.close()
            raise
        response.headers["Content-Length"] = str(body.part.length)
        if request.method == "HEAD":
            body.close()
            return response
        response.response = body
        response.timeout = RESPONSE_LIMIT
        return response

    def _closed(self) -> None:
        self._open -= 1


class _FileBody(ResponseBody):
    """A part of a file, in pieces as its client reads them.

    Resource handling: the file is closed when the body was sent or its sending failed; where sending never
    began, when the response is forgotten.
    """

    def __init__(self, file: Readable, closed: Callable[[], None]) -> None:
        self._file = file
        self.part = ByteRange(0, 0)
        self._at = 0
        self.close = weakref.finalize(self, _close, file, closed)

    async def __aenter__(self) -> Self:
        self._at = self.part.begin
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        most = min(PIECE, self.part.end - self._at)
        if most <= 0:
            raise StopAsyncIteration
        piece = await trio.to_thread.run_sync(self._file.read, self._at, most)
        if not piece:
            # Shorter than declared: the client must not take it for the whole.
            raise OSError("the file has become shorter while it was sent")
        self._at += len(piece)
        return piece


def _close(file: Readable, closed: Callable[[], None]) -> None:
    try:
        file.close()
    finally:
        closed()

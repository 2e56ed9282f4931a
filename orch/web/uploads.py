"""A recording on its way in: spooled to a file that nobody else sees, opened, and handed to the hub.

The mutable state is the count of uploads that are arriving and of those that are being read. Both are
bounded;
past the first bound an upload is refused before its body is read, so that what the disk holds of unread
uploads
is bounded too.
"""

import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import IO, Final

import trio
from quart import Request

from orch.problems import ProblemError
from orch.speech.recordings import Recording, open_recording

RECORDING_LIMIT: Final = 25 * 2**20
"""Bytes of a recording."""
RECORDING_OVERHEAD: Final = 65_536
"""Bytes that a multipart body may have around it."""

ARRIVAL_LIMIT: Final = 120.0
"""Seconds in which an upload has to arrive."""


class Upload:
    """An opened recording that someone will read, or that has to be closed.

    Resource handling: until :meth:`chunks` was begun, :meth:`close` closes it; from then on the reader does,
    by exhausting or closing the iterator.
    """

    def __init__(self, recording: Recording, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._is_read = self._is_closed = False
        self._recording = recording
        self.seconds = recording.seconds

    async def close(self) -> None:
        """Let go of the file, unless someone is reading it."""
        if not self._is_read and not self._is_closed:
            self._is_closed = True
            with trio.move_on_after(5, shield=True):
                await self._stack.aclose()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Give 16 kHz mono PCM about a second at a time, then close the file.

        ProblemError ``not_audio`` after all that could be read of a damaged one.
        """
        if self._is_closed:
            return
        self._is_read = True
        try:
            while chunk := await self._recording.read():
                yield chunk
        finally:
            with trio.move_on_after(5, shield=True):
                await self._stack.aclose()


class Uploads:
    """Takes recordings in: at most ``limit()`` at a time are being read, and twice as many arrive.

    Of each, what is beyond ``longest()`` seconds is not read.
    """

    def __init__(self, limit: Callable[[], int], longest: Callable[[], float]) -> None:
        self._limit = limit
        self._longest = longest
        self._arriving = self._reading = 0

    async def open(self, request: Request) -> Upload:
        """Read the request's body (the file itself, or the field ``audio`` of a form) and open it.

        Problems: ``too_many_recordings``, ``recording_too_large``, ``not_audio``, ``empty_audio``,
        ``invalid_request`` (no such field, or it took too long).
        """
        async with AsyncExitStack() as stack:
            file = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
            async with self._arrival():
                try:
                    with trio.fail_after(ARRIVAL_LIMIT):
                        await _receive(request, file)
                except trio.TooSlowError:
                    raise ProblemError(
                        "invalid_request", f"The recording did not arrive within {ARRIVAL_LIMIT:g} s."
                    ) from None
            stack.enter_context(self._place())
            recording = await stack.enter_async_context(open_recording(file, longest=self._longest()))
            return Upload(recording, stack.pop_all())

    @asynccontextmanager
    async def _arrival(self) -> AsyncIterator[None]:
        limit = 2 * self._limit()
        if self._arriving >= limit:
            raise ProblemError("too_many_recordings", f"{limit} recordings are arriving now.")
        self._arriving += 1
        try:
            yield
        finally:
            self._arriving -= 1

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Hold a place until the recording is closed."""
        limit = self._limit()
        if self._reading >= limit:
            raise ProblemError("too_many_recordings", f"{limit} recordings are being read now.")
        self._reading += 1
        try:
            yield
        finally:
            self._reading -= 1


async def _receive(request: Request, file: IO[bytes]) -> None:
    """Write the recording to ``file``."""
    if request.content_length is not None and request.content_length > RECORDING_LIMIT + RECORDING_OVERHEAD:
        raise _too_large()
    if request.mimetype == "multipart/form-data":
        given = (await request.files).get("audio")
        if given is None:
            raise ProblemError("invalid_request", "The form has no file in its field audio.", path="audio")
        # The form's own file is closed with the request; the recording is read for longer.
        await trio.to_thread.run_sync(shutil.copyfileobj, given.stream, file)
        if file.tell() > RECORDING_LIMIT:
            raise _too_large()
        return
    size = 0
    async for block in request.body:
        size += len(block)
        if size > RECORDING_LIMIT:
            raise _too_large()
        await trio.to_thread.run_sync(file.write, block)


def _too_large() -> ProblemError:
    return ProblemError("recording_too_large", f"A recording may have {RECORDING_LIMIT // 2**20} MB.")

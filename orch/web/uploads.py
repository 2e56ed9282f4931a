"""Uploads of recordings: spooled to a private file, opened, and passed to the hub.

An upload needs a place (:mod:`orch.web.recording_places`) before its body is read, so the disk space of
uploads is bounded too.
"""

import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, aclosing
from typing import IO, Any, Final, cast

import trio
from quart import Request

from orch.audio.recordings import Recording, open_recording
from orch.problems import ProblemError
from orch.settings.structs import Speech
from orch.web.recording_places import Place, RecordingPlaces
from orch.websocket.speech.sources import RecordingFacts

RECORDING_LIMIT: Final = 25 * 2**20
"""Bytes of a recording."""
RECORDING_OVERHEAD: Final = 65_536
"""Bytes that a multipart body may have around it."""

RATE_WINDOW: Final = 5.0
"""Seconds over which the rate of an upload is measured."""

ARRIVAL_LIMIT: Final = 120.0
"""Time limit of an upload, in seconds."""


class Upload:
    """An opened recording, to be read or closed.

    Resource handling: until :meth:`chunks` was begun, :meth:`close` closes it; from then on the reader does,
    by exhausting or closing the iterator. Its place is held until :attr:`release` is called.
    """

    def __init__(self, recording: Recording, stack: AsyncExitStack, release: Callable[[], None]) -> None:
        self._stack = stack
        self.release = release
        self._is_read = self._is_closed = False
        self._recording = recording
        self.seconds = recording.seconds
        self.facts = RecordingFacts(track=recording.track, tracks=recording.tracks, seconds=recording.seconds)

    async def close(self) -> None:
        """Close the file, unless it is being read."""
        if not self._is_read and not self._is_closed:
            self._is_closed = True
            with trio.move_on_after(5, shield=True):
                await self._stack.aclose()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield 16 kHz mono PCM about a second at a time, then close the file.

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
    """Receives recordings. ``speech()`` has the limits."""

    def __init__(self, speech: Callable[[], Speech]) -> None:
        self._speech = speech
        self._places = RecordingPlaces(speech)

    async def open(self, request: Request, *, session_id: str, address: str) -> Upload:
        """Read the request's body (the file itself, or the field ``audio`` of a form) and open it.

        Problems: ``too_many_recordings``, ``recording_too_large``, ``request_timeout``, ``invalid_request``
        (no such field), and those of :func:`open_recording`.
        """
        place = Place(session_id, address)
        async with AsyncExitStack() as stack:
            file = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
            with self._places.upload(place):
                try:
                    with trio.fail_after(ARRIVAL_LIMIT):
                        await _receive(request, file, rate=self._speech().min_upload_rate)
                except trio.TooSlowError:
                    raise ProblemError(
                        "request_timeout",
                        f"The recording did not arrive completely within {ARRIVAL_LIMIT:g} s.",
                    ) from None
            return await self._opened(file, stack, place)

    async def open_stored(self, file: IO[bytes], *, session_id: str, address: str) -> Upload:
        """Open a recording that arrived in pieces; the file is closed with it, or if this fails.

        Problems: ``too_many_recordings``, and those of :func:`open_recording`.
        """
        async with AsyncExitStack() as stack:
            stack.enter_context(file)
            return await self._opened(file, stack, Place(session_id, address))

    async def _opened(self, file: IO[bytes], stack: AsyncExitStack, place: Place) -> Upload:
        """Take a place and open the recording; the stack becomes the upload's."""
        release = self._places.transcription(place)
        try:
            longest = self._speech().max_recording_seconds
            recording = await stack.enter_async_context(open_recording(file, longest=longest))
        except BaseException:
            release()
            raise
        return Upload(recording, stack.pop_all(), release)


async def _receive(request: Request, file: IO[bytes], *, rate: int) -> None:
    """Write the recording to ``file``."""
    if request.content_length is not None and request.content_length > RECORDING_LIMIT + RECORDING_OVERHEAD:
        raise _too_large()
    async with aclosing(paced(request.body, rate)) as body:
        if request.mimetype == "multipart/form-data":
            await _receive_form(request, body, file)
            return
        size = 0
        async for block in body:
            size += len(block)
            if size > RECORDING_LIMIT:
                raise _too_large()
            await trio.to_thread.run_sync(file.write, block)


async def _receive_form(request: Request, body: AsyncIterator[bytes], file: IO[bytes]) -> None:
    """Write the field ``audio`` to ``file``. The form's own files are closed, however it ends."""
    parser = request.make_form_data_parser()
    make = parser.stream_factory
    with ExitStack() as made:
        parser.stream_factory = lambda *args, **more: made.enter_context(make(*args, **more))
        parsed = await parser.parse(
            cast("Any", body), request.mimetype, request.content_length, request.mimetype_params
        )
        given = parsed[1].get("audio")
        if given is None:
            raise ProblemError("invalid_request", 'The form has no file in the field "audio".', path="audio")
        # The recording is read for longer than the request lasts.
        await trio.to_thread.run_sync(shutil.copyfileobj, given.stream, file)
    if file.tell() > RECORDING_LIMIT:
        raise _too_large()


async def paced(body: AsyncIterable[bytes], rate: int) -> AsyncGenerator[bytes, None]:
    """Yield a body's blocks; raise ``request_timeout`` if they arrive too slowly.

    That is, at less than ``rate`` bytes per second over :data:`RATE_WINDOW`. The time that the consumer takes
    for a block does not count.
    """
    blocks = aiter(body)
    window, deadline = 0, trio.current_time() + RATE_WINDOW
    while True:
        with trio.CancelScope(deadline=deadline) as waiting:
            try:
                block = await anext(blocks)
            except StopAsyncIteration:
                return
        if waiting.cancelled_caught:
            raise ProblemError(
                "request_timeout",
                f"The upload was stopped because it was slower than {rate} bytes a second. Send the "
                "recording again over a faster connection.",
            )
        window += len(block)
        now = trio.current_time()
        if window >= rate * RATE_WINDOW:
            window, deadline = 0, now + RATE_WINDOW
        yield block
        deadline += trio.current_time() - now


def _too_large() -> ProblemError:
    return ProblemError("recording_too_large", f"A recording can have {RECORDING_LIMIT // 2**20} MB at most.")

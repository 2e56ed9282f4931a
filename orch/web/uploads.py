"""Uploads of recordings: spooled to a private file, opened, and passed to the hub.

The mutable state is the holders of places for uploads that are arriving, and for recordings that are being
transcribed. Both are bounded in total, per session and per address. An upload over a limit is refused before
its body is read, so the disk space of uploads is bounded too.
"""

import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, aclosing, contextmanager
from functools import partial
from typing import IO, Any, Final, cast

import trio
from msgspec import Struct
from quart import Request

from orch.audio.recordings import Recording, open_recording
from orch.problems import ProblemError
from orch.settings.structs import Speech
from orch.websocket.speech.sources import RecordingFacts

RECORDING_LIMIT: Final = 25 * 2**20
"""Bytes of a recording."""
RECORDING_OVERHEAD: Final = 65_536
"""Bytes that a multipart body may have around it."""

PATIENCE: Final = 5.0
"""Seconds over which the least rate is measured."""

ARRIVAL_LIMIT: Final = 120.0
"""Time limit of an upload, in seconds."""


class Place(Struct, frozen=True):
    """The session and address of a recording that holds a place."""

    session_id: str
    address: str


class Upload:
    """An opened recording, to be read or closed.

    Resource handling: until :meth:`chunks` was begun, :meth:`close` closes it; from then on the reader does,
    by exhausting or closing the iterator. Its place is held until :attr:`give_back` is called.
    """

    def __init__(self, recording: Recording, stack: AsyncExitStack, give_back: Callable[[], None]) -> None:
        self._stack = stack
        self.give_back = give_back
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
        self._arriving: list[Place] = []
        self._held: list[Place] = []

    async def open(self, request: Request, *, session_id: str, address: str) -> Upload:
        """Read the request's body (the file itself, or the field ``audio`` of a form) and open it.

        Problems: ``too_many_recordings``, ``recording_too_large``, ``request_timeout``, ``invalid_request``
        (no such field), and those of :func:`open_recording`.
        """
        place = Place(session_id, address)
        async with AsyncExitStack() as stack:
            file = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
            with self._arrival(place):
                try:
                    with trio.fail_after(ARRIVAL_LIMIT):
                        await _receive(request, file, rate=self._speech().min_upload_rate)
                except trio.TooSlowError:
                    raise ProblemError(
                        "request_timeout",
                        f"The recording did not arrive completely within {ARRIVAL_LIMIT:g} s.",
                    ) from None
            give_back = self._take(place)
            try:
                longest = self._speech().max_recording_seconds
                recording = await stack.enter_async_context(open_recording(file, longest=longest))
            except BaseException:
                give_back()
                raise
            return Upload(recording, stack.pop_all(), give_back)

    @contextmanager
    def _arrival(self, place: Place) -> Iterator[None]:
        """Hold an upload place; there are twice as many as recordings transcribed at once."""
        speech = self._speech()
        check(self._held, place, speech)
        total = 2 * speech.concurrent_recordings
        share = max(1, total // 2)
        later = "Send it again when one of them is complete."
        if len(self._arriving) >= total:
            raise ProblemError(
                "too_many_recordings", f"{total} recordings are being uploaded, which is the limit. {later}"
            )
        if sum(each.address == place.address for each in self._arriving) >= share:
            raise ProblemError(
                "too_many_recordings",
                f"{share} recordings are being uploaded from your address, which is the limit. {later}",
            )
        self._arriving.append(place)
        try:
            yield
        finally:
            _remove(self._arriving, place)

    def _take(self, place: Place) -> Callable[[], None]:
        """Take a transcription place; return the function that releases it."""
        check(self._held, place, self._speech())
        self._held.append(place)
        return partial(_remove, self._held, place)


def check(held: Sequence[Place], place: Place, speech: Speech) -> None:
    """Raise ``too_many_recordings`` with the limit that is reached, if any."""
    later = "Wait until one has been transcribed, or cancel one."
    total, here = speech.concurrent_recordings, speech.max_recordings_per_session
    mine = speech.max_recordings_per_address
    if len(held) >= total:
        raise ProblemError(
            "too_many_recordings",
            f"{total} recordings are being transcribed, which is the limit. {later}",
        )
    if sum(each.session_id == place.session_id for each in held) >= here:
        raise ProblemError(
            "too_many_recordings",
            f"{here} recordings of this session are being transcribed, which is the limit. {later}",
        )
    if sum(each.address == place.address for each in held) >= mine:
        raise ProblemError(
            "too_many_recordings",
            f"{mine} recordings from your address are being transcribed, which is the limit. {later}",
        )


def _remove(places: list[Place], place: Place) -> None:
    places[:] = [each for each in places if each is not place]


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
    """Yield a body's blocks. Raises ``request_timeout`` if it is slower than ``rate`` for :data:`PATIENCE`.

    The consumer's time for a block does not count.
    """
    blocks = aiter(body)
    window, deadline = 0, trio.current_time() + PATIENCE
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
        if window >= rate * PATIENCE:
            window, deadline = 0, now + PATIENCE
        yield block
        deadline += trio.current_time() - now


def _too_large() -> ProblemError:
    return ProblemError("recording_too_large", f"A recording can have {RECORDING_LIMIT // 2**20} MB at most.")

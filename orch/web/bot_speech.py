"""What a bot is to say: a recording in a request's body, decoded within limits."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import IO, Final

import trio
from quart import Request

from orch.audio.recordings import open_recording
from orch.problems import ProblemError
from orch.web.uploads import paced

LARGEST: Final = 16 * 2**20
"""Bytes of a recording: two minutes of 16-bit stereo at 32 kHz, and more of anything else."""
LONGEST: Final = 120.0
"""Seconds of a recording."""
AT_A_TIME: Final = 2
"""Recordings that are read and decoded, per worker."""
ARRIVAL_SECONDS: Final = 60.0
SLOWEST: Final = 4_096
"""Bytes a second that arrive at least."""


class BotSpeech:
    """Reads recordings. The mutable state is how many are being read, :data:`AT_A_TIME` at most."""

    def __init__(self) -> None:
        self._reading = 0

    async def read(self, request: Request) -> bytes:
        """Return the request's recording as 16-bit little-endian mono PCM at 16 kHz.

        The application limits the request's body to :data:`LARGEST`.

        Problems: ``unsupported_media_type``, ``overloaded``, ``request_timeout``, ``recording_too_long``, and
        those of :func:`orch.audio.recordings.open_recording`.
        """
        kind = request.mimetype
        if not kind.startswith("audio/") and kind != "application/octet-stream":
            raise ProblemError(
                "unsupported_media_type",
                "Send the sound as a file, with the type audio/wav. A text cannot be spoken: the service has "
                f"no speech synthesis. This has the type {kind or 'of nothing: Content-Type is missing'}.",
            )
        async with self._place(), _spooled() as file:
            await _receive(request, file)
            pcm = bytearray()
            async with open_recording(file, longest=LONGEST) as recording:
                while chunk := await recording.read():
                    pcm += chunk
        return bytes(pcm)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        if self._reading >= AT_A_TIME:
            raise ProblemError(
                "overloaded",
                f"{AT_A_TIME} recordings for bots are being read. Try again in a moment.",
                headers={"Retry-After": "2"},
            )
        self._reading += 1
        try:
            yield
        finally:
            self._reading -= 1


@asynccontextmanager
async def _spooled() -> AsyncIterator[IO[bytes]]:
    """Yield a private file."""
    file = await trio.to_thread.run_sync(tempfile.TemporaryFile)
    try:
        yield file
    finally:
        file.close()


async def _receive(request: Request, file: IO[bytes]) -> None:
    with trio.move_on_after(ARRIVAL_SECONDS) as arrival:
        async with aclosing(paced(request.body, SLOWEST)) as body:
            async for block in body:
                await trio.to_thread.run_sync(file.write, block)
    if arrival.cancelled_caught:
        raise ProblemError(
            "request_timeout", f"The recording did not arrive completely within {ARRIVAL_SECONDS:g} s."
        )

"""Reads recordings of any usual format as 16 kHz mono PCM.

A recording is decoded in a child process (``decoder_process.py``), which is limited in memory and time and
killed when it is no longer read, so that a hostile file can harm only that process.
"""

import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import IO, BinaryIO, Final

import structlog
import trio

from orch.audio import decoder_frames as frames
from orch.audio.child_processes import end, for_reading, start
from orch.audio.decoder_frames import RATE
from orch.problems import ProblemError

LONGEST: Final = 21_600.0
"""The default maximum length of a recording, in seconds."""
OPENING: Final = 60.0
"""Seconds until the first sound of a recording is there."""
_RECEIVE: Final = 65_536

_log = structlog.get_logger("recordings")


class Recording:
    """An open recording. ``seconds``: its declared length, None where it declares none (browsers' WebM).

    ``track`` is the sound track that is read, counted from 1, of ``tracks``. Made by :func:`open_recording`.
    """

    def __init__(self, decoder: "_Decoder", facts: frames.Facts) -> None:
        self._decoder = decoder
        self._facts = facts
        self._samples = 0
        self.format = facts.format
        self.seconds = facts.seconds
        self.tracks = facts.tracks
        self.track = facts.track

    @property
    def seconds_read(self) -> float:
        """How much sound was read."""
        return self._samples / RATE

    async def read(self) -> bytes:
        """Return about the next second: 16-bit little-endian mono PCM at 16 kHz; nothing at the end.

        At the end of a file of which something is missing, after all that could be read of it was returned:
        ProblemError ``not_audio`` (damaged), ``recording_too_long``, ``recording_too_costly``. A cancelled
        read loses nothing.
        """
        chunk = await self._decoder.next_pcm()
        self._samples += len(chunk) // 2
        if not chunk:
            self._check_whole(self._decoder.end)
        return chunk

    def _check_whole(self, how: frames.End) -> None:
        """Raise a ProblemError if a part of the recording is missing."""
        missing = frames.shortfall(self._facts, how, self.seconds_read)
        if missing is not None:
            raise ProblemError(missing.code, missing.detail, seconds_read=round(self.seconds_read, 3))


@asynccontextmanager
async def open_recording(file: BinaryIO | IO[bytes], *, longest: float = LONGEST) -> AsyncIterator[Recording]:
    """Open a recording; ``file`` must be seekable, and stays its opener's to close.

    At most ``longest`` seconds are read. ProblemError ``not_audio``: an unsupported container, no audio
    track, or nothing that can be decoded; ``empty_audio``: no bytes, or no samples;
    ``unsupported_sample_rate``; ``recording_too_costly``; ``own_shortage``: no process can be started now.
    """
    with ExitStack() as stack:
        descriptor = await trio.to_thread.run_sync(for_reading, file, stack)
        process = await start(
            "orch.audio.decoder_process",
            f"{longest:g}",
            stdin=descriptor,
            refusal="The recording cannot be decoded right now",
        )
    try:
        decoder = _Decoder(process)
        with trio.move_on_after(OPENING) as opening:
            facts = await decoder.facts()
        if opening.cancelled_caught:
            raise ProblemError(
                "recording_too_costly", f"Nothing of the recording could be read within {OPENING:g} s."
            )
        yield Recording(decoder, facts)
    finally:
        await end(process)


class _Decoder:
    """Reads the frames of the process. ``end``: how it ended, once :meth:`next_pcm` returned nothing."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self._frames = frames.Frames()
        self.end = frames.End()
        self._has_ended = False

    async def facts(self) -> frames.Facts:
        """Return the facts of the recording."""
        kind, content = await self._next()
        try:
            if kind == frames.FAILURE:
                failure = frames.failure(content)
                raise ProblemError(failure.code, failure.detail)
            if kind == frames.FACTS:
                return frames.facts(content)
        except frames.MalformedError as error:
            raise self._broken(str(error)) from error
        raise self._broken("no facts")

    async def next_pcm(self) -> bytes:
        """Return the next samples, nothing at the end."""
        await trio.lowlevel.checkpoint()  # other tasks must run even while data is available
        if self._has_ended:
            return b""
        kind, content = await self._next()
        if kind == frames.PCM:
            return content
        self._has_ended = True
        try:
            if kind == frames.FAILURE:
                failure = frames.failure(content)
                raise ProblemError(failure.code, failure.detail)
            if kind == frames.END:
                self.end = frames.end(content)
                return b""
        except frames.MalformedError as error:
            raise self._broken(str(error)) from error
        raise self._broken("facts again")

    async def _next(self) -> tuple[bytes, bytes]:
        while True:
            try:
                frame = self._frames.next()
            except frames.MalformedError as error:
                raise self._broken(str(error)) from error
            if frame is not None:
                return frame
            assert self._process.stdout is not None  # noqa: S101 - it was started with a pipe
            data = await self._process.stdout.receive_some(_RECEIVE)
            if not data:
                raise await self._died()
            self._frames.feed(bytes(data))

    async def _died(self) -> ProblemError:
        """Return the error for a process that ended too early."""
        code = await self._process.wait()
        _log.warning("decoder crashed", code=code)
        if code in (-signal.SIGXCPU, -signal.SIGKILL):
            return ProblemError(
                "recording_too_costly", "Decoding it takes too much processor time or memory."
            )
        return ProblemError("not_audio", "The recording is damaged: the decoder crashed on it.")

    def _broken(self, reason: str) -> ProblemError:
        self._has_ended = True
        _log.warning("decoder output invalid", reason=reason)
        return ProblemError("not_audio", "The recording is damaged: the decoder crashed on it.")

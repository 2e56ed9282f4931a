"""Reads recordings of any usual format as 16 kHz mono PCM.

A recording is decoded in a child process (``decoder_process.py``), which is limited in memory and time and
killed when it is no longer read, so that a hostile file can harm only that process.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import IO, BinaryIO, Final

import structlog
import trio

from orch.audio import decoder_frames as frames
from orch.audio.decoder_frames import RATE
from orch.problems import ProblemError
from orch.shortages import WORDS, own_shortage

LONGEST: Final = 21_600.0
"""The default maximum length of a recording, in seconds."""
OPENING: Final = 60.0
"""Seconds until the first sound of a recording is there."""
_CLOSING: Final = 5.0
_RECEIVE: Final = 65_536
# A complete file may be a little shorter than declared: encoders count their padding.
_SHORT_SECONDS: Final = 0.25
_SHORT_SHARE: Final = 0.01
_KEPT: Final = ("PATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
_ONE_THREAD: Final = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
}

_log = structlog.get_logger("recordings")


class Recording:
    """An open recording. ``seconds``: its declared length, None where it declares none (browsers' WebM).

    ``track`` is the sound track that is read, counted from 1, of ``tracks``. Made by :func:`open_recording`.
    """

    def __init__(self, decoder: "_Decoder", facts: frames.Facts) -> None:
        self._decoder = decoder
        self._whole = facts.whole
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

    def _check_whole(self, end: frames.End) -> None:
        """Raise a ProblemError if a part of the recording is missing."""
        read = f"{self.seconds_read:.1f} s of it could be read."
        code = "not_audio"
        if end.limited:
            code = "recording_too_long"
            text = f"The recording is longer than {self.seconds_read:g} s; the rest was not read."
            text += " Send it in parts."
        elif end.damaged_at is not None:
            text = f"The recording is damaged at {end.damaged_at:.1f} s: {end.reason}. {read}"
        elif end.cut:
            text = f"The recording is damaged: {end.cut}. {read}"
        elif (
            self._whole is not None and self.seconds_read < self._whole * (1 - _SHORT_SHARE) - _SHORT_SECONDS
        ):
            text = f"The recording is damaged: it says that it is {self._whole:.1f} s long. {read}"
        else:
            return
        raise ProblemError(code, text, seconds_read=round(self.seconds_read, 3))


@asynccontextmanager
async def open_recording(file: BinaryIO | IO[bytes], *, longest: float = LONGEST) -> AsyncIterator[Recording]:
    """Open a recording; ``file`` must be seekable, and stays its opener's to close.

    At most ``longest`` seconds are read. ProblemError ``not_audio``: an unsupported container, no audio
    track, or nothing that can be decoded; ``empty_audio``: no bytes, or no samples;
    ``unsupported_sample_rate``; ``recording_too_costly``; ``own_shortage``: no process can be started now.
    """
    with ExitStack() as stack:
        descriptor = await trio.to_thread.run_sync(_for_reading, file, stack)
        process = await _start(descriptor, longest)
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
        with trio.move_on_after(_CLOSING, shield=True):
            await _end(process)


def _for_reading(file: BinaryIO | IO[bytes], stack: ExitStack) -> int:
    """Return a read-only descriptor with a position of its own."""
    try:
        number = file.fileno()
        file.flush()
    except OSError:  # in memory
        spooled = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
        file.seek(0)
        shutil.copyfileobj(file, spooled)
        spooled.flush()
        number = spooled.fileno()
    try:
        descriptor = os.open(f"/proc/self/fd/{number}", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # no Linux
        descriptor = os.dup(number)
        os.lseek(descriptor, 0, os.SEEK_SET)
    stack.callback(os.close, descriptor)
    return descriptor


async def _start(descriptor: int, longest: float) -> trio.Process:
    try:
        return await trio.lowlevel.open_process(
            [sys.executable, "-P", "-m", "orch.audio.decoder_process", f"{longest:g}"],
            stdin=descriptor,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(os.environ),
        )
    except OSError as error:
        shortage = own_shortage(error, starting=True)
        if shortage is None:
            raise
        raise ProblemError(
            "own_shortage", f"The recording cannot be decoded right now: the service is {WORDS[shortage]}."
        ) from error


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the process: where its modules are, and no secrets."""
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (root, environ.get("PYTHONPATH", ""))))
    kept = {name: environ[name] for name in _KEPT if name in environ}
    return {**kept, **_ONE_THREAD, "PYTHONPATH": path}


async def _end(process: trio.Process) -> None:
    process.kill()
    if process.stdout is not None:
        await process.stdout.aclose()
    await process.wait()


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

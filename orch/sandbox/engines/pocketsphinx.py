"""The PocketSphinx engine: small, English only, and its wheel contains the model."""

import os
import subprocess
import sys
from typing import Final

import msgspec
import structlog
import trio

from orch.sandbox.engines.pocketsphinx_worker import FRAME, READ_SIZE
from orch.sandbox.engines.recorded_speech import (
    BYTES_PER_SECOND,
    Segment,
    Transcription,
    Word,
    cut,
    mean_confidence,
)
from orch.sandbox.engines.speech import EngineFailed
from orch.settings.environment import for_child

log = structlog.get_logger("pocketsphinx")

LONGEST_UTTERANCE: Final = 20.0
"""Maximum seconds decoded at once: time and memory of the second pass grow faster than the utterance."""

_words = msgspec.json.Decoder(list[tuple[str, float, float, float]])


class _Job:
    """An utterance in progress: an event, and the result or the failure once it is set."""

    def __init__(self) -> None:
        self.done = trio.Event()
        self.words: list[tuple[str, float, float, float]] = []
        self.failure = ""


class PocketSphinx:
    """The engine. Its worker process lives as long as :meth:`run`.

    The mutable state is the table of jobs in progress. Frames to the worker wait in a queue with room for two
    for each job, the maximum: the request, and the request to cancel it.
    """

    name = "pocketsphinx"
    model = "en-us"
    languages: tuple[str, ...] = ("en",)

    def __init__(self, *, capacity: int | None = None) -> None:
        self.capacity = capacity or os.cpu_count() or 1
        self._places = trio.CapacityLimiter(self.capacity)
        self._jobs: dict[int, _Job] = {}
        self._next = 0
        self._frames, self._outgoing = trio.open_memory_channel[bytes](2 * self.capacity)
        self.pid = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the worker process until cancelled; usable once the model is loaded.

        Resource handling: the worker has ended when this returns or raises; if this process is killed, the
        worker ends at the end of its input. Error handling: :class:`EngineFailed` when the worker dies.
        """
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "orch.sandbox.engines.pocketsphinx_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=for_child(os.environ),
        )
        self.pid = process.pid
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send, process)
                await self._receive(process, task_status)
        finally:
            with trio.move_on_after(2, shield=True):
                await _end(process)
            process.kill()

    async def transcribe(
        self,
        pcm: bytes,
        *,
        language: str | None,
        skip_silence: bool,
        prompt: str = "",  # noqa: ARG002 - its words are those of its dictionary
        is_interim: bool = False,  # noqa: ARG002 - it has one speed
    ) -> Transcription:
        """Transcribe a recording, one utterance after the other."""
        segments = []
        for start, end in cut(pcm, longest=LONGEST_UTTERANCE):
            words = await self._transcribe_piece(pcm[start:end], kind=b"V" if skip_silence else b"T")
            if words:
                segments.append(_segment(words, start / BYTES_PER_SECOND))
        # The only language is certain: it was not detected.
        return Transcription(
            segments=tuple(segments), language="en", language_probability=None if language else 1.0
        )

    async def _transcribe_piece(self, pcm: bytes, *, kind: bytes) -> list[tuple[str, float, float, float]]:
        async with self._places:
            self._next = number = (self._next + 1) % 2**32
            job = self._jobs[number] = _Job()
            try:
                await self._frames.send(FRAME.pack(number, kind, len(pcm)) + pcm)
                await job.done.wait()
            finally:
                del self._jobs[number]
                if not job.done.is_set():
                    self._stop(number)
            if job.failure:
                raise EngineFailed(job.failure)
            return job.words

    def _stop(self, number: int) -> None:
        """Tell the worker to kill a cancelled job."""
        try:
            self._frames.send_nowait(FRAME.pack(number, b"C", 0))
        except (trio.WouldBlock, trio.BrokenResourceError):
            # Full only if the worker has stopped reading, broken only if it has ended: both end `run`.
            log.warning("job not cancelled", job=number)

    async def _send(self, process: trio.Process) -> None:
        """Write complete frames to the worker: a cancel must not leave half a frame in the pipe."""
        if process.stdin is None:
            raise EngineFailed("the worker has no input")
        async for frame in self._outgoing:
            try:
                await process.stdin.send_all(frame)
            except trio.BrokenResourceError:
                return  # it has ended; `_receive` sees the end of its output

    async def _receive(self, process: trio.Process, task_status: trio.TaskStatus[None]) -> None:
        if process.stdout is None:
            raise EngineFailed("the worker has no output")
        incoming = bytearray()
        while data := await process.stdout.receive_some(READ_SIZE):
            incoming += data
            while len(incoming) >= FRAME.size:
                number, kind, length = FRAME.unpack_from(incoming)
                end = FRAME.size + length
                if len(incoming) < end:
                    break
                payload = bytes(incoming[FRAME.size : end])
                del incoming[:end]
                if kind == b"R":
                    task_status.started()
                else:
                    self._settle(number, kind, payload)
        failure = f"the worker ended with {await process.wait()}"
        for job in self._jobs.values():
            job.failure = failure
            job.done.set()
        raise EngineFailed(failure)

    def _settle(self, number: int, kind: bytes, payload: bytes) -> None:
        job = self._jobs.get(number)
        if job is None:
            return  # the result and the cancellation have crossed
        if kind == b"A":
            job.words = _words.decode(payload)
        else:
            job.failure = payload.decode(errors="replace")
        job.done.set()


async def _end(process: trio.Process) -> None:
    """End the worker, and with it its children, by closing its input."""
    if process.stdin is not None:
        await process.stdin.aclose()
    await process.wait()


def _segment(words: list[tuple[str, float, float, float]], offset: float) -> Segment:
    spoken = tuple(
        Word(text, round(offset + start, 2), round(offset + end, 2), round(probability, 6))
        for text, start, end, probability in words
    )
    return Segment(
        start=spoken[0].start,
        end=spoken[-1].end,
        text=" ".join(word.text for word in spoken),
        confidence=mean_confidence(spoken),
        words=spoken,
    )

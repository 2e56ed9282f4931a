"""The processes that run the pipelines of live streams, a few of them, each for several streams.

A process is started when a stream first needs it, and ends after :data:`IDLE` seconds without one. One that
ends by itself, or returns nothing for :data:`STALLED` seconds although it has sound, is killed; its streams
go on unprocessed (``live_pipeline.py``). It is started again when a stream asks for it after a pause that
grows with each failure.
"""

import os
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Never

import msgspec
import structlog
import trio
from msgspec import Raw

from orch.audio import child_processes
from orch.audio import pipeline_frames as frames
from orch.audio.decoder_frames import MalformedError
from orch.audio.live_pipeline import PipelineLink, PipelineReceiver, PipelineUnavailableError
from orch.audio.pipeline_settings import PipelineSettings, encode
from orch.audio.pipeline_statistics import PipelineStatistics
from orch.backoff import Backoff
from orch.problems import ProblemError

STREAMS_EACH: Final = 4
"""Streams of a process before another one is started, if there may be another."""
MOST_STREAMS: Final = 16
"""Streams of a process. With the stages of a preset it would be busy by a third."""
IDLE: Final = 300.0
STALLED: Final = 1.5
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
LIVED_WELL: Final = 60.0
"""Seconds after which an end is no longer counted with those before."""
MODULE: Final = "orch.audio.pipeline_host"
_RECEIVE: Final = 65_536
_latency: Final = msgspec.json.Decoder(int)

_log = structlog.get_logger("pipelines")


def processes_for(cores: int) -> int:
    """Return how many processes a machine may run: one for two cores."""
    return max(1, cores // 2)


async def start_host() -> trio.Process:
    """Start a process. ProblemError, OSError: it cannot be started now."""
    refusal = "Sound cannot be processed right now"
    return await child_processes.start(MODULE, stdin=subprocess.PIPE, refusal=refusal)


@dataclass(eq=False)
class _Link:
    """A stream's way to its process: see :class:`PipelineLink`."""

    host: "_Host"
    number: int

    def send(self, pcm: bytes) -> None:
        """Send samples."""
        for begin in range(0, len(pcm), frames.MOST_BYTES):
            self.host.send(frames.BLOCK, self.number, pcm[begin : begin + frames.MOST_BYTES])

    def change(self, settings: PipelineSettings) -> None:
        """Send other settings."""
        self.host.send(frames.CHANGE, self.number, msgspec.json.encode(encode(settings)))

    def flush(self) -> None:
        """Send that there is no more sound."""
        self.host.send(frames.FLUSH, self.number)

    def close(self, *, was_late: bool = False) -> None:
        """Forget the stream."""
        self.host.close(self.number, was_late=was_late)


@dataclass(eq=False)
class _Host:
    """One process, from its first start on. Times are of Trio's clock.

    Bounded: what its streams may have in flight (``live_pipeline.py``), :data:`MOST_STREAMS` of them.
    """

    pool: "PipelinePool"
    backoff: Backoff
    stalled: float
    streams: dict[int, PipelineReceiver] = field(default_factory=dict)
    is_running: bool = False
    failure: str | None = None
    received_at: float = 0.0
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    _outgoing: list[bytes] = field(default_factory=list)
    _woken: trio.Event = field(default_factory=trio.Event)

    def open(self, number: int, receiver: PipelineReceiver, opening: frames.Opening) -> _Link:
        """Begin a stream; the process may have to start for it."""
        if not self.is_running:
            self.is_running = True
            self.failure = None
            self.scope = trio.CancelScope()
            self._outgoing.clear()
            self.pool.nursery.start_soon(self._run)
        self.scope.deadline = float("inf")
        self.streams[number] = receiver
        self.send(frames.OPEN, number, msgspec.json.encode(opening))
        return _Link(self, number)

    def send(self, kind: bytes, number: int, content: bytes = b"") -> None:
        """Queue a frame of a stream that is open."""
        if number in self.streams:
            self._outgoing.append(frames.pack(kind, number, content))
            self._woken.set()

    def close(self, number: int, *, was_late: bool) -> None:
        """End a stream. A process that has returned nothing for a while is ended with it."""
        if number not in self.streams:
            return
        self.send(frames.CLOSE, number)
        self._forget(number)
        if was_late and trio.current_time() - self.received_at >= self.stalled:
            self._fail("It does not respond.")

    def _forget(self, number: int) -> None:
        del self.streams[number]
        if not self.streams:
            self.scope.deadline = trio.current_time() + IDLE

    def _fail(self, reason: str) -> None:
        self.failure = reason
        self.scope.cancel()

    async def _run(self) -> None:
        begun = self.received_at = trio.current_time()
        try:
            with self.scope:
                await self._serve()
        finally:
            now = trio.current_time()
            if self.failure is not None:
                if now - begun >= LIVED_WELL:
                    self.backoff.succeeded()
                self.backoff.failed(now)
                self.pool.failed(self.failure)
            self.is_running = False
            receivers, self.streams = self.streams, {}
            for receiver in receivers.values():
                receiver.failed(self.failure or "The service is shutting down.")

    async def _serve(self) -> None:
        """Run the process to its end, which is a failure unless the scope was cancelled."""
        try:
            process = await self.pool.start()
        except (OSError, ProblemError) as error:
            self.failure = f"It cannot be started: {error}"
            return
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write, process)
                await self._read(process)
                nursery.cancel_scope.cancel()
            if self.failure is None:
                self.failure = f"It ended with code {await process.wait()}."
        finally:
            await child_processes.end(process)
            if process.stdin is not None:
                with trio.CancelScope(shield=True):
                    await process.stdin.aclose()

    async def _write(self, process: trio.Process) -> None:
        assert process.stdin is not None  # noqa: S101 - it was started with a pipe
        while True:
            await self._woken.wait()
            self._woken = trio.Event()
            data, self._outgoing = b"".join(self._outgoing), []
            try:
                await process.stdin.send_all(data)
            except trio.BrokenResourceError:
                return  # it has ended, which its output shows

    async def _read(self, process: trio.Process) -> None:
        assert process.stdout is not None  # noqa: S101 - it was started with a pipe
        received = frames.StreamFrames(frames.FROM_HOST)
        try:
            while data := await process.stdout.receive_some(_RECEIVE):
                self.received_at = trio.current_time()
                received.feed(bytes(data))
                while (frame := received.next()) is not None:
                    self._receive(*frame)
        except (MalformedError, msgspec.MsgspecError) as error:
            self.failure = f"Its output is invalid: {error}"
        except trio.BrokenResourceError as error:
            self.failure = f"Its output cannot be read: {error}"

    def _receive(self, kind: bytes, number: int, content: bytes) -> None:
        receiver = self.streams.get(number)
        if receiver is None:
            return  # it was closed meanwhile
        if kind == frames.OPENED:
            receiver.opened(_latency.decode(content))
        elif kind == frames.PCM:
            receiver.received(content)
        elif kind == frames.FLUSHED:
            self._forget(number)
            receiver.flushed()
        else:
            self._forget(number)
            receiver.failed(content.decode(errors="replace"))


class PipelinePool:
    """Runs pipelines in ``limit`` processes at most, each started by ``start``.

    A stream goes to the process with the fewest. Beyond :data:`MOST_STREAMS` a process accepts none; where
    none accepts one, the stream is not processed.

    ``on_failure`` is called with the reason when a process fails. The mutable state is the processes, the
    number of streams so far, and the counters.
    """

    def __init__(
        self,
        *,
        limit: int,
        start: Callable[[], Awaitable[trio.Process]] = start_host,
        first_pause: float = FIRST_PAUSE,
        stalled: float = STALLED,
    ) -> None:
        self.nursery: trio.Nursery
        self.start = start
        self.on_failure: Callable[[str], None] = lambda _reason: None
        self._hosts: Sequence[_Host] = tuple(
            _Host(self, Backoff(first=first_pause, longest=LONGEST_PAUSE), stalled) for _ in range(limit)
        )
        self._count = 0
        self._failures = 0
        self._bypassed = 0
        self._error: str | None = None
        self._is_running = False

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Run processes until cancelled; then all of them are ended."""
        try:
            async with trio.open_nursery() as self.nursery:
                self._is_running = True
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._is_running = False

    def open(
        self, receiver: PipelineReceiver, settings: PipelineSettings, *, sample_rate: int, joins: bool
    ) -> PipelineLink:
        """Begin a stream. PipelineUnavailableError: no process accepts it now."""
        now = trio.current_time()
        usable = [
            host for host in self._hosts if host.backoff.until <= now and len(host.streams) < MOST_STREAMS
        ]
        if not self._is_running or not usable:
            raise PipelineUnavailableError(
                self._error if self._is_running and self._error else "All are busy."
            )
        running = [host for host in usable if host.is_running]
        host = min(running or usable, key=lambda each: len(each.streams))
        if running and len(host.streams) >= STREAMS_EACH and len(running) < len(usable):
            host = next(each for each in usable if not each.is_running)
        self._count += 1
        opening = frames.Opening(
            sample_rate=sample_rate, settings=Raw(msgspec.json.encode(encode(settings))), joins=joins
        )
        return host.open(self._count, receiver, opening)

    def failed(self, reason: str) -> None:
        """Note that a process has failed."""
        self._failures += 1
        self._error = reason
        _log.warning("pipeline process failed", reason=reason)
        self.on_failure(reason)

    def bypassed(self, reason: str) -> None:
        """Note that a stream goes on unprocessed."""
        self._bypassed += 1
        self._error = reason
        _log.warning("stream goes on unprocessed", reason=reason)

    def statistics(self) -> PipelineStatistics:
        """Return the figures."""
        return PipelineStatistics(
            streams=sum(len(host.streams) for host in self._hosts),
            processes=sum(host.is_running for host in self._hosts),
            limit=len(self._hosts),
            failures=self._failures,
            bypassed=self._bypassed,
            error=self._error,
        )


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

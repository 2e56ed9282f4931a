"""Sends speech to the service, across lost connections."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import trio

from orch.client.connection import Connection
from orch.client.events import ClientError, ConnectionLostError, RefusedError
from orch.client.stored_speech import LIMIT, StoredSpeech
from orch.protocol.messages import (
    AudioEnd,
    AudioEnded,
    AudioStart,
    AudioStarted,
    AudioStatus,
    Error,
    Transcript,
)

#: Seconds after which a stream that the service broke off, or could not begin just now, is begun again.
BEGIN_AGAIN: Final = 1.0

#: Transient errors of ``audio_start``.
_PASSING: Final = frozenset({"shutting_down", "store_unavailable", "rate_limited"})


class SpeechStream:
    """Speech of one speaker: 16-bit little-endian mono PCM. See ``Client.speak``.

    Up to a minute of it is stored until the service has acknowledged it, so that a lost connection costs
    nothing: on the next one the stream continues where it was, with the same times. ``stream_ids`` begin the
    ``segment_id`` of transcripts. ``ended`` is the service's last message, once everything it received is
    transcribed; None if the connection was lost before. ``error`` is the last error that was not a reply: a
    stream broke off (and is started again), or audio was refused.
    """

    def __init__(self, connection: Connection, start: AudioStart) -> None:
        self._connection = connection
        self._stored = StoredSpeech(start)
        self._is_ended = False
        self._failure: ClientError | None = None
        self._generation: int | None = None
        self._last_ended: AudioEnded | None = None
        self.stream_ids: list[str] = []
        self.ended: AudioEnded | None = None
        self.error: Error | None = None

    @property
    def waiting_seconds(self) -> float:
        """Seconds of speech not yet acknowledged."""
        return self._stored.waiting_seconds

    @property
    def lost_seconds(self) -> float:
        """Seconds of unacknowledged speech that ``push`` dropped: gaps in the transcript."""
        return self._stored.lost_seconds

    async def send(self, pcm: bytes) -> None:
        """Queue a block; wait while a minute of speech is queued. If cancelled, nothing was queued.

        Raises ValueError for half a sample, and what the stream itself failed with.
        """
        _check(pcm)
        await trio.lowlevel.checkpoint()
        while self.waiting_seconds >= LIMIT and self._failure is None:
            await self._connection.changed.park()
        self._add(pcm, may_lose=False)

    def push(self, pcm: bytes) -> None:
        """Queue a live block without waiting; beyond a minute the oldest speech is dropped.

        Raises as ``send``.
        """
        _check(pcm)
        self._add(pcm, may_lose=True)

    def _add(self, pcm: bytes, *, may_lose: bool) -> None:
        if self._failure is not None:
            raise self._failure
        self._stored.add(pcm, trio.current_time(), may_lose=may_lose)
        self._connection.changed.unpark_all()

    async def carried(self) -> None:
        """Wait until all queued speech has arrived. Raises like ``send``."""
        await trio.lowlevel.checkpoint()
        while not self._stored.has_arrived and self._failure is None:
            await self._connection.changed.park()
        if self._failure is not None:
            raise self._failure

    def end(self) -> None:
        """End the stream; queued speech is still sent."""
        self._is_ended = True
        self._connection.changed.unpark_all()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Send the speech until the stream has ended and everything that arrived is transcribed."""
        self._connection.speakers.add(self._receive)
        try:
            while True:
                await self._connection.live()
                start = self._stored.begin(trio.current_time())
                try:
                    answer, generation = await self._connection.exchange(start)
                except ConnectionLostError:
                    continue
                except RefusedError as error:
                    if error.code not in _PASSING:
                        raise
                    await trio.sleep(BEGIN_AGAIN)
                    continue
                assert isinstance(answer, AudioStarted)  # noqa: S101 - the reply to audio_start
                if answer.stream_id not in self.stream_ids:
                    self.stream_ids.append(answer.stream_id)
                    if len(self.stream_ids) == 1:
                        task_status.started()
                self._stored.begun(answer)
                self._generation = generation
                if await self._carry(answer.stream_id, generation):
                    return
        except ClientError as error:
            self._failure = error
            raise
        finally:
            self._connection.speakers.discard(self._receive)
            self._connection.changed.unpark_all()

    def hang_up(self) -> None:
        """End the stream without waiting."""
        if self._generation is not None and self._connection.is_current(self._generation):
            self._connection.post(AudioEnd())

    def _receive(self, message: AudioEnded | AudioStatus | Error | Transcript) -> None:
        if isinstance(message, AudioStatus):
            self._stored.status(message)
        elif isinstance(message, AudioEnded):
            self._last_ended = message
        elif isinstance(message, Error):
            if message.stream_id in self.stream_ids:
                self.error = message
        elif self._stored.stream_id and message.segment_id.startswith(f"{self._stored.stream_id}-"):
            self._stored.published(message.end)
        self._connection.changed.unpark_all()

    def _has_broken_off(self, stream_id: str) -> bool:
        return self._last_ended is not None and self._last_ended.stream_id == stream_id

    async def _carry(self, stream_id: str, generation: int) -> bool:
        """Send the speech over one connection. False if the stream must continue on another."""
        while not (self._is_ended and self._stored.is_sent):
            if self._has_broken_off(stream_id):
                # This end was not requested: the stream broke off in the service.
                self._generation = None
                await trio.sleep(BEGIN_AGAIN)
                return False
            if self._stored.has_hole:
                self._connection.post(AudioEnd())
                return False
            block = self._stored.block()
            if not block:
                if not self._connection.is_current(generation):
                    return False
                await self._connection.changed.park()
                continue
            if not await self._connection.carry(block, generation):
                return False
            self._stored.sent(len(block))
            self._connection.changed.unpark_all()
        if not self._connection.is_current(generation):
            return False  # what was sent may not have arrived, nor has the stream ended; the next one asks
        return await self._finish(stream_id)

    async def _finish(self, stream_id: str) -> bool:
        """End the stream and wait until it is transcribed. False: the connection was lost before that."""
        self._generation = None
        try:
            await self._connection.exchange(AudioEnd())
        except ConnectionLostError:
            return self._stored.has_arrived
        except RefusedError as error:
            if error.code != "audio_not_started":
                raise
            # It had ended already, by itself.
        if self._has_broken_off(stream_id):
            self.ended = self._last_ended
        return True


def _check(pcm: bytes) -> None:
    if len(pcm) % 2:
        raise ValueError(f"{len(pcm)} bytes: a sample has two bytes, so their number must be even.")


@asynccontextmanager
async def speaking(connection: Connection, start: AudioStart) -> AsyncIterator[SpeechStream]:
    """Speak during the block, once the service is ready; then wait until all speech is transcribed.

    Where the block ends with an exception nothing is waited for.
    """
    stream = SpeechStream(connection, start)
    failure: Exception | None = None
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(stream.run)
            try:
                yield stream
            except Exception as error:  # noqa: BLE001 - raised again below, not wrapped in a group
                failure = error
                nursery.cancel_scope.cancel()
            else:
                stream.end()
    except* ClientError as group:
        failure = failure or _first(group)
    finally:
        stream.hang_up()
    if failure is not None:
        raise failure


def _first(group: BaseExceptionGroup[ClientError]) -> Exception:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error

"""Speech on its way to the service: one stream after another, over lost connections too."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import trio

from orch.client.connection import Connection
from orch.client.events import ClientError, ConnectionLostError, RefusedError
from orch.websocket.messages import AudioEnd, AudioEnded, AudioStart, AudioStarted

#: Seconds of speech that wait here; ``send`` waits while it is as much.
WAITING_LIMIT: Final = 10.0

#: Bytes of one frame at most.
BLOCK_LIMIT: Final = 65_536

#: Seconds after which a stream that the service broke off is begun again.
BEGIN_AGAIN: Final = 1.0


class SpeechStream:
    """Speech of one speaker: 16-bit little-endian mono PCM. See ``Client.speak``.

    After a lost connection the next one begins a stream of its own, with what had not been written to the
    network. What was on its way when the connection fell may not be heard. ``stream_ids`` begin the
    ``segment_id`` of what is written down. ``ended`` is the service's last word, once all that it heard is;
    None where the connection fell before it came.
    """

    def __init__(self, connection: Connection, start: AudioStart) -> None:
        self._connection = connection
        self._start = start
        self._blocks: deque[bytes] = deque()
        self._bytes = 0
        self._is_ended = False
        self._failure: ClientError | None = None
        self._generation: int | None = None
        self.stream_ids: list[str] = []
        self.ended: AudioEnded | None = None

    @property
    def waiting_seconds(self) -> float:
        """Seconds of speech that wait for the connection."""
        return self._bytes / 2 / self._start.sample_rate

    async def send(self, pcm: bytes) -> None:
        """Take in a block; wait while ``WAITING_LIMIT`` seconds are waiting. Cancelled, it took nothing in.

        Raises ValueError for half a sample, and what the stream itself failed with.
        """
        if len(pcm) % 2:
            raise ValueError(f"{len(pcm)} bytes: a sample has two, so that the number must be even.")
        await trio.lowlevel.checkpoint()
        while self.waiting_seconds >= WAITING_LIMIT and self._failure is None:
            await self._connection.changed.park()
        if self._failure is not None:
            raise self._failure
        self._blocks.append(bytes(pcm))
        self._bytes += len(pcm)
        self._connection.changed.unpark_all()

    async def carried(self) -> None:
        """Wait until all that was taken in has been written to the network. Raises as ``send``."""
        await trio.lowlevel.checkpoint()
        while self._bytes and self._failure is None:
            await self._connection.changed.park()
        if self._failure is not None:
            raise self._failure

    def end(self) -> None:
        """Say that no more will come. What waits is still sent."""
        self._is_ended = True
        self._connection.changed.unpark_all()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Carry the speech to the service until it has ended and all that was heard is written down."""
        try:
            while True:
                await self._connection.live()
                try:
                    answer, generation = await self._connection.exchange(self._start)
                except ConnectionLostError:
                    continue
                assert isinstance(answer, AudioStarted)  # noqa: S101 - what audio_start is answered with
                self.stream_ids.append(answer.stream_id)
                self._generation = generation
                if len(self.stream_ids) == 1:
                    task_status.started()
                if await self._carry(answer.stream_id, generation):
                    return
        except ClientError as error:
            self._failure = error
            raise
        finally:
            self._connection.changed.unpark_all()

    def hang_up(self) -> None:
        """End the stream without waiting for anything."""
        if self._generation is not None and self._connection.is_current(self._generation):
            self._connection.tell(AudioEnd())

    async def _carry(self, stream_id: str, generation: int) -> bool:
        """Carry the speech over one connection. False where another stream has to go on."""
        while not (self._is_ended and not self._blocks):
            last = self._connection.last_ended
            if last is not None and last.stream_id == stream_id:
                # Nobody asked for this end: the stream broke off in the service.
                self._generation = None
                await trio.sleep(BEGIN_AGAIN)
                return False
            if not self._blocks:
                await self._connection.changed.park()
                continue
            block = self._join()
            if not await self._connection.carry(block, generation):
                return False
            self._blocks.popleft()
            self._bytes -= len(block)
            self._connection.changed.unpark_all()
        if self._connection.is_current(generation):
            await self._finish(stream_id)
        return True

    async def _finish(self, stream_id: str) -> None:
        self._generation = None
        try:
            await self._connection.exchange(AudioEnd())
        except ConnectionLostError:
            return  # what was heard is still written down
        except RefusedError as error:
            if error.code != "audio_not_started":
                raise
            # It had ended already, by itself.
        last = self._connection.last_ended
        if last is not None and last.stream_id == stream_id:
            self.ended = last

    def _join(self) -> bytes:
        """Make one block of those that wait, and leave it at the front."""
        joined = self._blocks.popleft()
        parts = [joined]
        size = len(joined)
        while self._blocks and size + len(self._blocks[0]) <= BLOCK_LIMIT:
            part = self._blocks.popleft()
            parts.append(part)
            size += len(part)
        block = b"".join(parts)
        self._blocks.appendleft(block)
        return block


@asynccontextmanager
async def speaking(connection: Connection, start: AudioStart) -> AsyncIterator[SpeechStream]:
    """Speak for the block, from when the service listens; then wait until all is written down.

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

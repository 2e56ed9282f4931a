"""Unacknowledged speech, and the position to continue from after a lost connection. Pure.

``static/js/audio/uplink.js`` decides the same in the browser. All positions are samples since the first one
that was added; stored: [first, end); settled <= received <= sent <= end. A minute is stored at most, as long
as the service waits for a speaker; beyond it the oldest is dropped. What was dropped before it arrived is
lost: it is counted, and becomes a gap in the transcript.
"""

from collections import deque
from typing import Final

import msgspec
from msgspec import UNSET

from orch.protocol.messages import AudioStart, AudioStarted, AudioStatus

#: Seconds of speech that are stored.
LIMIT: Final = 60.0

#: Bytes of one frame at most.
BLOCK_LIMIT: Final = 65_536

#: Less than that many seconds is no gap.
_NOTABLE: Final = 0.05


class StoredSpeech:
    """16-bit mono PCM to be sent. Bounded by :data:`LIMIT` seconds; see the module for what is dropped."""

    def __init__(self, start: AudioStart) -> None:
        self.stream_id: str | None = None
        self._start = start
        self._rate = start.sample_rate
        self._blocks: deque[tuple[bytes, float]] = deque()
        self._first = self._end = self._sent = self._received = self._settled = 0
        self._may_lose = False
        self._zero = self._gap = self._lost = 0
        self._acknowledges = True
        self._asked = (0, 0.0)

    def __repr__(self) -> str:
        return (
            f"<StoredSpeech {self._first} to {self._end}, settled {self._settled}, received {self._received},"
            f" sent {self._sent}>"
        )

    @property
    def waiting_seconds(self) -> float:
        """Seconds not yet acknowledged."""
        return (self._end - max(self._received, self._first)) / self._rate

    @property
    def lost_seconds(self) -> float:
        """Unacknowledged seconds that were dropped."""
        return self._lost / self._rate

    @property
    def is_sent(self) -> bool:
        """Whether all of it has been sent on this connection."""
        return self._sent >= self._end

    @property
    def has_arrived(self) -> bool:
        """Whether all of it is acknowledged."""
        return self._received >= self._end

    @property
    def has_hole(self) -> bool:
        """Whether the next samples to be sent were dropped: the stream has to continue behind them."""
        return self._sent < self._first

    def add(self, pcm: bytes, now: float, *, may_lose: bool = True) -> None:
        """Store recorded audio. ``may_lose``: beyond a minute, drop the oldest even if unacknowledged."""
        self._blocks.append((bytes(pcm), now))
        self._end += len(pcm) // 2
        self._may_lose = may_lose
        self._bound()

    def begin(self, now: float) -> AudioStart:
        """Return the ``audio_start`` that begins or continues the stream on this connection."""
        # A block may have begun before the stream; its rest belongs to the stream.
        first = max(self._first, self._zero)
        position = (first - self._zero) / self._rate
        self._asked = (first, position)
        age = 0.0
        if self._blocks:
            pcm, taken_at = self._blocks[0]
            age = now - taken_at + (self._first + len(pcm) // 2 - first) / self._rate
        return msgspec.structs.replace(
            self._start,
            age=round(max(0.0, age), 6),
            stream_id=self.stream_id,
            position=round(position, 6),
            lost_seconds=round(self._gap / self._rate, 6),
        )

    def begun(self, answer: AudioStarted) -> None:
        """Note the position from which the service reads; samples before it have arrived, or are lost."""
        first, position = self._asked
        self._acknowledges = answer.position is not UNSET
        at = max(first, self._first)
        if answer.position is not UNSET:
            at = first + round((answer.position - position) * self._rate)
            if self._first - at <= _NOTABLE * self._rate:
                at = max(at, self._first)
        self._zero = at - round(answer.received_seconds * self._rate)
        self._sent = at
        self._received = at
        if answer.stream_id != self.stream_id:
            # A new stream does not know what the previous one received, which that one publishes.
            self._settled = at
        self.stream_id = answer.stream_id
        self._gap = 0
        self._bound()

    def block(self) -> bytes:
        """Return the next bytes to send; empty if there are none."""
        parts: list[bytes] = []
        size, at = 0, self._first
        for pcm, _ in self._blocks:
            begin = max(0, (self._sent - at) * 2)
            at += len(pcm) // 2
            if begin >= len(pcm):
                continue
            part = pcm[begin : begin + BLOCK_LIMIT - size]
            parts.append(part)
            size += len(part)
            if size >= BLOCK_LIMIT:
                break
        return b"".join(parts)

    def sent(self, size: int) -> None:
        """Record the number of bytes written to the network."""
        self._sent += size // 2
        if not self._acknowledges:
            self._acknowledge(self._sent, self._sent)

    def status(self, status: AudioStatus) -> None:
        """Apply an acknowledgement of the service."""
        if status.stream_id == self.stream_id and self._acknowledges:
            self._acknowledge(
                self._zero + round(status.received_seconds * self._rate),
                self._zero + int(status.settled_seconds * self._rate),
            )

    def published(self, end: float) -> None:
        """Note a final of the stream, up to ``end`` seconds, whose acknowledgement may have been missed."""
        self._acknowledge(self._received, self._zero + int(end * self._rate))

    def _acknowledge(self, received: int, settled: int) -> None:
        """Apply both positions: they only rise, and nothing has arrived that was not sent."""
        self._received = max(self._received, min(received, self._sent))
        self._settled = max(self._settled, min(settled, self._received))
        self._bound()

    def _bound(self) -> None:
        """Drop settled audio and audio older than a minute."""
        while self._blocks:
            size = len(self._blocks[0][0]) // 2
            end = self._first + size
            is_old = self._end - end >= LIMIT * self._rate and (self._may_lose or end <= self._received)
            if end > self._settled and not is_old:
                return
            lost = max(0, end - max(self._first, self._received, self._settled))
            self._lost += lost
            self._gap += lost
            self._blocks.popleft()
            self._first = end

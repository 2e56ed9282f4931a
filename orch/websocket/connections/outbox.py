"""The queue of frames for one client, bounded in bytes. Pure."""

from collections import deque
from collections.abc import Callable
from enum import Enum, auto

import msgspec
from msgspec import Struct

from orch.protocol.messages import MessageId, ServerMessage, encode


class Frame:
    """A text frame, encoded once for all its receivers.

    ``is_durable``: it must arrive, or the client must learn that it did not. Transient frames (a revision,
    presence, a topic's state) are replaced by later ones and may be shed.
    """

    __slots__ = ("_text", "_wire", "data", "is_durable")

    def __init__(self, data: bytes, *, is_durable: bool) -> None:
        self.data = data
        self.is_durable = is_durable
        self._text: str | None = None
        self._wire: bytes | None = None

    def __repr__(self) -> str:
        return f"<Frame {self.data[:80]!r}>"

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.data)

    @property
    def text(self) -> str:
        """The frame as a string for ASGI; decoded once."""
        if self._text is None:
            self._text = self.data.decode()
        return self._text

    def wire(self, encode: Callable[[bytes], bytes]) -> bytes:
        """Return the frame's bytes for the socket; encoded by ``encode`` the first time."""
        if self._wire is None:
            self._wire = encode(self.data)
        return self._wire

    def answering(self, identity: MessageId) -> "Frame":
        """Return the frame with an ``id``, for its sender."""
        data = self.data[:-1] + b',"id":' + msgspec.json.encode(identity) + b"}"
        return Frame(data, is_durable=self.is_durable)


def frame(message: ServerMessage, *, is_durable: bool = True) -> Frame:
    """Return the message as a frame."""
    return Frame(encode(message), is_durable=is_durable)


class Offer(Enum):
    """The outcome of offering a frame."""

    TAKEN = auto()
    SHED = auto()
    """Transient, and the client is behind: it will receive a later one."""
    OVERFLOWED = auto()
    """Lasting, and there is no room: the client must be disconnected, and recover."""


def verdict(queued: int, size: int, *, is_durable: bool, limit: int) -> Offer:
    """Return the outcome for a frame of ``size`` bytes while ``queued`` unrequested bytes wait.

    Overflow rule: ``limit`` bytes. Above half of it, transient frames are shed. A lasting frame that does not
    fit overflows. With an empty queue a frame of any size is accepted.
    """
    if queued <= 0:
        return Offer.TAKEN
    if not is_durable and (queued + size) * 2 > limit:
        return Offer.SHED
    return Offer.OVERFLOWED if queued + size > limit else Offer.TAKEN


class QueuedReplies:
    """Counts the replies among the bytes that are queued at the socket.

    They are counted separately, as in :class:`Outbox`. The mutable state: where in the stream each reply
    ends; bounded, since no further requests are read while many replies are queued.
    """

    __slots__ = ("_answers", "_bytes")

    def __init__(self) -> None:
        self._answers: deque[tuple[int, int]] = deque()
        self._bytes = 0

    def __repr__(self) -> str:
        return f"<QueuedReplies {self._bytes} bytes in {len(self._answers)} answers>"

    def add(self, end: int, size: int) -> None:
        """Add a reply of ``size`` bytes that ends at byte ``end`` of the stream."""
        self._answers.append((end, size))
        self._bytes += size

    def left(self, taken: int) -> int:
        """Return the queued bytes of replies after ``taken`` bytes of the stream were sent.

        Of a partly sent reply only the rest counts, so the result never exceeds the queued bytes.
        """
        while self._answers and self._answers[0][0] <= taken:
            self._bytes -= self._answers.popleft()[1]
        if not self._answers:
            return self._bytes
        end, size = self._answers[0]
        return self._bytes - max(taken - (end - size), 0)


class OutboxStatistics(Struct, frozen=True):
    """Queued bytes, and frames shed so far."""

    queued_bytes: int
    answer_bytes: int
    shed: int


class Outbox:
    """Frames for one client, in order.

    Overflow rule: :func:`verdict`'s. On ``OVERFLOWED`` the owner closes the connection: such a client is too
    slow or has vanished, and a broadcast never waits for it.

    Replies to the client's own requests (:meth:`answer`) are counted separately and never refused: a
    requested history may be larger than the limit. They are bounded by their source: the connection reads no
    further requests while :attr:`is_behind` is true.
    """

    __slots__ = ("_answer_bytes", "_frames", "_queued_bytes", "_shed", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._frames: deque[tuple[Frame, bool]] = deque()
        self._queued_bytes = 0
        self._answer_bytes = 0
        self._shed = 0

    def __len__(self) -> int:
        return len(self._frames)

    def __repr__(self) -> str:
        return f"<Outbox {len(self._frames)} frames, {self._queued_bytes} of {self.limit} bytes>"

    @property
    def queued_bytes(self) -> int:
        """All queued bytes."""
        return self._queued_bytes + self._answer_bytes

    @property
    def is_behind(self) -> bool:
        """Whether too many of the client's own replies are queued; its requests are not read meanwhile."""
        return self._answer_bytes * 2 > self.limit

    def offer(self, offered: Frame) -> Offer:
        """Queue a frame that the client did not request; return the outcome."""
        outcome = verdict(self._queued_bytes, offered.size, is_durable=offered.is_durable, limit=self.limit)
        if outcome is Offer.SHED:
            self._shed += 1
        elif outcome is Offer.TAKEN:
            self._queued_bytes += offered.size
            self._frames.append((offered, False))
        return outcome

    def answer(self, answer: Frame) -> None:
        """Queue a reply."""
        self._answer_bytes += answer.size
        self._frames.append((answer, True))

    def take(self) -> Frame | None:
        """Return the frame to send next, or None."""
        if not self._frames:
            return None
        taken, is_answer = self._frames.popleft()
        if is_answer:
            self._answer_bytes -= taken.size
        else:
            self._queued_bytes -= taken.size
        return taken

    def clear(self) -> None:
        """Drop all frames without sending them."""
        self._frames.clear()
        self._queued_bytes = self._answer_bytes = 0

    def statistics(self) -> OutboxStatistics:
        """Return the figures."""
        return OutboxStatistics(
            queued_bytes=self._queued_bytes, answer_bytes=self._answer_bytes, shed=self._shed
        )

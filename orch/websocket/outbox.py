"""What waits to be sent to one client, bounded in bytes. Pure."""

from collections import deque
from enum import Enum, auto

import msgspec
from msgspec import Struct

from orch.websocket.messages import MessageId, ServerMessage, encode


class Frame:
    """A text frame, encoded once for everyone it goes to.

    ``is_lasting``: it must arrive or the client must know that it did not. What is not lasting is replaced by
    what comes after it (a revision, presence, a topic's state) and may be shed.
    """

    __slots__ = ("_text", "data", "is_lasting")

    def __init__(self, data: bytes, *, is_lasting: bool) -> None:
        self.data = data
        self.is_lasting = is_lasting
        self._text: str | None = None

    def __repr__(self) -> str:
        return f"<Frame {self.data[:80]!r}>"

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.data)

    @property
    def text(self) -> str:
        """The frame as ASGI wants it; decoded once, too."""
        if self._text is None:
            self._text = self.data.decode()
        return self._text

    def answering(self, identity: MessageId) -> "Frame":
        """Return the frame with an ``id``, for the one whose message it is."""
        data = self.data[:-1] + b',"id":' + msgspec.json.encode(identity) + b"}"
        return Frame(data, is_lasting=self.is_lasting)


def frame(message: ServerMessage, *, is_lasting: bool = True) -> Frame:
    """Return the message as a frame."""
    return Frame(encode(message), is_lasting=is_lasting)


class Offer(Enum):
    """What became of a frame that was offered."""

    TAKEN = auto()
    SHED = auto()
    """Not lasting, and the client is behind: it will be told what comes after it."""
    OVERFLOWED = auto()
    """Lasting, and there is no room: the client has to go, and to recover."""


class OutboxStatistics(Struct, frozen=True):
    """What waits now (bytes) and what was shed so far (frames)."""

    queued_bytes: int
    answer_bytes: int
    shed: int


class Outbox:
    """Frames for one client, in order.

    Overflow rule: ``limit`` bytes. From half of it on, frames that are not lasting are shed. A lasting frame
    that does not fit is refused with ``OVERFLOWED``: whoever owns the connection closes it, since a client
    that has not taken so much is too slow or gone, and nobody waits for it.

    Answers to what the client asked for itself (:meth:`answer`) are counted apart and never refused: history
    that was asked for may be larger than the limit. They are bounded by their source: the connection reads no
    further while :attr:`owes` is true.
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
        """All bytes that wait."""
        return self._queued_bytes + self._answer_bytes

    @property
    def owes(self) -> bool:
        """Whether the client has been slow to take its own answers: it should be asked nothing more yet."""
        return self._answer_bytes * 2 > self.limit

    def offer(self, offered: Frame) -> Offer:
        """Take a frame that the client did not ask for, or say why not."""
        after = self._queued_bytes + offered.size
        if not offered.is_lasting and after * 2 > self.limit:
            self._shed += 1
            return Offer.SHED
        if after > self.limit and self._queued_bytes > 0:
            return Offer.OVERFLOWED
        self._queued_bytes = after
        self._frames.append((offered, False))
        return Offer.TAKEN

    def answer(self, answer: Frame) -> None:
        """Take a frame that the client asked for."""
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
        """Drop everything: the client will not be sent it."""
        self._frames.clear()
        self._queued_bytes = self._answer_bytes = 0

    def statistics(self) -> OutboxStatistics:
        """Return the figures."""
        return OutboxStatistics(
            queued_bytes=self._queued_bytes, answer_bytes=self._answer_bytes, shed=self._shed
        )

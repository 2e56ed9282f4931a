"""What waits to be sent to one client, bounded in bytes. Pure."""

from collections import deque
from collections.abc import Callable
from enum import Enum, auto

import msgspec
from msgspec import Struct

from orch.protocol.messages import MessageId, ServerMessage, encode


class Frame:
    """A text frame, encoded once for everyone it goes to.

    ``is_lasting``: it must arrive or the client must know that it did not. What is not lasting is replaced by
    what comes after it (a revision, presence, a topic's state) and may be shed.
    """

    __slots__ = ("_text", "_wire", "data", "is_lasting")

    def __init__(self, data: bytes, *, is_lasting: bool) -> None:
        self.data = data
        self.is_lasting = is_lasting
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
        """The frame as ASGI wants it; decoded once, too."""
        if self._text is None:
            self._text = self.data.decode()
        return self._text

    def wire(self, encode: Callable[[bytes], bytes]) -> bytes:
        """Return the frame as it goes over the socket; made by ``encode`` the first time."""
        if self._wire is None:
            self._wire = encode(self.data)
        return self._wire

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


def verdict(queued: int, size: int, *, is_lasting: bool, limit: int) -> Offer:
    """Return what becomes of a frame of ``size`` bytes where ``queued`` wait that were not asked for.

    Overflow rule: ``limit`` bytes. From half of it on, frames that are not lasting are shed. A lasting frame
    that does not fit overflows. A client that has taken all so far is sent a frame of any size.
    """
    if queued <= 0:
        return Offer.TAKEN
    if not is_lasting and (queued + size) * 2 > limit:
        return Offer.SHED
    return Offer.OVERFLOWED if queued + size > limit else Offer.TAKEN


class QueuedReplies:
    """Which of the bytes that wait, where someone else keeps the queue, are answers.

    They are counted apart, as :class:`Outbox` does. The mutable state: where in the stream each answer ends;
    bounded by what is asked, since who is owed much is asked nothing more.
    """

    __slots__ = ("_answers", "_bytes")

    def __init__(self) -> None:
        self._answers: deque[tuple[int, int]] = deque()
        self._bytes = 0

    def __repr__(self) -> str:
        return f"<QueuedReplies {self._bytes} bytes in {len(self._answers)} answers>"

    def add(self, end: int, size: int) -> None:
        """Note an answer of ``size`` bytes that ends at byte ``end`` of all that was said."""
        self._answers.append((end, size))
        self._bytes += size

    def left(self, taken: int) -> int:
        """Return how many bytes of answers wait once ``taken`` bytes of all that was said have been taken.

        Of an answer that was taken in part, only the rest counts: never are more owed than wait.
        """
        while self._answers and self._answers[0][0] <= taken:
            self._bytes -= self._answers.popleft()[1]
        if not self._answers:
            return self._bytes
        end, size = self._answers[0]
        return self._bytes - max(taken - (end - size), 0)


class OutboxStatistics(Struct, frozen=True):
    """What waits now (bytes) and what was shed so far (frames)."""

    queued_bytes: int
    answer_bytes: int
    shed: int


class Outbox:
    """Frames for one client, in order.

    Overflow rule: :func:`verdict`'s. Where it is ``OVERFLOWED``, whoever owns the connection closes it, since
    a client that has not taken so much is too slow or gone, and nobody waits for it.

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
        outcome = verdict(self._queued_bytes, offered.size, is_lasting=offered.is_lasting, limit=self.limit)
        if outcome is Offer.SHED:
            self._shed += 1
        elif outcome is Offer.TAKEN:
            self._queued_bytes += offered.size
            self._frames.append((offered, False))
        return outcome

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

"""The sound of one stream on its way through a pipeline in another process: none of it is lost. Pure.

Output sample n belongs to input sample n, so what was sent and has not returned is known to the sample. It is
stored here until it returns. Where the process dies, or is too slow, it is used as it was sent; its beginning
fades over from what returned last (``borders.py``).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from orch.audio import borders
from orch.audio.pipeline_settings import PipelineSettings

IN_FLIGHT: Final = 1.0
"""Seconds of sound that a pipeline is sent beyond its latency before anything returns."""
PATIENCE: Final = 2.0
"""Seconds within which a sample must return, once a pipeline has what it needs for it."""
OPENING: Final = 6.0
"""Seconds until a pipeline is open: its process may have to start."""
LATENCY: Final = 1.0
"""Seconds of latency, as long as a pipeline has not sent its own."""


class PipelineUnavailableError(Exception):
    """No process can run another pipeline now; the text says why."""


class PipelineLink(Protocol):
    """The way to a pipeline in another process; nothing waits. After an end, calls do nothing."""

    def send(self, pcm: bytes) -> None:
        """Send samples."""

    def change(self, settings: PipelineSettings) -> None:
        """Send other settings."""

    def flush(self) -> None:
        """Send that there is no more sound."""

    def close(self, *, was_late: bool = False) -> None:
        """Forget the stream. ``was_late``: it did not return its sound in time."""


class PipelineReceiver(Protocol):
    """What receives from a pipeline in another process."""

    def opened(self, latency: int) -> None:
        """Receive the latency, in samples."""

    def received(self, pcm: bytes) -> None:
        """Receive processed samples."""

    def flushed(self) -> None:
        """Receive that everything was returned."""

    def failed(self, reason: str) -> None:
        """Receive that nothing will return any more."""


@dataclass(slots=True)
class _Sent:
    """A block that was sent: its samples that have not returned, up to sample ``end``.

    ``arrived``: when its sound arrived from the speaker; ``sent``: when it was sent.
    """

    pcm: bytes
    end: int
    arrived: float
    sent: float


Piece = tuple[bytes, float]
"""Samples, and when their sound arrived."""


class LivePipeline:
    """A stream's pipeline. Times are of one monotonic clock; samples have ``rate`` a second.

    Bounded: :attr:`has_room` is False beyond :data:`IN_FLIGHT` seconds and the latency.

    ``changed`` is called when something has arrived. The mutable state is what was sent and has not returned,
    what has returned and was not taken, the end of what has returned, and how far it is.
    """

    def __init__(self, *, rate: int, now: float, patience: float, changed: Callable[[], None]) -> None:
        self.link: PipelineLink
        self.failure: str | None = None
        self._rate = rate
        self._patience = patience
        self._opening_until = now + max(patience, OPENING)
        self._changed = changed
        self._latency: int | None = None
        self._sent: deque[_Sent] = deque()
        self._sent_samples = 0
        self._returned_samples = 0
        self._ready: deque[Piece] = deque()
        self._came = self._made = (
            b""  # the last samples that have returned, as they were sent and as they are
        )
        self._flushed_at: float | None = None
        self._is_flushed = False

    def __repr__(self) -> str:
        return f"<LivePipeline {self.owed} of {self._sent_samples} samples to return, {self.failure or 'ok'}>"

    @property
    def owed(self) -> int:
        """How many samples were sent and have not returned."""
        return self._sent_samples - self._returned_samples

    @property
    def returned(self) -> int:
        """How many samples have returned."""
        return self._returned_samples

    @property
    def has_room(self) -> bool:
        """Whether more may be sent."""
        latency = LATENCY * self._rate if self._latency is None else self._latency
        return self._flushed_at is None and self.owed < latency + IN_FLIGHT * self._rate

    @property
    def is_flushing(self) -> bool:
        """Whether no more sound is sent."""
        return self._flushed_at is not None

    @property
    def is_done(self) -> bool:
        """Whether everything was sent, returned and taken."""
        return self._is_flushed and not self._ready

    @property
    def late_at(self) -> float | None:
        """When the pipeline is too slow, unless something returns before; None: nothing has to."""
        if self._is_flushed or (not self._sent and self._flushed_at is None):
            return None
        if self._latency is None:
            return self._opening_until
        needed = self._returned_samples + self._latency
        for block in self._sent:
            if block.end > needed:
                return block.sent + self._patience
        return None if self._flushed_at is None else self._flushed_at + self._patience

    def send(self, pcm: bytes, arrived: float, now: float) -> None:
        """Send samples."""
        if pcm:
            self._sent_samples += len(pcm) // 2
            self._sent.append(_Sent(pcm, self._sent_samples, arrived, now))
            self.link.send(pcm)

    def flush(self, now: float) -> None:
        """Send that there is no more sound."""
        self._flushed_at = now
        self.link.flush()

    def take(self) -> Piece | None:
        """Return the next processed samples; None: nothing has returned."""
        return self._ready.popleft() if self._ready else None

    def give_up(self, *, was_late: bool = False) -> list[Piece]:
        """Close the pipeline; return what it has returned, and the rest as it was sent."""
        self.link.close(was_late=was_late)
        self._use_unprocessed()
        pieces = list(self._ready)
        self._ready.clear()
        return pieces

    # From the process.

    def opened(self, latency: int) -> None:
        """Receive the latency."""
        self._latency = latency
        self._changed()

    def received(self, pcm: bytes) -> None:
        """Receive processed samples; more than were sent are dropped."""
        view = memoryview(pcm)
        while view and self._sent:
            block = self._sent[0]
            length = min(len(view), len(block.pcm))
            made = bytes(view[:length])
            self._ready.append((made, block.arrived))
            self._note(block.pcm[:length], made)
            view = view[length:]
            self._returned_samples += length // 2
            block.pcm = block.pcm[length:]
            if not block.pcm:
                self._sent.popleft()
        self._changed()

    def flushed(self) -> None:
        """Receive that everything was returned. What was not is used as it was sent."""
        self._use_unprocessed()
        self._is_flushed = True
        self._changed()

    def failed(self, reason: str) -> None:
        """Receive that nothing will return any more."""
        self.failure = reason
        self._changed()

    def _note(self, came: bytes, made: bytes) -> None:
        length = 2 * round(borders.COMPARED * self._rate)
        self._came = (self._came + came)[-length:]
        self._made = (self._made + made)[-length:]

    def _use_unprocessed(self) -> None:
        rest = min(self.owed, round(borders.FADE * self._rate))
        faded = borders.joined(self._came, self._made, b"".join(each.pcm for each in self._sent)[: 2 * rest])
        for block in self._sent:
            begins, faded = faded[: len(block.pcm)], faded[len(block.pcm) :]
            self._ready.append((begins + block.pcm[len(begins) :], block.arrived))
            self._returned_samples += len(block.pcm) // 2
        self._sent.clear()

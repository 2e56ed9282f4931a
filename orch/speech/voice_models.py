"""Loaded models of voice activity, each lent to one stream at a time.

A model remembers the sound that it was given, and takes a while to load. So some are loaded ahead, and are
lent again after their stream has ended.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Never, Protocol

import structlog
import trio

from orch.audio.voice_activity import Frames

log = structlog.get_logger("speech")

LIMIT: Final = 16
"""Models in memory; Silero occupies 9 MB."""
AHEAD: Final = 2
"""Models that are loaded before a stream needs them."""


class VoiceModel(Protocol):
    """A loaded model."""

    def probability(self, frame: Frames) -> float:
        """Return the probability of speech in the next frame."""

    def reset(self) -> None:
        """Forget the frames so far."""


class VoiceModels:
    """Lends models that ``load`` returns, which accept ``frame`` samples at a time.

    Bounded by ``limit``. Overflow rule: :meth:`borrow` returns None, and the stream does without a model.

    Error handling: a model that cannot be loaded (ImportError, OSError, RuntimeError) is logged, and no
    others are loaded from then on.

    The mutable state is the free models, and how many are loaded.
    """

    def __init__(self, load: Callable[[], Awaitable[VoiceModel]], *, frame: int, limit: int = LIMIT) -> None:
        self.frame = frame
        self._load = load
        self._limit = limit
        self._free: list[VoiceModel] = []
        self._loaded = 0
        self._taken = trio.Event()

    def borrow(self) -> VoiceModel | None:
        """Return a model that remembers nothing, or None where none is free."""
        if not self._free:
            return None
        model = self._free.pop()
        model.reset()
        self._taken.set()
        return model

    def give_back(self, model: VoiceModel) -> None:
        """Accept a model whose stream has ended."""
        self._free.append(model)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Keep :data:`AHEAD` models loaded, up to the limit. Started once the first ones are loaded."""
        is_started = False
        while True:
            self._taken = trio.Event()
            try:
                while len(self._free) < AHEAD and self._loaded < self._limit:
                    model = await self._load()
                    self._loaded += 1
                    self._free.append(model)
            except (ImportError, OSError, RuntimeError) as error:
                log.warning("no voice model", reason=f"{type(error).__name__}: {error}")
                self._limit = self._loaded
            if not is_started:
                is_started = True
                task_status.started()
            await self._taken.wait()

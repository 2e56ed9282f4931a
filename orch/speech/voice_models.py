"""Loaded models of voice activity, each lent to one stream at a time.

A model remembers the sound that it was given, so no two streams share one. It is loaded when a stream first
needs it, and lent again after that stream has ended.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, Protocol

import structlog
import trio

from orch.audio.voice_activity import Frames
from orch.speech.statistics import VoiceModelStatistics

log = structlog.get_logger("speech")

LIMIT: Final = 16
"""Models in memory; Silero occupies 9 MB."""
LOAD_SECONDS: Final = 2.0
"""How long a stream waits for a model; as long its sound is queued."""


class VoiceModel(Protocol):
    """A loaded model."""

    def probability(self, frame: Frames) -> float:
        """Return the probability of speech in the next frame."""

    def reset(self) -> None:
        """Forget the frames so far."""


class VoiceModels:
    """Lends models that ``load`` returns, which accept ``frame`` samples at a time.

    Bounded by ``limit``. Overflow rule: a stream for which no model is free has none until it ends.

    Error handling: a model that cannot be loaded (ImportError, OSError, RuntimeError) is logged, and no
    others are loaded from then on. One that is not loaded within :data:`LOAD_SECONDS` is logged, and only
    its stream has none.

    The mutable state is the free models, how many are loaded and being loaded, how many streams have missed
    one, and the error that ended the loading.
    """

    def __init__(self, load: Callable[[], Awaitable[VoiceModel]], *, frame: int, limit: int = LIMIT) -> None:
        self.frame = frame
        self._load = load
        self._limit = limit
        self._free: list[VoiceModel] = []
        self._loaded = 0
        self._loading = 0
        self._missed = 0
        self._error: str | None = None

    def statistics(self) -> VoiceModelStatistics:
        """Return the figures."""
        return VoiceModelStatistics(
            lent=self._loaded - len(self._free),
            loaded=self._loaded,
            limit=self._limit,
            missed=self._missed,
            error=self._error,
        )

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[VoiceModel | None]:
        """Lend a model that remembers nothing, or None where there is none, for the time of a stream."""
        model = self._free.pop() if self._free else await self._load_another()
        if model is None:
            self._missed += 1
            yield None
            return
        try:
            model.reset()
            yield model
        finally:
            self._free.append(model)

    async def _load_another(self) -> VoiceModel | None:
        if self._error is not None or self._loaded + self._loading >= self._limit:
            return None
        self._loading += 1
        try:
            with trio.fail_after(LOAD_SECONDS):
                model = await self._load()
        except trio.TooSlowError:
            log.warning("voice model not loaded in time", seconds=LOAD_SECONDS)
            return None
        except (ImportError, OSError, RuntimeError) as error:
            self._error = f"{type(error).__name__}: {error}"
            log.warning("no voice model", reason=self._error)
            return None
        finally:
            self._loading -= 1
        self._loaded += 1
        return model

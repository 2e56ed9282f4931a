"""Gets a Whisper model that is not on this machine, and loads it."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
import trio

from orch.sandbox.engines import whisper
from orch.sandbox.engines.speech import SpeechEngine
from orch.sandbox.engines.speech_engines import own_locations
from orch.sandbox.models.catalog import MODELS
from orch.sandbox.models.download import ModelDownload
from orch.sandbox.models.progress import Progress

log = structlog.get_logger("models")

RETRY: Final = 300.0
"""Seconds before faster-whisper is used again to download a model whose hashes are not known."""

OnProgress = Callable[[Progress | None], None]

GetBetter = Callable[[str, OnProgress], Awaitable[SpeechEngine]]
"""Returns the engine with the model of that name, as soon as it is there."""


async def get_whisper(name: str, on_progress: OnProgress) -> SpeechEngine:
    """Return Whisper with a model, however long its download takes.

    ``on_progress`` receives None for a download without known progress. Raises
    :class:`whisper.ModelUnavailable` if a model that is complete cannot be loaded.
    """
    pinned = MODELS.get(name)
    if pinned is None:
        return await _load_from_hub(name, on_progress)
    download = ModelDownload(pinned, own_locations())
    download.on_change = lambda: on_progress(download.progress)
    return await whisper.load_folder(await download.run(), name)


async def _load_from_hub(name: str, on_progress: OnProgress) -> SpeechEngine:
    """Have faster-whisper download a model by its own means, until that succeeds."""
    while True:
        on_progress(None)
        try:
            return await whisper.load(name, fetch_seconds=float("inf"))
        except whisper.ModelUnavailable as error:
            log.warning("model not downloaded", model=name, reason=str(error), next_in=RETRY)
            on_progress(Progress(state="waiting", received=0, size=0, problem=str(error), next_in=RETRY))
        await trio.sleep(RETRY)

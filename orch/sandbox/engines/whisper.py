"""faster-whisper, where the extra ``[whisper]`` is installed and a model can be had."""

import math
import threading
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
import structlog
import trio

from orch.sandbox.engines.speech import Heard, Segment, Word

log = structlog.get_logger("whisper")

DEFAULT_MODEL: Final = "base"
BEAM: Final = 5


def is_installed() -> bool:
    """Whether faster-whisper can be imported. Nothing is imported to find out."""
    return find_spec("faster_whisper") is not None


async def load(model: str, *, fetch_seconds: float) -> "Whisper | None":
    """Return the engine with ``model`` (a name such as ``base``, or a folder), or None where it can't be had.

    The model is looked for on the disk first. Only then is it fetched, for ``fetch_seconds`` at most (0: not
    at all); what was fetched until then is kept, so that a later start goes on from there.
    """
    found = await _load(model, local_files_only=True)
    if found is None and fetch_seconds > 0:
        with trio.move_on_after(fetch_seconds):
            found = await _load(model, local_files_only=False)
    return None if found is None else Whisper(found, model)


async def _load(model: str, *, local_files_only: bool) -> Any:
    """Return a loaded model or None. A cancelled load goes on in its thread, which ends with the process."""

    def attempt() -> Any:
        from faster_whisper import WhisperModel  # noqa: PLC0415 - seconds to import, and only in this thread

        try:
            return WhisperModel(model, local_files_only=local_files_only)
        except Exception as error:  # noqa: BLE001 - Hugging Face, the network and CTranslate2 raise what they like
            reason = f"{type(error).__name__}: {error}"
            log.info("no model", model=model, local_files_only=local_files_only, reason=reason[:300])
            return None

    return await trio.to_thread.run_sync(attempt, abandon_on_cancel=True)


class Whisper:
    """The engine, around a loaded ``faster_whisper.WhisperModel``.

    It hears one recording at a time, because one uses every core. A cancelled one stops at the next segment:
    a segment is decoded in C++, which cannot be interrupted; until then the next recording waits.
    """

    name = "faster-whisper"
    capacity = 1

    def __init__(self, loaded: Any, model: str) -> None:
        self._loaded = loaded
        self.model = model
        self.languages = tuple(sorted(loaded.supported_languages, key=lambda code: (code != "en", code)))
        self._places = trio.CapacityLimiter(self.capacity)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Wait until cancelled: the model is loaded already."""
        task_status.started()
        await trio.sleep_forever()

    async def hear(self, pcm: bytes, *, language: str | None, skip_silence: bool) -> Heard:
        """Write down a recording in a thread."""
        stopped = threading.Event()
        work = partial(
            self._transcribe, pcm, language=language, skip_silence=skip_silence, is_stopped=stopped.is_set
        )
        try:
            return await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._places)
        finally:
            stopped.set()

    def _transcribe(
        self, pcm: bytes, *, language: str | None, skip_silence: bool, is_stopped: Callable[[], bool]
    ) -> Heard:
        audio = np.frombuffer(pcm, dtype="<i2").astype(np.float32) / 32_768
        segments, info = self._loaded.transcribe(
            audio, language=language, beam_size=BEAM, word_timestamps=True, vad_filter=skip_silence
        )
        heard = []
        for segment in segments:  # each is decoded as it is asked for
            if is_stopped():
                break
            heard.append(_segment(segment))
        return Heard(segments=tuple(heard), language=info.language)


def _segment(segment: Any) -> Segment:
    """Read one segment. Its confidence is the geometric mean of its tokens' probabilities."""
    words = tuple(
        Word(word.word.strip(), round(word.start, 2), round(word.end, 2), round(word.probability, 6))
        for word in segment.words or ()
    )
    return Segment(
        start=round(segment.start, 2),
        end=round(segment.end, 2),
        text=segment.text.strip(),
        confidence=round(min(1.0, math.exp(segment.avg_logprob)), 6),
        words=words,
    )

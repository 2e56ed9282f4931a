"""faster-whisper, where the extra ``[whisper]`` is installed and a model can be had."""

import os
import threading
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog
import trio

from orch.sandbox.engines.speech import SAMPLE_RATE, Segment, Transcription, Word, mean_confidence

log = structlog.get_logger("whisper")

DEFAULT_MODEL: Final = "base"
BEAM: Final = 5

#: One second try, with some randomness, for a text that repeats itself. Whisper's own default of six tries
#: costs up to 32 s of processor time on four seconds of noise.
TEMPERATURES: Final = (0.0, 0.4)

#: Tokens a window of 30 s may become: people speak 4 to 5 a second. A decoder in a loop stops here.
TOKENS_PER_SECOND: Final = 8
TOKENS_BESIDE: Final = 12
WINDOW_SECONDS: Final = 30

#: Above the first and below the second, Whisper doubts that its text was said at all. Measured with the base
#: model: every false text on noise, music and coughs lies there, and 1 of 168 segments of real speech.
DOUBTED_NO_SPEECH: Final = 0.45
DOUBTED_LOGPROB: Final = -0.7

#: Whisper's own threshold: a text that packs this well repeats itself.
LOOPING: Final = 2.4

#: What a folder needs to be a model for CTranslate2.
_MODEL_FILES: Final = ("model.bin", "config.json")


class ModelUnavailable(Exception):  # noqa: N818 - what happened, as its catchers read it
    """The model is unavailable. The text says what is missing, and where."""


def is_installed() -> bool:
    """Whether faster-whisper can be imported. Nothing is imported to find out."""
    return find_spec("faster_whisper") is not None


def is_folder(model: str) -> bool:
    """Whether a model is named by its folder, not by a name that the model hub knows."""
    return os.sep in model or model.startswith(("~", ".")) or Path(model).is_dir()


def in_full(model: str) -> str:
    """Return a model's folder without ``~``."""
    return str(Path(model).expanduser())


def last_name(folder: str) -> str:
    """Return a folder model's name, without the folder's location."""
    return Path(folder).resolve().name


def missing_from(folder: str) -> str | None:
    """Return what a model's folder lacks, as a sentence, or None."""
    path = Path(folder).expanduser()
    if not path.is_dir():
        return f"The folder {path} does not exist."
    lacking = [name for name in _MODEL_FILES if not (path / name).is_file()]
    if lacking:
        return (
            f"The folder {path} is not a Whisper model for CTranslate2: {' and '.join(lacking)} "
            "missing. It must contain model.bin, config.json, tokenizer.json and vocabulary.*."
        )
    return None


async def load(model: str, *, fetch_seconds: float) -> "Whisper":
    """Return the engine with ``model``: a name such as ``base``, or a folder.

    A name is looked for on the disk first. Only then is it fetched, for ``fetch_seconds`` at most (0: not at
    all); what was fetched until then stays, so that a later start goes on from there. Raises
    :class:`ModelUnavailable`.
    """
    if is_folder(model):
        folder = in_full(model)
        lacking = missing_from(folder)
        if lacking is not None:
            raise ModelUnavailable(lacking)
        return Whisper(await _load(folder, local_files_only=True), last_name(folder))
    try:
        return Whisper(await _load(model, local_files_only=True), model)
    except ModelUnavailable:
        if fetch_seconds <= 0:
            raise
    with trio.move_on_after(fetch_seconds):
        return Whisper(await _load(model, local_files_only=False), model)
    raise ModelUnavailable(f"The model {model} could not be fetched within {fetch_seconds:g} s.")


async def _load(model: str, *, local_files_only: bool) -> Any:
    """Return a loaded model. A cancelled load goes on in its thread, which ends with the process."""

    def attempt() -> Any:
        from ctranslate2 import get_cuda_device_count  # noqa: PLC0415 - seconds to import, and only in this thread
        from faster_whisper import WhisperModel  # noqa: PLC0415 - the same

        # Without it CTranslate2 computes in float32 on a processor: half as fast, twice as large, same words.
        compute_type = "default" if get_cuda_device_count() else "int8"
        try:
            return WhisperModel(model, compute_type=compute_type, local_files_only=local_files_only)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"[:300]
            log.info("no model", model=model, local_files_only=local_files_only, reason=reason)
            where = "on this machine" if local_files_only else "here or at the model hub"
            raise ModelUnavailable(f"The model {model} cannot be loaded {where}: {reason}") from error

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

    async def hear(self, pcm: bytes, *, language: str | None, skip_silence: bool) -> Transcription:
        """Transcribe a recording in a thread."""
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
    ) -> Transcription:
        audio = np.frombuffer(pcm, dtype="<i2").astype(np.float32) / 32_768
        segments, info = self._loaded.transcribe(
            audio,
            language=language,
            beam_size=BEAM,
            best_of=1,
            temperature=TEMPERATURES,
            compression_ratio_threshold=LOOPING,
            condition_on_previous_text=False,
            max_new_tokens=token_limit(len(audio) / SAMPLE_RATE),
            word_timestamps=True,
            vad_filter=skip_silence,
        )
        heard = []
        for segment in segments:  # each is decoded as it is asked for
            if is_stopped():
                break
            if is_doubted(segment):
                log.info("text of low confidence dropped", seconds=round(segment.end - segment.start, 2))
                continue
            heard.append(_segment(segment))
        probability = None if language else round(float(info.language_probability), 6)
        return Transcription(segments=tuple(heard), language=info.language, language_probability=probability)


def token_limit(seconds: float) -> int:
    """Return the token limit of one window of a recording."""
    return TOKENS_BESIDE + int(TOKENS_PER_SECOND * min(seconds, WINDOW_SECONDS))


def is_doubted(segment: Any) -> bool:
    """Whether Whisper's own figures mark a segment as no speech or as a repetition."""
    not_said = segment.no_speech_prob > DOUBTED_NO_SPEECH and segment.avg_logprob < DOUBTED_LOGPROB
    return bool(not_said or segment.compression_ratio > LOOPING)


def _segment(segment: Any) -> Segment:
    """Read one segment. Its confidence is the mean of its words' probabilities.

    faster-whisper gives NumPy's numbers, which JSON does not know.
    """
    words = tuple(
        Word(
            str(word.word).strip(),
            round(float(word.start), 2),
            round(float(word.end), 2),
            round(float(word.probability), 6),
        )
        for word in segment.words or ()
    )
    return Segment(
        start=round(float(segment.start), 2),
        end=round(float(segment.end), 2),
        text=str(segment.text).strip(),
        confidence=mean_confidence(words),
        words=words,
    )

"""The faster-whisper engine; needs the extra ``[whisper]`` and a model."""

import os
import threading
from collections.abc import Callable, Iterable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog
import trio

from orch.sandbox.engines.recorded_speech import (
    SAMPLE_RATE,
    Segment,
    Transcription,
    Word,
    mean_confidence,
)
from orch.sandbox.engines.whisper_decoding import (
    LOOPING,
    WHOLE_WINDOW,
    Attempt,
    attempts,
    is_looping,
    is_prompted,
    is_same_window,
    is_unreliable,
    token_limit,
    with_prompt,
)

log = structlog.get_logger("whisper")

DEFAULT_MODEL: Final = "base"
BEAM: Final = 5
INTERIM_BEAM: Final = 1
"""Of speech that goes on: two thirds of the processor time; the next text replaces this one anyway."""

#: The files of a Whisper model for CTranslate2: patterns, of which each must match a file. Without the
#: tokenizer the library would request one from the model hub.
_MODEL_FILES: Final = ("model.bin", "config.json", "tokenizer.json", "vocabulary.*")

#: Files of other kinds of models, and what to do with them.
_OTHER_KINDS: Final = (
    ("*.safetensors", "It is a model for Transformers: convert it with ct2-transformers-converter."),
    ("pytorch_model.bin", "It is a model for Transformers: convert it with ct2-transformers-converter."),
    ("ggml-*.bin", "It is a model for whisper.cpp; that server can be used as a back end of its own."),
    ("*.pt", "It is a model for OpenAI's own program; the same one exists for CTranslate2."),
    ("snapshots/*/model.bin", "The model is in its folder snapshots/REVISION."),
)


class ModelUnavailable(Exception):  # noqa: N818 - as it reads in an except clause
    """The model is unavailable. The text says what is missing and where."""


def is_installed() -> bool:
    """Return whether faster-whisper can be imported, without importing it."""
    return find_spec("faster_whisper") is not None


def is_folder(model: str) -> bool:
    """Return whether ``model`` is a folder rather than a name of the model hub."""
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
    lacking = [name for name in _MODEL_FILES if not any(found.is_file() for found in path.glob(name))]
    if lacking:
        hints = [f" {hint}" for pattern, hint in _OTHER_KINDS if any(path.glob(pattern))]
        return (
            f"The folder {path} is not a Whisper model for CTranslate2: {' and '.join(lacking)} "
            "missing. It must contain model.bin, config.json, tokenizer.json and vocabulary.*."
            + "".join(hints[:1])
        )
    return None


async def load_folder(folder: Path, name: str) -> "Whisper":
    """Return the engine with the model in a folder, under ``name``. Raises :class:`ModelUnavailable`."""
    return Whisper(await _load(str(folder), local_files_only=True), name)


async def load(model: str, *, fetch_seconds: float) -> "Whisper":
    """Return the engine with ``model``: a name such as ``base``, or a folder.

    A named model is searched on the disk first, then downloaded within ``fetch_seconds`` (0: not at all); a
    partial download is continued at the next start. Raises :class:`ModelUnavailable`.
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
    """Return a loaded model. A cancelled load continues in its thread, which ends with the process."""

    def attempt() -> Any:
        from ctranslate2 import get_cuda_device_count  # noqa: PLC0415 - seconds to import, and only in this thread
        from faster_whisper import WhisperModel  # noqa: PLC0415 - the same

        # The default, float32, is half as fast and twice as large, with the same words.
        compute_type = "default" if get_cuda_device_count() else "int8"
        try:
            return WhisperModel(model, compute_type=compute_type, local_files_only=local_files_only)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"[:300].rstrip(".")
            log.info("no model", model=model, local_files_only=local_files_only, reason=reason)
            where = "on this machine" if local_files_only else "here or at the model hub"
            hint = " A file of it may be damaged or incomplete." if Path(model).is_dir() else ""
            raise ModelUnavailable(f"The model {model} cannot be loaded {where}: {reason}.{hint}") from error

    return await trio.to_thread.run_sync(attempt, abandon_on_cancel=True)


class Whisper:
    """The engine, around a loaded ``faster_whisper.WhisperModel``.

    ``beam``: hypotheses that are followed at a time. ``plan``: returns the attempts for a recording's length
    in seconds.

    It transcribes one recording at a time, because each uses every core. A cancelled one stops after the
    current segment, whose decoding in C++ cannot be interrupted; until then the next recording waits.
    """

    name = "faster-whisper"
    capacity = 1

    def __init__(
        self,
        loaded: Any,
        model: str,
        *,
        beam: int = BEAM,
        plan: Callable[[float], tuple[Attempt, ...]] = attempts,
    ) -> None:
        self._loaded = loaded
        self._beam = beam
        self._plan = plan
        self.model = model
        self.languages = tuple(sorted(loaded.supported_languages, key=lambda code: (code != "en", code)))
        self._places = trio.CapacityLimiter(self.capacity)
        # faster-whisper pads each window to 30 s just before it encodes it, and has no parameter for less.
        self._encoder = loaded.encode = _Encoder(loaded.encode)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Wait until cancelled; the model is loaded already."""
        task_status.started()
        await trio.sleep_forever()

    async def transcribe(
        self,
        pcm: bytes,
        *,
        language: str | None,
        skip_silence: bool,
        prompt: str = "",
        is_interim: bool = False,
    ) -> Transcription:
        """Transcribe a recording in a thread.

        A text that may come from the ``prompt`` alone is decoded again without it.
        """
        stopped = threading.Event()
        work = partial(
            self._transcribe,
            pcm,
            language=language,
            skip_silence=skip_silence,
            is_stopped=stopped.is_set,
            prompt=prompt,
            beam=INTERIM_BEAM if is_interim else self._beam,
        )
        try:
            return await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._places)
        finally:
            stopped.set()

    def _transcribe(
        self,
        pcm: bytes,
        *,
        language: str | None,
        skip_silence: bool,
        is_stopped: Callable[[], bool],
        prompt: str = "",
        beam: int | None = None,
    ) -> Transcription:
        audio = np.frombuffer(pcm, dtype="<i2").astype(np.float32) / 32_768
        seconds = len(audio) / SAMPLE_RATE
        spoken, probability = language or "", None
        segments: list[Any] = []
        plan = self._plan(seconds)
        for attempt in with_prompt(plan) if prompt else plan:
            self._encoder.begin(attempt.frames)
            decoding, info = self._loaded.transcribe(
                audio,
                language=spoken or None,
                beam_size=beam or self._beam,
                best_of=1,
                temperature=attempt.temperatures,
                compression_ratio_threshold=LOOPING,
                condition_on_previous_text=False,
                max_new_tokens=token_limit(seconds),
                word_timestamps=True,
                vad_filter=skip_silence,
                hotwords=prompt if attempt.has_prompt else None,
            )
            if not spoken:
                spoken, probability = info.language, round(float(info.language_probability), 6)
            segments = _decoded(decoding, is_stopped)
            is_doubtful = is_prompted if attempt.has_prompt else is_looping
            if is_stopped() or not any(is_doubtful(segment) for segment in segments):
                break
            log.info("decoding again", seconds=round(seconds, 2), window=attempt.frames)
        reliable = [segment for segment in segments if not is_unreliable(segment)]
        if len(reliable) < len(segments):
            log.info("text of low confidence dropped", segments=len(segments) - len(reliable))
        return Transcription(
            segments=tuple(_segment(segment) for segment in reliable),
            language=spoken,
            language_probability=probability,
        )


class _Encoder:
    """Encodes as many frames as a recording needs, and its first window once.

    To detect a language, faster-whisper encodes the first window, and encodes it again to decode it. The two
    differ by the last 10 ms, which are padding.

    The mutable state is the number of frames, and the last window with its encoding.
    """

    def __init__(self, encode: Callable[[Any], Any]) -> None:
        self._encode = encode
        self._frames = WHOLE_WINDOW
        self._window: Any = None
        self._encoded: Any = None

    def begin(self, frames: int) -> None:
        """Begin a decoding with windows of so many frames."""
        self._frames = frames
        self._window = self._encoded = None

    def __call__(self, features: Any) -> Any:
        """Return the encoding of a window: bands by frames."""
        window = features[..., : self._frames]
        if self._window is None or not is_same_window(window, self._window):
            self._window, self._encoded = window, self._encode(window)
        return self._encoded


def _decoded(segments: Iterable[Any], is_stopped: Callable[[], bool]) -> list[Any]:
    """Return the segments, which are decoded one by one during the iteration, up to a stop."""
    decoded = []
    for segment in segments:
        if is_stopped():
            break
        decoded.append(segment)
    return decoded


def _segment(segment: Any) -> Segment:
    """Convert a segment. Its confidence is the mean of its words' probabilities.

    faster-whisper returns NumPy numbers, which cannot be encoded as JSON.
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

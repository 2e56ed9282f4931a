"""Engines and their libraries, scripted."""

import threading
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import trio

from orch.sandbox.engines.language_pairs import Pair
from orch.sandbox.engines.recorded_speech import Segment, Transcription, Word
from orch.sandbox.engines.routes import Method

SAID = Segment(0.5, 1.5, "hello there", 0.75, (Word("hello", 0.5, 1.0, 0.9), Word("there", 1.0, 1.5, 0.6)))


class ScriptedSpeechEngine:
    """Hears :data:`SAID` in everything, or waits (``is_stuck``) for ``unstick``, or breaks (``failure``)."""

    name = "scripted"
    model = "of-tests"
    languages: tuple[str, ...] = ("en", "de")
    capacity = 1

    def __init__(self) -> None:
        self.is_stuck = False
        self.failure: Exception | None = None
        self.asked: list[tuple[int, str | None, bool]] = []
        self.prompts: list[str] = []
        self.interim: list[bool] = []
        self.cancelled = 0
        self.unstick = trio.Event()
        self.is_ended = False

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            self.is_ended = True

    async def transcribe(
        self,
        pcm: bytes,
        *,
        language: str | None,
        skip_silence: bool,
        prompt: str = "",
        is_interim: bool = False,
    ) -> Transcription:
        self.prompts.append(prompt)
        self.interim.append(is_interim)
        self.asked.append((len(pcm), language, skip_silence))
        if self.failure:
            raise self.failure
        try:
            if self.is_stuck:
                await self.unstick.wait()
            await trio.lowlevel.checkpoint()
        except trio.Cancelled:
            self.cancelled += 1
            raise
        return Transcription((SAID,), language or "en")


class ScriptedTranslationEngine:
    """Answers in capitals, or breaks (``failure``), or never answers (``is_stuck``), or drops ``lost``."""

    def __init__(
        self,
        name: str = "scripted",
        pairs: tuple[Pair, ...] = (Pair("en", "es"), Pair("es", "en")),
        *,
        method: Method = "rules",
    ) -> None:
        self.name = name
        self.pairs = pairs
        self.method = method
        self.failure: Exception | None = None
        self.is_stuck = False
        self.lost = ""
        self.prepared: list[Pair] = []

    async def prepare(self, pair: Pair) -> None:
        await trio.lowlevel.checkpoint()
        self.prepared.append(pair)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        await trio.sleep_forever()

    async def translate(self, text: str, pair: Pair) -> str:
        await trio.sleep(float("inf") if self.is_stuck else 0)
        if self.failure:
            raise self.failure
        kept = "".join(character for character in text if character not in self.lost)
        return f"{kept.upper()} ({pair.source} to {pair.target})"


class ScriptedWhisper(ModuleType):
    """Stands for the package ``faster_whisper``: three segments, each only when ``go`` says so.

    Numbers are NumPy's, as the package gives them. ``doubts``: other figures of the segment of that number.
    ``on_disk``: whether the model is there; ``can_fetch``: whether it could be fetched; ``is_slow``: a fetch
    lasts until ``go``, and then ``fetched`` is set. ``encoded``: the encoded frames of each decoding;
    ``loops_below``: with fewer frames the text repeats itself.
    """

    def __init__(self, *, on_disk: bool = True, can_fetch: bool = False, is_slow: bool = False) -> None:
        super().__init__("faster_whisper")
        self.loads: list[bool] = []
        self.decoded = 0
        self.go = threading.Semaphore(0)
        self.begun = threading.Event()
        self.fetched = threading.Event()
        package = self

        class WhisperModel:
            supported_languages = ("de", "en", "fr")

            def __init__(self, model: str, *, compute_type: str, local_files_only: bool) -> None:
                package.loads.append(local_files_only)
                package.compute_type = compute_type
                if is_slow and not local_files_only:
                    package.go.acquire()
                    package.fetched.set()
                if not on_disk and (local_files_only or not can_fetch):
                    raise OSError(f"no model {model}")

            def encode(self, features: Any) -> Any:
                package.encoded.append(features.shape[-1])
                return features

            def transcribe(self, audio: Any, **options: Any) -> tuple[Iterator[Any], Any]:
                package.options = options | {"samples": len(audio), "peak": float(abs(audio).max())}
                package.asked.append(package.options)
                features = np.zeros((80, 3000), dtype=np.float32)
                if options["language"] is None:
                    self.encode(features)
                self.encode(features)
                info = SimpleNamespace(
                    language=options["language"] or "fr", language_probability=np.float64(0.9)
                )
                return package.segments(), info

        self.options: dict[str, Any] = {}
        self.asked: list[dict[str, Any]] = []
        self.encoded: list[int] = []
        self.loops_below = 0
        self.compute_type = ""
        self.doubts: dict[int, dict[str, float]] = {}
        self.WhisperModel = WhisperModel

    def segments(self) -> Iterator[Any]:
        """Decode one segment after the other."""
        for number in range(3):
            self.begun.set()
            self.go.acquire()
            self.decoded += 1
            word = SimpleNamespace(
                word=f" word{number}",
                start=np.float64(number + 0.1),
                end=np.float64(number + 0.9),
                probability=np.float64(0.5),
            )
            loops = self.encoded[-1] < self.loops_below
            figures = {
                "avg_logprob": -0.5,
                "no_speech_prob": 0.01,
                "compression_ratio": 9.0 if loops else 0.8,
            }
            yield SimpleNamespace(
                start=np.float64(number),
                end=np.float64(number + 1.0),
                text=f" word{number}",
                words=[word],
                **(figures | self.doubts.get(number, {})),
            )

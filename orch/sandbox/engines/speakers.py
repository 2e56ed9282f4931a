"""Distinguishes the speakers of one microphone: the embedder in a thread, and the clusters of each session.

A voice is a person's biometric datum: the vectors stay in this process's memory, and those of a session are
dropped :data:`FORGOTTEN_AFTER` seconds after its last utterance.
"""

import secrets
import time
from collections.abc import Callable
from typing import Final, Protocol

import structlog
import trio
from msgspec import Struct

from orch.sandbox.engines.speaker_clusters import SpeakerClusters
from orch.sandbox.engines.speaker_embedding import (
    EmbedderUnavailable,
    SpeakerEmbedder,
    Voice,
    is_installed,
)

log = structlog.get_logger("speakers")

UNSURE: Final = "?"
FORGOTTEN_AFTER: Final = 1800.0
MOST_SESSIONS: Final = 64


class Embedder(Protocol):
    """Computes the vector of a voice."""

    def embed(self, pcm: bytes) -> Voice | None:
        """Return the voice in a recording; None: too little speech."""


class SpeakerCorrection(Struct, frozen=True):
    """An earlier utterance whose speaker is another than was returned for it."""

    segment_id: str
    speaker: str


class Identified(Struct, frozen=True):
    """An utterance's speaker, ``?`` if unsure; None: speakers are not distinguished, ``detail`` says why."""

    speaker: str | None
    corrections: tuple[SpeakerCorrection, ...] = ()
    detail: str | None = None


class _Conversation:
    """The speakers of one session, and when one was last heard."""

    def __init__(self) -> None:
        self.clusters = SpeakerClusters()
        # The numbers of another process, or after the session was forgotten, mean other people.
        self.suffix = secrets.token_hex(3)
        self.heard_at = 0.0

    def label(self, number: int | None) -> str:
        return UNSURE if number is None else f"{number}-{self.suffix}"


class SpeakerLabels:
    """Labels utterances with their speakers: ``1-ab12cd``, ``2-ab12cd``, or ``?``.

    Bounded: :data:`MOST_SESSIONS` sessions, the longest silent is forgotten first. The mutable state is
    those, and the embedder, or why there is none.
    """

    def __init__(
        self,
        *,
        load: Callable[[], Embedder] = SpeakerEmbedder.load,
        is_installed: Callable[[], bool] = is_installed,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._is_installed = is_installed
        self._clock = clock
        self._loading = trio.Lock()
        self._embedder: Embedder | None = None
        self._detail: str | None = None
        self._threads = trio.CapacityLimiter(1)
        self._conversations: dict[str, _Conversation] = {}

    @property
    def sessions(self) -> int:
        """How many sessions' voices are remembered."""
        return len(self._conversations)

    @property
    def is_available(self) -> bool:
        """Whether there is a model, as far as is known before the first utterance loads it."""
        if self._embedder is None and self._detail is None:
            return self._is_installed()
        return self._embedder is not None

    async def _loaded(self) -> Embedder | None:
        """Return the model, loading it at the first call; None if there is none."""
        async with self._loading:
            if self._embedder is None and self._detail is None:
                try:
                    self._embedder = await trio.to_thread.run_sync(self._load, limiter=self._threads)
                except EmbedderUnavailable as error:
                    self._detail = str(error)
                    log.info("no speaker model", detail=self._detail)
        return self._embedder

    async def identify(self, pcm: bytes, *, session_id: str, segment_id: str) -> Identified:
        """Return who spoke an utterance (16 kHz, mono, 16-bit), among the speakers of its session.

        ``segment_id``: a longer recording of the same utterance replaces it. A failure is logged and returned
        as ``detail``: the words of the utterance do not depend on it.
        """
        embedder = await self._loaded()
        if embedder is None:
            return Identified(None, detail=self._detail)
        try:
            voice = await trio.to_thread.run_sync(embedder.embed, pcm, limiter=self._threads)
        except Exception as error:
            log.exception("speaker model failed")
            return Identified(None, detail=f"The speaker model failed: {type(error).__name__}.")
        conversation = self._conversation(session_id)
        if voice is None:
            return Identified(UNSURE, self._corrections(conversation))
        number = conversation.clusters.identify(segment_id, voice.embedding, seconds=voice.seconds)
        return Identified(conversation.label(number), self._corrections(conversation))

    def _conversation(self, session_id: str) -> _Conversation:
        now = self._clock()
        for name, each in tuple(self._conversations.items()):  # the longest silent first
            if now - each.heard_at < FORGOTTEN_AFTER:
                break
            del self._conversations[name]
        found = self._conversations.pop(session_id, None) or _Conversation()
        found.heard_at = now
        while len(self._conversations) >= MOST_SESSIONS:
            del self._conversations[next(iter(self._conversations))]
        self._conversations[session_id] = found
        return found

    @staticmethod
    def _corrections(conversation: _Conversation) -> tuple[SpeakerCorrection, ...]:
        return tuple(
            SpeakerCorrection(key, conversation.label(number))
            for key, number in conversation.clusters.corrections()
        )

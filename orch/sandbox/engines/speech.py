"""The interface of a speech engine."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import trio

from orch.sandbox.engines.recorded_speech import Transcription


class SpeechEngine(Protocol):
    """An engine. It is usable while :meth:`run` runs."""

    name: str
    model: str
    languages: tuple[str, ...]
    """ISO 639-1 codes, the likeliest first."""
    capacity: int
    """Recordings that it transcribes at the same time; more would only make each of them slower."""

    async def run(self, *, task_status: trio.TaskStatus[None] = ...) -> None:
        """Keep the engine loaded until cancelled. Raises :class:`EngineFailed` when it dies."""

    async def transcribe(
        self,
        pcm: bytes,
        *,
        language: str | None,
        skip_silence: bool,
        prompt: str = "",
        is_interim: bool = False,
    ) -> Transcription:
        """Transcribe a recording. ``language``: one of :attr:`languages`, or None to detect it.

        ``prompt``: names and terms that may be said; engines that cannot use it ignore it.
        ``is_interim``: a longer recording will replace the text soon, so speed matters most.
        ``skip_silence``: audio without speech is not decoded. A cancel stops the work itself, not only the
        waiting for it. Raises :class:`EngineFailed`.
        """


class EngineFailed(Exception):  # noqa: N818 - past tense, as it reads in an except clause
    """The engine failed. The text has the reason, for the log."""


LoadEngine = Callable[[], Awaitable[SpeechEngine]]

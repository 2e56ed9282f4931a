"""The Argos Translate engine; needs the extra ``[argos]`` and at least one language package."""

from importlib.util import find_spec
from typing import Any

import structlog
import trio

from orch.sandbox.engines.language_pairs import Pair
from orch.sandbox.engines.routes import Method
from orch.sandbox.engines.translation import TooManyWaiting, TranslationFailed

log = structlog.get_logger("argos")

WAITING_LIMIT = 64
"""Texts that can be queued; more are refused."""


async def find() -> "Argos | None":
    """Return the engine with the installed packages, or None if there are none."""
    if find_spec("argostranslate") is None:
        return None
    translations = await trio.to_thread.run_sync(_load, abandon_on_cancel=True)
    if not translations:
        log.info("Argos Translate has no packages installed: argospm install translate-en_es")
        return None
    return Argos(translations)


def _load() -> dict[Pair, Any]:
    from argostranslate.translate import get_installed_languages  # noqa: PLC0415 - seconds to import, in a thread

    return {
        Pair(translation.from_lang.code, translation.to_lang.code): translation
        for language in get_installed_languages()
        for translation in language.translations_from
        if translation.from_lang.code != translation.to_lang.code
    }


class Argos:
    """The engine. It translates one text at a time, because each uses every core; others are queued."""

    name = "argos"
    method: Method = "neural"

    def __init__(self, translations: dict[Pair, Any]) -> None:
        self._translations = translations
        self.pairs = tuple(sorted(translations))
        self._loaded: set[Pair] = set()
        self._places = trio.CapacityLimiter(1)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Wait until cancelled.

        No direction is tried first: that would load every model, which takes seconds and stays in memory.
        """
        task_status.started()
        await trio.sleep_forever()

    async def prepare(self, pair: Pair) -> None:
        """Load the model of a direction, by translating a word."""
        if pair not in self._loaded:
            await self.translate("a", pair)
            self._loaded.add(pair)

    async def translate(self, text: str, pair: Pair) -> str:
        """Translate ``text`` in a thread.

        It cannot be interrupted: the result of a cancelled text is discarded, and the next text waits for it.
        """
        if self._places.statistics().tasks_waiting >= WAITING_LIMIT:
            raise TooManyWaiting(self.name)
        return await trio.to_thread.run_sync(
            _translated, self._translations[pair], text, abandon_on_cancel=True, limiter=self._places
        )


def _translated(translation: Any, text: str) -> str:
    """Return a translation. The library and those below it document no exceptions."""
    try:
        return str(translation.translate(text))
    except Exception as error:
        raise TranslationFailed(f"argos: {error!r}") from error

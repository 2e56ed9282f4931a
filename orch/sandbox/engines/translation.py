"""The interface of a translation engine."""

from typing import Protocol

import trio

from orch.sandbox.engines.language_pairs import Pair
from orch.sandbox.engines.routes import Method


class TranslationEngine(Protocol):
    """An engine. It is usable while :meth:`run` runs."""

    name: str
    method: Method
    pairs: tuple[Pair, ...]
    """The directions it translates; after ``started()``, those that were tried and work."""

    async def run(self, *, task_status: trio.TaskStatus[None] = ...) -> None:
        """Run the engine until cancelled. It calls ``started()`` when it can translate."""

    async def prepare(self, pair: Pair) -> None:
        """Load what the direction needs, if it is not loaded: a model, dictionaries.

        Raises :class:`TranslationFailed` with the reason for the log.
        """

    async def translate(self, text: str, pair: Pair) -> str:
        """Translate ``text``; ``pair`` is one of :attr:`pairs`. The caller limits the time.

        Raises :class:`TooManyWaiting`, and :class:`TranslationFailed` with the reason for the log.
        """


class TranslationFailed(Exception):  # noqa: N818 - past tense, as it reads in an except clause
    """The engine failed."""


class TooManyWaiting(Exception):  # noqa: N818 - the same
    """The queue of this engine is full."""

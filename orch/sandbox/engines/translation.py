"""The interface of a translation engine."""

from typing import Protocol

import trio
from msgspec import Struct

from orch.speech.languages import NAMES, closest, primary


class Pair(Struct, frozen=True):
    """A language pair; BCP 47 tags."""

    source: str
    target: str


class Language(Struct, frozen=True):
    """A language with its English name."""

    code: str
    name: str


class TranslationEngine(Protocol):
    """An engine. It is usable while :meth:`run` runs."""

    name: str
    pairs: tuple[Pair, ...]

    async def run(self, *, task_status: trio.TaskStatus[None] = ...) -> None:
        """Run the engine until cancelled."""

    async def translate(self, text: str, pair: Pair) -> str:
        """Translate ``text``; ``pair`` is one of :attr:`pairs`.

        Raises :class:`TooManyWaiting`, and :class:`TranslationFailed` with the reason for the log.
        """


class TranslationFailed(Exception):  # noqa: N818 - past tense, as it reads in an except clause
    """The engine failed."""


class TooManyWaiting(Exception):  # noqa: N818 - the same
    """The queue of this engine is full."""


def languages(pairs: tuple[Pair, ...]) -> list[Language]:
    """Return every language of ``pairs``, by code."""
    codes = sorted({pair.source for pair in pairs} | {pair.target for pair in pairs})
    return [Language(code=code, name=_name(code)) for code in codes]


def _name(code: str) -> str:
    known = closest(code, NAMES)
    name = (primary(code) if known is None else NAMES[known]).replace("_", " ").title()
    _, _, region = code.partition("-")
    return f"{name} ({region})" if region else name

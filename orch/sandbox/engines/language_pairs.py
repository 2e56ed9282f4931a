"""Language pairs, and the languages in them. Pure."""

from typing import Final

from msgspec import Struct

from orch.speech.languages import NAMES, closest, primary

OTHER_NAMES: Final = {
    "an": "Aragonese",
    "ast": "Asturian",
    "eo": "Esperanto",
    "frp": "Arpitan",
    "sc": "Sardinian",
    "szl": "Silesian",
}
"""English names of languages that Whisper does not have."""


class Pair(Struct, frozen=True, order=True):
    """A language pair; BCP 47 tags."""

    source: str
    target: str


class Language(Struct, frozen=True):
    """A language with its English name."""

    code: str
    name: str


def languages(pairs: tuple[Pair, ...]) -> list[Language]:
    """Return every language of ``pairs``, by code."""
    codes = sorted({pair.source for pair in pairs} | {pair.target for pair in pairs})
    return [Language(code=code, name=language_name(code)) for code in codes]


def language_name(code: str) -> str:
    """Return a language's English name: ``English (US)`` for ``en-US``; an unknown code as it is."""
    language, _, region = code.partition("-")
    name = OTHER_NAMES.get(language)
    if name is None:
        known = closest(code, NAMES)
        name = (primary(code) if known is None else NAMES[known]).replace("_", " ").title()
    return f"{name} ({region})" if region else name

"""Language codes: which are the same language, which one a back end means. Pure.

Codes are BCP 47 tags in any case, with ``-`` or ``_``; codes of other lists (``iw``, ``jw``, ``zt``, ``eng``)
and English names ("norwegian") are mapped to the tag that they mean by languages.json; the page has the same
table (static/js/models/language-data.js, written by scripts/language_data.py).

Two are the same where language and script are: ``en-US`` and ``en``, ``zh-TW`` and ``zh-Hant``, but not
``zh-TW`` and ``zh``. Servers in OpenAI's dialect name the language in English instead ("english"), as
Whisper's tokenizer does.
"""

from collections.abc import Collection
from functools import lru_cache
from importlib.resources import files
from typing import Final, NamedTuple

import msgspec

AUTO: Final = "auto"


class _Data(msgspec.Struct, frozen=True):
    """``names``: Whisper's languages, as its tokenizer names them. ``equals``: the tags that codes mean.

    ``scripts``: of languages that are written in several, the script by region; under "" the usual one.
    """

    names: dict[str, str]
    other_names: dict[str, str]
    equals: dict[str, str]
    scripts: dict[str, dict[str, str]]


_DATA: Final = msgspec.json.decode(files("orch.speech").joinpath("languages.json").read_bytes(), type=_Data)
NAMES: Final = _DATA.names
_CODES: Final = _DATA.other_names | {name: code for code, name in NAMES.items()}
_UNREPORTED: Final = frozenset({"", AUTO, "unknown", "und", "none", "null", "mul", "zxx"})


_SCRIPT: Final = 4
"""Letters of a script's code (ISO 15924)."""


class _Tag(NamedTuple):
    """A parsed code; a part that it does not have is empty."""

    language: str
    script: str
    region: str
    variant: str


@lru_cache(maxsize=4096)
def _tag(code: str) -> _Tag:
    text = _CODES.get(code.strip().lower(), code).strip().replace("_", "-").lower()
    first, *rest = text.split("-")
    if rest and (known := _DATA.equals.get(f"{first}-{rest[0]}")):
        first, *rest = [*known.lower().split("-"), *rest[1:]]
    elif known := _DATA.equals.get(first):
        first, *rest = [*known.lower().split("-"), *rest]
    script = region = variant = ""
    for part in rest:
        if len(part) == 1:
            break  # the rest is an extension
        if len(part) == _SCRIPT and part.isalpha():
            # An explicit part replaces the implied one.
            script = part.title()
        elif not variant and (len(part) == 2 or part.isdigit()):  # noqa: PLR2004 - ISO 3166 and UN M.49
            region = part.upper()
        else:
            variant += part
    scripts = _DATA.scripts.get(first, {})
    return _Tag(first, script or scripts.get(region) or scripts.get("", ""), region, variant)


def primary(code: str) -> str:
    """Return the language alone: ``en`` for ``en-US``, ``he`` for ``iw``, ``nb`` for ``no``."""
    return _tag(code).language


def _is_readable(one: _Tag, other: _Tag) -> bool:
    return one.script == other.script or not (one.script and other.script)


def is_same(one: str, other: str) -> bool:
    """Return whether two codes mean the same language in the same script."""
    return primary(one) == primary(other) and _is_readable(_tag(one), _tag(other))


def is_near(one: str, other: str) -> bool:
    """Return whether two codes mean the same language, in any script."""
    return primary(one) == primary(other)


def closest(code: str, offered: Collection[str]) -> str | None:
    """Return which of ``offered`` means ``code``, or None.

    The code itself, else the one that differs least: first in script, then in variant, then in region, where
    the bare language is preferred to another region.
    """
    if code in offered:
        return code
    wanted = _tag(code)

    def distance(other: str) -> tuple[bool, bool, int, int, str]:
        tag = _tag(other)
        region = 0 if tag.region == wanted.region else 1 if not tag.region else 2
        return not _is_readable(tag, wanted), tag.variant != wanted.variant, region, len(other), other

    return min((other for other in offered if is_near(code, other)), key=distance, default=None)


def reported(language: str | None) -> str | None:
    """Return the code of the language that a back end reports; None if it reports none."""
    if language is None or language.strip().lower() in _UNREPORTED:
        return None
    text = language.strip()
    return _CODES.get(text.lower(), text)


def whisper_code(code: str) -> str:
    """Return Whisper's code for a language, ``no`` for ``nb``; the language alone if it has none."""
    return closest(code, NAMES) or primary(code)


def english_name(code: str) -> str:
    """Return the language's English name with its code, or the code alone if it is unknown."""
    known = closest(code, NAMES)
    return code if known is None else f"{NAMES[known].title()} ({code})"

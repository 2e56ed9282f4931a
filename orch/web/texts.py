"""The interface's texts in the reader's language, for templates. Pure.

The catalogues are modules of the browser code, ``static/js/texts/LANGUAGE.js``: JSON behind
``export default``. Templates and scripts read the same ones.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

NAMES: Final = {
    "en": "English",
    "es": "Español",
    "fr": "Français",
    "de": "Deutsch",
    "pt": "Português",
    "ar": "العربية",
}
"""The languages of the interface, by their own names."""

LANGUAGES: Final = tuple(NAMES)
"""The first one is used where the reader's is not among them."""

RIGHT_TO_LEFT: Final = frozenset({"ar"})

PREFIX: Final = "export default "

_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")

Catalogue = Mapping[str, Any]


def language_of(accepted: Iterable[tuple[str, float]]) -> str:
    """Return the first of the reader's languages that the interface has, else English.

    ``accepted``: tags and qualities of ``Accept-Language``, the highest first. A region does not matter:
    ``ar-EG, en`` is Arabic; werkzeug's ``best_match`` takes it for English.
    """
    for tag, quality in accepted:
        language = tag.replace("_", "-").partition("-")[0].lower()
        if quality > 0 and language in LANGUAGES:
            return language
    return LANGUAGES[0]


def chosen_language(choice: str | None, accepted: Iterable[tuple[str, float]]) -> str:
    """Return the language that the reader chose on a page, else the first of the browser's that there is."""
    return choice if choice in LANGUAGES else language_of(accepted)


def catalogue_path(language: str) -> str:
    """Return the path of a language's catalogue below ``static``."""
    return f"js/texts/{language}.js"


def parse_catalogue(module: bytes) -> Catalogue:
    """Return the texts of a catalogue's module.

    Raises ValueError if it is not JSON behind ``export default``.
    """
    text = module.decode()
    if not text.startswith(PREFIX):
        message = f"expected {PREFIX!r} and JSON"
        raise ValueError(message)
    return msgspec.json.decode(text.removeprefix(PREFIX).rstrip().removesuffix(";"), type=dict[str, Any])


def say(catalogue: Catalogue) -> Callable[..., str]:
    """Return the function that templates call: the text of a key, with values for its placeholders.

    Raises KeyError for an unknown key or a missing value; plural forms are for scripts only.
    """

    def text(key: str, /, **values: str) -> str:
        entry = catalogue[key]
        if not isinstance(entry, str):
            raise KeyError(key)
        return _PLACEHOLDER.sub(lambda match: values[match[1]], entry)

    return text


def explain(catalogue: Catalogue, language: str) -> Callable[[str, str], str]:
    """Return the function that templates call for a problem's text, by its code and English detail.

    In English the detail says more; in other languages a code without a text of its own is named.
    """
    text = say(catalogue)

    def explained(code: str, detail: str) -> str:
        if language == LANGUAGES[0]:
            return detail
        key = f"problem.{code}"
        return text(key) if key in catalogue else text("problem.other", code=code)

    return explained

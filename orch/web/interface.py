"""The language of a page: the reader's choice, else the browser's; English where it is not translated."""

from collections.abc import Mapping
from typing import Any, Final

from quart import Response, request

from orch.web.texts import (
    LANGUAGES,
    NAMES,
    RIGHT_TO_LEFT,
    Catalogue,
    catalogue_path,
    chosen_language,
    explain,
    say,
)

COOKIE: Final = "language"
"""Where a page stores the reader's choice (``components/interface-language.js``)."""

TRANSLATED: Final = frozenset(
    {"pages.translation", "pages.captions", "pages.sessions", "join.show", "join.join", "status_page.show"}
)
"""The endpoints whose pages have their texts in the catalogues; the others are English."""


def interface(catalogues: Mapping[str, Catalogue]) -> dict[str, Any]:
    """Return what templates need to show the request's page in its language."""
    language = page_language()
    catalogue = catalogues[language]
    return {
        "language": language,
        "languages": NAMES,
        "direction": "rtl" if language in RIGHT_TO_LEFT else "ltr",
        "catalogue": catalogue_path(language) if _is_translated() else None,
        "say": say(catalogue),
        "explain": explain(catalogue, language),
    }


def name_language(response: Response) -> None:
    """Set the headers of a page that depends on the reader's language."""
    if not _is_translated() or response.mimetype != "text/html":
        return
    response.headers["Content-Language"] = page_language()
    response.vary.update(("Accept-Language", "Cookie"))


def _is_translated() -> bool:
    return request.endpoint in TRANSLATED


def page_language() -> str:
    """Return the language of the request's page."""
    if not _is_translated():
        return LANGUAGES[0]
    return chosen_language(request.cookies.get(COOKIE), request.accept_languages)

"""DeepL's API for translation: ``POST /v2/translate``, and its languages. Pure.

Source languages have no variants (``EN``), target languages may (``EN-GB``, ``PT-BR``, ``ZH-HANT``). DeepL
writes its codes in capitals and reads them in any case; they are listed here as BCP 47 writes them.

``formality`` is not sent: DeepL refuses it for languages without, and what was said decides the tone. A
glossary needs a known source language; where DeepL has none of its words for a pair of languages, it refuses
it, and that pair is translated without it from then on.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

from orch.settings import Service
from orch.settings.credentials import own_headers, with_query
from orch.speech.languages import AUTO, closest, primary
from orch.speech.requests import TRANSLATION, Request, Response, json_request
from orch.speech.responses import objects, read_json, read_object, text, unusable
from orch.speech.results import TranslatedText
from orch.speech.term_markup import as_elements
from orch.speech.terms import Match

TRANSLATE_PATH: Final = "/v2/translate"
LANGUAGES_PATH: Final = "/v2/languages"
MOST_LANGUAGES: Final = 500
LONGEST_CODE: Final = 35
TAG: Final = "x"
TAGS: Final = "ignore_tags"

# Target languages that exist only with a variant, the usual one first: for requests before DeepL has listed
# its languages.
_VARIANTS: Final = {
    "en": ("en-US", "en-GB"),
    "pt": ("pt-BR", "pt-PT"),
    "zh": ("zh-Hans", "zh-Hant"),
}
_SCRIPT: Final = 4
_REGION: Final = 2


def translate_request(
    original: str,
    *,
    source: str,
    target: str,
    service: Service,
    left_out: Collection[str] = (),
    found: Sequence[Match] = (),
) -> Request:
    """Return a request for one text; with terms it is XML, in which they are elements to ignore.

    https://developers.deepl.com/docs/xml-and-html-handling/xml
    """
    fields: dict[str, Any] = {"text": [original], "target_lang": _target_code(target)}
    if found:
        fields |= {
            "text": [as_elements(original, found, tag=TAG)],
            "tag_handling": "xml",
            TAGS: [TAG],
            "outline_detection": False,
        }
    if source != AUTO:
        fields["source_lang"] = primary(source).upper()
        if service.glossary and glossary_field(source, target) not in left_out:
            fields["glossary_id"] = service.glossary
    path = with_query(service, service.path or TRANSLATE_PATH)
    return json_request(path, fields, headers=own_headers(service))


def glossary_field(source: str, target: str) -> str:
    """Return the name under which a refused glossary is remembered: that of its pair of languages."""
    return f"glossary_id of {primary(source)}-{target}"


def _target_code(target: str) -> str:
    variants = _VARIANTS.get(primary(target), ())
    if variants and target.lower() == primary(target):
        return variants[0].upper()
    return (closest(target, variants) or target).upper()


def read_translation(response: Response, path: str = TRANSLATE_PATH) -> TranslatedText:
    """Return the translation in a response. Raises the error that it describes."""
    document = read_object(TRANSLATION, path, response)
    first = next(iter(objects(document.get("translations"))), None)
    found = None if first is None else text(first.get("text"))
    if first is None or found is None:
        raise unusable(TRANSLATION, path, document, "a translation")
    detected = text(first.get("detected_source_language"))
    return TranslatedText(found.strip(), None if not detected else bcp47(detected[:LONGEST_CODE]))


def languages_request(service: Service, _left_out: Collection[str] = (), *, is_target: bool) -> Request:
    """Return a request for the source or the target languages. It has no optional fields."""
    path = f"{LANGUAGES_PATH}?type={'target' if is_target else 'source'}"
    return Request("GET", with_query(service, path), own_headers(service))


def read_languages(response: Response) -> tuple[str, ...]:
    """Return the codes of a list of languages, as BCP 47 writes them."""
    document = read_json(TRANSLATION, LANGUAGES_PATH, response)
    if not isinstance(document, list):
        shown = document if isinstance(document, dict) else {}
        raise unusable(TRANSLATION, LANGUAGES_PATH, shown, "a list of languages")
    codes = [code for each in objects(document) if (code := text(each.get("language")))]
    return tuple(dict.fromkeys(bcp47(code) for code in codes if len(code) <= LONGEST_CODE))[:MOST_LANGUAGES]


def targets_of(sources: Collection[str], targets: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return which languages each source is translated into: all targets but those of the same language."""
    return {
        source: tuple(sorted(target for target in targets if primary(target) != primary(source)))
        for source in sources
    }


def bcp47(code: str) -> str:
    """Return a code as BCP 47 writes it.

    >>> bcp47("ZH-HANS"), bcp47("PT-BR"), bcp47("ES-419"), bcp47("DE")
    ('zh-Hans', 'pt-BR', 'es-419', 'de')
    """
    first, *rest = code.strip().replace("_", "-").split("-")
    parts = [
        part.title()
        if len(part) == _SCRIPT and part.isalpha()
        else part.upper()
        if len(part) == _REGION
        else part
        for part in rest
    ]
    return "-".join((first.lower(), *parts))

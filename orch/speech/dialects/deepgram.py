"""Deepgram's API for recordings: ``POST /v1/listen``, the file as the body. Pure.

Live speech goes over its WebSocket: :mod:`orch.speech.dialects.deepgram_live`. Options of Deepgram
(``diarize``, ``numerals``) are added by the settings' ``query``.

Names and terms: ``keyterm`` for the models from nova-3 on, ``keywords``, which are single words, for those
before. https://developers.deepgram.com/docs/keyterm
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from orch.protocol.terms import Term
from orch.settings import Service
from orch.settings.credentials import own_headers, with_query
from orch.speech.languages import AUTO, reported, whisper_code
from orch.speech.requests import AUDIO, Request, Response
from orch.speech.responses import confidence_of, number, objects, read_object, text, unusable
from orch.speech.results import TranscribedWord, Transcription

LISTEN_PATH: Final = "/v1/listen"
DEFAULT_MODEL: Final = "nova-3"
LONGEST_WORD: Final = 200
MOST_SPEAKERS: Final = 1_000
LONGEST_LANGUAGE: Final = 35
KEYTERM: Final = "keyterm"
KEYTERM_MODELS: Final = ("nova-3",)
KEYWORD_MODELS: Final = ("nova", "enhanced", "base")
MOST_TOKENS: Final = 400
"""Of all keyterms. Above 500, Deepgram ends the connection; how it counts them is its own."""


# The languages that have variants there; of others Deepgram refuses a region.
_VARIANTS: Final = (
    *("da-DK", "de-CH", "en-AU", "en-GB", "en-IN", "en-NZ", "en-US", "es-419", "fr-CA", "ko-KR", "nl-BE"),
    *("pt-BR", "pt-PT", "sv-SE", "th-TH", "zh-CN", "zh-HK", "zh-Hans", "zh-Hant", "zh-TW"),
)


def language_code(language: str) -> str:
    """Return Deepgram's code of a language: with its region if Deepgram has that, else without.

    >>> language_code("pt-br"), language_code("de-AT"), language_code("nb")
    ('pt-BR', 'de', 'no')
    """
    plain = language.replace("_", "-").lower()
    known = next((variant for variant in _VARIANTS if variant.lower() == plain), None)
    return known or whisper_code(language)


def term_fields(model: str, terms: Iterable[Term]) -> list[tuple[str, str]]:
    """Return the fields with names and terms, as many as fit; none if the model has no such field."""
    if model.startswith(KEYTERM_MODELS):
        name, texts = KEYTERM, [term.text for term in terms]
    elif model.startswith(KEYWORD_MODELS):
        words = [word.strip(",.:;") for term in terms for word in term.text.split()]
        name, texts = "keywords", list(dict.fromkeys(word for word in words if word and ":" not in word))
    else:
        return []
    fields: list[tuple[str, str]] = []
    tokens = 0
    for each in texts:
        tokens += len(each.encode()) // 2 + 1  # a token has two bytes or more, as a rule
        if tokens <= MOST_TOKENS:
            fields.append((name, each))
    return fields


def recording_request(
    file: bytes, *, content_type: str, language: str, service: Service, terms: Iterable[Term] = ()
) -> Request:
    """Return a request to transcribe a file of any usual format."""
    model = service.model or DEFAULT_MODEL
    fields = [("model", model), ("smart_format", "true"), *term_fields(model, terms)]
    fields.append(("detect_language", "true") if language == AUTO else ("language", language_code(language)))
    path = with_query(service, f"{service.path or LISTEN_PATH}?{urlencode(fields)}")
    headers = ((b"content-type", content_type.encode("ascii", "replace")), *own_headers(service))
    return Request("POST", path, headers, file)


def read_recording(
    response: Response, path: str = LISTEN_PATH, *, largest: int, longest_text: int, most_words: int
) -> Transcription:
    """Return the transcription in a response. Raises the error that it describes."""
    document = read_object(AUDIO, path, response, largest=largest)
    results = document.get("results")
    channel = next(iter(objects(results.get("channels"))), None) if isinstance(results, dict) else None
    alternative = None if channel is None else next(iter(objects(channel.get("alternatives"))), None)
    found = None if alternative is None else text(alternative.get("transcript"))
    if channel is None or alternative is None or found is None:
        raise unusable(AUDIO, path, document, "a transcript")
    if len(found) > longest_text:
        raise unusable(AUDIO, path, {}, f"a text of at most {longest_text} characters")
    language = text(channel.get("detected_language"))
    return Transcription(
        text=" ".join(found.split()),
        language=reported(None if language is None else language[:LONGEST_LANGUAGE]),
        confidence=confidence_of(alternative.get("confidence")) if found.strip() else None,
        words=read_words(alternative, most_words),
        model=_model(document.get("metadata")),
        language_probability=confidence_of(channel.get("language_confidence")),
    )


def read_words(alternative: dict[str, Any], most_words: int) -> tuple[TranscribedWord, ...]:
    """Return the words of a transcript with their times."""
    listed: Sequence[dict[str, Any]] = objects(alternative.get("words"))[:most_words]
    return tuple(known for word in listed if (known := _word(word)) is not None)


def _word(word: dict[str, Any]) -> TranscribedWord | None:
    shown = text(word.get("punctuated_word")) or text(word.get("word")) or ""
    start, end = number(word.get("start")), number(word.get("end"))
    if not shown.strip() or start is None or end is None or not 0 <= start <= end:
        return None
    speaker = word.get("speaker")
    return TranscribedWord(
        shown.strip()[:LONGEST_WORD],
        start,
        end,
        confidence_of(word.get("confidence")),
        speaker if isinstance(speaker, int) and 0 <= speaker < MOST_SPEAKERS else None,
    )


def _model(metadata: Any) -> str | None:
    """Return the name of the model that was used; its own key is an id."""
    info = metadata.get("model_info") if isinstance(metadata, dict) else None
    first = next(iter(objects(list(info.values()))), {}) if isinstance(info, dict) else {}
    return text(first.get("name"))

"""DeepL's dialect. The responses are those of its documentation (developers.deepl.com, v2)."""

from typing import Any

import pytest

from orch.problems import ProblemError
from orch.settings import Service, Settings
from orch.settings.decoding import decode
from orch.speech.dialects import deepl
from orch.speech.requests import TRANSLATION
from orch.speech.results import TranslatedText
from orch.speech.translator import Pairs
from tests.fakes.speech_back_ends import FakeAnswer
from tests.speech.test_transcriber import Server, ok
from tests.speech.test_translator import ask, question, translator

ANSWER = {
    "translations": [{"detected_source_language": "EN", "text": "Buenos días", "billed_characters": 12}]
}
SOURCES = [{"language": "EN", "name": "English"}, {"language": "PT", "name": "Portuguese"}]
TARGETS = [
    {"language": "EN-GB", "name": "English (British)", "supports_formality": False},
    {"language": "EN-US", "name": "English (American)", "supports_formality": False},
    {"language": "PT-BR", "name": "Portuguese (Brazilian)", "supports_formality": True},
    {"language": "ZH-HANT", "name": "Chinese (traditional)", "supports_formality": False},
    {"language": "DE", "name": "German", "supports_formality": True},
]


def test_a_text_is_translated_with_the_key_in_its_own_scheme() -> None:
    server = Server(ok(ANSWER))
    assert ask(server, dialect="deepl", api_key="k:fx") == TranslatedText("Buenos días", "en")
    service, method, path, headers, _ = server.asked[0]
    assert (service, method, path) == (TRANSLATION, "POST", "/v2/translate")
    assert headers["authorization"] == "DeepL-Auth-Key k:fx"
    assert question(server) == {"text": ["Good morning"], "source_lang": "EN", "target_lang": "ES"}


def test_an_unknown_source_is_left_to_deepl() -> None:
    server = Server(ok(ANSWER))
    ask(server, dialect="deepl", source="auto", glossary="g")
    assert question(server) == {"text": ["Good morning"], "target_lang": "ES"}


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("en", "EN-US"),
        ("pt", "PT-BR"),
        ("pt-PT", "PT-PT"),
        ("zh", "ZH-HANS"),
        ("zh-TW", "ZH-HANT"),
        ("de", "DE"),
    ],
)
def test_a_target_that_exists_only_with_a_variant_gets_one(target: str, code: str) -> None:
    """Before DeepL has listed its languages; it refuses a bare EN and PT."""
    server = Server(ok(ANSWER))
    ask(server, dialect="deepl", source="fr-CA", target=target)
    assert (question(server)["source_lang"], question(server)["target_lang"]) == ("FR", code)


async def test_languages_are_listed_with_their_variants() -> None:
    server = Server(ok(SOURCES), ok(TARGETS), ok(ANSWER), ok(ANSWER))
    subject = translator(server, dialect="deepl", query={"x": "1"})
    assert await subject.languages() == Pairs(
        {"en": ("de", "pt-BR", "zh-Hant"), "pt": ("de", "en-GB", "en-US", "zh-Hant")}
    )
    assert [each[2] for each in server.asked] == [
        "/v2/languages?type=source&x=1",
        "/v2/languages?type=target&x=1",
    ]
    for source, target in (("pt-PT", "en-US"), ("en-GB", "zh-TW")):
        await subject.translate("a", source=source, target=target, session_id="s")
    asked = [question(server, number) for number in (2, 3)]
    assert [(one["source_lang"], one["target_lang"]) for one in asked] == [("PT", "EN-US"), ("EN", "ZH-HANT")]


def test_a_glossary_is_sent_and_left_out_for_a_pair_that_it_does_not_have() -> None:
    refusal = FakeAnswer(400, b'{"message": "Glossary has no dictionary for this language pair."}')
    server = Server(refusal, ok(ANSWER))
    assert ask(server, dialect="deepl", glossary="def3a26b").text == "Buenos días"
    assert [question(server, number).get("glossary_id") for number in (0, 1)] == ["def3a26b", None]


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (403, b'{"message": "Wrong endpoint. Use https://api-free.deepl.com"}', "api-free"),
        (456, b'{"message": "Quota for this billing period has been exceeded."}', "Quota for this"),
        (456, b"", "status 456"),
        (400, b'{"message": "Value for \'target_lang\' not supported."}', "target_lang"),
        (200, b'{"translations": []}', "a translation is missing"),
        (200, b'{"translations": [{"text": 5}]}', "a translation is missing"),
        (200, b"<html>", "web page"),
    ],
)
def test_a_refusal_keeps_deepls_words(status: int, body: bytes, words: str) -> None:
    with pytest.raises(ProblemError, match=words):
        deepl.read_translation(FakeAnswer(status, body))


@pytest.mark.parametrize("document", [{}, {"message": "x"}, "x", 5])
def test_a_list_of_languages_that_is_none_is_an_error(document: Any) -> None:
    with pytest.raises(ProblemError, match="list of languages"):
        deepl.read_languages(ok(document))


def test_odd_languages_are_left_out() -> None:
    odd = [{"language": 5}, {}, None, {"language": "X" * 99}, {"language": "DE"}, {"language": "DE"}]
    assert deepl.read_languages(ok(odd)) == ("de",)


@pytest.mark.parametrize("url", ["https://api-free.deepl.com", "https://api-free.deepl.com/v2/translate"])
def test_it_is_a_dialect_of_the_settings(url: str) -> None:
    decoded = decode(
        f"services: {{translation-service: {{dialect: deepl, url: '{url}', api_key: k, glossary: ' g '}}}}",
        {},
    )
    assert decoded.faults == ()
    assert isinstance(decoded.settings, Settings)
    service = decoded.settings.services[TRANSLATION]
    assert isinstance(service, Service)
    assert (service.dialect, service.glossary) == ("deepl", "g")

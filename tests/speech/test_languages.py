import json
from pathlib import Path

import pytest

from orch.speech.languages import closest, english_name, is_same, reported, whisper_code
from scripts.language_data import TARGET, module

CASES = json.loads((Path(__file__).parents[1] / "data" / "languages.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("code", "offered", "expected"), CASES["closest"])
def test_a_code_means_what_the_page_takes_it_for(code: str, offered: list[str], expected: str | None) -> None:
    """tests/js/models.test.js tries the same cases."""
    assert closest(code, offered) == expected


@pytest.mark.parametrize(("one", "other", "same"), CASES["same"])
def test_language_and_script_make_a_language(one: str, other: str, *, same: bool) -> None:
    assert is_same(one, other) is same
    assert is_same(other, one) is same


def test_the_page_has_the_services_table() -> None:
    """If not: python scripts/language_data.py."""
    assert TARGET.read_text(encoding="utf-8") == module()


@pytest.mark.parametrize(
    ("code", "expected"),
    [("nb", "no"), ("nn", "nn"), ("jv", "jw"), ("fil", "tl"), ("iw", "he"), ("zh-TW", "zh"), ("en-US", "en")],
)
def test_whisper_gets_its_own_language_codes(code: str, expected: str) -> None:
    assert whisper_code(code) == expected


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("en", "en-US", True),
        ("EN_gb", "en", True),
        ("pt-BR", "pt-PT", True),
        ("es", "et", False),
        ("de", "den", False),
    ],
)
def test_regions_make_no_other_language(one: str, other: str, *, same: bool) -> None:
    assert is_same(one, other) is same


@pytest.mark.parametrize(
    ("code", "offered", "expected"),
    [
        ("en", ("en-US", "en"), "en"),
        ("en-US", ("de", "en"), "en"),
        ("en", ("de", "en-US"), "en-US"),
        ("pt-BR", ("pt-PT", "pt-BR"), "pt-BR"),
        ("fr", ("de", "en"), None),
        ("fr", (), None),
    ],
)
def test_the_closest_is_the_language_itself_if_it_is_there(
    code: str, offered: tuple[str, ...], expected: str | None
) -> None:
    assert closest(code, offered) == expected


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("english", "en"),
        ("Haitian Creole", "ht"),
        ("en", "en"),
        ("auto", None),
        ("", None),
        (None, None),
        ("unknown", None),
    ],
)
def test_a_reported_language_becomes_a_code(said: str | None, code: str | None) -> None:
    assert reported(said) == code


def test_names_are_english() -> None:
    assert english_name("es-MX") == "Spanish (es-MX)"
    assert english_name("tlh") == "tlh"

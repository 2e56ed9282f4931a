import pytest

from orch.speech.languages import closest, english_name, is_same, reported


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
def test_languages_are_the_same_by_their_primary_subtag(one: str, other: str, *, same: bool) -> None:
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
def test_what_a_back_end_says_becomes_a_code(said: str | None, code: str | None) -> None:
    assert reported(said) == code


def test_names_are_english() -> None:
    assert english_name("es-MX") == "Spanish (es-MX)"
    assert english_name("tlh") == "tlh"

"""The interface's texts, as templates get them."""

import pytest

from orch.package_files import resource
from orch.web.texts import LANGUAGES, NAMES, catalogue_path, explain, parse_catalogue, say
from tests.fakes.pages_client import ask

CATALOGUES = {
    language: parse_catalogue((resource("static") / catalogue_path(language)).read_bytes())
    for language in LANGUAGES
}


@pytest.mark.parametrize(
    ("accepts", "language", "direction"),
    [
        ("", "en", "ltr"),
        ("es-MX,es;q=0.9,en;q=0.8", "es", "ltr"),
        ("pt-BR", "pt", "ltr"),
        ("ar-EG, en;q=0.5", "ar", "rtl"),
        ("nl, de;q=0.7, en;q=0.3", "de", "ltr"),
        ("ja", "en", "ltr"),
        ("es;q=0, fr", "fr", "ltr"),
        ("fr;q=x, \x7f;;", "en", "ltr"),
        ("de," * 400, "de", "ltr"),
    ],
)
def test_a_page_is_in_the_language_that_the_browser_asks_for(
    accepts: str, language: str, direction: str
) -> None:
    """What cannot be read in the header, or is not among the languages, leaves English."""
    reply = ask("GET", "/captions/room", headers={"Accept-Language": accepts})
    html = reply.whole.decode()
    assert f'<html lang="{language}" dir="{direction}">' in html
    assert str(CATALOGUES[language]["captions.full_screen"]) in html
    assert reply.headers["Content-Language"] == language


def test_the_readers_choice_comes_before_the_browsers() -> None:
    """A cookie with another value is no choice; pages that are not translated stay English."""

    def language(path: str, cookie: str) -> str:
        html = ask("GET", path, headers={"Accept-Language": "de", "Cookie": cookie}).whole.decode()
        return html.partition('<html lang="')[2].partition('"')[0]

    assert language("/captions/room", "language=ar") == "ar"
    assert language("/captions/room", 'language="><script>') == "de"
    assert language("/captions/room", "other=es") == "de"
    assert language("/settings", "language=ar") == "en"


def test_caches_keep_the_languages_apart() -> None:
    """The page depends on the header and on the cookie."""
    vary = ask("GET", "/captions/room").headers["Vary"]
    assert {part.strip() for part in vary.split(",")} == {"Accept-Language", "Cookie", "Accept-Encoding"}


def test_the_browser_and_the_service_name_the_same_languages() -> None:
    """The choice on a page is rendered by the service, and its script knows the catalogues."""
    module = (resource("static") / "js/models/texts.js").read_text()
    names = module.partition("INTERFACE_LANGUAGES = {")[2].partition("}")[0].strip()
    assert names == ", ".join(f'{code}: "{name}"' for code, name in NAMES.items())


def test_a_problem_is_explained_in_the_readers_language() -> None:
    """English shows the service's own words; a code without a text is named."""
    assert explain(CATALOGUES["en"], "en")("unknown_code", "No such code.") == "No such code."
    spanish = explain(CATALOGUES["es"], "es")
    assert spanish("unknown_code", "No such code.") == CATALOGUES["es"]["problem.unknown_code"]
    assert "(strange)" in spanish("strange", "The service sent nonsense.")


def test_a_catalogue_is_json_behind_export_default() -> None:
    """Templates and scripts read the same file."""
    assert parse_catalogue(b'export default {"a": "b"};\n') == {"a": "b"}
    for wrong in (b'{"a": "b"}', b"export default {a: 1};", b"export default []"):
        with pytest.raises(ValueError, match=r"[Ee]xpected|JSON"):
            parse_catalogue(wrong)


def test_a_template_gets_a_text_with_its_values() -> None:
    """A missing key, a missing value and a text with plural forms are mistakes of the template."""
    text = say({"hello": "Hello {name}", "many": {"other": "x"}})
    assert text("hello", name="{name}") == "Hello {name}"
    for key in ("hello", "many", "nothing"):
        with pytest.raises(KeyError):
            text(key)

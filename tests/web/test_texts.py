"""The interface's texts, as templates get them."""

import pytest

from orch.package_files import resource
from orch.web.texts import LANGUAGES, catalogue_path, parse_catalogue, say
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
    assert "Accept-Language" in reply.headers["Vary"]


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

"""The Translation page in the reader's language, with the socket's other end played by the test."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PageAt, violations
from tests.browser.layout import layout_faults
from tests.browser.test_layout import SIZES, resize
from tests.browser.test_translation_scenes import MEETING, OFFER, Hub
from tests.fakes.scripted_service import Running, scripted

pytestmark = pytest.mark.browser

#: Texts and labels in English, without the content (what was said) and the operators' navigation.
ENGLISH = """() => {
  const words = /\\b(the|and|of|is|are|to|not|from|with|your|this|sound|close|open)\\b/i;
  const { lang } = document.documentElement;
  const content = "script, style, svg, noscript, .line-said, .line-read";
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    if (element.closest(content) || element.closest("[lang]").lang !== lang) continue;
    const own = [...element.childNodes].filter(({ nodeType }) => nodeType === 3).map(({ data }) => data);
    const names = ["aria-label", "placeholder", "title", "aria-valuetext"];
    const labels = names.map((name) => element.getAttribute(name) ?? "");
    const texts = [own.join(" "), ...labels].filter((text) => words.test(text));
    for (const text of texts) found.push(`${element.id || element.className}: ${text.trim()}`);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def pages() -> Iterator[Running]:
    with scripted("full") as running:
        yield running


@pytest.fixture
def meeting(pages: Running, page_at: PageAt) -> Callable[..., tuple[Page, Hub]]:
    """Open the page in the session ``meeting`` in a browser of another language."""

    def join(locale: str, width: int, height: int = 800) -> tuple[Page, Hub]:
        hub = Hub(MEETING)
        page = page_at("about:blank", locale=locale, width=width)
        page.set_viewport_size({"width": width, "height": height})
        page.route_web_socket(re.compile("/ws$"), hub)
        page.route("**/api/languages", lambda route: route.fulfill(json=OFFER))
        page.route("**/api/sessions/*/recordings", lambda route: route.fulfill(json={"recordings": []}))
        page.add_init_script("localStorage['translation:targets'] ??= 'en';")
        page.goto(f"{pages.url}/translation#session=meeting")
        expect(page.locator("#scroll")).to_be_visible()
        expect(page.locator(".line")).to_have_count(5)
        return page, hub

    return join


def test_it_stands_from_the_right_in_arabic(meeting: Callable[..., tuple[Page, Hub]], axe: str) -> None:
    """Accessible, nothing cut off or to scroll sideways for, at every size; the reading options, too."""
    page, _ = meeting("ar-EG", 1280)
    assert page.evaluate("[document.documentElement.lang, document.documentElement.dir]") == ["ar", "rtl"]
    expect(page.locator("#read-head")).to_have_text("الإنجليزية")
    expect(page.locator("#here")).to_contain_text("أشخاص هنا")
    for size in SIZES:
        resize(page, size)
        assert layout_faults(page) == [], size
        assert violations(page, axe) == [], size
        page.evaluate("document.getElementById('reading-options').showPopover()")
        assert layout_faults(page, "#reading-options") == [], size
        assert violations(page, axe) == [], f"{size}, reading options"
        page.keyboard.press("Escape")
        page.locator("#side").evaluate("(side) => side.scrollIntoView()")
        assert layout_faults(page, "#side") == [], f"{size}, side"
        page.evaluate("scrollTo(0, 0)")


@pytest.mark.parametrize("width", [360, 1280])
def test_long_words_fit_in_german(meeting: Callable[..., tuple[Page, Hub]], axe: str, width: int) -> None:
    page, _ = meeting("de-DE", width, 740)
    expect(page.locator("#speak-label")).to_have_text("Mikrofon ein")
    if width < 721:
        page.locator("#options-button").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert layout_faults(page) == []
    assert violations(page, axe) == []


@pytest.mark.parametrize("locale", ["es-ES", "fr-FR", "de-DE", "pt-PT", "ar-EG"])
def test_nothing_on_it_is_left_in_english(meeting: Callable[..., tuple[Page, Hub]], locale: str) -> None:
    """Also in its notices, its menus and its dialogs."""
    page, hub = meeting(locale, 1280)
    hub.say(type="error", code="rate_limited", detail="Too many requests from this page.")
    page.locator("#targets summary").click()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    assert page.evaluate(ENGLISH) == []


def test_a_reader_can_choose_another_language(meeting: Callable[..., tuple[Page, Hub]]) -> None:
    """Under Reading; the page is loaded again in it, in the same session, and it stays."""
    page, _ = meeting("fr-FR", 1280)
    expect(page.locator("#take-title")).to_have_text("Télécharger la transcription")
    page.locator("[popovertarget='reading-options']").locator("visible=true").first.click()
    page.locator("#interface-language").select_option("es")
    expect(page.locator("html")).to_have_attribute("lang", "es")
    assert page.url.endswith("/translation#session=meeting")
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "es")

"""The names and terms of a session, in Chromium: typed, shared, refused in words, and never lost."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import violations
from tests.browser.test_translation import opened, watched
from tests.fakes import numbered_words
from tests.fakes.service import RunningService, service

pytestmark = pytest.mark.browser

STATE = "#terms-state"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Run the service; its back ends are not there, which terms do not need."""
    settings = numbered_words.settings("http://127.0.0.1:9")
    with service("serve", tmp_path_factory.mktemp("terms"), settings=settings) as running:
        yield running


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    with watched(chromium) as context:
        yield context


def ready(context: BrowserContext, address: str) -> Page:
    page = opened(context, address)
    expect(page.locator("#terms")).to_be_visible()
    return page


def test_terms_are_typed_with_the_keyboard_and_shared(
    context: BrowserContext, running: RunningService
) -> None:
    """With the session that is created later, and then with everyone who speaks; readers see none."""
    page = ready(context, f"{running.url}/translation")
    field = page.get_by_role("textbox", name="One a line")
    expect(page.locator(STATE)).to_have_text("None yet. Names that are often misheard belong here.")
    expect(page.locator("#terms-save")).to_be_disabled()
    field.focus()
    page.keyboard.type("Norland")
    expect(page.locator(STATE)).to_have_text("Not saved yet.")
    page.keyboard.press("Control+Enter")
    expect(page.locator(STATE)).to_have_text("1 name or term, used from the next sentence on.")

    page.locator("#copy-link").click()
    expect(page.locator(".toast").first).to_be_visible()
    other = ready(context, page.evaluate("navigator.clipboard.readText()"))
    theirs = other.get_by_role("textbox", name="One a line")
    expect(theirs).to_have_value("Norland")
    theirs.fill(" Rose   Baker\nNorland\n\nchair=de:Vorsitz")
    other.get_by_role("button", name="Save", exact=True).click()
    expect(theirs).to_have_value("Rose Baker\nNorland\nchair = de: Vorsitz")
    expect(field).to_have_value("Rose Baker\nNorland\nchair = de: Vorsitz")
    expect(page.locator(STATE)).to_have_text("3 names and terms, used from the next sentence on.")

    page.locator("#copy-reader").click()
    expect(page.locator(".toast", has_text="reading-only")).to_be_visible()
    reader = opened(context, page.evaluate("navigator.clipboard.readText()"))
    expect(reader.locator("#here")).to_contain_text("reading only")
    expect(reader.locator("#terms")).to_be_hidden()

    # Both type at once: what one has typed stays, and the other's can be added.
    field.fill("Rose Baker\nElinor")
    theirs.fill("Norland\nBarton")
    other.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(STATE)).to_contain_text("Somebody else has changed the list")
    expect(field).to_have_value("Rose Baker\nElinor")
    page.get_by_role("button", name="Add theirs to mine").click()
    expect(field).to_have_value("Rose Baker\nElinor\nNorland\nBarton")
    expect(field).to_be_focused()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(theirs).to_have_value("Rose Baker\nElinor\nNorland\nBarton")


def test_what_cannot_be_stored_is_said_and_stays(context: BrowserContext, running: RunningService) -> None:
    """Also through a reload, and while the service is away."""
    page = ready(context, f"{running.url}/translation")
    field = page.get_by_role("textbox", name="One a line")
    many = "\n".join(f"term {number}" for number in range(1_000))
    field.fill(many)
    page.locator("#terms-save").click()
    problem = page.locator("#terms-problem")
    expect(problem).to_contain_text("1,000 names and terms; 100 are possible. Keep the important ones.")
    expect(field).to_be_focused()
    expect(field).to_have_value(many)
    field.fill("Norland\n = Vorsitz")
    expect(problem).to_be_empty()
    page.locator("#terms-save").click()
    expect(problem).to_have_text("Not saved: Line 2 has no name and no word before the =.")
    page.reload()
    expect(field).to_have_value("Norland\n = Vorsitz")
    expect(page.locator(STATE)).to_have_text("Not saved yet.")

    # Saved for a session that does not exist yet; a reload draws another one.
    field.fill("Norland")
    page.locator("#terms-save").click()
    expect(page.locator(STATE)).to_contain_text("1 name or term")
    page.reload()
    expect(field).to_have_value("Norland")
    page.locator("#terms-save").click()
    page.locator("#copy-link").click()
    expect(page.locator(".toast").first).to_be_visible()
    expect(page.locator(STATE)).to_contain_text("1 name or term")
    assert page.evaluate("sessionStorage.getItem('translation:terms')") is None


@pytest.mark.parametrize(
    ("width", "language", "theme"), [(1280, "en", "light"), (360, "de", "light"), (360, "ar", "dark")]
)
def test_the_card_fits_and_is_accessible(
    chromium: Browser, running: RunningService, axe: str, width: int, language: str, theme: str
) -> None:
    """On a phone, and from the right."""
    window = {"width": width, "height": 900}
    with watched(chromium, viewport=window, color_scheme=theme) as context:
        context.add_cookies([{"name": "language", "value": language, "url": running.url}])
        page = ready(context, f"{running.url}/translation")
        card = page.locator("#terms")
        card.locator("textarea").fill("x" * 700)
        card.locator("#terms-save").click()
        expect(card.locator("#terms-problem")).to_contain_text("700")
        box = card.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert violations(page, axe) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width

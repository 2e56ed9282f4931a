"""Texts of people and back ends in right-to-left scripts affect only their own direction."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PageAt, settled
from tests.fakes.scenes import FOREIGN
from tests.fakes.scripted_service import Running, scripted

pytestmark = pytest.mark.browser

#: Texts that would turn what is around them: neither alone in an element that looks for its own direction,
#: nor between isolates. With how many were looked at.
TURNING = """(foreign) => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = { looked: 0, turning: [] };
  while (texts.nextNode()) {
    const node = texts.currentNode;
    const text = node.data;
    if (!/[\\u0590-\\u08ff]/.test(text) || node.parentElement.closest("script, style")) continue;
    found.looked += 1;
    const place = node.parentElement.closest("[dir], bdi");
    const isRoot = place === null || place === document.documentElement;
    const around = text.replaceAll(/\\u2068[^\\u2068\\u2069]*\\u2069/g, "");
    // Of a sentence of ours with such a text in it, the direction is ours.
    const isOurs = around !== text && place !== null && getComputedStyle(place).direction === "ltr";
    const isAlone = text.trim().startsWith(foreign[0]) && place?.textContent.trim().startsWith(foreign[0]);
    const isIsolated = isOurs && !/[\\u0590-\\u08ff]/.test(around);
    const isSafe = isIsolated || (!isRoot && place.dir === "auto" && isAlone);
    if (!isSafe) found.turning.push(node.parentElement.outerHTML.slice(0, 300));
  }
  return found;
}"""


def assert_nothing_turns(page: Page, least: int) -> None:
    found = page.evaluate(TURNING, FOREIGN)
    assert found["turning"] == []
    assert found["looked"] >= least


@pytest.fixture(scope="module")
def foreign() -> Iterator[Running]:
    with scripted("foreign") as running:
        yield running


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize(
    ("path", "least"),
    [
        ("/", 25),
        ("/?instance=audio-service%20http%3A%2F%2F127.0.0.1%3A5001", 28),
        ("/connections", 6),
        ("/connections?connection=c-00000", 9),
        ("/gateway", 2),
        ("/tree", 6),
        ("/tree?branch=websocket", 12),
        ("/settings", 6),
    ],
)
def test_texts_of_others_turn_only_themselves(
    foreign: Running, page_at: PageAt, path: str, least: int, width: int
) -> None:
    """Banners, tables, panels, events, values: on every page."""
    page = page_at(foreign.url + path, width=width)
    settled(page)
    expect(page.locator("#page-status")).not_to_be_empty()
    assert_nothing_turns(page, least)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_dialogs_toasts_and_fields_turn_only_themselves(foreign: Running, page_at: PageAt) -> None:
    """Confirmations, announcements, and typed text."""
    page = page_at(foreign.url + "/connections")
    settled(page)
    for field in ("#find", "#announcement"):
        if field == "#announcement":
            page.locator("#announce").click()
        expect(page.locator(field)).to_have_attribute("dir", "auto")
    page.locator("#announcement").fill(FOREIGN)
    page.get_by_role("button", name="Announce to all").last.click()
    expect(page.locator(".toast", has_text=FOREIGN)).to_be_visible()
    page.locator("#connections-placeholder .row-link").first.click()
    page.get_by_role("button", name="Close this connection").click()
    expect(page.get_by_role("heading", name=FOREIGN).last).to_be_visible()
    assert_nothing_turns(page, 10)
    page.get_by_role("button", name="Close connection").click()
    expect(page.locator(".toast", has_text="is being closed")).to_be_visible()
    assert_nothing_turns(page, 8)
    page.goto(foreign.url + "/settings")
    settled(page)
    expect(page.locator("#find")).to_have_attribute("dir", "auto")
    page.get_by_role("button", name="Change services.audio-service.model").click()
    expect(page.get_by_role("textbox", name="Value")).to_have_attribute("dir", "auto")
    assert_nothing_turns(page, 6)


def test_names_given_on_the_translation_page_have_their_own_direction(
    foreign: Running, page_at: PageAt
) -> None:
    page = page_at(foreign.url + "/translation")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    expect(page.locator("#name")).to_have_attribute("dir", "auto")
    for text in ("#page-status", "#you-are", "#here", "#session-name"):
        expect(page.locator(text)).to_have_attribute("dir", "auto")

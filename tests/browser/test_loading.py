"""The message of a page that was not loaded completely."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from orch.web.pages import PAGES
from tests.browser.conftest import PageAt
from tests.fakes.scripted_service import Running, scripted

pytestmark = pytest.mark.browser

NEEDED_BY_ALL = "js/components/dom.js"


@pytest.fixture(scope="module")
def pages() -> Iterator[Running]:
    with scripted("full") as running:
        yield running


@pytest.mark.parametrize("width", [1280, 360])
def test_a_page_whose_script_was_lost_says_so_and_is_loaded_again(
    pages: Running, page_at: PageAt, width: int
) -> None:
    """Browsers abort loading when the network changes: a page's own script, or one that it imports."""
    page = page_at("about:blank", width=width, expects=("ERR_NETWORK_CHANGED", "ERR_FAILED"))
    told = page.locator("#not-loaded")
    for each in PAGES:
        for lost in (each.script, NEEDED_BY_ALL):
            page.goto("about:blank")
            page.route(f"**/{lost}", lambda route: route.abort())
            page.goto(f"{pages.url}{each.path}#kept")
            expect(told).to_contain_text("A part of this page was not loaded.")
            expect(page.locator("#live-text")).to_have_text("not loaded")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.url.endswith("#kept")
            page.unroute(f"**/{lost}")
            page.get_by_role("button", name="Load it again").click()
            expect(page.locator("#live")).to_have_attribute("data-state", "live")
            expect(told).to_be_hidden()

"""The Gateway page: what is wrong first, a route's course, and many rows; by keyboard, at both widths."""

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import PageAt, resize, settled, violations
from tests.browser.layout import layout_faults
from tests.fakes.scripted_service import scripted

pytestmark = pytest.mark.browser


def test_a_strained_gateway_says_what_is_wrong_and_a_route_opens_to_its_course(
    page_at: PageAt, axe: str
) -> None:
    """A course that cannot be loaded is said, and the charts that were drawn stay with their time."""
    with scripted("strained") as running:
        page = page_at(f"{running.url}/gateway", expects=("502",))
        settled(page)
        banners = page.locator("#problems .banner")
        expect(banners).to_have_count(6)
        expect(banners.first).to_have_attribute("data-tone", "bad")
        expect(page.locator("#queues tbody tr").nth(1)).to_contain_text("256 of 256, full")
        expect(page.locator("#discovery")).to_contain_text(
            "7 failures in a row: the name server did not answer"
        )
        expect(page.locator("#instances")).to_contain_text("slow start")
        expect(page.locator("#usage")).to_contain_text("new work is refused")
        for width, height in ((1280, 900), (360, 740), (640, 450)):
            resize(page, width, height)
            assert layout_faults(page) == []
        assert violations(page, axe) == []
        page.locator("#routes .row-link").first.focus()
        page.keyboard.press("Enter")
        panel = page.locator("dialog#route[open]")
        expect(panel.locator("#route-latency strong")).to_have_count(3)
        expect(panel.locator("#route-latency canvas")).to_have_count(1)
        expect(panel.locator("#route-latency-summary")).to_contain_text("p99: now")
        panel.locator("#route-latency [data-part=toggle]").press("Enter")
        expect(panel.locator("#route-latency tbody tr").first).to_contain_text("ms")
        assert violations(page, axe) == []
        assert layout_faults(page, "dialog#route") == []
        expect(page).to_have_url(f"{running.url}/gateway?route=%2Fapi%2Faudio%2F")

        def fail(route: Route) -> None:
            route.fulfill(status=502, body="bad gateway")

        page.route("**/api/gateway/history*", fail)
        expect(panel).to_contain_text("cannot be loaded right now")
        expect(panel).to_contain_text("The charts are as of")
        page.keyboard.press("Escape")
        expect(panel).to_have_count(0)
        expect(page.locator("#routes .row-link").first).to_be_focused()


def test_many_rows_are_found_and_those_with_problems_come_first(page_at: PageAt) -> None:
    """50 instances and 100 routes with long names, at 360 px."""
    with scripted("crowded") as running:
        page = page_at(f"{running.url}/gateway", width=360)
        settled(page)
        rows = page.locator("#instances tbody tr")
        expect(rows).to_have_count(15)
        expect(rows.first).to_contain_text("unhealthy")
        expect(page.locator("#routes tbody tr").first).to_contain_text("/api/tenant-70/")
        assert layout_faults(page) == []
        page.get_by_role("button", name="Show all 49 instances").press("Enter")
        expect(rows).to_have_count(49)
        page.get_by_label("Find routes").fill("tenant-42")
        expect(page.locator("#routes tbody tr")).to_have_count(1)
        page.get_by_label("Find routes").fill("nothing like this")
        expect(page.locator("#routes tbody tr")).to_have_count(0)
        expect(page.locator("#routes")).to_contain_text("No route matches")

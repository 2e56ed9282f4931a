"""The Analytics page in Chromium: ranges, an earlier time beside, a forecast, insights, and what is away."""

import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PageAt, settled
from tests.fakes.scripted_service import Running, scripted

pytestmark = pytest.mark.browser

INSIGHT: dict[str, Any] = {
    "identity": "service_p95_ms:audio-service@1",
    "severity": "bad",
    "subject": "audio-service",
    "title": 'End of speech to caption, p95: 4.2 × the usual here <img src=x onerror="document.title=1">.',
    "causes": [
        {"cause": "back_end", "subject": "audio-service", "text": "10.0.0.7 was ejected.", "share": 0.8}
    ],
    "evidence": [{"text": "10.0.0.7 was ejected.", "at": 1.0, "key": ""}],
    "next_step": {
        "text": "Look at its instances",
        "href": "/gateway",
        "command": "curl …/api/gateway/status",
    },
    "keys": ["service_p95_ms:audio-service"],
    "began": 1.0,
    "until": 2.0,
    "is_open": True,
}


@pytest.fixture(scope="module")
def full() -> Iterator[Running]:
    with scripted("full") as running:
        yield running


def test_charts_have_a_range_and_an_earlier_time_beside(full: Running, page_at: PageAt) -> None:
    page = page_at(f"{full.url}/analytics", width=1280)
    settled(page)
    legend = page.locator("#chart-traffic [data-part=legend]")
    expect(legend).not_to_contain_text("a week earlier")
    with page.expect_response("**/api/analytics/series*seconds=2592000*compare=604800*"):
        page.locator("#range").select_option("2592000")
        page.locator("#compare").select_option("604800")
    expect(legend).to_contain_text("a week earlier")
    expect(page.locator("#chart-traffic canvas")).to_be_visible()
    page.locator("#chart-traffic").get_by_role("button", name="Show as table").click()
    expect(page.locator("#chart-traffic tbody tr")).to_have_count(60)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    rows = download.value.path().read_text().splitlines()
    assert rows[0].startswith('"at","requests","requests 604800 s earlier"')
    assert len(rows) > 300


def test_what_is_usual_and_a_new_level_are_in_chart_legend_and_table(full: Running, page_at: PageAt) -> None:
    """A screen reader finds both in the summary and in the table."""
    page = page_at(f"{full.url}/analytics", width=1280)
    settled(page)
    page.locator("#range").select_option("604800")
    chart = page.locator("#chart-traffic")
    expect(chart.locator("[data-part=legend]")).to_contain_text("usual high")
    expect(chart.locator("[data-part=legend]")).to_contain_text("level changed")
    expect(chart.locator("[data-part=legend] [data-dash=mark]")).to_be_hidden()
    expect(chart.locator("[data-part=summary]")).to_contain_text(
        "from then on; at the former level it would be"
    )
    chart.get_by_role("button", name="Show as table").click()
    expect(chart.locator("th", has_text="Remarks")).to_be_visible()
    page.locator("#range").select_option("2592000")
    expect(chart.locator("tbody")).to_contain_text("from then on; at the former level it would be")
    expect(page.locator("#anomalies")).to_contain_text("new level")
    expect(page.locator("#chart-delay [data-part=legend]")).not_to_contain_text("usual high")


def test_a_figure_opens_to_its_forecast(full: Running, page_at: PageAt) -> None:
    """From the list, by its own address too."""
    page = page_at(f"{full.url}/analytics", width=1280)
    settled(page)
    page.get_by_role("link", name="Connections", exact=True).last.click()
    panel = page.locator("#figure")
    expect(panel.locator(".facts")).to_contain_text("probably between")
    expect(panel.locator("#figure-course canvas")).to_be_visible()
    assert "figure=connections" in page.url
    page.reload()
    expect(panel.locator(".facts")).to_contain_text("in 20 tests on the past")


def test_an_insight_has_its_cause_evidence_and_next_step(full: Running, page_at: PageAt) -> None:
    """Texts of back ends and of a language model are text."""
    page = page_at(f"{full.url}/livez", width=1280)
    body = msgspec.json.encode({"now": time.time(), "worker": "w-0", "insights": [INSIGHT]}).decode()
    page.route(
        "**/api/analytics/insights", lambda route: route.fulfill(body=body, content_type="application/json")
    )
    page.goto(f"{full.url}/analytics")
    settled(page)
    expect(page.locator("#page-status")).to_contain_text("One thing is unusual now")
    card = page.locator("#insights")
    expect(card).to_contain_text("Probably: 10.0.0.7 was ejected (80\u00a0%)")
    expect(card).to_contain_text("<img src=x")
    card.get_by_text("Evidence").click()
    expect(card.locator("details li")).to_have_count(1)
    expect(card.get_by_role("link", name="Look at its instances")).to_have_attribute("href", "/gateway")


def test_what_cannot_be_loaded_is_said_and_the_rest_goes_on(full: Running, page_at: PageAt) -> None:
    page = page_at(f"{full.url}/livez", width=1280, expects=("502", "Failed to load"))
    page.route("**/api/analytics/insights", lambda route: route.fulfill(status=502, body="bad gateway"))
    page.goto(f"{full.url}/analytics")
    expect(page.locator("#problems")).to_contain_text("Insights")
    expect(page.locator("#figures tbody tr").first).to_be_visible()
    expect(page.locator("#chart-traffic canvas")).to_be_visible()

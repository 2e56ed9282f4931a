"""Alerts on the Overview, in Chromium: what is wrong first, acknowledged with a button, and taken back."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PageAt, settled
from tests.fakes.alerts import CRITICAL
from tests.fakes.scripted_service import Running, scripted

pytestmark = pytest.mark.browser


@pytest.fixture
def broken() -> Iterator[Running]:
    with scripted("broken") as running:
        yield running


def test_an_alert_is_acknowledged_on_the_overview_and_taken_back(broken: Running, page_at: PageAt) -> None:
    """Each shows at once; the service has stored it, and other alerts stay as they are."""
    page = page_at(broken.url)
    settled(page)
    alerts = broken.service.alerts
    expect(page.locator("#alerts-text")).to_have_text("1 critical alert and 1 notice fire.")
    expect(page.locator("#alerts-source")).to_contain_text("Alertmanager has been away for")
    rows = page.locator("#alerts-list > li")
    expect(rows.locator("strong")).to_have_text(
        ["BackendAllInstancesDown", "ProtocolProblems", "CaptionsLate", "RetryStorm"]
    )
    first = rows.first
    expect(first.locator(".pill")).to_have_text("critical")
    expect(first).to_contain_text("Nobody gets captions until one is back.")
    expect(first).to_contain_text("<img src=x")
    expect(first).to_contain_text("It is escalated in")
    expect(first.get_by_role("link", name="What to do")).to_have_attribute(
        "href", "https://runbooks.example/BackendAllInstancesDown.md"
    )
    page.get_by_role("button", name="Acknowledge BackendAllInstancesDown").click()
    acknowledged = page.locator(f'#alerts-list > li[data-key="{CRITICAL}"]')
    expect(acknowledged.locator(".pill")).to_have_text("acknowledged")
    expect(acknowledged).to_contain_text("Acknowledged by an operator at 127.0.0.1 until")
    assert alerts.alert(CRITICAL).state == "acknowledged"
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(acknowledged.locator(".pill")).to_have_text("critical")
    assert alerts.alert(CRITICAL).state == "firing"


def test_while_nothing_fires_there_is_no_card(page_at: PageAt) -> None:
    """Nor is its code loaded."""
    with scripted("full") as running:
        page = page_at(running.url)
        settled(page)
        expect(page.locator("#alerts")).to_be_hidden()
        loaded = page.evaluate("performance.getEntriesByType('resource').map(({name}) => name)")
        assert not [name for name in loaded if "alerts-card" in name]
        page.close()

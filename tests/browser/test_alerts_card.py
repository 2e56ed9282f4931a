"""Alerts on the Overview, in Chromium: what is wrong first, acknowledged with a button, and taken back."""

import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PageAt, settled
from tests.fakes.alertmanager import notification, notified_alert
from tests.fakes.alerts import CRITICAL
from tests.fakes.patience import PATIENCE
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


HOSTILE = 'x"\\n</script><img src=x onerror=window.hacked=1>' + "é😀" * 1_700
"""A label's value of 10 kB: quotes, a newline, markup, and no space to break at."""


def many_alerts(count: int) -> list[dict[str, Any]]:
    """Return alerts of all severities with long names, and every second with a hostile label and text."""
    severities = ("critical", "warning", "info")
    return [
        notified_alert(
            f"{number + 4096:x}",
            since=time.time() - number,
            annotations={"summary": f"{number}: {HOSTILE if number % 2 else 'Short.'}"},
            name=f"{number}{'LongNameOfAnAlert' * 8}",
            severity=severities[number % 3],
            service=HOSTILE if number % 5 == 4 else "audio-service",
            path=HOSTILE,
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("width", [1280, 360])
def test_as_many_alerts_as_there_are_rules_fit_the_page(page_at: PageAt, width: int) -> None:
    """The worst are listed, the others with a button; nothing is wider than the window or run as a script."""
    with scripted("full") as running:
        sent = httpx2.post(
            f"{running.url}/api/alerts/webhook", json=notification(*many_alerts(134)), timeout=PATIENCE
        )
        assert sent.json() == {"alerts": 134}, sent.text
        page = page_at(running.url, width=width)
        settled(page)
        expect(page.locator("#alerts-text")).to_have_text(
            "45 critical alerts, 45 warnings and 44 notices fire."
        )
        expect(page.locator("#alerts-note")).to_have_text("50 of 134")
        rows = page.locator("#alerts-list > li")
        expect(rows).to_have_count(8)
        page.get_by_role("button", name="Show 42 more alerts").click()
        expect(rows).to_have_count(50)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate("window.hacked === undefined")
        assert page.evaluate("document.querySelectorAll('#alerts img').length") == 0
        first = rows.first.get_by_role("button")
        first.focus()
        page.keyboard.press("Enter")
        expect(rows.first.locator(".pill")).to_have_text("acknowledged")
        # The service lists it after all that nobody has acknowledged, of which there are more than it sends.
        expect(page.locator("#alerts-text")).to_have_text(
            "44 critical alerts, 45 warnings and 44 notices fire."
        )
        expect(rows.first.locator(".pill")).to_have_text("acknowledged")
        expect(first).to_be_focused()
        page.keyboard.press("Enter")
        expect(rows.first.locator(".pill")).to_have_text("critical")
        expect(page.locator("#alerts-text")).to_have_text(
            "45 critical alerts, 45 warnings and 44 notices fire."
        )
        expect(first).to_be_focused()
        page.keyboard.press("Enter")
        expect(rows.first.locator(".pill")).to_have_text("acknowledged")
        page.locator("h1").click()  # neither the focus nor the pointer is in the list
        expect(rows.first.locator(".pill")).to_have_text("critical")

"""The insight on the Overview, in Chromium: shown with its evidence and next step, hidden, and taken back."""

import time

import pytest
from playwright.sync_api import expect

from orch.analytics.insights.insight import Cause, Evidence, Insight, NextStep
from tests.browser.conftest import PageAt, settled
from tests.fakes.scripted_service import scripted

pytestmark = pytest.mark.browser

TITLE = "Clients' requests p95 4.2 × the usual for this hour: 420 ms, usually 100 ms, with 2 other figures."


def an_insight(identity: str = "slow", title: str = TITLE, cause: str = "settings") -> Insight:
    now = time.time()
    return Insight(
        identity=identity,
        severity="warn",
        subject="audio-service",
        title=title,
        causes=(Cause(cause=cause, subject="audio-service", text="Settings were changed", share=0.7),),
        evidence=tuple(
            Evidence(text=f"<img src=x> fact {n} " + "x" * 300, at=now - 600 + n) for n in range(5)
        ),
        next_step=NextStep(text="Read which settings changed.", href="/settings"),
        keys=(),
        began=now - 600,
        until=now,
        is_open=True,
    )


@pytest.mark.parametrize("width", [1280, 360])
def test_an_insight_is_shown_with_its_evidence_and_hidden_by_keyboard(page_at: PageAt, width: int) -> None:
    """One at a time, below what is wrong; hidden, it stays so after a reload, and can be taken back."""
    with scripted("full") as running:
        running.service.insights = (an_insight(), an_insight("other", "Memory grows."))
        page = page_at(running.url, width=width)
        settled(page)
        banner = page.locator("#insight .banner")
        expect(banner).to_have_count(1)
        expect(banner.locator("strong")).to_have_text(TITLE)
        expect(banner.locator(".insight-facts li")).to_have_count(3)
        expect(banner).to_contain_text("<img src=x> fact 4")
        expect(banner.get_by_role("link", name="Read which settings changed.")).to_have_attribute(
            "href", "/settings"
        )
        expect(banner.get_by_role("link", name="All 2 insights")).to_have_attribute(
            "href", "/analytics#insights"
        )
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.get_by_role("button", name=f"Hide: {TITLE}").focus()
        page.keyboard.press("Enter")
        expect(banner.locator("strong")).to_have_text("Memory grows.")
        page.reload()
        settled(page)
        expect(banner.locator("strong")).to_have_text("Memory grows.")
        page.get_by_role("button", name="Hide: Memory grows.").click()
        expect(banner).to_have_count(0)
        assert page.evaluate("document.activeElement.id") == "page-title"
        page.locator(".toast").get_by_role("button", name="Undo").click()
        expect(banner.locator("strong")).to_have_text("Memory grows.")


def test_without_an_insight_its_code_is_not_loaded(page_at: PageAt) -> None:
    """Most visits never need it; one that a problem's banner says already is not shown again."""
    with scripted("full") as running:
        page = page_at(running.url)
        settled(page)
        loaded = page.evaluate("performance.getEntriesByType('resource').map(({name}) => name)")
        assert not [name for name in loaded if "insight-banner" in name]
        page.close()
    with scripted("broken") as running:
        running.service.insights = (an_insight(cause="incident"),)
        page = page_at(running.url)
        settled(page)
        expect(page.locator("#problems .banner").first).to_be_visible()
        expect(page.locator("#insight .banner")).to_have_count(0)

"""The operator's controls on the Gateway page: confirmed, sent as named, and their result shown."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PageAt, settled, violations
from tests.browser.layout import layout_faults
from tests.fakes.scripted_service import scripted

pytestmark = pytest.mark.browser


def test_an_operator_drains_an_instance_after_a_confirmation(page_at: PageAt, axe: str) -> None:
    """Cancelling sends nothing; the whole is done with the keyboard, at 360 px, without a layout fault."""
    with scripted("full") as running:
        page = page_at(f"{running.url}/gateway", width=360)
        settled(page)
        expect(page.locator("#services-placeholder")).to_contain_text("audio-service")
        page.locator("#instances-placeholder tr[data-href]").first.click()
        panel = page.locator("dialog.panel[open]")
        drain = panel.get_by_role("button", name="Drain ")
        drain.focus()
        page.keyboard.press("Enter")
        question = page.locator("dialog.dialog")
        expect(question).to_contain_text("gets no new requests on any worker until you return it")
        assert layout_faults(page, "dialog.dialog") == []
        assert violations(page, axe) == []
        page.keyboard.press("Escape")
        expect(question).to_have_count(0)
        assert running.service.changes == []
        page.keyboard.press("Enter")
        question.get_by_role("button", name="Drain ").click()
        expect(page.get_by_text("gets no new requests.").first).to_be_visible()
        panel.get_by_label("Weight", exact=True).fill("7")
        panel.get_by_role("button", name="Change the weight").click()
        question.get_by_role("button", name="Change the weight").click()
        expect(page.get_by_text("has the weight 7.").first).to_be_visible()
        sent = [command for kind, (command, _, _) in running.service.changes if kind == "control"]
        assert [(each.action, each.weight) for each in sent] == [("drain", None), ("weigh", 7)]
        assert {each.service for each in sent} <= {"audio-service", "translation-service"}

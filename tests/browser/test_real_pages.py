"""The operator's pages in Chromium on the real service, its back ends away."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import LOST, NAMES, OPERATOR_PAGES, PageAt, settled, violations
from tests.browser.layout import layout_faults
from tests.fakes.service import RunningService, service

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """``orch serve``, without running back ends."""
    with service("serve", tmp_path_factory.mktemp("serve")) as running:
        yield running


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("page_info", OPERATOR_PAGES, ids=NAMES)
def test_a_page_is_live_on_the_real_service(
    real: RunningService, page_at: PageAt, axe: str, page_info: Any, width: int
) -> None:
    """With the real parts' data, without errors, refusals or accessibility violations."""
    page = page_at(real.url + page_info.path, width=width, theme="light")
    settled(page)
    assert violations(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("branch", ["gateway", "websocket", "front"])
def test_an_operator_restarts_a_branch_and_sees_it_come_back(
    real: RunningService, page_at: PageAt, branch: str
) -> None:
    """Also the front, which carries the request itself; the page reconnects."""
    page = page_at(real.url + "/tree", expects=LOST)
    settled(page)
    row = page.locator(f"li[data-key={branch}]")
    before = row.locator("[data-part=restarts]").inner_text()
    row.get_by_role("button", name="Restart").click()
    page.get_by_role("dialog").get_by_role("button", name=f"Restart {branch}").click()
    expect(page.locator(".toast")).to_have_text(f"{branch} is being restarted.")
    expect(row.locator("[data-part=restarts]")).not_to_have_text(before)
    expect(row.locator(".pill")).to_have_text("running")
    settled(page)


def test_a_changed_value_is_shown_and_taken_back(real: RunningService, page_at: PageAt) -> None:
    """It applies at once, is marked as changed, and can be reverted with one click."""
    page = page_at(real.url + "/settings")
    settled(page)
    row = page.locator("tr[data-key='orchestration.gateway.retries']")
    before = row.locator(".setting-value").inner_text()
    row.get_by_role("button").click()
    page.get_by_role("textbox", name="Value").fill("7")
    page.get_by_role("button", name="Change", exact=True).click()
    expect(row.locator(".setting-value")).to_have_text("7")
    expect(row).to_contain_text("changed here")
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(row.locator(".setting-value")).to_have_text(before)
    expect(row).not_to_contain_text("changed here")


def test_an_impossible_value_is_refused_with_what_was_expected(real: RunningService, page_at: PageAt) -> None:
    """With the service's message beside the field, which keeps the typed text."""
    page = page_at(real.url + "/settings", expects=("422",))
    settled(page)
    page.get_by_role("button", name="Change orchestration.gateway.timeout", exact=True).click()
    page.get_by_role("textbox", name="Value").fill("-3")
    page.get_by_role("button", name="Change", exact=True).click()
    expect(page.locator("#setting-fault")).to_contain_text("expected")
    expect(page.get_by_role("textbox", name="Value")).to_have_value("-3")


def test_every_dialog_fits_the_narrowest_phone(real: RunningService, page_at: PageAt) -> None:
    """Those of all settings, and those that ask before something is done; the keyboard leaves each."""
    page = page_at(real.url + "/settings", width=320)
    settled(page)
    changes = page.get_by_role("button", name="Change ")
    assert changes.count() > 40
    dialog = page.locator("dialog[open]")
    for button in changes.all():
        button.evaluate("(button) => button.click()")
        assert layout_faults(page, "dialog[open]") == [], dialog.inner_text()
        dialog.evaluate("(dialog) => dialog.close()")
    for path, opener in (("/connections", "Announce"), ("/tree", "Restart")):
        page.goto(real.url + path)
        settled(page)
        page.locator("#main").get_by_role("button", name=opener).first.click()
        assert layout_faults(page, "dialog[open]") == [], f"{path}, {opener}"
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)

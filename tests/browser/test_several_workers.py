"""The operator's pages in Chromium with several workers."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from orch.cluster.runtime_settings import WorkerChanged
from orch.settings import Fault
from tests.browser.conftest import (
    NAMES,
    OPERATOR_PAGES,
    WINDOWS,
    PageAt,
    assert_accessible,
    assert_keyboard_reaches_every_control,
    resize,
    settled,
    violations,
)
from tests.fakes.scripted_service import Running, scripted
from tests.service.test_several_workers import TwoWorkers, stopped, two_workers

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def several() -> Iterator[Running]:
    """Three workers, of which one does not reply."""
    with scripted("several") as running:
        yield running


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoWorkers]:
    """Run the real service: two workers, and a Redis."""
    with two_workers(tmp_path_factory.mktemp("two")) as running:
        yield running


@pytest.mark.parametrize("page_info", OPERATOR_PAGES, ids=NAMES)
def test_a_page_is_accessible_and_fits(several: Running, page_at: PageAt, axe: str, page_info: Any) -> None:
    """WCAG 2.1 AA in both themes, nothing to scroll sideways for, and every control under the keyboard."""
    page = page_at(several.url + page_info.path)
    settled(page)
    for width, height in WINDOWS:
        resize(page, width, height)
        assert_accessible(page, axe, width)
        assert_keyboard_reaches_every_control(page)


def test_a_worker_that_does_not_answer_is_said_first(several: Running, page_at: PageAt) -> None:
    """Its name, and what is missing because of it."""
    page = page_at(several.url + "/connections")
    settled(page)
    expect(page.locator("#page-status")).to_have_text(
        "One worker does not reply; its connections are not counted."
    )
    expect(page.locator("#problems .banner")).to_have_count(2)
    banner = page.locator("#problems .banner").first
    expect(banner).to_contain_text(re.compile(r"Worker\s2: its connections are not shown\."))


def test_connections_are_shown_with_their_worker_and_by_worker(several: Running, page_at: PageAt) -> None:
    """A filter queries all connections, not only the listed ones."""
    page = page_at(several.url + "/connections")
    settled(page)
    rows = page.locator("#connections-placeholder tbody tr")
    expect(rows.first).to_contain_text(re.compile(r"worker\s0"))
    expect(page.locator("#connections-note")).to_have_text("the newest 60 of 1,458")
    with page.expect_request("**/api/connections?worker=w-1"):
        page.get_by_label("Worker", exact=True).select_option(label="worker 1")
    expect(rows).to_have_count(30)
    expect(page.locator("#connections-note")).to_have_text("30 of 1,458 match")
    with page.expect_request("**/api/connections?find=mei&worker=w-1"):
        page.get_by_label("Find").fill("mei")
    expect(rows).to_have_count(10)
    with page.expect_request("**/api/connections?find=mei&worker=w-1&sort=queued_bytes&order=descending"):
        page.get_by_role("button", name="Waiting").click()
    expect(page.locator("#connections-note")).to_have_text("10 of 1,458 match")
    page.get_by_label("Find").fill("")
    page.get_by_label("Worker", exact=True).select_option(label="any")
    expect(rows).to_have_count(50)


def test_a_connection_beyond_the_list_is_looked_for(several: Running, page_at: PageAt) -> None:
    """Its address opens it; only a connection that no worker has is shown as ended."""
    page = page_at(several.url + "/connections?connection=c-99999")
    settled(page)
    expect(page.locator("#connection")).to_contain_text("This connection has ended.")
    assert "c-99999" in {query.find for query in several.service.asked}
    page.goto(several.url + "/connections?connection=c-00003")
    settled(page)
    expect(page.locator("#connection")).to_contain_text(re.compile(r"Worker\s*worker\s1"))


def test_the_tree_of_another_worker_is_looked_at_and_a_branch_of_it_restarted(
    page_at: PageAt, axe: str
) -> None:
    """The shown worker is always named; for one that does not reply, the last known tree stays."""
    with scripted("several") as running:
        page = page_at(running.url + "/tree", expects=("504",))
        settled(page)
        status = page.locator("#page-status")
        expect(status).to_have_text("Worker 0: all 6 branches are running.")
        choices = page.locator("#worker-choices button")
        expect(choices).to_have_count(3)
        expect(choices.nth(1)).to_contain_text("gateway not running")
        choices.nth(1).focus()
        page.keyboard.press("Enter")
        expect(status).to_have_text("Worker 1: all 6 branches are running.")
        expect(choices.nth(1)).to_have_attribute("aria-pressed", "true")
        page.get_by_role("button", name="Restart the branch gateway").click()
        question = page.get_by_role("dialog", name=re.compile(r"Restart the branch gateway of worker\s1\?"))
        question.get_by_role("button", name="Restart gateway").click()
        expect(page.locator(".toast")).to_have_text("gateway is being restarted.")
        assert running.service.changes == [("restart branch", "gateway of w-1")]
        choices.nth(2).click()
        expect(page.locator("#worker-fault")).to_contain_text("Worker 2 at translate-1 did not reply")
        expect(status).to_have_text("Worker 1: all 6 branches are running.")
        assert violations(page, axe) == []
        choices.nth(0).click()
        expect(status).to_have_text("Worker 0: all 6 branches are running.")
        expect(page.locator("#worker-fault")).to_be_empty()


def test_the_worker_whose_figures_are_shown_is_named(several: Running, page_at: PageAt) -> None:
    """Breakers and latencies belong to one worker."""
    for path in ("/", "/gateway"):
        page = page_at(several.url + path)
        settled(page)
        expect(page.locator("#worker-note")).to_contain_text(re.compile(r"worker\s0"))


def test_workers_that_have_not_taken_a_change_over_are_named(page_at: PageAt) -> None:
    """With the reason; the change applies on this worker nevertheless."""
    fault = Fault("services.x.url", "expected a URL")
    with scripted("several") as running:
        running.service.others = (
            WorkerChanged(worker="Worker 1 at x (process 7)", outcome="refused", faults=(fault,)),
            WorkerChanged(worker="Worker 2 at x (process 8)", outcome="no_answer"),
        )
        page = page_at(running.url + "/settings")
        settled(page)
        page.get_by_role("button", name="Change orchestration.gateway.timeout", exact=True).click()
        page.get_by_role("textbox", name="Value").fill("20")
        page.get_by_role("button", name="Change", exact=True).click()
        said = page.locator(".toast").filter(has_text="Worker 1 at x (process 7) rejected it")
        expect(said).to_contain_text("services.x.url: expected a URL")
        expect(said).to_contain_text("Worker 2 at x (process 8) did not reply")


def connect_to_both(both: TwoWorkers, page_at: PageAt) -> tuple[Page, Page]:
    """Open the connections on one worker, and the overview on the other."""
    page, other = page_at(both.urls[0] + "/connections"), page_at(both.urls[1] + "/", theme="light")
    settled(page)
    settled(other)
    return page, other


def test_clients_of_every_worker_are_listed_notified_and_closed(both: TwoWorkers, page_at: PageAt) -> None:
    """On the real service: the other worker's page is listed, receives the announcement, and is closed."""
    page, other = connect_to_both(both, page_at)
    rows = page.locator("#connections-placeholder tbody tr")
    theirs = rows.filter(has_text=re.compile(r"worker\s1"))
    expect(theirs).to_have_count(1)
    page.get_by_role("button", name="Announce to all").click()
    page.get_by_role("textbox", name="Message").fill("Back at noon.")
    page.get_by_role("dialog").get_by_role("button", name="Announce to all").click()
    expect(page.locator(".toast").filter(has_text=re.compile(r"Sent to \d+ connections in"))).to_be_visible()
    heard = other.locator(".toast")
    expect(heard).to_contain_text("Announcement")
    expect(heard).to_contain_text("Back at noon.")
    theirs.get_by_role("link").click()
    page.locator("#connection").get_by_role("button", name="Close this connection").click()
    page.get_by_role("dialog").get_by_role("button", name="Close connection").click()
    expect(page.locator("#connection")).to_contain_text("This connection has ended.")
    expect(other.locator("#connection-bar")).to_be_visible()
    other.close()


def test_a_real_worker_that_stops_is_named_and_comes_back(both: TwoWorkers, page_at: PageAt) -> None:
    """Meanwhile its data is marked as missing."""
    page = page_at(both.urls[0] + "/connections")
    settled(page)
    expect(page.locator("#worker-field")).to_be_visible(timeout=20_000)
    with stopped(both.pids()[1]):
        expect(page.locator("#problems .banner")).to_be_visible(timeout=30_000)
    expect(page.locator("#problems .banner")).to_have_count(0)

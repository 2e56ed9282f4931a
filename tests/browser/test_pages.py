"""The operator's pages in Chromium: every page, full, empty and with problems."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import FilePayload, expect

from orch.web.pages import PAGES
from tests.browser.conftest import (
    LOST,
    NAMES,
    OPERATOR_PAGES,
    WINDOWS,
    PageAt,
    assert_accessible,
    assert_keyboard_reaches_every_control,
    resize,
    settled,
    violations,
    weighed,
)
from tests.fakes.scripted_service import Running, scripted

pytestmark = pytest.mark.browser

WEIGHT_LIMIT = 200 * 1024


@pytest.fixture(scope="module", params=["full", "empty", "broken"])
def scene(request: pytest.FixtureRequest) -> Iterator[Running]:
    with scripted(request.param) as running:
        yield running


@pytest.fixture(scope="module")
def full() -> Iterator[Running]:
    with scripted("full") as running:
        yield running


@pytest.fixture
def broken() -> Iterator[Running]:
    with scripted("broken") as running:
        yield running


@pytest.mark.parametrize("page_info", OPERATOR_PAGES, ids=NAMES)
def test_a_page_is_accessible_and_fits(scene: Running, page_at: PageAt, axe: str, page_info: Any) -> None:
    """WCAG 2.1 AA in both themes, wide and on a phone, and nothing to scroll sideways for.

    Where everything is shown the keyboard reaches every control, and each then has a visible ring.
    """
    page = page_at(scene.url + page_info.path)
    settled(page)
    for width, height in WINDOWS:
        resize(page, width, height)
        assert_accessible(page, axe, width)
        if scene.service.scene == "full":
            assert_keyboard_reaches_every_control(page)


def test_the_first_stop_leads_past_the_side_bar(full: Running, page_at: PageAt) -> None:
    """Keyboard users can skip the navigation on each page."""
    page = page_at(full.url)
    settled(page)
    page.keyboard.press("Tab")
    expect(page.locator(".skip-link")).to_be_focused()
    expect(page.locator(".skip-link")).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


@pytest.mark.parametrize("page_info", PAGES, ids=lambda page: page.name)
def test_a_first_visit_is_light(full: Running, page_at: PageAt, page_info: Any) -> None:
    """Without a cache, under 200 KB, everything the page needs included, headers too."""
    page = page_at(full.url + "/livez", width=1280)
    with weighed(page) as weight:
        page.goto(full.url + page_info.path, wait_until="networkidle")
    assert 0 < weight["bytes"] < WEIGHT_LIMIT


def test_a_lost_connection_is_shown_and_its_return_too(page_at: PageAt, axe: str) -> None:
    """The bar counts down, the last figures stay, and everything comes back by itself."""
    with scripted("full") as running:
        page = page_at(running.url, expects=LOST)
        settled(page)
        value = page.locator("#tile-connections [data-part=value]")
        expect(value).to_have_text("1,458")
        running.stop()
        bar = page.locator("#connection-bar")
        expect(bar).to_be_visible()
        expect(bar).to_contain_text("The connection to the service is lost.")
        expect(page.locator("#connection-next")).to_contain_text("Trying")
        expect(page.locator("#live")).to_have_attribute("data-state", "waiting")
        expect(value).to_have_text("1,458")
        assert violations(page, axe) == []
        running.start()
        # As a click, but also where the page has tried by itself meanwhile, and the button is hidden.
        page.locator("#connection-now").dispatch_event("click")
        expect(bar).to_be_hidden(timeout=35_000)
        settled(page)


def test_figures_that_stop_arriving_are_shown_as_old(page_at: PageAt) -> None:
    """An open WebSocket without messages does not prove that the service is alive."""
    with scripted("full") as running:
        page = page_at(running.url)
        settled(page)
        running.service.is_quiet = True
        expect(page.locator("#live")).to_have_attribute("data-state", "stale")
        expect(page.locator("#live-text")).to_contain_text("s old")


def test_problems_are_shown_first_as_sentences(broken: Running, page_at: PageAt) -> None:
    """A summary, then each problem with what the service does about it and what an operator can do."""
    page = page_at(broken.url)
    settled(page)
    expect(page.locator("#page-status")).to_have_text("websocket failed and will be restarted.")
    banners = page.locator("#problems .banner")
    expect(banners).to_have_count(5)
    expect(banners.nth(0)).to_contain_text("The store does not answer.")
    expect(page.locator("#problems")).to_contain_text("Starting it again in 4 s (attempt 2 of 5).")
    expect(page.locator("#problems")).to_contain_text("The service did not start it")
    store = banners.filter(has_text="The session store")
    expect(store).to_contain_text("Nothing listens there: start it.")
    expect(store).to_contain_text("Connections, the gateway and the back ends are not affected.")


def test_the_overview_says_how_many_bots_run_and_why_others_do_not(
    full: Running, broken: Running, page_at: PageAt
) -> None:
    """The last failure with its reason; what has to be installed."""
    page = page_at(full.url + "/")
    settled(page)
    bots = page.locator("#bots")
    expect(bots.get_by_role("link").first).to_have_text("8 bots run, of 10 at a time. 2 wait for a place.")
    expect(bots).to_contain_text("Captions 13. Nobody let it in.")
    expect(bots.get_by_role("link").last).to_have_attribute("href", "/bots/bot-failed-13")
    page = page_at(broken.url + "/")
    settled(page)
    expect(page.locator("#bots .is-warn")).to_contain_text("apt-get install chromium")


def test_names_that_are_markup_are_shown_as_text(broken: Running, page_at: PageAt) -> None:
    """A client chooses its name and its agent string."""
    page = page_at(broken.url + "/connections")
    settled(page)
    expect(page.locator("#connections-placeholder")).to_contain_text('<img src=x onerror="document.title=1">')
    assert page.locator("#main img").count() == 0
    assert "Connections" in page.title()


def test_a_gap_in_the_figures_is_drawn_as_one(broken: Running, page_at: PageAt) -> None:
    """Two lines, with nothing between them."""
    page = page_at(broken.url)
    settled(page)
    stroke = page.locator("#tile-requests .sparkline-line").get_attribute("d")
    assert (stroke or "").count("M") == 2


def test_a_chart_can_be_read_as_a_table(full: Running, page_at: PageAt) -> None:
    """With a button, newest first, and back again."""
    page = page_at(full.url)
    settled(page)
    chart = page.locator("#latency")
    chart.get_by_role("button", name="Show as table").click()
    expect(chart.locator("table")).to_be_visible()
    assert chart.locator("tbody tr").count() == 60
    expect(chart.locator("[data-part=plot]")).to_be_hidden()
    chart.get_by_role("button", name="Show as chart").click()
    expect(chart.locator("[data-part=plot]")).to_be_visible()


def test_a_row_opens_beside_the_list_at_an_address_of_its_own(
    full: Running, page_at: PageAt, axe: str
) -> None:
    """It can be linked to, Back closes it, Escape closes it, and focus returns to the row."""
    page = page_at(full.url + "/tree")
    settled(page)
    link = page.get_by_role("link", name="websocket")
    link.click()
    panel = page.locator("#branch")
    expect(panel).to_be_visible()
    assert page.url.endswith("/tree?branch=websocket")
    expect(panel).to_contain_text("outbox c-7f3k2")
    assert violations(page, axe) == []
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    assert page.url.endswith("/tree")
    expect(link).to_be_focused()
    page.go_forward()
    expect(panel).to_be_visible()
    page.reload()
    settled(page)
    expect(panel).to_contain_text("outbox c-7f3k2")


def test_a_branch_that_failed_shows_its_traceback(broken: Running, page_at: PageAt) -> None:
    """The last error in full, where an operator looks for it."""
    page = page_at(broken.url + "/tree?branch=websocket")
    settled(page)
    expect(page.locator("#branch")).to_contain_text("Traceback (most recent call last)")
    expect(page.locator("#branch")).to_contain_text("expiry.py")


@pytest.mark.parametrize(
    ("path", "button", "verb", "change"),
    [
        ("/tree", "Restart the branch gateway", "Restart gateway", ("restart branch", "gateway")),
        (
            "/",
            "Restart translation-service",
            "Restart translation-service",
            ("restart service", "translation-service"),
        ),
    ],
)
def test_a_restart_asks_once_and_then_happens(
    page_at: PageAt, axe: str, path: str, button: str, verb: str, change: Any
) -> None:
    """Cancel and Escape change nothing; confirming restarts it, and the page says so."""
    with scripted("full") as running:
        page = page_at(running.url + path)
        settled(page)
        page.get_by_role("button", name=button).first.click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        assert violations(page, axe) == []
        dialog.get_by_role("button", name="Cancel").click()
        expect(dialog).to_be_hidden()
        assert running.service.changes == []
        page.get_by_role("button", name=button).first.click()
        dialog.get_by_role("button", name=verb).click()
        expect(page.locator(".toast")).to_be_visible()
        assert running.service.changes == [change]


def test_a_page_asks_for_the_token_once_and_stays_signed_in(page_at: PageAt, axe: str) -> None:
    """A wrong one is refused with the reason; the right one leads to the requested page."""
    from tests.fakes.pages_client import TOKEN, WIDE

    with scripted("full") as running:
        running.service.settings = WIDE
        running.service.refresh()
        page = page_at(running.url + "/tree", expects=("401",))
        expect(page).to_have_url(running.url + "/sign-in?next=/tree")
        assert page.get_by_role("navigation").count() == 0
        assert violations(page, axe) == []
        page.get_by_label("Control token").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_have_text("That is not the control token.")
        page.get_by_label("Control token").fill(TOKEN)
        page.keyboard.press("Enter")
        expect(page).to_have_url(running.url + "/tree")
        settled(page)
        page.get_by_role("button", name="Restart the branch gateway").click()
        page.get_by_role("button", name="Restart gateway", exact=True).click()
        expect(page.locator(".toast")).to_have_count(1)
        assert running.service.changes == [("restart branch", "gateway")]
        page.get_by_role("button", name="Sign out").first.click()
        expect(page).to_have_url(running.url + "/sign-in")
        page.goto(running.url + "/tree")
        expect(page).to_have_url(running.url + "/sign-in?next=/tree")
        expect(page.locator("body")).not_to_have_attribute("data-signed-in", "")
        page.goto(running.url + "/sign-in?next=/tree#session=a&key=b")
        page.get_by_label("Control token").fill(TOKEN)
        page.keyboard.press("Enter")
        expect(page).to_have_url(running.url + "/tree#session=a&key=b")
        expect(page.locator("body")).to_have_attribute("data-signed-in", "")


@pytest.mark.parametrize("width", [1280, 360])
def test_the_numbers_in_the_side_bar_say_what_they_count(full: Running, page_at: PageAt, width: int) -> None:
    """To screen readers in the link's name, and on hover."""
    page = page_at(full.url + "/gateway", width=width)
    settled(page)
    link = page.get_by_role("navigation").get_by_role("link", name="Connections").first
    expect(link).to_have_attribute("title", "1,458 connections")
    if width > 600:
        expect(link).to_have_accessible_name("Connections 1,458 connections")
        other = page.get_by_role("navigation").get_by_role("link", name="Translation").first
        expect(other).to_have_accessible_name("Translation 412 sessions")
        bots = page.get_by_role("navigation").get_by_role("link", name="Bots").first
        expect(bots).to_have_accessible_name("Bots 8 bots")


def test_how_many_match_is_read_out_when_others_are_chosen_and_not_at_each_change(
    page_at: PageAt,
) -> None:
    with scripted("full") as running:
        page = page_at(running.url + "/connections")
        settled(page)
        expect(page.locator("#connections-note")).not_to_be_empty()
        expect(page.locator("#connections-count")).to_be_empty()
        page.locator("#choices button").nth(1).click()
        expect(page.locator("#connections-count")).to_contain_text("match")
        before = page.locator("#connections-count").inner_text()
        running.service.scene = "broken"
        expect(page.locator("#connections-placeholder tbody tr")).to_have_count(0)
        assert page.locator("#connections-count").inner_text() == before


def test_guests_get_no_operators_navigation(page_at: PageAt, axe: str) -> None:
    """On a wide screen and on a phone: no side bar, and no links to pages that they may not open."""
    from tests.fakes.pages_client import WIDE

    with scripted("full") as running:
        running.service.settings = WIDE
        running.service.refresh()
        for width in (1280, 360):
            page = page_at(running.url + "/sign-in", width=width)
            assert page.get_by_role("navigation").count() == 0
            assert page.locator("a[href='/'], a[href='/tree']").count() == 0
            assert violations(page, axe) == []


def test_rows_keep_their_order_under_the_pointer(page_at: PageAt) -> None:
    """A row under the pointer does not move; once the pointer has left, the order is right again."""
    with scripted("full") as running:
        page = page_at(running.url + "/connections")
        settled(page)
        page.get_by_role("button", name="Waiting").click()
        rows = page.locator("#connections-placeholder tbody tr")
        expect(rows.first).to_contain_text("Mei-Ling")
        rows.nth(1).hover()
        running.service.scene = "broken"
        expect(rows).to_have_count(1)
        running.service.scene = "full"
        expect(rows).to_have_count(50)
        before = rows.first.inner_text()
        page.locator("h1").hover()
        expect(rows.first).to_contain_text("Mei-Ling")
        assert "Mei-Ling" not in before or before == rows.first.inner_text()


def test_connections_are_found_and_counted(full: Running, page_at: PageAt) -> None:
    """By activity and by name; fifty rows at a time."""
    page = page_at(full.url + "/connections")
    settled(page)
    rows = page.locator("#connections-placeholder tbody tr")
    expect(rows).to_have_count(50)
    page.get_by_role("button", name="Show 10 more").click()
    expect(rows).to_have_count(60)
    page.get_by_role("button", name="behind").click()
    expect(rows).to_have_count(1)
    page.locator("#choices").get_by_role("button", name="all").click()
    page.get_by_label("Find").fill("ana chrome")
    expect(rows.first).to_contain_text("Ana")
    page.get_by_label("Find").fill("nobody at all")
    expect(rows).to_have_count(0)


def test_what_is_bounded_in_all_is_shown_beside_its_limit(full: Running, page_at: PageAt) -> None:
    """Each total with its setting; one close to its limit is shown first, with its consequence."""
    page = page_at(full.url + "/connections")
    settled(page)
    stored = page.locator("#sums tbody tr").filter(has_text="Stored of all sessions")
    expect(stored).to_contain_text("988")
    expect(stored).to_contain_text("nearly full")
    expect(stored).to_contain_text("session_management.max_bytes")
    expect(page.locator("#sums tbody tr").filter(has_text="Microphones")).to_contain_text("has room")
    banner = page.locator("#problems .banner")
    expect(banner).to_have_count(1)
    expect(banner).to_contain_text("the oldest sessions without participants are ended")


def test_one_connection_is_closed_after_one_question(page_at: PageAt, axe: str) -> None:
    """The confirmation names the client; cancelling changes nothing; a refusal of the service is shown."""
    with scripted("full") as running:
        page = page_at(running.url + "/connections?connection=c-00003", expects=("404",))
        settled(page)
        panel = page.locator("#connection")
        expect(panel).to_contain_text("Mei-Ling")
        question = page.get_by_role("dialog", name="Close the connection of Mei-Ling at 192.0.2.4?")
        close = panel.get_by_role("button", name="Close this connection")
        for answer in ("Cancel", "Close connection"):
            assert running.service.changes == []
            close.click()
            expect(question).to_be_visible()
            assert violations(page, axe) == []
            question.get_by_role("button", name=answer).click()
            expect(question).to_be_hidden()
            expect(close).to_be_enabled()
        expect(page.locator(".toast")).to_contain_text("The connection of Mei-Ling is being closed.")
        assert running.service.changes == [("close connection", "c-00003")]


@pytest.mark.parametrize("width", [1280, 360])
def test_an_announcement_reaches_everyone(page_at: PageAt, axe: str, width: int) -> None:
    """Not without text; the result has the number of receivers; pages show it until it is dismissed."""
    with scripted("full") as running:
        page = page_at(running.url + "/connections", width=width)
        settled(page)
        page.get_by_role("button", name="Announce to all").click()
        dialog = page.get_by_role("dialog", name="Announce to all connections")
        expect(dialog).to_contain_text("1,458 connections now")
        field = dialog.get_by_label("Message")
        expect(field).to_be_focused()
        field.fill("   ")
        dialog.get_by_role("button", name="Announce to all").click()
        expect(page.locator("#announcement-fault")).to_have_text("Write a message first.")
        assert violations(page, axe) == []
        page.emulate_media(color_scheme="light")
        assert violations(page, axe) == []
        field.fill("The service restarts at 22:00.")
        dialog.get_by_role("button", name="Announce to all").click()
        expect(dialog).to_be_hidden()
        toasts = page.locator(".toast")
        expect(toasts.filter(has_text="Sent to 58 connections in 31")).to_be_visible()
        assert running.service.changes == [("announce", "The service restarts at 22:00.")]
        heard = toasts.filter(has_text="The service restarts at 22:00.")
        expect(heard).to_be_visible()
        assert violations(page, axe) == []
        heard.get_by_role("button", name="Dismiss").click()
        expect(heard).to_be_hidden()


def test_rates_are_shown_once_they_are_known(page_at: PageAt) -> None:
    """A rate needs two samples of the counters."""
    with scripted("full") as running:
        page = page_at(running.url + "/connections")
        settled(page)
        cell = page.locator("#connections-placeholder tbody tr").first.locator("[data-label='Out /s']")
        expect(cell).to_have_text("0")


def test_the_theme_that_was_chosen_is_there_before_the_first_paint(full: Running, page_at: PageAt) -> None:
    """It overrides the system's theme on all pages, also after a reload."""
    page = page_at(full.url, theme="dark")
    settled(page)
    page.locator(".side-bar").get_by_label("Light").check()
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.goto(full.url + "/tree", wait_until="commit")
    page.wait_for_selector("h1")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == light == "rgb(246, 247, 249)"
    expect(page.locator(".side-bar").get_by_label("Light")).to_be_checked()
    page.locator(".side-bar").get_by_label("System").check()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light


def test_on_a_phone_the_rest_of_the_pages_is_behind_more(full: Running, page_at: PageAt, axe: str) -> None:
    """Four names and More; More opens, is accessible, and leads there."""
    page = page_at(full.url, width=360)
    settled(page)
    page.get_by_role("button", name="More").click()
    expect(page.locator("#nav-popover")).to_be_visible()
    assert violations(page, axe) == []
    page.locator("#nav-popover").get_by_role("link", name="Tree").click()
    expect(page.locator("h1")).to_have_text("Tree")


def test_a_value_is_changed_until_the_next_start(page_at: PageAt, axe: str) -> None:
    """An invalid value is refused in the dialog; a valid one is sent with its type."""
    with scripted("full") as running:
        page = page_at(running.url + "/settings")
        settled(page)
        page.get_by_role("button", name="Change orchestration.gateway.timeout", exact=True).click()
        field = page.get_by_role("textbox", name="Value")
        field.fill("soon")
        page.get_by_role("button", name="Change", exact=True).click()
        expect(page.locator("#setting-fault")).to_have_text("Type a number.")
        assert violations(page, axe) == []
        field.fill("20")
        page.get_by_role("button", name="Change", exact=True).click()
        expect(page.locator(".toast")).to_be_visible()
        assert running.service.changes == [("patch", {"orchestration.gateway.timeout": 20})]
        assert page.get_by_role("button", name="Change orchestration.control_token").count() == 0
        assert page.get_by_role("button", name="Change services.audio-service.url").count() == 0
        expect(page.get_by_text("fixed while it runs").first).to_be_visible()


INSIDE = """(dialog) => {
    const { right } = dialog.getBoundingClientRect();
    return [...dialog.querySelectorAll("*")].every((each) => each.getBoundingClientRect().right <= right);
}"""
LONG_LIST = ", ".join(f"host-{number}.example" for number in range(40))


@pytest.mark.parametrize("width", [320, 1280])
def test_a_file_of_settings_is_imported_after_what_it_changes_was_shown(
    page_at: PageAt, axe: str, width: int
) -> None:
    """Including pending and ignored changes; an invalid file is refused with its faults."""
    with scripted("full") as running:
        page = page_at(running.url + "/settings", width=width, expects=("422", "400"))
        settled(page)
        expect(page.get_by_role("link", name="Export")).to_have_attribute("href", "/api/config/export")

        def choose(text: str) -> None:
            file = FilePayload(name="mine.yaml", mimeType="application/yaml", buffer=text.encode())
            page.locator("#import-file").set_input_files([file])

        choose("orchestration:\n  gateway: {timeout: soon, nonsense: 1}\n")
        dialog = page.get_by_role("dialog", name="Import mine.yaml")
        expect(dialog).to_contain_text("orchestration.gateway.timeout")
        expect(dialog).to_contain_text("orchestration.gateway.nonsense")
        expect(dialog).to_contain_text("Nothing was changed.")
        expect(dialog.get_by_role("button", name="Apply")).to_be_disabled()
        dialog.get_by_role("button", name="Cancel").click()
        choose(
            "orchestration:\n  gateway: {timeout: 9}\n  frontend:\n    port: 4000\n"
            f"    allowed_hosts: [{LONG_LIST}]\n"
            "services:\n  audio-service: {url: 'http://else:1'}\n"
        )
        expect(dialog).to_contain_text("after a restart: it waits because listening sockets")
        expect(dialog).to_contain_text("not changed: it is an address")
        assert violations(page, axe) == []
        assert dialog.evaluate(INSIDE)
        assert running.service.changes == []
        dialog.get_by_role("button", name="Apply").click()
        expect(page.locator(".toast")).to_contain_text("not changed")
        ((_, wanted),) = running.service.changes
        assert wanted["orchestration.gateway.timeout"] == 9
        assert not any(path.startswith("services.") for path in wanted)


def test_a_page_that_is_not_there_is_a_page_too(full: Running, page_at: PageAt, axe: str) -> None:
    """With the side bar, accessible, and a way on."""
    page = page_at(full.url + "/nope", expects=("404",))
    expect(page.locator("#page-status")).to_have_text("The path /nope does not exist.")
    assert violations(page, axe) == []
    page.locator("main").get_by_role("link", name="Overview").click()
    settled(page)

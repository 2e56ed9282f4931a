"""The public status page and the Incidents page in Chromium."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from orch.settings import Orchestration, Settings
from orch.settings.incidents import StatusPage
from tests.browser.conftest import (
    LOST,
    WINDOWS,
    PageAt,
    assert_accessible,
    assert_keyboard_reaches_every_control,
    resize,
    settled,
)
from tests.fakes.chromium import window
from tests.fakes.scripted_service import Running, ScriptedService

pytestmark = pytest.mark.browser


@pytest.fixture
def public() -> Iterator[Running]:
    settings = Settings(orchestration=Orchestration(status_page=StatusPage(enabled=True)))
    running = Running(ScriptedService("broken", settings=settings))
    yield running
    running.stop()


@pytest.mark.parametrize("language", ["en", "ar"])
def test_the_status_page_is_accessible_and_fits(
    public: Running, page_at: PageAt, axe: str, language: str
) -> None:
    """In both themes and directions, wide and on a phone; the keyboard reaches every control."""
    page = page_at(f"{public.url}/status", locale=language)
    expect(page.locator(".status-bar")).to_have_count(180)
    for width, height in WINDOWS:
        resize(page, width, height)
        assert_accessible(page, axe, width)
    assert_keyboard_reaches_every_control(page)


def test_the_status_page_is_whole_without_javascript(public: Running, chromium: Browser) -> None:
    """Everything is there, and nothing is hidden until a script shows it."""
    context = window(chromium, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{public.url}/status")
    expect(page.locator("#page-status")).to_have_text("A part of the service does not work right now.")
    expect(page.locator(".status-incident")).to_be_visible()
    expect(page.locator(".status-bar").last).to_be_visible()
    context.close()


def test_the_status_page_says_when_it_is_old_and_follows_what_happens(
    public: Running, page_at: PageAt
) -> None:
    """What was shown stays; a script adds no markup from a text."""
    page = page_at("about:blank", expects=LOST)
    page.clock.install()
    page.goto(f"{public.url}/status")
    expect(page.locator("#status-stale")).to_be_hidden()
    public.stop()
    page.clock.run_for(31_000)
    expect(page.locator("#status-stale")).to_be_visible()
    expect(page.locator(".status-incident")).to_be_visible()
    public.start()
    page.clock.run_for(31_000)
    expect(page.locator("#status-stale")).to_be_hidden()
    assert page.locator("img").count() == 0


def test_an_operator_writes_a_note_a_post_mortem_and_an_announcement(
    public: Running, page_at: PageAt
) -> None:
    """From the keyboard; what was written is shown, markup as text."""
    page = page_at(f"{public.url}/incidents")
    settled(page)
    page.locator("#incidents .row-link").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#incident-title")).to_have_text("Incident 1: audio-service")
    page.get_by_label("Note for operators").fill("We look <b>now</b>.")
    page.get_by_role("button", name="Add the note").click()
    expect(page.locator("#incident .event").first).to_contain_text("We look <b>now</b>.")
    page.get_by_label("What happened, why").fill("The disk was full.")
    page.get_by_role("button", name="Store the post-mortem").click()
    expect(page.locator(".toast").last).to_contain_text("The post-mortem was stored.")
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#incidents-placeholder")).to_contain_text("written")
    page.get_by_label("Text, which anyone can read").fill("We move.")
    page.get_by_role("button", name="Announce", exact=True).click()
    expect(page.locator(".status-announcement").first).to_contain_text("We move.")
    page.get_by_role("button", name="End announcement 2").click()
    page.get_by_role("button", name="End it").click()
    expect(page.locator(".status-announcement").first).to_contain_text("over")


def test_incidents_that_do_not_arrive_are_said(page_at: PageAt) -> None:
    """Nothing else on the page claims that none is open."""
    running = Running(ScriptedService("full"))
    page = page_at(f"{running.url}/livez", expects=("Failed to load",))
    page.route("**/api/incidents*", lambda route: route.fulfill(status=502, body="bad gateway"))
    page.goto(f"{running.url}/incidents")
    expect(page.locator("#page-status")).to_have_text("Incidents cannot be shown right now.")
    expect(page.locator("#incident-faults")).to_contain_text("not current")
    running.stop()

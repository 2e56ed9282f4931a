"""The host mutes, renames and removes people, locks the session and ends it; what the others see of that."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.conftest import violations
from tests.browser.test_translation import watched
from tests.fakes.service import RunningService, service

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Run the service; what is said matters to no test, so its back ends are not needed."""
    with service("serve", tmp_path_factory.mktemp("serve")) as running:
        yield running


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    with watched(chromium) as context:
        yield context


@pytest.fixture
def guests(chromium: Browser) -> Iterator[BrowserContext]:
    """Another browser."""
    with watched(chromium) as context:
        yield context


def hosting(context: BrowserContext, served: RunningService) -> tuple[Page, str]:
    """Begin a session; return its page, and its link."""
    page = context.new_page()
    page.goto(f"{served.url}/translation")
    expect(page.locator("#copy-link")).to_be_enabled()
    page.locator("#name").fill("Ann")
    page.locator("#copy-link").click()
    expect(page).to_have_url(re.compile("#session="))
    expect(page.locator(".host-tools")).to_be_visible()
    return page, page.evaluate("location.href")


def joined(guests: BrowserContext, link: str, name: str = "Bob") -> Page:
    """Join as a guest with a name."""
    guests.add_init_script(
        f"if (location.protocol !== 'about:') localStorage['translation:name'] ??= {name!r}"
    )
    page = guests.new_page()
    page.goto(link)
    expect(page.locator("#people")).to_contain_text(f"{name} · you")
    return page


def person(page: Page, name: str) -> Locator:
    return page.locator(".person", has_text=name)


def act(page: Page, name: str, action: str) -> None:
    """Do something about a person, from their row."""
    row = person(page, name)
    if row.locator(".person-actions").is_hidden():
        row.get_by_role("button", name=f"What to do with {name}").click()
    row.get_by_role("button", name=action, exact=True).click()


def notice(page: Page) -> Locator:
    return page.locator("#notices")


def test_a_muted_guest_knows_it_and_may_unmute(
    context: BrowserContext, guests: BrowserContext, served: RunningService
) -> None:
    """The microphone stops; the notice has the button to go on, and others see who is muted."""
    host, link = hosting(context, served)
    guest = joined(guests, link)
    guest.locator("#speak-button").click()
    expect(person(host, "Bob")).to_contain_text("speaking")
    person(host, "Bob").get_by_role("button", name="What to do with Bob").focus()
    host.keyboard.press("Enter")
    host.keyboard.press("Tab")
    host.keyboard.press("Enter")
    expect(notice(guest)).to_contain_text("The host muted you: what you say is not transcribed.")
    expect(guest.locator("#speak-label")).to_have_text("Start microphone")
    expect(person(host, "Bob")).to_contain_text("muted")
    expect(host.locator(".toast").last).to_contain_text("Bob")
    person(host, "Bob").get_by_role("button", name="Let speak").focus()
    host.keyboard.press("Escape")
    expect(person(host, "Bob").get_by_role("button", name="What to do with Bob")).to_be_focused()
    guest.reload()
    expect(notice(guest)).to_contain_text("The host muted you")
    notice(guest).get_by_role("button", name="Unmute").click()
    expect(notice(guest)).not_to_contain_text("muted")
    expect(person(host, "Bob")).not_to_contain_text("muted")
    act(host, "Bob", "Mute")
    expect(notice(guest)).to_contain_text("The host muted you")
    guest.locator("#speak-button").click()  # which unmutes too
    expect(person(host, "Bob")).to_contain_text("speaking")
    expect(notice(guest)).not_to_contain_text("muted")


def test_only_the_host_speaks(
    context: BrowserContext, guests: BrowserContext, served: RunningService
) -> None:
    """A guest cannot unmute; the host lets one speak."""
    host, link = hosting(context, served)
    host.get_by_label("Only the host speaks").check()
    guest = joined(guests, link)
    expect(notice(guest)).to_contain_text("Only the host speaks in this session")
    expect(notice(guest).get_by_role("button", name="Unmute")).to_have_count(0)
    expect(guest.locator(".people-marks")).to_contain_text("only the host speaks")
    expect(guest.locator(".host-tools")).to_be_hidden()
    guest.locator("#speak-button").click()
    expect(notice(guest)).to_contain_text("Only the host decides who may speak")
    expect(guest.locator("#speak-label")).to_have_text("Start microphone")
    act(host, "Bob", "Let speak")
    expect(guest.locator(".toast").last).to_contain_text("You may speak again")
    guest.locator("#speak-button").click()
    expect(person(host, "Bob")).to_contain_text("speaking")


def test_the_host_renames_and_removes_a_guest(
    context: BrowserContext, guests: BrowserContext, served: RunningService
) -> None:
    """With new links: the page says so and stays out, also loaded again; the former link opens nothing."""
    host, link = hosting(context, served)
    guest = joined(guests, link)
    act(host, "Bob", "Rename…")
    field = host.get_by_role("textbox", name="New name of Bob")
    field.fill("Robert")
    field.press("Enter")
    expect(guest.locator("#people")).to_contain_text("Robert · you")
    expect(host.locator(".person-actions")).to_be_hidden()
    expect(host.locator(".person-more")).to_be_focused()
    act(host, "Robert", "Remove…")
    dialog = host.get_by_role("dialog", name=re.compile("Remove .*Robert.* from the session"))
    dialog.get_by_label("Also make new links").check()
    dialog.get_by_role("button", name="Remove").click()
    expect(person(host, "Robert")).to_have_count(0)
    expect(notice(guest)).to_contain_text("The host removed you from the session.")
    expect(guest.locator("#page-status")).to_have_text("The host removed you from the session.")
    guest.reload()
    expect(notice(guest)).to_contain_text("The host removed you from the session.")
    host.wait_for_function("link => location.href !== link", arg=link)
    late = guests.new_page()
    late.goto(link)
    expect(notice(late)).to_contain_text("opens no session")
    expect(host.locator("#people")).to_contain_text("Ann · you · host")


def test_nobody_new_joins_a_locked_session(
    context: BrowserContext, guests: BrowserContext, served: RunningService
) -> None:
    """The page, the caption view and the page for codes say so; one who was inside comes back."""
    host, link = hosting(context, served)
    guest = joined(guests, link)
    host.locator("#show-invite").click()
    expect(host.locator("#invite-code")).to_have_text(re.compile("^[A-Z0-9]{3,4}-"))
    code = host.locator("#invite-code").inner_text()
    host.keyboard.press("Escape")
    lock = host.get_by_role("button", name="Lock session")
    lock.click()
    expect(host.get_by_role("button", name="Unlock session")).to_have_attribute("aria-pressed", "true")
    expect(guest.locator(".people-marks")).to_contain_text("locked")
    late = guests.new_page()
    late.goto(link)
    expect(notice(late)).to_contain_text("This session is locked: nobody new can join.")
    late.goto(f"{served.url}/join#{code}")
    expect(late.locator("#code-fault")).to_contain_text("is locked")
    late.goto(link.replace("/translation#session=", "/captions/").replace("&key=", "#key="))
    expect(late.locator("#page-status")).to_contain_text("This session is locked")
    guest.reload()
    expect(guest.locator("#people")).to_contain_text("Bob · you")
    host.get_by_role("button", name="Unlock session").click()
    expect(guest.locator(".people-marks")).to_be_hidden()
    late.goto(link)
    late.reload()
    expect(late.locator("#people")).to_contain_text("you")


def test_the_host_ends_the_session_for_everyone(
    context: BrowserContext, guests: BrowserContext, served: RunningService
) -> None:
    """After a question; every page says who ended it, and the host may begin another."""
    host, link = hosting(context, served)
    guest = joined(guests, link)
    host.get_by_role("button", name="End for everyone…").click()
    host.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    host.get_by_role("button", name="End for everyone…").click()
    host.get_by_role("dialog").get_by_role("button", name="End session").click()
    for page in (host, guest):
        expect(notice(page)).to_contain_text("The host ended the session.")
        expect(page.locator("#people")).to_be_hidden()
    host.get_by_role("button", name="Start a new session").click()
    expect(host.locator("#page-status")).to_contain_text("Ready")


@pytest.mark.parametrize(("width", "locale"), [(1280, "en-GB"), (640, "de-DE"), (360, "ar"), (360, "en-GB")])
def test_hosting_is_accessible_and_fits(
    chromium: Browser, served: RunningService, guests: BrowserContext, axe: str, width: int, locale: str
) -> None:
    """640: 1280 at 200 %; also from the right. All of it is reached with the keyboard."""
    with watched(chromium, locale=locale, viewport={"width": width, "height": 740}) as context:
        host, link = hosting(context, served)
        joined(guests, link, "Bartholomäus Maximilian von und zu Guttenberg-Hohenstein")
        more = host.locator(".person-more")
        expect(more).to_have_count(1)
        more.focus()
        host.keyboard.press("Enter")
        expect(more).to_have_attribute("aria-expanded", "true")
        host.locator(".person-actions button").nth(1).click()
        expect(host.locator(".person-rename input")).to_be_focused()
        assert violations(host, axe) == []
        assert host.evaluate("document.documentElement.scrollWidth") <= width
        inside = host.evaluate(
            "[...document.querySelectorAll('#people button, #people input')].filter(each => {"
            " const box = each.getBoundingClientRect(), card = document.querySelector('#people')"
            ".getBoundingClientRect(); return box.left < card.left || box.right > card.right; }).length"
        )
        assert inside == 0


def test_the_host_chooses_how_sound_is_processed(
    context: BrowserContext, guests: BrowserContext, served: RunningService
) -> None:
    """For everyone; after a reload it is chosen still. A guest has no choice."""
    page, link = hosting(context, served)
    bob = joined(guests, link)
    choice = page.get_by_label("Sound processing")
    expect(choice).to_have_value("")
    choice.select_option("Noisy room")
    expect(page.locator("body")).to_contain_text("Everyone's sound is processed: Noisy room.")
    page.reload()
    expect(choice).to_have_value("noisy")
    expect(bob.locator("#host-sound")).to_have_count(0)
    choice.select_option("Off")
    expect(page.locator("body")).to_contain_text("Nobody's sound is processed any more.")

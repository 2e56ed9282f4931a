"""The page of one's own sessions in Chromium: listed, searched, saved, forgotten; on a phone too."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import AXE
from tests.fakes.service import RunningService, service

pytestmark = pytest.mark.browser

PageAt = Callable[..., Page]

KEY = "k" * 22
#: The browser logs each response of 404 and 503.
GONE = ("404", "503")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Run the service; nobody speaks, so its back ends are not needed."""
    with service("serve", tmp_path_factory.mktemp("serve")) as running:
        yield running


def stored(names: list[str], **more: Any) -> str:
    """Return a script that stores sessions in the browser, once."""
    entries = [
        {
            "session_id": name,
            "key": KEY,
            "role": "participant",
            "first": 1_767_000_000_000,
            "last": 1_767_000_000_000,
            **more,
        }
        for name in names
    ]
    value = json.dumps(json.dumps(entries))
    seed = f"localStorage['sessions:own'] = {value}; sessionStorage.seeded = '1';"
    return f"if (!sessionStorage.seeded) {{ {seed} }}"


class Answers:
    """Responds in the place of the service. ``gone``: sessions that have ended; ``asked``: all that came.

    ``key``: the one that opens the sessions; ``is_away``: sessions cannot be read now.
    """

    def __init__(self, *, gone: tuple[str, ...] = (), title: str = "") -> None:
        self.gone = gone
        self.title = title
        self.asked: list[str] = []
        self.key = KEY
        self.is_away = False

    def __call__(self, route: Route) -> None:
        path = route.request.url.split("/api/sessions/")[1]
        name, _, rest = path.partition("/")
        self.asked.append(path)
        if self.is_away:
            away = {"code": "store_unavailable", "title": "Away", "detail": "away"}
            route.fulfill(status=503, content_type="application/problem+json", body=json.dumps(away))
        elif name in self.gone or route.request.headers["x-session-key"] != self.key:
            problem = {"code": "unknown_session", "title": "Not found", "detail": "gone"}
            route.fulfill(status=404, content_type="application/problem+json", body=json.dumps(problem))
        elif rest == "search":
            has = "déjeuner" if name == "room-1" and "DEJEUNER" in (route.request.post_data or "") else None
            line = {
                "segment_id": "a-0",
                "start": 1,
                "speaker": "Ann",
                "language": "fr",
                "text": f"Le {has} est prêt.",
            }
            route.fulfill(json={"lines": [line] if has else [], "count": 3 if has else 0})
        else:
            times = {"created": 1_767_000_000, "last_active": 1_767_002_520, "expires": 4_102_444_800}
            route.fulfill(json={"session_id": name, "title": self.title, "config": {}, **times})


def listing(page_at: PageAt, served: RunningService, names: list[str], answers: Answers, **more: Any) -> Page:
    """Open the page in a browser that was in these sessions."""
    page = page_at("about:blank", expects=GONE, **{"locale": "en-GB", **more})
    page.add_init_script(stored(names))
    page.route(re.compile("/api/sessions/"), answers)
    page.goto(f"{served.url}/sessions")
    return page


def test_a_session_is_listed_named_saved_and_forgotten(page_at: PageAt, served: RunningService) -> None:
    """From the Translation page on; what is forgotten is not listed again, and the session goes on."""
    page = page_at(f"{served.url}/translation")
    expect(page.locator("#show-invite")).to_be_enabled()
    page.locator("#show-invite").click()
    expect(page.locator("#invite-code")).to_have_text(re.compile(r"^\w+-\w+"))
    page.keyboard.press("Escape")
    expect(page.locator("#invite")).to_be_hidden()
    name = page.locator("#session-name").inner_text()
    page.get_by_role("link", name="Your sessions").locator("visible=true").first.click()
    page.wait_for_url("**/sessions")
    row = page.locator(".own-session")
    expect(row.get_by_role("link")).to_have_text(name)
    expect(row).to_contain_text("kept until")

    row.get_by_role("button", name="Change title").click()
    page.keyboard.type("  Budget   2027")
    page.keyboard.press("Enter")
    expect(row.get_by_role("link")).to_have_text("Budget 2027")
    expect(row.get_by_role("button", name="Change title")).to_be_focused()
    for kind in ("TXT", "JSON", "DOCX"):
        with page.expect_download() as download:
            row.get_by_role("button", name=kind).click()
        assert download.value.suggested_filename == f"Budget-2027-{name}.{kind.lower()}"

    page.reload()
    expect(row.get_by_role("link")).to_have_text("Budget 2027")
    row.get_by_role("button", name="Forget").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(row).to_have_count(1)
    row.get_by_role("button", name="Forget").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget").click()
    expect(page.locator("#own-empty")).to_contain_text("Join a session with a code")
    page.reload()
    expect(page.locator("#own-empty")).to_be_visible()
    assert httpx2.get(f"{served.url}/api/sessions/{name}").status_code == 200
    page.goto(f"{served.url}/translation")
    expect(page.locator("#session-name")).not_to_have_text(name)


def test_a_title_is_the_sessions_for_everyone(page_at: PageAt, served: RunningService) -> None:
    """Its owner gives it, before the session is created or later; a reader sees it, and cannot change it."""
    owner = page_at(f"{served.url}/translation")
    field = owner.get_by_label("Title", exact=True)
    expect(owner.locator("#show-invite")).to_be_enabled()
    field.fill("Plans")
    field.press("Enter")
    expect(owner.locator("#page-title")).to_have_text("Plans")
    owner.locator("#copy-reader").click()
    expect(owner).to_have_url(re.compile("key="))
    name = owner.locator("#session-name").inner_text()
    details = httpx2.get(f"{served.url}/api/sessions/{name}").json()
    assert (details["title"], details["config"]) == ("Plans", {"title": "Plans"})
    keys = owner.evaluate("JSON.parse(localStorage['sessions:own'])[0].key")
    reader = page_at(f"{served.url}/translation#session={name}&key={keys}&role=observer")
    view = page_at(f"{served.url}/captions/{name}#key={keys}")
    expect(reader.locator("#page-title")).to_have_text("Plans")
    field.fill("  Budget   2027 ")
    field.press("Enter")
    expect(field).to_have_value("Budget 2027")
    for page in (owner, reader, view):
        expect(page).to_have_title(re.compile(r"Budget 2027"))
    expect(reader.locator("#page-title")).to_have_text("Budget 2027")
    expect(reader.locator("#session-name")).to_have_text(name)
    owner.reload()
    expect(owner.locator("#page-title")).to_have_text("Budget 2027")
    expect(field).to_have_value("Budget 2027")

    reader.goto(f"{served.url}/sessions")
    row = reader.locator(".own-session")
    expect(row.get_by_role("link")).to_have_text("Budget 2027")
    with reader.expect_download() as download:
        row.get_by_role("button", name="TXT").click()
    assert download.value.suggested_filename == f"Budget-2027-{name}.txt"
    overview = page_at(f"{served.url}/connections")
    expect(overview.locator("#sessions-placeholder").get_by_role("link", name="Budget 2027")).to_be_visible()


def test_a_session_that_has_ended_is_named_once(page_at: PageAt, served: RunningService) -> None:
    """Then it is removed; a list with many of them is checked in parts, as each counts as a wrong key."""
    names = ["room-1", *(f"gone-{number}" for number in range(6)), "room-2"]
    answers = Answers(gone=tuple(name for name in names if name.startswith("gone")))
    page = listing(page_at, served, names, answers)
    expect(page.locator("#own-gone li")).to_have_text(["gone-0", "gone-1", "gone-2", "gone-3"])
    expect(page.locator("#own-result")).to_have_text("The other sessions are checked in a minute.")
    assert "gone-4" not in answers.asked
    expect(page.locator(".own-session")).to_have_count(4)
    page.reload()
    expect(page.locator("#own-gone li")).to_have_text(["gone-4", "gone-5"])
    expect(page.locator(".own-session")).to_have_count(2)


def test_checks_that_failed_are_repeated(page_at: PageAt, served: RunningService) -> None:
    """One request shows that all would fail; a button repeats it, and so does a return to the page."""
    answers = Answers()
    answers.is_away = True
    page = listing(page_at, served, ["room-1", "room-2", "room-3"], answers)
    rows, again = page.locator(".own-session"), page.get_by_role("button", name="Try now")
    expect(rows.get_by_text("could not be checked")).to_have_count(1)
    expect(rows.get_by_text("not checked yet")).to_have_count(2)
    assert answers.asked == ["room-1"]
    again.click()
    expect(again).to_be_visible()
    answers.is_away = False
    again.click()
    expect(rows.get_by_text("kept until")).to_have_count(3)
    expect(again).to_be_hidden()
    answers.is_away = True
    page.reload()
    expect(rows.get_by_text("could not be checked")).to_have_count(1)
    answers.is_away = False
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(rows.get_by_text("kept until")).to_have_count(3)


def test_a_key_to_read_serves_where_the_one_to_speak_does_not(
    page_at: PageAt, served: RunningService
) -> None:
    """The session is not gone: its link leads to it with the other key."""
    answers = Answers()
    answers.key = "r" * 22
    page = page_at("about:blank", expects=GONE, locale="en-GB")
    page.add_init_script(stored(["room-1"], readKey="r" * 22, maySpeak=True))
    page.route(re.compile("/api/sessions/"), answers)
    page.goto(f"{served.url}/sessions")
    row = page.locator(".own-session")
    expect(row).to_contain_text("kept until")
    expect(row.get_by_role("link")).to_have_attribute("href", re.compile(f"key={'r' * 22}"))
    expect(page.locator("#own-gone")).to_be_hidden()
    assert answers.asked == ["room-1", "room-1"]


@pytest.mark.parametrize(("width", "theme"), [(1280, "dark"), (360, "light")])
def test_titles_and_texts_are_searched(
    page_at: PageAt, served: RunningService, width: int, theme: str
) -> None:
    """Titles here and texts by the service, with what was found; the page is accessible and fits."""
    answers = Answers(title="A title so long that it has to be broken on a phone " * 2)
    page = listing(
        page_at,
        served,
        [f"room-{number}" for number in range(4)],
        answers,
        width=width,
        theme=theme,
        bypass_csp=True,
    )
    rows = page.locator(".own-session")
    expect(rows.get_by_text("kept until")).to_have_count(4)
    page.locator("#own-query").fill("DEJEUNER")
    page.keyboard.press("Enter")
    expect(page.locator("#own-result")).to_have_text("Found in 1 session.")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Ann: Le déjeuner est prêt.")
    expect(rows).to_contain_text("2 further lines have it too.")
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run()")
    assert [(each["id"], each["help"]) for each in found["violations"]] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator("#own-query").fill("títle")
    page.keyboard.press("Enter")
    expect(page.locator("#own-result")).to_have_text("Found in 4 sessions.")
    page.locator("#own-query").fill("nowhere")
    page.keyboard.press("Enter")
    expect(page.locator("#own-result")).to_contain_text("Nothing was found for “nowhere”.")
    expect(rows).to_have_count(0)
    page.locator("#own-query").fill("")
    expect(rows).to_have_count(4)
    page.locator("#forget-all").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget all").click()
    expect(page.locator("#own-empty")).to_be_visible()


def test_without_storage_the_page_says_so(page_at: PageAt, served: RunningService) -> None:
    """In the reader's language; sessions are joined all the same."""
    page = page_at("about:blank", locale="ar-EG", width=360)
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no'); } })"
    )
    page.goto(f"{served.url}/sessions")
    expect(page.locator("#no-storage")).to_contain_text("النافذة خاصة")
    expect(page.locator("#own-empty")).to_contain_text("لا جلسات بعد")
    expect(page.locator("#forget-all")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.goto(f"{served.url}/translation")
    expect(page.locator("#show-invite")).to_be_enabled()

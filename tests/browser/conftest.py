"""Chromium, and pages whose errors fail the test."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from orch.web.pages import PAGES
from tests.fakes.chromium import window
from tests.fakes.patience import PATIENCE_MS

expect.set_options(timeout=PATIENCE_MS)

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"

WATCH_POLICY = """
window.refused = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.refused.push(`${event.violatedDirective} ${event.blockedURI}`);
});
"""

OPERATOR_PAGES = [page for page in PAGES if page.name != "translation"]
NAMES = [page.name for page in OPERATOR_PAGES]

#: What a broken connection logs, which no page can keep the browser from saying.
LOST = ("WebSocket", "ERR_CONNECTION")
#: What a WebSocket that takes long leads to, which on a busy machine it may: the page asks why by HTTP, and
#: gives the socket up; or the test leaves the page before it is connected. Texts, and the end of the address.
LATE = (("a status of 426", "/ws"), ("closed before the connection is established", "/js/live-socket.js"))

PageAt = Callable[..., Page]

#: WCAG, and that everything stands in a landmark whose name no other one of its kind has.
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]},
    "rules": {"region": {"enabled": True}, "landmark-unique": {"enabled": True}},
}
#: What may differ between the themes, which choose colours and nothing else.
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
#: Width and height of the window: a desk, and a phone.
WINDOWS = ((1280, 900), (360, 740))


MARK_CONTROLS = """() => {
  const controls = "a[href], button, input, select, textarea, summary, [tabindex='0']";
  const all = [...document.querySelectorAll(controls)];
  const radios = new Set();
  return all.filter((element) => {
    if (element.disabled || !element.checkVisibility()) return false;
    // A file's own input is hidden from everyone; the button beside it is the control.
    if (element.closest("[aria-hidden='true']") !== null) return false;
    if (element.type !== "radio") return true;
    if (!element.checked || radios.has(element.name)) return false;
    return radios.add(element.name);
  }).map((element, index) => {
    element.dataset.mark = `${index} ${element.textContent.trim().slice(0, 30)}`;
    return element.dataset.mark;
  });
}"""

WHERE = """() => {
  const element = document.activeElement;
  const outlined = (each) => each !== null && getComputedStyle(each).outlineStyle !== "none";
  return [element.dataset.mark ?? null, outlined(element) || outlined(element.closest(".field, label"))];
}"""


@pytest.fixture
def page_at(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Open pages that are watched: what one throws, logs as an error or is refused fails the test.

    ``expects``: parts of console errors that the test means to cause.
    """
    opened: list[tuple[Page, list[tuple[str, str]], tuple[str, ...]]] = []

    def open_page(
        url: str, *, width: int = 1280, theme: str = "dark", expects: tuple[str, ...] = (), **more: Any
    ) -> Page:
        context = window(
            chromium,
            viewport={"width": width, "height": 900 if width > 600 else 740},
            color_scheme="light" if theme == "light" else "dark",
            reduced_motion="reduce",  # colours are judged as they are, not on their way
            **more,
        )
        page = context.new_page()
        faults: list[tuple[str, str]] = []
        page.on("pageerror", lambda error: faults.append((f"threw: {error}", page.url)))
        page.on(
            "console",
            lambda message: (
                faults.append((message.text, message.location["url"]))
                if message.type in ("error", "warning")
                else None
            ),
        )
        page.add_init_script(WATCH_POLICY)
        page.goto(url)
        opened.append((page, faults, expects))
        return page

    yield open_page
    # Closing one page hears what the others have to say of a service that has ended.
    counts = [len(faults) for _, faults, _ in opened]
    for (page, faults, expects), during in zip(opened, counts, strict=True):
        where = page.url
        refused = [] if page.is_closed() else page.evaluate("window.refused")
        page.context.close()
        # The test's service may have ended before its pages.
        before = [each for each in faults[:during] if not is_late(*each)]
        after = [(text, of) for text, of in faults[during:] if not any(part in text for part in LOST)]
        unexpected = [
            f"{text} ({of})" for text, of in before + after if not any(part in text for part in expects)
        ]
        assert unexpected == [], where
        assert refused == [], where


def is_late(text: str, of: str) -> bool:
    return any(part in text and of.endswith(end) for part, end in LATE)


@pytest.fixture(scope="session")
def axe() -> str:
    """Return axe-core's source. Without it the test is skipped at a desk, and fails in CI."""
    if AXE.is_file():
        return AXE.read_text(encoding="utf-8")
    if os.environ.get("CI"):
        pytest.fail(f"{AXE} is not there; npm install puts it there")
    pytest.skip("axe-core is not installed; npm install does it")


def violations(
    page: Page, axe_source: str, rules: dict[str, Any] = RULES, *, within: str = "html"
) -> list[str]:
    """Return what WCAG 2.1 AA forbids on the page, or in a part of it, a line each."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe_source)
    found = page.evaluate("([within, rules]) => axe.run(within, rules)", [within, rules])
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


def assert_accessible(page: Page, axe_source: str, width: int) -> None:
    """Hold WCAG 2.1 AA in both themes, and that there is nothing to scroll sideways for."""
    page.emulate_media(color_scheme="dark")
    assert violations(page, axe_source) == []
    page.emulate_media(color_scheme="light")
    assert violations(page, axe_source, COLOURS) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def assert_keyboard_reaches_every_control(page: Page) -> None:
    """Assert that Tab reaches each control, and that each then has a visible focus ring."""
    wanted = set(page.evaluate(MARK_CONTROLS))
    assert wanted
    reached: set[str] = set()
    for _ in range(len(wanted) + 5):
        page.keyboard.press("Tab")
        mark, ring = page.evaluate(WHERE)
        if mark is None:
            continue
        assert ring, f"no visible focus on control {mark}"
        reached.add(mark)
    assert wanted - reached == set()


def resize(page: Page, width: int, height: int) -> None:
    """Resize the window, and wait for the next frames, in which charts are drawn and lines scrolled again."""
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 60)))")


@contextmanager
def weighed(page: Page) -> Iterator[dict[str, int]]:
    """Count the bytes loaded over the network during the block, without the cache.

    What is asked for again, as figures are each second, counts once: on a busy machine a page loads for long.
    """
    weight = {"bytes": 0, "requests": 0}
    asked: dict[str, str] = {}
    counted: set[str] = set()
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})

    def note(event: dict[str, Any]) -> None:
        asked[event["requestId"]] = event["request"]["url"]

    def count(event: dict[str, Any]) -> None:
        url = asked.get(event["requestId"], event["requestId"])
        if url in counted:
            return
        counted.add(url)
        weight["bytes"] += int(event["encodedDataLength"])
        weight["requests"] += 1

    session.on("Network.requestWillBeSent", note)
    session.on("Network.loadingFinished", count)
    yield weight
    session.detach()


def settled(page: Page) -> None:
    """Wait until the page is live and has no placeholder left."""
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    expect(page.locator("#page-status")).not_to_be_empty()

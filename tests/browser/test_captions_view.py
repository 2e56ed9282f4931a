"""The caption view in Chromium, with the socket's other end played by the test."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from orch.settings import Frontend, Orchestration, Settings
from tests.browser.conftest import violations
from tests.browser.layout import layout_faults
from tests.browser.test_translation_scenes import (
    MEETING,
    Hub,
    numbered,
    pages,
    transcript,
    translation,
)
from tests.fakes.scripted_service import Running, ScriptedService

__all__ = ["pages"]

pytestmark = pytest.mark.browser

PageAt = Callable[..., Page]
CaptionsAt = Callable[..., tuple[Page, Hub]]

WAKE_LOCK = """
window.locks = 0;
Object.defineProperty(navigator, "wakeLock", { value: { request: async () => {
  window.locks += 1;
  return Object.assign(new EventTarget(), { release() {} });
} } });
"""
ARABIC = numbered(
    [
        transcript("a-0", "يجب أن نقرر الميزانية اليوم", language="ar", speaker="عبد الرحمن"),
        translation("a-0", "We must decide the budget today."),
    ]
)


@pytest.fixture
def captions(pages: Running, page_at: PageAt) -> CaptionsAt:
    """Open the view of the session ``meeting``."""

    def view(history: list[dict[str, Any]], query: str = "", init: str = "", **more: Any) -> tuple[Page, Hub]:
        hub = Hub(history)
        page = page_at("about:blank", **({"locale": "en-GB"} | more))
        page.route_web_socket(re.compile("/ws$"), hub)
        page.add_init_script(init)
        page.goto(f"{pages.url}/captions/meeting{query}#key=abc")
        return page, hub

    return view


def shown(page: Page) -> list[str]:
    found: list[str] = page.locator(".caption p").all_inner_texts()
    return found


def test_the_last_lines_are_shown_and_grow_in_place(captions: CaptionsAt) -> None:
    """In the chosen languages; it joins as a reader with the key of its link, which is in no request."""
    requested = []
    page, hub = captions([], "?lines=2&languages=original,en&names=0", WAKE_LOCK)
    page.on("request", lambda request: requested.append(request.url))
    expect(page.locator("#page-status")).to_have_text(
        "Ready. Captions appear here when someone speaks in meeting."
    )
    joined = next(message for message in hub.sent if message["type"] == "join_session")
    assert (joined["key"], joined["role"], joined["languages"]) == ("abc", "observer", ["en"])
    assert joined["growing"] is True
    for revision, text in enumerate(("Tenemos", "Tenemos que", "Tenemos que decidir"), start=1):
        hub.say(**transcript("a-0", text, revision=revision, final=False))
        expect(page.locator(".caption")).to_have_text(text)
    page.evaluate("window.first = document.querySelector('.caption')")
    hub.say(**translation("a-0", "We have", revision=3, growing=True, words=2))
    expect(page.locator(".caption p").last).to_have_text("We have")
    hub.say(**transcript("a-0", "Tenemos que decidir.", revision=4), offset=1)
    hub.say(**translation("a-0", "We have to decide.", revision=4), offset=2)
    expect(page.locator(".caption p").last).to_have_text("We have to decide.")
    assert page.evaluate("window.first === document.querySelector('.caption')")
    expect(page.locator(".caption p").last.locator("span")).to_have_attribute("lang", "en")
    hub.say(**transcript("a-1", "Dos.", start=5), offset=3)
    hub.say(**transcript("a-2", "Tres.", start=9), offset=4)
    expect(page.locator(".caption")).to_have_count(2)
    expect(page.locator("#message")).to_be_hidden()
    assert shown(page) == ["Dos.", "Tres."]
    page.reload()
    assert not any("abc" in url for url in requested)
    assert page.evaluate("window.locks") == 1


def test_screen_readers_hear_each_final_line_once(captions: CaptionsAt) -> None:
    """With its translation, and neither the history nor the words that still grow."""
    page, hub = captions([transcript("a-0", "Antes.") | {"offset": 1}], "?languages=original,en")
    expect(page.locator(".caption")).to_have_count(1)
    assert page.locator("#captions").get_attribute("aria-live") == "off"
    hub.say(**transcript("a-1", "Tenemos", start=5, revision=1, final=False))
    expect(page.locator(".caption")).to_have_count(2)
    hub.say(**transcript("a-1", "Tenemos que decidir.", start=5, revision=2), offset=2)
    hub.say(**translation("a-1", "We have to decide.", revision=2), offset=3)
    announced = page.locator("#announce p")
    expect(announced).to_have_text("Ann: Tenemos que decidir. We have to decide.")
    assert announced.locator("span").last.get_attribute("lang") == "en"
    hub.say(**transcript("a-2", "Y", start=9, revision=1, final=False))
    hub.say(**transcript("a-2", "Y ya.", start=9, revision=2), offset=4)
    expect(announced).to_have_count(2)
    assert announced.all_inner_texts() == ["Ann: Tenemos que decidir. We have to decide.", "Ann: Y ya."]


@pytest.mark.parametrize("width", [1280, 360])
def test_it_is_accessible_in_every_language(captions: CaptionsAt, axe: str, width: int) -> None:
    """With faults and a message; the direction is the language's, nothing is cut or scrolled sideways."""
    for locale, direction, words in (
        ("en-GB", "ltr", "Expected is a whole number"),
        ("es-MX", "ltr", "Se espera un número entero"),
        ("fr-CH", "ltr", "Valeur attendue"),
        ("de-AT", "ltr", "Erwartet wird eine ganze Zahl"),
        ("pt-BR", "ltr", "Espera-se um número inteiro"),
        ("ar-EG", "rtl", "عدد صحيح"),
    ):
        page, _ = captions([], "?lines=0&colour=yellow", locale=locale, width=width)
        expect(page.locator("#fault-list")).to_contain_text(words)
        expect(page.locator("#message")).to_be_visible()
        expect(page.locator("html")).to_have_attribute("dir", direction)
        page.mouse.move(20, 20)
        expect(page.locator("#full-screen")).to_have_css("opacity", "1")
        assert violations(page, axe) == [], locale
        assert layout_faults(page) == [], locale
        assert page.evaluate("document.documentElement.scrollWidth") <= width, locale


def test_colours_size_and_place_come_from_the_address(captions: CaptionsAt) -> None:
    """Transparent means that nothing is painted behind the words, as OBS needs it."""
    page, _ = captions(
        MEETING, "?size=64&colour=ffff00&background=transparent&position=top&align=center&messages=0"
    )
    expect(page.locator(".caption")).to_have_count(3)
    style = page.locator(".caption p").first
    expect(style).to_have_css("font-size", "64px")
    expect(style).to_have_css("color", "rgb(255, 255, 0)")
    expect(style).to_have_css("text-align", "center")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgba(0, 0, 0, 0)"
    box = page.locator("#captions").bounding_box()
    assert box is not None
    assert box["y"] < 30


def test_what_does_not_fit_is_cut_off_at_the_top(captions: CaptionsAt) -> None:
    """The newest words are in view, however large they are."""
    page, hub = captions(MEETING, "?size=120&lines=20")
    expect(page.locator(".caption").first).to_be_attached()
    hub.say(**transcript("z-0", "Las últimas palabras.", start=90))
    last = page.get_by_text("Las últimas palabras.")
    expect(last).to_be_in_viewport(ratio=0.99)


def test_right_to_left_captions_start_at_the_right(captions: CaptionsAt) -> None:
    """The speaker's name stands at their beginning too."""
    page, _ = captions(ARABIC, "?languages=original,en")
    expect(page.locator(".caption p")).to_have_count(2)
    first, second = page.locator(".caption p").all()
    assert first.evaluate("(p) => getComputedStyle(p).direction") == "rtl"
    assert second.evaluate("(p) => getComputedStyle(p).direction") == "ltr"
    left = """(p) => {
        const range = document.createRange();
        range.selectNodeContents(p);
        return range.getBoundingClientRect().left;
    }"""
    assert first.evaluate(left) > second.evaluate(left)


def test_lines_disappear_when_they_were_held_long_enough(captions: CaptionsAt) -> None:
    """For pictures on which old words must not stay."""
    page, hub = captions([], "?hold=1")
    expect(page.locator("#message")).to_be_visible()
    hub.say(**transcript("a-0", "Hola."), offset=1)
    expect(page.locator(".caption")).to_have_text("Ann: Hola.")
    expect(page.locator(".caption")).to_have_count(0)
    expect(page.locator("#message")).to_be_hidden()


@contextmanager
def another_site() -> Iterator[tuple[int, dict[str, str]]]:
    """Serve another site's page, which embeds ``embedded["address"]``; returns its port and ``embedded``.

    A real server: the browser takes a response that a test makes up for one of the public internet, whose
    pages may not embed what this machine serves.
    """
    embedded = {"address": ""}

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            frame = f'<iframe src="{embedded["address"]}" allow="fullscreen; screen-wake-lock"></iframe>'
            self.wfile.write(f"<!doctype html>{frame}".encode())

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, embedded
        finally:
            server.shutdown()
            thread.join()


def test_only_listed_sites_can_embed_it(page_at: PageAt) -> None:
    """The browser enforces it: in another site's frame the view is not shown."""
    with another_site() as (port, embedded):
        listing = Frontend(frame_ancestors=(f"http://localhost:{port}",))
        settings = Settings(orchestration=Orchestration(frontend=listing))
        service = Running(ScriptedService("full", settings=settings))
        embedded["address"] = f"{service.url}/captions/meeting#key=abc"
        try:
            for host, is_shown in (("localhost", True), ("127.0.0.1", False)):
                page = page_at("about:blank", expects=("frame-ancestors", "ERR_", "WebSocket", "404"))
                page.goto(f"http://{host}:{port}/", wait_until="commit")
                found = page.frame_locator("iframe").locator("#captions")
                if is_shown:
                    expect(found).to_have_count(1)
                else:
                    page.wait_for_function("() => document.readyState === 'complete'")
                    expect(found).to_have_count(0)
        finally:
            service.stop()

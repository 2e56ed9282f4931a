"""The sound of a tab, and its mix with the microphone: Chromium really captures a tab."""

import math
import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path
from time import monotonic
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect

from tests.browser.conftest import AXE, RULES, WINDOWS
from tests.browser.test_translation import opened, watched
from tests.fakes import numbered_words
from tests.fakes.patience import PATIENCE
from tests.fakes.service import RunningService, service
from tests.fakes.tools import require

pytestmark = pytest.mark.browser

#: The tab that Chromium shares without asking.
PLAYING: Final = "A tab that plays"
RATE: Final = 16_000

#: Keeps the PCM that the page sends, and stands in for a microphone: a tone of 220 Hz, or none.
WIRE: Final = """
window.sent = [];
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
  if (typeof data !== "string") window.sent.push(new Uint8Array(data.buffer ?? data));
  return send.call(this, data);
};
if (navigator.mediaDevices) navigator.mediaDevices.getUserMedia = async () => {
  const context = new AudioContext();
  const tone = new OscillatorNode(context, { frequency: 220 });
  const gain = new GainNode(context, { gain: 0.2 });
  const out = context.createMediaStreamDestination();
  tone.connect(gain).connect(out);
  tone.start();
  return out.stream;
};
"""

#: Plays a tone of 440 Hz, a quarter of full scale.
TONE: Final = """() => {
  const context = new AudioContext();
  const tone = new OscillatorNode(context, { frequency: 440 });
  tone.connect(new GainNode(context, { gain: 0.25 })).connect(context.destination);
  tone.start();
}"""

ANOTHER_SECOND: Final = """() => new Promise((resolve) => {
  window.sent.length = 0;
  const timer = setInterval(() => {
    if (window.sent.length < 30) return;
    clearInterval(timer);
    resolve();
  }, 40);
})"""

SAID: Final = "() => { window.said = new Audio('/said.wav'); window.said.preload = 'auto'; }"
CANCELLED: Final = """() => {
  const refused = () => Promise.reject(new DOMException("", "NotAllowedError"));
  navigator.mediaDevices.getDisplayMedia = refused;
}"""
PICTURE_ONLY: Final = """() => {
  navigator.mediaDevices.getDisplayMedia = async () => document.createElement("canvas").captureStream();
}"""

#: All PCM that was sent, as bytes.
ALL: Final = "() => window.sent.flatMap((frame) => [...frame])"

#: The last second of what was sent, as bytes.
LAST_SECOND: Final = """() => {
  const frames = window.sent.slice(-25);
  const bytes = frames.flatMap((frame) => [...frame.slice(frame.length - 1280)]);
  return bytes;
}"""
PIECE: Final = 640
"""Samples of 40 ms."""
TONES: Final = (220, 440)


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Run the service in front of an audio service that recognises every word."""
    with (
        numbered_words.numbered_words_service() as url,
        service("serve", tmp_path_factory.mktemp("shared"), settings=numbered_words.settings(url)) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def sharing(playwright_here: Playwright) -> Iterator[Browser]:
    """Start Chromium so that it shares the playing tab, with its sound.

    Not its headless shell, which cannot; and without stand-ins for devices, which would be shared instead.
    """
    with closing(
        playwright_here.chromium.launch(
            executable_path=shutil.which("chromium") or require("chromium"),
            ignore_default_args=["--mute-audio"],
            args=[
                "--no-sandbox",
                "--autoplay-policy=no-user-gesture-required",
                f"--auto-select-tab-capture-source-by-title={PLAYING}",
            ],
        )
    ) as browser:
        yield browser


@pytest.fixture
def context(sharing: Browser) -> Iterator[BrowserContext]:
    with watched(sharing) as context:
        context.add_init_script(WIRE)
        yield context


def playing(context: BrowserContext, numbers: RunningService, script: str = TONE) -> Page:
    """Open the tab that plays."""
    page = opened(context, f"{numbers.url}/join")
    page.evaluate("title => document.title = title", PLAYING)
    page.evaluate(script)
    return page


def speaking(context: BrowserContext, numbers: RunningService, kind: str) -> Page:
    """Open the Translation page and start what is chosen, with the keyboard."""
    page = opened(context, f"{numbers.url}/translation")
    expect(page.locator("#speak-button")).to_be_enabled()
    page.locator("#sound").select_option(kind)
    page.locator("#speak-button").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#page-status")).to_contain_text("Listening to")
    return page


def amplitudes(page: Page) -> dict[int, float]:
    """Return the amplitudes of 220 and 440 Hz in the last second that was sent (1 = full scale).

    The median over its pieces of 40 ms, so that a gap, which a busy machine leaves in a tab's sound, counts
    for nothing; in each, the least squares of both tones.
    """
    data = bytes(page.evaluate(LAST_SECOND))
    samples: npt.NDArray[Any] = np.frombuffer(data, dtype="<i2").astype(np.float64) / 32_768
    assert len(samples) == RATE
    angles = 2 * np.pi * np.outer(np.arange(PIECE) / RATE, TONES)
    waves = np.concatenate((np.cos(angles), np.sin(angles)), axis=1)
    shares = np.linalg.lstsq(waves, samples.reshape(-1, PIECE).T)[0]
    pieces = np.hypot(shares[: len(TONES)], shares[len(TONES) :])
    return {tone: float(level) for tone, level in zip(TONES, np.median(pieces, axis=1), strict=True)}


def expect_amplitudes(page: Page, wanted: dict[int, float]) -> None:
    """Wait until a second has these amplitudes, within 5 %; 0: below 0.001."""
    deadline = monotonic() + PATIENCE
    while True:
        sent_a_second(page)
        found = amplitudes(page)
        if all(
            math.isclose(found[tone], level, rel_tol=0.05, abs_tol=0.001) for tone, level in wanted.items()
        ):
            return
        assert monotonic() < deadline, found


def sent_a_second(page: Page) -> None:
    """Wait until another second was sent."""
    page.evaluate(ANOTHER_SECOND)


def test_the_sound_of_a_tab_is_sent_as_loud_as_it_plays(
    context: BrowserContext, numbers: RunningService
) -> None:
    """Alone, without the microphone, which stays closed; halved where its level is halved."""
    playing(context, numbers)
    page = speaking(context, numbers, "shared")
    expect(page.locator("#speak-label")).to_have_text("Stop sharing")
    expect_amplitudes(page, {440: 0.25, 220: 0})
    page.locator("#gain-shared").fill("50")
    expect(page.locator("#gain-shared-value")).to_have_text("50 %")
    expect_amplitudes(page, {440: 0.125})
    expect(page.locator("#meter-shared")).to_have_attribute("aria-valuetext", re.compile("^.2[01] dB$"))
    page.locator("#speak-button").click()
    expect(page.locator("#speak-label")).to_have_text("Share sound")


def test_the_microphone_and_a_tab_are_mixed_and_the_tab_may_end(
    context: BrowserContext, numbers: RunningService
) -> None:
    """Levels are set with the keyboard; a closed tab is said in words, and the microphone goes on."""
    tab = playing(context, numbers)
    page = speaking(context, numbers, "both")
    expect_amplitudes(page, {440: 0.25, 220: 0.2})
    page.locator("#gain-microphone").focus()
    page.keyboard.press("End")
    page.locator("#gain-shared").focus()
    page.keyboard.press("Home")
    expect_amplitudes(page, {220: 0.4, 440: 0})
    expect(page.locator("#meter-microphone")).to_have_attribute("aria-valuetext", re.compile("^.1[01] dB$"))
    expect(page.locator("#meter-shared")).to_have_attribute("aria-valuetext", "silent")
    tab.close()
    expect(page.locator("#notices")).to_contain_text("The shared sound has ended")
    expect(page.locator("#notices")).to_contain_text("The microphone goes on.")
    expect(page.locator("#page-status")).to_contain_text("Listening.")
    expect(page.locator("#source-shared")).to_be_hidden()
    expect_amplitudes(page, {220: 0.4})
    # Reloaded, the choice and the levels are as they were.
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(page.locator("#sound")).to_have_value("both")
    expect(page.locator("#gain-microphone")).to_have_value("200")


def test_the_words_of_a_tab_become_captions(
    context: BrowserContext, numbers: RunningService, tmp_path: Path
) -> None:
    """Every word of a recording in another tab, once each, in order; its end stops sharing, in words.

    A gap, which a busy machine leaves in a tab's sound, may make two of a word that was sent.
    """
    context.route(
        "**/said.wav",
        lambda route: route.fulfill(
            body=numbered_words.write(tmp_path / "said.wav", 12).read_bytes(), content_type="audio/wav"
        ),
    )
    tab = playing(context, numbers, SAID)
    page = speaking(context, numbers, "shared")
    tab.evaluate("window.said.play()")
    expect(page.locator("#lines")).to_contain_text("w11")
    expect(page.locator(".line[data-final='false']")).to_have_count(0)
    said = " ".join(page.locator(".line-said").all_inner_texts()).split()
    sent = [word["word"] for word in numbered_words.heard(bytes(page.evaluate(ALL)))]
    assert said == sent
    assert [word for word, _ in groupby(sent)] == [f"w{number}" for number in range(12)]
    tab.close()
    expect(page.locator("#notices")).to_contain_text("The shared sound has ended")
    expect(page.locator("#speak-label")).to_have_text("Share sound")


def test_what_cannot_be_shared_is_said(context: BrowserContext, numbers: RunningService) -> None:
    """Cancelled, without sound, or in a browser that cannot; what was captured before goes on."""
    page = opened(context, f"{numbers.url}/translation")
    page.evaluate(CANCELLED)
    expect(page.locator("#speak-button")).to_be_enabled()
    page.locator("#speak-button").click()
    expect(page.locator("#page-status")).to_contain_text("Listening.")
    page.locator("#sound").select_option("both")
    expect(page.locator("#notices")).to_contain_text("Nothing was shared: it was cancelled")
    expect(page.locator("#sound")).to_have_value("microphone")
    expect(page.locator("#page-status")).to_contain_text("Listening.")
    page.evaluate(PICTURE_ONLY)
    page.locator("#sound").select_option("both")
    expect(page.locator("#notices")).to_contain_text("Also share tab audio")
    page.locator("#speak-button").click()
    page.close()
    context.add_init_script("delete globalThis.MediaDevices?.prototype.getDisplayMedia")
    phone = opened(context, f"{numbers.url}/translation")
    expect(phone.locator("#sound-note")).to_contain_text("Chrome and Edge on a computer can")
    expect(phone.locator("#speak-label")).to_have_text("Start microphone")
    expect(phone.locator("#sound option[value='both']")).to_have_attribute("disabled", "")


@pytest.mark.parametrize(("width", "height"), WINDOWS)
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_card_of_the_sound_is_accessible(
    sharing: Browser, numbers: RunningService, width: int, height: int, theme: Any
) -> None:
    """With both sources open, at both widths and in both themes; nothing is wider than the window."""
    with watched(
        sharing, viewport={"width": width, "height": height}, color_scheme=theme, bypass_csp=True
    ) as context:
        context.add_init_script(WIRE)
        playing(context, numbers)
        page = speaking(context, numbers, "both")
        page.add_script_tag(path=AXE)
        found = page.evaluate("rules => axe.run('#microphone', rules)", RULES)
        assert [(each["id"], each["help"]) for each in found["violations"]] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

"""The page that tests settings of the audio pipeline with recordings and files, in Chromium."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, FilePayload, Page, Playwright, Route, expect

from tests.browser.conftest import PageAt, assert_accessible, settled
from tests.browser.test_audio_controls import recording
from tests.browser.test_translation import watched
from tests.fakes.chromium import launch
from tests.fakes.scripted_service import Running, scripted

pytestmark = pytest.mark.browser

PATH: Final = "/test-audio.html"
MEASURED: Final = {"rms_db": -21.34, "true_peak_db": -1.0, "snr_db": None, "clipping_count": 0}


def side(text: str) -> dict[str, Any]:
    transcript = {"text": text, "language": "en", "confidence": 0.9, "word_errors": None, "problem": None}
    return {
        "preset": None,
        "sample_rate": 16_000,
        "seconds": 2.0,
        "milliseconds": 41.2,
        "analysis": MEASURED,
        "transcript": transcript,
    }


def aligned(kind: str, reference: str | None, recognised: str | None) -> dict[str, Any]:
    return {"kind": kind, "reference": reference, "recognised": recognised}


COMPARED: Final = {
    "file": {
        "format": "wav",
        "seconds": 2.0,
        "sample_rate": 16_000,
        "channels": 1,
        "pipeline_rate": 16_000,
        "invalid_samples": 0,
    },
    "before": MEASURED,
    "a": side("the old man sat"),
    "b": side("the young man sat down"),
    "differences": {
        "rate": 0.5,
        "words": 4,
        "substituted": 1,
        "deleted": 0,
        "inserted": 1,
        "alignment": [
            aligned("equal", "the", "the"),
            aligned("substituted", "old", "young"),
            aligned("equal", "man", "man"),
            aligned("equal", "sat", "sat"),
            aligned("inserted", None, "down"),
        ],
    },
}


@pytest.fixture(scope="module")
def full() -> Iterator[Running]:
    with scripted("full") as running:
        yield running


def respond(page: Page) -> None:
    """Respond as the service does to a run."""
    result = recording(2)

    def process(route: Route) -> None:
        route.fulfill(body=result, content_type="audio/wav")

    page.route("**/api/pipeline/process", process)
    page.route("**/api/pipeline/compare", lambda route: route.fulfill(json=COMPARED))


def run(page: Page) -> None:
    sound = FilePayload(name="voice.wav", mimeType="audio/wav", buffer=recording(2))
    page.locator("#file").set_input_files([sound])
    expect(page.locator("#page-status")).to_have_text("voice.wav is ready to run.")
    page.get_by_role("button", name="Run A and B").click()
    expect(page.locator("#differences")).to_be_visible()


def test_words_that_differ_are_marked_and_the_run_is_stored(page_at: PageAt, full: Running, axe: str) -> None:
    """After a reload it is opened again, and exported with its sounds."""
    page = page_at(full.url + PATH)
    settled(page)
    respond(page)
    run(page)
    expect(page.locator("#differences del")).to_contain_text("old")
    expect(page.locator("#differences ins").last).to_contain_text("down")
    expect(page.locator("#result-body")).to_contain_text("2 words differ: 1 other with B, 1 only with B.")
    expect(page.locator("#runs li")).to_have_count(1)
    assert_accessible(page, axe, 1280)
    page.reload()
    settled(page)
    page.get_by_role("button", name="Open voice.wav").click()
    expect(page.locator("#transcript-b")).to_have_text("the young man sat down")
    expect(page.locator("#versions button")).to_have_count(3)
    with page.expect_download() as download:
        page.get_by_role("button", name="Export all").click()
    document = json.loads(Path(download.value.path()).read_text())
    (exported,) = document["runs"]
    assert exported["audio"]["original"]["bytes"] == len(recording(2))
    assert exported["comparison"] == COMPARED


@pytest.fixture(scope="module")
def speaking(playwright_here: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Start Chromium with a microphone that plays a voice for a minute."""
    sound = tmp_path_factory.mktemp("sound") / "voice.wav"
    sound.write_bytes(recording(60))
    with closing(launch(playwright_here, sound)) as browser:
        yield browser


@pytest.mark.parametrize(("form", "rate"), [("wav16", "16000"), ("wav32", ""), ("webm", "")])
def test_a_microphone_is_recorded(speaking: Browser, full: Running, form: str, rate: str) -> None:
    """The file can be played and run; what the browser granted is shown while it is open."""
    with watched(speaking) as context:
        page = context.new_page()
        page.goto(full.url + PATH)
        settled(page)
        page.locator("#format").select_option(form)
        page.locator("#rate").select_option(rate)
        page.get_by_role("button", name="Record").click()
        expect(page.locator("#granted dd")).to_have_count(4)
        expect(page.locator("#record-length")).to_have_text("0:01 of 5:00")
        page.get_by_role("button", name="Stop recording").click()
        expect(page.locator("#page-status")).to_contain_text("is ready to run.")
        expect(page.locator("#waveform-text")).to_contain_text("Original: ")
        assert float(page.locator("#waveform").get_attribute("aria-valuemax") or 0) >= 0.5
        expect(page.locator("#waveform-text")).to_contain_text("loudest at")


@pytest.mark.parametrize("width", [1280, 360])
def test_a_run_is_accessible_and_fits(page_at: PageAt, full: Running, axe: str, width: int) -> None:
    page = page_at(full.url + PATH, width=width)
    settled(page)
    assert_accessible(page, axe, width)
    respond(page)
    run(page)
    expect(page.locator("#runs li")).to_have_count(1)
    assert_accessible(page, axe, width)


def test_the_keyboard_moves_the_position_and_a_version_stays_at_it(page_at: PageAt, full: Running) -> None:
    page = page_at(full.url + PATH)
    settled(page)
    respond(page)
    run(page)
    expect(page.locator("#versions button")).to_have_count(3)
    slider = page.get_by_role("slider", name="Position")
    slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "1.0 s of 2.0 s")
    page.get_by_role("button", name="B: Default").click()
    expect(slider).to_have_attribute("aria-valuetext", "1.0 s of 2.0 s")
    slider.press("End")
    expect(page.locator("#time")).to_have_text("0:02.0 / 0:02.0")
    slider.press("Home")
    slider.press(" ")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(slider).not_to_have_attribute("aria-valuenow", "0.0")


def test_a_refusal_of_the_service_is_shown(page_at: PageAt, full: Running) -> None:
    page = page_at(full.url + PATH, expects=("503",))
    settled(page)
    problem = {"code": "pipeline_busy", "title": "Busy", "detail": "Two files are processed; try again."}
    page.route("**/api/pipeline/process", lambda route: route.fulfill(status=503, json=problem))
    sound = FilePayload(name="voice.wav", mimeType="audio/wav", buffer=recording(1))
    page.locator("#file").set_input_files([sound])
    page.get_by_role("button", name="Run A and B").click()
    expect(page.locator("#notices")).to_contain_text("Two files are processed; try again.")
    expect(page.locator("#runs li")).to_have_count(0)
    expect(page.get_by_role("button", name="Run A and B")).to_be_enabled()

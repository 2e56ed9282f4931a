"""Audio tests on the real service: a microphone plays a clip, and PocketSphinx transcribes it."""

import json
import socket
import wave
from base64 import b64decode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path
from struct import unpack
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, FilePayload, Page, Playwright, expect

from tests.browser.conftest import PageAt, settled
from tests.browser.test_audio_controls import recording
from tests.browser.test_test_audio import PATH
from tests.browser.test_translation import SPOKEN, between_silences, watched
from tests.fakes.chromium import launch
from tests.fakes.service import UNHURRIED, RunningService, service

pytestmark = pytest.mark.browser

#: One file at a time, of three seconds; back ends that refuse at once, without a look-up of names.
LIMITED: Final = """
orchestration:
  pipeline: {concurrent_requests: 1, max_seconds: 3}
services:
  audio-service: {url: "http://127.0.0.1:9"}
  translation-service: {url: "http://127.0.0.1:9"}
"""

#: The stored runs, without their files.
STORED: Final = """() => new Promise((resolve, reject) => {
  const opening = indexedDB.open("livetranslate-test-audio", 1);
  opening.onerror = () => reject(opening.error);
  opening.onsuccess = () => {
    const all = opening.result.transaction("runs").objectStore("runs").getAll();
    all.onsuccess = () => {
      opening.result.close();
      resolve(all.result.map(({ files, ...run }) => run));
    };
  };
})"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with service("demo", tmp_path_factory.mktemp("demo"), environ=UNHURRIED) as running:
        yield running


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Run the service without back ends, with low limits."""
    with service("serve", tmp_path_factory.mktemp("limited"), settings=LIMITED) as running:
        yield running


@pytest.fixture(scope="module")
def speaking(playwright_here: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Start Chromium with a microphone that plays the clip once, after two seconds of silence."""
    sound = between_silences(tmp_path_factory.mktemp("sound") / "clip.wav")
    with closing(launch(playwright_here, sound)) as browser:
        yield browser


def choose(page: Page, name: str, content: bytes) -> None:
    sound = FilePayload(name=name, mimeType="audio/wav", buffer=content)
    page.locator("#file").set_input_files([sound])
    expect(page.locator("#page-status")).to_have_text(f"{name} is ready to run.")


def marked(alignment: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the words that only one side has, as the page marks them."""
    words = []
    for each in alignment:
        if each["kind"] != "equal":
            words += [("DEL", word) for word in (each["reference"] or "").split()]
            words += [("INS", word) for word in (each["recognised"] or "").split()]
    return sorted(words)


#: Marked words, without what is there for screen readers.
MARKED: Final = """els => els.flatMap(el => [...el.childNodes].filter(node => node.nodeType === 3)
    .flatMap(node => node.data.trim().split(/\\s+/).map(word => [el.tagName, word])))"""


def assert_stored(page: Page, compared: dict[str, Any]) -> None:
    """Assert that the run is there after a reload, with its sounds, and is exported whole."""
    page.reload()
    settled(page)
    page.get_by_role("button", name="Open recording").click()
    expect(page.locator("#transcript-a")).to_contain_text(compared["a"]["transcript"]["text"])
    expect(page.locator("#versions button")).to_have_count(3)
    expect(page.get_by_role("region", name="What leaves each stage of B")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export all").click()
    (exported,) = json.loads(Path(download.value.path()).read_text())["runs"]
    assert exported["comparison"] == compared
    assert len(exported["stages"]["stages"]) == 10
    for key in ("original", "a", "b"):
        file = b64decode(exported["audio"][key]["base64"])
        rate, bytes_per_second = unpack("<II", file[24:32])
        assert file[:4] == b"RIFF"
        assert rate == 16_000
        assert len(file) / bytes_per_second > (8 if key == "original" else 4)


@pytest.mark.slow
def test_a_microphone_is_recorded_run_transcribed_and_exported(
    speaking: Browser, demo: RunningService
) -> None:
    """What the service compared is what the page shows, stores, opens again, and exports."""
    with watched(speaking) as context:
        page = context.new_page()
        page.goto(demo.url + PATH)
        settled(page)
        expect(page.locator("#language option[value=en]")).to_be_attached()
        page.locator("#rate").select_option("16000")
        page.get_by_role("button", name="Record").click()
        expect(page.locator("#input-level-words")).to_contain_text("dB")
        expect(page.locator("#record-length")).to_have_text("0:09 of 5:00")
        page.get_by_role("button", name="Stop recording").click()
        expect(page.locator("#page-status")).to_contain_text("is ready to run.")
        page.locator("#settings-a").select_option("none")
        page.locator("#settings-b").select_option("preset:aggressive")
        page.locator("#language").select_option("en")
        page.locator("#reference").fill(SPOKEN)
        page.get_by_role("button", name="Run A and B").click()
        expect(page.locator("#differences")).to_be_visible()
        (run,) = page.evaluate(STORED)
        compared = run["comparison"]
        recognised = {key: compared[key]["transcript"]["text"] for key in ("a", "b")}
        assert len(set(recognised["a"].split()) & set(SPOKEN.split())) >= 6
        for key, text in recognised.items():
            errors = compared[key]["transcript"]["word_errors"]
            count = errors["substituted"] + errors["deleted"] + errors["inserted"]
            expect(page.locator(f"#transcript-{key}")).to_contain_text(text)
            expect(page.locator(f"#transcript-{key}")).to_contain_text(
                f"({count} at {len(SPOKEN.split())} words)"
            )
        shown = page.locator("#differences :is(del, ins)").evaluate_all(MARKED)
        assert sorted(map(tuple, shown)) == marked(compared["differences"]["alignment"])
        before, unprocessed, aggressive = (
            each["rms_db"]
            for each in (compared["before"], compared["a"]["analysis"], compared["b"]["analysis"])
        )
        assert abs(unprocessed - before) < 0.1
        assert abs(aggressive - before) > 1
        page.get_by_role("button", name="Measure each stage of B").click()
        expect(
            page.get_by_role("region", name="What leaves each stage of B").locator("tbody tr")
        ).to_have_count(10)
        assert_stored(page, compared)
        page.get_by_role("button", name="Test this sound again").click()
        expect(page.locator("#reference")).to_have_value(SPOKEN)
        expect(page.locator("#language")).to_have_value("en")
        expect(page.get_by_role("button", name="Run A and B")).to_be_enabled()


def refused(page: Page) -> str:
    """Run, and return what is written about the refusal."""
    page.get_by_role("button", name="Run A and B").click()
    expect(page.locator("#notices .banner", has_text="not run")).to_be_visible()
    expect(page.get_by_role("button", name="Run again")).to_be_visible()
    expect(page.get_by_role("button", name="Run A and B")).to_be_enabled()
    expect(page.locator("#runs li")).to_have_count(0)
    return page.locator("#notices").inner_text()


def test_what_is_no_sound_is_refused(page_at: PageAt, limited: RunningService) -> None:
    """The page cannot play it and offers to run it; the service says what it is."""
    page = page_at(limited.url + PATH, expects=("415",))
    settled(page)
    choose(page, "notes.wav", b"no sound at all")
    expect(page.locator("#notices")).to_contain_text("This browser cannot play Original (no sound")
    assert "recording" in refused(page)


def test_a_sound_that_is_too_long_is_refused(page_at: PageAt, limited: RunningService) -> None:
    page = page_at(limited.url + PATH, expects=("413",))
    settled(page)
    choose(page, "long.wav", recording(5))
    assert "3 s" in refused(page)


@contextmanager
def held(running: RunningService) -> Iterator[None]:
    """Hold the service's only place: a request whose file does not arrive."""
    head = (
        "POST /api/pipeline/process HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
        "Content-Type: multipart/form-data; boundary=xx\r\n\r\n--xx\r\n"
    )
    with socket.create_connection(("127.0.0.1", running.port)) as connection:
        connection.sendall(head.encode())
        yield


def test_a_busy_service_is_waited_for(page_at: PageAt, limited: RunningService) -> None:
    """The page counts down from the service's Retry-After. Then the run goes on, without words here."""
    page = page_at(limited.url + PATH, expects=("503",))
    settled(page)
    expect(page.locator("#language-note")).to_contain_text("Sounds are processed and measured without words.")
    choose(page, "voice.wav", recording(2))
    with held(limited):
        expect_busy(page)
    page.get_by_role("button", name="Try now").click()
    expect(page.locator("#transcript-a")).to_contain_text("Not transcribed: ")
    expect(page.locator("#notices .banner")).to_have_count(0)
    expect(page.get_by_role("region", name="Measures")).to_contain_text("True peak, dBTP")
    expect(page.locator("#runs li")).to_have_count(1)


def expect_busy(page: Page) -> None:
    page.get_by_role("button", name="Run A and B").click()
    expect(page.locator("#notices")).to_contain_text("1 files are being processed: the limit.")
    expect(page.locator("#notices")).to_contain_text("The next try is in")
    expect(page.locator("#progress")).to_have_text("The service is busy. The run waits for its turn.")


def test_a_run_that_waits_is_cancelled(page_at: PageAt, limited: RunningService) -> None:
    page = page_at(limited.url + PATH, expects=("503",))
    settled(page)
    choose(page, "voice.wav", recording(2))
    with held(limited):
        expect_busy(page)
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator("#toasts")).to_contain_text("The run was cancelled. Nothing was stored.")
        expect(page.locator("#notices .banner")).to_have_count(0)
        expect(page.get_by_role("button", name="Run A and B")).to_be_enabled()
        expect(page.locator("#runs li")).to_have_count(0)


def test_a_sound_without_a_voice_becomes_an_empty_one_and_the_page_says_so(
    page_at: PageAt, limited: RunningService
) -> None:
    page = page_at(limited.url + PATH, expects=("422",))
    settled(page)
    file = BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 16_000, 0, "NONE", ""))
        out.writeframes(bytes(2 * 2 * 16_000))
    choose(page, "silence.wav", file.getvalue())
    page.get_by_role("button", name="Run A and B").click()
    expect(page.locator("#result-body")).to_contain_text("B is empty: the silence stage removed everything")

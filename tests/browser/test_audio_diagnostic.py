"""The page that measures audio, in Chromium with a microphone that plays a known clip."""

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, Playwright, expect
from scipy.io import wavfile

from tests.browser.conftest import (
    WINDOWS,
    assert_accessible,
    assert_keyboard_reaches_every_control,
    resize,
)
from tests.fakes.chromium import launch, window
from tests.fakes.service import RunningService, service
from tests.fakes.sounds import clip, noise

pytestmark = [pytest.mark.browser, pytest.mark.slow]

RATE = 48_000
TONE = 1_000.0
LEVEL = -20.0
"""dBFS of the tone's peak."""

MINUS = "\N{MINUS SIGN}"

#: Counts how often a canvas is cleared: once for each plot of a drawn frame.
COUNT_DRAWING = """
window.drawn = 0;
const clear = CanvasRenderingContext2D.prototype.clearRect;
CanvasRenderingContext2D.prototype.clearRect = function (...args) {
  window.drawn += 1;
  return clear.apply(this, args);
};
const get = () => (window.isHidden ? "hidden" : "visible");
Object.defineProperty(document, "visibilityState", { configurable: true, get });
"""


def tone(path: Path, seconds: int) -> Path:
    """Write a tone, and return where it is."""
    time = np.arange(RATE * seconds) / RATE
    samples = 10 ** (LEVEL / 20) * np.sin(2 * np.pi * TONE * time)
    wavfile.write(path, RATE, np.round(samples * 32_767).astype(np.int16))
    return path


def bursts(path: Path) -> Path:
    """Write three seconds: a vowel-like sound in the second one, with a faint noise under everything."""
    time = np.arange(3 * RATE) / RATE
    vowel = sum(np.sin(2 * np.pi * 140 * n * time) / n for n in range(1, 25))
    swell = np.where((time >= 1) & (time < 2), 0.7 + 0.3 * np.sin(2 * np.pi * 4 * time), 0)
    noise = 0.001 * np.random.default_rng(1).normal(size=len(time))
    samples = 0.12 * vowel * swell + noise
    wavfile.write(path, RATE, np.round(np.clip(samples, -1, 1) * 32_767).astype(np.int16))
    return path


def speech_in_noise(path: Path, *, swell: bool) -> Path:
    """Write five seconds of speech in white noise at 16 kHz, which is steady or swells."""
    speech = np.tile(clip("austen-0870"), 2)[: 5 * 16_000]
    hiss = noise(5, -35, seed=3)[: len(speech)]
    if swell:
        hiss *= (0.5 - 0.5 * np.cos(2 * np.pi * 1.3 * np.arange(len(hiss)) / 16_000)) ** 2
        speech = 0.05 * speech
    wavfile.write(path, 16_000, np.round(np.clip(speech + hiss, -32_768, 32_767)).astype(np.int16))
    return path


def analysed(page: Page, path: Path) -> dict[str, Any]:
    """Return what the service measures of a file with its preset default."""
    found: dict[str, Any] = page.evaluate(
        """async (data) => {
          const form = new FormData();
          const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
          form.append("audio", new Blob([bytes]), "speech.wav");
          form.append("preset", "default");
          const response = await fetch("/api/pipeline/analyze", { method: "POST", body: form });
          return response.json();
        }""",
        b64encode(path.read_bytes()).decode(),
    )
    return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with service("serve", tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright_here: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Start Chromium with a microphone that plays the tone."""
    clip = tone(tmp_path_factory.mktemp("clip") / "tone.wav", 600)
    with closing(launch(playwright_here, clip)) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, running: RunningService) -> Iterator[Page]:
    """Open the page; what it throws or logs as an error fails the test."""
    with closing(window(browser, viewport={"width": 1280, "height": 900})) as context:
        page = context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(f"threw: {error}"))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.add_init_script(COUNT_DRAWING)
        page.goto(running.url + "/audio-diagnostic.html")
        expect(page.locator("#settings")).to_be_enabled()
        yield page
        assert faults == []


def open_microphone(page: Page) -> None:
    """Measure the microphone, and wait for the first figures."""
    page.locator("#open-microphone").click()
    expect(value(page, "before", "momentary")).to_have_text(re.compile("LUFS"))


def value(page: Page, side: str, field: str) -> Locator:
    """Return where a meter's value is."""
    return page.locator(f"#meters-{side} [data-field={field}] .meter-value")


def number(text: str) -> float:
    """Return the number at the beginning of a text with a true minus."""
    match = re.match(MINUS + r"?[\d.]+", text)
    assert match is not None, text
    return float(match.group().replace(MINUS, "-"))


def seconds_pass(page: Page, count: int) -> None:
    """Wait until the page's sentence, which has the seconds so far, has changed so often."""
    for _ in range(count):
        page.wait_for_function(
            "(text) => document.getElementById('page-status').textContent !== text",
            arg=page.locator("#page-status").inner_text(),
        )


def unchanged(page: Page, part: Locator) -> str:
    """Return a part's text once two seconds change nothing in it: the last frame may be late."""
    text = part.inner_text()
    for _ in range(10):
        seconds_pass(page, 2)
        before, text = text, part.inner_text()
        if text == before:
            return text
    pytest.fail(f"It changes all the time: {text}")


def report(page: Page) -> dict:  # type: ignore[type-arg]
    """Save the report, and return it."""
    with page.expect_download() as download:
        page.locator("#save-report").click()
    return json.loads(Path(download.value.path()).read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def measured_file(page: Page, path: Path) -> dict:  # type: ignore[type-arg]
    """Measure a file to its end at once; return the report."""
    page.locator("#file").set_input_files(path)
    page.locator("#rush").click()
    expect(page.locator("#page-status")).to_contain_text("Measured")
    return report(page)


def test_a_known_tone_has_its_level_and_its_frequency(page: Page) -> None:
    """Meters, strongest tone and the cursor's read-out; all four kinds of processing as granted."""
    open_microphone(page)
    # A busy machine makes gaps in the fake microphone's sound: each meter gets there when there is none.
    near = re.compile(rf"^{MINUS}(22\.[7-9]|23\.[0-3])")
    expect(value(page, "before", "rmsDb")).to_have_text(near)
    # The microphone begins within the tone, which is a step: its peak between samples is higher.
    assert LEVEL - 0.3 <= number(value(page, "before", "truePeakDb").inner_text()) <= LEVEL + 3
    # K-weighting is 0 dB at 1 kHz, and loudness of a tone its mean square, less what one channel has.
    expect(value(page, "before", "momentary")).to_have_text(near)
    readout = page.locator("#spectrum [data-part=readout]")
    expect(readout).to_contain_text("Strongest before")
    strongest = re.search(r"before: ([\d,.]+)\s(k?)Hz", readout.inner_text())
    assert strongest is not None
    rate = float(page.locator("#input-rate").inner_text().split()[0].replace(",", ""))
    assert float(strongest.group(1).replace(",", "")) == pytest.approx(TONE, abs=rate / 2048)
    assert page.locator("#granted li").count() == 4
    for item in page.locator("#granted .pill").all_inner_texts():
        assert item in {"off", "unknown"} or item.startswith("on")
    expect(page.locator("#granted .pill").first).to_have_text("off")


def test_the_cursor_reads_a_frequency_its_note_and_its_level(page: Page) -> None:
    """By keyboard, which announces it; the highest level along the axis is at the tone."""
    open_microphone(page)
    page.locator("#fft-size").select_option("8192")
    expect(page.locator("#bandwidth")).to_contain_text("1.50 bins")
    page.locator("#fft-size").select_option("2048")
    page.locator("#window").select_option("flat-top")
    expect(page.locator("#bandwidth")).to_contain_text("3.77 bins")
    box = page.locator("#spectrum [data-part=box]")
    box.focus()
    announcement = page.locator("#spectrum [data-part=announcement]")
    frequency = 0.0
    for _ in range(5):  # from the middle of the axis, which is below the tone, in steps of 3 %
        page.keyboard.press("ArrowRight")
        text = announcement.inner_text()
        match = re.match(rf"([\d.]+)\sHz · \S+ [+{MINUS}]\d+ ct · before [{MINUS}\d.]+\sdBFS", text)
        assert match is not None, text
        frequency = float(match.group(1))
        if abs(frequency - TONE) <= 0.017 * TONE:
            break
    assert frequency == pytest.approx(TONE, rel=0.017)
    # Within a bin of the tone a flat top has its level.
    expect(page.locator("#spectrum [data-part=readout]")).to_have_text(
        re.compile(rf"before {MINUS}(19\.[5-9]|20\.[0-5])\s")
    )
    page.keyboard.press("Escape")
    expect(announcement).to_be_empty()


def test_freezing_stops_the_pictures_while_measuring_goes_on(page: Page) -> None:
    """Zoom and scrolling work on what is frozen."""
    open_microphone(page)
    page.locator("#freeze").click()
    expect(page.locator("#freeze")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#span")).to_have_text("10 s, frozen")
    summary = page.locator("#waveform-before-summary")
    frozen = re.search(r"to [\d.]+\ss", unchanged(page, summary))
    assert frozen is not None
    seconds_pass(page, 2)
    expect(summary).to_contain_text(frozen.group())
    page.locator("#zoom-in").click()
    expect(page.locator("#span")).to_have_text("5 s, frozen")
    expect(page.locator("#earlier")).to_be_enabled()
    page.locator("#freeze").click()
    expect(summary).not_to_contain_text(frozen.group())
    expect(page.locator("#earlier")).to_be_disabled()


def test_a_hidden_page_draws_nothing_and_measures_on(page: Page) -> None:
    open_microphone(page)
    page.evaluate("window.isHidden = true; document.dispatchEvent(new Event('visibilitychange'))")
    drawn = page.evaluate("window.drawn")
    seconds_pass(page, 2)
    assert page.evaluate("window.drawn") == drawn > 0
    page.evaluate("window.isHidden = false; document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_function("(drawn) => window.drawn > drawn", arg=drawn)


def test_a_file_is_measured_and_its_report_has_the_figures(page: Page, tmp_path: Path) -> None:
    """To its end at once; every recommendation has its number, and the settings are in the report."""
    found = measured_file(page, tone(tmp_path / "tone.wav", 6))
    assert found["version"] == "1.0"
    assert found["duration"] == pytest.approx(6, abs=0.001)
    assert found["input"] == {
        "kind": "file",
        "label": "tone.wav",
        "sample_rate": RATE,
        "channels": 1,
        "processing": None,
        "phase_correlation": None,
        "reasons": {"phase_correlation": "it is defined for two channels; there are 1"},
    }
    before = found["before"]
    assert before["tap"] == "original"
    assert before["peak_db"] == pytest.approx(LEVEL, abs=0.02)
    assert before["true_peak_db"] == pytest.approx(LEVEL, abs=0.1)
    assert before["rms_db"] == pytest.approx(LEVEL - 3.01, abs=0.02)
    assert before["crest_factor_db"] == pytest.approx(3.01, abs=0.02)
    assert before["loudness_integrated"] == pytest.approx(LEVEL - 3.01, abs=0.1)
    assert before["strongest_hz"] == pytest.approx(TONE, abs=RATE / 2048)
    assert before["clipping_count"] == 0
    assert found["spectrum"] == {
        "fft_size": 2048,
        "window": "hann",
        "noise_bandwidth_hz": pytest.approx(35.16, abs=0.01),
    }
    assert set(found["stage_timings_ms"]) == {
        "voiceFilter",
        "vad",
        "noise",
        "voiceEnhance",
        "voiceProcess",
        "silence",
        "resample",
    }
    assert all(each["text"] and "number" in each for each in found["recommendations"])
    assert page.locator("#advice li").count() == len(found["recommendations"])
    assert set(found["settings"]) >= {"version", "parameters", "enabledStages"}
    page.evaluate("window.print = () => { window.printed = true; }")
    page.locator("#print-report").click()
    page.wait_for_function("() => window.printed === true")
    page.emulate_media(media="print")
    printed = page.locator("#printed")
    expect(printed.get_by_role("heading").first).to_have_text("Recommendations")
    expect(printed).to_contain_text("Before and after")
    # Without the button, too, and in dark letters whatever the theme.
    page.evaluate("document.getElementById('printed').replaceChildren()")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    expect(printed).to_contain_text("tone.wav")
    expect(page.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")
    expect(page.locator("#pictures")).to_be_hidden()


def test_two_channels_that_cancel_each_other_are_reported(page: Page, tmp_path: Path) -> None:
    """Their phase correlation is shown, and what to do; one channel has none, and says so."""
    path = tmp_path / "opposite.wav"
    time = np.arange(RATE * 2) / RATE
    left = np.round(3_000 * np.sin(2 * np.pi * TONE * time)).astype(np.int16)
    wavfile.write(path, RATE, np.stack((left, -left), axis=1))
    found = measured_file(page, path)
    assert found["input"]["channels"] == 2
    assert found["input"]["phase_correlation"] == -1
    assert any(
        each["id"] == "phase" and "phase correlation \N{MINUS SIGN}1.00" in each["text"]
        for each in found["recommendations"]
    )
    expect(page.locator("#phase-text")).to_contain_text("the channels cancel each other")
    expect(page.get_by_role("meter", name="Phase correlation now")).to_have_attribute(
        "aria-valuenow", "-1.00"
    )
    measured_file(page, tone(tmp_path / "tone.wav", 2))
    expect(page.locator("#phase-text")).to_have_text("none: the input is mono")


def test_the_noise_is_that_of_the_service(page: Page, tmp_path: Path) -> None:
    """The same file and preset: the same ratio, floor and confidence; or none, with the same reason."""
    steady = speech_in_noise(tmp_path / "steady.wav", swell=False)
    swelling = speech_in_noise(tmp_path / "swelling.wav", swell=True)
    for path in (steady, swelling):
        found = measured_file(page, path)["before"]
        expected = analysed(page, path)["before"]
        for name in ("snr_db", "noise_floor_db", "snr_confidence"):
            assert found[name] == pytest.approx(expected[name], abs=0.05), (path.name, name)
        assert found["reasons"].get("snr_db") == expected["reasons"].get("snr_db")
        assert (found["snr_db"] is None) == (path == swelling)
    expect(page.locator("#page-status")).to_contain_text(
        "no signal-to-noise ratio (the noise is not stationary)"
    )


def test_stored_settings_with_faults_are_not_offered(page: Page) -> None:
    """Each fault by its path, as on the controls page; valid ones are offered first, with their pause."""
    broken = {"parameters": {"noiseReduction": {"strength": 2}, "vad": 3}, "enabledStages": ["reverb"]}
    store = "(settings) => localStorage.setItem('audioProcessingConfig', JSON.stringify(settings))"
    page.evaluate(store, broken)
    page.reload()
    expect(page.locator("#settings")).to_be_enabled()
    expect(page.locator("#settings-note")).to_contain_text("not valid, so they are not offered")
    for fault in (
        "noiseReduction.strength: expected a number from 0 to 1",
        "vad: expected an object",
        "enabledStages[0]: expected one of original",
    ):
        expect(page.locator("#settings-faults")).to_contain_text(fault)
    expect(page.locator("#settings")).to_have_value("default")
    page.evaluate(store, {"parameters": {}, "enabledStages": ["noise"], "pausedAt": "noise"})
    page.reload()
    expect(page.locator("#settings")).to_have_value("own")
    expect(page.locator("#paused-at")).to_have_value("noise")
    expect(page.locator("#settings-faults")).to_be_hidden()


def test_without_worklets_a_microphone_is_refused_and_files_are_measured(page: Page, tmp_path: Path) -> None:
    """The page says why."""
    page.add_init_script("delete window.AudioWorkletNode;")
    page.reload()
    expect(page.locator("#settings")).to_be_enabled()
    page.locator("#open-microphone").click()
    expect(page.locator("#problems")).to_contain_text("AudioWorklet")
    found = measured_file(page, tone(tmp_path / "tone.wav", 2))
    assert found["before"]["peak_db"] == pytest.approx(LEVEL, abs=0.02)


def test_speech_is_tracked_over_the_waveform(page: Page, tmp_path: Path) -> None:
    """Speech is found where the clip has it; a preset without its stage has no track, and says so."""
    found = measured_file(page, bursts(tmp_path / "bursts.wav"))
    assert found["speech_segments"], found
    first = found["speech_segments"][0]
    assert first["start"] == pytest.approx(1.0, abs=0.2)
    assert 1.6 < first["end"] <= 3.0
    expect(page.locator("#waveform-before-summary")).to_contain_text(
        re.compile(r"[1-9]\d* % of it is speech")
    )
    page.locator("#paused-at").select_option("voiceFilter")
    expect(page.locator("#waveform-before [data-part=readout]")).to_contain_text("its stage is off")


def test_paused_at_a_stage_the_later_ones_leave_the_sound_as_it_is(page: Page, tmp_path: Path) -> None:
    """Both sides have the same level when nothing is between them but paused stages."""
    page.locator("#paused-at").select_option("decoded")
    found = measured_file(page, tone(tmp_path / "tone.wav", 3))
    assert found["settings"]["pausedAt"] == "decoded"
    assert found["after"]["rms_db"] == pytest.approx(found["before"]["rms_db"], abs=0.01)
    expect(page.locator("#stages-rows tr").filter(has_text="Enhancement")).to_contain_text("off")
    page.locator("#paused-at").select_option("")
    found = measured_file(page, tone(tmp_path / "tone.wav", 3))
    assert abs(found["after"]["rms_db"] - found["before"]["rms_db"]) > 0.5


def test_either_side_can_be_heard_and_underruns_are_shown(page: Page) -> None:
    """The output's own drop-outs, or that this browser does not say."""
    open_microphone(page)
    page.locator("#listen").select_option("after")
    expect(page.locator("#underruns")).to_have_text(re.compile(r"^(\d|not known)"))
    expect(page.locator("#dropped")).to_have_text(re.compile(r"^(\d|not known)"))
    page.locator("#listen").select_option("before")
    page.locator("#stop").click()
    expect(page.locator("#page-status")).to_contain_text("Measured the microphone")
    expect(page.locator("#open-microphone")).to_be_visible()


def test_what_is_no_sound_is_refused_with_the_reason(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "words.wav"
    path.write_text("no sound", encoding="utf-8")
    page.locator("#file").set_input_files(path)
    expect(page.locator("#problems")).to_contain_text("words.wav cannot be read as sound.")
    expect(page.locator("#page-status")).to_contain_text("Nothing is measured")


def test_the_page_is_accessible_while_it_measures(page: Page, axe: str) -> None:
    """Both themes, wide and on a phone; the keyboard reaches every control."""
    page.emulate_media(reduced_motion="reduce")  # colours are judged as they are, not on their way
    open_microphone(page)
    for plot in ("spectrum", "noise"):
        page.locator(f"#{plot} [data-part=toggle]").click()
        expect(page.locator(f"#{plot} [data-part=table] tbody tr").first).to_be_visible()
    for width, height in WINDOWS:
        resize(page, width, height)
        assert_accessible(page, axe, width)
    assert_keyboard_reaches_every_control(page)

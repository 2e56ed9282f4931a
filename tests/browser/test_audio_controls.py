"""The page that controls the audio pipeline, in Chromium; its microphone plays a voice."""

import json
import wave
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from playwright.sync_api import Browser, FilePayload, Locator, Page, Playwright, expect

from tests.browser.conftest import PageAt, settled, violations
from tests.browser.test_translation import watched
from tests.fakes.chromium import launch
from tests.fakes.scripted_service import Running, scripted
from tests.fakes.service import RunningService, service
from tests.fakes.sounds import clip

pytestmark = pytest.mark.browser

PATH: Final = "/audio-processing-controls.html"
RATE: Final = 16_000
STAGES: Final = (
    "original",
    "decoded",
    "voiceFilter",
    "vad",
    "noise",
    "voiceEnhance",
    "voiceProcess",
    "silence",
    "resample",
    "final",
)

#: Removes what an old browser, or a page that is not secure, lacks; keeps the form that is sent.
NO_WORKLETS: Final = """
delete window.AudioWorkletNode;
const send = window.fetch;
window.fetch = (path, options) => {
  if (options?.body instanceof FormData) window.sent = Object.fromEntries(options.body);
  return send(path, options);
};
"""

#: The level that is written at the exit of a stage, dB; null while there is none.
LEVEL: Final = r"""(stage) => {
  const words = document.querySelector(`[data-stage=${stage}] .meter:last-child .meter-text`).textContent;
  const found = /^(\u2212?)([0-9]+) dB$/.exec(words);
  return found === null ? null : (found[1] ? -1 : 1) * Number(found[2]);
}"""
IS_BETWEEN: Final = f"""([stage, low, high]) => {{
  const level = ({LEVEL})(stage);
  return level !== null && level >= low && level <= high;
}}"""


#: The loudest of the next levels at the exit of a stage, dB, of five seconds at least: a busy machine shows
#: few a second. Those while a change fades do not count.
LOUDEST: Final = f"""(stage) => new Promise((resolve) => {{
  const levels = [];
  const began = performance.now();
  const look = () => {{
    levels.push(({LEVEL})(stage) ?? -100);
    if (levels.length >= 220 && performance.now() - began > 5000) resolve(Math.max(...levels.slice(70)));
    else requestAnimationFrame(look);
  }};
  look();
}})"""


def recording(seconds: float, *, said: slice = slice(None)) -> bytes:
    """Return speech as a WAV file whose peak is 1 dB under full scale: a part of a clip, again and again."""
    part = clip("austen-0870")[said]
    speech = np.tile(part, 1 + round(seconds * RATE) // len(part))[: round(seconds * RATE)]
    speech *= 0.89 * 32_767 / np.max(np.abs(speech))
    file = BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(speech.astype("<i2").tobytes())
    return file.getvalue()


@pytest.fixture(scope="module")
def full() -> Iterator[Running]:
    with scripted("full") as running:
        yield running


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with service("serve", tmp_path_factory.mktemp("audio")) as running:
        yield running


@pytest.fixture(scope="module")
def speaking(playwright_here: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Start Chromium with a microphone that plays a voice for a minute.

    It says the same second again and again: whenever a test listens for longer, the loudest is as loud.
    """
    sound = tmp_path_factory.mktemp("sound") / "voice.wav"
    sound.write_bytes(recording(60, said=slice(RATE, 2 * RATE)))
    with closing(launch(playwright_here, sound)) as browser:
        yield browser


@pytest.fixture
def live(speaking: Browser, full: Running) -> Iterator[Page]:
    """Open the page with the microphone running through the pipeline."""
    with watched(speaking) as context:
        page = context.new_page()
        page.goto(full.url + PATH)
        page.get_by_role("button", name="Start the microphone").click()
        expect(page.locator("#page-status")).to_contain_text("The microphone runs through the pipeline")
        yield page


def at(page_at: PageAt, running: Running, **more: Any) -> Page:
    page = page_at(running.url + PATH, **more)
    settled(page)
    return page


def opened(page: Page, stage: str) -> Locator:
    page.locator(f"[data-stage={stage}] .stage-name").click()
    return page.locator("#stage-detail")


def parameter(page: Page, path: str) -> Locator:
    return page.locator(f"[data-path='{path}']")


def choose(page: Page, field: str, content: bytes | str, name: str) -> None:
    content = content.encode() if isinstance(content, str) else content
    page.locator(field).set_input_files([FilePayload(name=name, mimeType="application/json", buffer=content)])


def exported(page: Page) -> Any:
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    assert download.value.suggested_filename == "audio-processing.json"
    return json.loads(Path(download.value.path()).read_text())


def test_the_microphone_moves_the_level_of_each_stage(live: Page, axe: str) -> None:
    """What the browser granted is shown, and whether its output had gaps; stopped, nothing is shown."""
    for stage in STAGES:
        live.wait_for_function(IS_BETWEEN, arg=[stage, -50, 0])
    expect(live.locator("#granted")).to_contain_text("Echo cancellation")
    words = live.locator("#granted dd").all_inner_texts()
    assert len(words) == 4
    assert all(word.strip() in {"off", "unknown"} or word.startswith("on:") for word in words)
    expect(live.locator("#underruns")).not_to_be_empty()
    expect(live.locator("#rate")).to_contain_text("kHz")
    assert violations(live, axe) == []
    live.get_by_role("button", name="Stop the microphone").click()
    expect(live.locator("#page-status")).to_contain_text("Nothing runs.")
    expect(live.locator("[data-stage=final] .meter-text").last).to_have_text("\u2013")
    expect(live.locator("#granted")).to_be_hidden()


def test_a_preset_changes_the_sound(live: Page) -> None:
    """The voice's band has 5 dB more with "aggressive" than with "minimal"; its compressor works."""
    live.wait_for_function(IS_BETWEEN, arg=["final", -50, 0])
    live.locator("#preset").select_option("minimal")
    minimal = live.evaluate(LOUDEST, "voiceFilter")
    live.locator("#preset").select_option("aggressive")
    aggressive = live.evaluate(LOUDEST, "voiceFilter")
    if aggressive - minimal < 3:  # a busy machine shows only some of the levels: then the loudest comes later
        live.wait_for_function(IS_BETWEEN, arg=["voiceFilter", minimal + 3, 0])
    live.wait_for_selector("[data-stage=voiceEnhance] .light[data-tone=warn]")


def test_paused_at_a_stage_the_later_ones_are_off(live: Page) -> None:
    """What leaves the pipeline is then as loud as what enters it: a compressor would hold it at -14 dB."""
    live.wait_for_function(IS_BETWEEN, arg=["final", -50, 0])
    live.locator("#preset").select_option("aggressive")
    opened(live, "decoded").get_by_role("button", name="Pause here").click()
    expect(live.locator("#page-status")).to_contain_text("Paused at Decoded: later stages are off.")
    for stage in STAGES[2:8]:
        expect(live.locator(f"[data-stage={stage}]")).to_have_attribute("data-on", "false")
    expect(live.locator("[data-stage=noise] .light")).to_have_text("off while paused")
    live.wait_for_function(IS_BETWEEN, arg=["final", -14, 0])
    live.locator("#stage-detail").get_by_role("button", name="Go on to the next stage").click()
    assert live.evaluate(LOUDEST, "final") < -14


def test_a_file_runs_through_the_pipeline(page_at: PageAt, full: Running) -> None:
    """Chosen, it is played; while it runs, settings are changed."""
    page = at(page_at, full)
    choose(page, "#file", recording(3), "voice.wav")
    expect(page.locator("#file-name")).to_have_text("voice.wav")
    page.get_by_role("button", name="Play the file").click()
    expect(page.locator("#page-status")).to_contain_text("The file runs through the pipeline")
    page.wait_for_function(IS_BETWEEN, arg=["final", -50, 0])
    page.get_by_role("switch", name="Enhancement on").uncheck()
    expect(page.locator("[data-stage=voiceEnhance] .light")).to_have_text("off")
    page.get_by_role("button", name="Stop the file").click()
    expect(page.locator("#page-status")).to_contain_text("Nothing runs. 6 of 7 stages on.")
    choose(page, "#file", b"no sound at all", "broken.wav")
    page.get_by_role("button", name="Play the file").click()
    expect(page.locator("#notices")).to_contain_text("The sound could not be opened")


def test_what_is_exported_is_imported_again(page_at: PageAt, full: Running) -> None:
    """Parameters, stages and the pause; then undone in one step, and redone."""
    page = at(page_at, full)
    page.evaluate("audioProcessingControls.updateParameter('voiceEnhance', 'compressor.ratio', 7.5)")
    page.get_by_role("switch", name="Silence on").uncheck()
    opened(page, "noise").get_by_role("button", name="Pause here").click()
    document = exported(page)
    assert document["version"] == "1.0"
    assert document["pausedAt"] == "noise"
    assert document["parameters"]["voiceEnhancement"]["compressor"]["ratio"] == 7.5
    assert "silence" not in document["enabledStages"]
    page.reload()
    settled(page)
    expect(page.locator("#preset")).to_have_value("default")
    choose(page, "#import-file", json.dumps(document), "mine.json")
    expect(page.locator(".toast")).to_contain_text("mine.json is imported.")
    expect(page.locator("#page-status")).to_contain_text("6 of 7 stages on. Paused at Noise")
    again = exported(page)
    assert {**again, "timestamp": ""} == {**document, "timestamp": ""}
    page.get_by_role("button", name="Undo", exact=True).first.click()
    expect(page.locator("#page-status")).to_contain_text("7 of 7 stages on.")
    page.get_by_role("button", name="Redo").click()
    expect(page.locator("#page-status")).to_contain_text("6 of 7 stages on.")


def test_a_file_that_is_not_valid_changes_nothing_and_each_fault_is_named(
    page_at: PageAt, full: Running, axe: str
) -> None:
    page = at(page_at, full)
    faulty = {
        "parameters": {"noiseReduction": {"strength": 2, "nothing": 1}, "vad": {"aggressiveness": "high"}},
        "enabledStages": ["reverb"],
    }
    choose(page, "#import-file", json.dumps(faulty), "bad.json")
    dialog = page.get_by_role("dialog", name="bad.json was not imported")
    for path, expected in (
        ("noiseReduction.strength", "a number from 0 to 1"),
        ("noiseReduction.nothing", "no such parameter"),
        ("vad.aggressiveness", "a whole number from 0 to 3"),
        ("enabledStages[0]", "one of original, decoded"),
    ):
        expect(dialog.locator("li").filter(has_text=path)).to_contain_text(expected)
    assert violations(page, axe) == []
    dialog.get_by_role("button", name="Close").click()
    choose(page, "#import-file", "{}", "empty.json")
    expect(page.get_by_role("dialog")).to_contain_text("parameters")
    expect(page.get_by_role("dialog")).to_contain_text("enabledStages")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("#preset")).to_have_value("default")


def test_parameters_that_contradict_each_other_are_marked_at_the_control(
    page_at: PageAt, full: Running, axe: str
) -> None:
    """And in a list that leads there; the fault goes when it is resolved."""
    page = at(page_at, full)
    opened(page, "silence")
    parameter(page, "silence.breathThreshold").get_by_role("spinbutton").fill("-60")
    fault = parameter(page, "silence.breathThreshold").locator(".parameter-fault")
    expect(fault).to_have_text("Expected more than threshold, which is -45 dBFS.")
    expect(page.locator("[data-stage=silence]")).to_contain_text("fault")
    assert violations(page, axe) == []
    opened(page, "vad")
    page.locator("#fault-list").get_by_role("button", name="silence.breathThreshold").click()
    expect(parameter(page, "silence.breathThreshold").get_by_role("slider")).to_be_focused()
    page.get_by_role("button", name="Reset Breath threshold to \u221235 dBFS").click()
    expect(fault).to_be_hidden()
    expect(page.locator("#faults")).to_be_hidden()
    parameter(page, "silence.breathThreshold").get_by_role("spinbutton").fill("-200")
    expect(fault).to_have_text("Expected a number from -80 to -10.")


def test_everything_is_done_with_the_keyboard(page_at: PageAt, full: Running) -> None:
    """A stage is opened, a slider moved by its step, the curve follows, and Ctrl+Z takes it back."""
    page = at(page_at, full)
    page.locator("[data-stage=voiceProcess] .stage-name").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#stage-detail h2")).to_have_text("Processing")
    slider = page.get_by_role("slider", name="Expander: Threshold")
    curve = page.locator(".curve").filter(has_text="Expander").locator(".curve-line").last
    before = curve.get_attribute("d")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(slider).to_have_value("-37")
    expect(slider).to_have_attribute("aria-valuetext", "\u221237 dBFS")
    assert curve.get_attribute("d") != before
    page.keyboard.press("Control+z")
    expect(page.get_by_role("slider", name="Expander: Threshold")).to_have_value("-40")
    page.keyboard.press("Control+Shift+z")
    expect(page.get_by_role("slider", name="Expander: Threshold")).to_have_value("-37")
    page.get_by_role("switch", name="Noise on").focus()
    page.keyboard.press("Space")
    expect(page.locator("#page-status")).to_contain_text("6 of 7 stages on.")


def test_choices_have_labels_and_silence_has_pictures(page_at: PageAt, full: Running) -> None:
    """Not the values of the exported file; the pictures follow the parameters, and say so in words."""
    page = at(page_at, full)
    opened(page, "noise")
    engine = parameter(page, "noiseReduction.engine").locator("option")
    assert engine.all_inner_texts() == ["Built in", "DeepFilterNet (server only)"]
    opened(page, "silence")
    pauses = page.locator(".curve").filter(has_text="Pauses up to")
    expect(pauses).to_contain_text("longer ones become 300 ms")
    parameter(page, "silence.padDuration").get_by_role("spinbutton").fill("50")
    expect(pauses).to_contain_text("Pauses up to 200 ms stay; longer ones become 100 ms")
    level = page.locator(".curve").filter(has_text="Level over six seconds")
    threshold = level.locator(".curve-line").first
    before = threshold.get_attribute("d")
    parameter(page, "silence.threshold").get_by_role("spinbutton").fill("-60")
    assert threshold.get_attribute("d") != before


def test_the_dot_on_a_curve_is_at_the_peak_that_the_stage_compares(live: Page) -> None:
    """Speech at -1 dBFS has far lower RMS: the dot of the compressor gets near full scale, on its curve."""
    opened(live, "voiceEnhance")
    live.wait_for_function(
        """() => {
          const dot = document.querySelector(".curve-dot");
          const line = [...document.querySelector(".curve").querySelectorAll(".curve-line")].at(-1);
          const pairs = line.getAttribute("d").slice(1).split("L");
          const points = pairs.map((pair) => pair.split(" ").map(Number));
          const [x, y] = ["cx", "cy"].map((name) => Number(dot.getAttribute(name)));
          const level = -80 + (80 * (x - 44)) / (360 - 60);
          const near = points.reduce((a, b) => (Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a));
          return dot.getAttribute("visibility") === "visible" && level > -6 && Math.abs(near[1] - y) < 3;
        }"""
    )


def test_other_code_reads_and_changes_the_parameters(page_at: PageAt, full: Running) -> None:
    """By stage or group, nested by a dotted path; what does not exist is an error and changes nothing."""
    page = at(page_at, full)
    result = page.evaluate("""() => {
      const controls = window.audioProcessingControls;
      controls.updateParameter("noise", "strength", 0.25);
      controls.updateParameter("voiceEnhancement", "compressor.threshold", -33);
      controls.toggleStage("silence");
      controls.updateParameter("vad", "enabled", false);
      const wrongs = [["noise", "strength", 7], ["noise", "nothing", 1], ["nothing", "strength", 1]];
      const errors = wrongs.map((wrong) => {
        try { controls.updateParameter(...wrong); return ""; } catch (error) { return error.name; }
      });
      const { noiseReduction, voiceEnhancement, silence } = window.audioProcessingParams;
      return { errors, strength: noiseReduction.strength, threshold: voiceEnhancement.compressor.threshold,
               silence: silence.enabled, stages: controls.enabledStages };
    }""")
    assert result["errors"] == ["RangeError"] * 3
    assert (result["strength"], result["threshold"], result["silence"]) == (0.25, -33, False)
    assert result["stages"] == [stage for stage in STAGES if stage not in {"silence", "vad"}]
    page.evaluate("audioProcessingControls.loadPreset('noisy')")
    expect(page.locator("#preset")).to_have_value("noisy")
    assert page.evaluate("audioProcessingParams.noiseReduction.strength") == 0.9


def test_two_sets_of_settings_are_compared_and_stored(page_at: PageAt, full: Running, axe: str) -> None:
    """A and B; what is saved is there after a reload, and so are one's own presets."""
    page = at(page_at, full)
    page.get_by_role("button", name="B", exact=True).click()
    page.locator("#preset").select_option("music")
    page.get_by_role("button", name="A", exact=True).click()
    expect(page.locator("#preset")).to_have_value("default")
    page.get_by_role("button", name="B", exact=True).click()
    expect(page.locator("#preset")).to_have_value("music")
    page.evaluate("audioProcessingControls.updateParameter('noise', 'strength', 0.15)")
    page.get_by_role("button", name="Save as…").click()
    assert violations(page, axe) == []
    page.get_by_label("Name", exact=True).fill("My room")
    page.keyboard.press("Enter")
    expect(page.locator("#preset")).to_have_value("own:My room")
    page.get_by_role("button", name="Save in browser").click()
    expect(page.locator(".toast").last).to_contain_text("Saved in this browser")
    assert "audioProcessingConfig" in page.evaluate("Object.keys(localStorage)")
    page.reload()
    settled(page)
    expect(page.locator("#preset")).to_have_value("own:My room")
    page.get_by_role("button", name="Delete preset").click()
    expect(page.locator("#preset")).to_have_value("")
    assert page.evaluate("audioProcessingParams.noiseReduction.strength") == 0.15


def test_stored_settings_that_are_not_valid_are_not_used(page_at: PageAt, full: Running) -> None:
    page = at(page_at, full)
    broken = {"parameters": {"vad": 3}, "enabledStages": []}
    page.evaluate("(broken) => localStorage.setItem('audioProcessingConfig', JSON.stringify(broken))", broken)
    page.reload()
    settled(page)
    expect(page.locator("#notices")).to_contain_text("vad: expected an object")
    expect(page.locator("#preset")).to_have_value("default")


@pytest.mark.parametrize("width", [1280, 360])
def test_each_stage_is_accessible_and_fits(page_at: PageAt, full: Running, axe: str, width: int) -> None:
    """The whole page once, then what a stage shows: the rest of it stays."""
    page = at(page_at, full, width=width)
    assert violations(page, axe) == []
    for stage in STAGES:
        opened(page, stage)
        assert violations(page, axe, within="#stage-detail") == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_worklets_the_service_processes_files(page_at: PageAt, real: RunningService) -> None:
    """The page explains why, and sends the settings with the file; the result can be played."""
    page = page_at(real.url + "/livez")
    page.add_init_script(NO_WORKLETS)
    page.goto(real.url + PATH)
    settled(page)
    expect(page.locator("#page-status")).to_contain_text("This browser cannot run the pipeline")
    expect(page.locator("#notices")).to_contain_text("it has no AudioWorklet here")
    expect(page.get_by_role("button", name="Start the microphone")).to_be_disabled()
    page.locator("#preset").select_option("noisy")
    choose(page, "#file", recording(1), "voice.wav")
    with page.expect_response("**/api/pipeline/process") as response:
        page.get_by_role("button", name="Process the file").click()
    assert response.value.header_value("content-type") == "audio/wav"
    assert page.evaluate("window.sent.audio.name") == "voice.wav"
    settings = json.loads(page.evaluate("window.sent.settings"))
    assert settings["parameters"]["vad"]["aggressiveness"] == 3
    expect(page.locator("#result")).to_be_visible()
    expect(page.locator("#result-text")).to_contain_text("voice.wav, processed by the service")
    page.wait_for_function("() => document.getElementById('result').duration > 0.2")


def test_a_running_session_uses_the_settings_at_once(page_at: PageAt, real: RunningService) -> None:
    """Sent once, then with each change."""
    page = page_at(real.url + PATH)
    settled(page)
    made = page.evaluate(
        "fetch('/api/sessions/create', {method: 'POST'}).then((response) => response.json())"
    )
    session = made["session_id"]
    page.get_by_role("button", name="Load sessions").click()
    page.locator("#session").select_option(session)
    page.get_by_role("button", name="Use these settings there").click()
    expect(page.locator("#session-note")).to_have_text("The session uses these settings.")
    pipeline = f"fetch('/api/sessions/{session}/pipeline').then((response) => response.json())"
    assert page.evaluate(pipeline)["pipeline"]["parameters"]["vad"]["aggressiveness"] == 2
    page.get_by_role("switch", name="Send each change").check()
    with page.expect_response(lambda response: response.request.method == "PUT") as response:
        page.evaluate("audioProcessingControls.updateParameter('vad', 'aggressiveness', 3)")
    assert response.value.ok
    assert page.evaluate(pipeline)["pipeline"]["parameters"]["vad"]["aggressiveness"] == 3
    page.get_by_role("button", name="Process nothing there").click()
    expect(page.locator("#session-note")).to_have_text("The session's speech is not processed.")
    assert page.evaluate(pipeline)["pipeline"] is None

"""Audio tests: how sounds come to the page, and what the browser stores of runs. The service is played."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from playwright.sync_api import FilePayload, Page, Route, expect

from tests.browser.conftest import PageAt, assert_keyboard_reaches_every_control, settled
from tests.browser.test_audio_controls import recording
from tests.browser.test_test_audio import COMPARED, PATH, respond, run
from tests.fakes.scripted_service import Running, scripted

pytestmark = pytest.mark.browser

#: Drops files, or text, on the middle of the page.
DROP: Final = """([names, text]) => {
  const data = new DataTransfer();
  for (const name of names) data.items.add(new File([new Uint8Array(64)], name, { type: "audio/wav" }));
  if (text !== null) data.setData("text/plain", text);
  const target = document.querySelector("#result");
  const options = { dataTransfer: data, bubbles: true, cancelable: true };
  const sent = (name) => target.dispatchEvent(new DragEvent(name, options));
  sent("dragover");
  const isOver = document.querySelector("#sound").hasAttribute("data-over");
  return { isOver, isPrevented: !sent("drop") };
}"""

#: Stores copies of the only run, older than it by minutes; one file of each is replaced by ``bytes`` zeros.
MULTIPLY: Final = """([count, bytes]) => new Promise((resolve, reject) => {
  const opening = indexedDB.open("livetranslate-test-audio", 1);
  opening.onerror = () => reject(opening.error);
  opening.onsuccess = () => {
    const store = opening.result.transaction("runs", "readwrite").objectStore("runs");
    store.getAll().onsuccess = ({ target }) => {
      const [run] = target.result;
      const files = { ...run.files, original: new Blob([new Uint8Array(bytes)]) };
      for (let number = 1; number <= count; number += 1) {
        const at = run.at - 60_000 * number;
        store.put({ ...run, id: `copy-${number}`, at, name: `copy ${number}.wav`, files });
      }
    };
    store.transaction.oncomplete = () => (opening.result.close(), resolve());
    store.transaction.onabort = () => reject(store.transaction.error);
  };
})"""


@pytest.fixture(scope="module")
def full() -> Iterator[Running]:
    with scripted("full") as running:
        yield running


def opened(page_at: PageAt, full: Running, **more: Any) -> Page:
    page = page_at(full.url + PATH, **more)
    settled(page)
    respond(page)
    return page


def names(page: Page, place: str) -> list[str]:
    return page.locator(f"{place} li bdi").all_inner_texts()


def test_files_are_dropped_anywhere_on_the_page(page_at: PageAt, full: Running) -> None:
    """The last one is chosen. Text that is dragged is left to the browser."""
    page = opened(page_at, full)
    assert page.evaluate(DROP, [[], "a word"]) == {"isOver": False, "isPrevented": False}
    assert page.evaluate(DROP, [["one.wav", "two.wav"], None]) == {"isOver": True, "isPrevented": True}
    assert names(page, "#files") == ["one.wav", "two.wav"]
    expect(page.locator("#page-status")).to_have_text("two.wav is ready to run.")
    assert not page.locator("#sound").evaluate("element => element.hasAttribute('data-over')")
    page.get_by_role("radio", name="one.wav").check()
    expect(page.locator("#page-status")).to_have_text("one.wav is ready to run.")


def test_sounds_are_saved_and_removed(page_at: PageAt, full: Running) -> None:
    page = opened(page_at, full)
    run(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save voice.wav").click()
    assert download.value.suggested_filename == "voice.wav"
    assert download.value.path().read_bytes() == recording(2)
    page.get_by_role("button", name="Remove voice.wav").click()
    expect(page.locator("#page-status")).to_have_text("No sound is chosen. Record one, or choose a file.")
    expect(page.get_by_role("button", name="Run A and B")).to_be_disabled()
    expect(page.get_by_role("button", name="Choose files…")).to_be_focused()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#page-status")).to_have_text("voice.wav is ready to run.")


REFUSE: Final = """() => {
  navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "NotAllowedError"));
}"""


def test_a_refused_microphone_is_explained(page_at: PageAt, full: Running) -> None:
    """Then a file can be chosen, or the microphone tried again."""
    page = opened(page_at, full, permissions=["microphone"])
    page.evaluate(REFUSE)
    page.get_by_role("button", name="Record").click()
    expect(page.locator("#notices .banner")).to_contain_text("microphone")
    expect(page.get_by_role("button", name="Record")).to_be_enabled()
    expect(page.locator("#granted")).to_be_hidden()
    expect(page.locator("#input-level")).to_be_hidden()
    page.evaluate("() => delete navigator.mediaDevices.getUserMedia")
    page.get_by_role("button", name="Record").click()
    expect(page.get_by_role("button", name="Stop recording")).to_be_visible()
    expect(page.locator("#notices .banner")).to_have_count(0)


def test_formats_that_the_browser_lacks_are_explained(page_at: PageAt, full: Running) -> None:
    """What is offered and what is explained are together all formats."""
    page = opened(page_at, full)
    offered = page.locator("#format option").all_inner_texts()
    note = page.locator("#format-note").inner_text()
    for title in ("WebM, Opus", "Ogg, Opus", "MP4, AAC", "MP4, Opus"):
        assert (title in offered) != (title.replace(", ", " with ") in note), title
    page.add_init_script("delete window.MediaRecorder; delete window.AudioWorkletNode")
    page.reload()
    settled(page)
    expect(page.locator("#format-note")).to_have_text(
        "This browser records no sound here. Files can be chosen all the same."
    )
    expect(page.get_by_role("button", name="Record")).to_be_disabled()


def test_an_unsaved_recording_is_not_lost_unasked(page_at: PageAt, full: Running) -> None:
    """Leaving is asked about until the recording was run, and with that stored."""
    page = opened(page_at, full, permissions=["microphone"])
    asked: list[str] = []

    def stay(dialog: Any) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    page.get_by_role("button", name="Record").click()
    expect(page.locator("#record-length")).to_have_text("0:01 of 5:00")
    page.get_by_role("button", name="Stop recording").click()
    expect(page.locator("#page-status")).to_contain_text("is ready to run.")
    page.close(run_before_unload=True)
    expect(page.locator("#page-status")).to_contain_text("is ready to run.")
    page.wait_for_function("() => true")
    assert asked == ["beforeunload"]
    page.get_by_role("button", name="Run A and B").click()
    expect(page.locator("#runs li")).to_have_count(1)
    page.reload()
    settled(page)
    assert asked == ["beforeunload"]


def test_a_busy_service_is_tried_again_by_itself(page_at: PageAt, full: Running) -> None:
    """It says when: after that time, and not before."""
    page = page_at("about:blank", expects=("429",))
    page.clock.install()
    page.goto(full.url + PATH)
    page.clock.run_for(1_000)
    settled(page)
    sent: list[str] = []

    def busy(route: Route) -> None:
        sent.append(route.request.url)
        if len(sent) > 1:
            route.fallback()
            return
        problem = {"code": "too_many_files", "detail": "2 files of your address are being processed."}
        route.fulfill(status=429, json=problem, headers={"Retry-After": "7"})

    respond(page)
    page.route("**/api/pipeline/process", busy)
    sound = FilePayload(name="voice.wav", mimeType="audio/wav", buffer=recording(1))
    page.locator("#file").set_input_files([sound])
    page.get_by_role("button", name="Run A and B").click()
    expect(page.locator("#notices")).to_contain_text("2 files of your address are being processed.")
    page.clock.run_for(3_000)
    expect(page.locator("#notices")).to_contain_text(" s.")
    assert len(sent) == 1
    page.clock.run_for(5_000)
    expect(page.locator("#differences")).to_be_visible()
    assert len(sent) == 3
    expect(page.locator("#notices .banner")).to_have_count(0)


def test_a_run_is_cancelled_in_the_middle(page_at: PageAt, full: Running) -> None:
    """The request in progress is ended, nothing is stored, and the next run begins anew."""
    page = opened(page_at, full, expects=("ERR_",))

    def never(_: Route) -> None:
        """Leave the request without a response."""

    page.route("**/api/pipeline/compare", never)
    sound = FilePayload(name="voice.wav", mimeType="audio/wav", buffer=recording(1))
    page.locator("#file").set_input_files([sound])
    page.get_by_role("button", name="Run A and B").click()
    expect(page.locator("#progress")).to_have_text("Step 3 of 3: both are measured and transcribed.")
    expect(page.locator("#page-status")).to_have_text("voice.wav runs through the pipeline.")
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/compare")):
        page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#toasts")).to_contain_text("The run was cancelled.")
    expect(page.locator("#progress")).to_have_text("")
    expect(page.locator("#runs li")).to_have_count(0)
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    page.unroute("**/api/pipeline/compare", never)
    page.get_by_role("button", name="Run A and B").click()
    expect(page.locator("#runs li")).to_have_count(1)


def test_runs_are_deleted_and_brought_back(page_at: PageAt, full: Running) -> None:
    """One with Undo; all of them after a question. A reload shows the same."""
    page = opened(page_at, full)
    run(page)
    page.get_by_role("button", name="Delete voice.wav").click()
    expect(page.locator("#runs")).to_contain_text("No runs are stored.")
    expect(page.get_by_role("button", name="Export all")).to_be_disabled()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#runs li")).to_have_count(1)
    page.reload()
    settled(page)
    expect(page.locator("#runs li")).to_have_count(1)
    page.get_by_role("button", name="Delete all").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.locator("#runs li")).to_have_count(1)
    page.get_by_role("button", name="Delete all").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete all").click()
    expect(page.locator("#runs")).to_contain_text("No runs are stored.")
    page.reload()
    settled(page)
    expect(page.locator("#runs")).to_contain_text("No runs are stored.")


@pytest.mark.parametrize(
    ("count", "size", "left", "words"),
    [
        (29, 10, 30, "The oldest run was dropped to make room."),
        (3, 66_600_000, 4, "The oldest run was dropped to make room."),
    ],
)
def test_the_oldest_runs_make_room(
    page_at: PageAt, full: Running, count: int, size: int, left: int, words: str
) -> None:
    """At 30 runs, or at 200 MB; it is said."""
    page = opened(page_at, full)
    run(page)
    page.evaluate(MULTIPLY, [count, size])
    page.reload()
    settled(page)
    expect(page.locator("#runs li")).to_have_count(count + 1)
    run(page)
    expect(page.locator("#toasts")).to_contain_text(words)
    expect(page.locator("#runs li")).to_have_count(left)
    assert f"copy {count}.wav" not in names(page, "#runs")
    assert names(page, "#runs")[:2] == ["voice.wav", "voice.wav"]


FULL: Final = """
IDBObjectStore.prototype.put = () => {
  throw new DOMException("The quota has been exceeded.", "QuotaExceededError");
};
"""
FORBIDDEN: Final = "Object.defineProperty(window, 'indexedDB', { value: null });"


@pytest.mark.parametrize(
    ("cause", "words"), [(FULL, "The quota has been exceeded."), (FORBIDDEN, "no IndexedDB here")]
)
def test_where_the_browser_stores_nothing_a_run_lasts_as_long_as_the_page(
    page_at: PageAt, full: Running, cause: str, words: str
) -> None:
    page = page_at("about:blank")
    page.add_init_script(cause)
    page.goto(full.url + PATH)
    settled(page)
    respond(page)
    run(page)
    expect(page.locator("#notices")).to_contain_text(words)
    expect(page.locator("#notices")).to_contain_text("Export them before that.")
    expect(page.locator("#runs li")).to_have_count(1)
    page.get_by_role("button", name="Open voice.wav").click()
    expect(page.locator("#transcript-b")).to_have_text("the young man sat down")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export all").click()
    (exported,) = json.loads(download.value.path().read_text())["runs"]
    assert exported["comparison"] == COMPARED


def test_everything_is_done_by_keyboard(page_at: PageAt, full: Running) -> None:
    """A file is chosen, run, its words read, its versions played, the run deleted and brought back."""
    page = opened(page_at, full)
    sound = FilePayload(name="voice.wav", mimeType="audio/wav", buffer=recording(2))
    page.on("filechooser", lambda chooser: chooser.set_files([sound]))
    page.get_by_role("button", name="Choose files…").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#page-status")).to_have_text("voice.wav is ready to run.")
    page.locator("#settings-b").focus()
    page.keyboard.type("Noisy")
    expect(page.locator("#settings-b")).to_have_value("preset:noisy")
    tab_to(page, "#run")
    page.keyboard.press("Enter")
    expect(page.locator("#differences")).to_be_visible()
    expect(page.locator("#versions button")).to_have_count(3)
    assert_keyboard_reaches_every_control(page)
    page.locator("#play").focus()
    tab_to(page, "[data-version=b]")
    page.keyboard.press("Space")
    expect(page.locator("[data-version=b]")).to_have_attribute("aria-pressed", "true")
    tab_to(page, "#runs button[aria-label^=Delete]")
    page.keyboard.press("Enter")
    expect(page.locator("#runs")).to_contain_text("No runs are stored.")
    tab_to(page, "#toasts button")
    page.keyboard.press("Enter")
    expect(page.locator("#runs li")).to_have_count(1)


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(60):
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab does not reach {selector}")


STAGES: Final = {
    "stages": [
        {"stage": stage, "is_on": True, "milliseconds": 3.2, "analysis": COMPARED["before"]}
        for stage in ("original", "decoded", "noise", "final")
    ]
}


@pytest.mark.parametrize("width", [1280, 640, 360])
def test_a_table_that_scrolls_says_so(page_at: PageAt, full: Running, width: int) -> None:
    """640 px are a window of 1280 px at 200 %. The measures fit a phone; the stages need not."""
    page = opened(page_at, full, width=width)
    page.route("**/api/pipeline/analyze", lambda route: route.fulfill(json=STAGES))
    run(page)
    page.get_by_role("button", name="Measure each stage of B").click()
    expect(page.get_by_role("region", name="What leaves each stage of B").locator("tbody tr")).to_have_count(
        4
    )
    boxes = page.locator(".test-table").evaluate_all(
        """boxes => boxes.map(
          (box) => [box.scrollWidth > box.clientWidth + 1, !box.previousElementSibling.hidden]
        )"""
    )
    assert boxes == [[False, False], [width < 1280, width < 1280]]
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_long_names_fit(page_at: PageAt, full: Running) -> None:
    page = opened(page_at, full, width=360)
    name = "a-recording-whose-name-has-no-place-to-break-" * 4 + ".wav"
    sound = FilePayload(name=name, mimeType="audio/wav", buffer=recording(1))
    page.locator("#file").set_input_files([sound])
    page.get_by_role("button", name="Run A and B").click()
    expect(page.locator("#runs li")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_settings_that_another_tab_saves_are_offered(page_at: PageAt, full: Running) -> None:
    """What is chosen stays."""
    page = opened(page_at, full)
    page.locator("#settings-b").select_option("preset:noisy")
    other = page.context.new_page()
    other.goto(full.url + "/audio-processing-controls.html")
    other.get_by_role("button", name="Save in browser").click()
    expect(page.locator("#settings-a option[value=browser]")).to_be_attached()
    expect(page.locator("#settings-b")).to_have_value("preset:noisy")
    other.close()


def test_both_channels_are_drawn(page_at: PageAt, full: Running) -> None:
    """A sound in the right channel only is seen in the lower half."""
    page = opened(page_at, full)
    frames = recording(1)[44:]
    stereo = b"".join(bytes(2) + frames[at : at + 2] for at in range(0, len(frames), 2))
    head = bytearray(recording(1)[:44])
    head[22:24] = (2).to_bytes(2, "little")
    head[28:32] = (64_000).to_bytes(4, "little")
    head[32:34] = (4).to_bytes(2, "little")
    head[4:8] = (36 + len(stereo)).to_bytes(4, "little")
    head[40:44] = len(stereo).to_bytes(4, "little")
    sound = FilePayload(name="right.wav", mimeType="audio/wav", buffer=bytes(head) + stereo)
    page.locator("#file").set_input_files([sound])
    expect(page.locator("#waveform-text")).to_contain_text("2 channels, 1 s, loudest at ")
    expect(page.locator("#waveform-text")).to_contain_text("in channel 2")
    drawn = page.locator("#waveform-picture").evaluate(
        """canvas => [0, 1].map(half => {
          const { width, height } = canvas;
          const copy = new OffscreenCanvas(width, Math.floor(height / 2));
          const picture = copy.getContext("2d", { willReadFrequently: true });
          picture.drawImage(canvas, 0, -Math.round(half * height / 2));
          const { data } = picture.getImageData(0, 0, width, copy.height);
          return data.filter((value, index) => index % 4 === 3 && value > 0).length / width;
        })"""
    )
    assert drawn[0] <= 2
    assert drawn[1] > 4

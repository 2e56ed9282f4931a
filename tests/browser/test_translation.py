"""The Translation page in Chromium, on the real service with its sandbox back ends."""

import json
import os
import re
import signal
import wave
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import av
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Route, expect

from tests.fakes.chromium import launch, window
from tests.fakes.lossy_uploads import PIECE, LossyUploads, long_silence
from tests.fakes.service import UNHURRIED, RunningService, service
from tests.fakes.tools import require

pytestmark = pytest.mark.browser

CLIPS = Path(__file__).parents[1] / "data" / "speech"
CLIP = CLIPS / "austen-0920.wav"
SPOKEN = "had he married a more amiable woman he might have been made still more respectable than he was"
CLIP_SECONDS = 6.1

#: Engines on a busy machine with two cores, milliseconds.

LINES = """els => els.map(el => [
    el.dataset.segment, el.dataset.offset, el.dataset.revision, el.querySelector('.line-said').textContent,
    [...el.querySelectorAll('[data-kind="text"]')].map(p => [p.dataset.language, p.textContent]),
])"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Run ``orch demo``, its back ends healthy."""
    require("apertium")
    with service("demo", tmp_path_factory.mktemp("demo"), environ=UNHURRIED) as running:
        yield running


@contextmanager
def watched(browser: Browser, *, locale: str = "en-GB", **more: Any) -> Iterator[BrowserContext]:
    """Open windows whose exceptions and policy violations fail the test at its end."""
    context = window(
        browser, permissions=["microphone", "clipboard-read", "clipboard-write"], locale=locale, **more
    )
    faults: list[str] = []

    def refused(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            faults.append(message.text)

    context.on("weberror", lambda error: faults.append(f"threw: {error.error}"))
    context.on("console", refused)
    yield context
    context.close()
    assert faults == []


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    with watched(chromium) as context:
        yield context


def opened(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(url)
    return page


def ready(context: BrowserContext, demo: RunningService, query: str = "") -> Page:
    """Open the page and wait until the microphone is ready and both languages are offered."""
    page = opened(context, f"{demo.url}/translation{query}")
    expect(page.locator("#speak-button")).to_be_enabled()
    expect(page.locator("#speak-button")).to_be_visible()
    expect(page.locator("#source option[value='en']")).to_be_attached()
    expect(page.locator("#targets-choices input[value='es']")).to_be_attached()
    return page


def read_in_spanish(page: Page) -> None:
    if page.locator("#options-button").is_visible():
        page.locator("#options-button").click()
    page.locator("#targets summary").click()
    for box in page.locator("#targets-choices input").all():
        box.set_checked(box.input_value() == "es")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("#targets-value")).to_have_text("Spanish")


def between_silences(path: Path) -> Path:
    """Write the clip with two seconds of silence on each side: the device plays before recording starts."""
    with wave.open(str(CLIP), "rb") as clip, wave.open(str(path), "wb") as padded:
        padded.setparams(clip.getparams())
        silence = bytes(2 * 2 * clip.getframerate())
        padded.writeframes(silence + clip.readframes(clip.getnframes()) + silence)
    return path


def heard(text: str) -> int:
    """Count how many of the clip's words are there, each as often as it was spoken."""
    words = re.sub(r"\(confidence [0-9.]+\)", " ", text).lower().split()
    found = 0
    for word in SPOKEN.split():
        if word in words:
            words.remove(word)
            found += 1
    return found


def lines(page: Page) -> list[Any]:
    found: list[Any] = page.locator(".line").evaluate_all(LINES)
    return found


def translated(page: Page) -> None:
    """Wait until every line is final and in Spanish."""
    expect(page.locator(".line [data-language='es'][data-kind='text']").first).to_be_visible()
    expect(page.locator(".line[data-final='false'], .line [data-kind='waiting']")).to_have_count(0)


def uploaded(page: Page, clip: Path = CLIP) -> None:
    """Open a recording and wait until all of it is transcribed and translated."""
    page.locator("#file").set_input_files(clip)
    expect(page.locator(".recording-state")).to_contain_text("Done")
    translated(page)


def seconds(cue: tuple[str, str]) -> tuple[float, float]:
    """Read the two times of a SubRip cue."""
    (start, end) = (
        int(hours) * 3600 + int(minutes) * 60 + int(rest) + int(thousandths) / 1000
        for hours, minutes, rest, thousandths in (re.split("[:,]", time) for time in cue)
    )
    return start, end


def said(page: Page) -> str:
    return " ".join(line[3] for line in lines(page))


def test_speech_at_the_microphone_is_transcribed_and_translated(
    playwright_here: Playwright, demo: RunningService, tmp_path: Path
) -> None:
    """From the device to the Spanish line, with all audio processing off and the level shown."""
    browser = launch(playwright_here, between_silences(tmp_path / "said.wav"))
    with closing(browser), watched(browser) as context:
        page = ready(context, demo)
        read_in_spanish(page)
        expect(page.locator("#meter")).to_be_hidden()
        page.locator("#speak-button").click()
        expect(page.locator("#speak-label")).to_have_text("Stop microphone")
        expect(page.locator("#meter")).to_be_visible()
        for fact in ("echo", "noise", "gain"):
            expect(page.locator(f"#fact-{fact}")).to_have_text("off")
        expect(page.locator("#page-status")).to_contain_text("Listening")
        expect(page.locator(".line[data-final='true']").first).to_be_visible()
        page.locator("#speak-button").click()
        expect(page.locator("#meter")).to_be_hidden()
        translated(page)
        assert heard(said(page)) >= 12, said(page)


def live_webm(place: Path) -> Path:
    """Write the clip as browsers record it: WebM without a declared length."""
    with av.open(str(place), "w", format="webm", options={"live": "1"}) as out, av.open(str(CLIP)) as source:
        stream = out.add_stream("libopus", rate=48_000, layout="mono")
        resampler = av.AudioResampler(format="s16", layout="mono", rate=48_000)
        for frame in (*source.decode(audio=0), None):
            for converted in resampler.resample(frame):
                out.mux(stream.encode(converted))
        out.mux(stream.encode(None))
    return place


def test_a_recording_that_does_not_say_its_length_is_followed_to_its_end(
    chromium: Browser, demo: RunningService, tmp_path: Path
) -> None:
    """Its lines are shown, its end is announced, and it can be exported alone, with its own times."""
    with watched(chromium) as context:
        page = ready(context, demo)
        read_in_spanish(page)
        page.locator("#file").set_input_files([live_webm(tmp_path / "live.webm"), CLIP])
        states = page.locator(".recording-state")
        expect(states).to_have_count(2)
        expect(states.first).to_contain_text("Done, 6.")
        expect(states.last).to_contain_text("Done, 6.")
        expect(page.locator("#take-what option")).to_have_count(3)
        page.locator("#take-what").select_option(label=CLIP.name)
        with page.expect_download() as download:
            page.locator("[data-format=srt]").click()
        text = download.value.path().read_text(encoding="utf-8")
        assert "live.webm" not in text
        first, _ = seconds(re.findall(r"^(\S+) --> (\S+)$", text, re.MULTILINE)[0])
        assert first < 1.5


def long_recording(folder: Path) -> Path:
    """Return a recording that is read for a while."""
    long = folder / "long.wav"
    with wave.open(str(CLIP)) as source, wave.open(str(long), "wb") as out:
        out.setparams(source.getparams())
        sound = source.readframes(source.getnframes())
        for _ in range(60):
            out.writeframes(sound)
    return long


def test_what_is_being_read_is_found_again_after_a_reload_and_can_be_cancelled(
    chromium: Browser, demo: RunningService, tmp_path: Path
) -> None:
    """By the page that uploaded it; other pages see it too, until it ends."""
    with watched(chromium, viewport={"width": 360, "height": 740}) as context:
        page = ready(context, demo)
        page.locator("#file").set_input_files(long_recording(tmp_path))
        expect(page.locator(".line[data-final='true']").first).to_be_visible()
        other = opened(context, page.url)
        page.reload()
        for window in (page, other):
            expect(window.locator(".recording-name")).to_have_text("long.wav")
            expect(window.locator(".recording-state")).to_contain_text("transcribed")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.get_by_role("button", name="Cancel long.wav").click()
        for window in (page, other):
            expect(window.locator(".recording-state")).to_have_text(
                re.compile(r"^Cancelled; [1-9].* transcribed$")
            )
        expect(page.locator("#notices .notice")).to_have_count(0)


def test_a_recording_is_cancelled_while_it_is_read(
    chromium: Browser, demo: RunningService, tmp_path: Path
) -> None:
    """Its lines stay, its card shows how far it got, and no error is shown."""
    long = long_recording(tmp_path)
    with watched(chromium, viewport={"width": 360, "height": 740}) as context:
        page = ready(context, demo)
        page.locator("#file").set_input_files(long)
        state = page.locator(".recording-state")
        expect(state).to_contain_text("transcribed")
        expect(page.locator(".line[data-final='true']").first).to_be_visible()
        page.get_by_role("button", name="Cancel long.wav").click()
        expect(state).to_contain_text("Cancelled; ")
        assert page.locator(".line[data-final='true']").count() >= 1
        expect(page.locator("#notices .notice")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_recording_is_read_and_a_second_window_shows_the_same(
    context: BrowserContext, demo: RunningService
) -> None:
    """The same lines at the same offsets, for participants who were present, join later or return."""
    page = ready(context, demo)
    read_in_spanish(page)
    uploaded(page)
    assert re.search(r"/translation#session=[a-z0-9-]+&key=[\w-]{22}$", page.url)
    assert heard(said(page)) >= 12, said(page)
    second = opened(context, page.url)
    expect(second.locator(".line")).to_have_count(len(lines(page)))
    translated(second)
    assert lines(second) == lines(page)
    assert all(int(line[1]) > 0 for line in lines(page))
    expect(page.locator("#here")).to_have_text("Two people here")
    page.reload()
    expect(page.locator(".line")).to_have_count(len(lines(second)))
    translated(page)
    assert lines(page) == lines(second)
    expect(page.locator("#here")).to_have_text("Two people here")


def test_it_can_be_taken_along_with_right_times(context: BrowserContext, demo: RunningService) -> None:
    """Each format has the line and its translation; cues have the times of the speech."""
    page = ready(context, demo)
    read_in_spanish(page)
    expect(page.locator("[data-format='srt']")).to_be_disabled()
    uploaded(page)
    files = {}
    for name in ("txt", "srt", "vtt", "json"):
        with page.expect_download() as download:
            page.locator(f"[data-format='{name}']").click()
        assert download.value.suggested_filename.endswith(f".{name}")
        files[name] = Path(download.value.path()).read_text(encoding="utf-8")
    document = json.loads(files["json"])
    assert [line["segment_id"] for line in document["lines"]] == [line[0] for line in lines(page)]
    assert 0 <= document["lines"][0]["start"] < 1.5
    assert CLIP_SECONDS - 2 < document["lines"][-1]["end"] <= CLIP_SECONDS + 0.1
    cues = [seconds(cue) for cue in re.findall(r"(\S+) --> (\S+)", files["srt"])]
    assert cues[0][0] == document["lines"][0]["start"]
    assert cues[-1][1] == document["lines"][-1]["end"]
    assert all(start < end for start, end in cues)
    assert all(before[1] <= after[0] for before, after in pairwise(cues))
    assert files["vtt"].startswith("WEBVTT\n\n00:00:0")
    for line in document["lines"]:
        assert f"{line['text']}\n    {line['translations']['es']['text']}\n" in files["txt"]
        for word in f"{line['text']} {line['translations']['es']['text']}".split():
            assert word in files["srt"]
            assert word in files["vtt"]
    with page.expect_download() as download:
        page.locator("#save-docx").click()
    assert download.value.suggested_filename.endswith(".docx")
    with zipfile.ZipFile(download.value.path()) as packed:
        written = packed.read("word/document.xml").decode()
    assert all(line["translations"]["es"]["text"] in written for line in document["lines"])
    page.locator("#copy").click()
    expect(page.locator(".toast")).to_have_text("The transcript was copied.")
    # The lines, without the head that says in the file whose session it is.
    _head, _, said = files["txt"].partition("\n\n")
    assert page.evaluate("navigator.clipboard.readText()") == said


def test_the_link_lets_another_window_join_and_read_along(
    context: BrowserContext, demo: RunningService
) -> None:
    """As a speaker or as a reader."""
    page = ready(context, demo)
    page.locator("#copy-reader").click()
    expect(page.locator(".toast")).to_have_text("The reading-only link was copied.")
    reader = opened(context, page.evaluate("navigator.clipboard.readText()"))
    expect(reader.locator("#here")).to_have_text("Two people here, one reading only")
    expect(page.locator("#here")).to_have_text("Two people here, one reading only")
    expect(reader.locator("#speak-button")).to_be_hidden()
    expect(reader.locator("#open-file")).to_be_hidden()


def test_what_cannot_be_read_is_refused_in_words(
    context: BrowserContext, demo: RunningService, tmp_path: Path
) -> None:
    """Not audio, empty, too large: each has its own message, and the next recording is accepted."""
    page = ready(context, demo)
    notice = page.locator("#notices .banner")
    for name, content, length, words in (
        ("note.txt", b"This is no recording." * 100, 0, "note.txt is not a recording that can be read."),
        ("long.txt", b"This is no recording.", 5 * 2**20, "long.txt is not a recording that can be read."),
        ("empty.wav", b"", 0, "empty.wav was rejected: The file is empty."),
        ("large.wav", b"", 2**30 + 1, "large.wav is too large. A recording can have 1024 MB at most."),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        if length:
            os.truncate(path, length)
        page.locator("#file").set_input_files(path)
        expect(notice).to_contain_text(words)
        notice.get_by_role("button", name="Dismiss").click()
        expect(notice).to_have_count(0)
    page.locator("#file").set_input_files(CLIP)
    expect(page.locator(".recording")).to_be_visible()
    expect(notice).to_have_count(0)


def test_an_upload_goes_on_after_a_lost_connection_and_after_a_reload(
    context: BrowserContext, demo: RunningService, tmp_path: Path
) -> None:
    """What arrived is not sent again; the page names what it waits for, and which file to choose."""
    path = long_silence(tmp_path)
    page = ready(context, demo)
    network = LossyUploads(page)
    state = page.locator(".recording-state")
    page.locator("#file").set_input_files(path)
    expect(state).to_have_text("Uploading, 30 %. The service cannot be reached. It goes on by itself.")
    page.reload()
    expect(state).to_have_text("36 % uploaded. Choose the file again to go on.")
    page.locator("#file").set_input_files(path)
    expect(state).to_contain_text("The service cannot be reached. It goes on by itself.")
    network.is_cut = False
    expect(state).to_have_text("Done: no speech in 60 s")
    assert network.offsets == [0, PIECE, 2 * PIECE]
    expect(page.locator("#notices .notice")).to_have_count(0)
    page.reload()
    expect(page.locator("#speak-button")).to_be_enabled()
    expect(page.locator(".recording")).to_have_count(0)


def test_an_unfinished_upload_can_be_cancelled(
    context: BrowserContext, demo: RunningService, tmp_path: Path
) -> None:
    """While it waits for the network, and after a reload."""
    path = long_silence(tmp_path)
    page = ready(context, demo)
    network = LossyUploads(page)
    for reloads in (False, True):
        page.locator("#file").set_input_files(path)
        expect(page.locator(".recording-state")).to_contain_text("cannot be reached")
        if reloads:
            page.reload()
            expect(page.locator(".recording-state")).to_contain_text("Choose the file again")
        with page.expect_request(lambda request: request.method == "DELETE"):
            page.get_by_role("button", name=re.compile(r"^Cancel ")).click()
        expect(page.locator(".recording")).to_have_count(0)
    assert network.offsets == [0, 0]


def test_a_proxy_that_answers_in_the_service_s_place_is_said_to_be_one(
    context: BrowserContext, demo: RunningService
) -> None:
    """The message blames neither the file nor the service, and the next recording is accepted."""
    page = ready(context, demo)
    notice = page.locator("#notices .banner")
    status = 0

    def answered(route: Route) -> None:
        route.fulfill(status=status, content_type="text/html", body="<html><h1>nginx</h1></html>")

    page.route("**/recordings?*", answered)
    for status, words in (  # noqa: B007 - the route answers with it
        (413, "larger than a proxy in front of the service accepts"),
        (415, "A proxy in front of the service responded with 415"),
        (429, "A proxy in front of the service accepts no more requests"),
        (502, "A proxy in front of the service got no response"),
        (200, "perhaps a network that requires a sign-in"),
    ):
        page.locator("#file").set_input_files(CLIP)
        expect(notice).to_contain_text(words)
        expect(page.locator(".recording")).to_have_count(0)
        notice.get_by_role("button", name="Dismiss").click()
        expect(notice).to_have_count(0)
    page.unroute("**/recordings?*")
    page.locator("#file").set_input_files(CLIP)
    expect(page.locator(".recording")).to_be_visible()


def test_a_session_that_is_gone_is_said_and_a_new_one_begun(
    context: BrowserContext, demo: RunningService
) -> None:
    page = opened(context, f"{demo.url}/translation#session=no-such-session")
    expect(page.locator("#page-status")).to_have_text("This session no longer exists.")
    expect(page.locator("#speak-button")).to_be_disabled()
    page.get_by_role("button", name="Start a new session").click()
    expect(page.locator("#speak-button")).to_be_enabled()
    expect(page.locator("#notices .banner")).to_have_count(0)
    expect(page.locator("#session-name")).to_have_text(re.compile(r"^[a-z]+-[a-z]+-[2-9a-z]{4}$"))
    assert page.url == f"{demo.url}/translation"  # there is nothing to come back to before its first word


def test_it_works_by_keyboard_alone(context: BrowserContext, demo: RunningService) -> None:
    """Choose languages, speak and stop by keys; shortcuts can be turned off, and pause while typing."""
    page = ready(context, demo)

    def tab_to(identity: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if (
                page.evaluate("(document.activeElement.id || document.activeElement.parentElement.id)")
                == identity
            ):
                return
        pytest.fail(f"{identity} is not in the tab order")

    page.locator("#main").focus()
    tab_to("speak-button")
    page.keyboard.press("Enter")
    expect(page.locator("#page-status")).to_contain_text("Listening")
    page.keyboard.press("m")
    expect(page.locator("#speak-label")).to_have_text("Start microphone")
    expect(page.locator("#speak-button")).to_be_enabled()
    tab_to("targets")
    page.keyboard.press("Enter")
    expect(page.locator("#targets-choices")).to_be_visible()
    page.keyboard.press("Tab")
    was = page.locator("#targets-choices input").first.is_checked()
    page.keyboard.press("Space")
    assert page.locator("#targets-choices input").first.is_checked() is not was
    page.keyboard.press("Escape")
    expect(page.locator("#targets-choices")).to_be_hidden()
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    tab_to("name")
    page.keyboard.type("Mollie")
    expect(page.locator("#speak-label")).to_have_text("Start microphone")
    tab_to("view-copy")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.locator("#keys-on").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Escape")
    page.keyboard.press("l")
    expect(page.locator("#large")).to_have_attribute("aria-pressed", "false")


@pytest.mark.parametrize("colours", ["dark", "light"])
def test_it_fits_a_phone(chromium: Browser, demo: RunningService, colours: str) -> None:
    """At 360 px nothing overflows, controls are large enough to touch, and the translation is below."""
    scheme: Literal["dark", "light"] = "dark" if colours == "dark" else "light"
    with watched(chromium, viewport={"width": 360, "height": 740}, color_scheme=scheme) as context:
        page = ready(context, demo)
        read_in_spanish(page)
        uploaded(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        original = page.locator(".line-original").first.bounding_box()
        reading = page.locator(".line-read").first.bounding_box()
        button = page.locator("#speak-button").bounding_box()
        assert original is not None
        assert reading is not None
        assert button is not None
        assert reading["y"] >= original["y"] + original["height"]
        assert button["height"] >= 44


def test_a_killed_audio_service_costs_no_word(context: BrowserContext, demo: RunningService) -> None:
    """The page shows the outage, and the speech of the meantime is transcribed once."""
    page = ready(context, demo)
    status = demo.get("/api/services/status").json()
    audio = next(each for each in status["services"] if each["name"] == "audio-service")
    page.locator("#file").set_input_files(CLIP)
    expect(page.locator(".recording")).to_be_visible()
    os.kill(audio["instances"][0]["pid"], signal.SIGKILL)
    expect(page.locator("#problems")).to_contain_text("audio-service")
    expect(page.locator("#problems .banner")).to_have_count(0)
    expect(page.locator(".recording-state")).to_contain_text("Done")
    expect(page.locator(".line[data-gap]")).to_have_count(0)
    assert heard(said(page)) >= 12, said(page)
    assert len({line[0] for line in lines(page)}) == len(lines(page))


def test_a_service_that_is_killed_is_found_again_with_all_lines(
    context: BrowserContext, tmp_path: Path
) -> None:
    """The page shows the lost connection, keeps its lines, and continues without duplicates."""
    with service("demo", tmp_path, environ=UNHURRIED) as first:
        page = ready(context, first)
        read_in_spanish(page)
        uploaded(page)
        before = lines(page)
        first.kill()
        expect(page.locator("#connection-bar")).to_be_visible()
        expect(page.locator("#page-status")).to_contain_text("The connection is lost.")
        assert lines(page) == before
    with service("demo", tmp_path, port=first.port, environ=UNHURRIED):
        expect(page.locator("#connection-bar")).to_be_hidden()
        expect(page.locator("#page-status")).to_contain_text("One person here")
        assert lines(page) == before
        expect(page.locator("#speak-button")).to_be_enabled()
        page.locator("#file").set_input_files(CLIPS / "austen-0890.wav")
        expect(page.locator(".recording-state").last).to_contain_text("Done")
        translated(page)
        assert lines(page)[: len(before)] == before
        assert len(lines(page)) > len(before)
        offsets = [int(line[1]) for line in lines(page)]
        assert offsets == sorted(set(offsets))

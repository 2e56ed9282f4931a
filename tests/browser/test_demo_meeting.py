"""From ``orch demo``: a bot joins the demo's meeting, and is read by speaker, with a translated camera."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import PageAt, settled
from tests.fakes.service import UNHURRIED, service
from tests.fakes.tools import require
from tests.fakes.wav_files import wav_file

pytestmark = [pytest.mark.browser, pytest.mark.process, pytest.mark.slow]

WITH_BOTS = UNHURRIED | {"ORCH_ORCHESTRATION__BOTS__ENABLED": "true"}
SPEAKERS = re.compile("Rana Haddad|Sofia Lindqvist|Andrew Baker")
#: Levels of grey that a picture with text has at least; an empty one has a few.
LEVELS = 40


def levels(page: Page) -> int:
    """Return how many levels of grey the camera's picture on the page has."""
    src = page.locator("#picture-image").get_attribute("src")
    picture = page.request.get(f"{page.url.partition('/bots')[0]}{src}")
    assert picture.ok, picture.status
    return len(set(Image.open(io.BytesIO(picture.body())).convert("L").tobytes()))


def speak(page: Page, spoken: str) -> None:
    """Press until it speaks: a busy machine's meeting may take longer than the 20 s it has, which is said."""
    state, fault = page.locator("#speak-state"), page.locator("#speak-fault")
    for _ in range(10):
        page.get_by_role("button", name="Speak it").click()
        said = state.filter(has_text=spoken).or_(fault.filter(has_text=re.compile(".")))
        expect(said).to_be_visible()
        if fault.inner_text() == "":
            return
        expect(fault).to_contain_text("did not carry it out within 20 s")
    pytest.fail("the meeting's page never carried it out")


def test_a_bot_in_the_demos_meeting_is_read_by_speaker_and_its_camera_is_translated(
    page_at: PageAt, tmp_path: Path
) -> None:
    """One press; who reads Spanish reads it, with what was said below; it leaves when it is asked to."""
    require("apertium")
    with service("demo", tmp_path, environ=WITH_BOTS) as running:
        page = page_at(f"{running.url}/bots", locale="es-ES", expects=("504 (Gateway Timeout)",))
        settled(page)
        page.get_by_role("button", name="Join the demo meeting").click()
        page.wait_for_url("**/bots/*")
        first = page.locator("#lines .bot-said").filter(has=page.locator(".bot-original:not([hidden])")).first
        expect(first).to_be_visible()
        expect(first.locator(".bot-name")).to_have_text(SPEAKERS)
        expect(first.locator(".bot-words")).to_have_attribute("lang", "es")
        expect(first.locator(".bot-original")).to_have_attribute("lang", re.compile("^en"))
        expect(page.locator("#camera-language")).to_have_value("es")
        expect(page.locator("#picture-image")).to_be_visible()
        for _ in range(100):  # between two captions it is empty
            if levels(page) >= LEVELS:
                break
            page.wait_for_timeout(300)
        else:
            pytest.fail("the camera's picture has no text")
        expect(page.locator("#people")).to_contain_text(SPEAKERS)
        expect(page.locator("[data-count=bots]").first).to_have_text("1")
        announced = page.locator("#chat-list li").filter(has=page.locator(".bot-mark:not([hidden])"))
        expect(announced).to_contain_text(["opt out"])
        recording = wav_file(np.zeros((800_000, 1)), 16_000)
        page.locator("#speak-file").set_input_files(
            {"name": "silence.wav", "mimeType": "audio/wav", "buffer": recording}
        )
        speak(page, "It speaks silence.wav, 50 s long.")
        page.get_by_role("button", name="Leave the meeting").click()
        page.get_by_role("dialog").get_by_role("button", name="Leave the meeting").click()
        expect(page.locator("#problems")).to_contain_text("It left because it was asked to.")
        expect(page.locator("#timeline li").first).to_contain_text(SPEAKERS)
        text = page.request.get(
            running.url + str(page.locator("#files a").first.get_attribute("href"))
        ).text()
        assert SPEAKERS.search(text)

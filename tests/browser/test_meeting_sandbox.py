"""The sandbox's meeting in Chromium: sound over real connections, captions, and the guest's own camera."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

import httpx2
import pytest
from playwright.sync_api import Frame, Page, expect

from tests.browser.conftest import PageAt
from tests.fakes.patience import PATIENCE

pytestmark = [pytest.mark.browser, pytest.mark.process]

PEOPLE: Final = """
code: quz-waxy-lob
participants: [{id: ana, name: Ana, is_host: true, camera: true}, {id: bo, name: Bo}]
"""

#: Stands in for the devices with a green camera, and measures what remote tracks carry.
DEVICES: Final = """
if (window === window.top) {
  window.loudest = 0;
  window.received = [];
  window.tracks = 0;
  window.heard = new Set();
  window.quiet = 0;
  const Original = RTCPeerConnection;
  window.RTCPeerConnection = class extends Original {
    constructor(...options) {
      super(...options);
      this.addEventListener("datachannel", ({ channel }) => {
        channel.addEventListener("message", ({ data }) => window.received.push(JSON.parse(data)));
      });
      this.addEventListener("track", ({ track }) => {
        if (track.kind !== "audio") return;
        const number = window.tracks++;
        const context = new AudioContext();
        const analyser = new AnalyserNode(context);
        context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
        const samples = new Float32Array(analyser.fftSize);
        setInterval(() => {
          analyser.getFloatTimeDomainData(samples);
          const level = Math.max(...samples.map(Math.abs));
          window.loudest = Math.max(window.loudest, level);
          window.quiet++;
          if (level < 0.04) return;
          window.heard.add(number);
          window.quiet = 0;
        }, 20);
      });
    }
  };
  if (navigator.mediaDevices) navigator.mediaDevices.getUserMedia = async () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 36 });
    const paint = canvas.getContext("2d");
    setInterval(() => {
      paint.fillStyle = "#00c000";
      paint.fillRect(0, 0, 64, 36);
    }, 60);
    return canvas.captureStream(15);
  };
}
"""

#: The colour in the middle of the guest's camera, as another participant receives it.
SEEN: Final = """() => {
  const video = document.querySelector("#guest-camera");
  if (!video?.videoWidth) return false;
  const paint = Object.assign(document.createElement("canvas"), { width: 3, height: 3 }).getContext("2d");
  paint.drawImage(video, 0, 0, 3, 3);
  const [red, green, blue] = paint.getImageData(1, 1, 1, 1).data;
  return green > 120 && red < 60 && blue < 60;
}"""


class MeetingServer:
    """A running server of meetings, without any."""

    def __init__(self, url: str) -> None:
        self.client = httpx2.Client(base_url=url, timeout=PATIENCE)

    def add(self, script: str) -> str:
        """Add a meeting; return the address of its page."""
        response = self.client.post("/api/meetings", content=script.encode())
        assert response.status_code == 201, response.text
        return str(response.json()["url"])

    def state(self, url: str) -> Any:
        """Return the state of a meeting."""
        return self.client.get(f"/api/meetings/{url.rpartition('/')[2]}").json()

    def host(self, url: str, action: str, **body: Any) -> None:
        """Act as the host."""
        response = self.client.post(f"/api/meetings/{url.rpartition('/')[2]}/{action}", json=body)
        assert response.status_code == 200, response.text


@pytest.fixture(scope="module")
def meetings() -> Iterator[MeetingServer]:
    """Start a server of meetings."""
    with subprocess.Popen(
        [sys.executable, "-m", "orch.sandbox.meeting", "--no-script", "--port", "0", "--exit-with-stdin"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        assert process.stdin is not None
        url = next(json.loads(line)["addresses"][0] for line in process.stderr if b'"listening"' in line)
        server = MeetingServer(url)
        yield server
        server.client.close()
        process.stdin.close()
        process.stderr.read()


def far_end(page: Page) -> Frame:
    """Return the frame with the other ends of a page's connections."""
    page.wait_for_function("() => document.querySelector('iframe[src*=\"/far\"]') !== null")
    return next(frame for frame in page.frames if "/far" in frame.url)


def speaks(layout: str, more: str = "") -> str:
    """Return a meeting in which a participant speaks at once."""
    return f"""{PEOPLE}
layout: {layout}
class_names: 3
entry: {{button: join_now}}
says: [{{who: bo, clip: sense, at: 0.5}}]
captions: {{route: both, starts_on: true}}
{more}"""


def test_the_first_layout_is_joined_heard_read_and_seen(meetings: MeetingServer, page_at: PageAt) -> None:
    page = page_at("about:blank")
    page.add_init_script(DEVICES)
    page.goto(meetings.add(speaks("first")))
    page.get_by_label("Your name").fill("Scribe")
    page.get_by_role("button", name="Join now").click()
    expect(page.locator("[data-participant-id=bo]").first).to_be_visible()
    expect(page.get_by_role("region", name="Captions")).to_contain_text("unless to be")
    expect(page.get_by_role("img", name="Bo is speaking")).to_be_visible()
    page.wait_for_function("() => window.loudest > 0.05")
    page.wait_for_function("() => window.received.some(({ device, text }) => device === 'bo' && text)")
    far_end(page).wait_for_function(SEEN)
    page.get_by_role("button", name="Chat with everyone").click()
    page.get_by_label("Send a message to everyone").fill("May I record?")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("This meeting is being recorded")
    page.get_by_role("button", name="Leave call").click()
    expect(page.get_by_role("heading", name="You left the meeting")).to_be_visible()


def test_the_second_layout_is_joined_heard_and_read(meetings: MeetingServer, page_at: PageAt) -> None:
    page = page_at("about:blank")
    page.add_init_script(DEVICES)
    more = "channels: {mode: rotating, size: 2, audio_elements: false}"
    page.goto(meetings.add(speaks("second", more)) + "?hl=de")
    page.locator("#displayName").fill("Scribe")
    page.get_by_text("Konferenz betreten").click()
    expect(page.locator("#participant_bo")).to_be_visible()
    expect(page.locator("#subtitles [data-by=Bo]")).to_contain_text("unless to be")
    expect(page.locator("#participant_bo[data-talking=yes]")).to_be_visible()
    page.wait_for_function("() => window.loudest > 0.05")
    assert page.locator("audio").count() == 0
    page.get_by_text("Auflegen").click()
    expect(page.get_by_text("Du hast aufgelegt")).to_be_visible()


def test_each_sound_is_on_its_own_track_alone(meetings: MeetingServer, page_at: PageAt) -> None:
    """A track that was silent for a while neither repeats what it carried nor loses what comes next."""
    page = page_at("about:blank")
    page.add_init_script(DEVICES)
    url = meetings.add(
        f"""{PEOPLE}
entry: {{button: join_now}}
clips: {{hiss: {{noise: 0.3, seconds: 2}}}}
"""
    )
    page.goto(url)
    page.get_by_label("Your name").fill("Scribe")
    page.get_by_role("button", name="Join now").click()
    page.wait_for_function("() => window.tracks === 2")
    for track, who in enumerate(("ana", "bo", "ana", "bo")):
        page.evaluate("window.heard.clear()")
        meetings.host(url, "say", who=who, clip="hiss")
        # Until a second after the last sound of it: each track is looked at each 20 ms, or later.
        page.wait_for_function("() => window.heard.size && window.quiet > 100")
        assert page.evaluate("[...window.heard]") == [track % 2]


#: The loudest sound and the colour of another guest's tile, as a guest's own page receives them.
GUEST_SEEN: Final = """(tile) => {
  const video = document.querySelector(`${tile} video`);
  if (!video?.videoWidth) return false;
  const paint = Object.assign(document.createElement("canvas"), { width: 3, height: 3 }).getContext("2d");
  paint.drawImage(video, 0, 0, 3, 3);
  const [red, green, blue] = paint.getImageData(1, 1, 1, 1).data;
  return green > 120 && red < 60 && blue < 60;
}"""

#: A microphone with a tone, beside the camera of DEVICES.
SINGS: Final = """
if (window === window.top && navigator.mediaDevices) {
  const silent = navigator.mediaDevices.getUserMedia;
  navigator.mediaDevices.getUserMedia = async () => {
    const context = new AudioContext();
    document.addEventListener("click", () => context.resume());
    const tone = new OscillatorNode(context, { frequency: 440 });
    const destination = new MediaStreamAudioDestinationNode(context);
    tone.connect(new GainNode(context, { gain: 0.3 })).connect(destination);
    tone.start();
    const stream = await silent();
    stream.addTrack(destination.stream.getAudioTracks()[0]);
    return stream;
  };
}
"""


@pytest.mark.parametrize("layout", ["first", "second"])
def test_guests_are_heard_and_seen_by_each_other_and_not_by_themselves(
    meetings: MeetingServer, page_at: PageAt, layout: str
) -> None:
    url = meetings.add(f"{PEOPLE}\nlayout: {layout}\nentry: {{button: join_now}}")
    singing = page_at("about:blank", expects=("AudioContext",))
    listening = page_at("about:blank")
    tiles = "[data-requested-participant-id='{}']" if layout == "first" else "#participant_{}"
    for page in (singing, listening):
        page.add_init_script(DEVICES)
    singing.add_init_script(SINGS)
    for name, page in (("Singer", singing), ("Listener", listening)):
        page.goto(url)
        if layout == "first":
            page.get_by_label("Your name").fill(name)
            page.get_by_role("button", name="Join now").click()
        else:
            page.locator("#displayName").fill(name)
            page.get_by_text("Enter meeting").click()
        page.wait_for_function("(tile) => document.querySelector(tile)", arg=tiles.format("bo"))
    keys = {each["name"]: each["key"] for each in meetings.state(url)["guests"]}
    listening.wait_for_function("() => window.loudest > 0.05")
    listening.wait_for_function(GUEST_SEEN, arg=tiles.format(keys["Singer"]))
    singing.wait_for_function(GUEST_SEEN, arg=tiles.format(keys["Listener"]))
    assert singing.evaluate("window.loudest") < 0.01
    tile = tiles.format(keys["Singer"])
    singing.close()
    listening.wait_for_function("(tile) => !document.querySelector(tile)", arg=tile)


REFUSALS = {
    "blocked: true": "You aren't allowed to join this call",
    "login_wall: true": "You can't join this video call",
    "captcha: blocking": "Confirm you're not a robot",
}
ENDS = {
    "deny": "You can't join this call",
    "remove": "You've been removed from the meeting",
    "end": "The meeting has ended",
    "network": "You've been disconnected",
}


def test_each_refusal_and_each_end_is_shown(meetings: MeetingServer, page_at: PageAt) -> None:
    page = page_at("about:blank", expects=("404",))
    for entry, heading in REFUSALS.items():
        page.goto(meetings.add(f"{PEOPLE}\nentry: {{{entry}}}"))
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        expect(page.get_by_label("Your name")).to_have_count(0)
    page.goto(meetings.add(f"{PEOPLE}\nchanged: door"))
    expect(page.locator("table")).to_have_text("◆" * 9)
    page.goto(meetings.add(f"{PEOPLE}\nchanged: call\nentry: {{button: join_now}}"))
    page.get_by_label("Your name").fill("Scribe")
    page.get_by_role("button", name="Join now").click()
    expect(page.locator("table")).to_have_text("◆" * 9)
    for action, heading in ENDS.items():
        url = meetings.add(f"{PEOPLE}\nentry: {{lobby: {{verdict: silence}}}}")
        page.goto(url)
        page.get_by_label("Your name").fill("Scribe")
        page.get_by_role("button", name="Ask to join").click()
        expect(page.get_by_role("heading", name="Asking to be let in…")).to_be_visible()
        if action != "deny":
            meetings.host(url, "admit")
            expect(page.locator("[data-participant-id=ana]").first).to_be_visible()
        body = {"is_up": False, "is_final": True} if action == "network" else {}
        meetings.host(url, action, **body)
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    page.goto(url.rpartition("/")[0] + "/zzz-zzzz-zzz")
    expect(page.get_by_role("heading", name="Check your meeting code")).to_be_visible()

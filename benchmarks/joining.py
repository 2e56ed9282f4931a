"""How long the page holds up its browser while it joins a long meeting, on a processor slowed four times.

    python benchmarks/joining.py [--lines N] [--slowed N] [--limit MS]

A session of N lines, each with a translation and a word that is not sure, comes over a real socket to the
real Translation page in Chromium. Printed: the longest task ("longtask" of PerformanceObserver) until
the last line is drawn, how long the newest line and all lines take,
and the longest task while ten more lines come.
"""

import argparse
import json
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

sys.path.insert(0, str(Path(__file__).parents[1]))

from orch.websocket.history.parts import PART_BYTES
from tests.fakes.scenes import SCENES
from tests.fakes.scripted_service import scripted

STARTED = 1_767_621_720_000
ME = {"participant_id": "p0", "name": "Guest", "role": "participant", "languages": ["en"], "speaking": False}
TEXT = "los manda esta tarde a la oficina de la calle mayor"
WORDS = [
    {"text": word, "start": number, "end": number + 1, "confidence": 0.5 if number == 2 else 0.9}
    for number, word in enumerate(TEXT.split(" "))
]
OFFER = {
    "source": ["en", "es"],
    "targets": ["en", "es"],
    "pairs": {"es": ["en"], "en": ["es"]},
    "any_source": False,
    "any_target": False,
    "errors": [],
}

WATCH = """
window.tasks = [];
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) window.tasks.push(duration);
}).observe({ type: "longtask", buffered: true });
localStorage["translation:targets"] = "en";
const Real = WebSocket;
window.WebSocket = class extends Real { constructor() { super(`ws://127.0.0.1:${PORT}/ws`); } };
"""


def line(number: int) -> list[dict[str, Any]]:
    """Return a line's final text and its translation."""
    segment = {"session_id": "meeting", "segment_id": f"a-{number}", "revision": 1, "error": None}
    spoken = {
        "type": "transcript",
        "timestamp": STARTED + number * 3_000,
        "final": True,
        "text": TEXT,
        "language": "es",
        "confidence": 0.9,
        "start": number * 3,
        "end": number * 3 + 2,
        "stream_started": STARTED,
        "speaker": "Ann",
        "participant_id": "p1",
        "words": WORDS,
        "offset": number * 2 + 1,
    }
    read = {
        "type": "translation",
        "timestamp": STARTED,
        "target_language": "en",
        "text": f"sends them to the office in the high street this afternoon {number}",
        "confidence": None,
        "offset": number * 2 + 2,
    }
    return [segment | spoken, segment | read]


def parts(history: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return the history as the service sends it."""
    found: list[list[dict[str, Any]]] = [[]]
    size = 0
    for message in history:
        size += len(json.dumps(message))
        if found[-1] and size > PART_BYTES:
            found.append([])
            size = len(json.dumps(message))
        found[-1].append(message)
    return found


class Meeting:
    """The socket's other end: one session with a history."""

    def __init__(self, lines: int) -> None:
        self._parts = parts([message for number in range(lines) for message in line(number)])
        self._connection: ServerConnection | None = None

    def __call__(self, connection: ServerConnection) -> None:
        """Greet, and answer a join."""
        self._connection = connection
        self.say(type="connected", connection_id="c", server_time=0, ping_interval=25, recovery_window=1800)
        try:
            for data in connection:
                message = json.loads(data)
                if message["type"] == "join_session":
                    self._join(message["id"])
                elif message["type"] == "subscribe" and message["topic"] == "services":
                    # The page shows nothing before it knows them.
                    self.say(type="update", topic="services", data=SCENES["full"](time.time())["services"])
        except ConnectionClosed:
            pass

    def say(self, **message: Any) -> None:
        """Send a message."""
        if self._connection is None:
            raise RuntimeError("no page has connected")
        self._connection.send(json.dumps({"timestamp": 0} | message))

    def _join(self, answers: int) -> None:
        first, *others = self._parts
        self.say(
            type="session_joined",
            id=answers,
            session_id="meeting",
            participant_id="p0",
            recovery_token="t",  # noqa: S106
            epoch="e",
            offset=first[-1]["offset"],
            config={},
            participants=[ME],
            participant_count=1,
            messages=first,
            complete=True,
            more=bool(others),
        )
        after = first[-1]["offset"]
        for part in others:
            self.say(
                type="session_history",
                session_id="meeting",
                epoch="e",
                after=after,
                offset=part[-1]["offset"],
                messages=part,
                complete=True,
                more=part is not others[-1],
            )
            after = part[-1]["offset"]


def joined(page: Page, url: str, meeting: Meeting, *, lines: int, slowed: float) -> dict[str, float]:
    """Join, receive ten more lines, and return seconds and milliseconds."""
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slowed})
    began = time.perf_counter()
    page.goto(f"{url}/translation#session=meeting", wait_until="commit")
    page.wait_for_selector(f".line[data-segment='a-{lines - 1}']", timeout=300_000)
    newest = time.perf_counter() - began
    count = "document.getElementsByClassName('line').length"
    page.wait_for_function(f"{count} >= {lines}", timeout=300_000, polling=200)
    everything = time.perf_counter() - began
    page.wait_for_timeout(2_000)
    joining = max(page.evaluate("window.tasks.splice(0)"), default=0)
    for number in range(lines, lines + 10):
        for message in line(number):
            meeting.say(**message)
        page.wait_for_timeout(300)
    page.wait_for_function(f"{count} >= {lines + 10}", timeout=60_000)
    live = max(page.evaluate("window.tasks.splice(0)"), default=0)
    return {"newest": newest, "all": everything, "joining": joining, "live": live}


def measured(server: Server, meeting: Meeting, *, lines: int, slowed: float) -> dict[str, float]:
    """Run the page in Chromium against the served meeting."""
    port = server.socket.getsockname()[1]
    with sync_playwright() as playwright, scripted("full") as running:
        program = shutil.which("chromium") or shutil.which("chromium-headless-shell")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 1280, "height": 900}, bypass_csp=True).new_page()
        page.add_init_script(WATCH.replace("${PORT}", str(port)))
        page.route("**/api/languages", lambda route: route.fulfill(json=OFFER))
        figures = joined(page, running.url, meeting, lines=lines, slowed=slowed)
        browser.close()
    return figures


def main() -> int:
    """Measure, print, and judge the longest task."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=int, default=3_000)
    parser.add_argument("--slowed", type=float, default=4)
    parser.add_argument("--limit", type=float, default=200, help="longest task allowed, ms")
    asked = parser.parse_args()
    meeting = Meeting(asked.lines)
    with serve(meeting, "127.0.0.1", 0, max_size=2**25) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        figures = measured(server, meeting, lines=asked.lines, slowed=asked.slowed)
        server.shutdown()
    print(f"{asked.lines} lines, processor slowed {asked.slowed:g} times (0 ms: no task over 50 ms):")
    print(f"  longest task: joining {figures['joining']:.0f} ms, ten more lines {figures['live']:.0f} ms")
    print(f"  newest line after {figures['newest']:.1f} s, all lines after {figures['all']:.1f} s")
    return 0 if max(figures["joining"], figures["live"]) <= asked.limit else 1


if __name__ == "__main__":
    sys.exit(main())

"""How soon a fault, and what an operator does about an alert, are visible on the Overview in Chromium.

    python benchmarks/page_faults.py [--write] [--times 10] [--shots FOLDER]

It runs ``orch demo`` and opens ``/``. A back end is killed with SIGKILL; the time counts until the page says
so: its sentence, its banners or the table of back ends change. Then an alert is posted as Alertmanager does,
and acknowledged with the keyboard. Both clocks are this machine's.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx2
from playwright.sync_api import Page, sync_playwright

from benchmarks.peers import report
from tests.fakes.alertmanager import notification, notified_alert
from tests.fakes.chromium import launch
from tests.fakes.processes import children, command
from tests.fakes.service import service
from tests.fakes.waiting import wait_until

RESULTS: Final = Path(__file__).parent / "RESULTS-analytics.md"
AUDIO: Final = "audio-service"
WORKS: Final = """() =>
  /^(Everything|All back ends) work/.test(document.querySelector("#page-status").innerText)"""
KILLS: Final = 4
"""Of a back end: it is restarted five times at most in a while."""
CHANGED: Final = """(selectors) => {
  window.changes = [];
  const watched = selectors.map((each) => document.querySelector(each));
  const said = () => watched.map((each) => each.innerText).join("\\n");
  let last = said();
  new MutationObserver(() => {
    const now = said();
    if (now !== last) window.changes.push([Date.now() / 1000, now]);
    last = now;
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""
SETTINGS: Final = """
orchestration:
  bots: {enabled: false}
  alerts: {escalate_after: 0}
"""


def first_change(page: Page, since: float, holds: Callable[[str], bool]) -> float:
    """Return the seconds from ``since`` until the page said what ``holds`` accepts."""
    found: list[float] = []

    def is_there() -> bool:
        changes = page.evaluate("window.changes")
        found[:] = [at for at, text in changes if at >= since and holds(text)][:1]
        return bool(found)

    wait_until(is_there, "the page says so", every=0.05)
    return found[0] - since


@contextmanager
def watched(page: Page, *selectors: str) -> Iterator[None]:
    """Note each change of the text of some elements for the block."""
    page.evaluate(CHANGED, list(selectors))
    yield


def kill(running: Any) -> float:
    """Kill the audio-service's process; return when."""
    (pid,) = [
        each for each in children(running.process.pid) if b"\0orch.sandbox.audio_service" in command(each)
    ]
    at = time.time()
    os.kill(pid, signal.SIGKILL)
    return at


def measure(times: int, shots: Path | None) -> dict[str, list[float]]:
    """Return the seconds of each measurement, by what was measured."""
    found: dict[str, list[float]] = {"killed": [], "alert": [], "acknowledged": []}
    with (
        tempfile.TemporaryDirectory() as folder,
        service("demo", Path(folder), settings=SETTINGS, environ={"ORCH_DEMO_MODEL": "none"}) as running,
        sync_playwright() as playwright,
    ):
        browser = launch(playwright)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(running.url)
        page.wait_for_selector("#services table")
        wait_until(running.has_healthy_back_ends, "the back ends are healthy", every=0.2)
        for number in range(min(times, KILLS)):
            page.wait_for_function(WORKS)
            with watched(page, "#page-status", "#problems"):
                at = kill(running)
                found["killed"].append(first_change(page, at, lambda text: AUDIO in text))
            if shots is not None and number == 0:
                page.screenshot(path=shots / "killed.png")
            wait_until(running.has_healthy_back_ends, "the back ends are healthy", every=0.2)
        for number in range(times):
            with watched(page, "#alerts"):
                _alert(page, running.url, number, found)
        browser.close()
    return found


def _alert(page: Page, url: str, number: int, found: dict[str, list[float]]) -> None:
    """Send an alert, and acknowledge it with the keyboard."""
    name = f"Alert{number}"
    alert = notified_alert(f"{number + 16:x}", since=time.time(), name=name)
    at = time.time()
    httpx2.post(f"{url}/api/alerts/webhook", json=notification(alert), timeout=30).raise_for_status()
    found["alert"].append(first_change(page, at, lambda text: name in text))
    page.get_by_role("button", name=f"Acknowledge {name}", exact=True).focus()
    at = time.time()
    page.keyboard.press("Enter")
    found["acknowledged"].append(
        first_change(page, at, lambda text: text.count("Acknowledged by") == number + 1)
    )


def table(found: dict[str, list[float]]) -> str:
    """Return the figures as a table."""
    titles = {
        "killed": "a back end is killed → the sentence and the banner say so",
        "alert": "Alertmanager posts an alert → its row is there",
        "acknowledged": "*Acknowledge* is pressed → the row says so",
    }
    rows = ["| what | median | longest | times |", "|---|---|---|---|"]
    for name, seconds in found.items():
        ordered = sorted(seconds)
        middle, longest = ordered[len(ordered) // 2], ordered[-1]
        rows.append(f"| {titles[name]} | {1000 * middle:.0f} ms | {1000 * longest:.0f} ms | {len(ordered)} |")
    return "\n".join(rows)


def main() -> None:
    """Measure, and print or write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"put the figures into {RESULTS.name}")
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--shots", type=Path, help="a folder for a picture of the page")
    options = parser.parse_args()
    figures = table(measure(options.times, options.shots))
    print(figures)
    if options.write:
        about = "`python benchmarks/page_faults.py --write`: `orch demo` and Chromium on one machine."
        report.write("Faults on the Overview", [about, figures], results=RESULTS)


if __name__ == "__main__":
    main()

"""How fast the ten stages are in a browser, offline and live, at 48 kHz.

    python benchmarks/audio_browser.py [--seconds N] [--write]

Offline: an OfflineAudioContext renders speech in noise through the worklet of the pages; share of real time,
with preset default and with everything on, the best of two. Live: the page plays the same for as long,
listening; drop-outs by AudioContext.playbackStats, "not known" where the browser has none. Drawing: frames
a second of both live pages at 1280 pixels, and the share of its time for which the page's thread is busy.
"""

import argparse
import base64
import os
import shutil
import sys
import wave
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
from playwright.sync_api import Browser, FilePayload, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.audio_speed import EVERYTHING, RESULTS, sound
from benchmarks.peers import report
from orch.audio.pipeline_settings import PipelineSettings, encode
from orch.audio.presets import PRESETS
from tests.fakes.scripted_service import scripted

RATE: Final = 48_000
WANTED: Final = {"offline": 25, "underruns": 0, "frames": 60}
PAGE: Final = "/audio-processing-controls.html"
DIAGNOSTIC: Final = "/audio-diagnostic.html"
DRAWN_SECONDS: Final = 10

#: Keeps the page's contexts, whose playbackStats are read at the end.
CONTEXTS: Final = """
window.contexts = [];
const Original = window.AudioContext;
window.AudioContext = class extends Original {
  constructor(...options) { super(...options); window.contexts.push(this); }
};
"""

#: Returns the milliseconds that rendering takes.
OFFLINE: Final = """async ({ data, seconds, settings, rate }) => {
  const entry = document.querySelector("script[type=module]").src;
  const context = new OfflineAudioContext(1, seconds * rate, rate);
  await context.audioWorklet.addModule(new URL("../audio/worklets/pipeline-worklet.js", entry));
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const buffer = await context.decodeAudioData(bytes.buffer);
  const source = new AudioBufferSourceNode(context, { buffer, loop: true });
  const node = new AudioWorkletNode(context, "pipeline", {
    outputChannelCount: [1],
    processorOptions: { settings },
  });
  let failed = false;
  node.onprocessorerror = () => { failed = true; };
  source.connect(node).connect(context.destination);
  source.start();
  const begun = performance.now();
  const rendered = await context.startRendering();
  const took = performance.now() - begun;
  if (failed) throw new Error("the worklet failed");
  const loudest = rendered.getChannelData(0).reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  if (!(loudest > 0.01)) throw new Error(`nothing was heard: ${loudest}`);
  return took;
}"""

#: Counts animation frames; returns those a second, and the 95th percentile of the ms between two.
FRAMES: Final = """(seconds) => new Promise((resolve) => {
  const times = [];
  const next = (now) => {
    times.push(now);
    if (now - times[0] < 1000 * seconds) return requestAnimationFrame(next);
    const between = times.slice(1).map((time, index) => time - times[index]).sort((a, b) => a - b);
    const perSecond = (1000 * between.length) / (times.at(-1) - times[0]);
    resolve([perSecond, between[Math.floor(0.95 * between.length)]]);
  };
  requestAnimationFrame(next);
})"""

STATS: Final = """() => {
  const stats = window.contexts.at(-1).playbackStats;
  if (!stats || typeof stats.underrunEvents !== "number") return null;
  return [stats.underrunEvents, stats.underrunDuration, stats.totalDuration];
}"""


def recording() -> bytes:
    """Return ten seconds of speech in noise as a WAV file."""
    file = BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes((np.clip(sound(RATE, 10), -1, 1) * 32_767).astype("<i2").tobytes())
    return file.getvalue()


def offline(page: Page, settings: PipelineSettings, data: bytes, seconds: float) -> float:
    """Return the percentage of real time that rendering takes, the best of two."""
    request: dict[str, Any] = {
        "data": base64.b64encode(data).decode(),
        "seconds": seconds,
        "settings": {"pausedAt": None, **encode(settings)},
        "rate": RATE,
    }
    return min(float(page.evaluate(OFFLINE, request)) for _ in range(2)) / (10 * seconds)


def live(browser: Browser, url: str, data: bytes, seconds: float) -> tuple[str, str]:
    """Play through the pipeline; return the underruns, and the rate of the context."""
    context = browser.new_context()
    context.add_init_script(CONTEXTS)
    page = context.new_page()
    page.goto(url + PAGE)
    file = FilePayload(name="speech.wav", mimeType="audio/wav", buffer=data)
    page.locator("#file").set_input_files([file])
    page.locator("#listen").check()
    page.get_by_role("button", name="Play the file").click()
    page.get_by_role("button", name="Stop the file").wait_for()
    page.wait_for_timeout(1000 * seconds)
    stats = page.evaluate(STATS)
    rate = page.evaluate("window.contexts.at(-1).sampleRate")
    context.close()
    if stats is None:
        return "not known", f"{rate / 1000:g} kHz"
    return f"{stats[0]} ({stats[1]:.2f} s of {stats[2]:.0f} s)", f"{rate / 1000:g} kHz"


def drawing(browser: Browser, url: str, path: str, data: bytes) -> str:
    """Return how a page draws while a file runs through the pipeline."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.goto(url + path)
    page.locator("#settings:enabled, #preset option[value=default]").first.wait_for(state="attached")
    file = FilePayload(name="speech.wav", mimeType="audio/wav", buffer=data)
    page.locator("#file").set_input_files([file])
    if path == PAGE:
        page.get_by_role("button", name="Play the file").click()
    page.locator("#page-status", has_text="speech.wav" if path == DIAGNOSTIC else "runs").wait_for()
    session = context.new_cdp_session(page)
    session.send("Performance.enable")

    def busy() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))

    before = busy()
    frames, slowest = page.evaluate(FRAMES, DRAWN_SECONDS)
    share = (busy() - before) / DRAWN_SECONDS
    context.close()
    return f"{frames:.1f} (95 % within {slowest:.0f} ms; thread busy {share:.0%})"


def main() -> None:
    """Measure, print, and with --write put the figures into the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--write", action="store_true", help=f"put the figures into {RESULTS.name}")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    data = recording()
    program = shutil.which("chromium") or shutil.which("chromium-headless-shell")
    with sync_playwright() as playwright, scripted("full") as running:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        page = browser.new_page()
        page.goto(running.url + PAGE)
        shares = {
            name: offline(page, settings, data, options.seconds)
            for name, settings in (("default", PRESETS["default"].settings), ("everything", EVERYTHING))
        }
        page.close()
        drawn = {path: drawing(browser, running.url, path, data) for path in (PAGE, DIAGNOSTIC)}
        underruns, rate = live(browser, running.url, data, options.seconds)
        about = report.machine(busy, [f"Chromium {browser.version}"])
        browser.close()
    rows = [
        *(
            (f"offline at 48 kHz, {name}, % of real time", f"{share:.1f}", f"< {WANTED['offline']}")
            for name, share in shares.items()
        ),
        (
            f"live at {rate}, {options.seconds:g} s, preset default, underruns",
            underruns,
            str(WANTED["underruns"]),
        ),
        *((f"{path}, live, frames a second", found, str(WANTED["frames"])) for path, found in drawn.items()),
    ]
    table = report.table(("", "measured", "wanted"), rows)
    print(table)
    if options.write:
        report.write(f"In the browser: `{report.command()}`", [about, table], results=RESULTS)


if __name__ == "__main__":
    main()

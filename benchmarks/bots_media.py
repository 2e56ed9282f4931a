"""A bot's sound and camera in a real Chromium: what is lost, how late it is, what it costs.

    python benchmarks/bots_media.py [--minutes 10] [--write]

Exactness: a page plays three tracks whose samples count up; each that arrives is compared with the one
before. Meeting: a meeting of the sandbox with three speakers over real connections, the far ends in a browser
of their own; each utterance is looked for in the recorded track, so that a loss would show as a shift. Both
run at once. Camera: captions are drawn and shown, and a mark among them is looked for in the video that
another participant receives. Processor time and memory: of the bot's browser, and of this process for its
media.
"""

import argparse
import io
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Final

import av
import numpy as np
import trio

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.peers import report
from orch.bots.chromium.usage import usage
from orch.bots.observations import Sound, SoundLost, SoundObservation
from orch.bots.webcam.canvas import Canvas, Patch
from orch.bots.webcam.fonts import Fonts
from orch.bots.webcam.picture import Caption, Picture, show
from orch.sandbox.meeting.clips import ClipLibrary
from tests.fakes.bot_media import Bot, Meetings, bot, browsing, far_page, meetings

RESULTS: Final = Path(__file__).parent / "RESULTS-bots.md"
RATE: Final = 16_000
PERIOD: Final = 60_000
SPEAKERS: Final = ("ana", "bo", "cy")

COUNTING: Final = f"""<!doctype html><title>Counting</title><script>
const context = new AudioContext({{ sampleRate: {RATE} }});
const buffer = new AudioBuffer({{ length: {PERIOD}, sampleRate: {RATE}, numberOfChannels: 1 }});
buffer.getChannelData(0).forEach((_, at, samples) => {{ samples[at] = (at - {PERIOD // 2}) / 32768; }});
window.playing = [1, 2, 3].map(() => {{
  const source = new AudioBufferSourceNode(context, {{ buffer, loop: true }});
  const sent = new MediaStreamAudioDestinationNode(context, {{ channelCount: 1 }});
  source.connect(sent);
  source.start();
  return Object.assign(new Audio(), {{ srcObject: sent.stream }});
}});
</script>"""

#: Resolves with the time (milliseconds since the epoch) at which the camera shows a mark's colour.
SEES: Final = """(red, green) => new Promise((done) => {
  const video = document.querySelector("#guest-camera");
  const paint = (window.paint ??= new OffscreenCanvas(4, 4).getContext("2d", { willReadFrequently: true }));
  const look = () => {
    const scale = video.videoWidth / 1280;
    paint.drawImage(video, 8 * scale, 8 * scale, 48 * scale, 48 * scale, 0, 0, 4, 4);
    const [r, g] = paint.getImageData(2, 2, 1, 1).data;
    if ((r > 127) === red && (g > 127) === green) done(performance.timeOrigin + performance.now());
    else video.requestVideoFrameCallback(look);
  };
  look();
})"""
HAS_CAMERA: Final = "() => Boolean(document.querySelector('#guest-camera')?.videoWidth)"


async def serve(stream: trio.SocketStream) -> None:
    """Serve the page that counts."""
    head = b""
    async with stream:
        while b"\r\n\r\n" not in head:
            part = await stream.receive_some()
            if not part:
                return
            head += part
        data = COUNTING.encode()
        start = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(data)}\r\n"
        await stream.send_all(f"{start}Connection: close\r\n\r\n".encode() + data)


class Exact:
    """Compares each sample of a track with the one before it.

    The audio thread's own losses are known only from the clock, some seconds later: a mark counts for the
    samples that were skipped up to 10 s before it.
    """

    def __init__(self) -> None:
        self.last: dict[str, int] = {}
        self.samples = self.inserted = 0
        self.skips: list[tuple[str, int, int]] = []
        self.marks: list[tuple[str, int, int]] = []
        self.late: list[float] = []

    @property
    def marked(self) -> int:
        """Samples that were marked as lost."""
        return sum(count for _, _, count in self.marks)

    @property
    def skipped(self) -> int:
        """Samples that did not arrive."""
        return sum(count for _, _, count in self.skips)

    @property
    def unmarked(self) -> int:
        """Samples that did not arrive, and that no mark counts for."""
        left = [count for _, _, count in self.marks]
        unmarked = 0
        for track, at, count in self.skips:
            rest = count
            for number, (marked, place, _) in enumerate(self.marks):
                if marked == track and -RATE <= place - at <= 10 * RATE:
                    used = min(rest, left[number])
                    left[number] -= used
                    rest -= used
            unmarked += rest
        return unmarked

    async def observe(self, observation: SoundObservation) -> None:
        """Take an observation."""
        if isinstance(observation, SoundLost):
            self.marks.append((observation.track, observation.first, observation.samples))
        elif isinstance(observation, Sound):
            self.late.append(time.time() - observation.at)
            samples = np.frombuffer(observation.pcm, dtype="<i2").astype(np.int64) + PERIOD // 2
            self.add(observation.track, observation.first, samples)

    def add(self, track: str, first: int, samples: np.ndarray) -> None:
        """Compare samples, which are their own numbers, with their neighbours."""
        self.samples += len(samples)
        silent = samples == PERIOD // 2
        lone = silent & np.roll(silent, 1) | silent & np.roll(silent, -1)
        self.inserted += int(lone.sum())
        samples = samples[~lone]
        if not len(samples):
            return
        if track in self.last:
            samples = np.concatenate(([self.last[track]], samples))
        steps = (np.diff(samples) - 1) % PERIOD
        self.skips += [(track, first + int(each), int(steps[each])) for each in np.flatnonzero(steps)]
        self.last[track] = int(samples[-1])


async def exactness(folder: Path, minutes: float) -> Exact:
    """Count samples for so many minutes."""
    found = Exact()
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        async with bot(folder, observe=found.observe) as guest:
            await guest.page.open(f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/")
            await trio.sleep(60 * minutes)
        nursery.cancel_scope.cancel()
    return found


def script(seconds: float, library: ClipLibrary, *, camera: bool) -> str:
    """Return a meeting in which three speak in turn for so long."""
    clips = [each for each in library.clips if each != "sense"]
    says, at, number = [], 1.0, 0
    while at < seconds:
        clip = clips[number % len(clips)]
        says.append(f"  - {{who: {SPEAKERS[number % 3]}, clip: {clip}, at: {at:.2f}}}")
        at += (library.clips[clip].seconds or 0) + 0.4
        number += 1
    has_camera = str(camera).lower()
    people = ", ".join(f"{{id: {each}, name: {each.title()}, camera: {has_camera}}}" for each in SPEAKERS)
    return "\n".join(
        ["code: mea-sure-dly", "entry: {button: join_now}", f"participants: [{people}]", "says:", *says]
    )


@dataclass
class Cost:
    """What a bot costs: shares of a core, bytes."""

    browser: float
    service: float
    memory: int


async def cost(guest: Bot, seconds: float) -> Cost:
    """Measure for so long."""
    before, own, begun = usage(guest.browser.process), time.process_time(), time.perf_counter()
    await trio.sleep(seconds)
    after, took = usage(guest.browser.process), time.perf_counter() - begun
    return Cost((after.cpu - before.cpu) / took, (time.process_time() - own) / took, after.memory)


@asynccontextmanager
async def joined(
    folder: Path, server: Meetings, url: str, *, camera: bool, video: bool = False, **more: Any
) -> AsyncIterator[tuple[Bot, Any]]:
    """Have a bot in a meeting, with the far ends in a browser of their own."""
    async with (
        bot(folder / "near", camera=camera, video=video, **more) as guest,
        browsing(folder / "far") as (browser, nursery),
    ):
        await guest.join(url + "?far=separate")
        far = await far_page(browser, nursery, server, url)
        yield guest, far


async def costs(folder: Path, seconds: float) -> dict[str, Cost]:
    """Measure a bot without a camera, with one that shows captions, and one that receives video."""
    found = {}
    kinds = {
        "sound only": (False, False),
        "sound, and a camera with captions": (True, False),
        "sound only, with the others' three videos received": (False, True),
    }
    library = ClipLibrary()
    for name, (camera, video) in kinds.items():
        count = 0

        async def observe(observation: SoundObservation) -> None:
            nonlocal count
            count += isinstance(observation, Sound)

        async with meetings() as server:
            url = await server.add(script(seconds + 30, library, camera=True))
            async with (
                joined(folder, server, url, camera=camera, video=video, observe=observe) as (guest, _),
                trio.open_nursery() as nursery,
            ):
                if camera:
                    nursery.start_soon(caption, guest)
                await trio.sleep(6)
                found[name] = await cost(guest, seconds)
                nursery.cancel_scope.cancel()
        if not count:
            raise RuntimeError("Nothing was heard.")
    return found


def spoken(number: int, text: str, *, is_final: bool) -> Caption:
    """Return a caption."""
    return Caption(
        key=str(number), text=text, speaker="Ana", language="en", is_final=is_final, confidence=0.9
    )


async def caption(guest: Bot) -> None:
    """Show a caption that grows by three words a second."""
    canvas, picture, number = Canvas(Fonts()), Picture(), 0
    while True:
        number += 1
        text = f"{number // 12}: " + " ".join(["caption"] * (number % 12 + 1))
        picture = show(picture, spoken(number // 12, text, is_final=False), time.time())
        await guest.channel.show(await trio.to_thread.run_sync(canvas.draw, picture))
        await trio.sleep(1 / 3)


@dataclass
class Aligned:
    """Where utterances were found in their tracks. ``shifts``: seconds after where the truth has them."""

    wanted: int
    shifts: list[float]
    likeness: list[float]
    late: list[float]
    marked: int
    samples: int


def recording(library: ClipLibrary, name: str) -> np.ndarray:
    """Return a clip's samples at 16 kHz."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    parts = []
    with av.open(io.BytesIO(library.recording(library.clips[name]).data), mode="r") as container:
        for frame in container.decode(audio=0):
            parts += [each.to_ndarray()[0] for each in resampler.resample(frame)]
    return np.concatenate(parts).astype(np.float64)


def place(track: np.ndarray, clip: np.ndarray, around: float, reach: float = 1.0) -> tuple[float, float]:
    """Return where a clip is in a track, in seconds near ``around``, and how alike it is there (0 to 1)."""
    begin = max(0, int((around - reach) * RATE))
    part = track[begin : begin + len(clip) + int(2 * reach * RATE)]
    if len(part) < len(clip):
        return 0.0, 0.0
    size = 1 << (len(part) + len(clip)).bit_length()
    products = np.fft.irfft(np.fft.rfft(part, size) * np.conj(np.fft.rfft(clip, size)), size)
    products = products[: len(part) - len(clip) + 1]
    sums = np.concatenate(([0.0], np.cumsum(np.square(part))))
    energy = sums[len(clip) :] - sums[: -len(clip)]
    likeness = products / (np.sqrt(energy[: len(products)] * np.square(clip).sum()) + 1e-9)
    best = int(likeness.argmax())
    return (begin + best) / RATE, float(likeness[best])


async def alignment(folder: Path, minutes: float) -> Aligned:
    """Record a meeting for so many minutes, and find each utterance in its track."""
    library = ClipLibrary()
    async with meetings() as server:
        url = await server.add(script(60 * minutes, library, camera=False))
        async with joined(folder, server, url, camera=False) as (guest, _):
            await trio.sleep(60 * minutes + 8)
            state = await server.state(url)
            truth = (await server.client.get(f"/api/meetings/{state['code']}/truth")).json()
            statistics, heard = guest.channel.statistics(), guest.heard
    tracks = {
        name: np.frombuffer(bytes(pcm), dtype="<i2").astype(np.float64) for name, pcm in heard.tracks.items()
    }
    clips = {each: recording(library, each) for each in library.clips}
    found = Aligned(0, [], [], heard.latencies, statistics.lost, statistics.samples)
    for each in truth["utterances"]:
        found.wanted += 1
        best = (0.0, 0.0)
        for name, track in tracks.items():
            around = state["started"] + each["begin"] - heard.begins[name]
            where, likeness = place(track, clips[each["clip"]], around)
            best = max(best, (likeness, where - around))
        if best[0] > 0.5:
            found.shifts.append(best[1])
            found.likeness.append(best[0])
    return found


async def heard(folder: Path, minutes: float) -> tuple[Exact, Aligned]:
    """Count and align, both at the same time: two bots."""
    exact: list[Exact] = []

    async def count() -> None:
        exact.append(await exactness(folder / "counting", minutes))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count)
        aligned = await alignment(folder / "meeting", minutes)
    return exact[0], aligned


async def camera(folder: Path, changes: int) -> list[float]:
    """Return the seconds from drawing a final caption to seeing it at another participant's."""
    found = []
    async with meetings() as server:
        url = await server.add(script(600, ClipLibrary(), camera=False))
        async with joined(folder, server, url, camera=True) as (guest, far):
            canvas, picture = Canvas(Fonts()), Picture()
            await guest.channel.show(canvas.draw(picture))
            while not await far.call(HAS_CAMERA):  # noqa: ASYNC110 - another program's state
                await trio.sleep(0.1)
            await trio.sleep(8)  # the connection finds its bandwidth
            limiter = trio.CapacityLimiter(1)
            for number in range(1, changes + 1):
                red, green = bool(number & 1), bool(number & 2)
                mark = Patch(0, 0, 64, 64, bytes((255 * red, 255 * green, 0, 255)) * 4096)
                text = f"{number}. My train was forty minutes late, so I missed the first part of your talk."
                seen: list[float] = []

                async def see(red: bool, green: bool, seen: list[float]) -> None:  # noqa: FBT001
                    seen.append(await far.call(SEES, red, green))

                async with trio.open_nursery() as nursery:
                    nursery.start_soon(see, red, green, seen)
                    await trio.sleep(0.4 + 0.013 * (number % 31))
                    begun = time.time()
                    picture = show(picture, spoken(number, text, is_final=True), begun)
                    patches = await trio.to_thread.run_sync(partial(canvas.draw, picture), limiter=limiter)
                    await guest.channel.show([*patches, mark])
                found.append(seen[0] / 1000 - begun)
    return found


def at(values: list[float], share: float) -> float:
    """Return a quantile."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def measure(options: argparse.Namespace) -> list[str]:
    """Measure everything; return the tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        exact, aligned = await heard(folder, options.minutes)
        print(f"exactness: {exact.samples:,} samples, {exact.skipped:,} lost, {exact.unmarked:,} unmarked")
        print(f"meeting: {len(aligned.shifts)} of {aligned.wanted} utterances found")
        shown = await camera(folder, options.changes)
        print(f"camera: {_milliseconds(shown)}")
        used = await costs(folder, options.seconds)
    minutes = f"{options.minutes:g} min"
    usual = median(aligned.shifts)
    spread = 1000 * max(abs(each - usual) for each in aligned.shifts)
    bounds = [
        report.Bound(
            f"samples lost unmarked, three tracks, {minutes}", "0", f"{exact.unmarked:,}", exact.unmarked == 0
        ),
        report.at_least(
            "utterances found in their tracks", 100, 100 * len(aligned.shifts) / aligned.wanted, " %"
        ),
        report.under("final transcript → another's camera track, p95", 500, 1000 * at(shown, 0.95), " ms"),
        *(
            report.under(f"our side, {name}", 5, 100 * each.service, " % of a core")
            for name, each in used.items()
        ),
    ]
    figures = [
        ("samples of the three tracks", f"{exact.samples:,}"),
        ("samples that did not arrive", f"{exact.skipped:,}"),
        ("samples marked as lost", f"{exact.marked:,}"),
        ("samples of silence that Chromium inserted", f"{exact.inserted:,}"),
        ("captured → read here, median / p95 / longest", _milliseconds(exact.late)),
        ("the same in the meeting", _milliseconds(aligned.late)),
        ("utterances of the meeting", f"{aligned.wanted}"),
        ("samples of the meeting, and lost and marked", f"{aligned.samples:,} / {aligned.marked:,}"),
        (
            "likeness of utterances, median / least",
            f"{median(aligned.likeness):.2f} / {min(aligned.likeness):.2f}",
        ),
        ("shift of utterances, median", f"{1000 * usual:.0f} ms"),
        ("shift, largest distance from the median", f"{spread:.0f} ms"),
        ("final transcript → another's camera track, median / p95 / longest", _milliseconds(shown)),
    ]
    rows = [
        (name, f"{each.browser:.2f}", f"{each.service:.3f}", f"{each.memory / 2**20:.0f}")
        for name, each in used.items()
    ]
    return [
        report.table(report.BOUNDS_HEAD, [each.row() for each in bounds]),
        report.table(("what", "measured"), figures),
        report.table(("a bot with", "cores, browser", "cores, our side", "MiB, browser (PSS)"), rows),
    ]


def _milliseconds(values: list[float]) -> str:
    return (
        " / ".join(f"{1000 * each:.0f}" for each in (median(values), at(values, 0.95), max(values))) + " ms"
    )


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="of counting, and of the meeting")
    parser.add_argument("--changes", type=int, default=100, help="captions shown on the camera")
    parser.add_argument("--seconds", type=float, default=30, help="of each measurement of processor time")
    parser.add_argument("--write", action="store_true", help=f"put the figures into {RESULTS.name}")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    tables = trio.run(measure, options)
    print("\n\n".join(tables))
    if options.write:
        about = report.machine(busy, [f"{name} {version(name)}" for name in ("trio", "trio-websocket")])
        report.write(f"Media: `{report.command()}`", [about, *tables], results=RESULTS)


if __name__ == "__main__":
    main()

"""How fast the bots' camera is drawn: changed frames a second on one core.

    python benchmarks/bots_webcam.py [--seconds N] [--write]

Five speakers' captions grow word by word, become final and are followed by others, each word a frame; in each
mode. Processor time of this process: showing the caption, laying out, drawing, and the patches' pixels.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.peers import report
from orch.bots.webcam.appearance import SIZES, Appearance, Mode
from orch.bots.webcam.canvas import Canvas
from orch.bots.webcam.fonts import Fonts
from orch.bots.webcam.picture import Caption, Picture, show

RESULTS: Final = Path(__file__).parent / "RESULTS-bots.md"
WANTED: Final = 30.0
TEXTS: Final = (
    (
        "en",
        "Good morning everyone, shall we begin with the figures of the last quarter, or is someone missing?",
    ),
    ("ar", "صباح الخير جميعا، هل نبدأ بأرقام الربع الأخير أم أن هناك من لم يصل بعد؟"),
    ("hi", "सुप्रभात, क्या हम पिछली तिमाही के आँकड़ों से शुरू करें या कोई अभी तक नहीं आया है?"),
    ("ja", "おはよう ございます。 四半期の 数字から 始めましょうか、 それとも まだ 誰か 来ていませんか。"),
    ("de", "Guten Morgen, beginnen wir mit den Zahlen des letzten Quartals, oder fehlt noch jemand?"),
)


def captions() -> Iterator[Caption]:
    """Yield captions without end, each a word longer than the one before or new."""
    for number in count():
        language, text = TEXTS[number % len(TEXTS)]
        words = f"{number}: {text}".split()
        for end in range(1, len(words) + 1):
            yield Caption(
                key=str(number),
                text=" ".join(words[:end]),
                speaker=f"Speaker {number % len(TEXTS)}",
                language=language,
                is_final=end == len(words),
                confidence=0.9,
            )


def measured(look: Appearance, seconds: float) -> tuple[float, float, float]:
    """Return frames a second, the slowest frame in milliseconds, and kilobytes a frame."""
    canvas, picture = Canvas(Fonts()), Picture(appearance=look)
    source = captions()
    for number, caption in zip(range(150), source, strict=False):  # what is computed once
        picture = show(picture, caption, number / WANTED)
        canvas.draw(picture)
    before, slowest, sent, spent = canvas.frame, 0.0, 0, 0.0
    for number, caption in zip(count(150), source, strict=False):
        begun = time.process_time()
        picture = show(picture, caption, number / WANTED)
        patches = canvas.draw(picture)
        took = time.process_time() - begun
        spent += took
        slowest = max(slowest, took)
        sent += sum(len(patch.pixels) for patch in patches)
        if spent >= seconds:
            break
    frames = canvas.frame - before
    return frames / spent, 1000 * slowest, sent / frames / 1000


def unchanged() -> float:
    """Return the microseconds that an unchanged picture takes."""
    canvas, picture = Canvas(Fonts()), Picture()
    for number, caption in zip(range(60), captions(), strict=False):
        picture = show(picture, caption, number / WANTED)
    canvas.draw(picture)
    frame, rounds = canvas.frame, 10_000
    begun = time.process_time()
    for _ in range(rounds):
        canvas.draw(picture)
    spent = time.process_time() - begun
    if canvas.frame != frame:
        raise RuntimeError("An unchanged picture made a frame.")
    return 1_000_000 * spent / rounds


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="processor time of each row")
    parser.add_argument("--write", action="store_true", help=f"put the figures into {RESULTS.name}")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    rows = []
    for width, height in SIZES:
        for mode in Mode:
            look = Appearance(width=width, height=height, mode=mode)
            frames, slowest, kilobytes = measured(look, options.seconds)
            wanted = f"at least {WANTED:g}" if (width, height) == SIZES[0] else ""
            rows.append(
                (f"{mode}, {width}x{height}", f"{frames:.0f}", wanted, f"{slowest:.1f}", f"{kilobytes:.0f}")
            )
    rows.append(("unchanged picture", "", "", f"{unchanged() / 1000:.4f}", "0"))
    table = report.table(("", "changed frames/s", "wanted", "slowest, ms", "kB a frame"), rows)
    print(table)
    if options.write:
        about = report.machine(busy, [f"{name} {version(name)}" for name in ("pillow", "uharfbuzz")])
        report.write(f"Camera: `{report.command()}`", [about, table], results=RESULTS)


if __name__ == "__main__":
    main()

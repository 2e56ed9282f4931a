"""What Whisper's settings cost and what they are worth: windows and beams, on the beginnings of sentences.

    python benchmarks/whisper.py [--write]

Captions of growing speech are requests for the beginnings of an utterance, each 1.5 s longer than the one
before. A row is one way to decode them: processor time of a request; how many more windows than requests were
encoded, because a text repeated itself or faster-whisper went on after the last word; and wrong words of the
three whole sentences (54 words), clean and in pink noise (mean of the noises). Needs the tests' packages.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import trio

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.noise import RATE, TEXT, words, wrong
from benchmarks.peers import report
from orch.sandbox.engines import whisper
from orch.sandbox.engines.whisper_decoding import Attempt, attempts
from tests.fakes.sounds import CLIPS, Samples, clip, pcm, pink
from tests.fakes.whisper_model import unpack

STEP: Final = 1.5
"""Seconds between two requests of an utterance."""

Plan = Callable[[float], tuple[Attempt, ...]]


@dataclass(frozen=True, slots=True)
class Way:
    """A way to decode."""

    name: str
    plan: Plan
    beam: int
    language: str | None = "en"


def whole(seconds: float) -> tuple[Attempt, ...]:
    """Return the plan that always encodes 30 s."""
    return attempts(seconds)[-1:]


WAYS: Final = (
    Way("30 s, beam 5", whole, 5),
    Way("30 s, beam 1", whole, 1),
    Way("short window, beam 5", attempts, 5),
    Way("short window, beam 1", attempts, 1),
    Way("short window, beam 5, language detected", attempts, 5, None),
)


def beginnings() -> list[bytes]:
    """Return the sound of each request."""
    found = []
    for name in CLIPS:
        sound = clip(name)
        steps = np.arange(STEP, len(sound) / RATE, STEP)
        found += [pcm(sound[: round(seconds * RATE)]) for seconds in steps]
        found.append(pcm(sound))
    return found


def noisy(ratio: float, seed: int) -> list[Samples]:
    """Return the sentences in noise ``ratio`` dB below their level."""
    sounds = [clip(name) for name in CLIPS]
    level = 20 * np.log10(np.sqrt(np.mean(np.concatenate(sounds) ** 2)) / 32768)
    return [sound + pink(len(sound) / RATE + 1, level - ratio, seed=seed)[: len(sound)] for sound in sounds]


async def row(way: Way, loaded: Any, seeds: int) -> list[str]:
    """Measure one way."""
    encoded: list[int] = []
    encode = loaded.encode

    def counting(features: Any) -> Any:
        encoded.append(features.shape[-1])
        return encode(features)

    loaded.encode = counting
    engine = whisper.Whisper(loaded, "base", beam=way.beam, plan=way.plan)

    async def text(sounds: list[Samples]) -> list[str]:
        heard = [
            await engine.transcribe(pcm(sound), language=way.language, skip_silence=False) for sound in sounds
        ]
        return words(" ".join(segment.text for one in heard for segment in one.segments))

    await text([clip(CLIPS[0])])  # the first one is slower
    encoded.clear()
    sounds = beginnings()
    began = time.process_time()
    for sound in sounds:
        await engine.transcribe(sound, language=way.language, skip_silence=False)
    spent = (time.process_time() - began) / len(sounds)
    more = len(encoded) - len(sounds)
    expected = words(TEXT)
    clean = wrong(expected, await text([clip(name) for name in CLIPS]))
    each = [
        np.mean([wrong(expected, await text(noisy(ratio, seed))) for seed in range(1, seeds + 1)])
        for ratio in (10, 5)
    ]
    return [
        way.name,
        f"{spent:.2f} s",
        f"{more} of {len(sounds)}",
        str(clean),
        *(f"{mean:.1f}" for mean in each),
    ]


async def measure(seeds: int) -> list[list[str]]:
    """Return a row for each way."""
    from faster_whisper import WhisperModel  # noqa: PLC0415 - seconds to import

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        model = str(unpack(Path(folder)))
        for way in WAYS:
            loaded = WhisperModel(model, compute_type="int8", local_files_only=True)
            rows.append(await row(way, loaded, seeds))
    return rows


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="noises a figure")
    parser.add_argument("--write", action="store_true", help="put the figures into benchmarks/RESULTS.md")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    rows = trio.run(measure, options.seeds)
    head = ("way", "processor time", "encoded again", "wrong, clean", "10 dB", "5 dB")
    table = report.table(head, rows)
    print(table)
    if options.write:
        about = report.machine(
            busy, [f"{name} {version(name)}" for name in ("faster-whisper", "ctranslate2")]
        )
        about += f" Whisper base, int8; {options.seeds} noises a figure."
        report.write(f"Whisper: `{report.command()}`", [about, table])


if __name__ == "__main__":
    main()

"""What noise costs in words: a real Whisper, given whole recordings and what the segmenter cuts out of them.

    python benchmarks/noise.py [--seeds N] [--write]

Three sentences (54 words) in pink noise, which lies as that of streets and rooms does: most of it below the
voice. "Wrong" counts words that were changed, left out or made up (Levenshtein's distance in words). The
whole recording, given at once, is what the engine can do; what the segmenter adds are words that it cut off.
Needs the model that the tests use.
"""

import argparse
import os
import re
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
import trio

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.peers import report
from orch.audio.segmenter import Segmenter, Utterance
from orch.sandbox.engines import whisper
from orch.settings import Vad
from tests.fakes.sounds import CLIPS, Samples, clip, pcm, pink, silence
from tests.fakes.whisper_model import unpack

RATE: Final = 16_000
TEXT: Final = (
    "and mister john dashwood had then leisure to consider how much there might be prudently in his power "
    "to do for them unless to be rather cold hearted and rather selfish is to be ill disposed had he married "
    "a more amiable woman he might have been made still more respectable than he was"
)
RATIOS: Final = (20, 10, 5, 0)
"""Speech over noise, dB."""


def scene(ratio: float, seed: int) -> Samples:
    """Return the sentences with pauses between them, in noise ``ratio`` dB below their level."""
    spoken = np.concatenate((silence(3), *(part for name in CLIPS for part in (clip(name), silence(1.2)))))
    level = 20 * np.log10(np.sqrt(np.mean(np.concatenate([clip(name) for name in CLIPS]) ** 2)) / 32768)
    return spoken + pink(len(spoken) / RATE, level - ratio, seed=seed)[: len(spoken)]


def utterances(sound: bytes) -> list[bytes]:
    """Return what the segmenter cuts out, told in blocks of 20 ms."""
    segmenter = Segmenter(sample_rate=RATE, vad=Vad(), max_utterance=15)
    events = [event for at in range(0, len(sound), 640) for event in segmenter.feed(sound[at : at + 640])]
    return [event.pcm for event in [*events, *segmenter.flush()] if isinstance(event, Utterance)]


def words(text: str) -> list[str]:
    """Return the words without case and punctuation."""
    return re.sub(r"[^a-z ]", " ", text.lower().replace("mr.", "mister")).split()


def wrong(expected: list[str], heard: list[str]) -> int:
    """Return how many words have to be changed, left out or added to make one of the other."""
    row = list(range(len(heard) + 1))
    for count, word in enumerate(expected, start=1):
        before, row[0] = row[0], count
        for index, other in enumerate(heard, start=1):
            before, row[index] = row[index], min(row[index] + 1, row[index - 1] + 1, before + (word != other))
    return row[-1]


async def measure(seeds: int) -> list[list[str]]:
    """Return a row for each ratio: mean of wrong words."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        engine = await whisper.load(str(unpack(Path(folder))), fetch_seconds=0)

        async def hear(parts: list[bytes]) -> list[str]:
            heard = [await engine.transcribe(part, language="en", skip_silence=False) for part in parts]
            return words(" ".join(segment.text for one in heard for segment in one.segments))

        for ratio in RATIOS:
            sounds = [pcm(scene(ratio, seed)) for seed in range(1, seeds + 1)]
            expected = words(TEXT)
            whole = [wrong(expected, await hear([sound])) for sound in sounds]
            cut = [wrong(expected, await hear(utterances(sound))) for sound in sounds]
            rows.append([f"{ratio} dB", f"{np.mean(whole):.1f}", f"{np.mean(cut):.1f}"])
    return rows


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="noises a row")
    parser.add_argument("--write", action="store_true", help="put the figures into benchmarks/RESULTS.md")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    rows = trio.run(measure, options.seeds)
    told = report.table((f"wrong words of {len(words(TEXT))}", "whole recording", "segmenter"), rows)
    print(told)
    if options.write:
        about = report.machine(busy, [f"{name} {version(name)}" for name in ("faster-whisper", "numpy")])
        about += f" Whisper base, int8; {options.seeds} noises a row."
        report.write(f"Noise: `{report.command()}`", [about, told])


if __name__ == "__main__":
    main()

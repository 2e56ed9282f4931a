"""The worker process of the PocketSphinx engine: loads the model once, forks a child for each utterance.

The problem: PocketSphinx holds Python's global lock while it decodes, so in the service's own process every
other request would be blocked, and a cancelled utterance could not be stopped. Its decoder also adapts to the
noise and loudness of earlier audio, which changes later results.

A fork has the loaded model at no cost (its pages are shared), uses an unadapted decoder, can be killed at any
moment, and runs on its own core.

This process is single-threaded, so that forking is safe, and imports nothing but the engine. It exchanges
frames on its standard streams: job (4 bytes), kind (1 byte), length (4 bytes), payload.

    in   T  transcribe this 16-bit PCM of 16 kHz   V  the same, if it contains a voice   C  cancel the job
    out  R  ready   A  the result, JSON [[text, start, end, probability]]   F  failed, with the reason

At the end of its input it kills its children and ends.
"""

import gc
import json
import os
import selectors
import signal
import struct
import sys
from typing import Any, Final, NoReturn

import pocketsphinx

FRAME: Final = struct.Struct("!IcI")
READ_SIZE: Final = 65_536
FRAMES_PER_SECOND: Final = 100

# Measured with the speech in tests/data: with at most 10,000 active HMMs a frame (the model's default is
# 30,000) every word is the same, in a quarter less time; with 3,000 words begin to differ.
SETTINGS: Final[dict[str, Any]] = {"maxhmmpf": 10_000, "loglevel": "FATAL"}


def main() -> None:
    """Serve the frames on the standard streams until the input ends."""
    # Ctrl-C reaches the whole terminal group; this process ends with its parent, by the end of its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    decoder = pocketsphinx.Decoder(**SETTINGS)
    gc.freeze()  # loaded objects stay; a collection in a child would only copy their pages
    Worker(decoder).serve()


class Worker:
    """The worker's loop. The mutable state is the table of running children."""

    def __init__(self, decoder: pocketsphinx.Decoder) -> None:
        self._decoder = decoder
        self._children: dict[int, Child] = {}
        self._selector = selectors.DefaultSelector()

    def serve(self) -> None:
        """Run until the input ends."""
        incoming = bytearray()
        self._selector.register(0, selectors.EVENT_READ)
        send(0, b"R", b"")
        while True:
            for key, _ in self._selector.select():
                if isinstance(key.data, Child):
                    # One of the frames just read may have cancelled it: its pipe is closed, and another child
                    # may have the same descriptor number.
                    if self._children.get(key.data.job) is key.data:
                        self._read_result(key.data)
                    continue
                data = os.read(0, READ_SIZE)
                if not data:
                    self._kill_all()
                    return
                incoming += data
                self._take_frames(incoming)

    def _take_frames(self, incoming: bytearray) -> None:
        while len(incoming) >= FRAME.size:
            job, kind, length = FRAME.unpack_from(incoming)
            end = FRAME.size + length
            if len(incoming) < end:
                return
            payload = bytes(incoming[FRAME.size : end])
            del incoming[:end]
            if kind == b"C":
                self._stop(job)
            else:
                self._start(job, payload, skip_silence=kind == b"V")

    def _start(self, job: int, pcm: bytes, *, skip_silence: bool) -> None:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            decode_and_exit(self._decoder, pcm, writing, skip_silence=skip_silence)
        os.close(writing)
        child = self._children[job] = Child(job, pid, reading)
        self._selector.register(reading, selectors.EVENT_READ, child)

    def _read_result(self, child: "Child") -> None:
        data = os.read(child.pipe, READ_SIZE)
        if data:
            child.answer += data
            return
        status = self._end(child)
        if status == 0:
            send(child.job, b"A", bytes(child.answer))
        else:
            text = f"signal {-status}" if status < 0 else f"exit code {status}"
            send(child.job, b"F", f"the decoder ended with {text}".encode())

    def _stop(self, job: int) -> None:
        child = self._children.get(job)
        if child is not None:  # else its result was sent already
            os.kill(child.pid, signal.SIGKILL)
            self._end(child)

    def _end(self, child: "Child") -> int:
        self._selector.unregister(child.pipe)
        os.close(child.pipe)
        del self._children[child.job]
        _, status = os.waitpid(child.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def _kill_all(self) -> None:
        for child in list(self._children.values()):
            self._stop(child.job)


class Child:
    """A forked child: the pipe for its result, and the bytes received so far."""

    def __init__(self, job: int, pid: int, pipe: int) -> None:
        self.job = job
        self.pid = pid
        self.pipe = pipe
        self.answer = bytearray()


def decode_and_exit(decoder: pocketsphinx.Decoder, pcm: bytes, pipe: int, *, skip_silence: bool) -> NoReturn:
    """Run the child: write the result to the pipe and exit in any case, without the parent's cleanup."""
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 0)  # the parent's input and output are not this process's
        os.dup2(nowhere, 1)
        words = [] if skip_silence and not has_speech(pcm) else decode(decoder, pcm)
        answer = json.dumps(words).encode()
        while answer:
            answer = answer[os.write(pipe, answer) :]
        os._exit(0)
    except BaseException:  # noqa: BLE001 - the boundary of a process: the exit code says it, the text goes to the log
        sys.excepthook(*sys.exc_info())
        os._exit(1)


def decode(decoder: pocketsphinx.Decoder, pcm: bytes) -> list[tuple[str, float, float, float]]:
    """Return the words as (text, start, end, probability), in seconds.

    The probability is the word's posterior in the lattice of hypotheses, as computed by ``bestpath``, which
    is on by default.
    """
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    if decoder.hyp() is None:  # less audio than a frame, or no path through the lattice
        return []
    return [
        (
            spoken(segment.word),
            segment.start_frame / FRAMES_PER_SECOND,
            (segment.end_frame + 1) / FRAMES_PER_SECOND,
            min(1.0, segment.prob),  # the integer logarithm may yield 1.0001
        )
        for segment in decoder.seg()
        if not is_filler(segment.word)
    ]


def is_filler(word: str) -> bool:
    """Return whether a word means silence or noise: ``<s>``, ``<sil>``, ``[NOISE]``, ``++COUGH++``."""
    return word.startswith(("<", "[", "++")) or word == "(NULL)"


def spoken(word: str) -> str:
    """Return the word without the number of its pronunciation: ``been`` for ``been(2)``."""
    return word[: word.rindex("(")] if word.endswith(")") and "(" in word[1:] else word


def has_speech(pcm: bytes) -> bool:
    """Return whether PocketSphinx's voice detector, at its most lenient, finds a voice in any frame."""
    vad = pocketsphinx.Vad(pocketsphinx.Vad.LOOSE, 16_000)
    size = vad.frame_bytes
    return any(vad.is_speech(pcm[at : at + size]) for at in range(0, len(pcm) - size + 1, size))


def send(job: int, kind: bytes, payload: bytes) -> None:
    """Write one frame to the standard output."""
    data = FRAME.pack(job, kind, len(payload)) + payload
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    main()

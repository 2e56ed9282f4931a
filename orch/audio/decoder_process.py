"""``python -m orch.audio.decoder_process SECONDS``: decodes a recording from its input, within bounds.

The service starts one process for each recording, and never decodes one itself: a decoder of hostile files
may crash, loop, or allocate all memory, and then only this process ends. Before the first byte of the file is
read, memory, processor time and descriptors are bounded and nothing more can be written to any file. It opens
nothing but its input, and ends with the pipe it writes to, so it does not outlive the service.

Frames on its output: ``decoder_frames.py``.
"""

import json
import os
import resource
import sys
from dataclasses import asdict
from typing import Final

from orch.audio import decoder_frames as frames
from orch.audio import decoding

MEMORY: Final = 64 * 2**20
"""Bytes of memory for a recording, beyond those of the libraries."""
CPU_SECONDS: Final = 30
CPU_SHARE: Final = 50
"""Seconds of processor time for a recording, and seconds of audio that add one more."""
DESCRIPTORS: Final = 16
NICENESS: Final = 10


def bound(seconds: float) -> None:
    """Limit this process, irrevocably, to what a recording of ``seconds`` needs."""
    os.nice(NICENESS)
    cpu = CPU_SECONDS + int(seconds / CPU_SHARE)
    for kind, soft, hard in (
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_NOFILE, DESCRIPTORS, DESCRIPTORS),
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_AS, _mapped() + MEMORY, _mapped() + MEMORY),
    ):
        present = resource.getrlimit(kind)[1]
        if present != resource.RLIM_INFINITY:
            soft, hard = min(soft, present), min(hard, present)  # noqa: PLW2901 - a limit of the system is kept
        resource.setrlimit(kind, (soft, hard))


def _mapped() -> int:
    """Return the bytes of address space in use: the libraries, mostly."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - one line of the kernel's
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:  # no /proc: no Linux
        return 1 << 30


def main(seconds: float) -> int:
    """Read the recording on the input; write frames to the output."""
    bound(seconds)
    try:
        try:
            _decode(seconds)
        except decoding.RefusedError as refused:
            _write(frames.FAILURE, {"code": refused.code, "detail": str(refused)})
        except MemoryError:
            _write(
                frames.FAILURE,
                {"code": "recording_too_costly", "detail": "Decoding it takes too much memory."},
            )
    except BrokenPipeError:
        os._exit(1)  # the service has closed the pipe
    return 0


def _decode(seconds: float) -> None:
    with open(0, "rb", closefd=False) as file:
        decoder = decoding.Decoder(file, longest=seconds)
        has_begun = False
        for block in decoder.blocks():
            if not has_begun:
                _write(frames.FACTS, asdict(decoder.facts))
                has_begun = True
            _write_all(frames.pack(frames.PCM, block))
        if not has_begun:
            raise decoding.nothing_read(decoder.end, decoder.facts.whole)
        _write(frames.END, asdict(decoder.end))


def _write(kind: bytes, content: object) -> None:
    _write_all(frames.pack(kind, json.dumps(content).encode()))


def _write_all(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))

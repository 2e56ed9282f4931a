"""``python -m orch.audio.decoder_process SECONDS [sound]``: decodes a recording from its input.

With ``sound`` it keeps the file's rate and channels (``sound_conversion.py``), for the audio pipeline.

The service starts one process for each recording, and never decodes one itself: a decoder of hostile files
may crash, loop, or allocate all memory, and then only this process ends. Before the first byte of the file is
read, memory, processor time and descriptors are bounded and nothing more can be written to any file. It opens
nothing but its input, and ends with the pipe it writes to, so it does not outlive the service.

Frames on its output: ``decoder_frames.py``.
"""

import json
import os
import sys
from dataclasses import asdict
from typing import Final

from orch.audio import decoder_frames as frames
from orch.audio import decoding
from orch.audio.process_limits import bound
from orch.audio.refusals import RefusedError

MEMORY: Final = 64 * 2**20
"""Bytes of memory for a recording, beyond those of the libraries."""
CPU_SECONDS: Final = 30
CPU_SHARE: Final = 50
"""Seconds of processor time for a recording, and seconds of audio that add one more."""
DESCRIPTORS: Final = 16


def main(seconds: float, *, keeps_sound: bool = False) -> int:
    """Read the recording on the input; write frames to the output."""
    cpu = CPU_SECONDS + int(seconds / CPU_SHARE)
    bound(memory=MEMORY, cpu_seconds=cpu, descriptors=DESCRIPTORS)
    try:
        try:
            _decode(seconds, keeps_sound=keeps_sound)
        except RefusedError as refused:
            _write(frames.FAILURE, {"code": refused.code, "detail": str(refused)})
        except MemoryError:
            _write(
                frames.FAILURE,
                {"code": "recording_too_costly", "detail": "Decoding it takes too much memory."},
            )
    except BrokenPipeError:
        os._exit(1)  # the service has closed the pipe
    return 0


def _decode(seconds: float, *, keeps_sound: bool) -> None:
    with open(0, "rb", closefd=False) as file:
        decoder = decoding.Decoder(file, longest=seconds, keeps_sound=keeps_sound)
        has_begun = False
        for block in decoder.blocks():
            if not has_begun:
                _write(frames.FACTS, asdict(decoder.sound_facts))
                has_begun = True
            _write_all(frames.pack(frames.SOUND if keeps_sound else frames.PCM, block))
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
    sys.exit(main(float(sys.argv[1]), keeps_sound="sound" in sys.argv[2:]))

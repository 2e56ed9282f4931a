"""``python -m orch.bots.replay TAPE``: prints what a bot noted, from its tape, as JSON.

An encrypted tape needs the key of the settings, in ``ORCH_BOTS__RECORDING_KEY``.
"""

import argparse
import os
import sys
import wave
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

from orch.bots.observations import Sound, SoundLost, TrackBegan
from orch.bots.recordings.decrypt import VARIABLE
from orch.bots.recordings.files import RecordingFile
from orch.bots.recordings.sealing import SealError
from orch.bots.tapes.lines import Line, TapeError
from orch.bots.tapes.reading import TapeReader
from orch.bots.tapes.replaying import Replay
from orch.settings.bots import read_recording_key

FAILED: Final = 1
RATE: Final = 16_000
LONGEST_GAP: Final = 86_400 * RATE
"""Samples of silence that are written for a gap at most; a tape that is damaged may claim more."""


class Tracks:
    """Writes each track's sound to a WAV file, what is missing as silence. The mutable state is the files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._files: dict[str, wave.Wave_write] = {}
        self._written: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def write(self, line: Line) -> None:
        """Write what a line has of a track's sound. OSError: the file cannot be written."""
        if isinstance(line, TrackBegan):
            self._files.pop(line.track, None)  # a track of the same name begins again in a file of its own
        elif isinstance(line, Sound):
            file = self._file(line.track)
            gap = min(max(0, line.first - self._written[line.track]), LONGEST_GAP)
            while gap:
                part = min(gap, RATE)
                file.writeframesraw(bytes(2 * part))
                gap -= part
            file.writeframesraw(line.pcm)
            self._written[line.track] = line.first + len(line.pcm) // 2
        elif isinstance(line, SoundLost):
            self._file(line.track)

    def _file(self, track: str) -> wave.Wave_write:
        if track not in self._files:
            path = self._folder / f"track-{len(list(self._folder.glob('track-*.wav'))) + 1}.wav"
            file = wave.open(str(path), "wb")  # noqa: SIM115 - closed by the stack
            self._stack.callback(file.close)
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            self._files[track], self._written[track] = file, 0
        return self._files[track]


def run(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run the program. Returns 0, or 1 if the tape cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m orch.bots.replay",
        description="Replay the tape of a bot: print what it noted as JSON.",
    )
    parser.add_argument("tape", type=Path, metavar="TAPE", help="the file")
    parser.add_argument("--sound", type=Path, metavar="FOLDER", help="also write each track as a WAV file")
    options = parser.parse_args(arguments)
    replay = Replay()
    try:
        with ExitStack() as stack:
            key = read_recording_key(environ.get(VARIABLE, ""))
            file = stack.enter_context(RecordingFile(options.tape, key))
            reader = TapeReader(file.pieces())
            tracks = None if options.sound is None else stack.enter_context(Tracks(options.sound))
            for line in reader:
                replay.feed(line)
                if tracks is not None:
                    tracks.write(line)
    except (TapeError, SealError, OSError, ValueError) as error:
        sys.stderr.write(f"{options.tape}: {error}\n")
        return FAILED
    sys.stdout.write(replay.notes.as_json().decode())
    for sentence in _lacks(replay, is_cut=reader.is_cut or file.is_cut):
        sys.stderr.write(f"{options.tape}: {sentence}\n")
    return 0


def _lacks(replay: Replay, *, is_cut: bool) -> Iterable[str]:
    if is_cut:
        yield "The end of the tape is missing."
    elif not replay.is_finished:
        yield "The tape ends before the bot has ended."
    if replay.missed:
        yield f"{replay.missed} lines are missing: the disk was too slow, or the tape full."


if __name__ == "__main__":
    sys.exit(run())

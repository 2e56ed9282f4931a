"""Finds templates, static files and the default configuration, in a checkout and in a wheel."""

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parent


def resource(name: str) -> Path:
    """Return the folder ``name`` (``templates``, ``static`` or ``config``).

    A wheel has the folders inside the package; a checkout has them beside it.
    """
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name

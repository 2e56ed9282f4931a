"""Write the page's table of languages from the service's: python scripts/language_data.py."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
SOURCE: Final = ROOT / "orch" / "speech" / "languages.json"
TARGET: Final = ROOT / "static" / "js" / "models" / "language-data.js"
HEAD: Final = "/** orch/speech/languages.json for the page; written by scripts/language_data.py. Pure. */\n\n"


def module() -> str:
    """Return the table as a module."""
    return f"{HEAD}export default {SOURCE.read_text(encoding='utf-8').rstrip()};\n"


if __name__ == "__main__":
    TARGET.write_text(module(), encoding="utf-8")

"""Writes the dashboards to ``monitoring/grafana/dashboards/``: ``python -m scripts.dashboards``."""

import sys

from scripts.dashboards.files import FOLDER, rendered


def main() -> int:
    """Write what differs; with ``--check`` only name it, and fail if anything does."""
    checks = "--check" in sys.argv[1:]
    wanted = rendered()
    present = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    different = sorted(name for name in wanted | present if wanted.get(name) != present.get(name))
    for name in different:
        print(f"{'differs' if checks else 'written'}: {FOLDER / name}")
        if not checks and name in wanted:
            FOLDER.mkdir(parents=True, exist_ok=True)
            (FOLDER / name).write_text(wanted[name], encoding="utf-8")
        elif not checks:
            (FOLDER / name).unlink()
    return int(checks and bool(different))


if __name__ == "__main__":
    sys.exit(main())

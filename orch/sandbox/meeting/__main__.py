"""``python -m orch.sandbox.meeting --script FILE --port 5010``: serves meetings from scripts."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from orch.sandbox.meeting.clips import ClipLibrary
from orch.sandbox.meeting.meetings import Meetings
from orch.sandbox.meeting.script import ScriptError
from orch.sandbox.meeting.server import serve_meetings
from orch.sandbox.serving import add_arguments, main, usage

PORT: Final = 5010
USAGE_ERROR: Final = 2
DEMO: Final = Path(__file__).parent / "demo.yaml"


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the program. Returns 0, 1 if it failed, or 2 for invalid scripts."""
    parser = argparse.ArgumentParser(
        prog="python -m orch.sandbox.meeting",
        description="Meetings driven by scripts, for bots: their pages, sounds, captions, and truth.",
    )
    add_arguments(parser, port=PORT)
    parser.add_argument(
        "--script",
        action="append",
        type=Path,
        metavar="FILE",
        help="a meeting (repeatable; default: the demo's)",
    )
    parser.add_argument("--no-script", action="store_true", help="no meeting; they are added over the API")
    parser.add_argument("--clips", type=Path, metavar="FOLDER", help="recordings, listed in its clips.yaml")
    options = parser.parse_args(arguments)
    files = [] if options.no_script else options.script or [DEMO]
    try:
        meetings = Meetings(ClipLibrary(options.clips))
        for file in files:
            meetings.add(file.read_text(encoding="utf-8"), name=file.name)
    except ScriptError as error:
        for fault in error.faults:
            sys.stderr.write(f"{fault}\n")
        return USAGE_ERROR
    except (OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"{error}\n")
        return USAGE_ERROR
    app = serve_meetings(meetings)
    return main(app, meetings.run, usage(options, "meeting"), drain=app.drain)


if __name__ == "__main__":
    sys.exit(run())

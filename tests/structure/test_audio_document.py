"""The document of the audio pipeline is current."""

import re

from orch.access.actions import ROUTES
from orch.audio.parameters import STAGE_IDS
from orch.audio.presets import PRESETS
from scripts.audio_parameters import DOCUMENT, completed


def test_the_tables_of_parameters_are_those_of_today() -> None:
    """Otherwise: python scripts/audio_parameters.py."""
    document = DOCUMENT.read_text("utf-8")
    assert completed(document) == document
    assert document.count("| `strength` | 0.7 |") == 1


def test_it_names_every_stage_preset_and_route() -> None:
    """And none that does not exist."""
    document = DOCUMENT.read_text("utf-8")
    first = re.findall(r"^\| `(\w+)` \|", document.partition("## HTTP API")[0], re.MULTILINE)
    assert tuple(first) == (*STAGE_IDS, *PRESETS)
    named = set(re.findall(r"^\| `(GET|POST) (/api/pipeline/\w+)` \|", document, re.MULTILINE))
    assert named == {route for route in ROUTES if route[1].startswith("/api/pipeline/")}

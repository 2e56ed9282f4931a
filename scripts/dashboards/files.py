"""The dashboards' files: which there are, and their contents."""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from scripts.dashboards.frame import TITLES, marks, uid

FOLDER: Final = Path(__file__).parents[2] / "monitoring" / "grafana" / "dashboards"

#: What the SDK gives to each variable: the mark of one that is not saved yet, and settings of intervals.
_OF_OTHER_VARIABLES: Final = ("id", "auto", "auto_min", "auto_count")


def rendered() -> dict[str, str]:
    """Return each file's name and contents, with panels numbered in their order."""
    found = {}
    for name in TITLES:
        build: Callable[[], Dashboard] = import_module(f"scripts.dashboards.{name}").build
        decoded: dict[str, Any] = json.loads(JSONEncoder().encode(build().build()))
        if any(variable.get("query") == "prometheus" for variable in decoded["templating"]["list"]):
            decoded["annotations"] = {"list": marks()}
        for variable in decoded["templating"]["list"]:
            for key in _OF_OTHER_VARIABLES:
                variable.pop(key, None)
        for number, panel in enumerate(decoded["panels"], start=1):
            panel["id"] = number
            if panel.get("options", "") is None:
                panel["options"] = {}
        found[f"{uid(name)}.json"] = json.dumps(decoded, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    return found

"""Writes ``docs/metrics.md``: every metric of the table, with the alerts and panels that use it.

Run ``make metrics`` after a metric, a rule or a dashboard was changed; a test compares them.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from orch.telemetry.names import AREAS, NAMES
from orch.telemetry.names.metric import Label, Name

ROOT: Final = Path(__file__).parents[1]
DOCUMENT: Final = ROOT / "docs" / "metrics.md"
RULES: Final = ROOT / "monitoring" / "prometheus" / "rules"
DASHBOARDS: Final = ROOT / "monitoring" / "grafana" / "dashboards"
LISTED: Final = 12
"""Values of a closed list that are shown; of a longer list, the number."""

_WORD: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_:]*")
_PARTS: Final = ("_bucket", "_count", "_sum")
_HEAD: Final = """\
# Metrics

<!-- scripts/metrics_document.py writes this file from orch/telemetry/names -->

`GET /metrics` has all of them, as text or, for scrapers that accept it, as OpenMetrics, with the trace of \
one request beside each bucket where traces are recorded. Each worker is scraped by itself \
([operations](operations.md#probes-and-scraping)); `instance` is its address, `upstream` that of an instance \
of a back end.

- A counter and a histogram have a series for each value of a closed list from the start, at 0: the first \
increment shows in `increase()`. Labels in italics have values of the settings, or others that are bounded.
- A metric has at most 2,000 series in a scrape; others count in `orch_metrics_series_dropped_total`.
- What a part does not have (a limit, a back end that was never used) is absent, not 0.
"""
_AREA_TITLES: Final = {
    "process": "Process",
    "front": "Front",
    "gateway": "Gateway",
    "health": "Health and recovery",
    "websocket": "WebSocket and sessions",
    "speech": "Speech",
    "translation": "Translation",
    "audio": "Audio pipeline",
    "bots": "Bots, webhooks and calendars",
    "stores": "Stores",
    "access": "Access",
    "settings": "Settings",
    "journey": "Synthetic journey",
    "alerts": "Alerts",
    "analytics": "Analytics",
    "traces": "Traces",
}


def document() -> str:
    """Return the whole document."""
    users = uses(expressions())
    parts = [_HEAD]
    for area, names in AREAS.items():
        rows = "".join(_row(name, users.get(name.name, ())) for name in names)
        parts.append(
            f"\n## {_AREA_TITLES[area]}\n\n| metric | kind | labels | meaning | used by |\n"
            f"|---|---|---|---|---|\n{rows}"
        )
    return "".join(parts)


def expressions() -> Iterator[tuple[str, str]]:
    """Yield the name of each alert (or recording rule, with a colon) or panel, and its expressions."""
    for path in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                yield (f"`{rule['alert']}`" if "alert" in rule else rule["record"]), str(rule["expr"])
    for path in sorted(DASHBOARDS.glob("*.json")):
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        for panel in _panels(dashboard):
            for target in panel.get("targets", ()):
                yield f"{dashboard['title']}: {panel.get('title', '')}", target.get("expr", "")


def uses(found: Iterator[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
    """Return the alerts and panels by metric, also those that use it by way of recording rules."""
    metrics = {name.name for name in NAMES}
    direct: dict[str, set[str]] = defaultdict(set)
    for user, expression in found:
        for word in _WORD.findall(expression):
            direct[_metric_of(word, metrics)].add(user)

    def users(name: str, seen: frozenset[str] = frozenset()) -> set[str]:
        reached: set[str] = set()
        for user in direct.get(name, ()):
            if user in direct and user not in seen and ":" in user and "`" not in user:
                reached |= users(user, seen | {name})
            else:
                reached.add(user)
        return reached

    return {
        name: tuple(sorted(user for user in users(name) if "`" in user or ": " in user)) for name in metrics
    }


def _metric_of(word: str, metrics: set[str]) -> str:
    for part in _PARTS:
        if word.removesuffix(part) in metrics:
            return word.removesuffix(part)
    return word


def _panels(holder: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for panel in holder.get("panels", ()):
        yield panel
        yield from _panels(panel)


def _row(name: Name, users: tuple[str, ...]) -> str:
    labels = "<br>".join(map(_label, name.labels))
    kind = f"{name.kind}, {name.unit}" if name.unit else name.kind
    buckets = f" Buckets: {', '.join(f'{bound:g}' for bound in name.buckets)}." if name.buckets else ""
    return f"| `{name.name}` | {kind} | {labels} | {_cell(name.text)}{buckets} | {'<br>'.join(users)} |\n"


def _label(label: Label) -> str:
    if label.bound:
        return f"*{label.name}*: {_cell(label.bound)}"
    if label.listed:
        module, _, attribute = label.listed.partition(":")
        return f"{label.name}: `{module}.{attribute}`"
    if len(label.values) > LISTED:
        return f"{label.name}: {len(label.values)} values"
    return f"{label.name}: {', '.join(label.values)}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")

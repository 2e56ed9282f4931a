"""The committed rules of Prometheus, decoded. Pure except for reading the files."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from msgspec import Struct

ROOT: Final = Path(__file__).parents[2]
PROMETHEUS: Final = ROOT / "monitoring" / "prometheus"
RULES: Final = PROMETHEUS / "rules"


class Rule(Struct, frozen=True):
    """An alert (``kind`` alert) or a recorded series (``kind`` record), and where it is."""

    kind: str
    name: str
    expr: str
    file: str
    group: str
    pending: float = 0.0
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(duration: str) -> float:
    """Return a duration of one unit, such as ``5m``, in seconds."""
    return float(duration[:-1]) * _UNITS[duration[-1]]


@cache
def documents() -> dict[str, Any]:
    """Return each rules file as it is, by its name."""
    return {
        path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(RULES.glob("*.yml"))
    }


@cache
def rules() -> tuple[Rule, ...]:
    """Return all rules."""
    return tuple(_rules())


def _rules() -> Iterator[Rule]:
    for file, document in documents().items():
        for group in document["groups"]:
            for rule in group["rules"]:
                kind = "alert" if "alert" in rule else "record"
                yield Rule(
                    kind=kind,
                    name=rule[kind],
                    expr=rule["expr"],
                    file=file,
                    group=group["name"],
                    pending=seconds(rule.get("for", "0s")),
                    labels=rule.get("labels", {}),
                    annotations=rule.get("annotations", {}),
                )


def committed(rule: Rule) -> Any:
    """Return a rule as it is in its file."""
    return next(
        each
        for group in documents()[rule.file]["groups"]
        if group["name"] == rule.group
        for each in group["rules"]
        if each.get(rule.kind) == rule.name
    )


def alerts() -> tuple[Rule, ...]:
    """Return the alerts."""
    return tuple(rule for rule in rules() if rule.kind == "alert")


def recorded() -> dict[str, Rule]:
    """Return the recording rules, by the name of their series."""
    return {rule.name: rule for rule in rules() if rule.kind == "record"}


@cache
def configuration() -> Any:
    """Return prometheus.yml."""
    return yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))


def jobs() -> frozenset[str]:
    """Return the names of the scrape jobs."""
    return frozenset(each["job_name"] for each in configuration()["scrape_configs"])

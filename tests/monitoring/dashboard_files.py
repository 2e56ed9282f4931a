"""The committed dashboards of Grafana, decoded. Pure except for reading the files."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

ROOT: Final = Path(__file__).parents[2]
GRAFANA: Final = ROOT / "monitoring" / "grafana"

#: What Grafana puts into queries: ranges, and variables as they are while all values are chosen.
VARIABLES: Final[Mapping[str, str]] = {
    "$__rate_interval": "1m",
    "$__range": "3h",
    "$__interval": "1m",
}


class Query(Struct, frozen=True):
    """A query of a panel. ``kind``: prometheus or loki. ``expr``: as it is written, variables included."""

    dashboard: str
    panel: str
    kind: str
    expr: str
    legend: str
    is_instant: bool

    def __str__(self) -> str:
        """Return where it stands."""
        return f"{self.dashboard}: {self.panel}"


@cache
def dashboards() -> Mapping[str, Any]:
    """Return each dashboard by its uid."""
    files = sorted((GRAFANA / "dashboards").glob("*.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in files}


def panels(dashboard: str) -> Iterator[Any]:
    """Yield the panels of a dashboard, without the headings of rows."""
    yield from (panel for panel in dashboards()[dashboard]["panels"] if panel["type"] != "row")


def variables(dashboard: str) -> Mapping[str, Any]:
    """Return the variables of a dashboard by name."""
    return {each["name"]: each for each in dashboards()[dashboard]["templating"]["list"]}


@cache
def queries() -> tuple[Query, ...]:
    """Return the queries of all panels."""
    return tuple(
        Query(
            dashboard=uid,
            panel=panel["title"],
            kind=panel["datasource"]["type"],
            expr=target["expr"],
            legend=target.get("legendFormat", ""),
            is_instant=bool(target.get("instant")),
        )
        for uid in dashboards()
        for panel in panels(uid)
        for target in panel["targets"]
    )


def filled(query: Query, ranges: Mapping[str, str] = VARIABLES) -> str:
    """Return a query as Grafana sends it while all values of its variables are chosen."""
    text = query.expr
    for name, value in ranges.items():
        text = text.replace(name, value)
    for name, variable in sorted(variables(query.dashboard).items(), reverse=True):
        text = text.replace(f"${name}", variable.get("allValue") or "")
    return text

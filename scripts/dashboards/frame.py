"""What all dashboards have in common: variables, links to the others, marks of alerts and restarts."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard as models

from scripts.dashboards.panels import PROMETHEUS

TAG: Final = "livetranslate"

#: Titles by the name of a dashboard's module; its uid is ``livetranslate-`` and that name.
TITLES: Final = {
    "overview": "Orchestration overview",
    "websocket": "WebSocket and sessions",
    "gateway": "Gateway",
    "backends": "Back ends",
    "speech": "Speech and translation",
    "bots": "Bots",
    "system": "System",
    "containers": "Containers",
    "slos": "SLOs",
    "logs": "Logs",
}

#: Columns of Grafana's page.
COLUMNS: Final = 24

#: A row of a dashboard: its heading and its panels.
Section = tuple[str, Iterable[Any]]


def uid(name: str) -> str:
    """Return the fixed identifier that alerts and links use."""
    return f"{TAG}-{name}"


def choice(
    name: str,
    label: str,
    metric_query: str,
    *,
    source: models.DataSourceRef = PROMETHEUS,
    every: str = ".*",
) -> builders.QueryVariable:
    """Return a variable whose values are read from a data source; all of them are chosen at first.

    ``every``: the regular expression that all of them stand for.
    """
    return (
        builders.QueryVariable(name)
        .label(label)
        .datasource(source)
        .query(metric_query)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)  # noqa: FBT003 - the library's signature
        .include_all(True)  # noqa: FBT003
        .all_value(every)
        .current(models.VariableOption(selected=True, text="All", value="$__all"))
    )


WORKER: Final = ("worker", "Worker", 'label_values(up{job="orchestration"}, instance)')


def dashboard(
    name: str,
    text: str,
    sections: Iterable[Section],
    *,
    variables: Iterable[Any] = (),
    sources: tuple[str, ...] = ("prometheus",),
    since: str = "now-3h",
    refresh: str = "10s",
) -> builders.Dashboard:
    """Return a dashboard with its variables, links and marks. ``since``: the range it opens with."""
    built = (
        builders.Dashboard(TITLES[name])
        .uid(uid(name))
        .description(text)
        .tags([TAG])
        .timezone("browser")
        .time(since, "now")
        .refresh(refresh)
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .readonly()
    )
    for variable in _sources(sources):
        built.with_variable(variable)
    for variable in variables:
        built.with_variable(variable)
    built.link(
        builders.DashboardLink("Dashboards")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(True)  # noqa: FBT003
        .keep_time(True)  # noqa: FBT003
        .include_vars(True)  # noqa: FBT003
    )
    y = 0
    for heading, panels in sections:
        row = builders.Row(heading)
        built.with_row(row.grid_pos(models.GridPos(x=0, y=y, w=COLUMNS, h=1)))
        y += 1
        for panel, place in _placed(panels, y):
            built.with_panel(panel.grid_pos(place))
            y = place.y + place.h
    return built


def _placed(panels: Iterable[Any], y: int) -> Iterator[tuple[Any, models.GridPos]]:
    """Yield the builders of panels with their places from ``y`` on, line by line.

    The panels of a line are as high as the highest, and together as wide as the page.
    """
    lines: list[list[tuple[Any, models.GridPos]]] = []
    left = 0
    for panel in panels:
        size = panel.build().grid_pos
        if size.w > left:
            lines.append([])
            left = COLUMNS
        lines[-1].append((panel, size))
        left -= size.w
    for line in lines:
        height = max(size.h for _, size in line)
        spare, x = COLUMNS - sum(size.w for _, size in line), 0
        for index, (panel, size) in enumerate(line):
            width = size.w + spare // len(line) + (index < spare % len(line))
            yield panel, models.GridPos(x=x, y=y, w=width, h=height)
            x += width
        y += height


def _sources(kinds: tuple[str, ...]) -> Iterable[builders.DatasourceVariable]:
    names = {"prometheus": ("datasource", "Metrics", "Prometheus"), "loki": ("logs", "Logs", "Loki")}
    for kind in kinds:
        name, label, text = names[kind]
        yield (
            builders.DatasourceVariable(name)
            .label(label)
            .type(kind)
            .current(models.VariableOption(selected=True, text=text, value=kind))
        )


def marks() -> list[dict[str, Any]]:
    """Return vertical marks: alerts that call somebody, and starts of workers.

    As Grafana stores them: the SDK's type has no formats of their texts.
    """
    return [
        {
            "name": name,
            "datasource": PROMETHEUS.to_json(),
            "enable": True,
            "iconColor": color,
            "expr": expression,
            "titleFormat": title,
            "textFormat": text,
        }
        for name, color, expression, title, text in (
            (
                "Critical alerts",
                "red",
                'ALERTS{alertstate="firing",severity="critical"}',
                "{{alertname}}",
                "{{service}}",
            ),
            (
                "Starts of workers",
                "blue",
                'time() - process_start_time_seconds{job="orchestration"} < 60',
                "{{instance}} has started",
                "",
            ),
        )
    ]

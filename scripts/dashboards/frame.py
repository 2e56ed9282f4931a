"""What all dashboards have in common: variables, links to the others, marks of alerts and restarts."""

from collections.abc import Iterable
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
    for heading, panels in sections:
        built.with_row(builders.Row(heading))
        for panel in panels:
            built.with_panel(panel)
    return built


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

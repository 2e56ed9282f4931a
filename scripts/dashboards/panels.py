"""Panels in one style: what a graph, a figure, a timeline, a heat map, a table and a list of logs look like.

A *series* is an expression and its legend. Every panel has a description that states what it shows and what
a reader should look for; every query names no data source of its own but takes the panel's.
"""

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any, Final

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    heatmap,
    logs,
    loki,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heat
from grafana_foundation_sdk.models import prometheus as query_models

from scripts.dashboards.queries import WORKERS, expand

#: An expression and the name of its series; ``{{label}}`` is a label's value.
Series = tuple[str, str]

PROMETHEUS: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
LOKI: Final = models.DataSourceRef(type_val="loki", uid="${logs}")

#: Colours by meaning, as Grafana names them in both of its themes.
GOOD: Final = "green"
BUSY: Final = "blue"
FAIR: Final = "yellow"
POOR: Final = "orange"
BAD: Final = "red"
CALM: Final = "text"

#: Heights in rows of the grid.
LOW: Final = 4
HIGH: Final = 8


def steps(*found: tuple[float | None, str]) -> builders.ThresholdsConfig:
    """Return thresholds: each colour from its value on, the first from minus infinity."""
    return (
        builders.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=value, color=color) for value, color in found])
    )


def rising(warning: float, critical: float) -> builders.ThresholdsConfig:
    """Return thresholds of a figure that should stay low."""
    return steps((None, GOOD), (warning, POOR), (critical, BAD))


def falling(critical: float, warning: float) -> builders.ThresholdsConfig:
    """Return thresholds of a figure that should stay high."""
    return steps((None, BAD), (critical, POOR), (warning, GOOD))


PLAIN: Final = steps((None, CALM))


def values(found: Mapping[float, tuple[str, str]]) -> list[Any]:
    """Return the mapping of numbers to a word and its colour."""
    return [
        models.ValueMap(
            options={
                f"{value:g}": models.ValueMappingResult(text=text, color=color, index=index)
                for index, (value, (text, color)) in enumerate(found.items())
            }
        )
    ]


YES_NO: Final = {1.0: ("yes", GOOD), 0.0: ("no", BAD)}
UP_DOWN: Final = {1.0: ("up", GOOD), 0.0: ("down", BAD)}


def _query(expression: str, legend: str, ref: str, selector: str, *, instant: bool) -> prometheus.Dataquery:
    query = (
        prometheus.Dataquery()
        .datasource(PROMETHEUS)
        .ref_id(ref)
        .expr(expand(expression, selector))
        .legend_format(legend)
        .editor_mode(query_models.QueryEditorMode.CODE)
    )
    return query.instant() if instant else query.range()


def _with_queries(panel: Any, series: Sequence[Series], selector: str, *, instant: bool = False) -> Any:
    for ref, (expression, legend) in zip(ascii_uppercase, series, strict=False):
        panel.with_target(_query(expression, legend, ref, selector, instant=instant))
    return panel


def _base(panel: Any, title: str, text: str, width: int, height: int, source: models.DataSourceRef) -> Any:
    return panel.title(title).description(text).datasource(source).span(width).height(height)


def graph(
    title: str,
    text: str,
    *series: Series,
    unit: str = "short",
    width: int = 8,
    height: int = HIGH,
    stacked: bool = False,
    limits: builders.ThresholdsConfig | None = None,
    most: float | None = None,
    selector: str = WORKERS,
    exemplars: bool = False,
) -> timeseries.Panel:
    """Return a graph over time. ``stacked``: areas that add up. ``limits`` are drawn as lines.

    ``most``: the end of the axis, as 1 for shares.
    """
    panel: timeseries.Panel = _base(timeseries.Panel(), title, text, width, height, PROMETHEUS)
    panel.unit(unit).min(0).line_width(1).fill_opacity(60 if stacked else 8)
    panel.show_points(options.VisibilityMode.NEVER)
    panel.gradient_mode(options.GraphGradientMode.NONE)
    panel.legend(
        common.VizLegendOptions()
        .display_mode(options.LegendDisplayMode.LIST)
        .placement(options.LegendPlacement.BOTTOM)
        .show_legend(True)  # noqa: FBT003 - the library's signature
    )
    panel.tooltip(
        common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI).sort(options.SortOrder.DESCENDING)
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL).group("A"))
    if limits is not None:
        panel.thresholds(limits)
        panel.thresholds_style(
            common.GraphThresholdsStyleConfig().mode(options.GraphTresholdsStyleMode.DASHED)
        )
    if most is not None:
        panel.max(most)
    for ref, (expression, legend) in zip(ascii_uppercase, series, strict=False):
        query = _query(expression, legend, ref, selector, instant=False)
        panel.with_target(query.exemplar(True) if exemplars else query)  # noqa: FBT003 - the same
    return panel


def figure(
    title: str,
    text: str,
    *series: Series,
    unit: str = "short",
    width: int = 3,
    height: int = LOW,
    limits: builders.ThresholdsConfig = PLAIN,
    words: Mapping[float, tuple[str, str]] | None = None,
    decimals: int | None = None,
    selector: str = WORKERS,
    line: bool = True,
) -> stat.Panel:
    """Return the newest value in large type, with a line of its past behind it where ``line`` is set."""
    panel: stat.Panel = _base(stat.Panel(), title, text, width, height, PROMETHEUS)
    panel.unit(unit).thresholds(limits)
    panel.color_mode(options.BigValueColorMode.VALUE)
    panel.graph_mode(options.BigValueGraphMode.AREA if line else options.BigValueGraphMode.NONE)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))  # noqa: FBT003
    panel.text_mode(
        options.BigValueTextMode.AUTO if len(series) == 1 else options.BigValueTextMode.VALUE_AND_NAME
    )
    if words is not None:
        panel.mappings(values(words))
    if decimals is not None:
        panel.decimals(decimals)
    _with_queries(panel, series, selector, instant=not line)
    return panel


def bars(
    title: str,
    text: str,
    *series: Series,
    unit: str = "percentunit",
    width: int = 8,
    height: int = HIGH,
    limits: builders.ThresholdsConfig = PLAIN,
    most: float | None = 1,
    selector: str = WORKERS,
) -> bargauge.Panel:
    """Return horizontal bars of the newest values, each beside its end."""
    panel: bargauge.Panel = _base(bargauge.Panel(), title, text, width, height, PROMETHEUS)
    panel.unit(unit).thresholds(limits).min(0)
    panel.orientation(options.VizOrientation.HORIZONTAL)
    panel.display_mode(options.BarGaugeDisplayMode.GRADIENT)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))  # noqa: FBT003
    if most is not None:
        panel.max(most)
    _with_queries(panel, series, selector, instant=True)
    return panel


def timeline(
    title: str,
    text: str,
    *series: Series,
    words: Mapping[float, tuple[str, str]],
    width: int = 12,
    height: int = HIGH,
    selector: str = WORKERS,
) -> statetimeline.Panel:
    """Return what state each series was in over time."""
    panel: statetimeline.Panel = _base(statetimeline.Panel(), title, text, width, height, PROMETHEUS)
    panel.mappings(values(words)).thresholds(PLAIN)
    panel.show_value(options.VisibilityMode.AUTO).row_height(0.8).merge_values(True)  # noqa: FBT003
    panel.fill_opacity(70).line_width(0)
    panel.legend(
        common.VizLegendOptions()
        .display_mode(options.LegendDisplayMode.LIST)
        .placement(options.LegendPlacement.BOTTOM)
        .show_legend(False)  # noqa: FBT003
    )
    _with_queries(panel, series, selector)
    return panel


def heat_map(
    title: str,
    text: str,
    expression: str,
    *,
    unit: str = "s",
    width: int = 12,
    height: int = HIGH,
    selector: str = WORKERS,
) -> heatmap.Panel:
    """Return the distribution of a histogram over time. ``expression``: its buckets by ``le``."""
    panel: heatmap.Panel = _base(heatmap.Panel(), title, text, width, height, PROMETHEUS)
    panel.calculate(False)  # noqa: FBT003
    panel.color(
        heatmap.HeatmapColorOptions()
        .mode(heat.HeatmapColorMode.SCHEME)
        .scheme("Spectral")
        .scale(heat.HeatmapColorScale.EXPONENTIAL)
        .exponent(0.5)
        .steps(64)
    )
    panel.y_axis(heatmap.YAxisConfig().unit(unit).axis_placement(options.AxisPlacement.LEFT))
    panel.cell_gap(1).show_legend()
    query = _query(expression, "{{le}}", "A", selector, instant=False)
    panel.with_target(query.format(query_models.PromQueryFormat.HEATMAP))
    return panel


def rows(
    title: str,
    text: str,
    *series: Series,
    unit: str = "short",
    width: int = 12,
    height: int = HIGH,
    hidden: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
    words: Mapping[str, Mapping[float, tuple[str, str]]] | None = None,
    units: Mapping[str, str] | None = None,
    selector: str = WORKERS,
) -> table.Panel:
    """Return a table of the newest values: a column for each label and one for each series.

    ``hidden``: labels that are left out. ``names``: headings by column. ``words`` and ``units``: by heading.
    """
    panel: table.Panel = _base(table.Panel(), title, text, width, height, PROMETHEUS)
    panel.unit(unit).thresholds(PLAIN)
    for ref, (expression, _) in zip(ascii_uppercase, series, strict=False):
        query = _query(expression, "", ref, selector, instant=True)
        panel.with_target(query.format(query_models.PromQueryFormat.TABLE))
    headings = {
        "Value" if len(series) == 1 else f"Value #{ref}": legend
        for ref, (_, legend) in zip(ascii_uppercase, series, strict=False)
    }
    if len(series) > 1:
        panel.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(
        models.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": dict.fromkeys(["Time", "__name__", *hidden], True),
                "renameByName": headings | dict(names or {}),
            },
        )
    )
    for heading, found in (words or {}).items():
        panel.override_by_name(
            heading,
            [
                models.DynamicConfigValue(id_val="mappings", value=values(found)),
                models.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"}),
            ],
        )
    for heading, its_unit in (units or {}).items():
        panel.override_by_name(heading, [models.DynamicConfigValue(id_val="unit", value=its_unit)])
    return panel


def log_lines(title: str, text: str, expression: str, *, width: int = 24, height: int = 12) -> logs.Panel:
    """Return the lines that a LogQL expression selects, newest first."""
    panel: logs.Panel = _base(logs.Panel(), title, text, width, height, LOKI)
    panel.show_time(True).wrap_log_message(True).enable_log_details(True)  # noqa: FBT003
    panel.sort_order(options.LogsSortOrder.DESCENDING)
    return panel.with_target(_log_query(expression, "", "A"))


def log_graph(
    title: str, text: str, *series: Series, unit: str = "short", width: int = 12, height: int = HIGH
) -> timeseries.Panel:
    """Return a stacked graph of LogQL metric queries."""
    panel = graph(title, text, unit=unit, width=width, height=height, stacked=True).datasource(LOKI)
    for ref, (expression, legend) in zip(ascii_uppercase, series, strict=False):
        panel.with_target(_log_query(expression, legend, ref))
    return panel


def _log_query(expression: str, legend: str, ref: str) -> loki.Dataquery:
    query = loki.Dataquery().datasource(LOKI).ref_id(ref).expr(" ".join(expression.split()))
    return query.query_type("range").legend_format(legend)

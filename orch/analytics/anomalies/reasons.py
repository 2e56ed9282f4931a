"""What is unusual about a series, in one sentence. Pure."""

from math import isfinite
from typing import Final

from orch.analytics.anomalies.anomaly import Anomaly, Kind
from orch.analytics.anomalies.changes import Change
from orch.analytics.series import Figure, Unit

_SIZES: Final = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
LONGEST: Final = 120
"""Characters of the name of a series at most."""

_MINUTE: Final = 60.0
_HOUR: Final = 3_600.0
_DAY: Final = 86_400.0


def shown(value: float, unit: Unit) -> str:
    """Return a figure with its unit, with three significant digits."""
    if not isfinite(value):
        return "none"
    if unit == "share":
        return f"{_digits(100 * value)} %"
    if unit == "bytes":
        for size, name in _SIZES:
            if abs(value) >= size:
                return f"{_digits(value / size)} {name}"
        return f"{_digits(value)} B"
    return f"{_digits(value)}{unit}" if unit == "/s" else f"{_digits(value)} {unit}".rstrip()


def _digits(value: float) -> str:
    if value == 0:
        return "0"
    if abs(value) >= 100:  # noqa: PLR2004 - three digits before the point
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.1e}"  # noqa: PLR2004 - what is readable


def lasting(seconds: float) -> str:
    """Return a duration with two significant figures."""
    if seconds < _MINUTE:
        return f"{max(seconds, 0):.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    size, name = (_HOUR, "h") if seconds < _DAY else (_DAY, "days")
    return f"{seconds / size:.2g} {name}"


def name_of(figure: Figure) -> str:
    """Return the title of a series, with its subject; on one line, and not longer than is readable."""
    name = "".join(each if each.isprintable() else " " for each in f"{figure.title} {figure.subject}").strip()
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def reason(anomaly: Anomaly, figure: Figure) -> str:
    """Return why a series is unusual: "p95 4.2 × the usual for this hour: 420 ms, usually 100 ms"."""
    name, lasted = name_of(figure), lasting(anomaly.until - anomaly.began)
    if anomaly.kind is Kind.SILENT:
        return f"{name}: no figures for {lasted}"
    if anomaly.mean is None or anomaly.usual_mean is None or anomaly.value is None or anomaly.usual is None:
        return f"{name}: unusual, without figures"
    if anomaly.kind is Kind.STUCK:
        return f"{name}: has not moved for {lasted}, which it never does: {shown(anomaly.value, figure.unit)}"
    if anomaly.kind is Kind.NOISE:
        figures = (
            f"up to {shown(anomaly.value, figure.unit)}, usually {shown(anomaly.usual_mean, figure.unit)}"
        )
        return f"{name}: swings far more than usual, {figures}"
    actual, usual = anomaly.mean, anomaly.usual_mean
    if anomaly.kind is Kind.SPIKE:
        actual, usual = anomaly.value, anomaly.usual
    figures = f"{shown(actual, figure.unit)}, usually {shown(usual, figure.unit)}"
    return f"{name}: {_compared(actual, usual, figure)} {anomaly.hour}{_way(anomaly)}: {figures}"


def reason_of_change(change: Change, figure: Figure) -> str:
    """Return what a level became: "Connections: 40 from then on; at the former level it would be 20"."""
    before, after = shown(change.before, figure.unit), shown(change.after, figure.unit)
    return f"{name_of(figure)}: {after} from then on; at the former level it would be {before}"


def _way(anomaly: Anomaly) -> str:
    if anomaly.kind is Kind.DRIFT:
        return ", slowly " + ("rising" if anomaly.direction == "up" else "falling")
    return ""


def _compared(actual: float, usual: float, figure: Figure) -> str:
    """Return how much more or less than usual it is; a ratio only where there is something to divide by."""
    difference = actual - usual
    if usual > max(figure.floor, 0) and actual >= 1.5 * usual:
        return f"{_digits_of_ratio(actual / usual)} × the usual"
    if usual > max(figure.floor, 0) and actual >= 0:
        share = abs(difference) / usual
        return f"{100 * share:.0f} % {'above' if difference > 0 else 'below'} the usual"
    return f"{shown(abs(difference), figure.unit)} {'above' if difference > 0 else 'below'} the usual"


def _digits_of_ratio(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}"  # noqa: PLR2004 - two digits

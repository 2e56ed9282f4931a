"""Selectors and expressions that several panels share. Pure.

In an expression, ``{@`` begins the selector of the dashboard's variables: ``orch_sessions{@}`` is
``orch_sessions{job="orchestration",instance=~"$worker"}``, and more matchers may follow it.
"""

from typing import Final

#: What ``{@`` stands for: the service's workers that the reader has chosen.
WORKERS: Final = 'job="orchestration",instance=~"$worker"'

#: The range of a rate: four scrapes at least.
RATE: Final = "$__rate_interval"


def expand(expression: str, selector: str = WORKERS) -> str:
    """Return ``expression`` with its ``{@`` replaced by the variables of the dashboard."""
    return (
        expression.replace("{@,", "{" + selector + ",")
        .replace("{@}", "{" + selector + "}")
        .replace("\n", " ")
    )


def rate(metric: str, by: str = "", matchers: str = "") -> str:
    """Return the sum of a counter's rates over the workers, ``by`` these labels."""
    inner = f"rate({metric}{{@{',' + matchers if matchers else ''}}}[{RATE}])"
    return f"sum by ({by}) ({inner})" if by else f"sum({inner})"


def increase(metric: str, by: str = "", matchers: str = "") -> str:
    """Return how much a counter of all workers grew within the shown range, ``by`` these labels."""
    inner = f"increase({metric}{{@{',' + matchers if matchers else ''}}}[$__range])"
    return f"sum by ({by}) ({inner})" if by else f"sum({inner})"


def quantile(q: float, metric: str, by: str = "", matchers: str = "") -> str:
    """Return a quantile of a histogram over all workers, ``by`` these labels."""
    labels = f"le, {by}" if by else "le"
    inner = f"rate({metric}_bucket{{@{',' + matchers if matchers else ''}}}[{RATE}])"
    return f"histogram_quantile({q:g}, sum by ({labels}) ({inner}))"


def buckets(metric: str, matchers: str = "") -> str:
    """Return a histogram's buckets over all workers, for a heat map."""
    return rate(f"{metric}_bucket", "le", matchers)


def share(part: str, whole: str) -> str:
    """Return ``part`` of ``whole`` as a ratio, which is absent while nothing happens."""
    return f"{part} / ({whole} > 0)"


def most(count: int, expression: str) -> str:
    """Return the ``count`` greatest series, of labels with many values."""
    return f"topk({count}, {expression})"

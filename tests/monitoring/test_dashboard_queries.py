"""The queries of Grafana's dashboards as text: they read what exists, and show what alerts are about."""

import re

import pytest

from orch.telemetry.names import NAMES
from tests.monitoring import promql
from tests.monitoring.catalogue import catalogue
from tests.monitoring.dashboard_files import Query, dashboards, filled, queries, variables
from tests.monitoring.rule_files import alerts, jobs, recorded
from tests.monitoring.scrapes import samples_of

UIDS = sorted(dashboards())
PROMETHEUS = [query for query in queries() if query.kind == "prometheus"]


def expression_of(name: str) -> str | None:
    rule = recorded().get(name)
    return None if rule is None else rule.expr


def read(expression: str) -> promql.Reader:
    return promql.Reader(expression, catalogue(), expression_of)


@pytest.mark.parametrize("query", PROMETHEUS, ids=str)
def test_a_query_reads_what_exists_and_can_match(query: Query) -> None:
    """Metrics, labels and closed label values exist; counters are rated; both sides of an operation match."""
    expression = filled(query)
    reader = read(re.sub(r"\bALERTS\b", "up", expression) if "ALERTS" in expression else expression)
    if "ALERTS" not in expression:
        assert reader.faults == []
    assert set(re.findall(r'job="([^"]*)"', expression)) <= jobs()
    named = set(re.findall(r"{{(\w+)}}", query.legend))
    assert named <= reader.shape.labels, f"the legend names {sorted(named - reader.shape.labels)}"


def test_variables_read_what_exists() -> None:
    """Their metrics and labels are those of the table."""
    for uid in UIDS:
        for name, variable in variables(uid).items():
            if variable["type"] != "query" or variable["datasource"]["type"] != "prometheus":
                continue
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
            assert found, f"{uid}: {name}"
            reader = read(found[1])
            assert [fault for fault in reader.faults if "only grows" not in fault] == [], f"{uid}: {name}"
            assert found[2] in reader.shape.labels, f"{uid}: {name}"


def test_alerts_lead_to_a_dashboard() -> None:
    """The link of each alert is one of these."""
    for rule in alerts():
        assert rule.annotations["dashboard"].rpartition("/")[2] in UIDS, rule.name


def test_every_alert_has_its_metrics_on_its_dashboard() -> None:
    """A reader who follows the link of an alert sees what it is about."""
    shown: dict[str, set[str]] = {}
    for query in PROMETHEUS:
        if "ALERTS" not in query.expr:
            shown.setdefault(query.dashboard, set()).update(read(filled(query)).selected)
    missing = {
        rule.name: sorted(set(read(rule.expr).selected))
        for rule in alerts()
        if rule.name != "Watchdog"
        and not set(read(rule.expr).selected)
        & shown.get(rule.annotations["dashboard"].rpartition("/")[2], set())
    }
    assert missing == {}


def test_every_metric_of_the_service_is_shown() -> None:
    """A metric that no panel shows is one that nobody sees."""
    shown = {
        name for query in PROMETHEUS if "ALERTS" not in query.expr for name in read(filled(query)).selected
    }
    assert [name.name for name in NAMES if not shown & set(samples_of(name))] == []

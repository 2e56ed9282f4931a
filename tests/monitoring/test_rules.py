"""The alerts and recorded series as text: what can be wrong with them without a series."""

import itertools
import re
from collections.abc import Iterator

import pytest

from tests.monitoring import promql
from tests.monitoring.catalogue import catalogue
from tests.monitoring.rule_files import RULES, Rule, alerts, configuration, jobs, recorded, rules, seconds

RULE_NAMES = [rule.name for rule in rules()]
PAGES_AT_MOST = 25
ALERTS_AT_LEAST = 80


def expression_of(name: str) -> str | None:
    rule = recorded().get(name)
    return None if rule is None else rule.expr


def read(expression: str) -> promql.Reader:
    return promql.Reader(expression, catalogue(), expression_of)


def jobs_in(expression: str) -> set[str]:
    return set(re.findall(r'job!?="([^"]*)"', expression))


def test_expressions_read_what_exists_and_can_match() -> None:
    """Metrics, labels and closed label values exist; counters are rated; both sides of an operation match."""
    found = [f"{rule.name}: {fault}" for rule in rules() for fault in read(rule.expr).faults]
    found += [f"{rule.name}: no such job" for rule in rules() if not jobs_in(rule.expr) <= jobs()]
    assert found == []


def test_alerts_can_be_silent() -> None:
    """An alert without a condition fires for ever, as the watchdog should."""
    always = [rule.name for rule in alerts() if not promql.can_be_silent(read(rule.expr).tree)]
    assert always == ["Watchdog"]


def test_texts_have_their_labels_and_queries_read_what_exists() -> None:
    """A label that an aggregation drops is empty in the text; a query without a series breaks it."""
    found = [f"{rule.name}: {fault}" for rule in alerts() for fault in faults_of_texts(rule)]
    assert found == []


def faults_of_texts(rule: Rule) -> Iterator[str]:
    shape = read(rule.expr).shape
    labels = shape.labels | set(rule.labels)
    external = set(configuration()["global"]["external_labels"])
    if "service" not in labels:
        yield "no label service"
    if "service" in shape.labels and "service" in rule.labels:
        yield "the rule hides the label service of its series"
    for text in rule.annotations.values():
        yield from (f"no label {label}" for label in promql.labels_in(text) - labels)
        yield from (f"no external label {label}" for label in promql.external_labels_in(text) - external)
        for query in promql.queries_in(text):
            yield from read(query).faults
            yield from jobs_in(query.replace("'", '"')) - jobs()


def test_every_alert_has_what_people_need() -> None:
    """Its severity and area; a summary with numbers, its impact, and links to its page and a dashboard."""
    for rule in alerts():
        assert set(rule.labels) - {"service"} == {"severity", "area"}, rule.name
        assert rule.labels["severity"] in {"critical", "warning", "info", "none"}, rule.name
        assert set(rule.annotations) == {"summary", "impact", "runbook_url", "dashboard"}, rule.name
        assert "$value" in rule.annotations["summary"] or re.search(
            r"query|\d", rule.annotations["summary"]
        ), rule.name
        assert rule.annotations["runbook_url"] == f"{{{{ $externalLabels.runbooks }}}}/{rule.name}.md", (
            rule.name
        )
        assert rule.annotations["dashboard"].startswith("{{ $externalLabels.grafana }}/d/livetranslate-"), (
            rule.name
        )


def test_names_are_unique_and_of_their_kind() -> None:
    """Alerts are in camel case; recorded series name their labels, metric and operation."""
    assert len(RULE_NAMES) == len(set(RULE_NAMES))
    expressions = [re.sub(r"\s+", "", rule.expr) for rule in rules()]
    assert len(expressions) == len(set(expressions))
    for rule in rules():
        pattern = r"([A-Z][a-z0-9]+)+([0-9]+h)?" if rule.kind == "alert" else r"[a-z_]+:[a-z0-9_]+:[a-z0-9_]+"
        assert re.fullmatch(pattern, rule.name), rule.name


def test_few_alerts_page_and_most_wait() -> None:
    """At most 25 page; more than half wait five minutes, so that what passes by itself notifies nobody."""
    found = alerts()
    assert len(found) >= ALERTS_AT_LEAST
    assert sum(rule.labels["severity"] == "critical" for rule in found) <= PAGES_AT_MOST
    assert sum(rule.pending >= seconds("5m") for rule in found) * 2 > len(found)


def test_absence_is_looked_at_twice() -> None:
    """One failed scrape is no absence."""
    for rule in alerts():
        if "absent(" in rule.expr:
            assert rule.pending >= 2 * promql.SCRAPE, rule.name


def test_every_objective_has_alerts_on_both_speeds_and_on_its_absence() -> None:
    """An alert on a series that does not exist never fires."""
    ratios = {name.partition(":ratio_rate")[0] for name in recorded() if ":ratio_rate" in name}
    absent = {
        name for rule in alerts() if rule.expr.startswith("absent(") for name in read(rule.expr).selected
    }
    burns = [rule for rule in alerts() if "BudgetBurn" in rule.name]
    assert len(burns) == 2 * len(ratios)
    for ratio in ratios:
        assert sum(ratio in rule.expr for rule in burns) == 2, ratio
        selected = set(read(recorded()[f"{ratio}:ratio_rate5m"].expr).selected)
        assert selected & absent, ratio


def test_the_intervals_of_groups_outlive_the_lookback() -> None:
    """A recorded value counts as gone after 5 minutes, and just then in Prometheus 3."""
    text = "".join(path.read_text(encoding="utf-8") for path in RULES.glob("*.yml"))
    for interval in re.findall(r"interval: (\S+)", text):
        assert seconds(interval) <= seconds("5m") / 2


FAULTY = {
    "does not exist": "orch_no_such_thing > 0",
    "has no label": 'sum(rate(orch_gateway_requests_total{path="/"}[5m])) > 0',
    "is never": 'increase(orch_websocket_problems_total{code="too_many_cats"}[5m]) > 0',
    "less than four scrapes": "rate(orch_gateway_retries_total[30s]) > 0",
    "it only grows": "orch_gateway_retries_total > 100",
    "which is a gauge": "rate(orch_sessions[5m]) > 0",
    "of series with": (
        "sum by (service) (rate(orch_gateway_shed_total[5m])) / rate(orch_gateway_requests_total[5m]) > 1"
    ),
    "with itself": (
        'rate(orch_websocket_recoveries_total{outcome="refused"}[5m])'
        " / rate(orch_websocket_recoveries_total[5m]) > 0.2"
    ),
    "of an aggregation": "sum by (colour) (orch_sessions) > 1",
    "needs the label le": "histogram_quantile(0.9, sum(rate(orch_gateway_request_seconds_bucket[5m]))) > 1",
    "matched as text": 'rate(orch_gateway_request_seconds_bucket{le="1"}[5m]) > 0',
    "which one side does not have": "orch_store_healthy == 0 and on (upstream) orch_sessions > 0",
    "still has different labels": "orch_bots == ignoring (service) orch_sessions",
    "without a metric": '{job="orchestration"} == 0',
}


@pytest.mark.parametrize("fault", FAULTY)
def test_the_checks_find_faults(fault: str) -> None:
    """Each check finds what it is for."""
    assert any(fault in found for found in read(FAULTY[fault]).faults)


@pytest.mark.parametrize(
    ("expression", "can"),
    [
        ("orch_sessions", False),
        ("orch_sessions > bool 1", False),
        ("vector(1)", False),
        ("orch_sessions > 1 or orch_sessions", False),
        ("orch_sessions unless orch_sessions > 1", False),
        ("orch_sessions > 1 and orch_sessions", True),
        ("absent(orch_sessions)", True),
    ],
)
def test_what_always_fires_is_found(expression: str, can: bool) -> None:  # noqa: FBT001 - the expected outcome
    """An alert without a condition fires as long as its series exists."""
    assert promql.can_be_silent(read(expression).tree) is can


def test_each_alert_of_one_cause_in_two_severities_is_a_budget_a_disk_or_a_certificate() -> None:
    """No fault notifies twice."""
    stems = {"Certificate", "HostDisk", "Recovery", "Speech"}
    pairs = [
        (one.name, other.name)
        for one, other in itertools.combinations(alerts(), 2)
        if _left(one.expr) == _left(other.expr) and one.labels["severity"] != other.labels["severity"]
    ]
    assert [pair for pair in pairs if not any(all(n.startswith(s) for n in pair) for s in stems)] == []


def _left(expression: str) -> str:
    """Return what an expression compares, without its limit."""
    return re.sub(r"\s+", "", re.split(r"[<>]", expression)[0])

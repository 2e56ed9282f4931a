"""Grafana's dashboards as text: they are what the generator writes, and every query reads what exists."""

import re
from collections import Counter
from itertools import combinations
from typing import Any

import pytest
import yaml

from scripts.dashboards.files import FOLDER, rendered
from tests.monitoring import promql
from tests.monitoring.catalogue import catalogue
from tests.monitoring.dashboard_files import GRAFANA, Query, dashboards, filled, panels, queries, variables
from tests.monitoring.rule_files import alerts, configuration, jobs, recorded

UIDS = sorted(dashboards())
PROMETHEUS = [query for query in queries() if query.kind == "prometheus"]


def expression_of(name: str) -> str | None:
    rule = recorded().get(name)
    return None if rule is None else rule.expr


def read(expression: str) -> promql.Reader:
    return promql.Reader(expression, catalogue(), expression_of)


def test_the_dashboards_are_what_the_generator_writes() -> None:
    """``make dashboards`` was run after the last change; no file of a removed dashboard is left."""
    wanted = rendered()
    assert sorted(wanted) == sorted(path.name for path in FOLDER.glob("*.json"))
    for name, text in wanted.items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, f"{name}: run make dashboards"


@pytest.mark.parametrize("uid", UIDS)
def test_a_dashboard_is_complete(uid: str) -> None:
    """It is named by its uid, of no one Grafana's numbering, has no holes, and each panel explains itself."""
    dashboard = dashboards()[uid]
    assert dashboard["uid"] == uid
    assert re.fullmatch("[a-z-]{8,40}", uid)
    assert dashboard.get("id") is None
    assert dashboard["editable"] is False
    assert dashboard["description"]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    titles = Counter(panel["title"] for panel in panels(uid))
    assert max(titles.values()) == 1, titles.most_common(3)
    for panel in panels(uid):
        assert panel["description"].endswith("."), panel["title"]
        assert panel["datasource"]["uid"] in {"${datasource}", "${logs}"}, panel["title"]
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"], panel["title"]
        assert panel["type"] in {"table", "logs"} or len(panel["targets"]) == 1 or all(
            target["legendFormat"] for target in panel["targets"]
        ), f"{panel['title']}: several series without names"


@pytest.mark.parametrize("uid", UIDS)
def test_panels_do_not_overlap(uid: str) -> None:
    """Nothing lies over anything else or beyond the 24 columns."""

    def overlap(one: Any, other: Any) -> bool:
        return bool(
            one["x"] < other["x"] + other["w"]
            and other["x"] < one["x"] + one["w"]
            and one["y"] < other["y"] + other["h"]
            and other["y"] < one["y"] + one["h"]
        )

    places = [(panel["title"], panel["gridPos"] | {}) for panel in dashboards()[uid]["panels"]]
    places = [(title, {"x": 0, "y": 0} | place) for title, place in places]
    for title, place in places:
        assert place["x"] + place["w"] <= 24, title
    for (one, its), (other, others) in combinations(places, 2):
        assert not overlap(its, others), f"{one} and {other}"


@pytest.mark.parametrize("uid", UIDS)
def test_variables_are_used_and_known(uid: str) -> None:
    """Each variable of a query exists; each variable is used by a query or a panel's data source."""
    used = set()
    for query in queries():
        if query.dashboard == uid:
            used |= {name for name in re.findall(r"\$\{?(\w+)", query.expr) if not name.startswith("__")}
    for panel in panels(uid):
        used.add(panel["datasource"]["uid"].strip("${}"))
    assert used == set(variables(uid))


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
        and not set(read(rule.expr).selected) & shown.get(rule.annotations["dashboard"].rpartition("/")[2], set())
    }
    assert missing == {}


def test_grafana_finds_its_data_sources_and_dashboards() -> None:
    """Variables of dashboards choose among the provisioned data sources; scrapes and rates fit together."""
    folder = GRAFANA / "provisioning"
    sources = yaml.safe_load((folder / "datasources" / "datasources.yml").read_text(encoding="utf-8"))["datasources"]
    by_uid = {source["uid"]: source for source in sources}
    assert sorted(by_uid) == ["alertmanager", "loki", "prometheus"]
    assert by_uid["prometheus"]["jsonData"]["timeInterval"] == configuration()["global"]["scrape_interval"]
    for uid in UIDS:
        for name, variable in variables(uid).items():
            if variable["type"] == "datasource":
                assert variable["query"] in {source["type"] for source in sources}, f"{uid}: {name}"
                assert variable["current"]["value"] in by_uid, f"{uid}: {name}"
    provider = yaml.safe_load((folder / "dashboards" / "dashboards.yml").read_text(encoding="utf-8"))
    assert [each["options"]["path"] for each in provider["providers"]] == ["/etc/grafana/dashboards"]

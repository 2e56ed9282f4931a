"""Grafana's dashboards as files: what the generator writes, complete, on data sources that exist."""

import re
from collections import Counter
from itertools import combinations
from typing import Any

import pytest
import yaml

from scripts.dashboards.files import FOLDER, rendered
from tests.monitoring.dashboard_files import GRAFANA, dashboards, panels, queries, variables

UIDS = sorted(dashboards())


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
        assert (
            panel["type"] in {"table", "logs"}
            or len(panel["targets"]) == 1
            or all(target["legendFormat"] for target in panel["targets"])
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


def test_grafana_finds_its_data_sources_and_dashboards() -> None:
    """Variables of dashboards choose among the provisioned data sources; scrapes and rates fit together."""
    folder = GRAFANA / "provisioning"
    sources = yaml.safe_load((folder / "datasources" / "datasources.yml").read_text(encoding="utf-8"))[
        "datasources"
    ]
    scrapes = yaml.safe_load((GRAFANA.parent / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    by_uid = {source["uid"]: source for source in sources}
    assert sorted(by_uid) == ["alertmanager", "loki", "prometheus", "tempo"]
    assert by_uid["prometheus"]["jsonData"]["timeInterval"] == scrapes["global"]["scrape_interval"]
    for uid in UIDS:
        for name, variable in variables(uid).items():
            if variable["type"] == "datasource":
                assert variable["query"] in {source["type"] for source in sources}, f"{uid}: {name}"
                assert variable["current"]["value"] in by_uid, f"{uid}: {name}"
    provider = yaml.safe_load((folder / "dashboards" / "dashboards.yml").read_text(encoding="utf-8"))
    assert [each["options"]["path"] for each in provider["providers"]] == ["/etc/grafana/dashboards"]

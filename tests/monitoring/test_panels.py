"""Each panel's and runbook's query is run by a real Prometheus that scrapes ``orch demo`` in use.

It must return data, but for those of runbooks that select what is wrong.

``make panels`` (``MEETING=1``) has a bot join the demo's meeting as well, which takes minutes; without it,
the panels that need ended bots or words of a meeting are left out.
"""

import math
import os
import re
from pathlib import Path
from typing import Final

import pytest

from tests.fakes.patience import PATIENCE
from tests.fakes.prometheus import Prometheus
from tests.fakes.tools import require
from tests.fakes.waiting import wait_until
from tests.monitoring.dashboard_files import Query, dashboards, filled, queries, variables
from tests.monitoring.demo_in_use import attend, demo_in_use, speak
from tests.monitoring.runbook_commands import commands

pytestmark = [pytest.mark.process, pytest.mark.slow]

#: Ranges of a run that takes a minute, scraped each other second; on a busy machine, where it takes some
#: minutes, many scrapes are late.
RANGES: Final = {"$__rate_interval": "60s", "$__range": "30m", "$__interval": "60s"}

#: Metrics of programs that Debian does not have.
NOT_EXPORTED: Final = re.compile(r"container_|loki_|loki\|alloy")

#: Measured where the memory of the service has a limit.
OF_CONTAINERS: Final = 'orch_overload_used{kind="memory"}'

#: Figures that only a meeting makes.
OF_MEETINGS: Final = {
    ("livetranslate-bots", "Failed"),
    ("livetranslate-bots", "Time to be in a meeting"),
    ("livetranslate-bots", "Share with an unknown speaker"),
}


def is_run(query: Query) -> bool:
    """Return whether a query can have an answer here."""
    if query.kind != "prometheus" or NOT_EXPORTED.search(query.expr):
        return False
    return bool(os.environ.get("MEETING")) or (query.dashboard, query.panel) not in OF_MEETINGS


def fault(prometheus: Prometheus, query: Query, start: float, end: float) -> str | None:
    """Return what is wrong with a query's answer within a range of time; None if nothing is."""
    series = prometheus.over_time(filled(query, RANGES), start, end)
    if not series:
        return f"{query}: no series: {query.expr}"
    if not any(math.isfinite(float(value)) for each in series for _, value in each["values"]):
        return f"{query}: no number: {query.expr}"
    named = set(re.findall(r"{{(\w+)}}", query.legend))
    if not any(named <= set(each["metric"]) for each in series):
        return f"{query}: no series has {sorted(named)}"
    return None


def faults_of_runbooks(prometheus: Prometheus) -> list[str]:
    """Return the queries of runbooks that have no value, other than those that select what is wrong."""
    asked = {
        each.query
        for each in commands()
        if each.query and not NOT_EXPORTED.search(each.query) and not re.search(r" > \d", each.query)
    }
    return sorted(query for query in asked - {OF_CONTAINERS} if prometheus.value(query) is None)


def test_every_panel_has_data_while_everything_is_in_use(tmp_path: Path) -> None:
    """Numbers within the run, labels that its legend names, and values for each variable."""
    require("apertium")
    with demo_in_use(tmp_path) as demo:
        start = demo.watching.now()
        demo.seen('up{job="orchestration"} == 1')
        for path in ("/api/translate", "/api/spare", "/api/few", "/api/few"):
            demo.translate(path)
        for session in ("first", "second"):
            speak(demo, session)
            assert demo.running.get("/").is_success
            # A series that is new has no increase: its first value must have been scraped.
            demo.seen("orch_translations_total")
        if os.environ.get("MEETING"):
            attend(demo)
        asked = [query for query in queries() if is_run(query)]
        assert len(asked) > 300
        faults: list[str] = []

        def all_have_data() -> bool:
            end = demo.watching.now()
            found = [(query, fault(demo.watching, query, start, end)) for query in asked]
            asked[:] = [query for query, text in found if text]
            faults[:] = [text for _, text in found if text]
            return not faults

        # Rates and recorded series come with the next scrapes, incidents after a second or two.
        try:
            wait_until(all_have_data, "all panels have data", limit=2 * PATIENCE, every=1)
        except AssertionError:
            pytest.fail("\n".join(faults))
        assert faults_of_runbooks(demo.watching) == []
        for uid in dashboards():
            for name, variable in variables(uid).items():
                read = re.fullmatch(r"label_values\((.+), (\w+)\)", str(variable.get("query")))
                if read and not NOT_EXPORTED.search(read[1]):
                    assert demo.watching.values(read[1], read[2]), f"{uid}: {name}"

"""Which alerts were seen on a running service: the page of results, and the index of runbooks made of it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from benchmarks import alerts_results
from benchmarks.alerts_results import Row
from tests.monitoring.live import all_faults
from tests.monitoring.live.faults import Fault
from tests.monitoring.live.process_faults import Processes
from tests.monitoring.live.watching import LIMITS
from tests.monitoring.rule_files import ROOT, alerts

PAGE: Final = (ROOT / "benchmarks" / "RESULTS-alerts.md").read_text(encoding="utf-8")
INDEX: Final = (ROOT / "docs" / "runbooks" / "README.md").read_text(encoding="utf-8")
KNOWN: Final = tuple(rule.name for rule in alerts())
INDEX_PAGE: Final = """\
| alert | severity | users notice |
|---|---|---|
| [First](First.md) | critical | Nothing, or: much. |
| [Second](Second.md) | info | Nothing. |
"""


def row(alert: str, day: str = "2026-11-30", pending: str = "1.0") -> Row:
    return Row(alert, f"the fault of {alert}", "1 s", pending, "2.5", "10.0", day, "0123abcd")


def test_the_page_is_what_its_own_rows_make_it() -> None:
    """Nobody edits it, and no alert in it has been renamed or removed since."""
    rows = alerts_results.read(PAGE)
    assert set(rows) <= set(KNOWN)
    assert alerts_results.page(rows, known=KNOWN, limits=LIMITS) == PAGE


def test_the_index_of_runbooks_says_when_each_alert_was_seen() -> None:
    """Made by ``benchmarks/alerts_seen.py --write`` from the results."""
    assert alerts_results.index(INDEX, alerts_results.read(PAGE)) == INDEX


def test_a_partial_run_replaces_what_it_looked_at() -> None:
    """What it saw is new, what it looked at and did not see is gone, all else stays; in the rules' order."""
    earlier = {name: row(name, "2026-01-01") for name in ("Kept", "Lost", "Again", "Removed")}
    found = [row("Again", pending="-"), row("New")]
    rows = alerts_results.merged(
        earlier, found, looked_at={"Lost", "Again", "New"}, known=("New", "Again", "Lost", "Kept")
    )
    assert [(name, each.day) for name, each in rows.items()] == [
        ("New", "2026-11-30"),
        ("Again", "2026-11-30"),
        ("Kept", "2026-01-01"),
    ]
    page = alerts_results.page(rows, known=("New", "Again", "Lost", "Kept"), limits={"New": ("> 9", "> 1")})
    assert alerts_results.read(page) == rows
    assert "3 of 4 alerts were seen." in page
    assert "New `> 9` as `> 1`." in page
    assert page.endswith("(`tests/monitoring/cases`): Lost.\n")


def test_the_index_gets_its_column_once() -> None:
    """Made again from other results, it has the others' days."""
    made = alerts_results.index(INDEX_PAGE, {"First": row("First")})
    assert made.splitlines() == [
        "| alert | severity | users notice | seen |",
        "|---|---|---|---|",
        "| [First](First.md) | critical | Nothing, or: much. | 2026-11-30 |",
        "| [Second](Second.md) | info | Nothing. | - |",
    ]
    again = alerts_results.index(made, {"Second": row("Second", "2026-12-01")})
    assert again.splitlines()[2:] == [
        "| [First](First.md) | critical | Nothing, or: much. | - |",
        "| [Second](Second.md) | info | Nothing. | 2026-12-01 |",
    ]


def test_faults_raise_alerts_that_exist_and_each_is_looked_at_once() -> None:
    """An alert that two faults are for would be in the results with the last one alone."""
    found = [*all_faults.of_the_service(), *processes(Path("/nowhere"))]
    names = [name for fault in found for name in fault.alerts]
    assert set(names) <= set(KNOWN)
    assert len(names) == len(set(names))
    assert len({fault.name for fault in found}) == len(found)


def processes(folder: Path) -> tuple[Fault, ...]:
    world: Any = SimpleNamespace(folder=folder)
    return Processes(world, mounts=True).faults()


def test_parts_are_started_for_their_own_alerts_alone() -> None:
    """A part that does not name an alert of its faults would never be started for it."""
    raised = {name for fault in processes(Path("/nowhere")) for name in fault.alerts}
    assert raised <= all_faults.OF_PROCESSES
    parts = (all_faults.OF_PROCESSES, all_faults.OF_HOSTS, all_faults.OF_BOTS, all_faults.others())
    service = {name for fault in all_faults.of_the_service() for name in fault.alerts}
    for number, part in enumerate(parts):
        assert not part & service
        assert not any(part & other for other in parts[number + 1 :])
